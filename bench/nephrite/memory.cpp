// What locks and waits cost in memory: by the allocator's own count, and by the kernel's.

#include <malloc.h>

#include "bench/nephrite/cases.h"
#include "bench/nephrite/embedded.h"
#include "locking/lock_manager.h"

namespace bench::cases {
namespace {

constexpr std::size_t kMany = 1'000'000;

/// Memory now, after what is free has been given back.
struct Memory {
  double heap = 0, resident = 0;
  static Memory now() {
    ::malloc_trim(0);
    return {heapBytes(), residentBytes()};
  }
};

LockRequest exclusive(std::uint64_t locker, std::uint64_t target) {
  LockRequest request;
  request.locker = {locker};
  request.target = {target};
  request.type = LockType::Exclusive;
  request.timeout = LockTimeout::infinite();
  request.id = locker;
  return request;
}

void add(Figure& figure, const Memory& before, const Memory& held, const Memory& after,
         const std::string& what) {
  const auto count = static_cast<double>(figure.ops);
  figure.extra = {{"bytes_per_" + what, (held.heap - before.heap) / count},
                  {"resident_bytes_per_" + what, (held.resident - before.resident) / count},
                  {"bytes_after_release", after.heap - before.heap},
                  {"resident_bytes_after_release", after.resident - before.resident}};
}

void heldInLockManager() {
  LockManager locks(SystemClock::instance(), {});
  locks.signOn({1});
  const Memory before = Memory::now();
  const Stopwatch watch;
  std::size_t granted = 0;
  for (std::uint64_t target = 1; target <= kMany; ++target) {
    locks
        .request(exclusive(1, target),
                 [&granted](const LockAnswer& answer) {
                   granted += answer.outcome == LockOutcome::Granted ? 1 : 0;
                 })
        .deliver();
  }
  Figure figure{.system = kSystem,
                .name = "memory_held_1m",
                .variant = "lock manager",
                .ops = kMany,
                .wallNs = watch.wall() / kMany,
                .cpuNs = watch.cpu() / kMany};
  const Memory held = Memory::now();
  require(granted == kMany && locks.statistics().locksHeld == kMany, "not all were granted");
  const Stopwatch dropping;
  locks.releaseTransactionLocks({1}).deliver();
  const double dropped = dropping.wall() / kMany;
  require(locks.statistics().locksHeld == 0, "not all were released");
  add(figure, before, held, Memory::now(), "lock");
  figure.extra.push_back({"drop_ns", dropped});
  print(figure);
}

void heldInRuntime() {
  Embedded embedded(kMany);
  Process process = embedded.process("holder");
  std::vector<Object> objects = embedded.objects(process, 0, kMany);
  const Memory before = Memory::now();
  const Stopwatch watch;
  for (Object& object : objects) object.exclusiveLock();
  Figure figure{.system = kSystem,
                .name = "memory_held_1m",
                .variant = "runtime",
                .ops = kMany,
                .wallNs = watch.wall() / kMany,
                .cpuNs = watch.cpu() / kMany};
  const Memory held = Memory::now();
  require(embedded.database().lockStatistics(Lifetime::Persistent).locksHeld == kMany,
          "not all are held");
  const Stopwatch dropping;
  process.abortTransaction();
  const double dropped = dropping.wall() / kMany;
  require(embedded.database().lockStatistics(Lifetime::Persistent).locksHeld == 0,
          "not all were released");
  add(figure, before, held, Memory::now(), "lock");
  figure.extra.push_back({"drop_ns", dropped});
  print(figure);
}

// Gives up after `seconds`; the figure then says how many waited.
void waiters(std::size_t perTarget, const char* variant, double seconds) {
  constexpr std::uint64_t kHolder = 10 * kMany;
  LockManager locks(SystemClock::instance(), {});
  locks.signOn({kHolder});
  for (std::uint64_t target = 1; target <= kMany / perTarget; ++target) {
    locks.request(exclusive(kHolder, target), nullptr).deliver();
  }
  const Memory bare = Memory::now();
  for (std::uint64_t locker = 1; locker <= kMany; ++locker) locks.signOn({locker});
  const Memory before = Memory::now();
  std::size_t ended = 0, waiting = 0;
  const Stopwatch watch;
  while (waiting < kMany && (waiting % 1000 != 0 || watch.wall() < seconds * 1e9)) {
    ++waiting;
    locks
        .request(exclusive(waiting, 1 + waiting % (kMany / perTarget)),
                 [&ended](const LockAnswer&) { ++ended; })
        .deliver();
  }
  const auto count = static_cast<double>(waiting);
  Figure figure{.system = kSystem,
                .name = "memory_waiters_1m",
                .variant = variant,
                .ops = waiting,
                .wallNs = watch.wall() / count,
                .cpuNs = watch.cpu() / count};
  const Memory held = Memory::now();
  require(ended == 0 && locks.statistics().requestsWaiting == waiting, "somebody did not wait");
  const Stopwatch leaving;
  for (std::uint64_t locker = waiting; locker > 0; --locker) {
    locks.cancel({locker}, locker).deliver();
  }
  require(ended == waiting && locks.statistics().requestsWaiting == 0, "somebody still waits");
  const double cancelled = leaving.wall() / count;
  add(figure, before, held, Memory::now(), "waiter");
  figure.extra.push_back({"bytes_per_idle_locker", (before.heap - bare.heap) / kMany});
  figure.extra.push_back({"cancel_ns", cancelled});
  print(figure);
}

}  // namespace

void memoryHeld1m() {
  heldInLockManager();
  heldInRuntime();
}

void memoryWaiters1m() {
  waiters(10, "10 an object", 30);
  waiters(kMany, "one object", 10);
}

}  // namespace bench::cases

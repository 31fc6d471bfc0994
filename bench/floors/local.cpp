// Floors that need one process only.

#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <unordered_map>

#include "bench/driver/driver.h"
#include "bench/driver/server_process.h"
#include "bench/driver/threads.h"
#include "bench/floors/floors.h"

namespace bench::floors {
namespace {

constexpr std::size_t kFew = 1'000, kMany = 1'000'000;
constexpr std::size_t kOps = 2'000'000, kWarmUp = 200'000;

template <class Operation>
Figure warmed(const Figure& figure, std::size_t count, const Operation& operation) {
  for (std::size_t i = 0; i < kWarmUp; ++i) operation(i);
  return measure(figure, count, operation);
}

/// The lock table that everybody writes first.
class NaiveTable {
 public:
  explicit NaiveTable(std::size_t size) { owners_.reserve(size); }
  bool take(std::uint64_t key) {
    const std::lock_guard hold(mutex_);
    return owners_.emplace(key, 1).second;
  }
  bool free(std::uint64_t key) {
    const std::lock_guard hold(mutex_);
    return owners_.erase(key) == 1;
  }
  bool has(std::uint64_t key) {
    const std::lock_guard hold(mutex_);
    return owners_.contains(key);
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::uint64_t> owners_;
};

}  // namespace

void casPair1k() {
  struct alignas(64) Word {
    std::atomic<std::uint64_t> owner{0};
  };
  const auto words = std::make_unique<Word[]>(kFew);
  bool all = true;
  const auto pair = [&](std::size_t i) {
    std::atomic<std::uint64_t>& owner = words[i % kFew].owner;
    std::uint64_t nobody = 0, me = 1;
    all &= owner.compare_exchange_strong(nobody, 1, std::memory_order_acquire);
    all &= owner.compare_exchange_strong(me, 0, std::memory_order_release);
  };
  const Figure figure = warmed({.system = kSystem, .name = "cas_pair_1k"}, kOps * 10, pair);
  require(all, "a compare-and-swap failed that nobody could disturb");
  print(figure);
}

void mutexPair1k() {
  struct alignas(64) Lock {
    std::mutex mutex;
    std::uint64_t owner = 0;
  };
  const auto locks = std::make_unique<Lock[]>(kFew);
  print(warmed({.system = kSystem, .name = "mutex_pair_1k"}, kOps * 5, [&](std::size_t i) {
    Lock& lock = locks[i % kFew];
    lock.mutex.lock();
    ++lock.owner;
    lock.mutex.unlock();
  }));
}

void hashMutex1k() {
  NaiveTable table(kFew);
  bool all = true;
  const Figure figure =
      warmed({.system = kSystem, .name = "hash_mutex_1k"}, kOps, [&](std::size_t i) {
        all &= table.take(i % kFew);
        all &= table.free(i % kFew);
      });
  require(all, "the naive lock table lost a lock");
  print(figure);
}

void hashMutex1mCold() {
  std::vector<std::uint64_t> keys(kMany);
  std::iota(keys.begin(), keys.end(), 0);
  std::shuffle(keys.begin(), keys.end(), std::mt19937_64(1));
  NaiveTable table(2 * kMany);
  for (const std::uint64_t key : keys) table.take(2 * key + 1);  // Locks of others.
  bool all = true;
  const Figure pairs =
      measure({.system = kSystem, .name = "hash_mutex_1m_cold", .variant = "insert + erase"}, kMany,
              [&](std::size_t i) {
                all &= table.take(2 * keys[i]);
                all &= table.free(2 * keys[i]);
              });
  const Figure finds = measure({.system = kSystem, .name = "hash_mutex_1m_cold", .variant = "find"},
                               kMany, [&](std::size_t i) { all &= table.has(2 * keys[i] + 1); });
  require(all, "the naive lock table lost a lock");
  print(pairs);
  print(finds);
}

void clockNow() {
  double sum = 0;
  const Figure figure =
      warmed({.system = kSystem, .name = "clock_now"}, kOps, [&](std::size_t) { sum += nowNs(); });
  require(sum > 0, "the clock stands still");
  print(figure);
}

void scalingControl() {
  for (const std::size_t threads : {1u, 2u}) {
    Together together = inThreads(
        {.threads = threads, .warmUp = 0.05, .seconds = 0.3, .batch = 1000}, [](std::size_t) {
          struct alignas(128) Counter {
            std::atomic<std::uint64_t> value{0};
          };
          return [counter = std::make_shared<Counter>()] { ++counter->value; };
        });
    print(figureOf(
        {.system = kSystem, .name = "scaling_control", .variant = counted(threads, "thread")},
        together));
  }
}

// Whoever has the token yields, as the holder of the contended lock does, and wakes the next one.
void handover() {
  for (const std::size_t waiters : {2u, 8u, 32u, 128u, 1000u}) {
    std::vector<sem_t> turns(waiters);
    for (sem_t& turn : turns) ::sem_init(&turn, 0, 0);
    std::atomic<bool> end{false};
    std::uint64_t grants = 0;  // Of whoever has the token.
    std::barrier ready(static_cast<std::ptrdiff_t>(waiters) + 1);
    std::vector<std::thread> running;
    for (std::size_t t = 0; t < waiters; ++t) {
      running.emplace_back([&, t] {
        ready.arrive_and_wait();
        for (bool last = false; !last;) {
          while (::sem_wait(&turns[t]) != 0) {
          }
          last = end;
          const std::uint64_t seen = grants;
          ::sched_yield();
          grants = seen + 1;
          ::sem_post(&turns[(t + 1) % waiters]);
        }
      });
    }
    ready.arrive_and_wait();
    const double switches = voluntarySwitches();
    const Stopwatch watch;
    ::sem_post(&turns[0]);
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    end = true;
    for (std::thread& thread : running) thread.join();
    const auto count = static_cast<double>(grants);
    print({.system = kSystem,
           .name = "handover",
           .variant = counted(waiters, "waiter"),
           .ops = grants,
           .wallNs = watch.wall() / count,
           .cpuNs = watch.cpu() / count,
           .extra = {{"wakes_per_grant", (voluntarySwitches() - switches) / count}}});
    for (sem_t& turn : turns) ::sem_destroy(&turn);
  }
}

void fsync() {
  const ScratchFolder scratch;
  const int file = ::open((scratch.path() / "log").c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  require(file >= 0, "cannot write into " + scratch.path().string());
  const std::array<char, 4096> bytes{};
  std::vector<double> times;
  bool all = true;
  const Stopwatch watch;
  while (watch.wall() < 0.4e9) {
    const double start = nowNs();
    all &= ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
    all &= ::fdatasync(file) == 0;
    times.push_back(nowNs() - start);
  }
  const double wall = watch.wall(), cpu = watch.cpu();
  ::close(file);
  require(all, "the disk refused a write or a sync");
  const auto count = static_cast<double>(times.size());
  print({.system = kSystem,
         .name = "fsync",
         .ops = times.size(),
         .wallNs = wall / count,
         .cpuNs = cpu / count,
         .p50Ns = percentile(times, 0.5),
         .p99Ns = percentile(times, 0.99)});
}

}  // namespace bench::floors

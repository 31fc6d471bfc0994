// Waits that end badly, and many that do.

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "bench/nephrite/cases.h"
#include "bench/nephrite/embedded.h"
#include "locking/lock_manager.h"
#include "runtime/database/locker_port.h"

namespace bench::cases {
namespace {

LockRequest exclusive(std::uint64_t locker, std::uint64_t target, std::uint64_t id = 1) {
  LockRequest request;
  request.locker = {locker};
  request.target = {target};
  request.type = LockType::Exclusive;
  request.timeout = LockTimeout::infinite();
  request.id = id;
  return request;
}

void ask(LockManager& locks, const LockRequest& request, LockDone done) {
  locks.request(request, std::move(done)).deliver();
}

void deadlockInLockManager(std::uint64_t parties, int rounds) {
  LockManager locks(SystemClock::instance(), {});
  for (std::uint64_t party = 1; party <= parties; ++party) {
    locks.signOn({party});
    ask(locks, exclusive(party, party), nullptr);
  }
  std::vector<double> times;
  int deadlocks = 0;
  Stopwatch watch;
  for (int round = -rounds / 10; round < rounds; ++round) {
    if (round == 0) watch = Stopwatch();
    for (std::uint64_t party = 1; party < parties; ++party) {
      ask(locks, exclusive(party, party + 1), nullptr);
    }
    double told = 0;
    const double closing = nowNs();
    ask(locks, exclusive(parties, 1), [&](const LockAnswer& answer) {
      told = nowNs();
      deadlocks += answer.outcome == LockOutcome::Deadlock && answer.cycle.size() == parties;
    });
    require(told > 0, "a cycle was not seen");
    if (round >= 0) times.push_back(told - closing);
    for (std::uint64_t party = 1; party < parties; ++party) locks.cancel({party}, 1).deliver();
  }
  require(deadlocks == rounds + rounds / 10, "not every cycle ended in one deadlock");
  double sum = 0;
  for (const double time : times) sum += time;
  print({.system = kSystem,
         .name = "deadlock",
         .variant = std::to_string(parties) + " parties",
         .ops = static_cast<std::uint64_t>(rounds),
         .wallNs = sum / rounds,
         .cpuNs = watch.cpu() / rounds,
         .p50Ns = percentile(times, 0.5),
         .p99Ns = percentile(times, 0.99)});
}

// The closing request is that of this thread, and the error comes to it: all else being equal, who
// closes the cycle gives way.
void deadlockBetweenThreads(std::size_t parties, int rounds) {
  Embedded embedded(parties);
  std::vector<Process> processes;
  for (std::size_t i = 0; i < parties; ++i) processes.push_back(embedded.process("party"));
  std::vector<double> times;
  const Stopwatch watch;
  for (int round = 0; round < rounds; ++round) {
    const auto object = [&](std::size_t party, std::size_t of) {
      return processes[party].object(embedded.oids()[of % parties]);
    };
    for (std::size_t i = 0; i < parties; ++i) object(i, i).exclusiveLock();
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i + 1 < parties; ++i) {
      threads.emplace_back([&, i] {
        object(i, i + 1).exclusiveLock(LockTimeout::infinite());
        processes[i].abortTransaction();
      });
    }
    while (embedded.database().lockStatistics(Lifetime::Persistent).requestsWaiting + 1 < parties) {
      std::this_thread::yield();
    }
    Object last = object(parties - 1, 0);
    bool deadlock = false;
    double told = 0;
    const double closing = nowNs();
    try {
      last.exclusiveLock(LockTimeout::infinite());
    } catch (const DeadlockException&) {
      told = nowNs();
      deadlock = true;
    }
    processes[parties - 1].abortTransaction();
    for (std::thread& thread : threads) thread.join();
    require(deadlock, "a cycle was not seen");
    times.push_back(told - closing);
  }
  double sum = 0;
  for (const double time : times) sum += time;
  print({.system = kSystem,
         .name = "deadlock",
         .variant = std::to_string(parties) + " parties, runtime",
         .ops = static_cast<std::uint64_t>(rounds),
         .wallNs = sum / rounds,
         .cpuNs = watch.cpu() / rounds,
         .p50Ns = percentile(times, 0.5),
         .p99Ns = percentile(times, 0.99)});
}

void join(std::uint64_t waiting) {
  constexpr std::uint64_t kHolder = 10'000'000, kNewcomer = kHolder + 1;
  constexpr std::size_t kJoins = 20'000;
  LockManager locks(SystemClock::instance(), {});
  for (const std::uint64_t locker : {kHolder, kNewcomer}) locks.signOn({locker});
  ask(locks, exclusive(kHolder, 1), nullptr);
  const Stopwatch filling;
  for (std::uint64_t locker = 1; locker <= waiting; ++locker) {
    locks.signOn({locker});
    ask(locks, exclusive(locker, 1), nullptr);
    require(filling.wall() < 15e9, "after 15 s only " + std::to_string(locker) + " of " +
                                       std::to_string(waiting) + " stood in the queue");
  }
  std::vector<double> times;
  std::size_t ended = 0, joins = 0;
  const Stopwatch watch;
  for (; joins < kJoins && watch.wall() < 1e9; ++joins) {
    const LockRequest request = exclusive(kNewcomer, 1);
    const double start = nowNs();
    ask(locks, request, [&](const LockAnswer&) { ++ended; });
    times.push_back(nowNs() - start);
    locks.cancel({kNewcomer}, 1).deliver();
  }
  require(ended == joins && locks.statistics().requestsWaiting == waiting, "somebody did not wait");
  double sum = 0;
  for (const double time : times) sum += time;
  const auto count = static_cast<double>(joins);
  print({.system = kSystem,
         .name = "join_queue",
         .variant = std::to_string(waiting) + " waiting",
         .ops = joins,
         .wallNs = sum / count,
         .cpuNs = watch.cpu() / count,
         .p50Ns = percentile(times, 0.5),
         .p99Ns = percentile(times, 0.99)});
}

}  // namespace

void deadlock() {
  deadlockInLockManager(2, 10'000);
  deadlockInLockManager(10, 2'000);
  deadlockInLockManager(1'000, 20);
  deadlockBetweenThreads(2, 300);
  deadlockBetweenThreads(10, 50);
}

void joinQueue() {
  join(10);
  join(100'000);
}

// A hundred thousand lockers on a thousand nodes, ten waits each, ten waits an object; deadlines
// spread evenly over four seconds that begin when all have been asked for, as far as can be
// foreseen.
void timers1m() {
  constexpr std::size_t kLockers = 100'000, kEach = 10, kObjects = 100'000;
  constexpr std::size_t kAll = kLockers * kEach, kOnNode = 100;
  constexpr double kSpread = 4e9;
  struct Ended {
    std::vector<double> late = std::vector<double>(kAll, -1e18);  ///< Nanoseconds.
    std::atomic<std::size_t> count{0}, notByTime{0};
  };
  const auto ended = std::make_shared<Ended>();
  Embedded embedded(kObjects);
  Process holder = embedded.process("holder");
  for (Object& object : embedded.objects(holder, 0, kObjects)) object.exclusiveLock();
  std::vector<LockerId> lockers;
  for (std::size_t i = 0; i < kLockers / kOnNode; ++i) {
    Oid node;
    embedded.database().signOnNode({.name = "waiters"}, [&node](const NodeReply& reply) {
      require(reply.node.has_value(), "a node could not sign on");
      node = reply.node->oid;
    });
    for (std::size_t j = 0; j < kOnNode; ++j) {
      embedded.database().signOnProcess({.node = node, .name = "waiter"},
                                        [&lockers](const ProcessReply& reply) {
                                          require(reply.process.has_value(), "not signed on");
                                          lockers.push_back(reply.process->locker);
                                        });
    }
  }
  require(lockers.size() == kLockers, "not all signed on at once");
  const auto orderOf = [&](std::size_t i) {
    ObjectLockRequest order;
    order.request =
        exclusive(lockers[i / kEach].value, embedded.oids()[i % kObjects].bits(), 1 + i);
    return order;
  };

  std::mt19937_64 random(1);
  const Stopwatch asking;
  for (std::size_t i = 0; i < kAll; ++i) {
    ObjectLockRequest order = orderOf(i);
    const double now = nowNs();
    // What asking takes is only known after many, and rises as the queues fill.
    const double left =
        i < 10'000 ? 8e9
                   : 3 * asking.wall() * static_cast<double>(kAll - i) / static_cast<double>(i);
    const double due =
        now + 0.3e9 + left + kSpread * static_cast<double>(random() % 1'000'000) / 1e6;
    order.request.timeout =
        LockTimeout::of(std::chrono::nanoseconds(static_cast<std::int64_t>(due - now)));
    const double earliest = now + 1e6 * static_cast<double>(order.request.timeout.number());
    embedded.database()
        .port(order.request.locker)
        ->lock(order, [ended, earliest, i](const LockReply& reply) {
          ended->late[i] = nowNs() - earliest;
          if (reply.lock.outcome != LockOutcome::TimedOut) ++ended->notByTime;
          ++ended->count;
        });
  }
  const double asked = asking.wall() / kAll;
  const std::size_t armed = kAll - ended->count;
  require(armed > kAll * 9 / 10, "only " + std::to_string(armed) + " timers were armed at once");
  const Stopwatch watch;
  while (ended->count < kAll && watch.wall() < 60e9) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const double cpu = watch.cpu() / kAll, wall = watch.wall() / kAll;
  require(ended->count == kAll, "not all waits had ended a minute later");
  require(ended->notByTime == 0, "a wait ended otherwise than by time");
  std::vector<double>& late = ended->late;
  const auto early = std::count_if(late.begin(), late.end(), [](double by) { return by < 0; });
  const double most = *std::max_element(late.begin(), late.end());
  const double p50 = percentile(late, 0.5), p99 = percentile(late, 0.99);
  print({.system = kSystem,
         .name = "timers_1m",
         .ops = kAll,
         .wallNs = wall,
         .cpuNs = cpu,
         .p50Ns = p50,
         .p99Ns = p99,
         .extra = {{"early", static_cast<double>(early)},
                   {"late_p99_ms", p99 / 1e6},
                   {"late_max_ms", most / 1e6},
                   {"armed_at_once", static_cast<double>(armed)},
                   {"ask_ns", asked}}});
}

}  // namespace bench::cases

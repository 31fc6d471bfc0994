#pragma once

#include <sched.h>
#include <sys/resource.h>

#include "bench/peers/local_locks.h"

namespace peers {

// The cases of a lock manager that is a library in which lockers wait or die, and the list of all
// its cases. What a Peer is: local_locks.h.

inline double voluntarySwitchesOfUs() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  return static_cast<double>(use.ru_nvcsw);
}

/// Threads contend for one object and yield once while they hold it. A plain integer under the
/// lock counts the grants: were two let in, it would lose some.
template <class Peer>
void handover() {
  for (const int waiters : {2, 8, 32, 128}) {
    Peer peer(10'000);
    std::atomic<bool> end{false};
    std::atomic<std::uint64_t> grants{0};
    std::uint64_t underLock = 0;
    std::barrier start(waiters + 1);
    std::vector<std::thread> running;
    for (int t = 0; t < waiters; ++t) {
      running.emplace_back([&] {
        typename Peer::Locker locker(peer);
        start.arrive_and_wait();
        std::uint64_t mine = 0;
        while (!end.load(std::memory_order_relaxed)) {
          require(locker.lock(7, Mode::Exclusive, IfBusy::Wait) == Answer::Granted,
                  "a wait did not end in a grant");
          const std::uint64_t seen = underLock;
          ::sched_yield();
          underLock = seen + 1;
          locker.unlockLast();
          ++mine;
        }
        grants += mine;
      });
    }
    start.arrive_and_wait();
    const double switches = voluntarySwitchesOfUs();
    const Stopwatch watch;
    std::this_thread::sleep_for(std::chrono::duration<double>(kSeconds));
    end = true;
    for (std::thread& thread : running) thread.join();
    const auto count = static_cast<double>(grants.load());
    const double wall = watch.wall() / count, cpu = watch.cpu() / count;
    require(underLock == grants, "two lockers held one object at the same time");
    print({.system = Peer::kSystem,
           .name = "handover",
           .variant = counted(static_cast<std::size_t>(waiters), "waiter"),
           .ops = grants,
           .wallNs = wall,
           .cpuNs = cpu,
           .extra = {{"wakes_per_grant", (voluntarySwitchesOfUs() - switches) / count}}});
  }
}

/// `parties` lockers hold an object each and wait for the next one's; the last one's request
/// closes the cycle. The time from it to the error, whoever gets that; and the CPU time of it.
template <class Peer>
std::pair<double, double> closeOneCycle(Peer& peer, std::size_t parties) {
  peer.clearWaits();
  std::vector<std::unique_ptr<typename Peer::Locker>> lockers;
  for (std::size_t i = 0; i < parties; ++i) {
    lockers.push_back(std::make_unique<typename Peer::Locker>(peer));
    require(lockers[i]->lock(i, Mode::Exclusive, IfBusy::Refuse) == Answer::Granted,
            "a free object was not granted");
  }
  std::atomic<double> told{0};
  std::atomic<int> deadlocks{0};
  double closingCpu = 0;
  const auto ask = [&](std::size_t i) {
    const double cpu = threadCpuNs();
    const Answer answer = lockers[i]->lock((i + 1) % parties, Mode::Exclusive, IfBusy::Wait);
    if (answer == Answer::Deadlock) {
      told = nowNs();
      ++deadlocks;
    }
    if (i + 1 == parties) closingCpu = threadCpuNs() - cpu;
    lockers[i]->releaseAll();
  };
  std::vector<std::thread> waiting;
  for (std::size_t i = 0; i + 1 < parties; ++i) waiting.emplace_back(ask, i);
  while (peer.waits(lockers) + 1 < parties) ::sched_yield();
  std::this_thread::sleep_for(std::chrono::microseconds(500));  // Until the last one sleeps.
  const double closing = nowNs();
  ask(parties - 1);
  for (std::thread& thread : waiting) thread.join();
  require(deadlocks == 1, "a cycle did not end in exactly one deadlock");
  return {told - closing, closingCpu};
}

template <class Peer>
void deadlock() {
  for (const auto& [parties, rounds] : {std::pair<std::size_t, int>{2, 200}, {10, 50}, {1000, 1}}) {
    Peer peer(10'000);
    std::vector<double> times;
    double cpu = 0;
    for (int round = 0; round < rounds; ++round) {
      const auto [wall, cpuOfOne] = closeOneCycle(peer, parties);
      times.push_back(wall);
      cpu += cpuOfOne / rounds;
    }
    const double mean = std::accumulate(times.begin(), times.end(), 0.0) / rounds;
    print({.system = Peer::kSystem,
           .name = "deadlock",
           .variant = std::to_string(parties) + " parties",
           .ops = static_cast<std::uint64_t>(rounds),
           .wallNs = mean,
           .cpuNs = cpu,
           .p50Ns = percentile(times, 0.5),
           .p99Ns = percentile(times, 0.99),
           .extra = {{"deadlocks", rounds}}});
  }
}

/// A locker lets go of 100,000 locks at once while another one locks and unlocks other objects.
template <class Peer>
void sessionDeath() {
  constexpr std::size_t kLocks = 100'000;
  Peer peer(kLocks + 1000);
  typename Peer::Locker dying(peer);
  for (std::size_t object = 0; object < kLocks; ++object) {
    require(dying.lock(object, Mode::Exclusive, IfBusy::Refuse) == Answer::Granted, "not granted");
  }
  enum Phase : int { Before, During, Over };
  std::atomic<int> phase{Before};
  std::vector<double> times[2];
  std::thread other([&] {
    typename Peer::Locker locker(peer);
    const std::vector<std::uint64_t> objects = objectsFrom(10'000'000, 1000);
    for (std::size_t i = 0;; ++i) {
      const int at = phase;
      if (at == Over) break;
      const double start = nowNs();
      pairs<Peer>(locker, objects, Mode::Exclusive, i, 1);
      times[at].push_back(nowNs() - start);
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  phase = During;
  const Stopwatch watch;
  dying.releaseAll();
  const double wall = watch.wall(), cpu = watch.cpu();
  phase = Over;
  other.join();
  require(!times[Before].empty() && !times[During].empty(), "the other locker did not run");
  typename Peer::Locker next(peer);
  for (std::size_t object = 0; object < kLocks; object += 1000) {
    require(next.lock(object, Mode::Exclusive, IfBusy::Refuse) == Answer::Granted,
            "a lock of the dead one is still held");
  }
  print({.system = Peer::kSystem,
         .name = "session_death",
         .ops = 1,
         .wallNs = wall,
         .cpuNs = cpu,
         .extra = {{"others_p99_ns", percentile(times[During], 0.99)},
                   {"others_p99_before_ns", percentile(times[Before], 0.99)},
                   {"others_max_ns", times[During].back()},
                   {"others_ops_during", static_cast<double>(times[During].size())}}});
}

template <class Peer>
std::vector<Case> localLockCases() {
  return {
      {"uncontended_1k", "exclusive acquire + release, 1,000 objects", uncontended1k<Peer>},
      {"uncontended_1m_cold", "the same, 1,000,000 objects in random order",
       uncontended1mCold<Peer>},
      {"reentrant", "asking again for a held lock", reentrant<Peer>},
      {"two_threads_distinct", "1 and 2 threads, objects of their own", twoThreadsDistinct<Peer>},
      {"two_threads_shared", "1 and 2 threads share one object", twoThreadsShared<Peer>},
      {"handover", "2 to 128 threads contend for one object", handover<Peer>},
      {"memory_held_1m", "memory with 1,000,000 held locks", memoryHeld1m<Peer>},
      {"deadlock", "from the closing request to the error; 2, 10, 1,000 parties", deadlock<Peer>},
      {"session_death", "a locker with 100,000 locks lets go of all", sessionDeath<Peer>},
  };
}

}  // namespace peers

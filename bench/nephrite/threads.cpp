// Several threads, a process each, in one embedded database.

#include <sched.h>

#include "bench/driver/threads.h"
#include "bench/nephrite/cases.h"
#include "bench/nephrite/embedded.h"

namespace bench::cases {
namespace {

/// A process with the objects it works on, one after the other.
struct Worker {
  Process process;
  std::vector<Object> objects;
  std::size_t next = 0;
  Object& object() { return objects[next++ % objects.size()]; }
};

std::shared_ptr<Worker> workerOn(Embedded& embedded, std::size_t first, std::size_t count) {
  auto worker = std::make_shared<Worker>();
  worker->process = embedded.process("worker");
  worker->objects = embedded.objects(worker->process, first, count);
  return worker;
}

template <class Pair>
void twoThreads(const char* name, std::size_t objectsOfEach, bool apart, const Pair& pair) {
  for (const std::size_t threads : {1u, 2u}) {
    Embedded embedded(objectsOfEach * (apart ? threads : 1));
    proveLocks(embedded, embedded.oids()[0]);
    Together together =
        inThreads({.threads = threads, .warmUp = 0.05, .batch = kBatch}, [&](std::size_t t) {
          return [&pair, worker = workerOn(embedded, apart ? t * objectsOfEach : 0,
                                           objectsOfEach)] { pair(worker->object()); };
        });
    print(figureOf({.system = kSystem, .name = name, .variant = counted(threads, "thread")},
                   together));
  }
}

}  // namespace

void twoThreadsDistinct() {
  twoThreads("two_threads_distinct", 1'000, true, [](Object& object) {
    object.exclusiveLock();
    object.unlock();
  });
}

void twoThreadsShared() {
  twoThreads("two_threads_shared", 1, false, [](Object& object) {
    object.sharedLock();
    object.unlock();
  });
}

// A plain integer under the lock counts the grants: were two let in, it would lose some.
void handover() {
  for (const std::size_t waiters : {2u, 8u, 32u, 128u, 1000u}) {
    Embedded embedded(1);
    proveLocks(embedded, embedded.oids()[0]);
    std::uint64_t underLock = 0;
    Together together = inThreads({.threads = waiters}, [&](std::size_t) {
      return [&underLock, worker = workerOn(embedded, 0, 1)] {
        Object& object = worker->objects[0];
        object.exclusiveLock(LockTimeout::infinite());
        const std::uint64_t seen = underLock;
        ::sched_yield();
        underLock = seen + 1;
        object.unlock();
      };
    });
    require(underLock == together.ops, "two processes held one object at the same time");
    Figure figure = figureOf(
        {.system = kSystem, .name = "handover", .variant = counted(waiters, "waiter")}, together);
    figure.extra.push_back(
        {"wakes_per_grant", together.switches / static_cast<double>(together.ops)});
    print(figure);
  }
}

// Several die, one after the other, on the same objects: a death is over in a few milliseconds, in
// which a thread may not even get a core.
void sessionDeath() {
  constexpr std::size_t kLocks = 100'000, kOthers = 1'000, kDeaths = 10;
  Embedded embedded(kLocks + kOthers);
  proveLocks(embedded, embedded.oids()[0]);

  enum Phase : int { Before, During, Between, Over };
  std::atomic<int> phase{Between};
  std::vector<double> times[2];
  // More than all that can come: when one grew, its thread was away just while somebody died.
  for (std::vector<double>& each : times) each.reserve(40'000'000);
  std::thread other([&] {
    const std::shared_ptr<Worker> worker = workerOn(embedded, kLocks, kOthers);
    for (int at = phase; at != Over; at = phase) {
      const double start = nowNs();
      Object& object = worker->object();
      object.exclusiveLock();
      object.unlock();
      if (at != Between) times[at].push_back(nowNs() - start);
    }
  });
  std::vector<double> walls, cpus;
  for (std::size_t i = 0; i < kDeaths; ++i) {
    Process dying = embedded.process("dying");
    for (Object& object : embedded.objects(dying, 0, kLocks)) object.exclusiveLock();
    phase = Before;
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    phase = During;
    const Stopwatch watch;
    dying.signOff();
    walls.push_back(watch.wall());
    cpus.push_back(watch.cpu());
    phase = Between;
  }
  phase = Over;
  other.join();
  require(!times[Before].empty() && !times[During].empty(), "the other process did not run");
  require(embedded.database().locksHeld(Lifetime::Persistent, 10).empty(),
          "a lock of a dead one is still held");
  const double longest = *std::max_element(times[During].begin(), times[During].end());
  print({.system = kSystem,
         .name = "session_death",
         .ops = kDeaths,
         .wallNs = percentile(walls, 0.5),
         .cpuNs = percentile(cpus, 0.5),
         .extra = {{"others_p50_ns", percentile(times[During], 0.5)},
                   {"others_p99_ns", percentile(times[During], 0.99)},
                   {"others_p50_before_ns", percentile(times[Before], 0.5)},
                   {"others_p99_before_ns", percentile(times[Before], 0.99)},
                   {"others_max_ns", longest},
                   {"others_ops_during", static_cast<double>(times[During].size())}}});
}

}  // namespace bench::cases

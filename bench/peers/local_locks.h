#pragma once

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <numeric>
#include <random>
#include <thread>

#include "bench/peers/private_server.h"

namespace peers {

enum class Answer { Granted, Refused, Deadlock };
enum class Mode { Share, Exclusive };
enum class IfBusy { Refuse, Wait };

// The cases of a lock manager that is a library. A Peer is made with the number of locks that it
// must be able to hold, names itself by kSystem, and has a Locker:
//
//   Answer lock(std::uint64_t object, Mode, IfBusy)
//   void unlockLast()       the lock that lock() granted last
//   void releaseAll()
//
// clearWaits() and waits(lockers) tell how many requests have had to wait since, and still do.

constexpr double kSeconds = 0.4;
constexpr std::size_t kBatch = 100;

/// A second locker is refused what the first one holds, and gets it afterwards; two may share.
/// Throws otherwise; says how often one was refused.
template <class Peer>
double proveExclusive(Peer& peer) {
  typename Peer::Locker holder(peer), other(peer), third(peer);
  double refused = 0;
  for (std::uint64_t object = 0; object < 100; ++object) {
    require(holder.lock(object, Mode::Exclusive, IfBusy::Refuse) == Answer::Granted,
            "a free object was not granted");
    for (const Mode mode : {Mode::Share, Mode::Exclusive}) {
      require(other.lock(object, mode, IfBusy::Refuse) == Answer::Refused,
              "an object was granted to two lockers");
      ++refused;
    }
    holder.unlockLast();
    require(other.lock(object, Mode::Exclusive, IfBusy::Refuse) == Answer::Granted,
            "an unlocked object was not granted");
    other.unlockLast();
    for (typename Peer::Locker* sharer : {&holder, &other}) {
      require(sharer->lock(object, Mode::Share, IfBusy::Refuse) == Answer::Granted,
              "an object was not shared");
    }
    require(third.lock(object, Mode::Exclusive, IfBusy::Refuse) == Answer::Refused,
            "a shared object was granted exclusively");
    ++refused;
    holder.unlockLast();
    other.unlockLast();
  }
  return refused;
}

template <class Peer>
void pairs(typename Peer::Locker& locker, const std::vector<std::uint64_t>& objects, Mode mode,
           std::size_t first, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    require(
        locker.lock(objects[(first + i) % objects.size()], mode, IfBusy::Wait) == Answer::Granted,
        "a lock was not granted");
    locker.unlockLast();
  }
}

template <class Peer>
void uncontended(const char* name, const std::vector<std::uint64_t>& objects, std::size_t warmUp,
                 std::size_t count) {
  Peer peer(objects.size());
  const double refused = proveExclusive(peer);
  typename Peer::Locker locker(peer);
  pairs<Peer>(locker, objects, Mode::Exclusive, 0, warmUp);
  std::vector<double> batches;
  batches.reserve(count / kBatch);
  const Stopwatch watch;
  for (std::size_t done = 0; done < count; done += kBatch) {
    const double start = nowNs();
    pairs<Peer>(locker, objects, Mode::Exclusive, done, kBatch);
    batches.push_back((nowNs() - start) / kBatch);
  }
  const auto ops = static_cast<double>(batches.size() * kBatch);
  const double wall = watch.wall() / ops, cpu = watch.cpu() / ops;
  print({.system = Peer::kSystem,
         .name = name,
         .ops = batches.size() * kBatch,
         .wallNs = wall,
         .cpuNs = cpu,
         .p50Ns = percentile(batches, 0.5),
         .p99Ns = percentile(batches, 0.99),
         .extra = {{"second_locker_refused", refused}}});
}

inline std::vector<std::uint64_t> objectsFrom(std::uint64_t first, std::size_t count) {
  std::vector<std::uint64_t> objects(count);
  std::iota(objects.begin(), objects.end(), first);
  return objects;
}

template <class Peer>
void uncontended1k() {
  uncontended<Peer>("uncontended_1k", objectsFrom(1, 1000), 200'000, 2'000'000);
}

template <class Peer>
void uncontended1mCold() {
  std::vector<std::uint64_t> objects = objectsFrom(1, 1'000'000);
  std::shuffle(objects.begin(), objects.end(), std::mt19937_64(1));
  uncontended<Peer>("uncontended_1m_cold", objects, 100'000, 2 * objects.size());
}

template <class Peer>
void reentrant() {
  Peer peer(1000);
  const double refused = proveExclusive(peer);
  typename Peer::Locker locker(peer), other(peer);
  require(locker.lock(7, Mode::Exclusive, IfBusy::Refuse) == Answer::Granted, "not granted");
  constexpr std::size_t kOps = 5'000'000;
  const auto again = [&](std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
      require(locker.lock(7, Mode::Exclusive, IfBusy::Wait) == Answer::Granted,
              "a held lock was refused to its holder");
    }
  };
  again(kOps / 10);
  const Stopwatch watch;
  again(kOps);
  const double wall = watch.wall() / kOps, cpu = watch.cpu() / kOps;
  require(other.lock(7, Mode::Share, IfBusy::Refuse) == Answer::Refused, "it was not held");
  locker.releaseAll();
  require(other.lock(7, Mode::Share, IfBusy::Refuse) == Answer::Granted, "it was not released");
  print({.system = Peer::kSystem,
         .name = "reentrant",
         .ops = kOps,
         .wallNs = wall,
         .cpuNs = cpu,
         .extra = {{"second_locker_refused", refused}}});
}

/// `threads` lockers, each with `objectsOf` its own number, for kSeconds.
template <class Peer, class ObjectsOf>
void twoThreads(const char* name, Mode mode, const ObjectsOf& objectsOf) {
  for (const int threads : {1, 2}) {
    Peer peer(10'000);
    const double refused = proveExclusive(peer);
    std::atomic<bool> end{false};
    std::atomic<std::uint64_t> ops{0};
    std::barrier start(threads + 1);
    std::vector<std::thread> running;
    for (int t = 0; t < threads; ++t) {
      running.emplace_back([&, t] {
        typename Peer::Locker locker(peer);
        const std::vector<std::uint64_t> objects = objectsOf(t);
        pairs<Peer>(locker, objects, mode, 0, 20'000);
        start.arrive_and_wait();
        std::uint64_t done = 0;
        for (; !end.load(std::memory_order_relaxed); done += kBatch) {
          pairs<Peer>(locker, objects, mode, done, kBatch);
        }
        ops += done;
      });
    }
    start.arrive_and_wait();
    const Stopwatch watch;
    std::this_thread::sleep_for(std::chrono::duration<double>(kSeconds));
    end = true;
    for (std::thread& thread : running) thread.join();
    const auto count = static_cast<double>(ops.load());
    print({.system = Peer::kSystem,
           .name = name,
           .variant = counted(static_cast<std::size_t>(threads), "thread"),
           .ops = ops,
           .wallNs = watch.wall() / count,
           .cpuNs = watch.cpu() / count,
           .extra = {{"second_locker_refused", refused}}});
  }
}

template <class Peer>
void twoThreadsDistinct() {
  twoThreads<Peer>("two_threads_distinct", Mode::Exclusive, [](int thread) {
    return objectsFrom(1'000'000u * static_cast<std::uint64_t>(thread), 1000);
  });
}

template <class Peer>
void twoThreadsShared() {
  twoThreads<Peer>("two_threads_shared", Mode::Share,
                   [](int) { return std::vector<std::uint64_t>{7}; });
}

template <class Peer>
void memoryHeld1m() {
  constexpr std::size_t kLocks = 1'000'000;
  const double before = residentBytes();
  Peer peer(kLocks);
  auto locker = std::make_unique<typename Peer::Locker>(peer);
  require(locker->lock(0, Mode::Exclusive, IfBusy::Refuse) == Answer::Granted, "not granted");
  const double open = residentBytes();
  const Stopwatch watch;
  for (std::size_t object = 1; object <= kLocks; ++object) {
    require(locker->lock(object, Mode::Exclusive, IfBusy::Refuse) == Answer::Granted,
            "a lock was not granted");
  }
  const double wall = watch.wall() / kLocks, cpu = watch.cpu() / kLocks;
  const double held = residentBytes();
  typename Peer::Locker other(peer);
  for (std::size_t object = 1; object <= kLocks; object += 1000) {
    require(other.lock(object, Mode::Share, IfBusy::Refuse) == Answer::Refused,
            "one of the million is not held");
  }
  const double releasing = nowNs();
  locker->releaseAll();
  const double released = (nowNs() - releasing) / kLocks;
  locker.reset();
  ::malloc_trim(0);
  const double after = residentBytes();
  print({.system = Peer::kSystem,
         .name = "memory_held_1m",
         .ops = kLocks,
         .wallNs = wall,
         .cpuNs = cpu,
         .extra = {{"bytes_per_lock", (held - open) / kLocks},
                   {"bytes_per_lock_with_environment", (held - before) / kLocks},
                   {"bytes_after_release", after - open},
                   {"release_ns_per_lock", released},
                   {"second_locker_refused", 1000}}});
}

}  // namespace peers

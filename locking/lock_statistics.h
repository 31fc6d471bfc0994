#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "locking/lock_request.h"

namespace nephrite {

/// Counters since the lock manager was made, which only rise; and how many there are now.
struct LockStatistics {
  std::uint64_t lockRequests = 0;    ///< Asked, all outcomes.
  std::uint64_t unlockRequests = 0;  ///< unlock() calls.
  std::uint64_t queuedLocks = 0;     ///< Requests that had to wait.
  std::uint64_t refusals = 0;        ///< Immediate ones.
  std::uint64_t timeouts = 0;
  std::uint64_t deadlocks = 0;  ///< Requests refused as victims.
  std::uint64_t cancellations = 0;
  std::uint64_t lapses = 0;           ///< Locks whose lease ended.
  Duration totalQueueWait{0};         ///< Of all waits that ended.
  std::uint64_t locksHeld = 0;        ///< Now.
  std::uint64_t requestsWaiting = 0;  ///< Now.
};

/// Contention of one target since the statistics were begun (JADE's LockContentionInfo).
struct LockContentionInfo {
  LockTarget target;  ///< Null (0) for the entry that gathers what the table had no room for.
  std::uint64_t totalContentions = 0;  ///< Requests queued or rejected.
  Duration totalWait{0};
  Duration maxWait{0};
};

/// Whether contention statistics run, since when, and which locker started them.
struct LockContentionState {
  bool active = false;
  LockerId startedBy;
  std::size_t tableSize = 0;
  WallTime startTime{};
};

}  // namespace nephrite

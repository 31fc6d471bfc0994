#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "locking/lock_request.h"

namespace nephrite {

/// One lock that was held when a deadlock came about.
struct DeadlockHold {
  LockTarget target;
  LockerId locker;
  LockType type = LockType::Share;
  LockType session = LockType::Get;  ///< Latest type asked for with Session duration; Get: none.
  /// Rises with each acquisition of its locker, and of its target.
  std::uint64_t acquired = 0;
  Duration age{0};                 ///< For how long it had been held.
  bool upgradedByCommit = false;   ///< Exclusive for a commit that waits; Update if that fails.
  LockType below = LockType::Get;  ///< Of all that is below; Get: the scope is Node.
  LockType belowSession = LockType::Get;
};

/// One request that waited when a deadlock came about, the one that closed the circle included.
struct DeadlockWait {
  LockTarget target;
  LockerId locker;
  LockType wanted = LockType::Share;
  LockDuration duration = LockDuration::Transaction;
  bool upgrade = false;     ///< The locker holds something on the target.
  bool commit = false;      ///< One of the upgrades of a commit, which wait and fail together.
  std::uint64_t asked = 0;  ///< Rises with each wait in the lock table.
  Duration age{0};          ///< For how long it had waited.
  std::int32_t priority = 0;
  LockTimeout timeout = LockTimeout::serverDefined();  ///< As asked.
  bool background = false;                             ///< See LockRequest.
  LockScope scope = LockScope::Node;
  LockTarget goal;  ///< What is below `target` and it is on its way to; null (0): `target` itself.
};

/// A target that is below another (docs/locking.md, section 9).
struct DeadlockPlace {
  LockTarget target;
  LockTarget parent;
};

/// A deadlock as it was before a locker was refused: enough to understand it, and to play it again
/// (node/schedule/deadlock_schedule.h).
///
/// Shape:   a record for each request that closed a circle, however many lockers gave way. Holds
///          and waits are those of every target that a locker on a cycle of the requester waits
///          for, whichever locker holds it or queues there, so that what the refusal of one locker
///          grants to another can be told from them. Where somebody waits for all that is below a
///          target, of each locker with locks there the strongest, too.
/// Size:    the targets that the lockers on `cycle` wait for and at most kMoreTargets more; on
///          each, the lockers on `cycle`, the holders of more than Share, and of all others the
///          first kOthers holders and the first kOthers waiters.
/// Threads: a value.
struct DeadlockRecord {
  static constexpr std::size_t kMoreTargets = 64;
  static constexpr std::size_t kOthers = 64;
  /// So many locks are looked at in all to find those that are below.
  static constexpr std::size_t kMostLooked = 100'000;

  std::uint64_t number = 0;  ///< Rises from 1 in a lock table.
  WallTime at{};
  bool doubled = false;           ///< DoubleDeadlockException was on.
  LockerId requester;             ///< Its request closed the circle.
  std::vector<LockerId> victims;  ///< In the order in which they were refused.

  /// The cycle that was broken first, the requester first; its first victim is on it.
  std::vector<WaitEdge> cycle;
  std::vector<DeadlockHold> holds;  ///< Target by target, each in the order of the grants.
  std::vector<DeadlockWait> waits;  ///< Target by target, each queue from its head.
  /// Of all these targets and those above them: those that are below another, that one first.
  std::vector<DeadlockPlace> places;
  bool truncated = false;  ///< More was involved than Size allows to keep.
};

}  // namespace nephrite

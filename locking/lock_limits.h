#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "locking/lock_request.h"

namespace nephrite {

/// How much a lock table may hold. 0: no limit. Source: docs/locking.md, section 13.
struct LockLimits {
  std::size_t maxLockers = 0;
  /// Pairs of a locker and a target, held or waited for.
  std::size_t maxLocks = 0;
  /// Targets that are held or waited for.
  std::size_t maxLockedObjects = 0;
  /// One line is logged when a count passes so much of its limit, and one when it is back.
  unsigned warningPercent = 90;
};

/// What has become of one limit so far. Locks and locked objects are counted only while one of
/// the two is limited.
struct LockLimitUse {
  std::size_t limit = 0;  ///< 0: none.
  std::size_t now = 0;
  std::size_t highest = 0;    ///< Ever.
  std::uint64_t refused = 0;  ///< Requests and sign-ons.
  bool isWarned = false;      ///< Now above LockLimits::warningPercent.
};

/// Told when a count passes the warning mark of its limit, and when it is back: `isWarned` says
/// which. A mutex of the lock manager is held: it calls nothing of it.
using NearLimit = std::function<void(LockLimit, const LockLimitUse&)>;

/// Which party of a deadlock gives way, after the deadlock priorities, of which the lowest loses.
/// Source: docs/locking.md, section 14.
enum class DeadlockVictim : std::uint8_t {
  Requester,  ///< Of the requester and its blockers the requester.
  Youngest,   ///< By the begin of its transaction, else its sign-on.
  Oldest,
  FewestLocks,  ///< Held.
  MostLocks,
  FewestWriteLocks,  ///< Update and Exclusive.
  MostWriteLocks,
  Random,
};

/// "Requester", "Youngest"; empty: there is no such policy.
std::optional<DeadlockVictim> deadlockVictimNamed(std::string_view name);
std::string_view nameOf(DeadlockVictim policy);

}  // namespace nephrite

#pragma once

#include <cstdint>

#include "locking/lock_request.h"

namespace nephrite {

/// What lets locks of one locker go, all at once: the end of a transaction, of a load or lock state
/// outside a transaction, or of the locker.
struct ReleaseScope {
  enum class Kind : std::uint8_t { Transaction, Level, Everything };
  Kind kind = Kind::Transaction;
  std::uint16_t level = 0;  ///< Of Kind::Level: how many states were open, the ended one included.
};

enum class ReleaseFate : std::uint8_t {
  Stays,
  Returns,  ///< To the type last asked for with Session duration.
  Goes,
};

/// What becomes of a lock that was acquired at `level` and whose session type is `session` (Get: it
/// has Transaction duration). The lock table, short way and long, and a client's table of what it
/// holds ask this alone, so that they never disagree.
///
/// Levels above LockTerms::kMostLevel count as that one when a lock is acquired. So their end lets
/// nothing go; the end of kMostLevel lets go what was acquired at any of them: late, never early.
/// Source: docs/locking.md, section 3.
constexpr ReleaseFate fateOf(LockType session, std::uint16_t level, ReleaseScope scope) {
  const bool isSession = session != LockType::Get;
  switch (scope.kind) {
    case ReleaseScope::Kind::Transaction:
      return isSession ? ReleaseFate::Returns : ReleaseFate::Goes;
    case ReleaseScope::Kind::Level:
      if (isSession) return scope.level == 1 ? ReleaseFate::Returns : ReleaseFate::Stays;
      return level >= scope.level ? ReleaseFate::Goes : ReleaseFate::Stays;
    case ReleaseScope::Kind::Everything: break;
  }
  return ReleaseFate::Goes;
}

/// The level that a lock keeps which is acquired while so many states are open.
constexpr std::uint16_t levelKept(std::size_t statesOpen) {
  return statesOpen < LockTerms::kMostLevel ? static_cast<std::uint16_t>(statesOpen)
                                            : LockTerms::kMostLevel;
}

}  // namespace nephrite

#pragma once

#include <algorithm>
#include <cstdint>

#include "locking/lock_request.h"

namespace nephrite {

/// What a locker holds of one target, as far as the rules of asking and releasing go.
struct HeldTypes {
  LockType type = LockType::Get;     ///< Get: nothing.
  LockType session = LockType::Get;  ///< The latest type asked for with Session duration; or Get.
  friend constexpr bool operator==(HeldTypes, HeldTypes) = default;
};

/// What a locker's request for one target is, given what it holds of it.
/// Source: docs/locking.md, sections 2.1 and 2.2.
enum class OwnRequest : std::uint8_t {
  Newcomer,    ///< It holds nothing.
  Nothing,     ///< Granted, and everything stays as it is.
  Retype,      ///< Granted at once, also past a queue; a lower type may let others in.
  Upgrade,     ///< To be granted when no other holder is in the way.
  ShareFirst,  ///< The Share is released and its queue served; then it is a newcomer.
};

/// What is held when `asked` is granted to a locker that holds `held`.
constexpr HeldTypes afterGrant(HeldTypes held, LockTerms asked) {
  const LockType session = asked.isSession() ? asked.type() : held.session;
  if (!covers(held.type, asked.type())) return {asked.type(), session};
  // Duration never falls, nor does the type of a lock that has the longer one.
  if (!asked.isSession() && held.session != LockType::Get) return held;
  return {asked.inState() ? held.type : asked.type(), session};
}

constexpr OwnRequest ownRequest(HeldTypes held, LockTerms asked) {
  if (held.type == LockType::Get) return OwnRequest::Newcomer;
  if (covers(held.type, asked.type())) {
    return afterGrant(held, asked) == held ? OwnRequest::Nothing : OwnRequest::Retype;
  }
  const bool sharesOnly = held == HeldTypes{LockType::Share, LockType::Get};
  return sharesOnly && asked.type() == LockType::Update ? OwnRequest::ShareFirst
                                                        : OwnRequest::Upgrade;
}

/// The lease of a lock when `asked`, with the lease `wanted`, is granted to a locker that holds
/// `held` with the lease `has`. It belongs to what was asked for with the longer duration; of one
/// duration the longer lease counts, and a lock without one never gets one.
/// Source: docs/locking.md, section 10.
constexpr LeaseTerms leaseAfterGrant(HeldTypes held, LeaseTerms has, LockTerms asked,
                                     LeaseTerms wanted) {
  if (held.type == LockType::Get) return wanted;
  const bool wasSession = held.session != LockType::Get;
  if (!wasSession && asked.isSession()) return wanted;
  if (has.isNone() || wasSession != asked.isSession()) return has;
  return {std::max(has.length, wanted.length), std::max(has.renewedBy, wanted.renewedBy)};
}

/// What is held of all that is below a target when `asked`, with this scope, is granted to a locker
/// that holds `below` of that. Source: docs/locking.md, section 9.
constexpr HeldTypes belowAfterGrant(HeldTypes below, LockTerms asked, LockScope scope) {
  if (scope == LockScope::Subtree) return afterGrant(below, asked);
  if (asked.isSession()) below.session = LockType::Get;
  return below;
}

/// Of all that is below never more is held than `held`, which is of the target itself.
constexpr HeldTypes belowWithin(HeldTypes below, HeldTypes held) {
  if (stronger(below.type, held.type)) below.type = held.type;
  if (stronger(below.session, below.type)) below.session = below.type;
  if (held.session == LockType::Get) below.session = LockType::Get;
  return below;
}

/// Is `asked` granted, and everything stays as it is, to a locker that holds `held` of the target
/// and `below` of all that is below it?
constexpr bool changesNothing(HeldTypes held, HeldTypes below, LockTerms asked, LockScope scope) {
  if (ownRequest(held, asked) != OwnRequest::Nothing) return false;
  if (scope == LockScope::Subtree && !covers(below.type, asked.type())) return false;
  return belowWithin(belowAfterGrant(below, asked, scope), held) == below;
}

/// What an heir has that held `own` and gets `left` of a descendant.
constexpr HeldTypes afterInheriting(HeldTypes own, HeldTypes left) {
  const auto higher = [](LockType a, LockType b) { return stronger(b, a) ? b : a; };
  return {higher(own.type, left.type), higher(own.session, left.session)};
}

/// The lock that a change of an object takes when none is held that permits it (section 5).
constexpr LockType lockOfChange(bool updateLocks) {
  return updateLocks ? LockType::Update : LockType::Exclusive;
}
/// Does `held` permit its locker to change the object?
constexpr bool permitsChange(LockType held) { return covers(held, LockType::Update); }

/// What lets locks of one locker go, all at once: the end of a transaction, of a load or lock state
/// outside a transaction, or of the locker.
struct ReleaseScope {
  enum class Kind : std::uint8_t { Transaction, Level, Everything };
  Kind kind = Kind::Transaction;
  std::uint16_t level = 0;  ///< Of Kind::Level: how many states were open, the ended one included.
  bool byForce = false;     ///< Of Kind::Everything: an operator signs the locker off.
};

enum class ReleaseFate : std::uint8_t {
  Stays,
  Returns,  ///< To the type last asked for with Session duration.
  Goes,
};

/// What becomes of a lock that was acquired at `level` and whose session type is `session` (Get: it
/// has Transaction duration). The lock table, fast path and slow, and a client's table of what it
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

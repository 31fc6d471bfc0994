#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <ostream>
#include <utility>
#include <vector>

#include "locking/lock_manager.h"

namespace nephrite {

/// What is held of one target, as somebody knows it who has read the listing once and follows the
/// events from then on.
class Followed {
 public:
  struct Held {
    LockType type = LockType::Get;
    LockType session = LockType::Get;
    LockType below = LockType::Get;
    std::uint64_t token = 0;
    friend auto operator<=>(const Held&, const Held&) = default;
    friend std::ostream& operator<<(std::ostream& out, const Held& held) {
      return out << nameOf(held.type) << "/" << nameOf(held.session) << "/" << nameOf(held.below)
                 << " token " << held.token;
    }
  };
  using Holders = std::map<LockerId, Held>;

  /// `listing` was made when the watch had begun.
  Followed(LockWatch watch, const std::vector<LockInfo>& listing)
      : watch_(std::move(watch)), next_(watch_.since()), holders_(heldIn(listing)) {}
  Followed(LockManager& locks, LockTarget target)
      : Followed{locks.watch(target), locks.locksOn(target)} {}

  static Holders heldOn(const LockManager& locks, LockTarget target) {
    return heldIn(locks.locksOn(target));
  }
  static Holders heldIn(const std::vector<LockInfo>& listing) {
    Holders holders;
    for (const LockInfo& lock : listing) {
      if (lock.waiting || lock.isFromAbove()) continue;
      holders[lock.requestedBy] = {lock.type, lock.session, lock.below, lock.token.value};
    }
    return holders;
  }

  /// Reads what is new. False when events were lost.
  bool follow(const LockManager& locks) {
    const LockEvents found = locks.eventsAfter(next_);
    next_ = found.next;
    for (const LockEvent& event : found.events) apply(event);
    return found.lost == 0;
  }
  void apply(const LockEvent& event) {
    if (event.target != target()) return;
    if (event.isHeld()) {
      holders_[event.locker] = {event.type, event.session, event.below, event.token.value};
    } else if (event.isLetGo()) {
      holders_.erase(event.locker);
    }
  }

  LockTarget target() const { return watch_.target(); }
  std::uint64_t next() const { return next_; }
  const Holders& holders() const { return holders_; }

 private:
  LockWatch watch_;
  std::uint64_t next_;
  Holders holders_;
};

inline std::ostream& operator<<(std::ostream& out, LockerId locker) { return out << locker.value; }

}  // namespace nephrite

#include "locking/domain/lock_counts.h"

#include <algorithm>

#include "base/check.h"

namespace nephrite::lock_table {

void LockCounts::setLimits(const LockLimits& limits) {
  isOn_ = limits.maxLocks > 0 || limits.maxLockedObjects > 0;
  warningPercent_ = limits.warningPercent;
  of(LockLimit::Lockers).limit = limits.maxLockers;
  of(LockLimit::Locks).limit = limits.maxLocks;
  of(LockLimit::LockedObjects).limit = limits.maxLockedObjects;
}

bool LockCounts::isFull(LockLimit limit) const {
  const LockLimitUse& use = uses_.at(static_cast<std::size_t>(limit));
  return use.limit > 0 && use.now >= use.limit;
}

std::optional<LockLimit> LockCounts::limitOfNext(LockTarget target) const {
  if (isFull(LockLimit::Locks)) return LockLimit::Locks;
  if (!isFull(LockLimit::LockedObjects) || locksOf_.contains(target.value)) return std::nullopt;
  return LockLimit::LockedObjects;
}

void LockCounts::add(LockTarget target) {
  set(LockLimit::Locks, of(LockLimit::Locks).now + 1);
  if (++locksOf_[target.value] == 1) set(LockLimit::LockedObjects, locksOf_.size());
}

void LockCounts::remove(LockTarget target) {
  set(LockLimit::Locks, of(LockLimit::Locks).now - 1);
  const auto locks = locksOf_.find(target.value);
  NEPHRITE_CHECK(locks != locksOf_.end());
  if (--locks->second > 0) return;
  locksOf_.erase(locks);
  set(LockLimit::LockedObjects, locksOf_.size());
}

void LockCounts::set(LockLimit limit, std::size_t count) {
  LockLimitUse& use = of(limit);
  use.now = count;
  use.highest = std::max(use.highest, count);
  if (use.limit == 0) return;
  const bool isAbove = count * 100 > use.limit * warningPercent_;
  if (isAbove == use.isWarned) return;
  use.isWarned = isAbove;
  if (nearLimit_) nearLimit_(limit, use);
}

LockLimitUse LockCounts::useOf(LockLimit limit) const {
  return uses_.at(static_cast<std::size_t>(limit));
}

}  // namespace nephrite::lock_table

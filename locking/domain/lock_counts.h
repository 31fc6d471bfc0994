#pragma once

// Private to locking. Guarded by the mutex of LockManager.

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "locking/lock_limits.h"
#include "locking/lock_request.h"

namespace nephrite::lock_table {

/// How many locks there are and how many targets are locked, exactly, while one of the two is
/// limited: a lock is a pair of a locker and a target, held or waited for. And how many lockers.
/// What a node needs for itself is not counted.
class LockCounts {
 public:
  LockCounts(const LockLimits& limits, NearLimit nearLimit) : nearLimit_(std::move(nearLimit)) {
    setLimits(limits);
  }
  /// Only while no locker is counted.
  void setLimits(const LockLimits& limits);

  /// Are locks and targets counted? Then every request and release takes the slow path.
  bool isOn() const { return isOn_; }

  /// The limit that one more lock, of this target, would pass.
  std::optional<LockLimit> limitOfNext(LockTarget target) const;
  void add(LockTarget target);
  void remove(LockTarget target);
  bool mayAddLocker() const { return !isFull(LockLimit::Lockers); }
  void addLocker() { set(LockLimit::Lockers, of(LockLimit::Lockers).now + 1); }
  void removeLocker() { set(LockLimit::Lockers, of(LockLimit::Lockers).now - 1); }
  void refuse(LockLimit limit) { ++of(limit).refused; }

  LockLimitUse useOf(LockLimit limit) const;

 private:
  LockLimitUse& of(LockLimit limit) { return uses_.at(static_cast<std::size_t>(limit)); }
  bool isFull(LockLimit limit) const;
  void set(LockLimit limit, std::size_t count);

  const NearLimit nearLimit_;
  bool isOn_ = false;
  unsigned warningPercent_ = 90;
  std::array<LockLimitUse, 3> uses_{};
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> locksOf_;  // By target.
};

}  // namespace nephrite::lock_table

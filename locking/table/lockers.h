#pragma once

// Private to locking.

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/mutex.h"
#include "locking/lock_statistics.h"
#include "locking/locker_ref.h"
#include "locking/table/locker.h"

namespace nephrite::lock_table {

/// The lockers that are signed on. Threads: any.
class Lockers {
 public:
  ~Lockers() = default;

  /// False when it is signed on already.
  bool add(const LockerRef& locker) NEPHRITE_EXCLUDES(mutex_);
  LockerRef find(LockerId id) const NEPHRITE_EXCLUDES(mutex_);
  void remove(LockerId id) NEPHRITE_EXCLUDES(mutex_);
  std::size_t size() const NEPHRITE_EXCLUDES(mutex_);
  std::vector<LockerRef> all() const NEPHRITE_EXCLUDES(mutex_);
  /// Sums of what all have asked so far, those that have left included, and of what they hold.
  void count(LockStatistics& statistics) const NEPHRITE_EXCLUDES(mutex_);
  /// The largest token that one of them has been given.
  std::uint64_t lastToken() const NEPHRITE_EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;  // A leaf.
  boost::unordered_flat_map<std::uint64_t, LockerRef> lockers_ NEPHRITE_GUARDED_BY(mutex_);
  std::uint64_t pastLockRequests_ NEPHRITE_GUARDED_BY(mutex_) = 0;
  std::uint64_t pastUnlockRequests_ NEPHRITE_GUARDED_BY(mutex_) = 0;
};

}  // namespace nephrite::lock_table

#pragma once

// Private to locking: contention per target, in a table of bounded size.

#include <boost/unordered/unordered_flat_map.hpp>
#include <vector>

#include "locking/lock_statistics.h"

namespace nephrite::lock_table {

class ContentionTable {
 public:
  bool begin(LockerId starter, std::size_t tableSize, WallTime now);
  bool clear(LockerId locker, WallTime now);
  bool end(LockerId locker);
  /// The starter is gone: no other could end them.
  void forget(LockerId locker);

  const LockContentionState& state() const { return state_; }

  /// A request on `target` was queued or rejected.
  void count(LockTarget target) {
    if (state_.active) ++entryOf(target).totalContentions;
  }
  /// A wait on `target` ended after `waited`.
  void add(LockTarget target, Duration waited) {
    if (state_.active) addTo(entryOf(target), waited);
  }

  std::vector<LockContentionInfo> list(std::size_t maxEntries, std::uint64_t minContentions) const;
  LockContentionInfo of(LockTarget target) const;

 private:
  LockContentionInfo& entryOf(LockTarget target);
  static void addTo(LockContentionInfo& info, Duration waited);

  LockContentionState state_;
  boost::unordered_flat_map<std::uint64_t, LockContentionInfo> entries_;
  LockContentionInfo overflow_;  // Null target: what the table had no room for.
};

}  // namespace nephrite::lock_table

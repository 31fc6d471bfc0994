#include "locking/domain/contention_table.h"

#include <algorithm>

namespace nephrite::lock_table {

bool ContentionTable::begin(LockerId starter, std::size_t tableSize, WallTime now) {
  if (state_.active && state_.startedBy != starter) return false;
  state_ = {true, starter, tableSize, now};
  entries_.clear();
  overflow_ = {};
  return true;
}

bool ContentionTable::clear(LockerId locker, WallTime now) {
  if (!state_.active) return true;
  if (state_.startedBy != locker) return false;
  state_.startTime = now;
  entries_.clear();
  overflow_ = {};
  return true;
}

bool ContentionTable::end(LockerId locker) {
  if (!state_.active) return true;
  if (state_.startedBy != locker) return false;
  state_ = {};
  entries_.clear();
  overflow_ = {};
  return true;
}

void ContentionTable::forget(LockerId locker) {
  if (state_.active && state_.startedBy == locker) end(locker);
}

LockContentionInfo& ContentionTable::entryOf(LockTarget target) {
  const auto known = entries_.find(target.value);
  if (known != entries_.end()) return known->second;
  if (entries_.size() >= state_.tableSize) return overflow_;
  LockContentionInfo& made = entries_[target.value];
  made.target = target;
  return made;
}

void ContentionTable::addTo(LockContentionInfo& info, Duration waited) {
  info.totalWait += waited;
  info.maxWait = std::max(info.maxWait, waited);
}

std::vector<LockContentionInfo> ContentionTable::list(std::size_t maxEntries,
                                                      std::uint64_t minContentions) const {
  std::vector<LockContentionInfo> found;
  for (const auto& [target, info] : entries_) {
    if (info.totalContentions >= minContentions) found.push_back(info);
  }
  if (overflow_.totalContentions > 0 && overflow_.totalContentions >= minContentions) {
    found.push_back(overflow_);
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    if (a.totalContentions != b.totalContentions) return a.totalContentions > b.totalContentions;
    return a.target < b.target;
  });
  if (found.size() > maxEntries) found.resize(maxEntries);
  return found;
}

LockContentionInfo ContentionTable::of(LockTarget target) const {
  const auto known = entries_.find(target.value);
  if (known != entries_.end()) return known->second;
  LockContentionInfo none;
  none.target = target;
  return none;
}

}  // namespace nephrite::lock_table

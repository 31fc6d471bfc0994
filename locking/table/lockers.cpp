#include "locking/table/lockers.h"

#include <algorithm>
#include <utility>

#include "base/owner_mutex.h"

namespace nephrite::lock_table {

bool Lockers::add(const LockerRef& locker) {
  MutexLock hold(mutex_);
  return lockers_.try_emplace(locker->id.value, locker).second;
}

LockerRef Lockers::find(LockerId id) const {
  MutexLock hold(mutex_);
  const auto it = lockers_.find(id.value);
  return it == lockers_.end() ? LockerRef() : it->second;
}

void Lockers::remove(LockerId id) {
  LockerRef gone;  // Freed after the mutex.
  MutexLock hold(mutex_);
  const auto it = lockers_.find(id.value);
  if (it == lockers_.end()) return;
  gone = std::move(it->second);
  pastLockRequests_ += gone->lockRequests.get();
  pastUnlockRequests_ += gone->unlockRequests.get();
  lockers_.erase(it);
}

void Lockers::count(LockStatistics& statistics) const {
  MutexLock hold(mutex_);
  statistics.lockRequests = pastLockRequests_;
  statistics.unlockRequests = pastUnlockRequests_;
  for (const auto& [id, locker] : lockers_) {
    statistics.lockRequests += locker->lockRequests.get();
    statistics.unlockRequests += locker->unlockRequests.get();
    statistics.locksHeld += locker->held.get();
  }
}

std::uint64_t Lockers::lastToken() const {
  std::uint64_t last = 0;
  for (const LockerRef& locker : all()) {
    OwnerHold own(locker->mutex);
    last = std::max(last, locker->clock);
  }
  return last;
}

std::size_t Lockers::size() const {
  MutexLock hold(mutex_);
  return lockers_.size();
}

std::vector<LockerRef> Lockers::all() const {
  MutexLock hold(mutex_);
  std::vector<LockerRef> all;
  all.reserve(lockers_.size());
  for (const auto& [id, locker] : lockers_) all.push_back(locker);
  return all;
}

}  // namespace nephrite::lock_table

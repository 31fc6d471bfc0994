#include "locking/table/locker.h"

#include <new>

#include "base/check.h"

namespace nephrite::lock_table {

// --- Locker --------------------------------------------------------------------------------------

LockerRef Locker::make(LockerId id, ChunkPool& pool, const GrantClock& grants) {
  return LockerRef(new (pool.take()) Locker(id, pool, grants));
}

Locker::Locker(LockerId locker, ChunkPool& pool, const GrantClock& grantClock)
    : id(locker), grants(grantClock), index(pool), pool_(pool) {
  static_assert(sizeof(Locker) + 8 * sizeof(Hold) <= ChunkPool::kChunk);
  owner = this;
  OwnerHold hold(mutex);
  spread(this + 1, reinterpret_cast<std::byte*>(this) + ChunkPool::kChunk);
}

// Makes spare holds of [from, to).
void Locker::spread(void* from, void* to) {
  const auto room =
      static_cast<std::size_t>(static_cast<std::byte*>(to) - static_cast<std::byte*>(from));
  for (std::size_t at = room / sizeof(Hold); at-- > 0;) {
    auto* const hold = new (static_cast<std::byte*>(from) + at * sizeof(Hold)) Hold;
    hold->after.set(spare_);
    spare_ = hold;
  }
}

void Locker::grow() {
  auto* const chunk = new (pool_.take()) ChunkHead{this, next};
  next = chunk;
  ++chunks_;
  spread(chunk + 1, reinterpret_cast<std::byte*>(chunk) + ChunkPool::kChunk);
}

void Locker::shrink() {
  spare_ = nullptr;
  chunks_ = 0;
  spread(this + 1, reinterpret_cast<std::byte*>(this) + ChunkPool::kChunk);
  while (next != nullptr) {
    ChunkHead* const chunk = next;
    next = chunk->next;
    pool_.give(chunk);
  }
}

void keep(Locker& locker) { locker.references_.fetch_add(1, std::memory_order_relaxed); }

void letGo(Locker& locker) {
  if (locker.references_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
  NEPHRITE_CHECK(locker.held.get() == 0 && locker.next == nullptr);
  ChunkPool& pool = locker.pool_;
  locker.~Locker();
  pool.give(&locker);
}

// --- Lockers -------------------------------------------------------------------------------------

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

std::vector<LockerRef> Lockers::all() const {
  MutexLock hold(mutex_);
  std::vector<LockerRef> all;
  all.reserve(lockers_.size());
  for (const auto& [id, locker] : lockers_) all.push_back(locker);
  return all;
}

}  // namespace nephrite::lock_table

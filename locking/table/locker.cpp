#include "locking/table/locker.h"

#include <new>

#include "base/check.h"

namespace nephrite::lock_table {

LockerRef Locker::make(LockerId id, LockerRef parent, ChunkPool& pool, const GrantClock& grants) {
  return LockerRef(new (pool.take()) Locker(id, std::move(parent), pool, grants));
}

Locker::Locker(LockerId locker, LockerRef parentOrNull, ChunkPool& pool,
               const GrantClock& grantClock)
    : id(locker),
      parent(std::move(parentOrNull)),
      depth(parent == nullptr ? 1 : parent->depth + 1),
      grants(grantClock),
      index(pool),
      pool_(pool) {
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

}  // namespace nephrite::lock_table

#pragma once

// Private to locking: a locker, and the memory of its holds.

#include <algorithm>
#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/owner_mutex.h"
#include "locking/lock_statistics.h"
#include "locking/locker_ref.h"
#include "locking/table/entry.h"
#include "locking/table/grant_clock.h"
#include "locking/table/hold_memory.h"

namespace nephrite::lock_table {

/// A number that one thread at a time changes and any reads.
class Count {
 public:
  void add(std::uint64_t by) { set(get() + by); }
  void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class LockTable;

/// What stands in front of the holds of a chunk; a locker is its own first chunk.
struct ChunkHead {
  Locker* owner = nullptr;
  ChunkHead* next = nullptr;
};

/// What asks for locks: one process, in one lock table.
///
/// Memory:    in one chunk with its first holds; more chunks come as it holds more, and go when it
///            holds nothing and retains nothing.
/// Retention: backs off, four times as long each time, when another locker had to revoke a hold, or
///            when retained holds are evicted from the index more often than reactivated
///            (mayRetain()).
/// Life:      as long as a LockerRef refers to it; from sign-off on it holds nothing any more.
struct Locker : ChunkHead {
  static LockerRef make(LockerId id, LockerRef parent, ChunkPool& pool, const GrantClock& grants);

  static constexpr unsigned kMostDepth = 8;  ///< Of a family, from the first ancestor on.

  const LockerId id;
  const LockerRef parent;   ///< Null: none.
  const unsigned depth;     ///< 1: it has no parent.
  const GrantClock grants;  ///< For Shares that are taken again.

  OwnerMutex mutex;
  /// Not 0: its requests take the slow path. kSignedOff. kCommitWaits, while a commit waits for its
  /// upgrades and points to its holds: its releases take the slow path, too. kCommitWrites, while a
  /// commit is written, which relies on its locks: a request is Cancelled, for it might lower one.
  std::uint32_t slowPathOnly NEPHRITE_GUARDED_BY(mutex) = 0;
  /// kCounted: its locks are counted against a limit, exactly; its releases take the slow path,
  /// too.
  static constexpr std::uint32_t kCommitWaits = 1u, kCommitWrites = 2u, kCounted = 4u,
                                 kSignedOff = 1u << 31;
  Hold* first NEPHRITE_GUARDED_BY(mutex) = nullptr;  ///< In the order of acquisition.
  Hold* last NEPHRITE_GUARDED_BY(mutex) = nullptr;
  std::uint64_t clock NEPHRITE_GUARDED_BY(mutex) = 0;  ///< Its largest token.
  HoldIndex index NEPHRITE_GUARDED_BY(mutex);
  /// Its locks with scope Subtree: what becomes of them when others return, the slow path knows.
  std::uint32_t subtrees NEPHRITE_GUARDED_BY(mutex) = 0;
  Count held, lockRequests, unlockRequests;  // Changed under `mutex`.

  // Guarded by LockManager's mutex.
  WaitsOfLocker waits;
  /// Of all entries on whose targets it holds something.
  boost::unordered_flat_map<const Entry*, HolderPlace> contended;
  CommitUpgrade* commit = nullptr;  ///< That waits; null: none.
  Mark* marks = nullptr;            ///< The first; see Place.
  std::uint64_t mark = 0;           ///< Of a process: the search that has seen it (WaitGraph).
  /// Rises with each sign-on and begin of a transaction.
  std::atomic<std::uint64_t> since{0};
  std::uint64_t signedOn = 0;
  /// Those of one process, one in each table of a domain, stand in a ring. For who waits for whom
  /// they are one: `process`, the first of them.
  Locker* process = this;
  Locker* nextOfProcess = this;
  LockTable* table = nullptr;
  Locker* firstChild = nullptr;  ///< Of those that are signed on; linked by `sibling`.
  Locker* nextSibling = nullptr;
  Locker* previousSibling = nullptr;
  bool isCounted = false;    ///< Against limits: see LockCounts.
  bool keepsLeases = false;  ///< A commit of it has all its locks: none lapses until it has ended.

  /// A hold to fill in, and one to get rid of.
  Hold* take() NEPHRITE_REQUIRES(mutex) {
    if (spare_ == nullptr) [[unlikely]]
      grow();
    Hold* const hold = spare_;
    spare_ = hold->after.get();
    return hold;
  }
  void give(Hold* hold) NEPHRITE_REQUIRES(mutex) {
    hold->after.set(spare_);
    spare_ = hold;
    if (next != nullptr && held.get() == 0 && retained_ == 0) [[unlikely]]
      shrink();
  }

  /// May what it releases now be retained? Else dropped() counts.
  bool mayRetain() const NEPHRITE_REQUIRES(mutex) {
    return noneBefore_ == 0 && chunks_ <= kMostChunksWithRetained;
  }
  void dropped() NEPHRITE_REQUIRES(mutex) {
    if (noneBefore_ > 0) --noneBefore_;
  }
  void retain(Hold& hold) NEPHRITE_REQUIRES(mutex) {
    unlink(hold);
    ++retained_;
    hold.setRetained();
  }
  /// The hold is a lock again, as far as this locker is concerned.
  void reactivate(Hold& hold, LockTimeout timeout) NEPHRITE_REQUIRES(mutex) {
    --retained_;
    ++reactivated_;
    link(hold, timeout);
  }
  /// A retained hold that stands in no chain any more.
  void freeRetained(Hold& hold) NEPHRITE_REQUIRES(mutex) {
    --retained_;
    give(&hold);
  }
  /// A retained hold had to make place for another.
  void retainedEvicted() NEPHRITE_REQUIRES(mutex) {
    if (index.pushedOut()) [[likely]]
      return;
    if (std::exchange(reactivated_, 0) <= index.all().size()) backOffRetention();
  }
  void backOffRetention() NEPHRITE_REQUIRES(mutex) {
    noneBefore_ = retentionPause_;
    retentionPause_ = std::min(retentionPause_ * 4, kMostRetentionPause);
  }
  std::uint32_t retained() const NEPHRITE_REQUIRES(mutex) { return retained_; }
  /// Do retained holds keep much memory that nothing else needs?
  bool retainsTooMuch() const NEPHRITE_REQUIRES(mutex) {
    return chunks_ > kMostChunksWithRetained && retained_ > 0 && held.get() == 0;
  }

  /// Into, and out of, the list of what it holds.
  void link(Hold& hold, LockTimeout timeout) NEPHRITE_REQUIRES(mutex) {
    const auto bits = static_cast<std::uint32_t>(timeout.number());
    hold.before.set(last, static_cast<std::uint16_t>(bits >> 16));
    hold.after.set(nullptr, static_cast<std::uint16_t>(bits));
    if (last == nullptr) {
      first = &hold;
    } else {
      last->after.set(&hold);
    }
    last = &hold;
    held.add(1);
  }
  void unlink(Hold& hold) NEPHRITE_REQUIRES(mutex) {
    Hold* const before = hold.before.get();
    Hold* const after = hold.after.get();
    if (before == nullptr) {
      first = after;
    } else {
      before->after.set(after);
    }
    if (after == nullptr) {
      last = before;
    } else {
      after->before.set(before);
    }
    held.add(std::uint64_t(-1));
  }

 private:
  friend void keep(Locker& locker);
  friend void letGo(Locker& locker);

  Locker(LockerId locker, LockerRef parentOrNull, ChunkPool& pool, const GrantClock& grantClock);
  void grow() NEPHRITE_REQUIRES(mutex);
  void shrink() NEPHRITE_REQUIRES(mutex);
  void spread(void* from, void* to) NEPHRITE_REQUIRES(mutex);

  static constexpr std::uint32_t kMostChunksWithRetained = 128;
  static constexpr std::uint32_t kMostRetentionPause = 1u << 20;

  Hold* spare_ NEPHRITE_GUARDED_BY(mutex) = nullptr;
  std::uint32_t chunks_ NEPHRITE_GUARDED_BY(mutex) = 0;       // Beside the first.
  std::uint32_t retained_ NEPHRITE_GUARDED_BY(mutex) = 0;     // Holds.
  std::uint32_t reactivated_ NEPHRITE_GUARDED_BY(mutex) = 0;  // Retained holds, not long since.
  std::uint32_t noneBefore_ NEPHRITE_GUARDED_BY(mutex) = 0;
  std::uint32_t retentionPause_ NEPHRITE_GUARDED_BY(mutex) = 16;
  std::atomic<std::uint32_t> references_{0};
  ChunkPool& pool_;
};

inline Locker& Hold::locker() const {
  const auto chunk = reinterpret_cast<std::uintptr_t>(this) & ~(ChunkPool::kChunk - 1);
  return *reinterpret_cast<const ChunkHead*>(chunk)->owner;
}

}  // namespace nephrite::lock_table

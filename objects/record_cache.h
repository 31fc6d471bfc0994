#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/spin_lock.h"
#include "objects/change_set.h"

namespace nephrite {

/// The records used last, bounded in bytes, above a place that has all of them ("below").
///
/// Shape:   shards by Oid; in each one hash table with open addressing, whose slots hold all there
///          is to know of an object. What must leave is found by a hand that goes round the slots
///          and spares, once, what has been used since it came by (CLOCK): finding marks, and
///          moves nothing.
/// Truth:   a record found here is the latest committed edition. A reader that brings a record
///          up from below may be overtaken by a commit; so it offers the record with the ticket
///          it got when it did not find it, and the offer is refused if the object was being
///          committed in between (beginCommit ... endCommit), or dropped. Thus no reader sees an
///          edition older than one that any reader has seen before.
/// Others:  an owner that shares what is below with others calls drop() when they have changed an
///          object, and clear() when it may have missed that. Until then an older edition is found.
///          There, commits of one object may be told to have ended in another order than that in
///          which they took place, and what was read from below may be newer than they are: the
///          later edition stays.
/// Threads: any. One spin lock per shard, a leaf; longest held when a shard doubles its slots.
class RecordCache {
 public:
  /// A record larger than one of the 16 shards is not kept.
  explicit RecordCache(std::uint64_t bytes) : bytesPerShard_(bytes / kShards) {}

  struct Found {
    RecordPtr record;          ///< Null: not in memory.
    std::uint64_t ticket = 0;  ///< For offer().
  };
  Found find(Oid oid);

  /// The edition of what find() would find; 0: nothing. The record itself is not looked at: where
  /// it will be found `soon`, it is called for, and counted then.
  std::uint32_t edition(Oid oid, bool soon = false);

  /// `oid` will be looked for soon: its slot is called for. Waits for nothing, asks for no mutex.
  void expect(Oid oid) const;

  /// Keeps what was read from below after find() gave `ticket`, unless it may be outdated.
  void offer(const RecordPtr& record, std::uint64_t ticket);

  /// Keeps what was just read from below, in place of an older edition, also while the object is
  /// being committed. For an owner that hears of others' changes (drop()) in the order in which
  /// it reads: it needs no tickets.
  void refresh(const RecordPtr& record);

  /// From now on, until as many commits of `oid` have ended as began, no offer of it is taken. What
  /// is here stays visible, and is returned; null when it is not in memory.
  RecordPtr beginCommit(Oid oid);
  /// The commit is durable: `record` is the truth, unless a later edition is here or the object was
  /// dropped, or had to leave, meanwhile; null when it is deleted. What it replaces is given back,
  /// for the caller to free many together.
  RecordPtr endCommit(Oid oid, const RecordPtr& record);
  /// The commit did not happen.
  void cancelCommit(Oid oid);

  /// Another node has changed or deleted the object: it leaves, and what was read or begun to be
  /// committed before this call is not kept.
  void drop(Oid oid);
  /// The same for all objects.
  void clear();

  std::uint64_t bytesInUse() const;
  /// How often find() has found something.
  std::uint64_t hits() const;

 private:
  static constexpr std::size_t kShards = 16;

  /// Empty, or of an object that has a record here or is being committed.
  struct Slot {
    std::uint64_t key = 0;  ///< The Oid's bits; 0: empty.
    RecordPtr record;
    std::uint32_t edition = 0;  ///< The record's, so that it need not be in the processor's caches.
    std::uint16_t commits = 0;  ///< On their way.
    bool dropped = false;       ///< Since they began: theirs may not be the latest.
    bool used = false;          ///< Found since the hand came by.
  };
  static_assert(sizeof(Slot) == 32);

  /// Linear probing over a power of two of slots, at most three quarters of them taken.
  struct alignas(64) Shard {
    mutable SpinLock mutex;
    std::vector<Slot> slots NEPHRITE_GUARDED_BY(mutex);
    // Leaves as many bits of a hash as needed. It and where the slots begin are also read without
    // the mutex, by expect(), for which they need not even fit together.
    std::atomic<unsigned> shift{0};
    std::atomic<const Slot*> begin{nullptr};
    std::size_t taken NEPHRITE_GUARDED_BY(mutex) = 0;
    std::size_t hand NEPHRITE_GUARDED_BY(mutex) = 0;
    std::uint64_t changes NEPHRITE_GUARDED_BY(mutex) = 0;  // Tickets: commits ended, and drops.
    std::uint64_t bytes NEPHRITE_GUARDED_BY(mutex) = 0;
    std::uint64_t hits NEPHRITE_GUARDED_BY(mutex) = 0;
  };
  /// Records that leave; freed by the caller after the mutex.
  using Leaving = std::vector<RecordPtr>;

  Shard& shardOf(Oid oid) { return shards_[shardNumberOf(oid)]; }
  static std::size_t shardNumberOf(Oid oid);
  static std::size_t homeOf(const Shard& shard, std::uint64_t key);
  static Slot* slotOf(Shard& shard, Oid oid) NEPHRITE_REQUIRES(shard.mutex);
  /// Gives `slots` to the shard, and takes what it had.
  static void swapSlots(Shard& shard, std::vector<Slot>& slots) NEPHRITE_REQUIRES(shard.mutex);
  static Slot& madeSlotOf(Shard& shard, Oid oid) NEPHRITE_REQUIRES(shard.mutex);
  static void grow(Shard& shard) NEPHRITE_REQUIRES(shard.mutex);
  /// One commit of the slot's object less is on its way.
  static void endOne(Slot& slot);
  /// Empties `slot` unless something is still to be known of its object.
  static void tidy(Shard& shard, Slot& slot) NEPHRITE_REQUIRES(shard.mutex);
  static void erase(Shard& shard, std::size_t at) NEPHRITE_REQUIRES(shard.mutex);
  /// Takes the record out of `slot`.
  static RecordPtr take(Shard& shard, Slot& slot) NEPHRITE_REQUIRES(shard.mutex);
  /// The latest edition is not in `slot`, and of commits on their way none is known to be.
  static void leave(Shard& shard, Slot& slot) NEPHRITE_REQUIRES(shard.mutex);
  /// Puts `record` in a slot without one, and what must leave for it in `leaving`.
  void put(Shard& shard, Slot& slot, const RecordPtr& record, Leaving& leaving) const
      NEPHRITE_REQUIRES(shard.mutex);

  const std::uint64_t bytesPerShard_;
  std::array<Shard, kShards> shards_;
};

/// Memory that `record` occupies, roughly.
std::uint64_t bytesOf(const ObjectRecord& record);

}  // namespace nephrite

#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>

#include "base/mutex.h"
#include "objects/change_set.h"

namespace nephrite {

/// The records used last, bounded in bytes, above a place that has all of them ("below").
///
/// Shape:   shards by Oid; in each a hash map and a list from last used to longest unused.
/// Truth:   a record found here is the latest committed edition. A reader that brings a record
///          up from below may be overtaken by a commit; so it offers the record with the ticket
///          it got when it did not find it, and the offer is refused if the object was being
///          committed in between (beginCommit ... endCommit), or dropped. Thus nobody sees an
///          edition older than one that somebody has seen before.
/// Others:  who shares what is below with others calls drop() when they have changed an object,
///          and clear() when it may have missed that. Until then an older edition is found.
/// Threads: any. One mutex per shard, a leaf.
class RecordCache {
 public:
  /// A record larger than one of the 16 shards is not kept.
  explicit RecordCache(std::uint64_t bytes) : bytesPerShard_(bytes / kShards) {}

  struct Found {
    RecordPtr record;          ///< Null: not in memory.
    std::uint64_t ticket = 0;  ///< For offer().
  };
  Found find(Oid oid);

  /// Keeps what was read from below after find() gave `ticket`, unless it may be outdated.
  void offer(const RecordPtr& record, std::uint64_t ticket);

  /// Keeps what was just read from below, in place of an older edition. For one thread that is told
  /// of others' changes (drop()) in the order in which it reads: it needs no tickets.
  void refresh(const RecordPtr& record);

  /// From now on no offer of `oid` is taken. What is here stays visible.
  void beginCommit(Oid oid);
  /// The commit is durable: `record` is the truth, unless the object was dropped meanwhile; null
  /// when it is deleted.
  void endCommit(Oid oid, const RecordPtr& record);
  /// The commit did not happen.
  void cancelCommit(Oid oid);

  /// Somebody else has changed or deleted the object: it leaves, and what was read or begun to be
  /// committed before this call is not kept.
  void drop(Oid oid);
  /// The same for all objects.
  void clear();

  std::uint64_t bytesInUse() const;

 private:
  static constexpr std::size_t kShards = 16;

  struct Entry {
    RecordPtr record;
    std::uint64_t bytes = 0;
  };
  using Entries = std::list<Entry>;

  struct Shard {
    mutable Mutex mutex;
    Entries entries NEPHRITE_GUARDED_BY(mutex);  // Last used first.
    std::unordered_map<Oid, Entries::iterator> index NEPHRITE_GUARDED_BY(mutex);
    // Being committed; true as long as nobody has dropped it meanwhile.
    std::unordered_map<Oid, bool> committing NEPHRITE_GUARDED_BY(mutex);
    std::uint64_t changes NEPHRITE_GUARDED_BY(mutex) = 0;  // Tickets: commits ended, and drops.
    std::uint64_t bytes NEPHRITE_GUARDED_BY(mutex) = 0;
  };

  Shard& shardOf(Oid oid);
  /// Takes the entry of `oid` out; it is freed by the caller after the mutex.
  static Entries take(Shard& shard, Oid oid) NEPHRITE_REQUIRES(shard.mutex);
  /// Puts `record` in front; what must leave for it is freed by the caller after the mutex.
  Entries put(Shard& shard, const RecordPtr& record) const NEPHRITE_REQUIRES(shard.mutex);

  const std::uint64_t bytesPerShard_;
  std::array<Shard, kShards> shards_;
};

/// Memory that `record` occupies, roughly.
std::uint64_t bytesOf(const ObjectRecord& record);

}  // namespace nephrite

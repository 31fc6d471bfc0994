#pragma once

#include <rocksdb/write_batch.h>

#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "objects/disk/rocks_database.h"
#include "objects/object_store.h"

namespace nephrite {

/// Private to objects. What the store remembers of the commits of each process: the number of the
/// last one, and when that was.
///
/// Shape:   one key per process in the column family of numbers (docs/store.md). Each commit
///          overwrites it unread, in the batch of its changes: so the mark says neither more nor
///          less than the objects do.
/// Unknown: a commit whose write failed may be there or not, until the store is opened again. Of
///          its process nothing is said until then: "no" might turn out wrong.
/// Errors:  StoreException: NotWritable for an unknown commit; Io, Damaged.
/// Threads: any. The mutex is a leaf.
class CommitMarks {
 public:
  /// Both must outlive this.
  CommitMarks(RocksDatabase& database, const ObjectStore::Options& options)
      : database_(database), options_(options) {}

  void put(rocksdb::WriteBatch& batch, CommitId commit) const;
  void remove(rocksdb::WriteBatch& batch, std::uint64_t process) const;
  /// Removes those that have reached the age of Options::keepOutcomes.
  void removeOld(rocksdb::WriteBatch& batch) const;

  /// 0 when there is none.
  std::uint64_t lastOf(std::uint64_t process) const NEPHRITE_EXCLUDES(mutex_);

  /// The write of `commit` failed.
  void setUnknown(CommitId commit) NEPHRITE_EXCLUDES(mutex_);

 private:
  std::uint64_t secondsNow() const;

  RocksDatabase& database_;
  const ObjectStore::Options& options_;

  mutable Mutex mutex_;
  // By process, the number of the commit.
  std::unordered_map<std::uint64_t, std::uint64_t> unknown_ NEPHRITE_GUARDED_BY(mutex_);
};

}  // namespace nephrite

#pragma once

#include <rocksdb/db.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "objects/disk/rocks_log.h"
#include "objects/object_store.h"

namespace nephrite {

/// Private to objects. RocksDB with the options the store needs, and its column families.
/// RocksDB's transactions and their locks are not used: who may change what is decided above.
/// Every call into RocksDB while the store is in use is in here; ThreadSanitizer needs that
/// (see the .cpp).
/// Threads: any.
class RocksDatabase {
 public:
  /// Opens, or makes when `make`, the database in options.directory.
  static std::unique_ptr<RocksDatabase> open(const ObjectStore::Options& options, rocksdb::Env* env,
                                             bool make);

  /// Opens the database without changing anything, and compares every table file with the
  /// checksum of the whole file that was noted when it was written. Throws Damaged.
  static void verify(const ObjectStore::Options& options, rocksdb::Env* env);

  ~RocksDatabase();
  RocksDatabase(const RocksDatabase&) = delete;
  RocksDatabase& operator=(const RocksDatabase&) = delete;

  rocksdb::ColumnFamilyHandle* schema() const { return families_[0]; }
  rocksdb::ColumnFamilyHandle* objects() const { return families_[1]; }
  rocksdb::ColumnFamilyHandle* numbers() const { return families_[2]; }

  /// NotFound when there is no such key.
  rocksdb::Status get(rocksdb::ColumnFamilyHandle* family, const std::string& key,
                      rocksdb::PinnableSlice& value) const;

  /// Calls `visit` for the entries from key `from` to below `until` (empty: to the end), in the
  /// order of keys, until it answers false.
  using Visit = std::function<bool(std::string_view key, std::string_view value)>;
  rocksdb::Status scan(rocksdb::ColumnFamilyHandle* family, const std::string& from,
                       const std::string& until, const Visit& visit) const;

  rocksdb::Status write(const rocksdb::WriteOptions& how, rocksdb::WriteBatch& batch);

  /// Moves all that is in memory and in the log to table files.
  rocksdb::Status flush();

  /// The directory is another program's by now: no file in it is made or removed from here on, also
  /// when this is destroyed. Nothing may be written any more.
  void leaveFilesAlone();

 private:
  RocksDatabase(const ObjectStore::Options& options, rocksdb::Env* env);

  const std::shared_ptr<RocksLog> log_;  // Null when in memory.
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;  // In the order they are named in.
};

}  // namespace nephrite

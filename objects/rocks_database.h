#pragma once

#include <rocksdb/db.h>

#include <memory>
#include <string>
#include <vector>

#include "objects/object_store.h"

namespace nephrite {

/// Private to objects. RocksDB with the options the store needs, and its column families.
/// RocksDB's transactions and their locks are not used: who may change what is decided above.
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

  rocksdb::DB& db() { return *db_; }
  rocksdb::ColumnFamilyHandle* schema() const { return families_[0]; }
  rocksdb::ColumnFamilyHandle* objects() const { return families_[1]; }
  rocksdb::ColumnFamilyHandle* numbers() const { return families_[2]; }

  /// Moves all that is in memory and in the log to table files.
  rocksdb::Status flush();

 private:
  RocksDatabase() = default;

  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;  // In the order they are named in.
};

}  // namespace nephrite

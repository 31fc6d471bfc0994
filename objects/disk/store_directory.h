#pragma once

#include <rocksdb/env.h>

#include <filesystem>
#include <string>
#include <vector>

#include "objects/disk/store_lock.h"

namespace nephrite {

/// Private to objects. The directory of a store, held by this program alone as long as this
/// lives: the lock on it, its format marker, and the checks of the files that RocksDB itself
/// does not check to the last byte.
///
/// Files (docs/store.md): NEPHRITE says that this is a store, and in which format.
/// NEPHRITE.new stands in its place while the store is being made: if it is found alone, making
/// was interrupted before anything was stored, and starts again. NEPHRITE.lock: StoreLock.
/// Errors:  StoreException: InUse, WrongFormat, Damaged, Io.
class StoreDirectory {
 public:
  /// Makes the directory when missing, and locks it.
  StoreDirectory(const std::filesystem::path& path, rocksdb::Env& env);
  StoreDirectory(const StoreDirectory&) = delete;
  StoreDirectory& operator=(const StoreDirectory&) = delete;

  /// Absolute, without links.
  const std::filesystem::path& path() const { return lock_.directory(); }

  /// As StoreLock has it: what has become of the directory or of its lock; empty while all is well.
  std::string whyGone() const { return lock_.whyGone(); }

  /// Is there no store yet? Then the directory is prepared for one, and finishMaking() must
  /// follow when RocksDB has made its files. Else marker, CURRENT, MANIFEST and write-ahead logs
  /// have been checked.
  bool prepare();
  void finishMaking();

 private:
  void checkMarker() const;
  void checkFiles(const std::vector<std::string>& children) const;
  void startMaking(const std::vector<std::string>& children);

  const StoreLock lock_;
  rocksdb::Env& env_;
};

}  // namespace nephrite

#pragma once

#include <rocksdb/env.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/function_ref.h"
#include "base/mutex.h"
#include "objects/change_check.h"
#include "objects/disk/commit_gate.h"
#include "objects/disk/commit_marks.h"
#include "objects/disk/rocks_database.h"
#include "objects/disk/store_directory.h"
#include "objects/object_store.h"
#include "objects/record_cache.h"

namespace nephrite {

/// Private to objects. The ObjectStore over RocksDB.
///
/// Commit:  through the gate (one commit at a time per object), compare editions, one synced
///          write for all changes and the commit's mark, then the cache, then out of the gate.
///          Commits of different objects meet only in RocksDB, which gathers them into common disk
///          syncs.
/// Visible: RocksDB shows a write to readers after its log has been synced, record by record; the
///          cache shows it later still. So nothing is seen that is not durable.
/// Failure: after a failed write the log may hold the commit or not, until it is read again. All
///          writing is refused from then on; reading shows what was committed before. The same when
///          the directory or its lock is found gone, which is looked at before each write.
/// Mutexes: schemaChangeMutex_ before schemaMutex_; numbersMutex_ alone. The first and the last
///          are held during disk writes; neither is needed by fetch() or commit(). refusalMutex_ is
///          a leaf.
class RocksStore final : public ObjectStore {
 public:
  /// `env` does the file work. `ownEnv`, if any, is kept as long as the store.
  RocksStore(const Options& options, rocksdb::Env* env, std::unique_ptr<rocksdb::Env> ownEnv);
  ~RocksStore() override;

  std::shared_ptr<const Schema> schema() const override;
  std::shared_ptr<const ClassDef> defineClass(const ClassDef& wanted) override;
  Oid newOid(Oid::ClassNumber classNumber) override;
  RecordPtr fetch(Oid oid) const override;
  RecordPtr fetchCached(Oid oid) const override { return cache_.find(oid).record; }
  std::uint32_t knownEdition(Oid oid, bool fetchedSoon) const override {
    return cache_.edition(oid, fetchedSoon);
  }
  void prefetch(Oid oid) const override { cache_.expect(oid); }
  void commit(const ChangeSet& changes) override;
  std::vector<Oid> instances(Oid::ClassNumber classNumber, Oid after,
                             std::size_t maxEntries) const override;
  std::uint64_t lastCommitOf(std::uint64_t process) const override;
  void forgetCommits(std::uint64_t process) override;
  std::uint64_t reserveNumbers(std::string_view sequence, std::uint64_t count) override;
  std::string trouble() const override NEPHRITE_EXCLUDES(refusalMutex_);
  Statistics statistics() const override;

 private:
  class CommitUnderWay;

  /// Instance numbers of a class that are reserved on disk and not given yet.
  struct NumberBlock {
    std::uint64_t next = 1;
    std::uint64_t end = 1;
  };

  void openDatabase(rocksdb::Env* env);
  void close();
  void loadSchema();
  void forgetOldCommits();

  /// What is below the cache; null when there is no such object.
  RecordPtr load(Oid oid) const;
  /// Of the calling thread, until it asks for the next one.
  rocksdb::WriteBatch& batchOf(const ChangeSet& changes,
                               const std::vector<NextEdition>& next) const;

  void writeCommit(rocksdb::WriteBatch& batch, const ChangeSet& changes);
  /// `tried` says what was tried; asked only when it failed.
  using Tried = FunctionRef<std::string()>;
  void write(rocksdb::WriteBatch& batch, bool sync, Tried tried);
  void refuseUnlessWritable(Tried tried) const;
  /// Is the directory still ours? If not, nothing is written any more.
  void refuseWhenGone(Tried tried) NEPHRITE_EXCLUDES(refusalMutex_);
  [[noreturn]] void throwNotWritable(Tried tried) const NEPHRITE_EXCLUDES(refusalMutex_);

  std::uint64_t readNumber(const std::string& key) const NEPHRITE_REQUIRES(numbersMutex_);
  void writeNumber(const std::string& key, std::uint64_t next) NEPHRITE_REQUIRES(numbersMutex_);
  std::uint64_t reserve(const std::string& key, std::uint64_t count, std::uint64_t highest,
                        const std::string& subject) NEPHRITE_REQUIRES(numbersMutex_);
  void giveBackNumbers() NEPHRITE_EXCLUDES(numbersMutex_);

  // Destroyed in the reverse order: first the database, then its lock, then what did its work.
  std::unique_ptr<rocksdb::Env> ownEnv_;
  const std::unique_ptr<StoreDirectory> directory_;  // Null when in memory.
  const Options options_;                            // Its directory as StoreDirectory has it.
  std::unique_ptr<RocksDatabase> database_;
  std::unique_ptr<CommitMarks> marks_;

  std::atomic<bool> writable_{true};  // Only ever goes to false.
  mutable Mutex refusalMutex_;        // A leaf.
  // Both empty: writable. The store's directory or lock is gone; or how a write failed.
  std::string whyGone_ NEPHRITE_GUARDED_BY(refusalMutex_);
  std::string whyFailed_ NEPHRITE_GUARDED_BY(refusalMutex_);
  CommitGate gate_;
  mutable RecordCache cache_;

  Mutex schemaChangeMutex_;
  mutable Mutex schemaMutex_;
  std::shared_ptr<const Schema> schema_ NEPHRITE_GUARDED_BY(schemaMutex_);

  mutable Mutex numbersMutex_;
  std::unordered_map<Oid::ClassNumber, NumberBlock> blocks_ NEPHRITE_GUARDED_BY(numbersMutex_);

  mutable std::atomic<std::uint64_t> misses_{0};  // Fetches not answered from the cache.
  std::atomic<std::uint64_t> commits_{0};
};

}  // namespace nephrite

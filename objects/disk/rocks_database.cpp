#include "objects/disk/rocks_database.h"

#include <rocksdb/convenience.h>
#include <rocksdb/env.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>

#include "base/log.h"
#include "objects/disk/key_order.h"
#include "objects/disk/rocks_log.h"
#include "objects/disk/store_error.h"

// RocksDB is not compiled with ThreadSanitizer, which therefore does not see how its atomics order
// its memory and takes that for races. It looks away from what happens in RocksDB, in
// RocksDatabase, the frame below which RocksDB is called, and in KeyOrder, which RocksDB calls; not
// from the rest of the store. What RocksDB has of std:: bears no name of its own: it is known by
// the file it comes from, if at all, and ours end in .cpp.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NEPHRITE_THREAD_SANITIZER
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define NEPHRITE_THREAD_SANITIZER
#endif
#ifdef NEPHRITE_THREAD_SANITIZER
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:nephrite::RocksDatabase::\nrace:nephrite::KeyOrder::\nrace:rocksdb::\n"
         "race:.cc.o\n";
}
#endif

namespace nephrite {
namespace {

// RocksDB's own read buffer; the records proper are in RecordCache.
constexpr std::size_t kBlockCacheBytes = 8u << 20;
constexpr std::size_t kWriteBufferBytes = 16u << 20;
constexpr std::size_t kWriteBufferBytesInMemory = 1u << 20;
constexpr std::size_t kInfoLogFiles = 3;

class NullLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

/// Write errors that happen in the background, between commits: the operator is told, and they
/// stay.
class BackgroundErrors final : public rocksdb::EventListener {
 public:
  explicit BackgroundErrors(std::string path) : path_(std::move(path)) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason /*reason*/,
                         rocksdb::Status* status) override {
    log(LogLevel::Error, "store.write_failed", {{"path", path_}, {"error", status->ToString()}});
  }

  // After a failed write only a new open finds out what is on disk: no silent resuming. To try it
  // on a full disk, RocksDB 7.8 would also start a thread that closing can wait for for ever.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason /*reason*/, rocksdb::Status /*error*/,
                            bool* resumes) override {
    *resumes = false;
  }

 private:
  const std::string path_;
};

rocksdb::DBOptions databaseOptions(const ObjectStore::Options& options, rocksdb::Env* env,
                                   const std::shared_ptr<RocksLog>& log) {
  rocksdb::DBOptions result;
  result.env = env;
  result.paranoid_checks = true;
  // A last record cut short by a crash is dropped: its commit was never said to be durable.
  // Anything else that is wrong with a log is refused. (kPointInTimeRecovery would silently
  // forget all commits behind the damage; kAbsoluteConsistency would not open after kill -9.)
  result.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  result.wal_compression = rocksdb::kNoCompression;
  result.recycle_log_file_num = 0;
  result.max_total_wal_size = 64u << 20;
  result.max_bgerror_resume_count = 0;  // As BackgroundErrors has it.
  result.max_background_jobs = 2;
  result.stats_dump_period_sec = 0;
  result.stats_persist_period_sec = 0;
  if (options.inMemory) {
    result.info_log = std::make_shared<NullLogger>();
    result.avoid_flush_during_shutdown = true;
    return result;
  }
  // Commits of a common object come one after the other (CommitGate), and no read sees several
  // records as of one moment. So each may become visible as soon as it is in the log, and not only
  // when all before it are: commits that share a disk sync need not wait for each other again.
  result.unordered_write = true;
  result.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  result.listeners.push_back(std::make_shared<BackgroundErrors>(options.directory.string()));
  result.info_log = log;
  result.keep_log_file_num = kInfoLogFiles;
  return result;
}

std::vector<rocksdb::ColumnFamilyDescriptor> families(const ObjectStore::Options& options) {
  static const KeyOrder order;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  rocksdb::ColumnFamilyOptions family;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  family.comparator = &order;
  family.compression = rocksdb::kNoCompression;
  family.write_buffer_size = options.inMemory ? kWriteBufferBytesInMemory : kWriteBufferBytes;
  return {{rocksdb::kDefaultColumnFamilyName, family}, {"objects", family}, {"numbers", family}};
}

std::string pathOf(const ObjectStore::Options& options) {
  return options.inMemory ? "/memory" : options.directory.string();
}

}  // namespace

std::unique_ptr<RocksDatabase> RocksDatabase::open(const ObjectStore::Options& options,
                                                   rocksdb::Env* env, bool make) {
  std::unique_ptr<RocksDatabase> result(new RocksDatabase(options, env));
  rocksdb::DBOptions settings = databaseOptions(options, env, result->log_);
  settings.create_if_missing = make;
  settings.create_missing_column_families = make;
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(settings, pathOf(options), families(options), &result->families_, &opened);
  result->db_.reset(opened);
  if (!status.ok() && make) throwStatus(status, "make a store", pathOf(options));
  if (!status.ok()) throwOpenStatus(status, "open the store", pathOf(options));
  return result;
}

void RocksDatabase::verify(const ObjectStore::Options& options, rocksdb::Env* env) {
  RocksDatabase result(options, env);
  rocksdb::DB* opened = nullptr;
  rocksdb::Status status =
      rocksdb::DB::OpenForReadOnly(databaseOptions(options, env, result.log_), pathOf(options),
                                   families(options), &result.families_, &opened);
  result.db_.reset(opened);
  if (!status.ok()) throwOpenStatus(status, "open the store", pathOf(options));
  status = opened->VerifyFileChecksums(rocksdb::ReadOptions());
  if (!status.ok()) throwOpenStatus(status, "verify the table files", pathOf(options));
}

RocksDatabase::RocksDatabase(const ObjectStore::Options& options, rocksdb::Env* env)
    : log_(options.inMemory ? nullptr
                            : std::make_shared<RocksLog>(*env, *options.clock, options.directory)) {
}

RocksDatabase::~RocksDatabase() {
  if (!db_) return;
  for (rocksdb::ColumnFamilyHandle* family : families_) {
    db_->DestroyColumnFamilyHandle(family).PermitUncheckedError();
  }
  const rocksdb::Status status = db_->Close();
  if (!status.ok() && !status.IsNotSupported()) {
    log(LogLevel::Warning, "store.close_failed",
        {{"path", db_->GetName()}, {"error", status.ToString()}});
  }
}

rocksdb::Status RocksDatabase::get(rocksdb::ColumnFamilyHandle* family, const std::string& key,
                                   rocksdb::PinnableSlice& value) const {
  return db_->Get(rocksdb::ReadOptions(), family, key, &value);
}

rocksdb::Status RocksDatabase::scan(rocksdb::ColumnFamilyHandle* family, const std::string& from,
                                    const std::string& until, const Visit& visit) const {
  const rocksdb::Slice upperBound(until);
  rocksdb::ReadOptions options;
  if (!until.empty()) options.iterate_upper_bound = &upperBound;
  const std::unique_ptr<rocksdb::Iterator> entry(db_->NewIterator(options, family));
  for (entry->Seek(from); entry->Valid(); entry->Next()) {
    if (!visit(entry->key().ToStringView(), entry->value().ToStringView())) break;
  }
  return entry->status();
}

rocksdb::Status RocksDatabase::write(const rocksdb::WriteOptions& how, rocksdb::WriteBatch& batch) {
  return db_->Write(how, &batch);
}

void RocksDatabase::leaveFilesAlone() {
  if (log_) log_->stop();
  rocksdb::CancelAllBackgroundWork(db_.get(), /*wait=*/false);
  const rocksdb::Status status = db_->DisableFileDeletions();
  if (!status.ok()) {
    log(LogLevel::Warning, "store.files_not_left_alone",
        {{"path", db_->GetName()}, {"error", status.ToString()}});
  }
}

rocksdb::Status RocksDatabase::flush() { return db_->Flush(rocksdb::FlushOptions(), families_); }

}  // namespace nephrite

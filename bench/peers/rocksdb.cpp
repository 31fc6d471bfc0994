// RocksDB: the pessimistic locks of its TransactionDB, and its plain writes with the options of
// our own store (objects/disk/rocks_database.cpp): once in order, as RocksDB has it by itself, once
// without (unordered_write), as our store has it because its locks are that order. The keys are
// compared by RocksDB's own comparator.

#include <rocksdb/file_checksum.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/transaction.h>
#include <rocksdb/utilities/transaction_db.h>

#include "bench/peers/local_cases.h"
#include "bench/peers/private_server.h"

namespace {

using namespace peers;

void check(const rocksdb::Status& status, const char* tried) {
  if (!status.ok()) throw std::runtime_error(std::string(tried) + ": " + status.ToString());
}

/// Eight bytes, the most significant first, as our store writes them.
class Key {
 public:
  explicit Key(std::uint64_t number) {
    for (int i = 0; i < 8; ++i) bytes_[i] = static_cast<char>(number >> (56 - 8 * i));
  }
  operator rocksdb::Slice() const { return {bytes_, sizeof(bytes_)}; }

 private:
  char bytes_[8];
};

// --- Locks --------------------------------------------------------------------------------------

class RocksPeer {
 public:
  static constexpr const char* kSystem = "rocksdb";

  explicit RocksPeer(std::size_t /*locks*/) {
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::TransactionDB* opened = nullptr;
    check(rocksdb::TransactionDB::Open(options, rocksdb::TransactionDBOptions(),
                                       scratch_.path().string(), &opened),
          "open a TransactionDB");
    db_.reset(opened);
  }

  class Locker {
   public:
    explicit Locker(RocksPeer& peer) {
      rocksdb::TransactionOptions options;
      options.deadlock_detect = true;
      options.deadlock_detect_depth = 2000;  // 50 by itself, which a thousand parties exceed.
      transaction_.reset(peer.db_->BeginTransaction(rocksdb::WriteOptions(), options));
      transaction_->SetLockTimeout(kForever);
    }

    /// Locks without reading: neither a value nor its validation is asked for.
    Answer lock(std::uint64_t object, Mode mode, IfBusy ifBusy) {
      if (timeout_ != ifBusy) {
        transaction_->SetLockTimeout(ifBusy == IfBusy::Refuse ? 0 : kForever);
        timeout_ = ifBusy;
      }
      last_ = object;
      const rocksdb::Status status = transaction_->GetForUpdate(
          read_, Key(object), static_cast<std::string*>(nullptr), mode == Mode::Exclusive,
          /*do_validate=*/false);
      if (status.ok()) return Answer::Granted;
      if (status.IsDeadlock()) return Answer::Deadlock;
      if (status.IsTimedOut()) return Answer::Refused;
      check(status, "GetForUpdate");
      return Answer::Refused;
    }
    void unlockLast() { transaction_->UndoGetForUpdate(Key(last_)); }
    void releaseAll() { check(transaction_->Rollback(), "Rollback"); }
    bool waits() const {
      std::uint32_t family = 0;
      std::string key;
      return !transaction_->GetWaitingTxns(&family, &key).empty();
    }

   private:
    static constexpr std::int64_t kForever = -1;  // So it need not read the clock for each lock.
    const rocksdb::ReadOptions read_;
    std::unique_ptr<rocksdb::Transaction> transaction_;
    IfBusy timeout_ = IfBusy::Wait;
    std::uint64_t last_ = 0;
  };

  void clearWaits() {}
  template <class Lockers>
  std::size_t waits(const Lockers& lockers) {
    return static_cast<std::size_t>(std::count_if(lockers.begin(), lockers.end(),
                                                  [](const auto& each) { return each->waits(); }));
  }

 private:
  ScratchDirectory scratch_;
  std::unique_ptr<rocksdb::TransactionDB> db_;
};

// --- Commits ------------------------------------------------------------------------------------

constexpr std::uint64_t kStored = 100'000;  // Objects in the store before the commits.
constexpr std::size_t kUpdated = 10, kValueBytes = 100;

enum class Order { AsWritten, Unordered };

/// A plain RocksDB as our store opens it.
class PlainRocks {
 public:
  explicit PlainRocks(Order order) {
    rocksdb::DBOptions options;
    options.unordered_write = order == Order::Unordered;
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    options.paranoid_checks = true;
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
    options.max_total_wal_size = 64u << 20;
    options.max_bgerror_resume_count = 0;
    options.max_background_jobs = 2;
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    options.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
    options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(8u << 20);
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    rocksdb::ColumnFamilyOptions family;
    family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    family.compression = rocksdb::kNoCompression;
    family.write_buffer_size = 16u << 20;
    rocksdb::DB* opened = nullptr;
    check(
        rocksdb::DB::Open(
            options, scratch_.path().string(),
            {{rocksdb::kDefaultColumnFamilyName, family}, {"objects", family}, {"numbers", family}},
            &families_, &opened),
        "open RocksDB");
    db_.reset(opened);
    for (std::uint64_t first = 0; first < kStored; first += 1000) {
      rocksdb::WriteBatch batch;
      for (std::uint64_t object = first; object < first + 1000; ++object) put(batch, object, 0);
      check(db_->Write(rocksdb::WriteOptions(), &batch), "fill the store");
    }
  }
  ~PlainRocks() {
    for (rocksdb::ColumnFamilyHandle* family : families_) {
      db_->DestroyColumnFamilyHandle(family).PermitUncheckedError();
    }
  }
  PlainRocks(const PlainRocks&) = delete;
  PlainRocks& operator=(const PlainRocks&) = delete;

  void put(rocksdb::WriteBatch& batch, std::uint64_t object, std::uint64_t edition) const {
    char value[kValueBytes] = {};
    for (std::size_t i = 0; i < sizeof(value); ++i) value[i] = static_cast<char>(object + i);
    std::copy_n(reinterpret_cast<const char*>(&edition), sizeof(edition), value);
    check(batch.Put(families_[1], Key(object), rocksdb::Slice(value, sizeof(value))), "Put");
  }

  void commit(std::mt19937_64& random, std::uint64_t edition, bool sync) {
    rocksdb::WriteBatch batch;
    for (std::size_t i = 0; i < kUpdated; ++i) put(batch, random() % kStored, edition);
    rocksdb::WriteOptions how;
    how.sync = sync;
    check(db_->Write(how, &batch), "write a commit");
  }

  bool onDisk() const { return scratch_.onDisk(); }
  std::uint64_t sequence() const { return db_->GetLatestSequenceNumber(); }

 private:
  ScratchDirectory scratch_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
  std::unique_ptr<rocksdb::DB> db_;
};

void commits(int threads, bool sync, Order order, const char* variant) {
  PlainRocks store(order);
  std::atomic<bool> warm{false}, end{false};
  std::vector<std::vector<double>> times(static_cast<std::size_t>(threads));
  std::barrier start(threads + 1);
  std::vector<std::thread> running;
  for (std::size_t t = 0; t < times.size(); ++t) {
    running.emplace_back([&, t] {
      std::mt19937_64 random(t);
      for (std::uint64_t i = 0; !warm; ++i) store.commit(random, i, sync);
      start.arrive_and_wait();
      start.arrive_and_wait();
      while (!end) {
        const double began = nowNs();
        store.commit(random, times[t].size(), sync);
        times[t].push_back(nowNs() - began);
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  warm = true;
  start.arrive_and_wait();
  const std::uint64_t sequence = store.sequence();
  const Stopwatch watch;
  start.arrive_and_wait();
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  end = true;
  for (std::thread& thread : running) thread.join();
  const double wall = watch.wall(), cpu = watch.cpu();
  std::vector<double> all;
  for (const std::vector<double>& each : times) all.insert(all.end(), each.begin(), each.end());
  require(store.sequence() - sequence == all.size() * kUpdated, "not all that was put was written");
  const auto ops = static_cast<double>(all.size());
  print({.system = RocksPeer::kSystem,
         .name = "commit_10",
         .variant = variant,
         .ops = all.size(),
         .wallNs = wall / ops,
         .cpuNs = cpu / ops,
         .p50Ns = percentile(all, 0.5),
         .p99Ns = percentile(all, 0.99),
         .extra = {{"values", kUpdated},
                   {"value_bytes", kValueBytes},
                   {"stored", kStored},
                   {"on_disk", store.onDisk() ? 1 : 0}}});
}

void commit10() {
  commits(1, false, Order::AsWritten, "sync off");
  commits(1, false, Order::Unordered, "sync off, unordered");
  commits(1, true, Order::AsWritten, "sync on, 1 process");
  commits(16, true, Order::AsWritten, "sync on, 16 processes");
  commits(16, true, Order::Unordered, "sync on, 16 processes, unordered");
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Case> cases = localLockCases<RocksPeer>();
  cases.push_back({"commit_10", "a plain write batch of 10 values of 100 bytes", commit10});
  return runPeer(argc, argv, cases);
}

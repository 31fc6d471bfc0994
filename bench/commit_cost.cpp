// A transaction that changes ten objects, beside the same write batch written by a plain loop on
// plain RocksDB with the same options: one thread without disk syncs, and many threads with them.

#include <rocksdb/db.h>
#include <rocksdb/utilities/options_util.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "objects/disk/record_codec.h"
#include "runtime/database/local_database.h"
#include "runtime/nephrite.h"

namespace {

using namespace nephrite;

constexpr std::size_t kObjectsPerCommit = 10;
constexpr std::size_t kCommitsPerRound = 100;  // Of one thread, between two changes of sides.
constexpr std::size_t kThreads = 16;
constexpr std::size_t kObjectsPerThread = 1'000;

double secondsOn(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Cost {
  double wall = 0;  // Microseconds a commit.
  double cpu = 0;   // The same; of all threads of the program, also RocksDB's own.
};

template <class Action>
Cost costOf(std::size_t commits, const Action& action) {
  const double wall = secondsOn(CLOCK_MONOTONIC);
  const double cpu = secondsOn(CLOCK_PROCESS_CPUTIME_ID);
  action();
  const double each = 1e6 / static_cast<double>(commits);
  return {(secondsOn(CLOCK_MONOTONIC) - wall) * each,
          (secondsOn(CLOCK_PROCESS_CPUTIME_ID) - cpu) * each};
}

class Series {
 public:
  void add(Cost cost) {
    wall_.push_back(cost.wall);
    cpu_.push_back(cost.cpu);
  }
  Cost median() const { return {at(wall_, 0.5), at(cpu_, 0.5)}; }
  void print(const char* name) const {
    std::printf("  %-28s wall %8.2f us (min %.2f, p90 %.2f)   cpu %7.2f us (min %.2f)\n", name,
                at(wall_, 0.5), at(wall_, 0), at(wall_, 0.9), at(cpu_, 0.5), at(cpu_, 0));
  }

 private:
  static double at(std::vector<double> values, double quantile) {
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(quantile * static_cast<double>(values.size() - 1))];
  }
  std::vector<double> wall_;
  std::vector<double> cpu_;
};

void expectOk(const rocksdb::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "RocksDB: %s\n", status.ToString().c_str());
  std::exit(1);
}

/// One application thread: a process and the objects it changes, which nobody else does.
class Writer {
 public:
  Writer(Node& node, const std::string& user)
      : process_(std::make_unique<Process>(node.signOn({.user = user}))) {
    for (std::size_t made = 0; made < kObjectsPerThread;) {
      Transaction work(*process_);
      for (std::size_t i = 0; i < 100; ++i, ++made) {
        Object order = process_->create("Order");
        order.set("number", static_cast<std::int64_t>(made));
        order.set("customer", "a customer's name");
        order.set("rebate", 12.5);
        order.set("total", std::int64_t{0});
        objects_.push_back(order);
      }
      work.commit();
    }
  }

  /// What is measured: the transaction as an application writes it.
  void commitOnce() {
    Transaction work(*process_);
    setTen();
    work.commit();
  }

  /// The same, and the microseconds of the commit() alone.
  double commitOnceTimed() {
    Transaction work(*process_);
    setTen();
    const double begin = secondsOn(CLOCK_MONOTONIC);
    work.commit();
    return (secondsOn(CLOCK_MONOTONIC) - begin) * 1e6;
  }

  const std::vector<Object>& objects() const { return objects_; }

  /// From now on no transaction has to ask for a lock. Not the same as no locking: the end of each
  /// walks all that the process holds, which is all its objects now.
  void lockForGood() {
    for (Object& object : objects_) {
      object.lock(LockType::Exclusive, LockDuration::Session, LockTimeout::processDefined(), {});
    }
  }

 private:
  void setTen() {
    ++total_;
    for (std::size_t i = 0; i < kObjectsPerCommit; ++i) {
      objects_[next_].set("total", total_);
      if (++next_ == objects_.size()) next_ = 0;
    }
  }

  std::unique_ptr<Process> process_;
  std::vector<Object> objects_;
  std::size_t next_ = 0;
  std::int64_t total_ = 1000;
};

/// The same keys and as many bytes for each, by a loop that does nothing else.
class PlainWriter {
 public:
  PlainWriter(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* family, bool sync,
              const ObjectStore& store, const Writer& like)
      : database_(database), family_(family) {
    how_.sync = sync;
    for (const Object& object : like.objects()) {
      ObjectRecord record = *store.fetch(object.oid());
      record.values.back() = std::int64_t{1001};
      record.edition = 2;
      entries_.push_back({encodeOid(object.oid()), encodeRecord(record)});
    }
  }

  void commitOnce() {
    rocksdb::WriteBatch batch;
    for (std::size_t i = 0; i < kObjectsPerCommit; ++i) {
      expectOk(batch.Put(family_, entries_[next_].key, entries_[next_].value));
      if (++next_ == entries_.size()) next_ = 0;
    }
    expectOk(database_.Write(how_, &batch));
  }

 private:
  struct Entry {
    std::string key;
    std::string value;
  };
  rocksdb::DB& database_;
  rocksdb::ColumnFamilyHandle* const family_;
  rocksdb::WriteOptions how_;
  std::vector<Entry> entries_;
  std::size_t next_ = 0;
};

/// A RocksDB with the options that the store has written down for its own.
class PlainDatabase {
 public:
  PlainDatabase(const std::string& like, const std::string& directory) {
    rocksdb::ConfigOptions config;
    rocksdb::DBOptions options;
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptions;
    expectOk(rocksdb::LoadLatestOptions(config, like, &options, &descriptions));
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    rocksdb::DB* database = nullptr;
    expectOk(rocksdb::DB::Open(options, directory, descriptions, &families_, &database));
    database_.reset(database);
  }
  ~PlainDatabase() {
    for (auto* const family : families_) expectOk(database_->DestroyColumnFamilyHandle(family));
  }
  PlainDatabase(const PlainDatabase&) = delete;
  PlainDatabase& operator=(const PlainDatabase&) = delete;

  rocksdb::DB& database() { return *database_; }
  rocksdb::ColumnFamilyHandle* objects() {
    for (auto* const family : families_)
      if (family->GetName() == "objects") return family;
    std::fprintf(stderr, "the store has no column family \"objects\" any more\n");
    std::exit(1);
  }

 private:
  std::unique_ptr<rocksdb::DB> database_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
};

/// Both sides on one disk, with `threads` writers each.
struct Sides {
  Sides(const std::filesystem::path& directory, bool sync, std::size_t threads)
      : store(ObjectStore::open({.directory = directory / "ours", .syncCommits = sync})),
        node(Node::signOn(std::make_shared<LocalDatabase>(store, SystemClock::instance(),
                                                          LocalDatabase::Options{}),
                          "bench")),
        plain((directory / "ours").string(), (directory / "plain").string()) {
    node.signOn({.user = "schema"})
        .defineClass({.name = "Order",
                      .properties = {{"number", ValueType::Integer64},
                                     {"customer", ValueType::String},
                                     {"rebate", ValueType::Real},
                                     {"total", ValueType::Integer64}}});
    for (std::size_t i = 0; i < threads; ++i) {
      ours.push_back(std::make_unique<Writer>(node, "writer " + std::to_string(i)));
      theirs.push_back(std::make_unique<PlainWriter>(plain.database(), plain.objects(), sync,
                                                     *store, *ours.back()));
    }
  }

  std::shared_ptr<ObjectStore> store;
  Node node;
  PlainDatabase plain;
  std::vector<std::unique_ptr<Writer>> ours;
  std::vector<std::unique_ptr<PlainWriter>> theirs;
};

void withoutSync(const std::filesystem::path& directory, std::size_t rounds) {
  Sides sides(directory, /*sync=*/false, 1);
  Writer& ours = *sides.ours.front();
  PlainWriter& theirs = *sides.theirs.front();
  Series ofOurs;
  Series ofTheirs;
  Series ofCommit;
  const auto series = [](Series& into, auto& writer) {
    into.add(costOf(kCommitsPerRound, [&] {
      for (std::size_t i = 0; i < kCommitsPerRound; ++i) writer.commitOnce();
    }));
  };
  for (std::size_t round = 0; round < rounds; ++round) {
    series(ofOurs, ours);
    series(ofTheirs, theirs);
    // Timed by itself; the other side writes as much, so that both fill RocksDB alike.
    double commit = 0;
    for (std::size_t i = 0; i < kCommitsPerRound; ++i) commit += ours.commitOnceTimed();
    series(ofTheirs, theirs);
    ofCommit.add({commit / kCommitsPerRound, 0});
  }
  ours.lockForGood();
  Series ofLocked;
  Series ofPlain;
  for (std::size_t round = 0; round < rounds; ++round) {
    series(ofLocked, ours);
    series(ofPlain, theirs);
  }
  std::printf("sync off, 1 thread, %zu objects a commit, %zu rounds of %zu\n", kObjectsPerCommit,
              rounds, kCommitsPerRound);
  ofOurs.print("transaction of ten sets");
  ofTheirs.print("plain RocksDB, same batch");
  std::printf("  %-28s wall %8.2f us\n", "of it commit() alone", ofCommit.median().wall);
  std::printf("  ratio: wall %.2f, cpu %.2f, commit() alone wall %.2f\n",
              ofOurs.median().wall / ofTheirs.median().wall,
              ofOurs.median().cpu / ofTheirs.median().cpu,
              ofCommit.median().wall / ofTheirs.median().wall);
  ofLocked.print("with all session-locked");
  ofPlain.print("plain RocksDB, same batch");
  std::printf("  ratio: wall %.2f, cpu %.2f\n", ofLocked.median().wall / ofPlain.median().wall,
              ofLocked.median().cpu / ofPlain.median().cpu);
}

template <class Writers>
Cost together(Writers& writers, double seconds) {
  std::atomic<std::size_t> commits{0};
  const double begin = secondsOn(CLOCK_MONOTONIC);
  const Cost total = costOf(1, [&] {
    std::vector<std::jthread> threads;
    for (auto& writer : writers) {
      threads.emplace_back([&, end = begin + seconds] {
        for (; secondsOn(CLOCK_MONOTONIC) < end; commits.fetch_add(1)) writer->commitOnce();
      });
    }
  });
  const auto count = static_cast<double>(commits.load());
  return {total.wall / count, total.cpu / count};
}

void withSync(const std::filesystem::path& directory, std::size_t rounds) {
  Sides sides(directory, /*sync=*/true, kThreads);
  Series ofOurs;
  Series ofTheirs;
  for (std::size_t round = 0; round < rounds; ++round) {
    ofOurs.add(together(sides.ours, 0.25));
    ofTheirs.add(together(sides.theirs, 0.25));
  }
  std::printf("sync on, %zu threads, %zu objects a commit, %zu rounds\n", kThreads,
              kObjectsPerCommit, rounds);
  ofOurs.print("transactions of ten sets");
  ofTheirs.print("plain RocksDB, same batches");
  std::printf("  throughput: %.0f and %.0f commits/s, ratio %.2f; cpu ratio %.2f\n",
              1e6 / ofOurs.median().wall, 1e6 / ofTheirs.median().wall,
              ofTheirs.median().wall / ofOurs.median().wall,
              ofOurs.median().cpu / ofTheirs.median().cpu);
}

/// What every locked read asks of the store: the record of an object that is in memory.
void fetchHot(const std::filesystem::path& directory) {
  constexpr std::size_t kFetches = 200'000;
  Sides sides(directory, /*sync=*/false, 1);
  const std::vector<Object>& objects = sides.ours.front()->objects();
  Series ofFetch;
  std::uint64_t editions = 0;
  for (int round = 0; round < 21; ++round) {
    ofFetch.add(costOf(kFetches, [&] {
      for (std::size_t i = 0, at = 0; i < kFetches; ++i) {
        at = at + 389 < objects.size() ? at + 389 : at + 389 - objects.size();
        editions += sides.store->fetch(objects[at].oid())->edition;
      }
    }));
  }
  std::printf("fetch of a record in memory, %zu objects: %.1f ns wall, %.1f ns cpu%s\n",
              objects.size(), ofFetch.median().wall * 1e3, ofFetch.median().cpu * 1e3,
              editions == 0 ? "?" : "");
}

}  // namespace

/// [directory to work in] [rounds] [off, on or fetch: only that part]; without a directory, one in
/// the system's for temporary files.
int main(int argc, char** argv) {
  std::string directory =
      (std::filesystem::path(argc > 1 ? argv[1] : std::filesystem::temp_directory_path().c_str()) /
       "nephrite-commit-XXXXXX")
          .string();
  if (mkdtemp(directory.data()) == nullptr) {
    std::perror(directory.c_str());
    return 1;
  }
  const std::size_t rounds = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 200;
  const std::filesystem::path root(directory);
  const std::string only = argc > 3 ? argv[3] : "";
  const auto begins = [&](const char* part) {
    std::filesystem::create_directory(root / part);
    return only.empty() || only == part;
  };
  if (begins("off")) withoutSync(root / "off", rounds);
  if (begins("on")) withSync(root / "on", std::max<std::size_t>(rounds / 20, 5));
  if (begins("fetch")) fetchHot(root / "fetch");
  std::filesystem::remove_all(root);
  return 0;
}

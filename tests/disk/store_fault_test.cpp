#include <gmock/gmock.h>

#include <optional>

#include "objects/disk/store_env.h"
#include "tests/disk/faulty_file_system.h"
#include "tests/objects/store_fixture.h"
#include "tests/support/child_process.h"

namespace nephrite {
namespace {

using Fault = FaultyFileSystem::Fault;
using Reason = StoreException::Reason;
using testing::AnyOf;
using testing::HasSubstr;

/// Given: a store with two orders that always change together, on a disk that will fail.
class GivenAFailingDisk : public testing::Test {
 protected:
  static constexpr int kCommits = 4;
  static constexpr std::uint64_t kAnna = 1, kBen = 2;  ///< Processes; Ben has committed once.

  GivenAFailingDisk() {
    auto store = ObjectStore::open(options());
    store->defineClass(orderClass());
    createOrder(*store, "first", 0);
    createOrder(*store, "second", 0);
    store->commit({.changes = {}, .id = {kBen, 1}});
  }

  ObjectStore::Options options() const { return {.directory = directory_ / "store"}; }

  /// As Anna's commit number `total`.
  static void commitBoth(ObjectStore& store, std::int32_t total) {
    ChangeSet changes;
    changes.id = {kAnna, static_cast<std::uint64_t>(total)};
    for (const Oid oid : store.instances(2048)) {
      ObjectRecord record = *store.fetch(oid);
      record.values.at(1) = total;
      changes.changes.push_back({ChangeKind::Update, record});
    }
    store.commit(changes);
  }

  /// Anna's last commit, as the store tells it: the total that both orders must then have.
  static std::int32_t lastCommit(const ObjectStore& store) {
    EXPECT_EQ(store.lastCommitOf(kBen), 1u) << "nothing of his is in doubt";
    return static_cast<std::int32_t>(store.lastCommitOf(kAnna));
  }

  /// The total that both orders have, in memory and on disk alike.
  static std::int32_t totalOfBoth(const ObjectStore& store) {
    const auto oids = store.instances(2048);
    EXPECT_EQ(oids.size(), 2u);
    const std::int32_t total = totalOf(*store.fetch(oids.at(0)));
    EXPECT_EQ(totalOf(*store.fetch(oids.at(1))), total) << "half a commit is there";
    EXPECT_EQ(store.fetch(oids.at(0))->edition, store.fetch(oids.at(1))->edition);
    return total;
  }

  static void expectClear(const StoreException& failure, Fault fault) {
    EXPECT_EQ(failure.reason(), Reason::Io);
    EXPECT_THAT(failure.what(), HasSubstr("could not "));
    if (fault == Fault::DiskFull) {
      EXPECT_THAT(failure.what(), AnyOf(HasSubstr("make room"), HasSubstr("no space left")));
    }
  }

  /// Opens and commits on the failing disk until something fails; what was acknowledged last.
  /// Total `base + i` is the i-th commit's.
  std::int32_t runUntilFailure(FaultyFileSystem& disk, rocksdb::Env& env, Fault fault,
                               std::int32_t base) {
    std::int32_t acknowledged = base;
    std::unique_ptr<ObjectStore> store;
    try {
      store = openWithEnv(options(), &env);
      for (int i = 1; i <= kCommits; ++i) {
        commitBoth(*store, base + i);
        acknowledged = base + i;
      }
    } catch (const StoreException& failure) {
      expectClear(failure, fault);
      if (store) expectReadOnly(*store, disk, acknowledged);
    }
    disk.heal();  // Before closing: nothing may be written behind what failed.
    return acknowledged;
  }

  static void expectReadOnly(ObjectStore& store, FaultyFileSystem& disk, std::int32_t total) {
    EXPECT_EQ(totalOfBoth(store), total) << "what failed is not seen";
    disk.heal();
    const StoreException refused = failureOf([&] { commitBoth(store, 4711); });
    EXPECT_EQ(refused.reason(), Reason::NotWritable);
    EXPECT_THAT(refused.what(), HasSubstr("open the store again"));
    const StoreException unknown = failureOf([&] { store.lastCommitOf(kAnna); });
    EXPECT_EQ(unknown.reason(), Reason::NotWritable);
    EXPECT_THAT(unknown.what(), HasSubstr("commit " + std::to_string(total + 1) + " of process 1"));
    EXPECT_EQ(store.lastCommitOf(kBen), 1u) << "nothing of his is in doubt";
    store.forgetCommits(kBen);
    EXPECT_EQ(store.lastCommitOf(kBen), 1u) << "nothing is written any more";
    EXPECT_EQ(failureOf([&] { store.reserveNumbers("n", 1); }).reason(), Reason::NotWritable);
    EXPECT_EQ(totalOfBoth(store), total) << "reading goes on";
  }

  void failAtEachOperation(Fault fault, bool onlyOnce) {
    std::int32_t total = 0;
    bool failed = true;
    for (int at = 0; failed; at += strideOfCycles()) {
      SCOPED_TRACE(testing::Message() << "operation " << at << " fails");
      const auto disk = std::make_shared<FaultyFileSystem>();
      const auto env = rocksdb::NewCompositeEnv(disk);
      disk->failFrom(at, fault, onlyOnce);
      const std::int32_t acknowledged = runUntilFailure(*disk, *env, fault, total);
      failed = disk->hasFailed();

      const auto store = ObjectStore::open(options());
      const std::int32_t found = totalOfBoth(*store);
      EXPECT_GE(found, acknowledged) << "an acknowledged commit is lost";
      EXPECT_LE(found, acknowledged + 1) << "at most the failed commit may be there as well";
      EXPECT_EQ(lastCommit(*store), found) << "a commit is recorded if and only if it is there";
      total = found + 1;
      commitBoth(*store, total);  // It can be written again.
      if (HasFailure()) return;
    }
    EXPECT_GE(total * strideOfCycles(), 5 * kCommits)
        << "too few operations failed to have proved anything";
  }

 private:
  TempDirectory directory_;
};

TEST_F(GivenAFailingDisk, WhenItIsFullThenNothingAcknowledgedIsLost) {
  failAtEachOperation(Fault::DiskFull, /*onlyOnce=*/false);
}

TEST_F(GivenAFailingDisk, WhenItIsFullForAMomentThenNothingAcknowledgedIsLost) {
  failAtEachOperation(Fault::DiskFull, /*onlyOnce=*/true);
}

TEST_F(GivenAFailingDisk, WhenItBreaksThenNothingAcknowledgedIsLost) {
  failAtEachOperation(Fault::IoError, /*onlyOnce=*/false);
}

TEST_F(GivenAFailingDisk, WhenItFailsForAMomentThenNothingAcknowledgedIsLost) {
  failAtEachOperation(Fault::IoError, /*onlyOnce=*/true);
}

TEST_F(GivenAFailingDisk, WhenMakingAStoreFailsThenItCanBeMadeLater) {
  TempDirectory directory;
  const ObjectStore::Options fresh{.directory = directory / "fresh"};
  bool failed = true;
  int at = 0;
  for (; failed; ++at) {
    SCOPED_TRACE(testing::Message() << "operation " << at << " fails");
    std::filesystem::remove_all(fresh.directory);
    const auto disk = std::make_shared<FaultyFileSystem>();
    const auto env = rocksdb::NewCompositeEnv(disk);
    disk->failFrom(at, Fault::DiskFull, /*onlyOnce=*/false);
    try {
      openWithEnv(fresh, env.get());
    } catch (const StoreException& failure) {
      expectClear(failure, Fault::DiskFull);
    }
    failed = disk->hasFailed();
    disk->heal();
    EXPECT_TRUE(ObjectStore::open(fresh)->schema()->classes().empty());
  }
  EXPECT_GT(at, 5);
}

// Durable, then visible: while the log is being synced, readers see what was committed before.
TEST_F(GivenAFailingDisk, WhenACommitIsNotYetSyncedThenNobodySeesIt) {
  for (const std::uint64_t cacheBytes : {0u, 1u << 20}) {
    const auto disk = std::make_shared<FaultyFileSystem>();
    const auto env = rocksdb::NewCompositeEnv(disk);
    ObjectStore* reader = nullptr;
    std::vector<std::int32_t> seen;
    disk->beforeLogSync = [&] {
      if (!reader) return;
      seen.push_back(totalOfBoth(*reader));
      EXPECT_EQ(lastCommit(*reader), seen.back());
    };
    ObjectStore::Options small = options();
    small.cacheBytes = cacheBytes;
    const auto store = openWithEnv(small, env.get());
    const std::int32_t before = totalOfBoth(*store);

    reader = store.get();
    commitBoth(*store, before + 1);
    reader = nullptr;

    EXPECT_THAT(seen, testing::ElementsAre(before));
    EXPECT_EQ(totalOfBoth(*store), before + 1);
    EXPECT_EQ(lastCommit(*store), before + 1);
  }
}

// A sign-off does not depend on it.
TEST_F(GivenAFailingDisk, WhenCommitsCannotBeForgottenThenTheCallerIsNotTold) {
  const auto disk = std::make_shared<FaultyFileSystem>();
  const auto env = rocksdb::NewCompositeEnv(disk);
  {
    const auto store = openWithEnv(options(), env.get());
    disk->failFrom(0, Fault::IoError, /*onlyOnce=*/false);
    store->forgetCommits(kBen);
    EXPECT_TRUE(disk->hasFailed());
    EXPECT_EQ(failureOf([&] { commitBoth(*store, 1); }).reason(), Reason::NotWritable)
        << "behind what failed nothing is written";
    disk->heal();
  }
  EXPECT_EQ(lastCommit(*ObjectStore::open(options())), 0);
}

TEST_F(GivenAFailingDisk, WhenACommitIsRecordedThenThatCostsNoSyncOfItsOwn) {
  const auto disk = std::make_shared<FaultyFileSystem>();
  const auto env = rocksdb::NewCompositeEnv(disk);
  int syncs = 0;
  disk->beforeLogSync = [&] { ++syncs; };
  const auto store = openWithEnv(options(), env.get());

  const int before = syncs;
  commitBoth(*store, 1);
  EXPECT_EQ(syncs, before + 1);
  store->forgetCommits(kAnna);
  EXPECT_EQ(syncs, before + 1);
}

TEST_F(GivenAFailingDisk, WhenSyncIsOffThenCommitsDoNotSync) {
  const auto disk = std::make_shared<FaultyFileSystem>();
  const auto env = rocksdb::NewCompositeEnv(disk);
  int syncs = 0;
  disk->beforeLogSync = [&] { ++syncs; };
  ObjectStore::Options unsynced = options();
  unsynced.syncCommits = false;
  const auto store = openWithEnv(unsynced, env.get());

  const int before = syncs;
  commitBoth(*store, 1);
  EXPECT_EQ(syncs, before);
  EXPECT_EQ(store->reserveNumbers("n", 1), 1u);
  EXPECT_EQ(syncs, before + 1) << "numbers are always durable";
}

}  // namespace
}  // namespace nephrite

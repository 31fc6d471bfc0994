#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "objects/disk/commit_gate.h"
#include "tests/objects/store_fixture.h"

namespace nephrite {
namespace {

constexpr int kThreads = 4;
constexpr int kRounds = 200;

void inThreads(int count, const std::function<void(int)>& work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&work, i] { work(i); });
  for (std::thread& thread : threads) thread.join();
}

/// Given: a store, once in memory with a cache, once with a cache that holds next to nothing
/// (so that readers race with commits), and both on disk.
struct Home {
  const char* name;
  bool inMemory;
  std::uint64_t cacheBytes;
  friend std::ostream& operator<<(std::ostream& out, const Home& home) { return out << home.name; }
};

class GivenAStoreUsedByThreads : public testing::TestWithParam<Home> {
 protected:
  GivenAStoreUsedByThreads() { store->defineClass(orderClass()); }

  TempDirectory directory;
  std::unique_ptr<ObjectStore> store = ObjectStore::open({.directory = directory / "store",
                                                          .inMemory = GetParam().inMemory,
                                                          .cacheBytes = GetParam().cacheBytes});
};

INSTANTIATE_TEST_SUITE_P(Homes, GivenAStoreUsedByThreads,
                         testing::Values(Home{"InMemory", true, 1u << 20},
                                         Home{"TinyCache", true, 16 * 400},
                                         Home{"OnDisk", false, 1u << 20},
                                         Home{"OnDiskTinyCache", false, 16 * 400}),
                         [](const auto& parameter) { return parameter.param.name; });

TEST_P(GivenAStoreUsedByThreads, WhenAllUpdateOneObjectThenNoUpdateIsLost) {
  const Oid oid = createOrder(*store, "shared", 0);
  std::atomic<int> stale{0};
  inThreads(kThreads, [&](int) {
    for (int done = 0; done < kRounds / 4;) {
      const RecordPtr latest = store->fetch(oid);
      ObjectRecord next = *latest;
      next.values.at(1) = totalOf(*latest) + 1;
      try {
        store->commit(changeSet(ChangeKind::Update, next));
        ++done;
      } catch (const StoreException& refused) {
        ASSERT_EQ(refused.reason(), StoreException::Reason::StaleEdition);
        ++stale;
      }
    }
  });
  const int commits = kThreads * (kRounds / 4);
  EXPECT_EQ(totalOf(*store->fetch(oid)), commits);
  EXPECT_EQ(store->fetch(oid)->edition, static_cast<std::uint32_t>(commits) + 1);
  EXPECT_EQ(store->statistics().commits, static_cast<std::uint64_t>(commits) + 1);
}

TEST_P(GivenAStoreUsedByThreads, WhenTheyCommitCommonObjectsInAnyOrderThenNoneWaitsForEver) {
  std::vector<Oid> oids;
  for (int i = 0; i < 4; ++i) oids.push_back(createOrder(*store, "common", 0));
  std::atomic<int> commits{0};
  inThreads(kThreads, [&](int thread) {
    std::mt19937 random(static_cast<unsigned>(thread));
    auto order = oids;
    for (int i = 0; i < kRounds / 2; ++i) {
      std::shuffle(order.begin(), order.end(), random);
      ChangeSet changes;
      for (const Oid oid : {order[0], order[1]}) {
        ObjectRecord next = *store->fetch(oid);
        next.values.at(1) = totalOf(next) + 1;
        changes.changes.push_back({ChangeKind::Update, next});
      }
      try {
        store->commit(changes);
        ++commits;
      } catch (const StoreException& refused) {
        ASSERT_EQ(refused.reason(), StoreException::Reason::StaleEdition);
      }
    }
  });
  int total = 0;
  for (const Oid oid : oids) {
    const RecordPtr record = store->fetch(oid);
    EXPECT_EQ(record->edition, static_cast<std::uint32_t>(totalOf(*record)) + 1);
    total += totalOf(*record);
  }
  EXPECT_EQ(total, 2 * commits);
}

TEST_P(GivenAStoreUsedByThreads, WhenOthersCommitThenReadersNeverSeeAnEditionGoBack) {
  std::vector<Oid> oids;
  for (int i = 0; i < 8; ++i) oids.push_back(createOrder(*store, "read", 1));
  std::vector<std::atomic<std::uint32_t>> newest(oids.size());  // Seen by anybody so far.
  std::atomic<int> writers{2};

  inThreads(kThreads, [&](int thread) {
    if (thread < 2) {  // Each writes every other object.
      for (int i = 0; i < kRounds; ++i) {
        const std::size_t at = static_cast<std::size_t>(i * 2 + thread) % oids.size();
        ObjectRecord next = *store->fetch(oids[at]);
        next.values.at(1) = totalOf(next) + 1;
        store->commit(changeSet(ChangeKind::Update, next));
        EXPECT_EQ(store->fetch(oids[at])->edition, next.edition + 1) << "own commit not seen";
      }
      --writers;
      return;
    }
    for (std::size_t i = 0; writers.load() > 0; ++i) {
      const std::size_t at = i % oids.size();
      const std::uint32_t seenBefore = newest[at].load();
      const RecordPtr record = store->fetch(oids[at]);
      ASSERT_GE(record->edition, seenBefore);
      ASSERT_EQ(record->edition, static_cast<std::uint32_t>(totalOf(*record))) << "a mixture";
      std::uint32_t known = newest[at].load();
      while (known < record->edition && !newest[at].compare_exchange_weak(known, record->edition)) {
      }
    }
  });
}

TEST_P(GivenAStoreUsedByThreads, WhenProcessesCommitTogetherThenEachHasItsOwnLastCommit) {
  std::vector<Oid> oids;
  for (int i = 0; i < kThreads; ++i) oids.push_back(createOrder(*store, "own", 0));
  inThreads(kThreads, [&](int thread) {
    const auto process = static_cast<std::uint64_t>(thread) + 1;
    const auto neighbour = process % kThreads + 1;
    std::uint64_t seen = 0;
    for (std::uint64_t number = 1; number <= kRounds; ++number) {
      ObjectRecord next = *store->fetch(oids[process - 1]);
      next.values.at(1) = static_cast<std::int32_t>(number);
      ChangeSet changes = changeSet(ChangeKind::Update, next);
      changes.id = {process, number};
      store->commit(changes);
      ASSERT_EQ(store->lastCommitOf(process), number);

      const std::uint64_t before = std::exchange(seen, store->lastCommitOf(neighbour));
      ASSERT_GE(seen, before) << "somebody else's went back";
    }
  });
  for (std::uint64_t process = 1; process <= kThreads; ++process) {
    EXPECT_EQ(store->lastCommitOf(process), static_cast<std::uint64_t>(kRounds));
  }
}

TEST_P(GivenAStoreUsedByThreads, WhenAllAskForNumbersThenEachIsGivenOnce) {
  const auto number = store->schema()->find("Order")->number;
  std::vector<std::vector<std::uint64_t>> given(2 * kThreads);
  inThreads(kThreads, [&](int thread) {
    const auto t = static_cast<std::size_t>(thread);
    for (int i = 0; i < kRounds; ++i) given[t].push_back(store->newOid(number).instance());
    for (int i = 0; i < 20; ++i) {
      const std::uint64_t first = store->reserveNumbers("n", 3);
      for (std::uint64_t j = 0; j < 3; ++j) given[t + kThreads].push_back(first + j);
    }
  });
  for (const std::size_t half : {0, kThreads}) {
    std::vector<std::uint64_t> all;
    for (std::size_t i = half; i < half + kThreads; ++i)
      all.insert(all.end(), given[i].begin(), given[i].end());
    std::sort(all.begin(), all.end());
    EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
    EXPECT_EQ(all.front(), 1u);
    EXPECT_EQ(all.back(), all.size());
  }
}

TEST_P(GivenAStoreUsedByThreads, WhenSomeCreateAndDeleteThenListingGoesOn) {
  const auto number = store->schema()->find("Order")->number;
  const Oid first = createOrder(*store, "stays", 1);
  inThreads(kThreads, [&](int thread) {
    for (int i = 0; i < kRounds / 4; ++i) {
      if (thread == 0) {
        const auto oids = store->instances(number);
        ASSERT_FALSE(oids.empty());
        ASSERT_EQ(oids.front(), first);
        ASSERT_TRUE(std::is_sorted(oids.begin(), oids.end()));
      } else {
        const Oid oid = createOrder(*store, "goes", i);
        ASSERT_TRUE(store->fetch(oid));
        store->commit(changeSet(ChangeKind::Delete, {oid, 1, {}, {}}));
        ASSERT_FALSE(store->fetch(oid));
      }
    }
  });
  EXPECT_EQ(store->instances(number), std::vector<Oid>{first});
}

/// Given: far more objects than the gate has places, so that many stand in the place of another.
TEST(TheCommitGate, WhenManyObjectsAreUnderWayThenEachIsInOneCommitAtATime) {
  constexpr std::uint64_t kObjects = 4'000;
  CommitGate gate;
  std::vector<std::atomic<int>> inside(kObjects);
  std::atomic<bool> broken{false};
  inThreads(kThreads, [&](int thread) {
    std::mt19937_64 random(static_cast<std::uint64_t>(thread));
    for (int i = 0; i < kRounds; ++i) {
      std::vector<Oid> oids;
      const std::uint64_t first = random() % 7;
      for (std::uint64_t at = first; at < kObjects; at += 3 + random() % 4) {
        oids.emplace_back(Lifetime::Persistent, Oid::ClassNumber{2048}, at + 1);
      }
      gate.enter(oids);
      for (const Oid oid : oids) broken = broken || inside[oid.instance() - 1].fetch_add(1) != 0;
      for (const Oid oid : oids) inside[oid.instance() - 1].fetch_sub(1);
      gate.leave(oids);
    }
  });
  EXPECT_FALSE(broken);

  gate.enter({Oid(Lifetime::Persistent, 2048, 1)});  // Whoever was left behind would be waited for.
  gate.leave({Oid(Lifetime::Persistent, 2048, 1)});
}

}  // namespace
}  // namespace nephrite

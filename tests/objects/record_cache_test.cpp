#include "objects/record_cache.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

namespace nephrite {
namespace {

RecordPtr edition(Oid oid, std::uint32_t number, std::size_t bytes = 0) {
  ObjectRecord record{oid, number, {}, {}};
  if (bytes > 0) record.values.emplace_back(std::string(bytes, 'x'));
  return std::make_shared<const ObjectRecord>(std::move(record));
}

/// Given: a cache, and an object that stands below it in edition 1.
class GivenACache : public testing::Test {
 protected:
  void commit(const RecordPtr& record) {
    cache.beginCommit(oid);
    cache.endCommit(oid, record);
  }

  RecordCache cache{1u << 20};
  const Oid oid{Lifetime::Persistent, 2048, 1};
};

TEST_F(GivenACache, WhenARecordIsOfferedThenItIsFound) {
  const auto missed = cache.find(oid);
  EXPECT_FALSE(missed.record);
  const RecordPtr first = edition(oid, 1);
  cache.offer(first, missed.ticket);
  EXPECT_EQ(cache.find(oid).record, first);
  EXPECT_EQ(cache.bytesInUse(), bytesOf(*first));
}

TEST_F(GivenACache, WhenARecordIsExpectedThenItIsFoundAsEver) {
  cache.expect(oid);
  EXPECT_FALSE(cache.find(oid).record);
  EXPECT_EQ(cache.bytesInUse(), 0u);
  const RecordPtr first = edition(oid, 1);
  commit(first);
  cache.expect(oid);
  EXPECT_EQ(cache.find(oid).record, first);
  EXPECT_EQ(cache.hits(), 1u) << "nobody has asked for it before";
  cache.clear();
  cache.expect(oid);
  EXPECT_FALSE(cache.find(oid).record);
}

TEST_F(GivenACache, WhenAnEditionIsAskedForThenItIsTheOneThatIsFound) {
  EXPECT_EQ(cache.edition(oid), 0u);
  commit(edition(oid, 1));
  EXPECT_EQ(cache.edition(oid), 1u);
  EXPECT_EQ(cache.hits(), 1u);
  EXPECT_EQ(cache.edition(oid, /*soon=*/true), 1u);
  EXPECT_EQ(cache.hits(), 1u) << "counted when it is found";
  commit(edition(oid, 2));
  EXPECT_EQ(cache.edition(oid), 2u);
  cache.drop(oid);
  EXPECT_EQ(cache.edition(oid, /*soon=*/true), 0u);
  cache.refresh(edition(oid, 5));
  EXPECT_EQ(cache.edition(oid), 5u);
}

TEST_F(GivenACache, WhenAReaderIsOvertakenByACommitThenWhatItReadIsNotKept) {
  const auto missed = cache.find(oid);  // Reads edition 1 from below ...
  commit(edition(oid, 2));
  cache.offer(edition(oid, 1), missed.ticket);  // ... and comes late.
  EXPECT_EQ(cache.find(oid).record->edition, 2u);
}

TEST_F(GivenACache, WhenTheNewEditionHasLeftAgainThenALateReaderStillBringsNothing) {
  const auto missed = cache.find(oid);
  commit(edition(oid, 2, 1u << 20));  // Too large to be kept.
  cache.offer(edition(oid, 1), missed.ticket);
  EXPECT_FALSE(cache.find(oid).record);
}

TEST_F(GivenACache, WhenAnObjectIsBeingCommittedThenNothingIsKept) {
  cache.beginCommit(oid);
  const auto missed = cache.find(oid);
  cache.offer(edition(oid, 1), missed.ticket);
  EXPECT_FALSE(cache.find(oid).record) << "it may already be outdated below";
  cache.endCommit(oid, edition(oid, 2));
  EXPECT_EQ(cache.find(oid).record->edition, 2u);
}

TEST_F(GivenACache, WhenACommitFailsThenTheOldEditionStays) {
  commit(edition(oid, 1));
  cache.beginCommit(oid);
  EXPECT_EQ(cache.find(oid).record->edition, 1u);
  cache.cancelCommit(oid);
  EXPECT_EQ(cache.find(oid).record->edition, 1u);
}

TEST_F(GivenACache, WhenAnObjectIsDeletedThenItLeaves) {
  commit(edition(oid, 1));
  commit(nullptr);
  EXPECT_FALSE(cache.find(oid).record);
  EXPECT_EQ(cache.bytesInUse(), 0u);
}

TEST_F(GivenACache, WhenItIsFullThenTheLongestUnusedLeaves) {
  const Oid kept(Lifetime::Persistent, 1, 1);
  cache.offer(edition(kept, 1), cache.find(kept).ticket);
  for (std::uint64_t i = 1; i <= 2000; ++i) {
    const Oid filler(Lifetime::Persistent, 2, i);
    cache.offer(edition(filler, 1, 10'000), cache.find(filler).ticket);
    ASSERT_TRUE(cache.find(kept).record) << "used all the time, after " << i;
    ASSERT_LE(cache.bytesInUse(), 1u << 20);
  }
  EXPECT_FALSE(cache.find(Oid(Lifetime::Persistent, 2, 1)).record);
  EXPECT_TRUE(cache.find(Oid(Lifetime::Persistent, 2, 2000)).record);
}

TEST_F(GivenACache, WhenAnObjectIsDroppedThenItLeavesAndTheOthersStay) {
  const Oid other(Lifetime::Persistent, 2048, 2);
  commit(edition(oid, 1));
  cache.offer(edition(other, 1), cache.find(other).ticket);

  cache.drop(oid);

  EXPECT_FALSE(cache.find(oid).record);
  EXPECT_TRUE(cache.find(other).record);
  EXPECT_EQ(cache.bytesInUse(), bytesOf(*edition(other, 1)));
}

TEST_F(GivenACache, WhenAnObjectIsDroppedThenOnlyWhatIsReadAfterwardsIsKept) {
  const auto missed = cache.find(oid);  // Reads edition 1 from below ...
  cache.drop(oid);
  cache.offer(edition(oid, 1), missed.ticket);  // ... and comes late.
  EXPECT_FALSE(cache.find(oid).record);

  cache.offer(edition(oid, 2), cache.find(oid).ticket);
  EXPECT_EQ(cache.find(oid).record->edition, 2u);
}

// Our commit is durable, and before we hear of it somebody else has committed the next edition.
TEST_F(GivenACache, WhenAnObjectIsDroppedDuringItsCommitThenWhatIsCommittedIsNotKept) {
  commit(edition(oid, 1));
  cache.beginCommit(oid);
  cache.drop(oid);
  cache.endCommit(oid, edition(oid, 2));
  EXPECT_FALSE(cache.find(oid).record) << "edition 3 may be below already";

  commit(edition(oid, 4));
  EXPECT_EQ(cache.find(oid).record->edition, 4u) << "the next commit is kept again";
}

TEST_F(GivenACache, WhenAnObjectIsDroppedDuringItsCommitThenOffersAreStillRefused) {
  cache.beginCommit(oid);
  cache.drop(oid);
  cache.offer(edition(oid, 1), cache.find(oid).ticket);
  EXPECT_FALSE(cache.find(oid).record) << "it may already be outdated below";
  cache.cancelCommit(oid);
}

// As a client has it: others are told of, and two of its own commits may overlap.
TEST_F(GivenACache, WhenANewerEditionIsReadDuringACommitThenItIsFoundAndStays) {
  commit(edition(oid, 1));
  cache.beginCommit(oid);
  cache.refresh(edition(oid, 2));
  EXPECT_EQ(cache.find(oid).record->edition, 2u);
  cache.refresh(edition(oid, 3));
  cache.endCommit(oid, edition(oid, 2));
  EXPECT_EQ(cache.find(oid).record->edition, 3u);
}

TEST_F(GivenACache, WhenTwoCommitsOverlapThenTheLaterEditionStays) {
  cache.beginCommit(oid);
  cache.beginCommit(oid);
  cache.endCommit(oid, edition(oid, 3));
  cache.endCommit(oid, edition(oid, 2));
  EXPECT_EQ(cache.find(oid).record->edition, 3u);
}

TEST_F(GivenACache, WhenTwoCommitsOverlapThenWhatIsDroppedBetweenTheirEndsIsNotKept) {
  cache.beginCommit(oid);
  cache.beginCommit(oid);
  cache.endCommit(oid, edition(oid, 2));
  cache.drop(oid);
  cache.endCommit(oid, edition(oid, 3));
  EXPECT_FALSE(cache.find(oid).record);
}

TEST_F(GivenACache, WhenTheLaterOfTwoCommitsHasLeftThenTheEarlierIsNotKept) {
  cache.beginCommit(oid);
  cache.beginCommit(oid);
  cache.endCommit(oid, edition(oid, 3, 1u << 20));  // Too large to be kept.
  cache.endCommit(oid, edition(oid, 2));
  EXPECT_FALSE(cache.find(oid).record);
  commit(edition(oid, 4));
  EXPECT_EQ(cache.find(oid).record->edition, 4u) << "the next commit is kept again";
}

TEST_F(GivenACache, WhenTheLaterOfTwoCommitsDeletesThenTheEarlierBringsNothingBack) {
  cache.beginCommit(oid);
  cache.beginCommit(oid);
  cache.endCommit(oid, nullptr);
  cache.endCommit(oid, edition(oid, 2));
  EXPECT_FALSE(cache.find(oid).record);
  EXPECT_EQ(cache.bytesInUse(), 0u);
}

// A commit of a process that lost its lock to an operator is still on its way when the next holder
// reads, changes and commits the object.
TEST_F(GivenACache, WhenACommitEndsAfterADropThenNothingOlderIsFoundAnyMore) {
  cache.beginCommit(oid);
  cache.drop(oid);
  cache.refresh(edition(oid, 4));
  cache.beginCommit(oid);
  cache.cancelCommit(oid);

  cache.endCommit(oid, edition(oid, 5));

  const RecordPtr found = cache.find(oid).record;
  EXPECT_TRUE(!found || found->edition == 5) << found->edition;
}

TEST_F(GivenACache, WhenItIsClearedThenAllLeaveAndNothingReadBeforeIsKept) {
  std::vector<std::pair<Oid, std::uint64_t>> readers;
  for (std::uint64_t i = 1; i <= 100; ++i) {  // Enough to meet every shard.
    const Oid filled(Lifetime::Persistent, 3, i);
    const Oid awaited(Lifetime::Persistent, 4, i);
    cache.offer(edition(filled, 1), cache.find(filled).ticket);
    readers.emplace_back(awaited, cache.find(awaited).ticket);
  }
  cache.beginCommit(oid);

  cache.clear();
  for (const auto& [awaited, ticket] : readers) cache.offer(edition(awaited, 1), ticket);
  cache.endCommit(oid, edition(oid, 2));

  EXPECT_EQ(cache.bytesInUse(), 0u);
  EXPECT_FALSE(cache.find(oid).record);
  for (std::uint64_t i = 1; i <= 100; ++i) {
    EXPECT_FALSE(cache.find(Oid(Lifetime::Persistent, 3, i)).record);
    EXPECT_FALSE(cache.find(Oid(Lifetime::Persistent, 4, i)).record);
  }
}

/// An object that others change below, as the cache of a client has it.
struct ChangedByOthers {
  Oid oid;
  std::atomic<std::uint32_t> below{1};  ///< The latest edition there.
  std::atomic<std::uint32_t> known{1};  ///< The last of which the cache was told.
};

TEST_F(GivenACache, WhenOthersChangeObjectsThenNobodyFindsWhatWasDroppedBefore) {
  std::array<ChangedByOthers, 2> objects;
  objects[0].oid = oid;
  objects[1].oid = Oid(Lifetime::Persistent, 2048, 2);
  std::atomic<int> changing{2};
  const auto change = [&](ChangedByOthers& object, bool all) {
    for (std::uint32_t next = 2; next <= 5000; ++next) {
      object.below = next;
      if (all) {
        cache.clear();
      } else {
        cache.drop(object.oid);
      }
      object.known = next;
    }
    --changing;
  };
  const auto read = [&] {
    for (std::size_t i = 0; changing > 0; ++i) {
      ChangedByOthers& object = objects[i % 2];
      const std::uint32_t known = object.known;
      const auto [found, ticket] = cache.find(object.oid);
      if (found) {
        ASSERT_GE(found->edition, known);
      } else {
        cache.offer(edition(object.oid, object.below), ticket);
      }
    }
  };

  std::vector<std::thread> threads;
  threads.emplace_back(change, std::ref(objects[0]), /*all=*/false);
  threads.emplace_back(change, std::ref(objects[1]), /*all=*/true);
  for (int i = 0; i < 2; ++i) threads.emplace_back(read);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace nephrite

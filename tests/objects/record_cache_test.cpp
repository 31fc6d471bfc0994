#include "objects/disk/record_cache.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace nephrite

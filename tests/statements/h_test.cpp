// What a JADE user relies on, statement by statement: implicit locks, isolation, editions (H).

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

/// Given also: a committed set with both orders in it.
class JadeStatementOnReading : public JadeStatement {
 protected:
  JadeStatementOnReading() {
    p1.beginTransaction();
    set = p1.create("OrderSet");
    Set(set).add(o);
    Set(set).add(o2);
    p1.commitTransaction();
  }

  /// p2 adds a new order to the set, in a transaction of its own; false when it would have to wait.
  bool p2Adds() {
    p2.setDefaultLockTimeout(LockTimeout::immediate());
    p2.beginTransaction();
    const bool added =
        thrownBy<LockException>([&] { Set(as(p2, set)).add(p2.create("Order")); }) == std::nullopt;
    if (added) {
      p2.commitTransaction();
    } else {
      p2.abortTransaction();
    }
    return added;
  }

  Object set;
};

TEST_P(JadeStatementOnReading, S069_ReadingAPropertyTakesNoLock) {
  p1.beginTransaction();
  EXPECT_EQ(as(p1, o).get<int>("total"), 0);
  EXPECT_EQ(held(p1, o), Get);
}

TEST_P(JadeStatementOnReading, S070_ForEachKeepsTheCollectionForTheWholeLoop) {
  int visited = 0;
  Set(as(p1, set)).forEach([&](const Object&) {
    EXPECT_EQ(held(p1, set), Share);
    EXPECT_FALSE(p2Adds());
    ++visited;
    return true;
  });
  EXPECT_EQ(visited, 2);
  EXPECT_TRUE(p2Adds());
}

TEST_P(JadeStatementOnReading, S071_ADiscreteForEachLetsOthersChangeTheCollection) {
  int visited = 0;
  Set(as(p1, set))
      .forEach(
          [&](const Object&) {
            EXPECT_EQ(held(p1, set), Get);
            if (++visited == 1) {
              EXPECT_TRUE(p2Adds());
            }
            return true;
          },
          Collection::Iteration::Discrete);
  EXPECT_EQ(visited, 3) << "what was added behind the last one fetched is seen";
}

TEST_P(JadeStatementOnReading, S072_OutsideAnyStateTheShareGoesWithTheAccess) {
  EXPECT_EQ(Set(as(p1, set)).size(), 2u);
  EXPECT_EQ(held(p1, set), Get);
}

TEST_P(JadeStatementOnReading, S072_ALockThatWasHeldBeforeStays) {
  ASSERT_TRUE(gets(p1, set, Share));
  EXPECT_EQ(Set(as(p1, set)).size(), 2u);
  EXPECT_EQ(held(p1, set), Share);
}

TEST_P(JadeStatementOnReading, S072_InTransactionAndLoadStateItStays) {
  p1.beginTransaction();
  EXPECT_TRUE(Set(as(p1, set)).includes(o));
  EXPECT_EQ(held(p1, set), Share);
  p1.commitTransaction();
  EXPECT_EQ(held(p1, set), Get);

  p1.beginLoad();
  EXPECT_TRUE(Set(as(p1, set)).includes(o));
  EXPECT_EQ(held(p1, set), Share);
  p1.endLoad();
  EXPECT_EQ(held(p1, set), Get);
}

TEST_P(JadeStatementOnReading, S073_TheFirstChangeTakesExclusiveTheSecondNothingMore) {
  p1.beginTransaction();
  as(p1, o).set("total", 1);
  EXPECT_EQ(held(p1, o), Exclusive);
  const auto before = p1.system().getRequestStats().lockObjects;
  as(p1, o).set("total", 2);
  EXPECT_EQ(p1.system().getRequestStats().lockObjects, before);
}

TEST_P(JadeStatementOnReading, S074_AChangeOutsideATransactionIs1026EvenWithTheLockHeld) {
  EXPECT_EQ(codeOf([&] { as(p1, o).set("total", 1); }), 1026);
  ASSERT_TRUE(gets(p1, o, Exclusive));
  EXPECT_EQ(codeOf([&] { as(p1, o).set("total", 1); }), 1026);
  EXPECT_EQ(codeOf([&] { as(p1, o).deleteObject(); }), 1026);
  EXPECT_EQ(codeOf([&] { p1.create("Order"); }), 1026);
}

TEST_P(JadeStatementOnReading, S075_OthersSeeTheOldValueUntilCommit) {
  p1.beginTransaction();
  as(p1, o).set("total", 8);
  EXPECT_EQ(as(p1, o).get<int>("total"), 8) << "own writes are read";
  EXPECT_EQ(as(p2, o).get<int>("total"), 0);
  p1.commitTransaction();
  EXPECT_EQ(as(p2, o).get<int>("total"), 8);
}

TEST_P(JadeStatementOnReading, S076_EditionIsOneAtCreationAndRisesByOnePerTransaction) {
  EXPECT_EQ(as(p1, o).edition(), 1u);
  p1.beginTransaction();
  as(p1, o).set("total", 1);
  as(p1, o).set("total", 2);
  as(p1, o).set("note", "twice");
  p1.commitTransaction();
  EXPECT_EQ(as(p1, o).edition(), 2u);

  p1.beginTransaction();
  as(p1, o).set("total", 3);
  p1.abortTransaction();
  EXPECT_EQ(as(p1, o).edition(), 2u);
}

TEST_P(JadeStatementOnReading, S077_ALockShowsWhatWasCommittedMeanwhile) {
  EXPECT_EQ(as(p1, o).get<int>("total"), 0);
  p2.beginTransaction();
  as(p2, o).set("total", 6);
  p2.commitTransaction();

  as(p1, o).sharedLock();

  EXPECT_EQ(as(p1, o).get<int>("total"), 6);
  EXPECT_EQ(as(p1, o).edition(), as(p1, o).latestEdition());
}

TEST_P(JadeStatementOnReading, S078_ResynchFetchesNothingUntilTheNextReference) {
  const Object mine = as(p1, o);
  EXPECT_EQ(mine.get<int>("total"), 0);
  p2.beginTransaction();
  as(p2, o).set("total", 6);
  p2.commitTransaction();
  const auto before = storeInMemory()->statistics().fetches;

  as(p1, o).resynch();

  EXPECT_EQ(storeInMemory()->statistics().fetches, before);
  EXPECT_EQ(mine.get<int>("total"), 6);
}

TEST_P(JadeStatementOnReading, S079_NonSharedTransientsAreInNoLockList) {
  const Object own = p1.create("Order", Lifetime::Transient);
  own.isLockedByMe();
  Object(own).exclusiveLock();
  Object(own).set("total", 1);

  EXPECT_EQ(own.get<int>("total"), 1);
  EXPECT_THAT(p1.system().getLocks(), testing::IsEmpty());
  EXPECT_THAT(node.getLocks(), testing::IsEmpty());
  EXPECT_THAT(p1.system().getLocksOf(p1.info()), testing::IsEmpty());
  EXPECT_FALSE(own.isLockedByMe());
}

NEPHRITE_ON_BOTH_FORMS(JadeStatementOnReading);

}  // namespace
}  // namespace nephrite

// What a JADE user relies on, statement by statement: compatibility (A), asking again, upgrades and
// downgrades (B), update locks (C).

#include "runtime/database/locker_port.h"
#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

// --- A. Compatibility ----------------------------------------------------------------------------

TEST_P(JadeStatement, S001_TwoProcessesShareOneObject) {
  EXPECT_TRUE(gets(p1, o, Share));
  EXPECT_TRUE(gets(p2, o, Share));
}

TEST_P(JadeStatement, S002_ReserveStandsBesideShareAndLetsMoreShareIn) {
  EXPECT_TRUE(gets(p1, o, Share));
  EXPECT_TRUE(gets(p2, o, Reserve));
  EXPECT_TRUE(gets(p3, o, Share));
}

TEST_P(JadeStatement, S003_UpdateStandsBesideShare) {
  EXPECT_TRUE(gets(p1, o, Share));
  p2.beginTransaction();
  EXPECT_TRUE(gets(p2, o, Update));
}

TEST_P(JadeStatement, S004_ExclusiveBlocksBehindShare) {
  ASSERT_TRUE(gets(p1, o, Share));
  expectBlocks(p2, o, Exclusive);
}

TEST_P(JadeStatement, S005_ReserveBlocksBehindReserve) {
  ASSERT_TRUE(gets(p1, o, Reserve));
  expectBlocks(p2, o, Reserve);
}

TEST_P(JadeStatement, S006_ReserveAndUpdateBlockEachOther) {
  ASSERT_TRUE(gets(p1, o, Reserve));
  p2.beginTransaction();
  expectBlocks(p2, o, Update);

  ASSERT_TRUE(gets(p2, o2, Update));
  expectBlocks(p1, o2, Reserve);
}

TEST_P(JadeStatement, S007_UpdateBlocksBehindUpdate) {
  p1.beginTransaction();
  p2.beginTransaction();
  ASSERT_TRUE(gets(p1, o, Update));
  expectBlocks(p2, o, Update);
}

TEST_P(JadeStatement, S008_ShareStandsBesideUpdateAndReadsTheLastCommittedEdition) {
  p1.beginTransaction();
  as(p1, o).updateLock();
  as(p1, o).set("total", 5);

  EXPECT_TRUE(gets(p2, o, Share));

  EXPECT_EQ(as(p2, o).get<int>("total"), 0);
  EXPECT_EQ(as(p2, o).edition(), 1u);
}

TEST_P(JadeStatement, S009_ExclusiveBlocksEverything) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  p2.beginTransaction();
  for (const LockType type : {Share, Reserve, Update, Exclusive}) {
    SCOPED_TRACE(nameOf(type));
    expectBlocks(p2, o, type);
  }
}

TEST_P(JadeStatement, S010_LockingAParentDoesNotLockItsCollection) {
  const Object lines = committed("OrderArray");
  p1.beginTransaction();
  as(p1, o).set("lines", lines);
  p1.commitTransaction();

  ASSERT_TRUE(gets(p1, o, Exclusive));

  EXPECT_TRUE(gets(p2, lines, Exclusive));
}

TEST_P(JadeStatement, S011_UpdateIsWeakerThanExclusiveThoughItsNumberIsLarger) {
  p1.beginTransaction();
  ASSERT_TRUE(gets(p1, o, Update));
  EXPECT_TRUE(gets(p1, o, Exclusive)) << "an upgrade";
  EXPECT_EQ(held(p1, o), Exclusive);
  EXPECT_TRUE(gets(p1, o, Update)) << "covered";
  EXPECT_EQ(held(p1, o), Exclusive);
}

// --- B. Asking again, upgrades, downgrades -------------------------------------------------------

TEST_P(JadeStatement, S012_LocksAreNotCounted) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(gets(p1, o, Share));
  as(p1, o).unlock();
  EXPECT_TRUE(gets(p2, o, Exclusive));
}

TEST_P(JadeStatement, S013_DurationRisesAtOnceBesideOtherSharers) {
  ASSERT_TRUE(gets(p1, o, Share));
  ASSERT_TRUE(gets(p2, o, Share));

  EXPECT_TRUE(gets(p1, o, Share, kSession));

  EXPECT_EQ(as(p1, o).lockStatus().duration, kSession);
}

TEST_P(JadeStatement, S014_SessionShareAskedUnderExclusiveShowsWhenTheTransactionEnds) {
  p1.beginTransaction();
  ASSERT_TRUE(gets(p1, o, Exclusive));
  ASSERT_TRUE(gets(p1, o, Share, kSession));
  EXPECT_EQ(held(p1, o), Exclusive);

  p1.commitTransaction();

  EXPECT_EQ(held(p1, o), Share);
  EXPECT_EQ(as(p1, o).lockStatus().duration, kSession);
}

TEST_P(JadeStatement, S015_SessionShareIsExclusiveForTheTransactionOnly) {
  ASSERT_TRUE(gets(p1, o, Share, kSession));
  p1.beginTransaction();
  ASSERT_TRUE(gets(p1, o, Exclusive));
  EXPECT_EQ(held(p1, o), Exclusive);
  EXPECT_EQ(as(p1, o).lockStatus().duration, kSession);

  p1.commitTransaction();

  EXPECT_EQ(held(p1, o), Share);
}

TEST_P(JadeStatement, S016_SessionExclusiveSurvivesATransactionRequestAndTheCommit) {
  ASSERT_TRUE(gets(p1, o, Exclusive, kSession));
  p1.beginTransaction();
  ASSERT_TRUE(gets(p1, o, Exclusive));
  p1.commitTransaction();

  EXPECT_EQ(held(p1, o), Exclusive);
  EXPECT_FALSE(gets(p2, o, Share));
}

TEST_P(JadeStatement, S017_OutsideATransactionTheTypeFallsAtOnce) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  ASSERT_TRUE(gets(p1, o, Share));
  EXPECT_EQ(held(p1, o), Share);
  EXPECT_TRUE(gets(p2, o, Share));
}

TEST_P(JadeStatement, S018_InsideATransactionTheTypeStays) {
  p1.beginTransaction();
  ASSERT_TRUE(gets(p1, o, Exclusive));
  ASSERT_TRUE(gets(p1, o, Share));
  EXPECT_EQ(held(p1, o), Exclusive);
}

TEST_P(JadeStatement, S019_LowerTypeAndLowerDurationIsIgnored) {
  ASSERT_TRUE(gets(p1, o, Exclusive, kSession));
  ASSERT_TRUE(gets(p1, o, Share, kTransaction));
  EXPECT_EQ(held(p1, o), Exclusive);
}

TEST_P(JadeStatement, S020_SessionExclusiveFallsToSessionShareOutsideATransaction) {
  ASSERT_TRUE(gets(p1, o, Exclusive, kSession));
  ASSERT_TRUE(gets(p1, o, Share, kSession));
  EXPECT_EQ(held(p1, o), Share);
}

TEST_P(JadeStatement, S021_AnUpgradeWaitsWithItsShareKept) {
  ASSERT_TRUE(gets(p1, o, Share));
  ASSERT_TRUE(gets(p2, o, Share));
  const auto upgrade = start(p1, [&] { as(p1, o).exclusiveLock(); });
  ASSERT_TRUE(upgrade->isWaiting());

  EXPECT_FALSE(gets(p3, o, Exclusive));
  const auto status = database->port(p1.info().locker)->lockStatus(o.oid());
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->type, Share);

  as(p2, o).unlock();
  upgrade->end();
  EXPECT_EQ(held(p1, o), Exclusive);
}

TEST_P(JadeStatement, S022_AFailedUpgradeLeavesTheOldLock) {
  ASSERT_TRUE(gets(p1, o, Share));
  ASSERT_TRUE(gets(p2, o, Share));
  EXPECT_FALSE(gets(p1, o, Exclusive));
  EXPECT_EQ(held(p1, o), Share);
}

TEST_P(JadeStatement, S023_IteratingACollectionDoesNotLowerItsExclusiveLock) {
  const Object set = committed("OrderSet");
  ASSERT_TRUE(gets(p1, set, Exclusive));

  Set(as(p1, set)).forEach([](const Object&) { return true; });

  EXPECT_EQ(held(p1, set), Exclusive);
}

// --- C. Update locks -----------------------------------------------------------------------------

TEST_P(JadeStatement, S024_UpdateLockOutsideATransactionIs1026) {
  EXPECT_EQ(codeOf([&] { as(p1, o).updateLock(); }), 1026);
  EXPECT_EQ(codeOf([&] { as(p1, o).tryLock(Update); }), 1026);
  EXPECT_EQ(codeOf([&] { as(p1, o).lock(Update, kSession, LockTimeout::immediate()); }), 1026);
}

TEST_P(JadeStatement, S025_ShareIsReleasedBeforeUpdateIsAskedFor) {
  p1.beginTransaction();
  p2.beginTransaction();
  ASSERT_TRUE(gets(p1, o, Share));
  ASSERT_TRUE(gets(p2, o, Update));

  const auto asked = start(p1, [&] { as(p1, o).updateLock(); });

  ASSERT_TRUE(asked->isWaiting());
  EXPECT_FALSE(database->port(p1.info().locker)->lockStatus(o.oid()).has_value());
  p2.abortTransaction();
  asked->end();
  EXPECT_EQ(held(p1, o), Update);
}

TEST_P(JadeStatement, S026_AnUpdateCommittedInThatGapIs1146WithTheLockHeld) {
  p1.beginTransaction();
  p2.beginTransaction();
  ASSERT_TRUE(gets(p1, o, Share));
  as(p2, o).updateLock();
  as(p2, o).set("total", 7);
  const auto asked = start(p1, [&] { as(p1, o).updateLock(); });
  ASSERT_TRUE(asked->isWaiting());

  p2.commitTransaction();

  EXPECT_THROW(asked->end(), UpgradeException);
  EXPECT_EQ(held(p1, o), Update);
  EXPECT_EQ(as(p1, o).get<int>("total"), 7);
}

TEST_P(JadeStatement, S026_AndAHandlerCanContinueFromIt) {
  p1.beginTransaction();
  p2.beginTransaction();
  ASSERT_TRUE(gets(p1, o, Share));
  as(p2, o).updateLock();
  as(p2, o).set("total", 7);
  int told = 0;
  const auto asked = start(p1, [&] {
    const auto armed = p1.armExceptionHandler([&](const SystemException& exception) {
      told = exception.errorCode();
      return HandlerAction::Continue;
    });
    as(p1, o).updateLock();
  });
  ASSERT_TRUE(asked->isWaiting());

  p2.commitTransaction();

  EXPECT_NO_THROW(asked->end());
  EXPECT_EQ(told, 1146);
}

TEST_P(JadeStatement, S027_SessionShareIsKeptWhileUpdateIsAskedFor) {
  p1.beginTransaction();
  p2.beginTransaction();
  ASSERT_TRUE(gets(p1, o, Share, kSession));
  ASSERT_TRUE(gets(p2, o, Update));

  EXPECT_FALSE(gets(p1, o, Update));

  EXPECT_EQ(held(p1, o), Share);
}

TEST_P(JadeStatement, S028_TwoSharersWhoBothWantUpdateDoNotDeadlock) {
  p1.beginTransaction();
  p2.beginTransaction();
  ASSERT_TRUE(gets(p1, o, Share));
  ASSERT_TRUE(gets(p2, o, Share));

  EXPECT_TRUE(gets(p1, o, Update));
  const auto second = start(p2, [&] { as(p2, o).updateLock(); });

  ASSERT_TRUE(second->isWaiting());
  p1.abortTransaction();
  EXPECT_NO_THROW(second->end());
}

TEST_P(JadeStatement, S029_ACommitWithUpdateLetsNoNewShareInAndWaitsForTheOldOnes) {
  p1.beginTransaction();
  as(p1, o).updateLock();
  as(p1, o).set("total", 9);
  ASSERT_TRUE(gets(p2, o, Share));
  const auto commit = start(p1, [&] { p1.commitTransaction(); });
  ASSERT_TRUE(commit->isWaiting());
  EXPECT_FALSE(gets(p3, o, Share));

  as(p2, o).unlock();

  commit->end();
  EXPECT_FALSE(p1.isInTransactionState());
  EXPECT_EQ(as(p3, o).get<int>("total"), 9);
}

TEST_P(JadeStatement, S030_TwoCommitsThatWaitForEachOthersSharesDeadlock) {
  p1.beginTransaction();
  p2.beginTransaction();
  p1.useUpdateLocks(true);
  p2.useUpdateLocks(true);
  as(p1, o).set("total", 1);
  as(p2, o2).set("total", 2);
  ASSERT_TRUE(gets(p1, o2, Share));
  ASSERT_TRUE(gets(p2, o, Share));
  const auto first = start(p1, [&] { p1.commitTransaction(); });
  ASSERT_TRUE(first->isWaiting());

  EXPECT_EQ(codeOf([&] { p2.commitTransaction(); }), 1081);

  EXPECT_TRUE(p2.isInTransactionState()) << "open: commit may be called again";
  EXPECT_EQ(held(p2, o2), Update) << "every upgrade is taken back";
  p2.abortTransaction();
  EXPECT_NO_THROW(first->end());
}

TEST_P(JadeStatement, S031_TheImplicitLockIsExclusiveOrUpdateAsWished) {
  p1.beginTransaction();
  as(p1, o).set("total", 1);
  EXPECT_EQ(held(p1, o), Exclusive);
  p1.useUpdateLocks(true);
  as(p1, o2).set("total", 1);
  EXPECT_EQ(held(p1, o2), Update);
}

}  // namespace

NEPHRITE_ON_BOTH_FORMS(JadeStatement);

}  // namespace nephrite

// What a JADE user relies on, statement by statement: durations and unlock (D), timeouts (E).

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

// --- D. Durations and unlock ---------------------------------------------------------------------

TEST_P(JadeStatement, S032_UnlockInATransactionIsIgnored) {
  p1.beginTransaction();
  ASSERT_TRUE(gets(p1, o, Exclusive));
  as(p1, o).unlock();
  EXPECT_EQ(held(p1, o), Exclusive);
}

TEST_P(JadeStatement, S033_ASessionLockWhoseUnlockWasIgnoredIsHeldAfterCommit) {
  p1.beginTransaction();
  ASSERT_TRUE(gets(p1, o, Exclusive, kSession));
  as(p1, o).unlock();
  p1.commitTransaction();
  EXPECT_EQ(held(p1, o), Exclusive);

  as(p1, o).unlock();
  EXPECT_EQ(held(p1, o), Get);
}

TEST_P(JadeStatement, S034_CommitReleasesALockTakenBeforeTheTransaction) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  p1.beginTransaction();
  p1.commitTransaction();
  EXPECT_EQ(held(p1, o), Get);
}

TEST_P(JadeStatement, S035_CommitReleasesAllTypesChangedOrNot) {
  const Object o3 = committed("Order");
  const Object o4 = committed("Order");
  p1.beginTransaction();
  ASSERT_TRUE(gets(p1, o, Share));
  ASSERT_TRUE(gets(p1, o2, Reserve));
  ASSERT_TRUE(gets(p1, o3, Update));
  ASSERT_TRUE(gets(p1, o4, Exclusive));
  p1.commitTransaction();
  for (const Object& object : {o, o2, o3, o4}) EXPECT_EQ(held(p1, object), Get);
}

TEST_P(JadeStatement, S036_CommitAndAbortKeepSessionLocks) {
  p1.beginTransaction();
  ASSERT_TRUE(gets(p1, o, Share, kSession));
  p1.commitTransaction();
  EXPECT_EQ(held(p1, o), Share);
  p1.beginTransaction();
  p1.abortTransaction();
  EXPECT_EQ(held(p1, o), Share);
}

TEST_P(JadeStatement, S037_AbortOutsideATransactionReleasesTransactionLocks) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  p1.abortTransaction();
  EXPECT_EQ(held(p1, o), Get);
}

TEST_P(JadeStatement, S038_AbortTransientTransactionReleasesSharedTransientsOnly) {
  const Object shared = sharedTransient();
  ASSERT_TRUE(gets(p1, shared, Exclusive));
  ASSERT_TRUE(gets(p1, o, Exclusive));

  p1.abortTransientTransaction();

  EXPECT_EQ(held(p1, shared), Get);
  EXPECT_EQ(held(p1, o), Exclusive);
}

TEST_P(JadeStatement, S039_APersistentTransactionDoesNotIgnoreUnlocksOfSharedTransients) {
  const Object shared = sharedTransient();
  p1.beginTransaction();
  ASSERT_TRUE(gets(p1, shared, Exclusive));
  as(p1, shared).unlock();
  EXPECT_EQ(held(p1, shared), Get);
}

TEST_P(JadeStatement, S040_UnlockInLoadStateIsIgnoredAndEndLoadReleases) {
  p1.beginLoad();
  ASSERT_TRUE(gets(p1, o, Share));
  as(p1, o).unlock();
  EXPECT_EQ(held(p1, o), Share);
  p1.endLoad();
  EXPECT_EQ(held(p1, o), Get);
}

TEST_P(JadeStatement, S041_LocksTakenBeforeBeginLoadSurviveEndLoad) {
  ASSERT_TRUE(gets(p1, o, Share));
  p1.beginLoad();
  p1.endLoad();
  EXPECT_EQ(held(p1, o), Share);
}

TEST_P(JadeStatement, S042_TheInnerEndLoadReleasesTheInnerLevelOnly) {
  p1.beginLoad();
  ASSERT_TRUE(gets(p1, o, Share));
  p1.beginLoad();
  ASSERT_TRUE(gets(p1, o2, Share));

  p1.endLoad();

  EXPECT_EQ(held(p1, o), Share);
  EXPECT_EQ(held(p1, o2), Get);
  EXPECT_TRUE(p1.isInLoadState());
}

TEST_P(JadeStatement, S043_EndLoadKeepsSessionLocks) {
  p1.beginLoad();
  ASSERT_TRUE(gets(p1, o, Share, kSession));
  p1.endLoad();
  EXPECT_EQ(held(p1, o), Share);
}

TEST_P(JadeStatement, S044_CommitEndsLoadAndLockStateAtEveryLevel) {
  p1.beginTransaction();
  p1.beginLoad();
  p1.beginLock();
  p1.beginLoad();

  p1.commitTransaction();

  EXPECT_FALSE(p1.isInLoadState());
  EXPECT_FALSE(p1.isInLockState());
  EXPECT_EQ(codeOf([&] { p1.endLoad(); }), 64002);
}

TEST_P(JadeStatement, S045_InLockStateReadingTakesShareUntilEndLock) {
  p1.beginLock();
  EXPECT_EQ(as(p1, o).get<int>("total"), 0);
  EXPECT_EQ(held(p1, o), Share);
  p1.endLock();
  EXPECT_EQ(held(p1, o), Get);
}

TEST_P(JadeStatement, S046_SigningOffReleasesEverythingAndWakesWaiters) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  ASSERT_TRUE(gets(p1, o2, Exclusive, kSession));
  const auto second = start(p2, [&] { as(p2, o).exclusiveLock(); });
  const auto third = start(p3, [&] { as(p3, o2).exclusiveLock(); });
  ASSERT_TRUE(second->isWaiting());
  ASSERT_TRUE(third->isWaiting());

  p1.signOff();

  EXPECT_NO_THROW(second->end());
  EXPECT_NO_THROW(third->end());
}

// --- E. Timeouts ---------------------------------------------------------------------------------

class JadeStatementOnTimeouts : public JadeStatement {
 protected:
  explicit JadeStatementOnTimeouts(const LocalDatabase::Options& options = plain())
      : JadeStatement(options) {
    gets(p1, o, Exclusive);
  }

  /// Asks with `wait`; how long until it is refused.
  milliseconds waitOf(Process& process, LockTimeout wait) {
    return waitOf(process,
                  [&process, wait, this] { as(process, o).lock(Exclusive, kTransaction, wait); });
  }
  milliseconds waitOf(Process& process, const std::function<void()>& call) {
    const auto asked = start(process, call);
    if (!asked->isWaiting()) return 0ms;
    const auto deadline = form.nextDeadline();
    const auto wait = std::chrono::duration_cast<milliseconds>(*deadline - clock.now());
    pass(wait);
    EXPECT_THROW(asked->end(), LockException);
    return wait;
  }
};

TEST_P(JadeStatementOnTimeouts, S047_ImmediateFailsAtOnce) {
  EXPECT_EQ(codeOf([&] { as(p2, o).exclusiveLock(LockTimeout::immediate()); }), 1027);
  EXPECT_EQ(codeOf([&] { as(p2, o).exclusiveLock(LockTimeout::ofMilliseconds(-7)); }), 1027);
  EXPECT_EQ(codeOf([&] { as(p2, o).exclusiveLock(0ms); }), 1027);
}

TEST_P(JadeStatementOnTimeouts, S048_ZeroMeansTheServerTimeoutOfTenSeconds) {
  EXPECT_EQ(waitOf(p2, LockTimeout::ofMilliseconds(0)), 10'000ms);
  form.setServerTimeout(3'000ms);
  EXPECT_EQ(waitOf(p2, LockTimeout::serverDefined()), 3'000ms);
}

TEST_P(JadeStatementOnTimeouts, S049_MinusTwoMeansTheProcessDefault) {
  EXPECT_EQ(waitOf(p2, LockTimeout::ofMilliseconds(-2)), 10'000ms);
  p2.setDefaultLockTimeout(LockTimeout::of(123ms));
  EXPECT_EQ(waitOf(p2, LockTimeout::ofMilliseconds(-2)), 123ms);
}

TEST_P(JadeStatementOnTimeouts, S050_TheDefaultReachesSimpleAndImplicitLocksButNoExplicitTimeout) {
  EXPECT_EQ(p2.setDefaultLockTimeout(LockTimeout::of(200ms)), LockTimeout::serverDefined());
  EXPECT_EQ(p2.setDefaultLockTimeout(LockTimeout::of(300ms)), LockTimeout::of(200ms));

  EXPECT_EQ(waitOf(p2, [&] { as(p2, o).exclusiveLock(); }), 300ms);
  EXPECT_EQ(waitOf(p2, 50ms), 50ms);
  p2.beginTransaction();
  EXPECT_EQ(waitOf(p2, [&] { as(p2, o).set("total", 1); }), 300ms);
}

TEST_P(JadeStatementOnTimeouts, S051_InfiniteIsThatManyMilliseconds) {
  EXPECT_EQ(waitOf(p2, LockTimeout::infinite()), milliseconds(2'147'483'647));
}

TEST_P(JadeStatementOnTimeouts, S052_TryLockReturnsFalseAtTimeoutRaisesNothingLeavesNoQueueEntry) {
  bool granted = true;
  const auto asked =
      start(p2, [&] { granted = as(p2, o).tryLock(Exclusive, kTransaction, 500ms); });
  ASSERT_TRUE(asked->isWaiting());

  pass(500ms);

  EXPECT_NO_THROW(asked->end());
  EXPECT_FALSE(granted);
  EXPECT_THAT(queued(), testing::IsEmpty());
}

TEST_P(JadeStatementOnTimeouts, S053_AtTimeoutLockRaises1027WithAllFacts) {
  pass(2s);
  const auto asked = start(p2, [&] { as(p2, o).lock(Share, kSession, 500ms); });
  pass(500ms);

  const auto thrown = thrownBy<LockException>([&] { asked->end(); });

  ASSERT_TRUE(thrown.has_value());
  EXPECT_EQ(thrown->errorCode(), 1027);
  EXPECT_EQ(thrown->lockTarget(), o.oid());
  EXPECT_EQ(thrown->lockType(), Share);
  EXPECT_EQ(thrown->lockDuration(), kSession);
  EXPECT_EQ(thrown->lockTimeout(), LockTimeout::of(500ms));
  EXPECT_EQ(thrown->targetLockedBy().locker, p1.info().locker);
  EXPECT_EQ(thrown->targetLockedBy().user, "anna");
  EXPECT_EQ(thrown->targetLockedBy().node, "main");
  EXPECT_EQ(thrown->facts().lockedType, Exclusive);
  EXPECT_EQ(thrown->facts().lockedFor, 2500ms);
  EXPECT_EQ(thrown->facts().lockedSince, clock.wallNow() - 2500ms);
  EXPECT_EQ(thrown->facts().waited, 500ms);
}

TEST_P(JadeStatementOnTimeouts, S053_TheTimeoutIsTheOneAskedForConstantsIncluded) {
  const auto asked = start(p2, [&] { as(p2, o).exclusiveLock(); });
  pass(10s);
  const auto thrown = thrownBy<LockException>([&] { asked->end(); });
  ASSERT_TRUE(thrown.has_value());
  EXPECT_EQ(thrown->lockTimeout(), LockTimeout::processDefined());
}

TEST_P(JadeStatementOnTimeouts, S054_ABackgroundProcessWaitsTheBackgroundTimeout) {
  Process worker = node.signOn({.name = "worker", .background = true});
  EXPECT_EQ(waitOf(worker, LockTimeout::serverDefined()), 30'000ms);
  EXPECT_EQ(waitOf(worker, LockTimeout::processDefined()), 30'000ms);
}

class JadeStatementOnBackgroundTimeouts : public JadeStatementOnTimeouts {
 protected:
  JadeStatementOnBackgroundTimeouts() : JadeStatementOnTimeouts(ofOneSecond()) {}
  static LocalDatabase::Options ofOneSecond() {
    LocalDatabase::Options options = plain();
    options.locks.backgroundTimeout = 1'000ms;
    return options;
  }
};

TEST_P(JadeStatementOnBackgroundTimeouts, S054_ItIsTheOneThatIsSet) {
  Process worker = node.signOn({.name = "worker", .background = true});
  EXPECT_EQ(waitOf(worker, LockTimeout::serverDefined()), 1'000ms);
}

NEPHRITE_ON_BOTH_FORMS(JadeStatementOnTimeouts);
NEPHRITE_ON_BOTH_FORMS(JadeStatementOnBackgroundTimeouts);

}  // namespace
}  // namespace nephrite

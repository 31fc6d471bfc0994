// What a JADE user relies on, statement by statement: exceptions (F), deadlocks (G).

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

// --- F. Exceptions -------------------------------------------------------------------------------

TEST_P(JadeStatement, S055_AHandlerThatGetsTheLockAndContinuesMakesTheCallSucceed) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  int asked = 0;
  const auto armed = p2.armExceptionHandler([&](const SystemException& exception) {
    ++asked;
    const auto& refusal = dynamic_cast<const LockException&>(exception);
    as(p1, o).unlock();
    return p2.object(refusal.lockTarget()).tryLock(refusal.lockType()) ? HandlerAction::Continue
                                                                       : HandlerAction::PassBack;
  });

  EXPECT_NO_THROW(as(p2, o).exclusiveLock(LockTimeout::immediate()));

  EXPECT_EQ(asked, 1);
  EXPECT_EQ(held(p2, o), Exclusive);
}

TEST_P(JadeStatement, S055_AlsoForTheImplicitLockOfAChange) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  p2.setDefaultLockTimeout(LockTimeout::immediate());
  p2.beginTransaction();
  const auto armed = p2.armExceptionHandler([&](const SystemException&) {
    as(p1, o).unlock();
    return as(p2, o).tryLock(Exclusive) ? HandlerAction::Continue : HandlerAction::PassBack;
  });

  as(p2, o).set("total", 3);
  p2.commitTransaction();

  EXPECT_EQ(as(p1, o).get<int>("total"), 3);
}

TEST_P(JadeStatement, S056_ContinueWithoutTheLockIs1225IfExplicit1224IfImplicit) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  p2.setDefaultLockTimeout(LockTimeout::immediate());
  p2.beginTransaction();
  const auto armed =
      p2.armExceptionHandler([](const SystemException&) { return HandlerAction::Continue; });

  EXPECT_EQ(codeOf([&] { as(p2, o).exclusiveLock(); }), 1225);
  EXPECT_EQ(codeOf([&] { as(p2, o).set("total", 1); }), 1224);
}

TEST_P(JadeStatement, S057_AbortActionLeavesTheTransactionOpen) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  const auto armed =
      p2.armExceptionHandler([](const SystemException&) { return HandlerAction::AbortAction; });
  bool reached = false;

  const bool finished = p2.run([&] {
    p2.beginTransaction();
    as(p2, o2).set("total", 4);
    as(p2, o).exclusiveLock(LockTimeout::immediate());
    reached = true;
  });

  EXPECT_FALSE(finished);
  EXPECT_FALSE(reached);
  EXPECT_TRUE(p2.isInTransactionState());
  EXPECT_EQ(held(p2, o2), Exclusive);
}

TEST_P(JadeStatement, S058_ResumeNextFromAGlobalHandlerIsAbortAction) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  const auto armed = p2.armGlobalExceptionHandler(
      [](const SystemException&) { return HandlerAction::ResumeNext; });

  EXPECT_FALSE(p2.run([&] { as(p2, o).exclusiveLock(LockTimeout::immediate()); }));
}

TEST_P(JadeStatement, S058_ResumeNextFromALocalHandlerGoesOnAfterTheProtectedCall) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  bool after = false;

  const bool actionFinished = p2.run([&] {
    const bool bodyFinished =
        p2.protect([](const SystemException&) { return HandlerAction::ResumeNext; },
                   [&] { as(p2, o).exclusiveLock(LockTimeout::immediate()); });
    EXPECT_FALSE(bodyFinished);
    after = true;
  });

  EXPECT_TRUE(actionFinished);
  EXPECT_TRUE(after);
}

TEST_P(JadeStatement, S059_AnUnknownReturnCodeIs1238) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  const auto armed =
      p2.armExceptionHandler([](const SystemException&) { return static_cast<HandlerAction>(77); });
  EXPECT_EQ(codeOf([&] { as(p2, o).exclusiveLock(LockTimeout::immediate()); }), 1238);
}

// --- G. Deadlocks --------------------------------------------------------------------------------

/// Given: p1 holds o and waits for o2, which p2 holds.
class JadeStatementOnDeadlocks : public JadeStatement {
 protected:
  explicit JadeStatementOnDeadlocks(const LocalDatabase::Options& options = plain())
      : JadeStatement(options) {}

  void givenP1WaitsForP2() {
    ASSERT_TRUE(gets(p1, o, Exclusive));
    ASSERT_TRUE(gets(p2, o2, Exclusive));
    first = start(p1, [&] { as(p1, o2).exclusiveLock(); });
    ASSERT_TRUE(first->isWaiting());
  }

  std::unique_ptr<Pending> first;
};

TEST_P(JadeStatementOnDeadlocks, S061_TheOneWhoClosesTheCycleIsToldAtOnce) {
  givenP1WaitsForP2();

  const auto thrown = thrownBy<DeadlockException>([&] { as(p2, o).exclusiveLock(); });

  ASSERT_TRUE(thrown.has_value());
  EXPECT_EQ(thrown->errorCode(), 1081);
  EXPECT_EQ(thrown->lockTarget(), o.oid());
  EXPECT_EQ(thrown->obtainedLock(), o2.oid());
  EXPECT_EQ(thrown->targetLockedBy().name, "one");
  ASSERT_EQ(thrown->cycle().size(), 2u);
  EXPECT_EQ(thrown->cycle()[0].process.name, "two");
  EXPECT_EQ(thrown->cycle()[1].process.name, "one");
  EXPECT_EQ(held(p2, o2), Exclusive) << "a victim keeps what it holds";
  p2.abortTransaction();
  EXPECT_NO_THROW(first->end());
}

TEST_P(JadeStatementOnDeadlocks, S062_TheLowerPriorityGivesWay) {
  p1.setPersistentDeadlockPriority(-1);
  givenP1WaitsForP2();

  const auto second = start(p2, [&] { as(p2, o).exclusiveLock(); });

  EXPECT_THROW(first->end(), DeadlockException);
  EXPECT_TRUE(second->isWaiting());
  p1.abortTransaction();
  EXPECT_NO_THROW(second->end());
}

class JadeStatementOnDoubleDeadlocks : public JadeStatementOnDeadlocks {
 protected:
  JadeStatementOnDoubleDeadlocks() : JadeStatementOnDeadlocks(both()) {}
  static LocalDatabase::Options both() {
    LocalDatabase::Options options = plain();
    options.locks.doubleDeadlock = true;
    return options;
  }
};

TEST_P(JadeStatementOnDoubleDeadlocks, S063_BothAreToldWhateverThePriorities) {
  p1.setPersistentDeadlockPriority(5);
  givenP1WaitsForP2();
  EXPECT_THROW(as(p2, o).exclusiveLock(), DeadlockException);
  EXPECT_THROW(first->end(), DeadlockException);
}

TEST_P(JadeStatementOnDeadlocks, S064_ARingOfThreeHasOneVictim) {
  const Object o3 = committed("Order");
  ASSERT_TRUE(gets(p3, o3, Exclusive));
  givenP1WaitsForP2();
  const auto second = start(p2, [&] { as(p2, o3).exclusiveLock(); });
  ASSERT_TRUE(second->isWaiting());

  const auto thrown = thrownBy<DeadlockException>([&] { as(p3, o).exclusiveLock(); });

  ASSERT_TRUE(thrown.has_value());
  EXPECT_EQ(thrown->cycle().size(), 3u);
  EXPECT_TRUE(first->isWaiting());
  EXPECT_TRUE(second->isWaiting());
  p3.abortTransaction();
  EXPECT_NO_THROW(second->end());
  p2.abortTransaction();
  EXPECT_NO_THROW(first->end());
}

TEST_P(JadeStatementOnDoubleDeadlocks, S064_InARingOfThreeTheThirdIsNotTold) {
  const Object o3 = committed("Order");
  ASSERT_TRUE(gets(p3, o3, Exclusive));
  givenP1WaitsForP2();
  const auto second = start(p2, [&] { as(p2, o3).exclusiveLock(); });
  ASSERT_TRUE(second->isWaiting());

  EXPECT_THROW(as(p3, o).exclusiveLock(), DeadlockException);

  EXPECT_THROW(first->end(), DeadlockException) << "the direct blocker";
  EXPECT_TRUE(second->isWaiting());
  p3.abortTransaction();
  EXPECT_NO_THROW(second->end());
}

TEST_P(JadeStatementOnDeadlocks, S065_TwoSharersWhoBothWantExclusiveDeadlock) {
  ASSERT_TRUE(gets(p1, o, Share));
  ASSERT_TRUE(gets(p2, o, Share));
  first = start(p1, [&] { as(p1, o).exclusiveLock(); });
  ASSERT_TRUE(first->isWaiting());

  EXPECT_THROW(as(p2, o).exclusiveLock(), DeadlockException);

  EXPECT_EQ(held(p2, o), Share);
  as(p2, o).unlock();
  EXPECT_NO_THROW(first->end());
}

TEST_P(JadeStatementOnDeadlocks, S066_PersistentAndTransientPrioritiesAreIndependent) {
  p1.setTransientDeadlockPriority(-5);
  EXPECT_EQ(p1.persistentDeadlockPriority(), 0);
  EXPECT_EQ(p1.transientDeadlockPriority(), -5);

  givenP1WaitsForP2();

  EXPECT_THROW(as(p2, o).exclusiveLock(), DeadlockException) << "the transient one does not count";
  p2.abortTransaction();
  EXPECT_NO_THROW(first->end());
}

TEST_P(JadeStatementOnDeadlocks, S068_SharesAloneNeverDeadlock) {
  EXPECT_TRUE(gets(p1, o, Share));
  EXPECT_TRUE(gets(p2, o2, Share));
  EXPECT_TRUE(gets(p1, o2, Share));
  EXPECT_TRUE(gets(p2, o, Share));
}

// In C++ nobody but its owner has the handle of a process; others see its Process object, and that
// takes no priority from them.
template <class T>
concept TakesTransientPriority = requires(T of) {
  of.setTransientDeadlockPriority(1);
};

TEST_P(JadeStatementOnDeadlocks, S067_AnotherProcesssTransientPriorityCannotBeSet) {
  static_assert(TakesTransientPriority<Process> && !TakesTransientPriority<Object>);
  Object p1AsP2SeesIt = p2.object(p1.oid());
  ASSERT_TRUE(p1AsP2SeesIt.exists());
  p2.beginTransaction();

  EXPECT_NE(codeOf([&] { p1AsP2SeesIt.set("transientDeadlockPriority", 1); }), 0);

  EXPECT_EQ(p1.transientDeadlockPriority(), 0);
}

NEPHRITE_ON_BOTH_FORMS(JadeStatementOnDeadlocks);

NEPHRITE_ON_BOTH_FORMS(JadeStatementOnDoubleDeadlocks);

}  // namespace
}  // namespace nephrite

#include "runtime/guards.h"

#include <mutex>
#include <optional>
#include <shared_mutex>
#include <utility>

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

class Guards : public GivenProcesses {};

TEST_P(Guards, ATransactionIsAbortedUnlessCommitted) {
  {
    Transaction transaction(p1);
    as(p1, o).set("total", 1);
  }
  EXPECT_FALSE(p1.isInTransactionState());
  EXPECT_EQ(as(p1, o).get<int>("total"), 0);
  {
    Transaction transaction(p1);
    as(p1, o).set("total", 2);
    transaction.commit();
  }
  EXPECT_EQ(as(p1, o).get<int>("total"), 2);
}

TEST_P(Guards, ATransactionWhoseCommitFailedIsOpenForAnotherTry) {
  p1.useUpdateLocks(true);
  Transaction transaction(p1);
  as(p1, o).set("total", 3);
  ASSERT_TRUE(gets(p2, o, Share));
  p1.setDefaultLockTimeout(LockTimeout::immediate());
  EXPECT_THROW(transaction.commit(), LockException);
  as(p2, o).unlock();
  transaction.commit();
  EXPECT_EQ(as(p2, o).get<int>("total"), 3);
}

TEST_P(Guards, ATransientTransactionIsAbortedUnlessCommitted) {
  const Object shared = sharedTransient();
  {
    TransientTransaction transaction(p1);
    as(p1, shared).set("total", 1);
    EXPECT_FALSE(p1.isInTransactionState());
  }
  EXPECT_EQ(as(p1, shared).get<int>("total"), 0);
}

TEST_P(Guards, ALockGuardUnlocksAtTheEndOfItsScope) {
  {
    LockGuard guard(as(p1, o), Exclusive);
    EXPECT_EQ(held(p1, o), Exclusive);
  }
  EXPECT_EQ(held(p1, o), Get);
}

TEST_P(Guards, ALockGuardOutlivesItsProcessHarmlessly) {
  LockGuard guard(as(p1, o), Exclusive);
  p1.signOff();
  EXPECT_TRUE(gets(p2, o, Exclusive));
}

TEST_P(Guards, LoadAndLockStateEndWithTheirScope) {
  {
    LoadState load(p1);
    LockState lock(p1);
    as(p1, o).get<int>("total");
    EXPECT_EQ(held(p1, o), Share);
  }
  EXPECT_FALSE(p1.isInLoadState());
  EXPECT_FALSE(p1.isInLockState());
  EXPECT_EQ(held(p1, o), Get);
}

TEST_P(Guards, TheStandardLibrarysLocksWork) {
  LockableObject first(as(p1, o)), second(as(p1, o2));
  {
    std::scoped_lock both(first, second);
    EXPECT_EQ(held(p1, o), Exclusive);
    EXPECT_EQ(held(p1, o2), Exclusive);
  }
  EXPECT_EQ(held(p1, o), Get);
  {
    std::shared_lock shared(first);
    EXPECT_EQ(held(p1, o), Share);
    LockableObject other(as(p2, o));
    std::unique_lock unique(other, std::try_to_lock);
    EXPECT_FALSE(unique.owns_lock());
    EXPECT_FALSE(std::unique_lock(other, 0ms).owns_lock());
  }
  EXPECT_EQ(held(p1, o), Get);
}

// --- What a destructor cannot do is logged, and ends nothing else --------------------------------

TEST_P(Guards, StatesThatEndInTheWrongOrderEndBothAndTerminateNothing) {
  std::optional<LoadState> load(std::in_place, p1);
  std::optional<LockState> lock(std::in_place, p1);
  as(p1, o).get<int>("total");

  load.reset();  // The innermost is lock state.

  EXPECT_FALSE(p1.isInLoadState());
  EXPECT_TRUE(p1.isInLockState());
  EXPECT_EQ(held(p1, o), Share);
  lock.reset();
  EXPECT_EQ(held(p1, o), Get);
  EXPECT_EQ(codeOf([&] { p1.endLoad(); }), 64002) << "none is left open";
}

TEST_P(Guards, AStateThatACommitEndedDoesNotEndAnotherOne) {
  std::optional<LoadState> outer(std::in_place, p1);
  Transaction transaction(p1);
  transaction.commit();
  p1.beginLoad();

  outer.reset();

  EXPECT_TRUE(p1.isInLoadState());
}

/// Given: p2 waits for o in a thread of its own, and p1 holds it. So this thread may not use p2.
class GuardsOfABusyProcess : public Guards {
 protected:
  GuardsOfABusyProcess() { EXPECT_TRUE(gets(p1, o, Exclusive)); }
  template <class Guard, class... Args>
  void endsWhileBusy(Args&&... args) {
    std::optional<Guard> guard(std::in_place, std::forward<Args>(args)...);
    const auto asked = start(p2, [&] { as(p2, o).sharedLock(10s); });
    ASSERT_TRUE(asked->isWaiting());

    guard.reset();  // Logged: there is no more to be done here.

    as(p1, o).unlock();
    asked->end();
  }
};

TEST_P(GuardsOfABusyProcess, ATransactionEndsWithoutTerminating) {
  endsWhileBusy<Transaction>(p2);
  EXPECT_TRUE(p2.isInTransactionState());
}
TEST_P(GuardsOfABusyProcess, ATransientTransactionEndsWithoutTerminating) {
  endsWhileBusy<TransientTransaction>(p2);
}
TEST_P(GuardsOfABusyProcess, LoadStateEndsWithoutTerminating) { endsWhileBusy<LoadState>(p2); }
TEST_P(GuardsOfABusyProcess, LockStateEndsWithoutTerminating) { endsWhileBusy<LockState>(p2); }
TEST_P(GuardsOfABusyProcess, ALockGuardEndsWithoutTerminating) {
  endsWhileBusy<LockGuard>(as(p2, o2), Exclusive, kSession);
  EXPECT_EQ(held(p2, o2), Exclusive);
}

// --- A lock guard puts back what was held --------------------------------------------------------

TEST_P(Guards, ALockGuardLeavesAloneWhatCoversIt) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  {
    LockGuard guard(as(p1, o), Share);
    EXPECT_EQ(held(p1, o), Exclusive) << "a helper that reads does not lower its caller's lock";
  }
  EXPECT_EQ(held(p1, o), Exclusive);
}

TEST_P(Guards, ALockGuardLowersWhatItRaised) {
  ASSERT_TRUE(gets(p1, o, Share));
  {
    LockGuard guard(as(p1, o), Exclusive);
    EXPECT_EQ(held(p1, o), Exclusive);
  }
  EXPECT_EQ(held(p1, o), Share);
  EXPECT_TRUE(gets(p2, o, Share));
}

TEST_P(Guards, ALockGuardOfSessionDurationLowersToASessionLock) {
  ASSERT_TRUE(gets(p1, o, Share, kSession));
  {
    LockGuard guard(as(p1, o), Exclusive, kSession);
    p1.beginTransaction();
    p1.commitTransaction();
    EXPECT_EQ(held(p1, o), Exclusive);
  }
  EXPECT_EQ(held(p1, o), Share);
  EXPECT_EQ(as(p1, o).lockStatus().duration, kSession);
}

TEST_P(Guards, ALockGuardTakesNothingBackThatACommitHasFreed) {
  std::optional<LockGuard> guard;
  p1.beginTransaction();
  as(p1, o).sharedLock();
  guard.emplace(as(p1, o), Exclusive);
  p1.commitTransaction();

  guard.reset();

  EXPECT_EQ(held(p1, o), Get);
}

TEST_P(Guards, ATransactionStaysWithItsProcessWhereverThatIsMoved) {
  Process moved;
  {
    Transaction transaction(p1);
    as(p1, o).set("total", 5);
    moved = std::move(p1);
  }
  EXPECT_FALSE(moved.isInTransactionState());
  EXPECT_EQ(held(moved, o), Get);
}

NEPHRITE_ON_BOTH_FORMS(Guards);
NEPHRITE_ON_BOTH_FORMS(GuardsOfABusyProcess);

}  // namespace
}  // namespace nephrite

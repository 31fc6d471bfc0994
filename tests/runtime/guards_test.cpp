#include "runtime/guards.h"

#include <mutex>
#include <shared_mutex>

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

NEPHRITE_ON_BOTH_FORMS(Guards);

}  // namespace
}  // namespace nephrite

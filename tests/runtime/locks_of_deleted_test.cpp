// Locks of Session duration on objects that are no more (docs/locking.md, section 7), on both forms
// of the database.

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

class LocksOfDeleted : public GivenProcesses {
 protected:
  bool getsForSession(Process& process, const Object& object, LockType type) {
    return as(process, object).tryLock(type, kSession);
  }
  /// As the database itself says.
  std::size_t locksOn(const Object& object) {
    form.settle();
    return database->locksOn(object.oid()).size();
  }
};

TEST_P(LocksOfDeleted, WhenTheDeleteIsCommittedThenTheSessionLockOfItsHolderGoesWithIt) {
  ASSERT_TRUE(getsForSession(p1, o, Exclusive));
  ASSERT_TRUE(getsForSession(p1, o2, Share));
  p1.beginTransaction();
  as(p1, o).remove();
  EXPECT_EQ(held(p1, o), Exclusive);

  p1.commitTransaction();

  EXPECT_EQ(locksOn(o), 0u);
  EXPECT_EQ(held(p1, o), Get) << "what the process itself believes";
  EXPECT_EQ(held(p1, o2), Share) << "that object is still there";
}

TEST_P(LocksOfDeleted, WhenTheDeleteIsAbortedThenTheSessionLockStays) {
  ASSERT_TRUE(getsForSession(p1, o, Exclusive));
  p1.beginTransaction();
  as(p1, o).remove();

  p1.abortTransaction();

  EXPECT_EQ(held(p1, o), Exclusive);
  EXPECT_EQ(locksOn(o), 1u);
}

TEST_P(LocksOfDeleted, WhenSomebodyWaitsForItThenThatOneIsToldThatThereIsNoSuchObject) {
  ASSERT_TRUE(getsForSession(p1, o, Exclusive));
  const auto asked = start(p2, [&] { as(p2, o).sharedLock(); });
  ASSERT_TRUE(asked->isWaiting());
  p1.beginTransaction();
  as(p1, o).remove();

  p1.commitTransaction();

  EXPECT_EQ(codeOf([&] { asked->end(); }), static_cast<int>(ErrorCode::ObjectDeleted));
  EXPECT_EQ(locksOn(o), 0u);
  EXPECT_EQ(held(p2, o), Get);
}

TEST_P(LocksOfDeleted, WhenTheCreateIsAbortedThenTheSessionLockOnItGoesWithIt) {
  p1.beginTransaction();
  const Object made = p1.create("Order");
  ASSERT_TRUE(getsForSession(p1, made, Exclusive));
  EXPECT_EQ(locksOn(made), 1u);

  p1.abortTransaction();

  EXPECT_EQ(locksOn(made), 0u);
  EXPECT_EQ(held(p1, made), Get);
}

TEST_P(LocksOfDeleted, WhenTheCreateIsCommittedThenTheSessionLockOnItStays) {
  p1.beginTransaction();
  const Object made = p1.create("Order");
  ASSERT_TRUE(getsForSession(p1, made, Exclusive));

  p1.commitTransaction();

  EXPECT_EQ(locksOn(made), 1u);
  EXPECT_EQ(held(p1, made), Exclusive);
}

TEST_P(LocksOfDeleted, WhenItIsCreatedAndDeletedInOneTransactionThenTheLockEndsWithThat) {
  for (const bool commits : {true, false}) {
    SCOPED_TRACE(commits);
    p1.beginTransaction();
    Object made = p1.create("Order");
    ASSERT_TRUE(getsForSession(p1, made, Exclusive));
    made.remove();

    if (commits) {
      p1.commitTransaction();
    } else {
      p1.abortTransaction();
    }

    EXPECT_EQ(locksOn(made), 0u);
    EXPECT_EQ(held(p1, made), Get);
  }
}

NEPHRITE_ON_BOTH_FORMS(LocksOfDeleted);

}  // namespace
}  // namespace nephrite

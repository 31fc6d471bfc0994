// When locks end: with an object that is no more, and with very many load and lock states one in
// the other (docs/locking.md, section 7); on both forms of the database.

#include "runtime/database/database.h"
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
  as(p1, o).deleteObject();
  EXPECT_EQ(held(p1, o), Exclusive);

  p1.commitTransaction();

  EXPECT_EQ(locksOn(o), 0u);
  EXPECT_EQ(held(p1, o), Get) << "what the process itself believes";
  EXPECT_EQ(held(p1, o2), Share) << "that object is still there";
}

TEST_P(LocksOfDeleted, WhenTheDeleteIsAbortedThenTheSessionLockStays) {
  ASSERT_TRUE(getsForSession(p1, o, Exclusive));
  p1.beginTransaction();
  as(p1, o).deleteObject();

  p1.abortTransaction();

  EXPECT_EQ(held(p1, o), Exclusive);
  EXPECT_EQ(locksOn(o), 1u);
}

TEST_P(LocksOfDeleted, WhenSomebodyWaitsForItThenThatOneIsToldThatThereIsNoSuchObject) {
  ASSERT_TRUE(getsForSession(p1, o, Exclusive));
  const auto asked = start(p2, [&] { as(p2, o).sharedLock(); });
  ASSERT_TRUE(asked->isWaiting());
  p1.beginTransaction();
  as(p1, o).deleteObject();

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
    made.deleteObject();

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

class NestedStates : public GivenProcesses {
 protected:
  void open(int states) {
    for (int i = 0; i < states; ++i) p1.beginLoad();
  }
  void end(int states) {
    for (int i = 0; i < states; ++i) p1.endLoad();
  }
};

TEST_P(NestedStates,
       WhenALockIsAcquiredDeeperThanLevelsAreKeptThenItIsFreeWhenTheKeptOnesHaveEnded) {
  open(1'100);
  ASSERT_TRUE(gets(p1, o, Exclusive));
  end(50);
  EXPECT_EQ(held(p1, o), Exclusive) << "late, never early";

  end(1'100 - 50 - 1'022);
  EXPECT_EQ(held(p1, o), Get);
  EXPECT_TRUE(gets(p2, o, Exclusive));
  EXPECT_FALSE(as(p1, o).tryLock(Share)) << "it does not believe that it still holds it";
  end(1'022);
}

TEST_P(NestedStates, WhenMoreStatesAreOpenThanANumberOf16BitsCountsThenItIsStillAState) {
  open(65'536);
  ASSERT_TRUE(gets(p1, o, Exclusive));

  as(p1, o).unlock();

  EXPECT_EQ(held(p1, o), Exclusive) << "unlock is ignored in load state";
  end(65'536);
  EXPECT_EQ(held(p1, o), Get);
}

NEPHRITE_ON_BOTH_FORMS(NestedStates);

}  // namespace
}  // namespace nephrite

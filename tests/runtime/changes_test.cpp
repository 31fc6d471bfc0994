// What a process has changed and not committed: of an object of which one value was set, the others
// are read when somebody wants them, or at commit.

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

/// Given: a committed order with a note, in edition 2, which `p1` changes in a transaction.
class AnObjectBeingChanged : public GivenProcesses {
 protected:
  AnObjectBeingChanged() {
    p1.beginTransaction();
    o.set("note", "from before");
    o.set("weight", 1.5);
    p1.commitTransaction();
    p1.beginTransaction();
  }

  void breakLockOf(Process& process) {
    ASSERT_TRUE(database->breakLock(process.info().locker, o.oid(), {"ops", "urgent"}));
  }
  /// p1 hears at commit who took its lock and why; the transaction stays open.
  void expectLockLost() {
    const auto lost = thrownBy<LockLostException>([&] { p1.commitTransaction(); });
    ASSERT_TRUE(lost);
    EXPECT_EQ(lost->errorCode(), 64026);
    EXPECT_EQ(lost->lockTarget(), o.oid());
    EXPECT_THAT(lost->what(), testing::HasSubstr("Order/"));
    EXPECT_THAT(lost->what(), testing::HasSubstr("by ops, at "));
    EXPECT_THAT(lost->what(), testing::HasSubstr("reason: urgent"));
    EXPECT_TRUE(p1.isInTransactionState());
  }
  int totalSeenBy(Process& process) { return as(process, o).get<int>("total"); }
  std::string noteSeenBy(Process& process) { return as(process, o).get<std::string>("note"); }
};

TEST_P(AnObjectBeingChanged, WhenOneValueIsSetThenTheOthersStay) {
  o.set("total", 7);
  EXPECT_EQ(noteSeenBy(p1), "from before");
  EXPECT_EQ(totalSeenBy(p1), 7);
  EXPECT_EQ(o.edition(), 2u);
  p1.commitTransaction();
  EXPECT_EQ(totalSeenBy(p2), 7);
  EXPECT_EQ(noteSeenBy(p2), "from before");
  EXPECT_EQ(as(p2, o).get<double>("weight"), 1.5);
  EXPECT_EQ(as(p2, o).edition(), 3u);
}

TEST_P(AnObjectBeingChanged, WhenOneValueIsSetAndNothingIsReadThenTheOthersStay) {
  o.set("weight", 2.5);
  p1.commitTransaction();
  EXPECT_EQ(noteSeenBy(p2), "from before");
  EXPECT_EQ(as(p2, o).get<double>("weight"), 2.5);
  EXPECT_EQ(totalSeenBy(p2), 0);
}

TEST_P(AnObjectBeingChanged, WhenAValueIsSetTwiceThenTheLastCounts) {
  o.set("total", 7);
  o.set("total", 8);
  p1.commitTransaction();
  EXPECT_EQ(totalSeenBy(p2), 8);
  EXPECT_EQ(noteSeenBy(p2), "from before");
}

TEST_P(AnObjectBeingChanged, WhenItIsLockedAgainThenItIsSeenAsItIsChanged) {
  o.set("total", 7);
  o.exclusiveLock();
  EXPECT_EQ(totalSeenBy(p1), 7);
  EXPECT_EQ(noteSeenBy(p1), "from before");
}

TEST_P(AnObjectBeingChanged, WhenItIsLockedForTheSessionThenItIsChangedAllTheSame) {
  o.lock(Exclusive, kSession, LockTimeout::immediate());
  o.set("total", 7);
  p1.commitTransaction();
  EXPECT_EQ(totalSeenBy(p2), 7);
  EXPECT_EQ(noteSeenBy(p2), "from before");
}

TEST_P(AnObjectBeingChanged, WhenTheTransactionIsAbortedThenNothingIsLeft) {
  o.set("total", 7);
  p1.abortTransaction();
  EXPECT_EQ(totalSeenBy(p1), 0);
  EXPECT_EQ(o.edition(), 2u);
  EXPECT_FALSE(o.isLockedByMe());
}

TEST_P(AnObjectBeingChanged, WhenItIsRemovedThenItIsGone) {
  o.set("total", 7);
  o.deleteObject();
  EXPECT_EQ(codeOf([&] { totalSeenBy(p1); }), 1072);
  p1.commitTransaction();
  EXPECT_EQ(codeOf([&] { totalSeenBy(p2); }), 1072);
}

TEST_P(AnObjectBeingChanged, WhenItsClassHasGrownSinceThenTheNewPropertyIsSet) {
  p2.defineClass(classNamed("Order", ClassKind::Object, {{"late", ValueType::Integer}}));
  o.set("late", 1);
  EXPECT_EQ(noteSeenBy(p1), "from before");
  p1.commitTransaction();
  EXPECT_EQ(as(p2, o).get<int>("late"), 1);
  EXPECT_EQ(as(p2, o).get<double>("weight"), 1.5);
}

TEST_P(AnObjectBeingChanged, WhenItsLockIsBrokenAndAnotherChangesItThenTheCommitIsRefused) {
  o.set("total", 7);
  breakLockOf(p1);
  p2.beginTransaction();
  as(p2, o).set("note", "of another");
  p2.commitTransaction();

  ASSERT_TRUE(gets(p1, o, Exclusive)) << "a lock does not heal what was done without it";
  expectLockLost();

  EXPECT_EQ(noteSeenBy(p2), "of another");
  EXPECT_EQ(totalSeenBy(p2), 0);
}

// Locally our copy was never made, and half of ours with half of theirs is nobody's: so reading is
// refused as the commit is. At a client the copy was made when its lock was granted.
TEST_P(AnObjectBeingChanged, WhenItsLockIsBrokenAndAnotherChangesItThenNoMixtureIsSeen) {
  o.set("total", 7);
  breakLockOf(p1);
  p2.beginTransaction();
  as(p2, o).set("note", "of another");
  p2.commitTransaction();

  std::string seen;
  const auto refused = thrownBy<LockLostException>([&] { seen = noteSeenBy(p1); });
  const auto again = thrownBy<LockLostException>([&] { o.set("weight", 2.5); });

  if (GetParam() == Form::Local) {
    ASSERT_TRUE(refused && again);
    EXPECT_THAT(refused->what(), testing::HasSubstr("an operator took its lock"));
    p1.beginLock();
    EXPECT_EQ(refused->lockTarget(), o.oid());
    EXPECT_EQ(codeOf([&] { noteSeenBy(p1); }), 64026) << "nor when it is locked for that";
    p1.endLock();
  } else {
    EXPECT_FALSE(refused || again);
    EXPECT_EQ(seen, "from before");
  }
  expectLockLost();
}

TEST_P(AnObjectBeingChanged, WhenItsLockIsBrokenAndAnotherRemovesItThenItIsGone) {
  o.set("total", 7);
  breakLockOf(p1);
  p2.beginTransaction();
  as(p2, o).deleteObject();
  p2.commitTransaction();

  expectLockLost();
  EXPECT_EQ(codeOf([&] { totalSeenBy(p2); }), 1072);
}

TEST_P(AnObjectBeingChanged, WhenItsLockIsBrokenThenTheCommitSaysByWhomAndWhy) {
  o.set("total", 7);
  breakLockOf(p1);

  expectLockLost();
  EXPECT_EQ(totalSeenBy(p2), 0);

  p1.abortTransaction();
  p1.beginTransaction();
  o.set("total", 8);
  p1.commitTransaction();
  EXPECT_EQ(totalSeenBy(p2), 8) << "it can be done again";
}

TEST_P(AnObjectBeingChanged, WhenItsLockIsBrokenWhileTheCommitWaitsForReadersThenThatSaysByWhom) {
  o.updateLock();
  o.set("total", 7);
  as(p2, o).sharedLock();
  Pending commit(*database, p1, [&] { p1.commitTransaction(); });
  ASSERT_TRUE(commit.isWaiting());

  breakLockOf(p1);

  EXPECT_THROW(commit.end(), LockLostException);
  EXPECT_EQ(totalSeenBy(p2), 0);
}

TEST_P(AnObjectBeingChanged, WhenItsClassIsDefinedOtherwiseThenThatIsAConflict) {
  const auto refused = thrownBy<SchemaConflictException>([&] {
    p2.defineClass(classNamed("Order", ClassKind::Object, {{"total", ValueType::String}}));
  });
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->errorCode(), 64024);
  EXPECT_THAT(refused->what(), testing::HasSubstr("total"));
}

NEPHRITE_ON_BOTH_FORMS(AnObjectBeingChanged);

}  // namespace
}  // namespace nephrite

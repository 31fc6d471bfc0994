// Section 2.5 of docs/locking.md on the lock manager alone.

#include "tests/locking/lock_play.h"

namespace nephrite {
namespace {

using enum LockType;

class Deadlocks : public LockPlay {
 protected:
  AskedLock askAt(std::int32_t priority, LockerId locker, LockTarget target, LockType type) {
    LockRequest request = wish(locker, target, type);
    request.priority = priority;
    return ask(request);
  }
};

TEST_F(Deadlocks, WhenTwoWaitForEachOtherThenTheOneWhoClosedTheCircleLosesAndLearnsAllOfIt) {
  ask(kAnna, kOrder, Exclusive);
  ask(kBen, kStock, Exclusive);
  const AskedLock anna = ask(kAnna, kStock, Share);

  const AskedLock ben = ask(kBen, kOrder, Share);

  EXPECT_TRUE(anna.waits());
  ASSERT_EQ(ben.outcome(), LockOutcome::Deadlock);
  EXPECT_FALSE(ben->queued);
  EXPECT_EQ(ben->lockedBy, kAnna);
  EXPECT_EQ(ben->lockedType, Exclusive);
  EXPECT_EQ(ben->obtained, kStock) << "what he holds and she wants";
  ASSERT_EQ(ben->cycle.size(), 2u);
  EXPECT_EQ(ben->cycle[0].locker, kBen);
  EXPECT_EQ(ben->cycle[0].target, kOrder);
  EXPECT_EQ(ben->cycle[1].locker, kAnna);
  EXPECT_EQ(ben->cycle[1].target, kStock);
  EXPECT_EQ(held(kBen, kStock), Exclusive) << "a victim keeps what it holds";
}

TEST_F(Deadlocks, WhenTheOtherHasTheLowerPriorityThenItLoses) {
  ask(kAnna, kOrder, Exclusive);
  ask(kBen, kStock, Exclusive);
  const AskedLock anna = askAt(-1, kAnna, kStock, Share);

  const AskedLock ben = askAt(0, kBen, kOrder, Share);

  EXPECT_EQ(anna.outcome(), LockOutcome::Deadlock);
  EXPECT_TRUE(ben.waits()) << "she keeps the order until she aborts";
  commit(kAnna);
  EXPECT_EQ(ben.outcome(), LockOutcome::Granted);
}

TEST_F(Deadlocks, WhenDoubleDeadlockIsOnThenBothLoseWhateverThePriorities) {
  locks.setDoubleDeadlock(true);
  ask(kAnna, kOrder, Exclusive);
  ask(kBen, kStock, Exclusive);
  const AskedLock anna = askAt(5, kAnna, kStock, Share);

  const AskedLock ben = askAt(-5, kBen, kOrder, Share);

  EXPECT_EQ(anna.outcome(), LockOutcome::Deadlock);
  EXPECT_EQ(ben.outcome(), LockOutcome::Deadlock);
  EXPECT_EQ(anna->obtained, kOrder);
}

TEST_F(Deadlocks, WhenThreeStandInARingThenExactlyOneLosesAndWithDoubleOnTwo) {
  for (const bool isDouble : {false, true}) {
    SCOPED_TRACE(isDouble);
    locks.setDoubleDeadlock(isDouble);
    ask(kAnna, {1}, Exclusive);
    ask(kBen, {2}, Exclusive);
    ask(kCleo, {3}, Exclusive);
    const AskedLock anna = ask(kAnna, {2}, Share);
    const AskedLock ben = ask(kBen, {3}, Share);

    const AskedLock cleo = ask(kCleo, {1}, Share);

    EXPECT_EQ(cleo.outcome(), LockOutcome::Deadlock);
    EXPECT_EQ(cleo->cycle.size(), 3u);
    EXPECT_EQ(anna.waits(), !isDouble) << "she is the one in his way";
    EXPECT_TRUE(ben.waits()) << "only a member of the ring";
    for (const LockerId locker : {kCleo, kAnna, kBen}) commit(locker);
    for (const LockerId locker : {kCleo, kAnna, kBen}) commit(locker);
  }
}

TEST_F(Deadlocks, WhenTwoSharersBothUpgradeThenTheSecondLoses) {
  ask(kAnna, kOrder, Share);
  ask(kBen, kOrder, Share);
  const AskedLock anna = ask(kAnna, kOrder, Exclusive);

  const AskedLock ben = ask(kBen, kOrder, Exclusive);

  EXPECT_EQ(ben.outcome(), LockOutcome::Deadlock);
  commit(kBen);
  EXPECT_EQ(anna.outcome(), LockOutcome::Granted);
}

TEST_F(Deadlocks, WhenOnlySharesAreAskedForThenThereIsNone) {
  for (const LockerId locker : {kAnna, kBen, kCleo}) ask(locker, kOrder, Share);
  for (const LockerId locker : {kAnna, kBen, kCleo}) {
    EXPECT_EQ(ask(locker, kStock, Share).outcome(), LockOutcome::Granted);
  }
  EXPECT_EQ(locks.statistics().deadlocks, 0u);
}

TEST_F(Deadlocks, WhenTheCircleRunsThroughAPlaceInAQueueThenItIsFoundToo) {
  ask(kAnna, kOrder, Share);
  ask(kBen, kStock, Exclusive);
  const AskedLock ben = ask(kBen, kOrder, Exclusive);  // Waits for Anna.
  const AskedLock cleo = ask(kCleo, kOrder, Share);    // Waits behind Ben, not for a holder.
  ASSERT_TRUE(ben.waits());
  ASSERT_TRUE(cleo.waits());
  ask(kDora, {300}, Exclusive);
  // Anna waits for Ben, who waits for her.
  const AskedLock anna = ask(kAnna, kStock, Share);
  EXPECT_EQ(anna.outcome(), LockOutcome::Deadlock);
}

TEST_F(Deadlocks, WhenAnUpgradeOvertakesOneThatTheUpgraderWaitsForElsewhereThenItIsFoundToo) {
  ask(kAnna, kOrder, Share);
  ask(kCleo, kOrder, Reserve);
  ask(kBen, kStock, Exclusive);
  const AskedLock stock = ask(kAnna, kStock, Share);  // Waits for Ben.
  const AskedLock ben = ask(kBen, kOrder, Reserve);   // Waits for Cleo alone.
  ASSERT_TRUE(stock.waits());
  ASSERT_TRUE(ben.waits());

  const AskedLock upgrade = ask(kAnna, kOrder, Exclusive);  // Ahead of Ben: he waits for Anna, too.

  EXPECT_EQ(stock.outcome(), LockOutcome::Deadlock);
  EXPECT_TRUE(upgrade.waits()) << "for Cleo";
  EXPECT_TRUE(ben.waits());
}

TEST_F(Deadlocks, WhenRefusingAnotherLetsTheRequesterInThenItIsGrantedAfterwards) {
  askSession(kAnna, kOrder, Share);
  askSession(kBen, kOrder, Share);
  const AskedLock exclusive = askAt(-1, kBen, kOrder, Exclusive);  // Waits for Anna's share.

  const AskedLock reserve = ask(kAnna, kOrder, Reserve);  // Behind Ben's earlier upgrade.

  EXPECT_EQ(exclusive.outcome(), LockOutcome::Deadlock);
  ASSERT_FALSE(reserve.waits());
  EXPECT_EQ(reserve.outcome(), LockOutcome::Granted);
  EXPECT_TRUE(reserve->queued) << "it did stand in the queue";
}

TEST_F(Deadlocks, WhenBlockersTieBelowTheRequesterThenTheOneGrantedFirstLoses) {
  ask(kAnna, kOrder, Share);
  ask(kBen, kOrder, Share);
  ask(kCleo, kStock, Exclusive);
  const AskedLock anna = askAt(-1, kAnna, kStock, Share);
  const AskedLock ben = askAt(-1, kBen, kStock, Share);

  const AskedLock cleo = ask(kCleo, kOrder, Exclusive);

  EXPECT_EQ(anna.outcome(), LockOutcome::Deadlock);
  EXPECT_EQ(ben.outcome(), LockOutcome::Deadlock) << "repeated until she is on no cycle";
  EXPECT_TRUE(cleo.waits());
}

TEST_F(Deadlocks, ManyPartiesAreFoundWhateverTheLengthOfTheRing) {
  constexpr std::uint64_t kParties = 300;
  for (std::uint64_t i = 0; i < kParties; ++i) {
    locks.signOn({1000 + i});
    ask({1000 + i}, {5000 + i}, Exclusive);
  }
  for (std::uint64_t i = 0; i + 1 < kParties; ++i) {
    AskedLock asked;
    locks.request(wish({1000 + i}, {5000 + i + 1}, Share), answerInto(asked)).deliver();
    ASSERT_TRUE(asked.waits());
  }

  const AskedLock last = ask({1000 + kParties - 1}, {5000}, Share);

  EXPECT_EQ(last.outcome(), LockOutcome::Deadlock);
  EXPECT_EQ(last->cycle.size(), kParties);
  for (std::uint64_t i = 0; i < kParties; ++i) locks.signOff({1000 + i}).deliver();
}

}  // namespace
}  // namespace nephrite

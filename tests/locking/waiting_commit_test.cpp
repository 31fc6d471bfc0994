// A commit whose upgrades wait (docs/locking.md, section 4), and what its locker may ask meanwhile.

#include <random>

#include "tests/locking/lock_play.h"

namespace nephrite {
namespace {

using enum LockType;
using namespace std::chrono_literals;

/// Given: Anna's commit waits for Ben's Share of the order; of the stock it has Exclusive already.
class WaitingCommit : public LockPlay {
 protected:
  WaitingCommit() {
    ask(kBen, kOrder, Share);
    ask(kAnna, kOrder, Update);
    ask(kAnna, kStock, Update);
    ask(kAnna, kOther, Exclusive);
    commitOfAnna = commitUpgrade(kAnna, {kOrder, kStock});
  }

  static constexpr LockTarget kOther{300};
  AskedLock commitOfAnna;
};

TEST_F(WaitingCommit, WhenItsLockerAsksForOneOfItsObjectsThenThatIsCancelledAndTheCommitGoesOn) {
  ASSERT_TRUE(commitOfAnna.waits());

  for (const LockTarget target : {kOrder, kStock}) {
    for (const LockType type : {Share, Reserve, Update, Exclusive}) {
      EXPECT_EQ(ask(kAnna, target, type).outcome(), LockOutcome::Cancelled);
      EXPECT_EQ(askSession(kAnna, target, type).outcome(), LockOutcome::Cancelled);
    }
  }
  EXPECT_EQ(held(kAnna, kOrder), Update);
  EXPECT_EQ(held(kAnna, kStock), Exclusive);

  unlock(kBen, kOrder);
  EXPECT_EQ(commitOfAnna.outcome(), LockOutcome::Granted);
  EXPECT_EQ(ask(kAnna, kOrder, Exclusive).outcome(), LockOutcome::Granted);
}

TEST_F(WaitingCommit, WhenItsLockerAsksForAnotherObjectThenThatIsDecidedAsEver) {
  EXPECT_EQ(ask(kAnna, {400}, Exclusive).outcome(), LockOutcome::Granted);
  EXPECT_EQ(ask(kAnna, kOther, Share).outcome(), LockOutcome::Granted);
  EXPECT_EQ(held(kAnna, kOther), Share);
  EXPECT_TRUE(commitOfAnna.waits());
}

TEST_F(WaitingCommit, WhenItsLockerCommitsAgainThenThatIsCancelled) {
  EXPECT_EQ(commitUpgrade(kAnna, {kOrder, kStock}).outcome(), LockOutcome::Cancelled);

  pass(5000ms);

  EXPECT_EQ(commitOfAnna.outcome(), LockOutcome::TimedOut);
  EXPECT_EQ(held(kAnna, kStock), Update);
}

TEST_F(WaitingCommit, WhenAnObjectOfItIsUnlockedThenItIsCancelled) {
  unlock(kAnna, kStock);

  EXPECT_EQ(commitOfAnna.outcome(), LockOutcome::Cancelled);
  EXPECT_EQ(held(kAnna, kOrder), Update);
}

TEST_F(WaitingCommit, WhenAnObjectThatIsNoPartOfItIsUnlockedThenItGoesOn) {
  unlock(kAnna, kOther);

  EXPECT_EQ(held(kAnna, kOther), Get);
  ASSERT_TRUE(commitOfAnna.waits());
  unlock(kBen, kOrder);
  EXPECT_EQ(commitOfAnna.outcome(), LockOutcome::Granted);
}

TEST_F(LockPlay, WhenACommitChangesWhatIsExclusiveAlreadyThenItReliesOnThatToo) {
  ask(kBen, kOrder, Share);
  ask(kAnna, kOrder, Update);
  ask(kAnna, kStock, Exclusive);
  const AskedLock commitOfAnna = commitUpgrade(kAnna, {kOrder, kStock});

  EXPECT_EQ(ask(kAnna, kStock, Share).outcome(), LockOutcome::Cancelled);
  EXPECT_EQ(held(kAnna, kStock), Exclusive);
  ASSERT_TRUE(commitOfAnna.waits());
  unlock(kAnna, kStock);

  EXPECT_EQ(commitOfAnna.outcome(), LockOutcome::Cancelled);
  EXPECT_EQ(held(kAnna, kOrder), Update);
}

TEST_F(LockPlay, WhenACommitChangesWhatIsNotLockedForThatThenItIsCancelledAndNothingIsUpgraded) {
  ask(kAnna, kOrder, Update);
  ask(kAnna, kStock, Share);
  for (const LockTarget target : {kStock, LockTarget{300}}) {
    EXPECT_EQ(commitUpgrade(kAnna, {kOrder, target}).outcome(), LockOutcome::Cancelled);
    EXPECT_EQ(held(kAnna, kOrder), Update);
  }
  EXPECT_EQ(commitUpgrade(kAnna, {kOrder}).outcome(), LockOutcome::Granted);
}

TEST_F(LockPlay, WhenACommitNamesAnObjectTwiceThenItIsUpgradedOnce) {
  ask(kAnna, kOrder, Update);
  EXPECT_EQ(commitUpgrade(kAnna, {kOrder, kOrder}).outcome(), LockOutcome::Granted);
  EXPECT_EQ(held(kAnna, kOrder), Exclusive);
  commit(kAnna);

  ask(kBen, kOrder, Share);
  ask(kAnna, kStock, Update);
  ask(kAnna, kOrder, Update);
  const LockTimeout atOnce = LockTimeout::immediate();
  EXPECT_EQ(commitUpgrade(kAnna, {kStock, kOrder, kStock, kOrder}, atOnce).outcome(),
            LockOutcome::Refused);
  const AskedLock twice = commitUpgrade(kAnna, {kOrder, kStock, kOrder, kStock});
  EXPECT_TRUE(twice.waits());
  unlock(kBen, kOrder);
  EXPECT_EQ(twice.outcome(), LockOutcome::Granted);
}

TEST_F(LockPlay, WhenAnExclusiveLockWasAskedForBeforeTheCommitThenItStaysWhenThatFails) {
  ask(kBen, kOrder, Share);
  ask(kCleo, kStock, Share);
  ask(kAnna, kOrder, Update);
  ask(kAnna, kStock, Update);
  const AskedLock exclusive = ask(kAnna, kOrder, Exclusive);
  const AskedLock commitOfAnna = commitUpgrade(kAnna, {kOrder, kStock});

  unlock(kBen, kOrder);
  ASSERT_EQ(exclusive.outcome(), LockOutcome::Granted);
  ASSERT_TRUE(commitOfAnna.waits()) << "Cleo has the stock";
  pass(5000ms);

  EXPECT_EQ(commitOfAnna.outcome(), LockOutcome::TimedOut);
  EXPECT_EQ(held(kAnna, kOrder), Exclusive) << "she was told that she has it";
}

// --- Any calls in any order ----------------------------------------------------------------------

/// Calls of a lock manager that no program of ours would make: states that are not so, levels that
/// do not match, commits of what is not held or named twice, requests while a commit waits.
class AnyCalls : public LockPlay, public testing::WithParamInterface<unsigned> {
 protected:
  unsigned upTo(unsigned most) { return std::uniform_int_distribution<unsigned>(0, most)(random); }
  LockerId anyLocker() { return {1 + upTo(3)}; }
  LockTarget anyTarget() { return {1 + upTo(4)}; }
  LockTimeout anyTimeout() {
    constexpr std::array kSome{-1, 0, 1, 3, 10, LockTimeout::kInfinite};
    return LockTimeout::ofMilliseconds(kSome[upTo(5)]);
  }

  LockRequest anyRequest() {
    LockRequest request = wish(anyLocker(), anyTarget(), static_cast<LockType>(1 + upTo(3)));
    request.duration = upTo(2) == 0 ? LockDuration::Session : LockDuration::Transaction;
    request.timeout = anyTimeout();
    request.inState = upTo(1) == 0;
    request.level = static_cast<std::uint16_t>(upTo(9) == 0 ? 1000 + upTo(60000) : upTo(3));
    request.priority = static_cast<std::int32_t>(upTo(2)) - 1;
    request.id = upTo(5);
    return request;
  }

  LockDone once() {
    ++asked;
    return [this, told = std::make_shared<bool>(false)](const LockAnswer&) {
      ASSERT_FALSE(std::exchange(*told, true)) << "answered twice";
      ++answered;
    };
  }

  void anyCall() {
    switch (upTo(11)) {
      case 0: return locks.unlock(anyLocker(), anyTarget()).deliver();
      case 1: return locks.releaseTransactionLocks(anyLocker()).deliver();
      case 2: return locks.releaseLevel(anyLocker(), static_cast<std::uint16_t>(upTo(3))).deliver();
      case 3: return locks.cancel(anyLocker(), upTo(5)).deliver();
      case 4: return pass(std::chrono::milliseconds(upTo(2)));
      case 5:
      case 6:
      case 7: {
        std::vector<LockTarget> targets;
        for (unsigned more = upTo(6); more > 0; --more) targets.push_back(anyTarget());
        locks.upgradeForCommit(anyRequest(), targets, once()).deliver();
        return;
      }
      default: return locks.request(anyRequest(), once()).deliver();
    }
  }

  std::mt19937 random{GetParam()};
  int asked = 0, answered = 0;
};

TEST_P(AnyCalls, WhenMadeInAnyOrderThenEachRequestIsAnsweredOnceAndTheTableStaysWhole) {
  for (int call = 0; call < 2'000; ++call) {
    anyCall();
    locks.checkInvariants();
  }

  for (const LockerId locker : {kAnna, kBen, kCleo, kDora}) locks.signOff(locker).deliver();
  EXPECT_EQ(answered, asked);
  EXPECT_TRUE(locks.locksHeld().empty());
  EXPECT_TRUE(locks.queuedRequests().empty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, AnyCalls, testing::Range(0u, 20u));

}  // namespace
}  // namespace nephrite

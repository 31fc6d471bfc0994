// What faces ask of the lock table, and who meets it: docs/locking.md, section 12, N22 to N24.

#include "tests/locking/lock_play.h"

namespace nephrite {
namespace {

using enum LockType;
using namespace std::chrono_literals;

class MomentaryLocks : public LockPlay {
 protected:
  LockRequest access(LockerId locker, LockTarget target, LockType type, LockAccess how) const {
    LockRequest request = wish(locker, target, type);
    request.timeout = LockTimeout::immediate();
    request.access = how;
    return request;
  }
  AskedLock write(LockerId locker, LockTarget target) {
    return ask(access(locker, target, Exclusive, LockAccess::Write));
  }
  AskedLock gatedRead(LockerId locker, LockTarget target) {
    return ask(access(locker, target, Share, LockAccess::GatedRead));
  }
  AskedLock faceLock(LockerId locker, LockTarget target, LockType type,
                     LockScope scope = LockScope::Node) {
    LockRequest request = access(locker, target, type, LockAccess::FaceLock);
    request.duration = LockDuration::Session;
    request.scope = scope;
    return ask(request);
  }
  AskedLock atOnce(LockerId locker, LockTarget target, LockType type) {
    LockRequest request = wish(locker, target, type);
    request.timeout = LockTimeout::immediate();
    return ask(request);
  }
  bool isMomentary(LockerId locker, LockTarget target) const {
    return locks.lockStatus(locker, target)->isMomentary;
  }
};

// --- Writes --------------------------------------------------------------------------------------

TEST_F(MomentaryLocks, N22WhenSessionsWriteOneAddressAgainAndAgainThenNobodyIsEverRefused) {
  AskedLock annas = write(kAnna, kOrder);
  for (int i = 0; i < 50; ++i) {
    const AskedLock bens = write(kBen, kOrder);
    const AskedLock cleos = write(kCleo, kOrder);
    ASSERT_EQ(annas.outcome(), LockOutcome::Granted);
    ASSERT_TRUE(bens.waits() && cleos.waits());
    commit(kAnna);
    ASSERT_EQ(bens.outcome(), LockOutcome::Granted);
    annas = write(kAnna, kOrder);
    commit(kBen);
    ASSERT_EQ(cleos.outcome(), LockOutcome::Granted);
    commit(kCleo);
  }
  EXPECT_EQ(annas.outcome(), LockOutcome::Granted);
}

TEST_F(MomentaryLocks,
       N23WhenALockIsAskedForDuringWritesThenItIsGrantedWithinOneAndRefusesTheRest) {
  write(kAnna, kOrder);
  const AskedLock lock = faceLock(kBen, kOrder, Reserve);
  EXPECT_TRUE(lock.waits());

  commit(kAnna);

  EXPECT_EQ(lock.outcome(), LockOutcome::Granted);
  const AskedLock next = write(kAnna, kOrder);
  EXPECT_EQ(next.outcome(), LockOutcome::Refused);
  EXPECT_EQ(next->lockedBy, kBen);
  EXPECT_EQ(next->lockedType, Reserve);
}

TEST_F(MomentaryLocks, WhenAWriteLastsLongerThanThePatienceThenWhoWaitsForItIsTold) {
  write(kAnna, kOrder);
  const AskedLock bens = write(kBen, kOrder);
  pass(999ms);
  EXPECT_TRUE(bens.waits());

  pass(1ms);

  EXPECT_EQ(bens.outcome(), LockOutcome::TimedOut);
  EXPECT_EQ(bens->waited, Duration(1s));
  EXPECT_EQ(bens->lockedBy, kAnna);
  EXPECT_EQ(held(kAnna, kOrder), Exclusive);
}

TEST_F(MomentaryLocks, GivenNoPatienceThenAWriteThatIsUnderWayRefusesAtOnce) {
  LockManager impatient(clock, {.writePatience = 0ms});
  for (const LockerId locker : {kAnna, kBen}) impatient.signOn(locker);
  impatient.request(access(kAnna, kOrder, Exclusive, LockAccess::Write), [](const auto&) {})
      .deliver();
  AskedLock bens;
  impatient.request(access(kBen, kOrder, Exclusive, LockAccess::Write), answerInto(bens)).deliver();
  EXPECT_EQ(bens.outcome(), LockOutcome::Refused);
}

TEST_F(MomentaryLocks, WhenAJadeProcessAsksAtOnceDuringAWriteThenItIsRefusedAsEver) {
  write(kAnna, kOrder);
  EXPECT_EQ(atOnce(kBen, kOrder, Share).outcome(), LockOutcome::Refused);
  const AskedLock waits = ask(kCleo, kOrder, Share);
  EXPECT_TRUE(waits.waits());
  commit(kAnna);
  EXPECT_EQ(waits.outcome(), LockOutcome::Granted);
}

TEST_F(MomentaryLocks, WhenSomebodyWaitsForALockThenAWriteThatWouldWaitBehindItIsRefusedAtOnce) {
  write(kAnna, kOrder);
  const AskedLock lock = ask(kCleo, kOrder, Exclusive);
  EXPECT_EQ(write(kBen, kOrder).outcome(), LockOutcome::Refused);
  commit(kAnna);
  EXPECT_EQ(lock.outcome(), LockOutcome::Granted);
}

TEST_F(MomentaryLocks, WhatTheSessionOrAParentHoldsLetsAWriteThrough) {
  askSession(kAnna, kOrder, Reserve);
  locks.signOn({9}, kAnna);

  EXPECT_EQ(write(kAnna, kOrder).outcome(), LockOutcome::Granted);
  EXPECT_FALSE(isMomentary(kAnna, kOrder)) << "what was locked before stays a lock";
  EXPECT_EQ(write({9}, kOrder).outcome(), LockOutcome::Granted);
  EXPECT_TRUE(isMomentary({9}, kOrder));
  EXPECT_EQ(write(kBen, kOrder).outcome(), LockOutcome::Refused);
  locks.signOff({9}).deliver();
}

TEST_F(MomentaryLocks, WhenAWriteIsUnderWayThenListingsSaySoAndNotOnceItIsLocked) {
  write(kAnna, kOrder);
  EXPECT_TRUE(isMomentary(kAnna, kOrder));
  EXPECT_TRUE(locks.locksOn(kOrder).front().isMomentary);
  EXPECT_TRUE(locks.locksHeld(10).front().isMomentary);

  askSession(kAnna, kOrder, Exclusive);

  EXPECT_FALSE(isMomentary(kAnna, kOrder));
  EXPECT_EQ(write(kBen, kOrder).outcome(), LockOutcome::Refused);
}

// --- Gated reads ---------------------------------------------------------------------------------

TEST_F(MomentaryLocks, N24WhenAReadIsGatedThenExclusiveRefusesItAndUpdateReserveAndShareDoNot) {
  for (const LockType type : {Share, Reserve, Update}) {
    askSession(kAnna, kOrder, type);
    EXPECT_EQ(gatedRead(kBen, kOrder).outcome(), LockOutcome::Granted) << nameOf(type);
    EXPECT_EQ(held(kBen, kOrder), Get) << "it holds nothing";
    unlock(kAnna, kOrder);
  }
  askSession(kAnna, kOrder, Exclusive);
  const AskedLock refused = gatedRead(kBen, kOrder);
  EXPECT_EQ(refused.outcome(), LockOutcome::Refused);
  EXPECT_EQ(refused->lockedBy, kAnna);
  EXPECT_EQ(gatedRead(kAnna, kOrder).outcome(), LockOutcome::Granted) << "her own";
}

TEST_F(MomentaryLocks, WhenSomebodyOnlyWaitsForExclusiveThenAGatedReadGoesOn) {
  askSession(kAnna, kOrder, Share);
  const AskedLock waits = ask(kBen, kOrder, Exclusive);
  EXPECT_EQ(gatedRead(kCleo, kOrder).outcome(), LockOutcome::Granted);
  EXPECT_TRUE(waits.waits());
}

TEST_F(MomentaryLocks, WhenAGatedReadWaitsForAWriteThenItIsLetThroughAndKeepsNobodyOut) {
  write(kAnna, kOrder);
  const AskedLock read = gatedRead(kBen, kOrder);
  const AskedLock next = write(kCleo, kOrder);
  const AskedLock last = gatedRead(kDora, kOrder);
  EXPECT_TRUE(read.waits() && next.waits() && last.waits());

  commit(kAnna);

  EXPECT_EQ(read.outcome(), LockOutcome::Granted);
  EXPECT_EQ(held(kBen, kOrder), Get);
  EXPECT_EQ(next.outcome(), LockOutcome::Granted);
  EXPECT_TRUE(last.waits()) << "it waits for the next write";
  commit(kCleo);
  EXPECT_EQ(last.outcome(), LockOutcome::Granted);
  EXPECT_TRUE(locks.locksOn(kOrder).empty());
}

TEST_F(MomentaryLocks, WhenItsOwnCommitWaitsOrIsBeingWrittenThenASessionStillReads) {
  ask(kAnna, kOrder, Update);
  ask(kBen, kOrder, Share);
  const AskedLock commit = commitUpgrade(kAnna, {kOrder});
  EXPECT_TRUE(commit.waits());
  EXPECT_EQ(gatedRead(kAnna, kOrder).outcome(), LockOutcome::Granted);
  unlock(kBen, kOrder);
  locks.beginWriting(kAnna);

  EXPECT_EQ(gatedRead(kAnna, kOrder).outcome(), LockOutcome::Granted);
  EXPECT_EQ(write(kAnna, kStock).outcome(), LockOutcome::Cancelled) << "one commit at a time";
  locks.endWriting(kAnna);
}

// --- Trees ---------------------------------------------------------------------------------------

/// Given: orders are below the stock.
class MomentaryLocksInATree : public MomentaryLocks {
 protected:
  MomentaryLocksInATree() {
    for (const LockTarget each : {kOrder, kOther}) locks.setPlace(each, kStock);
  }
  static constexpr LockTarget kOther{300};
};

TEST_F(MomentaryLocksInATree, WhenAllBelowIsLockedDuringAWriteThenThatWaitsForItsEnd) {
  write(kAnna, kOrder);
  const AskedLock all = faceLock(kBen, kStock, Exclusive, LockScope::Subtree);
  EXPECT_TRUE(all.waits());

  commit(kAnna);

  EXPECT_EQ(all.outcome(), LockOutcome::Granted);
  EXPECT_EQ(write(kAnna, kOrder).outcome(), LockOutcome::Refused);
  EXPECT_EQ(gatedRead(kAnna, kOrder)->lockedAt, kStock);
}

TEST_F(MomentaryLocksInATree, WhenTheWriterAlsoHasALockBelowThenAllThatIsBelowIsRefusedAtOnce) {
  write(kAnna, kOrder);
  askSession(kAnna, kOther, Exclusive);
  EXPECT_EQ(faceLock(kBen, kStock, Exclusive, LockScope::Subtree).outcome(), LockOutcome::Refused);
  unlock(kAnna, kOther);
  askSession(kAnna, {400}, Exclusive);  // Elsewhere.
  EXPECT_TRUE(faceLock(kCleo, kStock, Exclusive, LockScope::Subtree).waits());
}

TEST_F(MomentaryLocksInATree, WhenAReadWaitsAtAnAncestorThenItsMarksGoWithIt) {
  LockRequest all = access(kAnna, kStock, Exclusive, LockAccess::Write);
  all.scope = LockScope::Subtree;
  ask(all);
  const AskedLock read = gatedRead(kBen, kOrder);
  EXPECT_TRUE(read.waits());
  commit(kAnna);
  EXPECT_EQ(read.outcome(), LockOutcome::Granted);
  EXPECT_EQ(faceLock(kCleo, kStock, Exclusive, LockScope::Subtree).outcome(), LockOutcome::Granted);
}

// --- Limits and ends -----------------------------------------------------------------------------

TEST_F(MomentaryLocks, WhenTheWriterSignsOffThenWhoWaitsForItGoesOn) {
  write(kAnna, kOrder);
  const AskedLock bens = write(kBen, kOrder);
  const AskedLock read = gatedRead(kCleo, kOrder);
  locks.signOff(kAnna).deliver();
  EXPECT_EQ(bens.outcome(), LockOutcome::Granted);
  locks.signOff(kCleo).deliver();
  EXPECT_EQ(read.outcome(), LockOutcome::Cancelled);
  EXPECT_EQ(gatedRead(kCleo, kStock).outcome(), LockOutcome::Cancelled);
}

TEST_F(MomentaryLocks, GivenALimitOfLocksThenAGatedReadIsNoneAndAWriteIsOne) {
  LockManager limited(clock, {.limits = {.maxLocks = 1}});
  for (const LockerId locker : {kAnna, kBen}) limited.signOn(locker);
  const auto outcome = [&](const LockRequest& request) {
    AskedLock asked;
    limited.request(request, answerInto(asked)).deliver();
    return asked.outcome();
  };
  EXPECT_EQ(outcome(access(kAnna, kOrder, Exclusive, LockAccess::Write)), LockOutcome::Granted);
  EXPECT_EQ(outcome(access(kBen, kStock, Share, LockAccess::GatedRead)), LockOutcome::Granted);
  EXPECT_EQ(outcome(access(kBen, kStock, Exclusive, LockAccess::Write)), LockOutcome::OverLimit);
}

}  // namespace
}  // namespace nephrite

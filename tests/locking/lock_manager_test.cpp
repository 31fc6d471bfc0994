// Sections 1 to 4 of docs/locking.md on the lock manager alone.

#include <gmock/gmock.h>

#include "tests/locking/lock_play.h"

namespace nephrite {
namespace {

using enum LockType;
using namespace std::chrono_literals;
using testing::ElementsAre;

// --- 2.1: what is already held -----------------------------------------------------------------

struct Rerequest {
  const char* name;
  LockType held;                    // h
  std::optional<LockType> session;  // s
  LockType asked;                   // r
  LockDuration duration;
  bool inState;
  LockType thenHeld;
  std::optional<LockType> thenSession;
  friend std::ostream& operator<<(std::ostream& out, const Rerequest& row) {
    return out << row.name;
  }
};

constexpr auto kTr = LockDuration::Transaction;
constexpr auto kSe = LockDuration::Session;

// clang-format off
const Rerequest kRerequests[] = {
    // asked tr                            h          s            r          dur  state  h then     s then
    {"tr stronger, s unset",               Share,     {},          Exclusive, kTr, false, Exclusive, {}},
    {"tr stronger, s kept",                Share,     Share,       Exclusive, kTr, true,  Exclusive, Share},
    {"tr equal",                           Exclusive, {},          Exclusive, kTr, false, Exclusive, {}},
    {"tr equal, s kept",                   Exclusive, Exclusive,   Exclusive, kTr, false, Exclusive, Exclusive},
    {"tr weaker, s set: nothing",          Exclusive, Exclusive,   Share,     kTr, false, Exclusive, Exclusive},
    {"tr weaker, s unset, in state",       Exclusive, {},          Share,     kTr, true,  Exclusive, {}},
    {"tr weaker, s unset, outside",        Exclusive, {},          Share,     kTr, false, Share,     {}},
    // asked se
    {"se stronger",                        Share,     {},          Exclusive, kSe, false, Exclusive, Exclusive},
    {"se stronger, s set",                 Share,     Share,       Reserve,   kSe, true,  Reserve,   Reserve},
    {"se equal",                           Reserve,   {},          Reserve,   kSe, true,  Reserve,   Reserve},
    {"se weaker, in state",                Exclusive, {},          Share,     kSe, true,  Exclusive, Share},
    {"se weaker, outside",                 Exclusive, {},          Share,     kSe, false, Share,     Share},
    {"se weaker than s, outside",          Exclusive, Exclusive,   Reserve,   kSe, false, Reserve,   Reserve},
    {"se weaker than s, in state",         Exclusive, Exclusive,   Reserve,   kSe, true,  Exclusive, Reserve},
};
// clang-format on

class WhenALockIsHeld : public LockPlay, public testing::WithParamInterface<Rerequest> {};

TEST_P(WhenALockIsHeld, AskingAgainDoesWhatTheTableSays) {
  const Rerequest& row = GetParam();
  SCOPED_TRACE(row.name);
  inState = row.inState;
  if (row.session) askSession(kAnna, kOrder, *row.session);
  if (!row.session || *row.session != row.held) ask(kAnna, kOrder, row.held);
  ASSERT_EQ(held(kAnna, kOrder), row.held);

  const AskedLock again = ask(kAnna, kOrder, row.asked, row.duration);

  ASSERT_FALSE(again.waits());
  EXPECT_EQ(again.outcome(), LockOutcome::Granted);
  EXPECT_EQ(held(kAnna, kOrder), row.thenHeld);
  EXPECT_EQ(duration(kAnna, kOrder), row.thenSession ? kSe : kTr);
  commit(kAnna);
  EXPECT_EQ(held(kAnna, kOrder), row.thenSession.value_or(Get)) << "what commit leaves";
}

INSTANTIATE_TEST_SUITE_P(Table, WhenALockIsHeld, testing::ValuesIn(kRerequests));

TEST_F(LockPlay, WhenALockIsLoweredThenWaitersGetIn) {
  ask(kAnna, kOrder, Exclusive);
  const AskedLock ben = ask(kBen, kOrder, Share);
  ASSERT_TRUE(ben.waits());

  ask(kAnna, kOrder, Share);

  EXPECT_EQ(ben.outcome(), LockOutcome::Granted);
}

TEST_F(LockPlay, WhenOthersWaitThenAskingForACoveredLockIsGrantedAllTheSame) {
  ask(kAnna, kOrder, Share);
  ask(kBen, kOrder, Exclusive);

  EXPECT_EQ(ask(kAnna, kOrder, Share).outcome(), LockOutcome::Granted);
  EXPECT_EQ(askSession(kAnna, kOrder, Share).outcome(), LockOutcome::Granted);
}

TEST_F(LockPlay, WhenALockWasAskedForThriceThenOneUnlockFreesIt) {
  for (int i = 0; i < 3; ++i) ask(kAnna, kOrder, Share);

  unlock(kAnna, kOrder);

  EXPECT_EQ(ask(kBen, kOrder, Exclusive).outcome(), LockOutcome::Granted);
}

// --- 2.2: upgrades -------------------------------------------------------------------------------

TEST_F(LockPlay, WhenAnUpgradeWaitsThenTheOldLockIsKeptAlsoWhenItFails) {
  ask(kAnna, kOrder, Share);
  ask(kBen, kOrder, Share);
  const AskedLock upgrade = ask(kAnna, kOrder, Exclusive);
  ASSERT_TRUE(upgrade.waits());
  EXPECT_EQ(held(kAnna, kOrder), Share);

  pass(5000ms);

  EXPECT_EQ(upgrade.outcome(), LockOutcome::TimedOut);
  EXPECT_EQ(held(kAnna, kOrder), Share);
}

TEST_F(LockPlay, WhenTransactionShareAsksForUpdateThenTheShareGoesFirst) {
  ask(kAnna, kOrder, Share);
  ask(kBen, kOrder, Reserve);
  const AskedLock exclusive = ask(kBen, kOrder, Exclusive);
  ASSERT_TRUE(exclusive.waits());

  const AskedLock update = ask(kAnna, kOrder, Update);

  EXPECT_EQ(exclusive.outcome(), LockOutcome::Granted) << "the share was in his way";
  EXPECT_TRUE(update.waits());
  EXPECT_EQ(held(kAnna, kOrder), Get);
  commit(kBen);
  EXPECT_EQ(update.outcome(), LockOutcome::Granted);
  EXPECT_TRUE(update->shareReleased);
}

TEST_F(LockPlay, WhenTheUpdateIsRefusedAtOnceThenTheShareIsGoneToo) {
  ask(kAnna, kOrder, Share);
  ask(kBen, kOrder, Update);
  LockRequest request = wish(kAnna, kOrder, Update);
  request.timeout = LockTimeout::immediate();

  EXPECT_EQ(ask(request).outcome(), LockOutcome::Refused);

  EXPECT_EQ(held(kAnna, kOrder), Get);
}

TEST_F(LockPlay, WhenSessionShareAsksForUpdateThenTheShareIsKept) {
  askSession(kAnna, kOrder, Share);
  ask(kBen, kOrder, Update);

  const AskedLock update = ask(kAnna, kOrder, Update);

  EXPECT_TRUE(update.waits());
  EXPECT_EQ(held(kAnna, kOrder), Share);
}

// --- 2.3: the queue ------------------------------------------------------------------------------

TEST_F(LockPlay, WhenSomebodyWaitsThenACompatibleNewcomerWaitsBehind) {
  ask(kAnna, kOrder, Share);
  const AskedLock ben = ask(kBen, kOrder, Exclusive);

  const AskedLock cleo = ask(kCleo, kOrder, Share);

  EXPECT_TRUE(ben.waits());
  EXPECT_TRUE(cleo.waits()) << "nobody overtakes";
  const auto queue = locks.queuedRequests();
  ASSERT_EQ(queue.size(), 2u);
  EXPECT_EQ(queue[0].type, Get) << "the first waiter shows as Get_Lock";
  EXPECT_EQ(queue[0].wanted, Exclusive);
  EXPECT_EQ(queue[0].lockedBy, kAnna);
  EXPECT_EQ(queue[1].type, Share);
  EXPECT_EQ(queue[1].lockedBy, kBen);
}

TEST_F(LockPlay, WhenAHolderUpgradesThenItGoesAheadOfNewcomersAndBehindEarlierUpgrades) {
  ask(kAnna, kOrder, Share);
  ask(kBen, kOrder, Share);
  const AskedLock newcomer = ask(kCleo, kOrder, Exclusive);
  const AskedLock first = ask(kAnna, kOrder, Exclusive);

  const auto queue = locks.queuedRequests();
  ASSERT_EQ(queue.size(), 2u);
  EXPECT_EQ(queue[0].requestedBy, kAnna);
  EXPECT_EQ(queue[1].requestedBy, kCleo);
  commit(kBen);
  EXPECT_EQ(first.outcome(), LockOutcome::Granted);
  EXPECT_TRUE(newcomer.waits());
}

TEST_F(LockPlay, WhenAnEarlierUpgradeWaitsThenALaterOneWaitsBehindItThoughNobodyHoldsAgainstIt) {
  askSession(kAnna, kOrder, Share);
  askSession(kBen, kOrder, Share);
  askSession(kCleo, kOrder, Share);
  const AskedLock upgrade = ask(kAnna, kOrder, Exclusive);
  LockRequest later = wish(kBen, kOrder, Reserve);
  later.timeout = LockTimeout::immediate();

  const AskedLock reserve = ask(later);

  EXPECT_TRUE(upgrade.waits());
  EXPECT_EQ(reserve.outcome(), LockOutcome::Refused);
  EXPECT_EQ(reserve->lockedBy, kAnna);
}

TEST_F(LockPlay, WhenAWaitEndsInVainThenThoseBehindAreServed) {
  ask(kAnna, kOrder, Share);
  LockRequest impatient = wish(kBen, kOrder, Exclusive);
  impatient.timeout = LockTimeout::ofMilliseconds(100);
  impatient.id = 7;
  const AskedLock ben = ask(impatient);
  const AskedLock cleo = ask(kCleo, kOrder, Share);

  pass(100ms);

  EXPECT_EQ(ben.outcome(), LockOutcome::TimedOut);
  EXPECT_EQ(cleo.outcome(), LockOutcome::Granted);
}

TEST_F(LockPlay, WhenAWaitIsCancelledThenThoseBehindAreServed) {
  ask(kAnna, kOrder, Share);
  LockRequest withdrawn = wish(kBen, kOrder, Exclusive);
  withdrawn.id = 7;
  const AskedLock ben = ask(withdrawn);
  const AskedLock cleo = ask(kCleo, kOrder, Share);

  locks.cancel(kBen, 8).deliver();
  EXPECT_TRUE(ben.waits()) << "another request of his";
  locks.cancel(kBen, 7).deliver();

  EXPECT_EQ(ben.outcome(), LockOutcome::Cancelled);
  EXPECT_EQ(cleo.outcome(), LockOutcome::Granted);
}

// --- 2.4: timeouts -------------------------------------------------------------------------------

TEST_F(LockPlay, WhenTheTimeoutIsImmediateThenTheAnswerIsToo) {
  ask(kAnna, kOrder, Exclusive);
  clock.advance(3s);
  LockRequest request = wish(kBen, kOrder, Share);
  request.timeout = LockTimeout::immediate();

  const AskedLock ben = ask(request);

  EXPECT_EQ(ben.outcome(), LockOutcome::Refused);
  EXPECT_EQ(ben->lockedBy, kAnna);
  EXPECT_EQ(ben->lockedType, Exclusive);
  EXPECT_EQ(ben->lockedSince, Instant{});
  EXPECT_FALSE(ben->queued);
  EXPECT_TRUE(locks.queuedRequests().empty());
}

TEST_F(LockPlay, WhenTheServerDecidesThenBackgroundLockersWaitTheirOwnDefault) {
  ask(kAnna, kOrder, Exclusive);
  LockRequest request = wish(kBen, kOrder, Share);
  request.timeout = LockTimeout::serverDefined();
  const AskedLock ben = ask(request);
  request.locker = kCleo;
  request.background = true;
  const AskedLock cleo = ask(request);

  pass(9999ms);
  EXPECT_TRUE(ben.waits()) << "a wait never ends early";
  pass(1ms);
  EXPECT_EQ(ben.outcome(), LockOutcome::TimedOut);
  pass(19999ms);
  EXPECT_TRUE(cleo.waits());
  pass(1ms);
  EXPECT_EQ(cleo.outcome(), LockOutcome::TimedOut);
  EXPECT_EQ(cleo->waited, 30s);
}

TEST_F(LockPlay, WhenTwoWaitsAreDueThenTheEarlierFiresFirstAndMayFreeTheOther) {
  ask(kAnna, kOrder, Share);
  const AskedLock ben = ask(kBen, kOrder, Exclusive);
  const AskedLock cleo = ask(kCleo, kOrder, Share);

  pass(5000ms);

  EXPECT_EQ(ben.outcome(), LockOutcome::TimedOut);
  EXPECT_EQ(cleo.outcome(), LockOutcome::Granted);
}

// --- 3: letting go -------------------------------------------------------------------------------

TEST_F(LockPlay, WhenALevelEndsThenOnlyItsOwnTransactionLocksGo) {
  ask(kAnna, kOrder, Share);
  inState = true;
  level = 1;
  ask(kAnna, kStock, Share);
  level = 2;
  ask(kAnna, {300}, Share);

  endLevel(kAnna, 2);
  EXPECT_EQ(held(kAnna, {300}), Get);
  EXPECT_EQ(held(kAnna, kStock), Share);
  endLevel(kAnna, 1);
  EXPECT_EQ(held(kAnna, kStock), Get);
  EXPECT_EQ(held(kAnna, kOrder), Share);
}

TEST_F(LockPlay, WhenTheOutermostLevelEndsThenSessionLocksReturnToTheirType) {
  askSession(kAnna, kOrder, Share);
  inState = true;
  level = 2;
  ask(kAnna, kOrder, Exclusive);
  const AskedLock ben = ask(kBen, kOrder, Share);

  endLevel(kAnna, 2);
  EXPECT_TRUE(ben.waits()) << "an inner level";
  endLevel(kAnna, 1);

  EXPECT_EQ(held(kAnna, kOrder), Share);
  EXPECT_EQ(ben.outcome(), LockOutcome::Granted);
}

TEST_F(LockPlay, WhenALockerSignsOffThenAllItHeldGoesAndWhatItSendsLaterIsRefused) {
  askSession(kAnna, kOrder, Exclusive);
  ask(kAnna, kStock, Share);
  ask(kCleo, {300}, Exclusive);
  const AskedLock hers = ask(kAnna, {300}, Share);
  const AskedLock ben = ask(kBen, kOrder, Share);

  locks.signOff(kAnna).deliver();

  EXPECT_EQ(hers.outcome(), LockOutcome::Cancelled);
  EXPECT_EQ(ben.outcome(), LockOutcome::Granted);
  EXPECT_EQ(ask(kAnna, kStock, Share).outcome(), LockOutcome::Cancelled);
  EXPECT_TRUE(locks.locksOn(kStock).empty());
}

// --- 4: commit -----------------------------------------------------------------------------------

TEST_F(LockPlay, WhenACommitUpgradesThenItWaitsForSharersAndNewRequestsQueue) {
  ask(kBen, kOrder, Share);
  ask(kAnna, kOrder, Update);
  ask(kAnna, kStock, Update);

  const AskedLock commitOfAnna = commitUpgrade(kAnna, {kStock, kOrder});
  const AskedLock cleo = ask(kCleo, kOrder, Share);

  EXPECT_TRUE(commitOfAnna.waits());
  EXPECT_TRUE(cleo.waits());
  unlock(kBen, kOrder);
  EXPECT_EQ(commitOfAnna.outcome(), LockOutcome::Granted);
  EXPECT_EQ(held(kAnna, kOrder), Exclusive);
  EXPECT_EQ(held(kAnna, kStock), Exclusive);
  commit(kAnna);
  EXPECT_EQ(cleo.outcome(), LockOutcome::Granted);
}

TEST_F(LockPlay, WhenACommitUpgradeTimesOutThenEveryLockIsUpdateAgain) {
  ask(kBen, kOrder, Share);
  ask(kAnna, kOrder, Update);
  ask(kAnna, kStock, Update);
  const AskedLock commitOfAnna = commitUpgrade(kAnna, {kOrder, kStock});
  const AskedLock cleo = ask(kCleo, kStock, Share);
  ASSERT_TRUE(cleo.waits()) << "that one is Exclusive already";

  pass(5000ms);

  EXPECT_EQ(commitOfAnna.outcome(), LockOutcome::TimedOut);
  EXPECT_EQ(commitOfAnna->request.target, kOrder);
  EXPECT_EQ(commitOfAnna->lockedBy, kBen);
  EXPECT_EQ(held(kAnna, kOrder), Update);
  EXPECT_EQ(held(kAnna, kStock), Update);
  EXPECT_EQ(cleo.outcome(), LockOutcome::Granted);
}

TEST_F(LockPlay, WhenACommitMayNotWaitThenItIsRefusedAndNothingChanged) {
  ask(kBen, kOrder, Share);
  ask(kAnna, kStock, Update);
  ask(kAnna, kOrder, Update);

  EXPECT_EQ(commitUpgrade(kAnna, {kStock, kOrder}, LockTimeout::immediate()).outcome(),
            LockOutcome::Refused);

  EXPECT_EQ(held(kAnna, kStock), Update);
}

TEST_F(LockPlay, WhenTwoCommitsWaitForEachOthersSharesThenTheSecondIsADeadlock) {
  ask(kAnna, kOrder, Update);
  ask(kBen, kStock, Update);
  ask(kAnna, kStock, Share);
  ask(kBen, kOrder, Share);

  const AskedLock first = commitUpgrade(kAnna, {kOrder});
  const AskedLock second = commitUpgrade(kBen, {kStock});

  EXPECT_TRUE(first.waits());
  EXPECT_EQ(second.outcome(), LockOutcome::Deadlock);
  EXPECT_EQ(held(kBen, kStock), Update);
  commit(kBen);
  EXPECT_EQ(first.outcome(), LockOutcome::Granted);
}

// --- Fencing tokens ------------------------------------------------------------------------------

TEST_F(LockPlay, FencingTokensRiseForATargetAlsoAfterARestart) {
  const FencingToken first = ask(kAnna, kOrder, Share)->token;
  const FencingToken covered = ask(kAnna, kOrder, Share)->token;
  const FencingToken upgraded = ask(kAnna, kOrder, Exclusive)->token;
  commit(kAnna);
  const FencingToken next = ask(kBen, kOrder, Exclusive)->token;

  EXPECT_EQ(covered, first) << "the same grant";
  EXPECT_GT(upgraded, first);
  EXPECT_GT(next, upgraded);
  LockManager::Options options;
  options.tokensAbove = locks.lastToken();
  LockManager restarted(clock, options);
  restarted.signOn(kAnna);
  AskedLock asked;
  restarted.request(wish(kAnna, kOrder, Share), answerInto(asked)).deliver();
  EXPECT_GT(asked->token, next);
}

// --- Looking -------------------------------------------------------------------------------------

TEST_F(LockPlay, ListingsShowWhoHoldsAndWhoWaitsInOrder) {
  ask(kAnna, kOrder, Share);
  clock.advance(2s);
  askSession(kBen, kOrder, Reserve);
  ask(kCleo, kOrder, Exclusive);
  ask(kAnna, kStock, Exclusive);

  const auto onOrder = locks.locksOn(kOrder);
  ASSERT_EQ(onOrder.size(), 3u);
  EXPECT_EQ(onOrder[0].requestedBy, kAnna);
  EXPECT_EQ(onOrder[0].elapsed, 2s);
  EXPECT_EQ(onOrder[1].duration, kSe);
  EXPECT_TRUE(onOrder[2].waiting);
  EXPECT_EQ(locks.locksHeld().size(), 3u);
  EXPECT_EQ(locks.locksHeld(2).size(), 2u);
  EXPECT_EQ(locks.queuedRequests(0).size(), 0u);
  EXPECT_EQ(locks.locksOf(kAnna).size(), 2u);
  EXPECT_EQ(locks.lockStatus(kCleo, kOrder), std::nullopt) << "only what is held";
}

TEST_F(LockPlay, StatisticsCountWaitsAndTheirTime) {
  ask(kAnna, kOrder, Exclusive);
  ask(kBen, kOrder, Share);
  clock.advance(250ms);
  commit(kAnna);

  const LockStatistics counted = locks.statistics();
  EXPECT_EQ(counted.lockRequests, 2u);
  EXPECT_EQ(counted.queuedLocks, 1u);
  EXPECT_EQ(counted.totalQueueWait, 250ms);
}

TEST_F(LockPlay, ContentionIsCountedPerTargetAndWhatHasNoRoomIsGathered) {
  ASSERT_TRUE(locks.beginContentionStats(kAnna, 1));
  EXPECT_FALSE(locks.beginContentionStats(kBen, 5)) << "hers";
  EXPECT_FALSE(locks.clearContentionStats(kBen));
  ask(kAnna, kOrder, Exclusive);
  ask(kAnna, kStock, Exclusive);
  ask(kBen, kOrder, Share);
  LockRequest refused = wish(kCleo, kOrder, Share);
  refused.timeout = LockTimeout::immediate();
  ask(refused);
  ask(kCleo, kStock, Share);
  clock.advance(40ms);
  commit(kAnna);

  const LockContentionInfo order = locks.contentionOf(kOrder);
  EXPECT_EQ(order.totalContentions, 2u) << "queued or rejected";
  EXPECT_EQ(order.totalWait, 40ms);
  EXPECT_EQ(order.maxWait, 40ms);
  EXPECT_EQ(locks.contentionOf(kStock).totalContentions, 0u);
  const auto all = locks.contentionStats(10, 1);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].target, LockTarget{}) << "the table has room for one";
  EXPECT_EQ(all[1].totalContentions, 1u);
  EXPECT_EQ(locks.contentionStats(10, 2).size(), 1u);
  EXPECT_TRUE(locks.endContentionStats(kAnna));
  EXPECT_FALSE(locks.contentionState().active);
}

// --- Places --------------------------------------------------------------------------------------

TEST_F(LockPlay, WhenAPlaceCannotBeThenItIsRefusedAndNothingHasChanged) {
  using Placing = LockManager::Placing;
  EXPECT_EQ(locks.setPlace(kOrder, kOrder), Placing::BelowItself);
  EXPECT_EQ(locks.setPlace(kStock, kOrder), Placing::Done);
  EXPECT_EQ(locks.setPlace(kStock, LockTarget{300}), Placing::HasPlace);
  EXPECT_EQ(locks.setPlace(kOrder, kStock), Placing::BelowItself);
  locks.checkInvariants();

  LockTarget above = kStock;
  for (std::uint64_t depth = 2; depth <= LockManager::kMostPlaces; ++depth) {
    const LockTarget next{1000 + depth};
    ASSERT_EQ(locks.setPlace(next, above), Placing::Done) << depth;
    above = next;
  }
  EXPECT_EQ(locks.setPlace(LockTarget{5000}, above), Placing::TooDeep);
  EXPECT_FALSE(locks.isLocked(LockTarget{5000}));
}

/// Given: an order and a stock below one folder.
class AFolderOfTwo : public LockPlay {
 protected:
  AFolderOfTwo() {
    locks.setPlace(kOrder, kFolder);
    locks.setPlace(kStock, kFolder);
  }
  static constexpr LockTarget kFolder{300};
};

// Reserve excludes Reserve, and Share is beside both.
TEST_F(AFolderOfTwo, WhenWhoWaitsBehindASubtreeRequestGetsAnotherLockBelowThenItWaitsNoMore) {
  ask(kAnna, kStock, LockType::Reserve);
  const AskedLock whole = askSubtree(kBen, kFolder, LockType::Reserve);
  const AskedLock order = ask(kCleo, kOrder, LockType::Reserve);
  EXPECT_TRUE(whole.waits());
  ASSERT_TRUE(order.waits());

  const AskedLock stock = ask(kCleo, kStock, LockType::Share);

  EXPECT_EQ(stock.outcome(), LockOutcome::Granted);
  ASSERT_FALSE(order.waits());
  EXPECT_EQ(order.outcome(), LockOutcome::Granted);
  EXPECT_TRUE(whole.waits());
}

TEST_F(AFolderOfTwo, WhenItsSecondRequestIsLetInThereAndWaitsBelowThenTheFirstGoesOnToo) {
  const LockTarget third{400};
  locks.setPlace(third, kFolder);
  ask(kAnna, kStock, LockType::Reserve);
  ask(kDora, third, LockType::Exclusive);
  const AskedLock whole = askSubtree(kBen, kFolder, LockType::Reserve);
  const AskedLock order = ask(kCleo, kOrder, LockType::Reserve);
  ASSERT_TRUE(order.waits());

  const AskedLock below = ask(kCleo, third, LockType::Share);

  EXPECT_TRUE(below.waits());
  ASSERT_FALSE(order.waits());
  EXPECT_EQ(order.outcome(), LockOutcome::Granted);
  EXPECT_TRUE(whole.waits());
}

}  // namespace
}  // namespace nephrite

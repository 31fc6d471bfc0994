// What is kept of a deadlock. Who has to give way is deadlock_test.cpp's.

#include "tests/locking/lock_play.h"

namespace nephrite {
namespace {

using enum LockType;
using std::chrono::milliseconds;
using Lockers = std::vector<LockerId>;
using Cycle = std::vector<WaitEdge>;

class KeptDeadlocks : public LockPlay {
 protected:
  AskedLock askAt(std::int32_t priority, LockerId locker, LockTarget target, LockType type) {
    LockRequest request = wish(locker, target, type);
    request.priority = priority;
    return ask(request);
  }

  DeadlockRecord last() const {
    const std::vector<DeadlockRecord> records = locks.deadlocks(1);
    return records.empty() ? DeadlockRecord() : records.front();
  }
};

const DeadlockHold* holdOf(const DeadlockRecord& record, LockerId locker, LockTarget target) {
  for (const DeadlockHold& hold : record.holds) {
    if (hold.locker == locker && hold.target == target) return &hold;
  }
  return nullptr;
}

/// Who waits for `target`, from the head of the queue.
Lockers queueOn(const DeadlockRecord& record, LockTarget target) {
  Lockers queue;
  for (const DeadlockWait& wait : record.waits) {
    if (wait.target == target) queue.push_back(wait.locker);
  }
  return queue;
}

TEST_F(KeptDeadlocks, WhenNobodyWaitsForHimselfThenNothingIsKept) {
  ask(kAnna, kOrder, Exclusive);
  ask(kBen, kOrder, Exclusive);

  EXPECT_TRUE(locks.deadlocks().empty());
}

TEST_F(KeptDeadlocks, WhenOneHoldsSeveralThenTheyAreKnownInTheOrderOfAcquisition) {
  const LockTarget kShelf{300};
  ask(kAnna, kStock, Exclusive);
  ask(kAnna, kOrder, Exclusive);
  ask(kBen, kShelf, Exclusive);
  ask(kBen, kOrder, Share);
  ask(kCleo, kOrder, Share);
  ask(kCleo, kStock, Share);

  ask(kAnna, kShelf, Share);

  const DeadlockRecord record = last();
  const DeadlockHold* const stock = holdOf(record, kAnna, kStock);
  const DeadlockHold* const order = holdOf(record, kAnna, kOrder);
  ASSERT_NE(stock, nullptr);
  ASSERT_NE(order, nullptr);
  EXPECT_GT(order->acquired, stock->acquired);
}

TEST_F(KeptDeadlocks, WhenTwoWaitForEachOtherThenAllOfItIsKeptAsItWas) {
  askSession(kAnna, kOrder, Share);
  ask(kAnna, kOrder, Exclusive);
  pass(milliseconds(10));
  ask(kBen, kStock, Exclusive);
  pass(milliseconds(20));
  ask(kAnna, kStock, Share);
  pass(milliseconds(30));

  ask(kBen, kOrder, Update);

  const DeadlockRecord record = last();
  EXPECT_EQ(record.number, 1u);
  EXPECT_EQ(record.at, clock.wallNow());
  EXPECT_FALSE(record.doubled);
  EXPECT_FALSE(record.truncated);
  EXPECT_EQ(record.requester, kBen);
  EXPECT_EQ(record.victims, Lockers{kBen});
  EXPECT_EQ(record.cycle, (Cycle{{kBen, kOrder, Update}, {kAnna, kStock, Share}}));

  ASSERT_EQ(record.holds.size(), 2u);
  const DeadlockHold* const order = holdOf(record, kAnna, kOrder);
  ASSERT_NE(order, nullptr);
  EXPECT_EQ(order->type, Exclusive);
  EXPECT_EQ(order->session, Share);
  EXPECT_EQ(order->age, milliseconds(60));
  EXPECT_FALSE(order->upgradedByCommit);
  const DeadlockHold* const stock = holdOf(record, kBen, kStock);
  ASSERT_NE(stock, nullptr);
  EXPECT_EQ(stock->session, Get);
  EXPECT_GT(stock->acquired, 0u);

  ASSERT_EQ(record.waits.size(), 2u);
  const DeadlockWait& ben = record.waits[0];
  EXPECT_EQ(ben.locker, kBen) << "the target of the requester comes first";
  EXPECT_EQ(ben.wanted, Update);
  EXPECT_EQ(ben.age, milliseconds(0));
  const DeadlockWait& anna = record.waits[1];
  EXPECT_EQ(anna.target, kStock);
  EXPECT_EQ(anna.age, milliseconds(30));
  EXPECT_EQ(anna.timeout, LockTimeout::ofMilliseconds(5000));
  EXPECT_LT(anna.asked, ben.asked);
}

TEST_F(KeptDeadlocks, WhenThreeStandInARingThenItsTargetsAreKeptAndNoOthers) {
  ask(kAnna, {1}, Exclusive);
  ask(kBen, {2}, Exclusive);
  ask(kCleo, {3}, Exclusive);
  ask(kCleo, {4}, Exclusive);
  ask(kDora, {4}, Exclusive);  // Waits for the ring, and nobody for her.
  ask(kAnna, {2}, Share);
  ask(kBen, {3}, Share);

  ask(kCleo, {1}, Share);

  const DeadlockRecord record = last();
  EXPECT_EQ(record.cycle, (Cycle{{kCleo, {1}, Share}, {kAnna, {2}, Share}, {kBen, {3}, Share}}));
  EXPECT_EQ(record.holds.size(), 3u);
  EXPECT_EQ(record.waits.size(), 3u);
}

TEST_F(KeptDeadlocks, WhenTheCircleRunsThroughAQueueThenTheWholeQueueIsKept) {
  ask(kAnna, kOrder, Share);
  ask(kDora, kOrder, Share);
  ask(kBen, kStock, Exclusive);
  ask(kCleo, kOrder, Exclusive);
  ask(kBen, kOrder, Share);  // Behind Cleo only.

  ask(kAnna, kStock, Share);

  const DeadlockRecord record = last();
  EXPECT_EQ(record.cycle,
            (Cycle{{kAnna, kStock, Share}, {kBen, kOrder, Share}, {kCleo, kOrder, Exclusive}}));
  EXPECT_EQ(queueOn(record, kOrder), (Lockers{kCleo, kBen}));
  EXPECT_NE(holdOf(record, kDora, kOrder), nullptr) << "Cleo waits for her too";
}

TEST_F(KeptDeadlocks, WhenDoubleDeadlockIsOnThenOneRecordNamesBoth) {
  locks.setDoubleDeadlock(true);
  ask(kAnna, kOrder, Exclusive);
  ask(kBen, kStock, Exclusive);
  ask(kAnna, kStock, Share);

  ask(kBen, kOrder, Share);

  EXPECT_EQ(locks.deadlocks().size(), 1u);
  EXPECT_TRUE(last().doubled);
  EXPECT_EQ(last().victims, (Lockers{kBen, kAnna}));
}

TEST_F(KeptDeadlocks, WhenOneOfLowerPriorityLosesThenTheCycleIsTheOneItIsOn) {
  ask(kAnna, kOrder, Share);
  ask(kBen, kOrder, Share);
  ask(kCleo, kStock, Exclusive);
  askAt(-1, kAnna, kStock, Share);
  askAt(-2, kBen, kStock, Share);

  ask(kCleo, kOrder, Exclusive);

  const DeadlockRecord record = last();
  EXPECT_EQ(locks.deadlocks().size(), 1u);
  EXPECT_EQ(record.victims, (Lockers{kBen, kAnna}));
  EXPECT_EQ(record.cycle, (Cycle{{kCleo, kOrder, Exclusive}, {kBen, kStock, Share}}));
  EXPECT_EQ(queueOn(record, kStock), (Lockers{kAnna, kBen})) << "as it was before anybody left";
  EXPECT_EQ(record.waits.back().priority, -2);
}

TEST_F(KeptDeadlocks, WhenACommitClosesTheCircleThenItsUpgradesAreMarked) {
  inState = true;
  for (const LockTarget target : {kOrder, kStock}) ask(kAnna, target, Update);
  ask(kBen, kStock, Share);
  ask(kBen, {300}, Exclusive);
  ask(kCleo, {300}, Exclusive);
  ask(kBen, kOrder, Exclusive);  // Waits for Anna.

  const AskedLock anna = commitUpgrade(kAnna, {kOrder, kStock});

  EXPECT_EQ(anna.outcome(), LockOutcome::Deadlock);
  const DeadlockRecord record = last();
  EXPECT_EQ(record.cycle, (Cycle{{kAnna, kStock, Exclusive}, {kBen, kOrder, Exclusive}}));
  ASSERT_NE(holdOf(record, kAnna, kOrder), nullptr);
  EXPECT_TRUE(holdOf(record, kAnna, kOrder)->upgradedByCommit);
  EXPECT_EQ(holdOf(record, kAnna, kOrder)->type, Exclusive);
  EXPECT_FALSE(holdOf(record, kAnna, kStock)->upgradedByCommit) << "it still waits for this one";
  EXPECT_EQ(held(kAnna, kOrder), Update) << "taken back since";
  ASSERT_EQ(record.waits.size(), 2u);
  EXPECT_TRUE(record.waits[0].commit);
  EXPECT_TRUE(record.waits[0].upgrade);
  EXPECT_FALSE(record.waits[1].commit);
}

TEST_F(KeptDeadlocks, WhenThereAreMoreThanAreKeptThenTheOldestAreForgotten) {
  LockManager few(clock, {.keptDeadlocks = 3});
  const auto want = [&](LockerId locker, LockType type) {
    few.request(wish(locker, kOrder, type), [](const LockAnswer&) {}).deliver();
  };
  for (const LockerId locker : {kAnna, kBen}) {
    few.signOn(locker);
    want(locker, Share);
  }
  want(kAnna, Exclusive);
  for (int i = 0; i < 5; ++i) want(kBen, Exclusive);

  const std::vector<DeadlockRecord> records = few.deadlocks();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records.front().number, 5u) << "newest first";
  EXPECT_EQ(records.back().number, 3u);
  EXPECT_EQ(few.deadlocks(2).size(), 2u);
  for (const LockerId locker : {kAnna, kBen}) few.signOff(locker).deliver();
}

TEST_F(KeptDeadlocks, WhenNoneAreToBeKeptThenNoneAre) {
  LockManager none(clock, {.keptDeadlocks = 0});
  std::size_t refused = 0;
  const auto want = [&](LockerId locker, LockType type) {
    none.request(wish(locker, kOrder, type),
                 [&](const LockAnswer& answer) {
                   if (answer.outcome == LockOutcome::Deadlock) ++refused;
                 })
        .deliver();
  };
  for (const LockerId locker : {kAnna, kBen}) none.signOn(locker);
  for (const LockType type : {Share, Exclusive}) {
    for (const LockerId locker : {kAnna, kBen}) want(locker, type);
  }

  EXPECT_EQ(refused, 1u);
  EXPECT_TRUE(none.deadlocks().empty());
  for (const LockerId locker : {kAnna, kBen}) none.signOff(locker).deliver();
}

TEST_F(KeptDeadlocks, WhenAQueueIsLongThenTheCycleAndTheFirstOfTheOthersAreKept) {
  constexpr std::uint64_t kMany = 500;
  ask(kAnna, kOrder, Exclusive);
  ask(kBen, kStock, Exclusive);
  for (std::uint64_t i = 0; i < kMany; ++i) {
    locks.signOn({1000 + i});
    locks.request(wish({1000 + i}, kOrder, Share), [](const LockAnswer&) {}).deliver();
  }
  ask(kBen, kOrder, Share);  // At the end of the queue.

  ask(kAnna, kStock, Share);

  const DeadlockRecord record = last();
  EXPECT_TRUE(record.truncated);
  EXPECT_EQ(record.cycle, (Cycle{{kAnna, kStock, Share}, {kBen, kOrder, Share}}));
  const Lockers queue = queueOn(record, kOrder);
  ASSERT_EQ(queue.size(), DeadlockRecord::kOthers + 1);
  EXPECT_EQ(queue.front(), LockerId{1000});
  EXPECT_EQ(queue.back(), kBen);
  for (std::uint64_t i = 0; i < kMany; ++i) locks.signOff({1000 + i}).deliver();
}

// --- In a tree -----------------------------------------------------------------------------------

/// Given: the order is in a room, which is in a house; the stock is nowhere.
class KeptDeadlocksInATree : public KeptDeadlocks {
 protected:
  static constexpr LockTarget kRoom{300}, kHouse{400};

  KeptDeadlocksInATree() {
    locks.setPlace(kRoom, kHouse);
    locks.setPlace(kOrder, kRoom);
  }
  using Places = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
  static Places placesIn(const DeadlockRecord& record) {
    Places places;
    for (const auto& [target, parent] : record.places)
      places.emplace_back(target.value, parent.value);
    return places;
  }
};

TEST_F(KeptDeadlocksInATree, WhenALockAboveIsPartOfItThenTheWayDownToTheOrderIsKept) {
  askSubtree(kAnna, kRoom, Exclusive);
  ask(kBen, kStock, Exclusive);
  ask(kAnna, kStock, Share);
  ask(kBen, kOrder, Share);

  const DeadlockRecord record = last();
  EXPECT_EQ(record.requester, kBen);
  const DeadlockHold* const room = holdOf(record, kAnna, kRoom);
  ASSERT_NE(room, nullptr);
  EXPECT_EQ(room->below, Exclusive);
  EXPECT_EQ(queueOn(record, kRoom), Lockers{kBen}) << "it waits there";
  for (const DeadlockWait& wait : record.waits) {
    EXPECT_EQ(wait.goal, wait.locker == kBen ? kOrder : LockTarget{});
    EXPECT_EQ(wait.scope, LockScope::Node);
  }
  EXPECT_EQ(placesIn(record), (Places{{300, 400}, {100, 300}}));
}

TEST_F(KeptDeadlocksInATree, WhenALockBelowIsInTheWayOfAllThenItIsKept) {
  ask(kBen, kOrder, Share);
  ask(kAnna, kStock, Exclusive);
  askSubtree(kAnna, kHouse, Exclusive);
  ask(kBen, kStock, Share);

  const DeadlockRecord record = last();
  EXPECT_EQ(record.requester, kBen);
  EXPECT_NE(holdOf(record, kBen, kOrder), nullptr);
  EXPECT_EQ(queueOn(record, kHouse), Lockers{kAnna});
  for (const DeadlockWait& wait : record.waits) {
    EXPECT_EQ(wait.scope, wait.locker == kAnna ? LockScope::Subtree : LockScope::Node);
  }
  EXPECT_EQ(placesIn(record), (Places{{300, 400}, {100, 300}}));
}

}  // namespace
}  // namespace nephrite

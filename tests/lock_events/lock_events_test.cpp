// What is told of locks: each thing that happens on the slow path, once, in its order.

#include "locking/lock_events.h"

#include <string>
#include <vector>

#include "tests/lock_events/followed.h"
#include "tests/locking/lock_play.h"

namespace nephrite {
namespace {

using enum LockType;
using Told = std::vector<std::string>;

/// Given: the order is watched.
class Events : public LockPlay {
 protected:
  static std::string nameOfLocker(LockerId locker) {
    static const std::vector<std::string> names{"nobody", "anna", "ben", "cleo", "dora"};
    return locker.value < names.size() ? names[locker.value] : std::to_string(locker.value);
  }
  /// What is new, briefly: "anna granted exclusive, request".
  Told told() {
    const LockEvents found = locks.eventsAfter(next);
    EXPECT_EQ(found.lost, 0u);
    next = found.next;
    Told told;
    for (const LockEvent& event : found.events) {
      EXPECT_EQ(event.when, clock.now());
      std::string line = nameOfLocker(event.locker) + " " + std::string(nameOf(event.kind)) + " " +
                         std::string(nameOf(event.type));
      if (event.duration() == LockDuration::Session) line += " session";
      if (event.scope() == LockScope::Subtree) line += " subtree";
      line += ", " + std::string(nameOf(event.cause));
      if (event.at.value != 0) line += " at " + std::to_string(event.at.value);
      told.push_back(line);
    }
    return told;
  }

  LockWatch watch = locks.watch(kOrder);
  std::uint64_t next = watch.since();
};

TEST_F(Events, WhenAWatchedTargetIsLockedAndLetGoThenBothAreTold) {
  ask(kAnna, kOrder, Exclusive);
  EXPECT_EQ(told(), Told{"anna granted exclusive, request"});

  unlock(kAnna, kOrder);
  EXPECT_EQ(told(), Told{"anna released exclusive, unlock"});
}

TEST_F(Events, WhenTheLockIsTakenAgainAndAgainThenEachTimeIsTold) {
  for (int i = 0; i < 100; ++i) {
    ask(kAnna, kOrder, i % 2 == 0 ? Exclusive : Share);
    unlock(kAnna, kOrder);
  }
  EXPECT_EQ(told().size(), 200u);
}

TEST_F(Events, WhenAnUnwatchedTargetIsLockedWithoutAnybodyMeetingThenNothingIsTold) {
  ask(kAnna, kStock, Exclusive);
  unlock(kAnna, kStock);
  EXPECT_EQ(told(), Told{});
}

TEST_F(Events, WhenSomebodyWaitsThenTheWaitAndTheGrantAreTold) {
  ask(kAnna, kOrder, Exclusive);
  ask(kBen, kOrder, Share);
  unlock(kAnna, kOrder);

  EXPECT_EQ(told(), (Told{"anna granted exclusive, request", "ben waiting share, request",
                          "anna released exclusive, unlock", "ben granted share, request"}));
}

TEST_F(Events, WhenTwoMeetOnAnUnwatchedTargetThenTheyAreToldFromThenOn) {
  ask(kAnna, kStock, Exclusive);
  ask(kBen, kStock, Exclusive);
  unlock(kAnna, kStock);

  EXPECT_EQ(told(), (Told{"ben waiting exclusive, request", "anna released exclusive, unlock",
                          "ben granted exclusive, request"}));
}

TEST_F(Events, WhenAWaitEndsBadlyThenHowIsTold) {
  ask(kAnna, kOrder, Exclusive);
  LockRequest request = wish(kBen, kOrder, Exclusive);
  request.id = 7;
  ask(request);
  locks.cancel(kBen, 7).deliver();
  ask(kCleo, kOrder, Reserve);
  told();
  pass(std::chrono::seconds(5));
  EXPECT_EQ(told(), Told{"cleo timeout reserve, request"});

  request.timeout = LockTimeout::immediate();
  ask(request);
  EXPECT_EQ(told(), Told{"ben refused exclusive, request"});
}

TEST_F(Events, WhenTwoWaitForEachOtherThenTheOneThatGivesWayIsTold) {
  ask(kAnna, kOrder, Exclusive);
  ask(kBen, kStock, Exclusive);
  ask(kAnna, kStock, Exclusive);
  told();
  ask(kBen, kOrder, Exclusive);

  EXPECT_EQ(told(), (Told{"ben waiting exclusive, request", "ben deadlock exclusive, request"}));
}

TEST_F(Events, WhenATransactionEndsThenWhatGoesAndWhatReturnsIsTold) {
  inState = true;
  askSession(kAnna, kOrder, Share);
  ask(kAnna, kOrder, Exclusive);
  const LockWatch other = locks.watch(kStock);
  ask(kAnna, kStock, Update);
  told();
  commit(kAnna);

  EXPECT_EQ(told(), (Told{"anna changed share session, end of transaction",
                          "anna released update, end of transaction"}));
}

TEST_F(Events, WhenAShareGoesBeforeUpdateThenItsReleaseIsTold) {
  inState = true;
  ask(kAnna, kOrder, Share);
  ask(kAnna, kOrder, Update);
  EXPECT_EQ(told(), (Told{"anna granted share, request", "anna released share, request",
                          "anna granted update, request"}));
}

TEST_F(Events, WhenALockIsAskedForAsLessThenTheChangeIsTold) {
  ask(kAnna, kOrder, Exclusive);
  ask(kAnna, kOrder, Share);
  EXPECT_EQ(told(), (Told{"anna granted exclusive, request", "anna changed share, request"}));

  ask(kAnna, kOrder, Share);
  EXPECT_EQ(told(), Told{}) << "it holds just that";
}

TEST_F(Events, WhenALeaseEndsThenTheLockHasLapsed) {
  LockRequest request = wish(kAnna, kOrder, Exclusive);
  request.lease = LeaseTerms(std::chrono::seconds(1));
  ask(request);
  told();
  pass(std::chrono::seconds(1));

  EXPECT_EQ(told(), Told{"anna lapsed exclusive, lease"});
}

TEST_F(Events, WhenALockIsTakenAwayThenItIsBrokenWatchedOrNot) {
  ask(kAnna, kStock, Exclusive);
  bool released = false;
  locks.unlock(kAnna, kStock, &released, LockEventCause::Force).deliver();

  EXPECT_TRUE(released);
  EXPECT_EQ(told(), Told{"anna broken exclusive, force"});
}

TEST_F(Events, WhenALockerIsSignedOffByForceThenItsLocksAreBrokenWatchedOrNot) {
  ask(kAnna, kOrder, Exclusive);
  ask(kAnna, kStock, Exclusive);
  ask(kBen, kOrder, Share);
  told();
  locks.signOff(kAnna, LockEventCause::Force).deliver();

  EXPECT_EQ(told(), (Told{"anna broken exclusive, force", "anna broken exclusive, force",
                          "ben granted share, request"}));
  EXPECT_FALSE(locks.isLocked(kStock));
  locks.checkInvariants();
}

TEST_F(Events, WhenAFamilyIsSignedOffByForceThenTheLocksOfItsChildrenAreBroken) {
  constexpr LockerId kChild{50};
  locks.signOn(kChild, kAnna);
  ask(kChild, kStock, Share);
  ask(kAnna, kStock, Share);
  told();
  locks.signOff(kAnna, LockEventCause::Force).deliver();

  EXPECT_EQ(told(), (Told{"50 broken share, force", "anna broken share, force"}));
}

TEST_F(Events, WhenACommitNeedsItExclusiveThenItsUpgradeAndItsFailureAreTold) {
  inState = true;
  const LockWatch other = locks.watch(kStock);
  ask(kAnna, kOrder, Update);
  ask(kAnna, kStock, Update);
  ask(kBen, kStock, Share);
  told();
  commitUpgrade(kAnna, {kOrder, kStock});
  EXPECT_EQ(told(), (Told{"anna granted exclusive, commit", "anna waiting exclusive, commit"}));

  pass(std::chrono::seconds(5));
  EXPECT_EQ(told(), (Told{"anna changed update, commit", "anna timeout exclusive, commit"}));
}

TEST_F(Events, WhenALockerLeavesThenItsLocksAreReleased) {
  ask(kAnna, kOrder, Exclusive);
  ask(kBen, kOrder, Exclusive);
  told();
  locks.signOff(kBen).deliver();
  locks.signOff(kAnna).deliver();

  EXPECT_EQ(told(),
            (Told{"ben cancelled exclusive, request", "anna released exclusive, sign-off"}));
}

TEST_F(Events, WhenAChildLeavesItsLockToItsParentThenBothAreTold) {
  constexpr LockerId kChild{50};
  locks.signOn(kChild, kAnna);
  ask(kChild, kOrder, Update);
  told();
  locks.signOffToParent(kChild, 0).deliver();

  EXPECT_EQ(told(), (Told{"50 released update, inheritance", "anna granted update, inheritance"}));
}

TEST_F(Events, WhenARequestWaitsOnItsWayDownThenItIsToldWhere) {
  constexpr LockTarget kRoom{300};
  ASSERT_EQ(locks.setPlace(kOrder, kRoom), LockManager::Placing::Done);
  LockRequest all = wish(kAnna, kRoom, Exclusive);
  all.scope = LockScope::Subtree;
  ask(all);
  ask(kBen, kOrder, Share);

  EXPECT_EQ(told(),
            (Told{"anna granted exclusive subtree, request", "ben waiting share, request at 300"}));
  commit(kAnna);
  EXPECT_EQ(told(), (Told{"anna released exclusive subtree, end of transaction",
                          "ben granted share, request"}));
}

// --- The ring ------------------------------------------------------------------------------------

TEST(EventLog, WhenThereWereMoreThanAreKeptThenTheReaderIsToldHowManyItHasLost) {
  const ManualClock clock;
  LockManager locks(clock, {.keptEvents = 10});
  locks.signOn(kAnna);
  LockWatch watch = locks.watch(kOrder);
  LockRequest request;
  request.locker = kAnna;
  request.target = kOrder;
  for (int i = 0; i < 10; ++i) {
    locks.request(request, [](const LockAnswer&) {}).deliver();
    locks.unlock(kAnna, kOrder).deliver();
  }

  EXPECT_EQ(locks.lastEvent(), 20u);
  const LockEvents found = locks.eventsAfter(3, 4);
  EXPECT_EQ(found.lost, 7u);
  ASSERT_EQ(found.events.size(), 4u);
  EXPECT_EQ(found.events.front().sequence, 11u);
  EXPECT_EQ(found.next, 14u);

  const LockEvents rest = locks.eventsAfter(found.next);
  EXPECT_EQ(rest.lost, 0u);
  ASSERT_EQ(rest.events.size(), 6u);
  EXPECT_EQ(rest.events.back().sequence, 20u);
  EXPECT_EQ(rest.next, 20u);
  EXPECT_EQ(locks.eventsAfter(1'000).next, 20u) << "a number of an earlier life";
}

TEST(EventLog, WhenNoneAreKeptThenTheyAreCountedAllTheSame) {
  const ManualClock clock;
  LockManager locks(clock, {.keptEvents = 0});
  locks.signOn(kAnna);
  LockWatch watch = locks.watch(kOrder);
  LockRequest request;
  request.locker = kAnna;
  request.target = kOrder;
  locks.request(request, [](const LockAnswer&) {}).deliver();

  const LockEvents found = locks.eventsAfter(0);
  EXPECT_EQ(found.lost, 1u);
  EXPECT_TRUE(found.events.empty());
}

// --- Subscribers ---------------------------------------------------------------------------------

/// Given: somebody is told of news, and reads them at once.
class Subscribers : public Events {
 protected:
  int calls = 0;
  std::size_t read = 0;
  LockSubscription subscription = locks.subscribe([this] {
    ++calls;
    read += told().size();
  });
};

TEST_F(Subscribers, WhenACallMakesSeveralEventsThenTheyAreToldOnceAndTheLockManagerMayBeAsked) {
  ask(kAnna, kOrder, Exclusive);
  ask(kBen, kOrder, Share);
  ask(kCleo, kOrder, Share);
  calls = 0;
  read = 0;
  unlock(kAnna, kOrder);

  EXPECT_EQ(calls, 1);
  EXPECT_EQ(read, 3u);
}

TEST_F(Subscribers, WhenThereIsNoEventThenNobodyIsTold) {
  ask(kAnna, kStock, Exclusive);
  unlock(kAnna, kStock);
  EXPECT_EQ(calls, 0);
}

TEST_F(Subscribers, WhenTheSubscriptionHasEndedThenItIsToldNoMore) {
  subscription = {};
  ask(kAnna, kOrder, Exclusive);
  EXPECT_EQ(calls, 0);
}

TEST_F(Subscribers, WhenOneThrowsThenTheOthersAreToldAllTheSame) {
  const LockSubscription bad = locks.subscribe([] { throw std::runtime_error("not now"); });
  int others = 0;
  const LockSubscription other = locks.subscribe([&] { ++others; });
  ask(kAnna, kOrder, Exclusive);

  EXPECT_EQ(calls, 1);
  EXPECT_EQ(others, 1);
}

TEST_F(Subscribers, WhenAnAnswerIsOwedThenItIsToldFirst) {
  Told order;
  const LockSubscription other = locks.subscribe([&] { order.emplace_back("news"); });
  locks
      .request(wish(kAnna, kOrder, Exclusive),
               [&](const LockAnswer&) { order.emplace_back("answer"); })
      .deliver();

  EXPECT_EQ(order, (Told{"answer", "news"}));
}

}  // namespace
}  // namespace nephrite

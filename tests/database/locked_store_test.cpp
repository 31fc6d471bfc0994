// Locks and commits of one LockedStore, met in moments that only it knows.

#include "runtime/database/locked_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "tests/database/store_with_hooks.h"

namespace nephrite {
namespace {

using testing::HasSubstr;

/// Given: two orders in a store of their own, and three lockers.
class ALockedStore : public testing::Test {
 protected:
  static constexpr LockerId kAnna{1}, kBen{2}, kCleo{3};

  ALockedStore() {
    ObjectStore::Options inMemory;
    inMemory.inMemory = true;
    store = std::make_shared<StoreWithHooks>(ObjectStore::open(inMemory));
    const auto order =
        store->defineClass({.name = "Order", .properties = {{"total", ValueType::Integer}}});
    for (Oid* const oid : {&first, &second}) {
      *oid = store->newOid(order->number);
      ChangeSet changes;
      changes.changes.push_back({ChangeKind::Create, {*oid, 1, {0}, {}}});
      store->commit(changes);
    }
    LockedStore::Options options;
    options.fetch = [this](Oid oid) {
      whenFetched(oid);
      return store->fetch(oid);
    };
    locked = std::make_unique<LockedStore>(store, clock, options);
    for (const LockerId locker : {kAnna, kBen, kCleo}) locked->signOn(locker);
  }
  ~ALockedStore() override {
    for (const LockerId locker : {kAnna, kBen, kCleo}) locked->signOff(locker);
  }

  LockRequest request(LockerId locker, Oid oid, LockType type, LockTimeout timeout) {
    LockRequest made;
    made.locker = locker;
    made.target = {oid.bits()};
    made.type = type;
    made.timeout = timeout;
    made.inState = true;
    made.id = 1;
    return made;
  }
  LockOutcome tries(LockerId locker, Oid oid, LockType type) {
    std::optional<LockOutcome> outcome;
    locked->lock({request(locker, oid, type, LockTimeout::immediate())},
                 [&](const LockReply& reply) { outcome = reply.lock.outcome; });
    return outcome.value();
  }
  bool gets(LockerId locker, Oid oid, LockType type) {
    return tries(locker, oid, type) == LockOutcome::Granted;
  }

  /// Anna commits that `first` has a total.
  CommitReply commit(std::int32_t total) {
    CommitRequest request;
    request.upgrade.locker = kAnna;
    request.changes.changes.push_back(
        {ChangeKind::Update, {first, locked->store().fetch(first)->edition, {total}, {}}});
    std::optional<CommitReply> told;
    locked->commit(std::move(request), [&](const CommitReply& reply) { told = reply; });
    return told.value();
  }

  /// What `takesAway` does while Anna's commit is written has no effect before that has ended.
  void expectToWaitForTheCommit(const std::function<void()>& takesAway) {
    ASSERT_TRUE(gets(kAnna, first, LockType::Exclusive));
    int looked = 0;
    store->beforeCommit = [&] {
      takesAway();
      EXPECT_FALSE(gets(kBen, first, LockType::Share)) << "it is being changed";
      ++looked;
    };

    EXPECT_EQ(commit(7).outcome, CommitReply::Outcome::Committed);

    EXPECT_EQ(looked, 1);
    EXPECT_TRUE(gets(kBen, first, LockType::Exclusive));
    EXPECT_EQ(locked->fetch(first)->edition, 2u);
  }

  ManualClock clock;
  std::shared_ptr<StoreWithHooks> store;
  std::function<void(Oid)> whenFetched = [](Oid) {};
  Oid first, second;
  std::unique_ptr<LockedStore> locked;
};

// The cancel came when the flag had been looked at and the lock was not in its queue yet.
TEST_F(ALockedStore, WhenManyLocksAreCancelledBetweenTwoThenTheNextIsNotWaitedFor) {
  ASSERT_TRUE(gets(kBen, second, LockType::Exclusive));
  bool cancelled = false;
  whenFetched = [&](Oid oid) {
    if (oid != second || std::exchange(cancelled, true)) return;
    locked->cancel(kAnna, 1);
  };

  std::optional<LockAllReply> told;
  // Update: for that each object is looked at before it is asked for.
  locked->lockAll({request(kAnna, Oid(), LockType::Update, LockTimeout::infinite()),
                   {{first, Existence::Required}, {second, Existence::Required}}},
                  [&](const LockAllReply& reply) { told = reply; });

  EXPECT_TRUE(cancelled);
  ASSERT_TRUE(told.has_value()) << "it waits for ever";
  EXPECT_EQ(told->granted, 1u);
  EXPECT_EQ(told->refused.value().lock.outcome, LockOutcome::Cancelled);
}

TEST_F(ALockedStore, WhenAnOperatorTakesTheLockOfACommitThenItGoesWhenThatHasEnded) {
  expectToWaitForTheCommit([&] {
    EXPECT_EQ(locked->breakLock(kAnna, first, {"ops", "urgent"}), LockedStore::Broken::AfterCommit);
    EXPECT_EQ(locked->breakLock(kAnna, second, {"ops", "urgent"}), LockedStore::Broken::NotHeld);
  });
}

TEST_F(ALockedStore, WhenTheLockOfACommitIsLetGoThenItGoesWhenThatHasEnded) {
  expectToWaitForTheCommit([&] { EXPECT_TRUE(locked->unlock(kAnna, first)); });
}

TEST_F(ALockedStore, WhenTransactionLocksAreReleasedDuringACommitThenTheyGoWhenThatHasEnded) {
  expectToWaitForTheCommit([&] { locked->releaseTransactionLocks(kAnna); });
}

TEST_F(ALockedStore, WhenALevelIsReleasedDuringACommitThenItGoesWhenThatHasEnded) {
  expectToWaitForTheCommit([&] { locked->releaseLevel(kAnna, 0); });
}

TEST_F(ALockedStore, WhenItsLockIsAskedForAnewDuringACommitThenThatIsCancelled) {
  expectToWaitForTheCommit([&] {
    LockRequest lower = request(kAnna, first, LockType::Share, LockTimeout::immediate());
    lower.inState = false;
    std::optional<LockOutcome> outcome;
    locked->lock({lower}, [&](const LockReply& reply) { outcome = reply.lock.outcome; });
    EXPECT_EQ(outcome, LockOutcome::Cancelled);
  });
}

TEST_F(ALockedStore, WhenItsLockIsAskedForAnewOnTheFastPathThenThatGetsNothing) {
  expectToWaitForTheCommit([&] {
    const LockRequest lower = request(kAnna, first, LockType::Share, LockTimeout::immediate());
    for (const bool inState : {true, false}) {
      LockRequest asked = lower;
      asked.inState = inState;
      const LockerRef anna = locked->locks().find(kAnna);
      EXPECT_FALSE(locked->lockAtOnce(anna, first, asked.terms()));
      EXPECT_FALSE(locked->lockInMemory(anna, first, asked.terms()));
      EXPECT_EQ(locked->lockForChange(anna, first, asked.terms()).number, 0u);
    }
  });
}

TEST_F(ALockedStore, WhenTheCommitFailsThenWhatAnOperatorTookIsGone) {
  ASSERT_TRUE(gets(kAnna, first, LockType::Exclusive));
  store->beforeCommit = [&] {
    EXPECT_EQ(locked->breakLock(kAnna, first, {"ops", "urgent"}), LockedStore::Broken::AfterCommit);
    throw StoreException(StoreException::Reason::Io, "no space left on /data");
  };
  const CommitReply failed = commit(7);
  EXPECT_EQ(failed.outcome, CommitReply::Outcome::Failed);
  EXPECT_EQ(failed.failure.value().code, ErrorCode::StoreFailed);
  store->beforeCommit = [] {};

  const CommitReply refused = commit(7);

  EXPECT_EQ(refused.outcome, CommitReply::Outcome::Failed);
  EXPECT_EQ(refused.failure.value().code, ErrorCode::LockLost);
  EXPECT_EQ(refused.failure->object, first);
  EXPECT_THAT(refused.failure->what, HasSubstr("by ops"));
  EXPECT_TRUE(gets(kBen, first, LockType::Exclusive));
}

TEST_F(ALockedStore, WhenTheTransactionHasEndedThenWhatAnOperatorTookIsForgotten) {
  ASSERT_TRUE(gets(kAnna, first, LockType::Exclusive));
  EXPECT_EQ(locked->breakLock(kAnna, first, {"ops", "urgent"}), LockedStore::Broken::Now);
  locked->releaseTransactionLocks(kAnna);

  const CommitReply refused = commit(7);

  EXPECT_EQ(refused.failure.value().code, ErrorCode::LockLost) << "it holds no lock";
  EXPECT_THAT(refused.failure->what, testing::Not(HasSubstr("ops")));
}

// --- A commit that waits for locks ---------------------------------------------------------------

// It would wait for Ben, keep others waiting, and fail all the same.
TEST_F(ALockedStore, WhenALockOfACommitIsLostThenItFailsAtOnceAndWaitsForNone) {
  ASSERT_TRUE(gets(kAnna, first, LockType::Update));
  ASSERT_TRUE(gets(kBen, first, LockType::Share));
  ASSERT_TRUE(gets(kAnna, second, LockType::Exclusive));
  ASSERT_EQ(locked->breakLock(kAnna, second, {"ops", "urgent"}), LockedStore::Broken::Now);
  CommitRequest request;
  request.upgrade = this->request(kAnna, first, LockType::Exclusive, LockTimeout::infinite());
  request.updateLocked = {first};
  for (const Oid oid : {first, second}) {
    request.changes.changes.push_back({ChangeKind::Update, {oid, 1, {7}, {}}});
  }
  std::optional<CommitReply> told;

  locked->commit(request, [&](const CommitReply& reply) { told = reply; });

  ASSERT_TRUE(told && told->failure) << "it waits";
  EXPECT_EQ(told->failure->code, ErrorCode::LockLost);
  EXPECT_THAT(told->failure->what, HasSubstr("urgent"));
  EXPECT_TRUE(gets(kCleo, first, LockType::Share)) << "nobody stands in her way";
}

// She has locked the first order alone, and waits for whoever reads the second.
TEST_F(ALockedStore, WhenALockIsLostWhileItsCommitWaitsForOthersThenItWaitsNoLonger) {
  ASSERT_TRUE(gets(kAnna, first, LockType::Exclusive));
  ASSERT_TRUE(gets(kAnna, second, LockType::Update));
  ASSERT_TRUE(gets(kBen, second, LockType::Share));
  CommitRequest commit;
  commit.upgrade = request(kAnna, second, LockType::Exclusive, LockTimeout::infinite());
  commit.updateLocked = {second};
  for (const Oid oid : {first, second}) {
    commit.changes.changes.push_back({ChangeKind::Update, {oid, 1, {7}, {}}});
  }
  std::optional<CommitReply> told;
  locked->commit(std::move(commit), [&](const CommitReply& reply) { told = reply; });
  ASSERT_FALSE(told) << "Ben reads";

  EXPECT_EQ(locked->breakLock(kAnna, first, {"ops", "urgent"}), LockedStore::Broken::Now);

  ASSERT_TRUE(told);
  EXPECT_EQ(told->outcome, CommitReply::Outcome::Failed);
  ASSERT_TRUE(told->failure);
  EXPECT_EQ(told->failure->code, ErrorCode::LockLost);
  EXPECT_EQ(told->failure->object, first);
  EXPECT_THAT(told->failure->what, HasSubstr("by ops"));
  EXPECT_EQ(locked->typeHeld(kAnna, second), LockType::Update);
  EXPECT_TRUE(gets(kBen, first, LockType::Exclusive));
}

// --- Fencing tokens ------------------------------------------------------------------------------

/// Given: a store whose tokens are reserved a hundred at a time, from a store that has begun to
/// fail.
class GivenTokensThatRunOut : public ALockedStore {
 protected:
  GivenTokensThatRunOut() {
    for (const LockerId locker : {kAnna, kBen, kCleo}) locked->signOff(locker);
    begin();
    store->numbersFail = true;
  }
  void begin() {
    LockedStore::Options options;
    options.durableTokens = true;
    options.tokenBlock = 100;
    locked = std::make_unique<LockedStore>(store, clock, options);
    for (const LockerId locker : {kAnna, kBen, kCleo}) locked->signOn(locker);
  }
  LockReply ask(LockerId locker, Oid oid) {
    std::optional<LockReply> told;
    locked->lock({request(locker, oid, LockType::Exclusive, LockTimeout::immediate())},
                 [&](const LockReply& reply) { told = reply; });
    return told.value();
  }
  /// Anna and Ben lock the order in turn until one of them is refused; the largest token given.
  FencingToken lockUntilRefused() {
    FencingToken largest;
    for (int i = 0; i < 1'000; ++i) {
      const LockerId locker = i % 2 == 0 ? kAnna : kBen;
      refused = ask(locker, first);
      if (refused.failure) return largest;
      EXPECT_TRUE(refused.isGranted());
      EXPECT_GT(refused.lock.token, largest);
      largest = refused.lock.token;
      locked->unlock(locker, first);
    }
    ADD_FAILURE() << "a thousand of a hundred were given";
    return largest;
  }

  LockReply refused;
};

TEST_F(GivenTokensThatRunOut, WhenOneIsNotReservedThenTheLockIsHeldAndTheRequestFails) {
  lockUntilRefused();

  ASSERT_TRUE(refused.failure);
  EXPECT_EQ(refused.failure->code, ErrorCode::StoreFailed);
  EXPECT_THAT(refused.failure->what,
              testing::AllOf(HasSubstr("fencing token"), HasSubstr("no space left on /data")));
  const LockerId holder = refused.lock.request.locker;
  EXPECT_FALSE(gets(kCleo, first, LockType::Share)) << "it is held";
  EXPECT_TRUE(ask(holder, first).failure) << "asked for again, it fails again";
  EXPECT_FALSE(locked->lockAtOnce(
      locked->locks().find(holder), first,
      request(holder, first, LockType::Exclusive, LockTimeout::immediate()).terms()));

  store->numbersFail = false;
  EXPECT_FALSE(ask(holder, first).failure);
}

TEST_F(GivenTokensThatRunOut, WhenTheProgramStartsAgainThenItsTokensAreLargerThanAnyThatWasGiven) {
  const FencingToken largest = lockUntilRefused();

  for (const LockerId locker : {kAnna, kBen, kCleo}) locked->signOff(locker);
  store->numbersFail = false;
  begin();

  EXPECT_GT(ask(kAnna, first).lock.token, largest);
}

}  // namespace
}  // namespace nephrite

// A client node asks for a lock and is not answered: until the server has said what its process
// holds of that object, nothing about it is answered from memory.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/process/process_machine.h"
#include "tests/spoken/spoken_node.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

struct Asking {
  LockType type = LockType::Share;
  LockDuration duration = LockDuration::Transaction;
  bool inState = false;
};

/// Given: Anna at a node that has two orders in its cache.
class UnansweredRequest : public SpokenNode<> {
 protected:
  UnansweredRequest() {
    for (const Oid oid : {order, other}) {
      carrier.stored = std::make_shared<const ObjectRecord>(ObjectRecord{oid, 1, {}, {}});
      database.fetch(oid);
    }
  }

  LockRequest requestOf(const Asking& asking, Oid oid) const {
    LockRequest request;
    request.locker = kAnna;
    request.target = {oid.bits()};
    request.type = asking.type;
    request.duration = asking.duration;
    request.inState = asking.inState;
    request.timeout = LockTimeout::immediate();
    return request;
  }

  /// The id of the request that the server heard; 0: it was answered from memory.
  wire::RequestId ask(const Asking& asking, Oid oid) {
    const std::size_t before = carrier.heard.size();
    database.lock({requestOf(asking, oid), Existence::Required},
                  [this](const LockReply& told) { reply = told; });
    return carrier.heard.size() == before ? 0 : carrier.lastId();
  }
  wire::RequestId ask(const Asking& asking) { return ask(asking, order); }
  wire::RequestId askForBoth(const Asking& asking) {
    ObjectLockBatch wish;
    wish.request = requestOf(asking, Oid());
    for (const Oid oid : {order, other}) wish.targets.push_back({oid, Existence::Required});
    database.lockAll(wish, [](const LockAllReply&) {});
    return carrier.lastId();
  }

  static wire::LockGrant grantOf(LockType type, LockType session = LockType::Get,
                                 std::uint32_t place = 0) {
    return {{100}, Instant{}, place, 0, type, session};
  }
  void grant(wire::RequestId asked, LockType type, LockType session = LockType::Get) {
    carrier.say(wire::LockAnswered{asked, {}, {}, {grantOf(type, session)}});
  }
  void holds(LockType type, LockType session = LockType::Get, bool inState = false) {
    const bool forSession = session != LockType::Get;
    grant(ask({type, forSession ? LockDuration::Session : LockDuration::Transaction, inState}),
          type, session);
  }
  /// The last request was not answered in time.
  void giveUp() {
    clock.advance(1500ms);
    carrier.tick();
    ASSERT_TRUE(reply && reply->failure);
    EXPECT_EQ(reply->failure->code, ErrorCode::NoAnswer);
  }
  template <class Message>
  long heard() const {
    return std::count_if(carrier.heard.begin(), carrier.heard.end(), [](const auto& message) {
      return std::holds_alternative<Message>(message);
    });
  }
  LockType held() const { return database.typeHeld(kAnna, order); }

  const Oid order{Lifetime::Persistent, 2048, 5}, other{Lifetime::Persistent, 2048, 6};
  std::optional<LockReply> reply;
};

// Docs/locking.md, section 2.1: outside of any state a weaker request lowers the type at once, and
// others may have the lock that was held.
TEST_F(UnansweredRequest, WhenALowerTypeWasAskedForThenTheHigherIsNotGrantedFromMemory) {
  holds(LockType::Reserve, LockType::Reserve);
  EXPECT_EQ(ask({LockType::Reserve, LockDuration::Session}), 0u) << "it is held for sure";

  EXPECT_NE(ask({LockType::Share, LockDuration::Session}), 0u);
  giveUp();

  EXPECT_EQ(held(), LockType::Get);
  EXPECT_FALSE(database.lockKnown(kAnna, order));
  EXPECT_NE(ask({LockType::Reserve, LockDuration::Session}), 0u);
}

TEST_F(UnansweredRequest, WhenALowerTypeOfTransactionDurationWasAskedForThenNeitherIsIt) {
  holds(LockType::Exclusive);

  EXPECT_NE(ask({LockType::Reserve}), 0u);
  giveUp();

  EXPECT_NE(ask({LockType::Exclusive}), 0u);
}

TEST_F(UnansweredRequest, WhenALongerDurationWasAskedForThenNeitherIsIt) {
  holds(LockType::Reserve);

  EXPECT_NE(ask({LockType::Share, LockDuration::Session}), 0u);
  giveUp();

  EXPECT_NE(ask({LockType::Reserve}), 0u);
}

TEST_F(UnansweredRequest, WhenTheRequestIsStillOnItsWayThenNeitherIsIt) {
  holds(LockType::Exclusive);

  EXPECT_NE(ask({LockType::Share}), 0u);

  EXPECT_EQ(held(), LockType::Get);
  EXPECT_NE(ask({LockType::Exclusive}), 0u);
}

TEST_F(UnansweredRequest, WhenAllOfSeveralWereAskedForThenNoneIsGrantedFromMemory) {
  for (const Oid oid : {order, other}) grant(ask({LockType::Exclusive}, oid), LockType::Exclusive);

  askForBoth({LockType::Share});
  clock.advance(2500ms);
  carrier.tick();

  for (const Oid oid : {order, other}) EXPECT_EQ(database.typeHeld(kAnna, oid), LockType::Get);
  EXPECT_THAT(database.mayHold(kAnna, std::array{order, other}), ElementsAre(true, true));
  EXPECT_NE(ask({LockType::Exclusive}, other), 0u);
}

// A refusal at the first object says that the request has not come to the second.
TEST_F(UnansweredRequest, WhenEachOfManyIsRefusedBeforeItCameToAnObjectThenWhatIsHeldOfThatIsSure) {
  grant(ask({LockType::Share, LockDuration::Session}, other), LockType::Share, LockType::Share);
  std::vector<wire::RequestId> asked;
  for (int i = 0; i < 3; ++i) asked.push_back(askForBoth({LockType::Exclusive}));
  clock.advance(2500ms);
  carrier.tick();

  wire::LockReply refused;
  refused.reply.lock.outcome = LockOutcome::Refused;
  for (const wire::RequestId each : asked) {
    EXPECT_EQ(database.typeHeld(kAnna, other), LockType::Get);
    carrier.say(wire::LockAnswered{each, {refused}, {}, {}});
  }

  EXPECT_EQ(database.typeHeld(kAnna, other), LockType::Share);
}

// The server answered the first before it heard of the second.
TEST_F(UnansweredRequest, WhenTheGrantOfAnEarlierOneComesThenItIsNotSureEither) {
  const wire::RequestId first = ask({LockType::Exclusive});
  const std::uint64_t seen = carrier.lastReceived();
  EXPECT_NE(ask({LockType::Share}), 0u);

  carrier.sayHavingSeen(seen, wire::LockAnswered{first, {}, {}, {grantOf(LockType::Exclusive)}});

  EXPECT_EQ(held(), LockType::Get);
  EXPECT_NE(ask({LockType::Exclusive}), 0u);
}

TEST_F(UnansweredRequest, WhenSeveralOthersAreAskedForThenTheGrantOfAnEarlierOneIsSure) {
  const wire::RequestId earlier = ask({LockType::Exclusive});
  const std::uint64_t seen = carrier.lastReceived();
  ObjectLockBatch others;
  others.request = requestOf({LockType::Share}, Oid());
  for (const std::uint64_t instance : {8u, 7u, 6u}) {
    others.targets.push_back({Oid(Lifetime::Persistent, 2048, instance), Existence::Required});
  }
  database.lockAll(others, [](const LockAllReply&) {});

  carrier.sayHavingSeen(seen, wire::LockAnswered{earlier, {}, {}, {grantOf(LockType::Exclusive)}});

  EXPECT_EQ(held(), LockType::Exclusive);
}

TEST_F(UnansweredRequest, WhenTheServerSaysLateWhatIsHeldThenThatIsSure) {
  holds(LockType::Exclusive);
  const wire::RequestId asked = ask({LockType::Share, LockDuration::Session});
  giveUp();

  grant(asked, LockType::Share, LockType::Share);

  EXPECT_EQ(held(), LockType::Share);
  EXPECT_EQ(ask({LockType::Share, LockDuration::Session}), 0u);
  EXPECT_EQ(heard<wire::Unlock>(), 0) << "she held it before";
}

TEST_F(UnansweredRequest, WhenALaterOneIsAnsweredThenWhatItSaysIsSure) {
  holds(LockType::Exclusive);
  ask({LockType::Share});
  giveUp();

  grant(ask({LockType::Reserve}), LockType::Reserve);

  EXPECT_EQ(held(), LockType::Reserve);
  EXPECT_EQ(ask({LockType::Reserve}), 0u);
}

TEST_F(UnansweredRequest, WhenItWasRefusedThenWhatTheServerSaysIsHeldIsSure) {
  holds(LockType::Share, LockType::Share);
  const wire::RequestId asked = ask({LockType::Exclusive, LockDuration::Session});

  wire::LockReply refused;
  refused.reply.lock.outcome = LockOutcome::Refused;
  refused.held = LockInfo{};
  refused.held->type = refused.held->session = LockType::Share;
  carrier.say(wire::LockAnswered{asked, {refused}, {}, {}});

  EXPECT_EQ(held(), LockType::Share);
}

TEST_F(UnansweredRequest, WhenTwoAreAnsweredLateThenWhatWasHeldBeforeThemIsNotReleased) {
  holds(LockType::Exclusive, LockType::Exclusive);
  const wire::RequestId first = ask({LockType::Reserve, LockDuration::Session});
  giveUp();
  const wire::RequestId second = ask({LockType::Share, LockDuration::Session});
  giveUp();

  grant(first, LockType::Share, LockType::Share);
  grant(second, LockType::Share, LockType::Share);

  EXPECT_EQ(held(), LockType::Share);
  EXPECT_EQ(heard<wire::Unlock>(), 0);
}

// What was released meanwhile is not to come back by a grant that nobody waits for.
TEST_F(UnansweredRequest, WhenItIsGrantedLateAfterAnUnlockThenItIsGivenBack) {
  holds(LockType::Share, LockType::Share);
  const wire::RequestId asked = ask({LockType::Exclusive, LockDuration::Session});
  giveUp();
  EXPECT_TRUE(database.unlock(kAnna, order));

  grant(asked, LockType::Exclusive, LockType::Exclusive);

  EXPECT_EQ(held(), LockType::Get);
  EXPECT_EQ(heard<wire::Unlock>(), 2);
}

// The server alone knows whether it is Update still.
TEST_F(UnansweredRequest, WhenAChangeUnderUpdateIsCommittedThenTheServerIsAskedToUpgradeIt) {
  holds(LockType::Update, LockType::Get, true);
  ask({LockType::Exclusive, LockDuration::Transaction, true});
  giveUp();

  CommitRequest commit;
  commit.upgrade.locker = kAnna;
  commit.changes.id = {kAnna.value, 1};
  commit.changes.changes.emplace_back(ChangeKind::Update, ObjectRecord{order, 1, {}, {}});
  database.commit(std::move(commit), [](const CommitReply&) {});

  const auto& sent = std::get<wire::Commit>(carrier.heard.back()).request;
  EXPECT_THAT(sent.updateLocked, ElementsAre(order));
}

// Docs/locking.md, section 7: a lock on an object ends with the transaction that would have made
// it.
TEST_F(UnansweredRequest, WhenItsObjectIsNewAndTheTransactionIsAbortedThenItIsUnlockedAllTheSame) {
  ProcessInfo info;
  info.locker = kAnna;
  ProcessMachine anna(database, info);
  anna.begin(Lifetime::Persistent);
  carrier.fresh = order;
  std::optional<ErrorCode> error;
  ASSERT_EQ(anna.create(Lifetime::Persistent, order.classNumber(), error), order);
  holds(LockType::Share, LockType::Share, true);
  ask({LockType::Exclusive, LockDuration::Session, true});
  giveUp();

  anna.abort(Lifetime::Persistent);

  EXPECT_EQ(heard<wire::Unlock>(), 1);
}

// Process::lockAll(), when it is refused, gives back what was not held before.
TEST_F(UnansweredRequest, WhenItIsNotSureThenItCountsAsHeldBeforeALockOfSeveral) {
  holds(LockType::Exclusive, LockType::Exclusive);
  ask({LockType::Share, LockDuration::Session});
  giveUp();

  EXPECT_EQ(held(), LockType::Get);
  EXPECT_THAT(database.mayHold(kAnna, std::array{order, other}), ElementsAre(true, false));
}

// A grant may be on its way that the server decided before any of them.
TEST_F(UnansweredRequest, WhenMoreWasReleasedSinceThanIsRememberedThenAnEarlierGrantIsNotSure) {
  const wire::RequestId asked = ask({LockType::Exclusive});
  const std::uint64_t seen = carrier.lastReceived();
  database.unlock(kAnna, order);
  for (int i = 0; i < 5000; ++i) database.unlock(kAnna, other);

  carrier.sayHavingSeen(seen, wire::LockAnswered{asked, {}, {}, {grantOf(LockType::Exclusive)}});

  EXPECT_EQ(held(), LockType::Get);
  EXPECT_NE(ask({LockType::Exclusive}), 0u);
}

}  // namespace
}  // namespace nephrite

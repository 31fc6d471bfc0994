// What a server says to those who ask for locks: a grant in few words where there is nothing else
// to say, a whole reply where there is.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "runtime/database/locker_port.h"
#include "tests/spoken/spoken_server.h"

namespace nephrite {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::uint32_t> placesOf(const wire::LockAnswered& answered) {
  std::vector<std::uint32_t> places;
  for (const wire::LockGrant& grant : answered.grants) places.push_back(grant.place);
  return places;
}

std::vector<LockOutcome> outcomesOf(const wire::LockAnswered& answered) {
  std::vector<LockOutcome> outcomes;
  for (const wire::LockReply& reply : answered.replies) {
    outcomes.push_back(reply.reply.lock.outcome);
  }
  return outcomes;
}

/// Given: a server with four objects in their first edition, and two client nodes with a process
/// each: Anna, and Ben, who holds the last object exclusively. Anna's takes grants, or not.
class LockAnswers : public testing::TestWithParam<bool>, protected SpokenServer {
 protected:
  LockAnswers() : annas(connect(GetParam())), bens(connect()) {
    anna = signOn(annas);
    ben = signOn(bens);
    ClassDef order;
    order.name = "Order";
    annas->say(wire::DefineClass{1, order});
    const auto number = annas->last<wire::ClassReply>().definition.number;
    CommitRequest made;
    made.upgrade.locker = anna;
    made.changes.id = {anna.value, 1};
    for (int i = 0; i < 4; ++i) {
      const Oid oid = database.newOid(Lifetime::Persistent, number);
      objects.push_back(oid);
      LockRequest request = asks(anna, oid);
      annas->say(wire::Lock{2, {{request, Existence::CreatedByLocker}, 0}});
      made.changes.changes.emplace_back(ChangeKind::Create, ObjectRecord{oid, 1, {}, {}});
    }
    annas->say(wire::Commit{3, made});
    EXPECT_EQ(annas->last<wire::CommitReply>().reply.outcome, CommitReply::Outcome::Committed);
    bens->say(wire::Lock{1, {{asks(ben, objects[3])}, 0}});
  }

  wire::LockAll all(const std::vector<std::uint32_t>& editions) const {
    wire::LockAll message{9, asks(anna, Oid()), {}};
    for (std::size_t i = 0; i < editions.size(); ++i) {
      message.targets.push_back({objects[i], editions[i]});
    }
    return message;
  }

  const std::shared_ptr<SpokenConnection> annas, bens;
  LockerId anna, ben;
  std::vector<Oid> objects;
};

TEST_P(LockAnswers, WhenTheLatestEditionIsKnownThenAGrantSaysAllThereIs) {
  annas->say(wire::Lock{9, {{asks(anna, objects[0])}, 1}});

  const auto answered = annas->last<wire::LockAnswered>();
  const auto held = database.port(anna)->lockStatus(objects[0]);
  ASSERT_TRUE(held);
  if (GetParam()) {
    ASSERT_THAT(answered.grants, SizeIs(1));
    const wire::LockGrant& grant = answered.grants[0];
    EXPECT_THAT(answered.replies, IsEmpty());
    EXPECT_EQ(grant.token, held->token);
    EXPECT_EQ(grant.type, LockType::Exclusive);
    EXPECT_EQ(grant.session, LockType::Get);
  } else {
    ASSERT_THAT(answered.replies, SizeIs(1));
    EXPECT_THAT(answered.grants, IsEmpty());
    EXPECT_EQ(answered.replies[0].reply.lock.token, held->token);
    EXPECT_TRUE(answered.replies[0].unchanged);
  }
}

TEST_P(LockAnswers, WhenAnotherEditionIsKnownThenTheReplyBringsTheObject) {
  annas->say(wire::Lock{9, {{asks(anna, objects[0])}, 7}});

  const auto answered = annas->last<wire::LockAnswered>();
  EXPECT_THAT(answered.grants, IsEmpty());
  ASSERT_THAT(answered.replies, SizeIs(1));
  ASSERT_NE(answered.replies[0].reply.record, nullptr);
  EXPECT_EQ(answered.replies[0].reply.record->edition, 1u);
  ASSERT_TRUE(answered.replies[0].held);
  EXPECT_EQ(answered.replies[0].held->type, LockType::Exclusive);
}

TEST_P(LockAnswers, WhenSomeObjectsAreMissedThenOnlyTheseHaveReplies) {
  annas->say(all({1, 0, 1}));

  const auto answered = annas->last<wire::LockAnswered>();
  EXPECT_EQ(answered.count(), 3u);
  if (GetParam()) {
    EXPECT_THAT(placesOf(answered), ElementsAre(0u, 2u));
    ASSERT_THAT(answered.replies, SizeIs(1));
    EXPECT_EQ(answered.replies[0].reply.record->oid, objects[1]);
  } else {
    EXPECT_THAT(answered.replies, SizeIs(3));
  }
}

TEST_P(LockAnswers, WhenTheLastHasToWaitThenAllAreAnsweredInOrderWhenItIsGranted) {
  annas->say(all({1, 0, 1, 1}));
  EXPECT_THAT(annas->heard, IsEmpty());

  bens->say(wire::Unlock{ben, objects[3]});

  const auto answered = annas->last<wire::LockAnswered>();
  EXPECT_THAT(placesOf(answered), IsEmpty());
  EXPECT_THAT(outcomesOf(answered), ElementsAre(LockOutcome::Granted, LockOutcome::Granted,
                                                LockOutcome::Granted, LockOutcome::Granted));
  EXPECT_TRUE(answered.replies[0].unchanged);
  EXPECT_EQ(answered.replies[1].reply.record->oid, objects[1]);
  EXPECT_NE(answered.replies[0].reply.lock.token, FencingToken());
  EXPECT_NE(answered.replies[3].reply.lock.token, FencingToken());
}

TEST_P(LockAnswers, WhenOneIsLetGoWhileTheLastWaitsThenItsReplySaysThatNothingIsHeld) {
  annas->say(all({1, 1, 1, 1}));
  annas->say(wire::Unlock{anna, objects[0]});

  bens->say(wire::Unlock{ben, objects[3]});

  const auto answered = annas->last<wire::LockAnswered>();
  ASSERT_THAT(answered.replies, SizeIs(4));
  EXPECT_FALSE(answered.replies[0].held);
  EXPECT_TRUE(answered.replies[1].held);
}

TEST_P(LockAnswers, WhenTheWaitForTheLastIsCancelledThenTheOthersStayGranted) {
  annas->say(all({1, 1, 1, 1}));
  annas->say(wire::Cancel{anna, 77});

  const auto answered = annas->last<wire::LockAnswered>();
  EXPECT_THAT(outcomesOf(answered), ElementsAre(LockOutcome::Granted, LockOutcome::Granted,
                                                LockOutcome::Granted, LockOutcome::Cancelled));
  EXPECT_TRUE(database.port(anna)->lockStatus(objects[0]));
}

TEST_P(LockAnswers, WhenSomebodyElseLocksThenAnUnlockServesThem) {
  annas->say(wire::Lock{9, {{asks(anna, objects[0])}, 1}});
  bens->say(wire::Lock{5, {{asks(ben, objects[0])}, 1}});
  EXPECT_THAT(bens->heard, IsEmpty());

  annas->say(wire::Unlock{anna, objects[0]});

  EXPECT_EQ(bens->last<wire::LockAnswered>().id, 5u);
  EXPECT_FALSE(database.port(anna)->lockStatus(objects[0]));
}

TEST_P(LockAnswers, WhenThereIsNoSuchObjectThenThatIsSaidAndNothingIsHeld) {
  const Oid none(Lifetime::Persistent, objects[0].classNumber(), 4711);
  annas->say(wire::Lock{9, {{asks(anna, none)}, 0}});

  const auto answered = annas->last<wire::LockAnswered>();
  ASSERT_THAT(answered.replies, SizeIs(1));
  EXPECT_TRUE(answered.replies[0].reply.missing);
  EXPECT_FALSE(database.port(anna)->lockStatus(none));
}

INSTANTIATE_TEST_SUITE_P(Client, LockAnswers, testing::Bool(), [](const auto& takesGrants) {
  return takesGrants.param ? "TakesGrants" : "TakesRepliesOnly";
});

// --- Scopes --------------------------------------------------------------------------------------

TEST_P(LockAnswers, WhenAllBelowIsLockedThenRepliesSayWhatIsHeldOfIt) {
  LockRequest request = asks(anna, objects[0]);
  request.scope = LockScope::Subtree;
  annas->say(wire::Lock{9, {{request}, 1}});
  auto answered = annas->last<wire::LockAnswered>();
  ASSERT_THAT(answered.replies, SizeIs(1));
  ASSERT_TRUE(answered.replies[0].held);
  EXPECT_EQ(answered.replies[0].held->below, LockType::Exclusive);
  EXPECT_EQ(answered.replies[0].held->scope, LockScope::Subtree);

  annas->say(wire::Lock{10, {{asks(anna, objects[0])}, 1}});
  answered = annas->last<wire::LockAnswered>();
  ASSERT_THAT(answered.replies, SizeIs(1)) << "a grant does not say it";
  EXPECT_EQ(answered.replies[0].held->below, LockType::Exclusive);
}

TEST_P(LockAnswers, WhenAnotherHasAllThatIsAboveThenTheRefusalSaysWhereAndWho) {
  ASSERT_EQ(database.setPlace(objects[1], objects[0]), LockManager::Placing::Done);
  LockRequest all = asks(ben, objects[0], LockType::Reserve);
  all.scope = LockScope::Subtree;
  bens->say(wire::Lock{9, {{all}, 1}});
  LockRequest below = asks(anna, objects[1]);
  below.timeout = LockTimeout::immediate();

  annas->say(wire::Lock{9, {{below}, 1}});

  auto answered = annas->last<wire::LockAnswered>();
  EXPECT_THAT(outcomesOf(answered), ElementsAre(LockOutcome::Refused));
  const LockAnswer& refused = answered.replies.at(0).reply.lock;
  EXPECT_EQ(refused.request.target.value, objects[1].bits());
  EXPECT_EQ(refused.lockedAt.value, objects[0].bits());
  EXPECT_EQ(refused.lockedBy, ben);
  EXPECT_EQ(refused.lockedType, LockType::Reserve);
  ASSERT_THAT(answered.people, SizeIs(1));
  EXPECT_EQ(answered.people[0].locker, ben);

  bens->say(wire::Unlock{ben, objects[0]});
  annas->say(wire::Lock{10, {{below}, 1}});
  EXPECT_EQ(annas->last<wire::LockAnswered>().count(), 1u);
  EXPECT_EQ(database.port(anna)->lockStatus(objects[1])->type, LockType::Exclusive);
}

TEST_P(LockAnswers, WhenSomebodyWaitsAboveThenTheListSaysThatItIsAMark) {
  ASSERT_EQ(database.setPlace(objects[1], objects[0]), LockManager::Placing::Done);
  LockRequest all = asks(ben, objects[0]);
  all.scope = LockScope::Subtree;
  bens->say(wire::Lock{9, {{all}, 1}});
  annas->say(wire::Lock{9, {{asks(anna, objects[1])}, 1}});

  bens->say(wire::Look{10, wire::Subject::LocksOn, objects[0], {}, 100});

  const auto listed = bens->last<wire::LocksReply>().locks;
  ASSERT_THAT(listed, SizeIs(2));
  EXPECT_EQ(listed[0].scope, LockScope::Subtree);
  EXPECT_EQ(listed[0].below, LockType::Exclusive);
  EXPECT_TRUE(listed[1].waiting && listed[1].isMark);
  EXPECT_EQ(listed[1].requestedBy, anna);
}

}  // namespace
}  // namespace nephrite

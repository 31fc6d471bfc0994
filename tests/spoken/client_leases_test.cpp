// What a client node makes of leases, families and resources: what it knows of its locks, what it
// says of them, and what it asks of a server that is older.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "tests/spoken/spoken_node.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

template <class Test>
class Given : public Test {
 protected:
  using Test::Test;

  /// What became of the last request, once it is answered.
  std::shared_ptr<std::optional<LockReply>> ask(LockType type,
                                                std::chrono::milliseconds lease = 0ms) {
    ObjectLockRequest wish;
    wish.request.locker = Test::kAnna;
    wish.request.target = {order.bits()};
    wish.request.type = type;
    wish.request.duration = LockDuration::Session;
    wish.request.lease.length = lease;
    const auto reply = std::make_shared<std::optional<LockReply>>();
    this->database.lock(wish, [reply](const LockReply& told) { *reply = told; });
    return reply;
  }
  wire::LockAnswered answer(LockType type, std::uint64_t token, std::chrono::milliseconds lease) {
    wire::LockReply granted;
    granted.reply.lock.request.target = {order.bits()};
    granted.reply.record = std::make_shared<const ObjectRecord>(ObjectRecord{order, 1, {}, {}});
    granted.held = LockInfo{};
    granted.held->type = type;
    granted.held->session = type;
    granted.held->token = {token};
    granted.held->lease.length = lease;
    wire::LockAnswered answered;
    answered.id = this->carrier.lastId();
    answered.replies.push_back(granted);
    return answered;
  }
  /// Anna has it, by the request that she makes now.
  void hold(LockType type, std::uint64_t token, std::chrono::milliseconds lease) {
    ask(type, lease);
    this->carrier.say(answer(type, token, lease));
  }
  void lapse(std::uint64_t token) {
    wire::LockLapsed lapsed;
    lapsed.lock.locker = Test::kAnna;
    lapsed.lock.target = {order.bits()};
    lapsed.lock.lease.length = 30s;
    lapsed.token = {token};
    this->carrier.say(lapsed);
  }
  LockType held() const { return this->database.typeHeld(Test::kAnna, order); }
  template <class Message>
  const Message* lastHeard() const {
    return std::get_if<Message>(&this->carrier.heard.back());
  }

  const Oid order{Lifetime::Persistent, 2048, 5};
};

using ClientLeases = Given<SpokenNode<>>;

TEST_F(ClientLeases, WhenALockHasALeaseThenEachRequestForItGoesToTheServer) {
  hold(LockType::Exclusive, 7, 30s);
  const std::size_t before = carrier.heard.size();
  const auto again = ask(LockType::Exclusive);
  EXPECT_FALSE(*again);
  EXPECT_EQ(carrier.heard.size(), before + 1);
}

TEST_F(ClientLeases, WhenALeaseIsWantedThenItIsAskedForThoughTheLockIsHeld) {
  hold(LockType::Exclusive, 7, 0ms);
  EXPECT_TRUE(*ask(LockType::Exclusive)) << "it is known here";
  EXPECT_FALSE(*ask(LockType::Exclusive, 30s));
  ASSERT_TRUE(lastHeard<wire::Lock>());
  EXPECT_EQ(lastHeard<wire::Lock>()->order.order.request.lease.length, 30s);
}

TEST_F(ClientLeases, WhenAllBelowIsWantedTooThenThatIsRefusedAndNoWeakerLockIsAskedFor) {
  const std::size_t before = carrier.heard.size();
  ObjectLockRequest wish;
  wish.request.locker = kAnna;
  wish.request.target = {order.bits()};
  wish.request.scope = LockScope::Subtree;
  std::optional<LockReply> reply;
  database.lock(wish, [&](const LockReply& told) { reply = told; });

  ASSERT_TRUE(reply && reply->failure);
  EXPECT_EQ(reply->failure->code, ErrorCode::NotLockable);
  EXPECT_THAT(reply->failure->what, HasSubstr("all that is below it"));
  EXPECT_EQ(carrier.heard.size(), before);
  EXPECT_EQ(held(), LockType::Get);
}

TEST_F(ClientLeases, WhenALockLapsesThenItIsNotHeldAndAChangeUnderItIsNotCommitted) {
  std::vector<LockAnswer> told;
  database.whenLapsed(kAnna, [&](const LockAnswer& answer) { told.push_back(answer); });
  hold(LockType::Exclusive, 7, 30s);
  const std::uint64_t before = database.lapses(Lifetime::Persistent);

  lapse(7);

  EXPECT_EQ(held(), LockType::Get);
  EXPECT_EQ(database.lapses(Lifetime::Persistent), before + 1);
  const auto why = database.lapsedSince(kAnna, order, before);
  ASSERT_TRUE(why);
  EXPECT_EQ(why->code, ErrorCode::LockLapsed);
  EXPECT_THAT(why->what, HasSubstr("30000 ms"));
  EXPECT_FALSE(database.lapsedSince(kAnna, order, before + 1));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told.front().outcome, LockOutcome::Lapsed);
  EXPECT_EQ(told.front().token, FencingToken{7});
  database.forgetLapses(kAnna);
  EXPECT_FALSE(database.lapsedSince(kAnna, order, before));
}

TEST_F(ClientLeases, WhenTheLockWasGrantedAnewThenTheLapseOfTheOldOneDoesNotTakeIt) {
  hold(LockType::Exclusive, 7, 30s);
  hold(LockType::Exclusive, 9, 30s);
  lapse(7);
  EXPECT_EQ(held(), LockType::Exclusive);
  lapse(9);
  EXPECT_EQ(held(), LockType::Get);
}

TEST_F(ClientLeases, WhenItLapsesBeforeTheGrantIsToldThenNothingIsHeld) {
  const auto reply = ask(LockType::Exclusive, 30s);
  wire::LockAnswered answered = answer(LockType::Exclusive, 7, 30s);
  answered.replies.front().held.reset();
  lapse(7);
  carrier.say(answered);
  ASSERT_TRUE(*reply);
  EXPECT_EQ(held(), LockType::Get);
}

TEST_F(ClientLeases, WhenAnObjectIsChangedThenTheServerIsToldOnlyIfThereIsALease) {
  hold(LockType::Exclusive, 7, 0ms);
  const std::size_t before = carrier.heard.size();
  EXPECT_FALSE(database.renew(kAnna, order, Renewal::Change));
  EXPECT_EQ(carrier.heard.size(), before);
  hold(LockType::Exclusive, 8, 30s);
  EXPECT_TRUE(database.renew(kAnna, order, Renewal::Change));
  ASSERT_TRUE(lastHeard<wire::Renew>());
  EXPECT_EQ(lastHeard<wire::Renew>()->id, 0u);
  EXPECT_EQ(lastHeard<wire::Renew>()->by, Renewal::Change);
}

TEST_F(ClientLeases, WhenAChildLeavesItsLocksThenWhatTheParentHoldsIsSureWhenTheServerHasSaid) {
  hold(LockType::Share, 7, 0ms);
  signOn(kBen, kAnna);
  ObjectLockRequest wish;
  wish.request.locker = kBen;
  wish.request.target = {order.bits()};
  database.lock(wish, [](const LockReply&) {});
  carrier.say(answer(LockType::Exclusive, 8, 0ms));
  EXPECT_EQ(database.typeHeld(kBen, order), LockType::Exclusive);

  database.signOffToParent(kBen, {2});

  const auto* const left = lastHeard<wire::SignOffProcess>();
  ASSERT_TRUE(left);
  EXPECT_TRUE(left->inherit);
  EXPECT_EQ(left->level, 2);
  EXPECT_EQ(held(), LockType::Get) << "it is not sure";
  EXPECT_EQ(database.mayHold(kAnna, {&order, 1}), std::vector{true});
  wire::LocksInherited told{kAnna, {LockInfo{}}};
  told.locks.front().target = {order.bits()};
  told.locks.front().type = LockType::Exclusive;
  told.locks.front().token = {8};
  carrier.say(told);
  EXPECT_EQ(held(), LockType::Exclusive);
}

TEST_F(ClientLeases, WhenAParentSignsOffThenItsChildCanAskForNothingAndTheServerEndsItsWaits) {
  signOn(kBen, kAnna);
  ObjectLockRequest wish;
  wish.request.locker = kBen;
  wish.request.target = {order.bits()};
  std::vector<LockReply> replies;
  const auto note = [&](const LockReply& reply) { replies.push_back(reply); };
  database.lock(wish, note);
  const wire::RequestId waits = carrier.lastId();
  database.signOffProcess(kAnna);
  database.lock(wish, note);
  EXPECT_EQ(replies.size(), 1u);
  wire::LockAnswered ended;
  ended.id = waits;
  ended.replies.emplace_back();
  ended.replies.front().reply.lock.outcome = LockOutcome::Cancelled;
  carrier.say(ended);
  ASSERT_EQ(replies.size(), 2u);
  for (const LockReply& reply : replies) EXPECT_EQ(reply.lock.outcome, LockOutcome::Cancelled);
}

TEST_F(ClientLeases, WhenAResourceIsUsedTwiceThenTheServerIsAskedOnceAndToldWhenItIsNot) {
  const Oid run(Lifetime::Resource, 1, 4711);
  std::vector<ResourceReply> replies;
  const auto note = [&](const ResourceReply& reply) { replies.push_back(reply); };
  database.resource("nightly run", note);
  ASSERT_TRUE(lastHeard<wire::AskResource>());
  carrier.say(wire::ResourceReply{carrier.lastId(), run});
  const std::size_t before = carrier.heard.size();
  database.resource("nightly run", note);
  EXPECT_EQ(carrier.heard.size(), before);
  ASSERT_EQ(replies.size(), 2u);
  EXPECT_EQ(replies[0].resource, replies[1].resource);
  EXPECT_EQ(replies[0].resource->oid, run);
  EXPECT_EQ(database.show(run), "resource nightly run");

  replies.clear();

  const auto* const dropped = lastHeard<wire::DropResource>();
  ASSERT_TRUE(dropped);
  EXPECT_EQ(dropped->oid, run);
  EXPECT_EQ(dropped->times, 1u);
}

TEST_F(ClientLeases, WhenTheSessionIsOverThenItsResourcesAreNotThoseOfTheNextOne) {
  std::vector<ResourceReply> replies;
  const auto note = [&](const ResourceReply& reply) { replies.push_back(reply); };
  database.resource("nightly run", note);
  carrier.say(wire::ResourceReply{carrier.lastId(), Oid(Lifetime::Resource, 1, 4711)});
  carrier.sayUnnumbered(wire::Refusal{{ErrorCode::ConnectionLost, "gone"}, true});
  clock.advance(1s);
  carrier.tick();
  carrier.welcomeAgain();
  database.resource("nightly run", note);
  ASSERT_TRUE(lastHeard<wire::AskResource>());
  const Oid another(Lifetime::Resource, 1, 4712);
  carrier.say(wire::ResourceReply{carrier.lastId(), another});
  const std::size_t before = carrier.heard.size();
  ASSERT_EQ(replies.size(), 2u);
  replies.clear();
  EXPECT_EQ(carrier.heard.size(), before + 1) << "the new server was never told of the old one";
  ASSERT_TRUE(lastHeard<wire::DropResource>());
  EXPECT_EQ(lastHeard<wire::DropResource>()->oid, another);
}

TEST_F(ClientLeases, WhenTheLastUserOfAResourceIsARequestThatWasGivenUpThenItIsDroppedWithIt) {
  const Oid run(Lifetime::Resource, 1, 4711);
  std::shared_ptr<const NamedResource> resource;
  database.resource("nightly run", [&](const ResourceReply& reply) { resource = reply.resource; });
  carrier.say(wire::ResourceReply{carrier.lastId(), run});
  ObjectLockRequest wish;
  wish.request.locker = kAnna;
  wish.request.target = {run.bits()};
  wish.request.timeout = LockTimeout::immediate();
  wish.existence = Existence::CreatedByLocker;
  std::optional<LockReply> reply;
  database.lock(wish, [&reply, kept = std::exchange(resource, nullptr)](const LockReply& told) {
    EXPECT_TRUE(kept);
    reply = told;
  });
  clock.advance(2s);
  carrier.tick();
  ASSERT_TRUE(reply) << "there was no answer in time";

  database.signOffProcess(kAnna);

  ASSERT_TRUE(lastHeard<wire::DropResource>());
  EXPECT_EQ(lastHeard<wire::DropResource>()->oid, run);
}

/// Given: the same at a server that speaks version 1.
class OlderServer : public Given<SpokenNode<>> {
 protected:
  OlderServer() : Given<SpokenNode<>>(false, std::uint16_t{1}) {}
  static void expectRefused(const std::optional<RequestFailure>& failure) {
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->code, ErrorCode::ServerRefused);
    EXPECT_THAT(failure->what, HasSubstr("speaks version 1"));
  }
};

TEST_F(OlderServer, WhenItIsAskedForWhatItDoesNotKnowThenThatIsRefusedHereAndNeverLeaves) {
  const std::size_t before = carrier.heard.size();
  const auto reply = ask(LockType::Share, 30s);
  ASSERT_TRUE(*reply);
  EXPECT_EQ((*reply)->lock.outcome, LockOutcome::Cancelled);
  expectRefused((*reply)->failure);
  database.signOnProcess({.name = "child", .parent = kAnna},
                         [](const ProcessReply& told) { expectRefused(told.failure); });
  database.resource("nightly run", [](const ResourceReply& told) { expectRefused(told.failure); });
  EXPECT_EQ(carrier.heard.size(), before);

  hold(LockType::Share, 7, 0ms);
  EXPECT_EQ(held(), LockType::Share) << "all else is as it was";
}

}  // namespace
}  // namespace nephrite

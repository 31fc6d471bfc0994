// What a client node makes of leases, families, resources and scopes: what it knows of its locks,
// what it says of them, and what it asks of a server that is older.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "runtime/database/locker_port.h"
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
                                                std::chrono::milliseconds lease = 0ms,
                                                LockScope scope = LockScope::Node) {
    ObjectLockRequest wish;
    wish.request.locker = Test::kAnna;
    wish.request.target = {order.bits()};
    wish.request.type = type;
    wish.request.duration = LockDuration::Session;
    wish.request.lease.length = lease;
    wish.request.scope = scope;
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

  Oid order{Lifetime::Persistent, 2048, 5};
  const Oid another{Lifetime::Persistent, 2048, 6};
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

TEST_F(ClientLeases, WhenActivityRenewsALeaseThenTheServerIsToldOfWhatIsAnsweredHere) {
  const auto port = database.port(kAnna);
  const LockTerms terms(LockTimeout::immediate(), 0, LockType::Share, LockDuration::Session, true);
  hold(LockType::Share, 7, 0ms);
  EXPECT_TRUE(port->tryLock(order, terms));
  EXPECT_FALSE(lastHeard<wire::Renew>()) << "no lease is to be renewed";
  ObjectLockRequest leased;
  leased.request.locker = kAnna;
  leased.request.target = {another.bits()};
  leased.request.lease = {30s, Renewal::Activity};
  port->lock(leased, [](const LockReply&) {});

  EXPECT_TRUE(port->tryLock(order, terms));
  ASSERT_TRUE(lastHeard<wire::Renew>());
  EXPECT_EQ(lastHeard<wire::Renew>()->id, 0u);
  EXPECT_EQ(lastHeard<wire::Renew>()->locker, kAnna);
  EXPECT_EQ(lastHeard<wire::Renew>()->target, another);
  EXPECT_EQ(lastHeard<wire::Renew>()->by, Renewal::Activity);

  const std::size_t told = carrier.heard.size();
  EXPECT_TRUE(port->tryLock(order, terms));
  EXPECT_EQ(carrier.heard.size(), told) << "once a millisecond is enough";
  clock.advance(1ms);
  EXPECT_TRUE(port->tryLock(order, terms));
  EXPECT_EQ(carrier.heard.size(), told + 1);
}

TEST_F(ClientLeases, WhenWhatIsAskedForIsSurelyHeldThenTheFastPathGrantsItWithoutAMessage) {
  const auto port = database.port(kAnna);
  const auto gets = [&](LockType type, LockDuration duration) {
    return port->tryLock(order, {LockTimeout::immediate(), 0, type, duration, /*inState=*/true});
  };
  EXPECT_FALSE(gets(LockType::Share, LockDuration::Session));
  hold(LockType::Share, 7, 0ms);
  const std::size_t before = carrier.heard.size();

  EXPECT_TRUE(gets(LockType::Share, LockDuration::Session));
  EXPECT_TRUE(gets(LockType::Share, LockDuration::Transaction));
  EXPECT_FALSE(gets(LockType::Exclusive, LockDuration::Session)) << "more than is held";
  EXPECT_EQ(carrier.heard.size(), before);
  ask(LockType::Exclusive);
  EXPECT_FALSE(gets(LockType::Share, LockDuration::Session)) << "not sure";
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
  const Oid anew(Lifetime::Resource, 1, 4712);
  carrier.say(wire::ResourceReply{carrier.lastId(), anew});
  const std::size_t before = carrier.heard.size();
  ASSERT_EQ(replies.size(), 2u);
  replies.clear();
  EXPECT_EQ(carrier.heard.size(), before + 1) << "the new server was never told of the old one";
  ASSERT_TRUE(lastHeard<wire::DropResource>());
  EXPECT_EQ(lastHeard<wire::DropResource>()->oid, anew);
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

// --- Scopes --------------------------------------------------------------------------------------

/// Given: a server that takes short messages.
class ClientScopes : public Given<SpokenNode<>> {
 protected:
  ClientScopes() : Given<SpokenNode<>>(true) {}

  /// Anna has it by the request that she makes now: `own` of the order, `below` of all below it.
  void holdAll(HeldTypes own, HeldTypes below, std::chrono::milliseconds lease = 0ms) {
    ask(own.type, lease, LockScope::Subtree);
    wire::LockAnswered answered = answer(own.type, 7, lease);
    LockInfo& held = *answered.replies.front().held;
    held.session = own.session;
    held.below = below.type;
    held.belowSession = below.session;
    carrier.say(answered);
  }
  /// Does the server hear of that?
  bool isAsked(LockType type, LockScope scope) {
    const std::size_t before = carrier.heard.size();
    ask(type, 0ms, scope);
    return carrier.heard.size() > before;
  }
  HeldTypes below() const {
    const auto known = database.lockKnown(kAnna, order);
    return known ? HeldTypes{known->below, known->belowSession} : HeldTypes{};
  }

  static constexpr HeldTypes kExclusive{LockType::Exclusive, LockType::Exclusive};
  static constexpr HeldTypes kShare{LockType::Share, LockType::Share};
};

TEST_F(ClientScopes, WhenAllBelowIsAskedForThenThatIsSaid) {
  ask(LockType::Share, 0ms, LockScope::Subtree);
  ASSERT_TRUE(lastHeard<wire::Lock>());
  EXPECT_EQ(lastHeard<wire::Lock>()->order.order.request.scope, LockScope::Subtree);

  ObjectLockBatch both{lastHeard<wire::Lock>()->order.order.request, {{order}, {another}}};
  database.lockAll(both, [](const LockAllReply&) {});
  ASSERT_TRUE(lastHeard<wire::LockAll>());
  EXPECT_EQ(lastHeard<wire::LockAll>()->request.scope, LockScope::Subtree);
}

TEST_F(ClientScopes, WhenTheObjectAloneIsHeldThenAllBelowIsAskedForAtTheServer) {
  hold(LockType::Exclusive, 7, 0ms);
  EXPECT_FALSE(isAsked(LockType::Exclusive, LockScope::Node));
  EXPECT_TRUE(isAsked(LockType::Exclusive, LockScope::Subtree));
}

TEST_F(ClientScopes, WhenAllBelowIsHeldThenItIsAskedForOnce) {
  holdAll(kExclusive, kExclusive);
  EXPECT_EQ(below(), kExclusive);
  EXPECT_FALSE(isAsked(LockType::Exclusive, LockScope::Subtree));
}

TEST_F(ClientScopes, WhenLessIsHeldOfAllBelowThenMoreIsAskedForAtTheServer) {
  holdAll(kExclusive, kShare);
  EXPECT_TRUE(isAsked(LockType::Exclusive, LockScope::Subtree));
}

TEST_F(ClientScopes, WhenTheSessionIsToHaveTheObjectAloneThenTheServerHearsOfIt) {
  holdAll(kExclusive, kExclusive);
  EXPECT_TRUE(isAsked(LockType::Exclusive, LockScope::Node));
}

TEST_F(ClientScopes, WhenTheTransactionEndsThenBothPartsReturnToWhatTheSessionHas) {
  holdAll({LockType::Exclusive, LockType::Share}, {LockType::Exclusive, LockType::Share});
  database.releaseTransactionLocks(kAnna, Lifetime::Persistent);
  EXPECT_EQ(held(), LockType::Share);
  EXPECT_EQ(below(), kShare);
}

TEST_F(ClientScopes, WhenTheTransactionEndsAndTheSessionHasTheObjectAloneThenNothingBelowIsHeld) {
  holdAll(kExclusive, {LockType::Exclusive, LockType::Get});
  database.releaseTransactionLocks(kAnna, Lifetime::Persistent);
  EXPECT_EQ(held(), LockType::Exclusive);
  EXPECT_EQ(below(), HeldTypes{});
  EXPECT_EQ(database.lockKnown(kAnna, order)->scope, LockScope::Node);
}

TEST_F(ClientScopes, WhenALockWithALeaseIsOnAllBelowThenAllRequestsGoToTheServerToRenewIt) {
  hold(LockType::Share, 6, 0ms);
  EXPECT_FALSE(isAsked(LockType::Share, LockScope::Node));
  const Oid above = std::exchange(order, another);
  holdAll(kExclusive, kExclusive, 30s);
  order = above;
  EXPECT_TRUE(isAsked(LockType::Share, LockScope::Node));
}

TEST_F(ClientScopes, WhenAChildLeavesALockOnAllBelowThenTheParentHasThat) {
  wire::LocksInherited told{kAnna, {LockInfo{}}};
  LockInfo& left = told.locks.front();
  left.target = {order.bits()};
  left.type = left.below = LockType::Exclusive;
  left.scope = LockScope::Subtree;
  carrier.say(told);
  EXPECT_EQ(held(), LockType::Exclusive);
  EXPECT_EQ(below(), (HeldTypes{LockType::Exclusive, LockType::Get}));
}

/// Given: a server that speaks version 2.
class ServerWithoutScopes : public Given<SpokenNode<>> {
 protected:
  ServerWithoutScopes() : Given<SpokenNode<>>(false, std::uint16_t{2}) {}
};

TEST_F(ServerWithoutScopes, WhenAllBelowIsWantedThenThatIsRefusedAndNoWeakerLockIsAskedFor) {
  const std::size_t before = carrier.heard.size();
  const auto reply = ask(LockType::Exclusive, 0ms, LockScope::Subtree);

  ASSERT_TRUE(*reply && (*reply)->failure);
  EXPECT_EQ((*reply)->failure->code, ErrorCode::NotLockable);
  EXPECT_THAT((*reply)->failure->what, HasSubstr("all that is below"));
  EXPECT_EQ(carrier.heard.size(), before);
  hold(LockType::Exclusive, 7, 30s);
  EXPECT_EQ(held(), LockType::Exclusive) << "all else is as it was";
}

// --- Servers that speak version 1 ----------------------------------------------------------------

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

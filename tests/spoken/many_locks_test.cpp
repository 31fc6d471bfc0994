// A client node asks for many locks in one request: what its server answers is what the process has
// been granted, what it holds, and what the node has in its cache.

#include <gtest/gtest.h>

#include "tests/spoken/spoken_node.h"

namespace nephrite {
namespace {

/// Given: Anna at a node that knows the first of three orders in edition 1.
class ManyLocks : public SpokenNode<testing::TestWithParam<bool>> {
 protected:
  ManyLocks() : SpokenNode(GetParam()) {
    carrier.stored = recordOf(orders[0], 1);
    database.fetch(orders[0]);
    carrier.stored = nullptr;
  }

  static RecordPtr recordOf(Oid oid, std::uint32_t edition) {
    return std::make_shared<const ObjectRecord>(ObjectRecord{oid, edition, {}, {}});
  }

  /// Asks for all three; what the server heard.
  wire::LockAll ask(LockType type) {
    ObjectLockBatch wish;
    wish.request.locker = kAnna;
    wish.request.type = type;
    wish.request.inState = true;
    for (const Oid order : orders) wish.targets.push_back({order, Existence::Required});
    database.lockAll(wish, [this](const LockAllReply& told) { reply = told; });
    return std::get<wire::LockAll>(carrier.heard.back());
  }

  static wire::LockGrant grant(std::uint32_t place, LockType type) {
    return {{100 + place}, Instant{}, place, 0, type, LockType::Get};
  }
  wire::LockReply refusal(Oid order) const {
    wire::LockReply refused;
    refused.reply.lock.request.target = {order.bits()};
    refused.reply.lock.request.type = LockType::Exclusive;
    refused.reply.lock.outcome = LockOutcome::TimedOut;
    refused.reply.lock.lockedBy = kBen;
    return refused;
  }
  std::vector<LockType> held() const {
    std::vector<LockType> types;
    for (const Oid order : orders) types.push_back(database.typeHeld(kAnna, order));
    return types;
  }

  const std::vector<Oid> orders{Oid(Lifetime::Persistent, 2048, 5),
                                Oid(Lifetime::Persistent, 2048, 6),
                                Oid(Lifetime::Persistent, 2048, 7)};
  std::optional<LockAllReply> reply;
};

TEST_P(ManyLocks, WhenAllAreGrantedThenAllAreHeldAndWhatWasMissedIsCached) {
  const wire::LockAll heard = ask(LockType::Exclusive);
  ASSERT_EQ(heard.targets.size(), 3u);
  EXPECT_EQ(heard.request.type, LockType::Exclusive);
  EXPECT_EQ(heard.targets[0].knownEdition, 1u);
  EXPECT_EQ(heard.targets[1].knownEdition, 0u);

  wire::LockReply missed;
  missed.reply.lock.request.target = {orders[1].bits()};
  missed.reply.lock.request.type = LockType::Exclusive;
  missed.reply.record = recordOf(orders[1], 4);
  missed.held = LockInfo{};
  missed.held->type = LockType::Exclusive;
  carrier.say(wire::LockAnswered{
      heard.id, {missed}, {}, {grant(0, LockType::Exclusive), grant(2, LockType::Exclusive)}});

  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->granted, 3u);
  EXPECT_FALSE(reply->refused);
  EXPECT_EQ(held(), std::vector(3, LockType::Exclusive));
  EXPECT_EQ(database.lockKnown(kAnna, orders[2])->token, FencingToken{102});
  EXPECT_EQ(database.fetch(orders[1])->edition, 4u);
}

TEST_P(ManyLocks, WhenOneIsRefusedThenThoseBeforeItAreHeldAndItIsToldWhoHasIt) {
  const wire::LockAll heard = ask(LockType::Exclusive);

  carrier.say(wire::LockAnswered{heard.id,
                                 {refusal(orders[2])},
                                 {},
                                 {grant(0, LockType::Exclusive), grant(1, LockType::Exclusive)}});

  ASSERT_TRUE(reply && reply->refused);
  EXPECT_EQ(reply->granted, 2u);
  EXPECT_EQ(reply->refused->lock.outcome, LockOutcome::TimedOut);
  EXPECT_EQ(reply->refused->lock.request.target.value, orders[2].bits());
  EXPECT_EQ(reply->refused->lock.lockedBy, kBen);
  EXPECT_EQ(held(), (std::vector{LockType::Exclusive, LockType::Exclusive, LockType::Get}));
}

// Docs/locking.md, section 2.2: Share is let go before Update is asked for.
TEST_P(ManyLocks, WhenAShareIsNotComeToOnTheWayToUpdateThenItIsStillHeld) {
  carrier.say(wire::LockAnswered{
      ask(LockType::Share).id,
      {},
      {},
      {grant(0, LockType::Share), grant(1, LockType::Share), grant(2, LockType::Share)}});
  const wire::LockAll heard = ask(LockType::Update);
  EXPECT_EQ(held(), std::vector(3, LockType::Get)) << "the server may have let them go";

  carrier.say(wire::LockAnswered{heard.id, {refusal(orders[1])}, {}, {grant(0, LockType::Update)}});

  EXPECT_EQ(reply->granted, 1u);
  EXPECT_EQ(held(), (std::vector{LockType::Update, LockType::Get, LockType::Share}));
}

TEST_P(ManyLocks, WhenTheServerAnswersSomethingElseThenNothingIsHeld) {
  const wire::LockAll heard = ask(LockType::Exclusive);
  carrier.say(wire::YesNo{heard.id, true});
  ASSERT_TRUE(reply && reply->refused);
  EXPECT_EQ(reply->granted, 0u);
  EXPECT_EQ(reply->refused->lock.outcome, LockOutcome::Cancelled);
  ASSERT_TRUE(reply->refused->failure);
  EXPECT_EQ(reply->refused->failure->code, ErrorCode::ServerRefused);
  EXPECT_EQ(held(), std::vector(3, LockType::Get));
}

// She had given up an earlier request for the first, asks for all, and is told late that she has
// it.
TEST_P(ManyLocks, WhenTheNextIsHeldButWasChangedThenItIsKeptThoughItWasGrantedLateBefore) {
  ObjectLockRequest first;
  first.request.locker = kAnna;
  first.request.target = {orders[0].bits()};
  first.request.type = LockType::Update;
  first.request.inState = true;
  first.request.timeout = LockTimeout::immediate();
  first.existence = Existence::Required;
  database.lock(first, [](const LockReply&) {});
  const wire::RequestId givenUp = carrier.lastId();
  clock.advance(std::chrono::milliseconds(1'500));
  carrier.tick();
  const wire::LockAll heard = ask(LockType::Update);
  carrier.say(wire::LockAnswered{givenUp, {}, {}, {grant(0, LockType::Update)}});

  wire::LockReply changed;  // 1146.
  changed.reply.lock.request.target = {orders[0].bits()};
  changed.reply.lock.request.type = LockType::Update;
  changed.reply.updatedMeanwhile = true;
  changed.held = LockInfo{};
  changed.held->type = LockType::Update;
  carrier.say(wire::LockAnswered{heard.id, {changed}, {}, {}});

  ASSERT_TRUE(reply && reply->refused);
  EXPECT_TRUE(reply->refused->updatedMeanwhile);
  EXPECT_EQ(held().front(), LockType::Update);
  EXPECT_FALSE(std::holds_alternative<wire::Unlock>(carrier.heard.back())) << "she was told of it";
}

INSTANTIATE_TEST_SUITE_P(Server, ManyLocks, testing::Bool(), [](const auto& takesShort) {
  return takesShort.param ? "TakesShortMessages" : "TakesTables";
});

// --- Listings ------------------------------------------------------------------------------------

/// Given: a server that lists one lock, and says that there are more, or, an older one, does not.
class PagesOfLocks : public SpokenNode<> {
 protected:
  PagesOfLocks() {
    LockInfo lock;
    lock.target = {5};
    lock.requestedBy = kBen;
    lock.lockedAt = {6};
    carrier.listed.locks = {lock};
  }
  LockPage list(const LockQuery& query, const LockCursor& after, std::size_t most) {
    return database.listLocks(Lifetime::Persistent, query, after, most);
  }
  wire::Look asked() const { return std::get<wire::Look>(carrier.heard.back()); }
};

TEST_F(PagesOfLocks, WhenAPageIsAskedForThenTheServerIsToldHowManyAfterWhich) {
  const LockCursor after{{4}, 7, kAnna, LockCursor::Kind::Held};
  carrier.listed.next = LockCursor{{5}, 8, kBen, LockCursor::Kind::Held};

  const LockPage page = list({LockQuery::Subject::On, {5}, {}}, after, 10);

  EXPECT_EQ(asked().subject, wire::Subject::LocksOn);
  EXPECT_EQ(asked().oid.bits(), 5u);
  EXPECT_EQ(asked().page, 10u);
  EXPECT_EQ(asked().after, after);
  EXPECT_EQ(asked().maxEntries, SIZE_MAX) << "for a server that knows no pages";
  ASSERT_EQ(page.locks.size(), 1u);
  EXPECT_EQ(page.locks[0].lockedAt, LockTarget{6});
  EXPECT_EQ(page.next, carrier.listed.next);
}

TEST_F(PagesOfLocks, WhenTheServerKnowsNoPagesThenItsWholeAnswerIsTheLastOne) {
  EXPECT_FALSE(list({LockQuery::Subject::Queued, {}, {}}, {}, 1).next);
  EXPECT_EQ(asked().subject, wire::Subject::QueuedRequests);
  EXPECT_FALSE(list({LockQuery::Subject::Of, {}, kBen}, {}, 1).next);
  EXPECT_EQ(asked().locker, kBen);
}

TEST_F(PagesOfLocks, WhenThePageIsEmptyThenNobodyIsAsked) {
  const std::size_t heard = carrier.heard.size();
  EXPECT_TRUE(list({}, {}, 0).locks.empty());
  EXPECT_EQ(carrier.heard.size(), heard);
}

}  // namespace
}  // namespace nephrite

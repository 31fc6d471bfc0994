// What a client node's process is left with when a request of it never leaves the node, when the
// server refuses to carry it out, and when the server takes its time to write.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/errors/exceptions.h"
#include "tests/spoken/spoken_node.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

/// Given: Anna, who holds an order exclusively for her session, at a node whose server takes a
/// mebibyte in one message.
class CommitAnswer : public SpokenNode<> {
 protected:
  CommitAnswer() {
    carrier.stored = std::make_shared<const ObjectRecord>(ObjectRecord{order, 1, {}, {}});
    database.fetch(order);
    ObjectLockRequest wish{exclusive(), Existence::Required};
    database.lock(wish, [](const LockReply&) {});
    carrier.say(
        wire::LockAnswered{carrier.lastId(),
                           {},
                           {},
                           {{{100}, Instant{}, 0, 0, LockType::Exclusive, LockType::Exclusive}}});
    heardBefore = carrier.heard.size();
  }

  LockRequest exclusive() const {
    LockRequest request;
    request.locker = kAnna;
    request.target = {order.bits()};
    request.type = LockType::Exclusive;
    request.duration = LockDuration::Session;
    return request;
  }

  void commit(std::size_t bytes, LockTimeout timeout = LockTimeout::immediate()) {
    CommitRequest commit;
    commit.upgrade.locker = kAnna;
    commit.upgrade.timeout = timeout;
    commit.changes.id = {kAnna.value, 1};
    commit.changes.changes.emplace_back(ChangeKind::Update,
                                        ObjectRecord{order, 1, {std::string(bytes, 'x')}, {}});
    database.commit(std::move(commit), [this](const CommitReply& told) { reply = told; });
  }
  bool hasLeft() const { return carrier.heard.size() > heardBefore; }
  bool holdsOrder() const { return database.typeHeld(kAnna, order) == LockType::Exclusive; }

  const Oid order{Lifetime::Persistent, 2048, 5};
  std::size_t heardBefore = 0;
  std::optional<CommitReply> reply;
};

// --- What never left -----------------------------------------------------------------------------

TEST_F(CommitAnswer, WhenItIsTooLargeForTheServerThenItHasFailedAndTheProcessKeepsItsLocks) {
  commit(2u << 20);

  ASSERT_TRUE(reply && reply->failure);
  EXPECT_EQ(reply->outcome, CommitReply::Outcome::Failed);
  EXPECT_EQ(reply->failure->code, ErrorCode::TooLarge);
  EXPECT_THAT(reply->failure->what, HasSubstr("MaxFrameSize"));
  EXPECT_FALSE(hasLeft()) << "nothing was said, least of all that she signs off";
  EXPECT_TRUE(holdsOrder());

  commit(100);
  EXPECT_TRUE(std::holds_alternative<wire::Commit>(carrier.heard.back())) << "she goes on";
}

TEST_F(CommitAnswer, WhenSoManyLocksAreAskedForThatTheMessageIsTooLargeThenNothingHasChanged) {
  ObjectLockBatch wish;
  wish.request = exclusive();
  wish.request.type = LockType::Share;
  wish.targets.push_back({order, Existence::Required});
  for (std::uint64_t i = 0; i < 50'000; ++i) {
    wish.targets.push_back({Oid(Lifetime::Persistent, 2048, i * 1'000'000), Existence::Required});
  }
  std::optional<LockAllReply> all;
  database.lockAll(std::move(wish), [&](const LockAllReply& told) { all = told; });

  ASSERT_TRUE(all && all->refused && all->refused->failure);
  EXPECT_EQ(all->refused->failure->code, ErrorCode::ServerRefused);
  EXPECT_FALSE(hasLeft());
  EXPECT_TRUE(holdsOrder());
}

TEST_F(CommitAnswer, WhenANameIsTooLongOrIsNoTextThenTheSessionGoesOn) {
  std::optional<ProcessReply> signedOn;
  const auto done = [&](const ProcessReply& told) { signedOn = told; };

  database.signOnProcess({.name = std::string(2u << 20, 'x')}, done);
  ASSERT_TRUE(signedOn && signedOn->failure);
  EXPECT_THAT(signedOn->failure->what, HasSubstr("at most 255 are kept"));

  database.signOnProcess({.name = "caf\xe9"}, done);
  ASSERT_TRUE(signedOn && signedOn->failure);
  EXPECT_THAT(signedOn->failure->what, HasSubstr("UTF-8"));

  ClassDef latin;
  latin.name = "Caf\xe9";
  EXPECT_THROW(database.defineClass(latin), std::exception);
  ClassDef longest;
  longest.name = std::string(2u << 20, 'x');
  EXPECT_THROW(database.defineClass(longest), ConnectionException);

  EXPECT_FALSE(hasLeft());
  EXPECT_TRUE(holdsOrder());
}

// --- What the server said ------------------------------------------------------------------------

TEST_F(CommitAnswer, WhenTheServerRefusesToCarryItOutThenItHasFailedAndTheProcessKeepsItsLocks) {
  commit(100);
  carrier.say(wire::FailureReply{carrier.lastId(), {ErrorCode::ServerRefused, "too much at once"}});

  ASSERT_TRUE(reply && reply->failure);
  EXPECT_EQ(reply->outcome, CommitReply::Outcome::Failed);
  EXPECT_TRUE(holdsOrder());
  EXPECT_TRUE(std::holds_alternative<wire::Commit>(carrier.heard.back())) << "she goes on";
}

// A server newer than its clients may have errors that these have no name for. That ended the whole
// session.
TEST_F(CommitAnswer, WhenTheErrorIsOneThatOnlyANewerServerKnowsThenThatOneRequestIsRefused) {
  commit(100);
  carrier.say(
      wire::FailureReply{carrier.lastId(), {ErrorCode{64'999}, "the moon is full; wait", order}});

  ASSERT_TRUE(reply && reply->failure);
  EXPECT_EQ(reply->outcome, CommitReply::Outcome::Failed);
  EXPECT_EQ(reply->failure->code, ErrorCode::ServerRefused);
  EXPECT_EQ(reply->failure->object, order);
  EXPECT_THAT(reply->failure->what,
              AllOf(HasSubstr("error 64999"), HasSubstr("the moon is full; wait")));
  EXPECT_TRUE(holdsOrder());
  commit(100);
  EXPECT_TRUE(std::holds_alternative<wire::Commit>(carrier.heard.back())) << "she goes on";
}

// Its locks would be refused at once; writing takes as long as it takes.
TEST_F(CommitAnswer, WhenTheServerWritesForLongerThanLocksAreWaitedForThenItIsAwaited) {
  commit(100, LockTimeout::immediate());
  const wire::RequestId asked = carrier.lastId();
  for (int second = 0; second < 60; ++second) {
    clock.advance(1s);
    carrier.tick();
    carrier.ping();
  }
  EXPECT_FALSE(reply);

  wire::CommitReply committed;
  committed.id = asked;
  carrier.say(committed);

  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->outcome, CommitReply::Outcome::Committed);
}

TEST_F(CommitAnswer, WhenTheSessionEndsBeforeItIsAnsweredThenItIsUnknown) {
  commit(100);
  clock.advance(6s);
  carrier.tick();

  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->outcome, CommitReply::Outcome::Unknown);
  EXPECT_EQ(reply->failure->code, ErrorCode::CommitUnknown);
  EXPECT_FALSE(holdsOrder());
}

}  // namespace
}  // namespace nephrite

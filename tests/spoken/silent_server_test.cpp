// A client's database whose server has fallen silent for longer than it keeps the session: what is
// asked for then never leaves, and is said to have failed for certain.

#include <gtest/gtest.h>

#include "tests/spoken/spoken_node.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;

/// Given: a process of a client node, and a server that has been silent for too long since.
class SilentServer : public SpokenNode<> {
 protected:
  SilentServer() {
    clock.advance(6s);
    heardBefore = carrier.heard.size();
  }

  const Oid order{Lifetime::Persistent, 2048, 5};
  std::size_t heardBefore = 0;
};

TEST_F(SilentServer, WhenAChangeIsCommittedThenItHasFailedAndIsNotUnknown) {
  CommitRequest commit;
  commit.upgrade.locker = kAnna;
  commit.changes.id = {kAnna.value, 1};
  commit.changes.changes.emplace_back(ChangeKind::Create, ObjectRecord{order, 1, {}, {}});
  std::optional<CommitReply> reply;

  database.commit(commit, [&](const CommitReply& told) { reply = told; });

  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->outcome, CommitReply::Outcome::Failed);
  ASSERT_TRUE(reply->failure);
  EXPECT_EQ(reply->failure->code, ErrorCode::ConnectionLost);
  EXPECT_EQ(carrier.heard.size(), heardBefore) << "it went out";
}

TEST_F(SilentServer, WhenALockIsAskedForThenTheLossIsToldAtOnce) {
  ObjectLockRequest wish;
  wish.request.locker = kAnna;
  wish.request.target = {order.bits()};
  std::optional<LockReply> reply;

  database.lock(wish, [&](const LockReply& told) { reply = told; });

  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->lock.outcome, LockOutcome::Cancelled);
  ASSERT_TRUE(reply->failure);
  EXPECT_EQ(reply->failure->code, ErrorCode::ConnectionLost);
  EXPECT_EQ(carrier.heard.size(), heardBefore) << "it went out";
}

// An old answer that arrives late proves nothing about now: the server counts the silence of a
// client from when it last heard it, and gives its locks away after the keep-alive time.

/// Given: Anna, who holds a lock, at a server that ends sessions after 5 s of silence.
class LateAnswer : public SpokenNode<> {
 protected:
  LateAnswer() {
    ask();
    wire::LockReply granted;
    granted.reply.record = std::make_shared<const ObjectRecord>(ObjectRecord{order, 1, {}, {}});
    granted.held = LockInfo{};
    granted.held->type = LockType::Share;
    granted.held->session = LockType::Share;
    wire::LockAnswered answered;
    answered.id = carrier.lastId();
    answered.replies.push_back(granted);
    carrier.say(answered);
  }

  /// Anna asks for what she holds. True: it was granted from memory.
  bool ask() {
    ObjectLockRequest wish;
    wish.request.locker = kAnna;
    wish.request.target = {order.bits()};
    wish.request.type = LockType::Share;
    wish.request.duration = LockDuration::Session;
    const auto granted = std::make_shared<bool>(false);  // It may be answered when the node closes.
    const std::size_t before = carrier.heard.size();
    database.lock(wish, [granted](const LockReply& reply) { *granted = reply.isGranted(); });
    return *granted && carrier.heard.size() == before;
  }
  /// Until the client asks whether the server is there.
  Instant awaitPing() {
    while (!std::holds_alternative<wire::Ping>(carrier.heard.back())) {
      clock.advance(100ms);
      carrier.tick();
    }
    return clock.now();
  }

  const Oid order{Lifetime::Persistent, 2048, 5};
};

TEST_F(LateAnswer, WhenThePingIsAnsweredInTimeThenWhatIsHeldIsGrantedFromMemory) {
  const Instant asked = awaitPing();
  carrier.sayUnnumbered(wire::Ping{});

  clock.moveTo(asked + 3s);

  EXPECT_TRUE(ask());
}

TEST_F(LateAnswer, WhenTheServerHasPerhapsGivenTheLockAwayThenItIsNotGrantedFromMemory) {
  const Instant asked = awaitPing();
  clock.moveTo(asked + 4s);
  carrier.sayUnnumbered(wire::Ping{});  // Stood in the network for 4 s.

  clock.moveTo(asked + 5s);

  EXPECT_FALSE(ask());
}

}  // namespace
}  // namespace nephrite

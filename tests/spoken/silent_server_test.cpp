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

}  // namespace
}  // namespace nephrite

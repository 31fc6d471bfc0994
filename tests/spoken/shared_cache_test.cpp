// Two processes of one client node share what it has cached: when one is granted a lock on what the
// other has committed, it reads what was committed, whichever of the two answers comes first.

#include <gtest/gtest.h>

#include "tests/spoken/spoken_node.h"

namespace nephrite {
namespace {

/// Given: Anna and Ben on one node, which has an order in edition 1; Anna's commit of edition 2 is
/// on its way.
class SharedCache : public SpokenNode<> {
 protected:
  SharedCache() {
    signOn(kBen);
    grant(ask(kAnna), 1);
    annasCommit = commit(kAnna, 1);
  }

  wire::RequestId ask(LockerId who) {
    ObjectLockRequest wish;
    wish.request.locker = who;
    wish.request.target = {order.bits()};
    wish.request.type = LockType::Exclusive;
    wish.existence = Existence::Required;
    database.lock(wish, [](const LockReply&) {});
    return carrier.lastId();
  }

  /// The server grants what was asked for and tells of the latest edition.
  void grant(wire::RequestId asked, std::uint32_t edition) {
    wire::LockReply reply;
    reply.reply.record = std::make_shared<const ObjectRecord>(ObjectRecord{order, edition, {}, {}});
    reply.held = LockInfo{};
    reply.held->type = LockType::Exclusive;
    wire::LockAnswered answered;
    answered.id = asked;
    answered.replies.push_back(reply);
    carrier.say(answered);
  }

  wire::RequestId commit(LockerId who, std::uint32_t basedOn,
                         ChangeKind kind = ChangeKind::Update) {
    CommitRequest commit;
    commit.upgrade.locker = who;
    commit.changes.id = {who.value, 1};
    commit.changes.changes.emplace_back(kind, ObjectRecord{order, basedOn, {}, {}});
    database.commit(commit, [](const CommitReply&) {});
    return carrier.lastId();
  }

  void answer(wire::RequestId commit, CommitReply::Outcome outcome) {
    wire::CommitReply reply;
    reply.id = commit;
    reply.reply.outcome = outcome;
    carrier.say(reply);
  }
  void committed(wire::RequestId commit) { answer(commit, CommitReply::Outcome::Committed); }

  /// The edition that either reads without asking the server; 0: it has to ask.
  std::uint32_t editionRead() {
    const RecordPtr record = database.fetch(order);
    return record ? record->edition : 0;
  }

  const Oid order{Lifetime::Persistent, 2048, 5};
  wire::RequestId annasCommit = 0;
};

TEST_F(SharedCache, WhenBenIsGrantedWhatAnnaCommittedThenHeReadsItBeforeSheHearsOfIt) {
  EXPECT_EQ(editionRead(), 1u) << "nobody has heard of a commit";
  grant(ask(kBen), 2);
  EXPECT_EQ(editionRead(), 2u);
  committed(annasCommit);
  EXPECT_EQ(editionRead(), 2u);
}

TEST_F(SharedCache, WhenAnnaHearsOfHerCommitAfterBensThenHisStays) {
  grant(ask(kBen), 2);
  const wire::RequestId bensCommit = commit(kBen, 2);
  committed(bensCommit);
  committed(annasCommit);
  EXPECT_EQ(editionRead(), 3u);
}

TEST_F(SharedCache, WhenAnotherNodeCommitsBeforeBenHearsOfHisCommitThenHisIsNotKept) {
  grant(ask(kBen), 2);
  const wire::RequestId bensCommit = commit(kBen, 2);
  committed(annasCommit);
  carrier.say(wire::Invalidate{{{order, 4}}, false});
  committed(bensCommit);
  EXPECT_EQ(editionRead(), 0u) << "edition 4 is the latest";
}

TEST_F(SharedCache, WhenBenIsGrantedWhatAnotherNodeCommittedAfterAnnaThenThatStays) {
  carrier.say(wire::Invalidate{{{order, 3}}, false});
  grant(ask(kBen), 3);
  EXPECT_EQ(editionRead(), 3u);
  committed(annasCommit);
  EXPECT_EQ(editionRead(), 3u);
}

TEST_F(SharedCache, WhenBenHasDeletedWhatAnnaCommittedThenItDoesNotComeBack) {
  grant(ask(kBen), 2);
  const wire::RequestId bensCommit = commit(kBen, 2, ChangeKind::Delete);
  committed(bensCommit);
  committed(annasCommit);
  EXPECT_EQ(editionRead(), 0u);
}

TEST_F(SharedCache, WhenAnnasCommitIsRefusedThenTheOldEditionIsRead) {
  answer(annasCommit, CommitReply::Outcome::LockRefused);
  EXPECT_EQ(editionRead(), 1u);
  committed(commit(kAnna, 1));
  EXPECT_EQ(editionRead(), 2u);
}

}  // namespace
}  // namespace nephrite

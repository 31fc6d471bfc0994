// A server whose disk hangs, or takes its time: whoever needs no disk is served meanwhile.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "runtime/database/locker_port.h"
#include "tests/spoken/spoken_server.h"

namespace nephrite {
namespace {

/// A store of which some objects are on a disk and not in memory. Nothing may be read or written
/// while `mayWait` says no.
class DiskStore final : public ObjectStore {
 public:
  explicit DiskStore(std::function<bool()> mayWait) : mayWait_(std::move(mayWait)) {}

  bool isBroken = false;  ///< Then nothing can be reserved in it.

  /// From now on `oid` is not in memory, until somebody reads it.
  void putOnDisk(Oid oid) { onDisk_.insert(oid); }

  std::shared_ptr<const Schema> schema() const override { return store_->schema(); }
  std::shared_ptr<const ClassDef> defineClass(const ClassDef& wanted) override {
    return atDisk("define a class"), store_->defineClass(wanted);
  }
  Oid newOid(Oid::ClassNumber number) override {
    atDisk("make an Oid");
    if (isBroken) throw StoreException(StoreException::Reason::Io, "the disk is broken");
    return store_->newOid(number);
  }
  RecordPtr fetch(Oid oid) const override {
    if (onDisk_.contains(oid)) atDisk("read an object");
    onDisk_.erase(oid);
    return store_->fetch(oid);
  }
  std::uint32_t knownEdition(Oid oid, bool soon) const override {
    return onDisk_.contains(oid) ? 0 : store_->knownEdition(oid, soon);
  }
  RecordPtr fetchCached(Oid oid) const override {
    return onDisk_.contains(oid) ? nullptr : store_->fetchCached(oid);
  }
  void commit(const ChangeSet& changes) override { atDisk("commit"), store_->commit(changes); }
  std::vector<Oid> instances(Oid::ClassNumber number, Oid after, std::size_t most) const override {
    return atDisk("list"), store_->instances(number, after, most);
  }
  std::uint64_t lastCommitOf(std::uint64_t process) const override {
    return store_->lastCommitOf(process);
  }
  void forgetCommits(std::uint64_t process) override { store_->forgetCommits(process); }
  std::uint64_t reserveNumbers(std::string_view sequence, std::uint64_t count) override {
    return atDisk("reserve numbers"), store_->reserveNumbers(sequence, count);
  }
  Statistics statistics() const override { return store_->statistics(); }

 private:
  void atDisk(const char* what) const {
    EXPECT_TRUE(mayWait_()) << "the serving thread would wait for the disk, to " << what;
  }

  const std::unique_ptr<ObjectStore> store_ = ObjectStore::open({.inMemory = true});
  const std::function<bool()> mayWait_;
  mutable std::set<Oid> onDisk_;
};

/// A client node and its process.
struct Client {
  void say(const wire::FromClient& message) const { node->say(message); }
  /// The last of its kind that it has heard since it spoke; null: none.
  template <typename Message>
  const Message* last() const {
    for (auto it = node->heard.rbegin(); it != node->heard.rend(); ++it) {
      if (const auto* const found = std::get_if<Message>(&*it)) return found;
    }
    return nullptr;
  }

  std::shared_ptr<SpokenConnection> node;
  Oid home = {};
  LockerId locker = {};
};

constexpr std::size_t kMostProcesses = 4;

ServerLimits fewProcesses() {
  ServerLimits limits;
  limits.maxProcessesPerSession = kMostProcesses;
  return limits;
}

/// Given: two objects, in memory, and two clients. The disk does nothing until it is told to.
class ServerDisk : public testing::Test, protected SpokenServer {
 protected:
  ServerDisk() : ServerDisk(std::make_shared<DiskStore>([this] { return !strand.isHere(); })) {}

  Client client() {
    Client made{connect()};
    made.say(wire::SignOnNode{1, "till", {}});
    doAll();
    made.home = made.last<wire::NodeReply>()->reply.node->oid;
    return processOf(made, "anna");
  }
  /// Another process of the same node.
  Client processOf(Client client, const std::string& user) {
    client.say(wire::SignOnProcess{2, {client.home, "clerk", user, false}});
    doAll();
    client.locker = client.last<wire::ProcessReply>()->reply.process->locker;
    return client;
  }
  void doAll() {
    for (doPosted(); !aside_.empty(); doPosted()) doOneAside();
  }

  static wire::Lock lockOf(const Client& client, wire::RequestId id, Oid oid) {
    wire::Lock message;
    message.id = id;
    LockRequest& request = message.order.order.request;
    request.locker = client.locker;
    request.id = id;
    request.target = {oid.bits()};
    request.type = LockType::Exclusive;
    return message;
  }
  static wire::Commit commitOf(const Client& client, wire::RequestId id,
                               const std::vector<Oid>& changed) {
    wire::Commit message;
    message.id = id;
    message.request.upgrade.locker = client.locker;
    message.request.upgrade.id = id;
    message.request.changes.id.number = 1;
    for (const Oid oid : changed) {
      message.request.changes.changes.emplace_back(ChangeKind::Update,
                                                   ObjectRecord{oid, 1, {2}, {}});
    }
    return message;
  }
  static bool isGranted(const Client& client, wire::RequestId id) {
    const auto* const answered = client.last<wire::LockAnswered>();
    if (answered == nullptr || answered->id != id) return false;
    return !answered->grants.empty() ||
           (!answered->replies.empty() && answered->replies.back().reply.isGranted());
  }

 private:
  explicit ServerDisk(std::shared_ptr<DiskStore> made)
      : SpokenServer(
            fewProcesses(),
            [this] {
              LocalDatabase::Options options = withoutThreads();
              options.committed = [this](const ChangeSet& changes) { sessions.committed(changes); };
              return options;
            }(),
            made),
        disk(std::move(made)) {
    ClassDef order;
    order.name = "Order";
    order.properties = {{"total", ValueType::Integer}};
    const auto known = disk->defineClass(order);
    ChangeSet changes;
    for (Oid* const oid : {&first, &second}) {
      *oid = disk->newOid(known->number);
      changes.changes.emplace_back(ChangeKind::Create, ObjectRecord{*oid, 0, {1}, {}});
    }
    disk->commit(changes);
    holdAside();
    holdPosted();
    anna = client();
    ben = client();
  }

 protected:
  const std::shared_ptr<DiskStore> disk;
  Oid first, second;
  Client anna, ben;
};

TEST_F(ServerDisk, WhenAnObjectMustBeReadFromItThenOthersAreAnsweredMeanwhile) {
  disk->putOnDisk(first);
  anna.say(wire::Fetch{10, first});
  EXPECT_EQ(anna.last<wire::ObjectReply>(), nullptr) << "the disk hangs";

  ben.say(wire::Fetch{20, second});
  ASSERT_NE(ben.last<wire::ObjectReply>(), nullptr);
  EXPECT_EQ(ben.last<wire::ObjectReply>()->record->oid, second);
  ben.say(lockOf(ben, 21, second));
  EXPECT_TRUE(isGranted(ben, 21));

  doAll();
  ASSERT_NE(anna.last<wire::ObjectReply>(), nullptr);
  EXPECT_EQ(anna.last<wire::ObjectReply>()->record->oid, first);
}

TEST_F(ServerDisk, WhenALockedObjectMustBeReadFromItThenOthersAreAnsweredMeanwhile) {
  disk->putOnDisk(first);
  anna.say(lockOf(anna, 10, first));
  EXPECT_FALSE(isGranted(anna, 10));

  ben.say(lockOf(ben, 20, second));
  EXPECT_TRUE(isGranted(ben, 20));
  doAll();
  EXPECT_TRUE(isGranted(anna, 10));
}

TEST_F(ServerDisk, WhenSeveralLockedObjectsMustBeReadThenTheyComeWithTheAnswer) {
  disk->putOnDisk(first);
  disk->putOnDisk(second);
  wire::LockAll both;
  both.id = 10;
  both.request = lockOf(anna, 10, first).order.order.request;
  both.targets = {{first, 0, Existence::Required}, {second, 0, Existence::Required}};
  anna.say(both);
  doAll();

  const auto* const answered = anna.last<wire::LockAnswered>();
  ASSERT_NE(answered, nullptr);
  ASSERT_EQ(answered->replies.size(), 2u);
  for (const wire::LockReply& reply : answered->replies) EXPECT_NE(reply.reply.record, nullptr);
}

TEST_F(ServerDisk, WhenAClientSaysMoreWhileItsObjectIsReadThenThatTakesEffectInItsTurn) {
  disk->putOnDisk(first);
  anna.say(lockOf(anna, 10, first));
  anna.say(wire::Unlock{anna.locker, first});
  doAll();

  EXPECT_TRUE(isGranted(anna, 10));
  EXPECT_LT(anna.node->acknowledged.back(), anna.node->stream.lastSent())
      << "the client would think that it was granted after the unlock";
  EXPECT_FALSE(database.port(anna.locker)->lockStatus(first)) << "the unlock came after the lock";
}

TEST_F(ServerDisk, WhenAClientSaysTooMuchMeanwhileThenItIsNotReadFromUntilThatIsDone) {
  disk->putOnDisk(first);
  anna.say(lockOf(anna, 10, first));
  std::size_t said = 0;
  while (!anna.node->isPaused && ++said < 100'000) anna.say(wire::Unlock{anna.locker, second});
  ASSERT_TRUE(anna.node->isPaused);

  for (int i = 0; i < 10; ++i) {
    pass(fewProcesses().keepAlive / 2);
    ben.say(wire::Ping{});
  }
  EXPECT_FALSE(anna.node->isClosed) << "it cannot be heard: it may not count as silent";

  doAll();
  EXPECT_TRUE(isGranted(anna, 10));
  EXPECT_FALSE(anna.node->isPaused);
  anna.say(wire::Fetch{11, second});
  EXPECT_NE(anna.last<wire::ObjectReply>(), nullptr);
}

TEST_F(ServerDisk, WhenWhatWaitedIsForeignThenItsSessionIsEnded) {
  disk->putOnDisk(first);
  anna.say(lockOf(anna, 10, first));
  anna.say(wire::Unlock{anna.locker, Oid()});
  EXPECT_FALSE(anna.node->isClosed);

  doAll();
  EXPECT_TRUE(anna.node->isClosed);
  EXPECT_EQ(database.nodes().size(), 1u);
  ben.say(lockOf(ben, 20, first));
  doAll();
  EXPECT_TRUE(isGranted(ben, 20));
}

TEST_F(ServerDisk, WhenAProcessSignsOffWithoutAnAnswerWhileAnObjectIsReadThenItsCommitIsKept) {
  disk->putOnDisk(first);
  anna.say(lockOf(anna, 10, second));
  ASSERT_TRUE(isGranted(anna, 10));
  wire::Commit commit = commitOf(anna, 11, {second});
  anna.say(commit);
  anna.say(lockOf(anna, 12, first));
  anna.say(wire::SignOffProcess{anna.locker});  // It has given up on the commit's answer,
  doOneAside();
  doPosted();
  ASSERT_NE(anna.last<wire::CommitReply>(), nullptr);
  anna.say(wire::Ping{});  // which arrives all the same.
  doAll();

  EXPECT_EQ(database.processes().size(), 3u);
  const CommitId id{anna.locker.value, commit.request.changes.id.number};
  EXPECT_EQ(database.commitOutcome(id), CommitOutcome::Committed);
}

TEST_F(ServerDisk, WhenAWaitIsCancelledWhileItsObjectIsReadThenItIsNotForgotten) {
  ben.say(lockOf(ben, 20, first));
  disk->putOnDisk(first);
  anna.say(lockOf(anna, 10, first));
  anna.say(wire::Cancel{anna.locker, 10});
  doAll();

  const auto* const answered = anna.last<wire::LockAnswered>();
  ASSERT_NE(answered, nullptr);
  EXPECT_EQ(answered->replies.back().reply.lock.outcome, LockOutcome::Cancelled);
}

TEST_F(ServerDisk, WhenAProcessSignsOnThenItsOidIsReservedElsewhere) {
  for (int i = 0; i < 300; ++i)
    client();  // DiskStore looks that nobody waits where all are served.
  EXPECT_EQ(database.nodes().size(), 302u);
}

TEST_F(ServerDisk, WhenTheStoreSignsNobodyOnThenThatCountsForNobodyWhoComesLater) {
  const Oid node = database.nodes().front().oid;
  disk->isBroken = true;
  for (std::size_t i = 0; i < 2 * kMostProcesses; ++i) {
    anna.say(wire::SignOnNode{10, "till", {}});
    doAll();
    ASSERT_NE(anna.last<wire::FailureReply>(), nullptr);
    EXPECT_EQ(anna.last<wire::FailureReply>()->failure.code, ErrorCode::StoreFailed);
    anna.say(wire::SignOnProcess{11, {node, "clerk", "anna", false}});
    doAll();
    ASSERT_NE(anna.last<wire::FailureReply>(), nullptr);
    EXPECT_EQ(anna.last<wire::FailureReply>()->failure.code, ErrorCode::StoreFailed);
  }

  disk->isBroken = false;
  anna.say(wire::SignOnNode{12, "till", {}});
  anna.say(wire::SignOnProcess{13, {node, "clerk", "anna", false}});
  doAll();
  ASSERT_NE(anna.last<wire::ProcessReply>(), nullptr);
  EXPECT_TRUE(anna.last<wire::ProcessReply>()->reply.process);
  EXPECT_EQ(database.nodes().size(), 3u);
}

TEST_F(ServerDisk, WhenManySignOnAtOnceThenNoMoreComeThanMay) {
  for (std::size_t i = 0; i < 2 * kMostProcesses; ++i) anna.say(wire::SignOnNode{10 + i, "t", {}});
  doAll();
  EXPECT_EQ(database.nodes().size(), kMostProcesses + 1) << "and Ben's";
}

TEST_F(ServerDisk, WhenASessionEndsWhileItsNodeSignsOnThenTheNodeSignsOff) {
  anna.say(wire::SignOnNode{10, "till", {}});
  sessions.closed(*anna.node);
  doAll();
  EXPECT_EQ(database.nodes().size(), 1u) << "Ben's";
}

/// Given: Ben has changed an object while it was read for Anna; the answer to her, of the edition
/// before, is on its way, and so is word of the change.
class ObjectChanged : public ServerDisk {
 protected:
  ObjectChanged() {
    ben.say(lockOf(ben, 20, first));
    disk->putOnDisk(first);
    anna.say(wire::Fetch{10, first});
    ben.say(commitOf(ben, 21, {first}));
    doOneAside();
    doOneAside();
    disk->putOnDisk(first);
  }
  std::uint32_t latestEdition() { return store->fetch(first)->edition; }
};

TEST_F(ObjectChanged, WhenTheAnswerComesFirstThenItsReaderIsToldThatItIsOutdated) {
  doAll();
  const auto& heard = anna.node->heard;
  ASSERT_EQ(heard.size(), 2u);
  const auto* const answer = std::get_if<wire::ObjectReply>(&heard[0]);
  const auto* const word = std::get_if<wire::Invalidate>(&heard[1]);
  ASSERT_TRUE(answer != nullptr && word != nullptr);
  EXPECT_EQ(answer->record->edition, latestEdition() - 1);
  EXPECT_EQ(word->objects.front().oid, first);
}

TEST_F(ObjectChanged, WhenTheWordOfItComesFirstThenItIsReadAgain) {
  ben.say(lockOf(ben, 22, second));  // Which tells all that was committed before.
  EXPECT_EQ(anna.node->heard.size(), 1u);

  doAll();
  ASSERT_NE(anna.last<wire::ObjectReply>(), nullptr);
  EXPECT_EQ(anna.last<wire::ObjectReply>()->record->edition, latestEdition());
}

TEST_F(ServerDisk, WhenALockIsGrantedAfterACommitWithoutAnyQueueThenWordOfThatComesBefore) {
  anna.say(wire::Fetch{10, second});
  ben.say(lockOf(ben, 20, second));
  ben.say(commitOf(ben, 21, {second}));
  doOneAside();
  anna.say(lockOf(anna, 11, first));  // Nobody ever held it.

  ASSERT_TRUE(isGranted(anna, 11));
  ASSERT_EQ(anna.node->heard.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<wire::Invalidate>(anna.node->heard.front()));
}

TEST_F(ServerDisk, WhenALockIsGrantedAfterACommitThenWhatElseThatChangedIsToldBefore) {
  anna.say(wire::Fetch{10, second});
  ben.say(lockOf(ben, 20, first));
  ben.say(lockOf(ben, 21, second));
  ASSERT_TRUE(isGranted(ben, 21));
  ben.say(commitOf(ben, 22, {first, second}));
  doOneAside();  // Durable, visible, unlocked; what is posted of it waits behind this:
  anna.say(lockOf(anna, 11, first));

  ASSERT_TRUE(isGranted(anna, 11));
  const auto& heard = anna.node->heard;
  ASSERT_GE(heard.size(), 2u);
  const auto* const told = std::get_if<wire::Invalidate>(&heard[heard.size() - 2]);
  ASSERT_NE(told, nullptr) << "the grant overtakes it";
  ASSERT_EQ(told->objects.size(), 1u);
  EXPECT_EQ(told->objects.front().oid, second);
  const std::size_t before = heard.size();
  doAll();
  EXPECT_EQ(heard.size(), before) << "it is told once";
}

// What the committer's own node keeps is made good by the answer to the commit, which is on its
// way.
TEST_F(ServerDisk, WhenALockIsGrantedAtTheCommittersNodeBeforeItsAnswerThenThatIsToldToo) {
  const Client eve = processOf(anna, "eve");
  anna.say(lockOf(anna, 10, first));
  anna.say(lockOf(anna, 11, second));
  ASSERT_TRUE(isGranted(anna, 11));
  anna.say(commitOf(anna, 12, {first, second}));
  doOneAside();  // Durable, visible, unlocked; its answer is posted behind this:
  eve.say(lockOf(eve, 13, first));

  ASSERT_TRUE(isGranted(eve, 13));
  EXPECT_EQ(eve.last<wire::CommitReply>(), nullptr);
  const auto& heard = eve.node->heard;
  ASSERT_GE(heard.size(), 2u);
  const auto* const told = std::get_if<wire::Invalidate>(&heard[heard.size() - 2]);
  ASSERT_NE(told, nullptr) << "she would read the edition of second before that of first";
  EXPECT_EQ(told->objects.size(), 2u);

  doAll();
  EXPECT_NE(eve.last<wire::CommitReply>(), nullptr);
  anna.say(lockOf(anna, 14, second));
  ASSERT_TRUE(isGranted(anna, 14));
  EXPECT_EQ(anna.last<wire::Invalidate>(), nullptr) << "it is told once";
}

TEST(LockReleased, WhenItsNextHolderMustReadTheObjectThenTheReleaserDoesNotWaitForThat) {
  const std::thread::id here = std::this_thread::get_id();
  std::atomic<bool> given{false};
  const auto store =
      std::make_shared<DiskStore>([&] { return !given || std::this_thread::get_id() != here; });
  ClassDef order;
  order.name = "Order";
  const auto made = store->defineClass(order);
  const Oid oid = store->newOid(made->number);
  ChangeSet changes;
  changes.changes.emplace_back(ChangeKind::Create, ObjectRecord{oid, 1, {}, {}});
  store->commit(changes);
  LocalDatabase database(store, SystemClock::instance(), {});
  LockerId anna, ben;
  database.signOnNode({.name = "till"}, [&](const NodeReply& node) {
    const auto signOn = [&](LockerId& locker) {
      database.signOnProcess({.node = node.node->oid, .name = "clerk"},
                             [&](const ProcessReply& reply) { locker = reply.process->locker; });
    };
    signOn(anna);
    signOn(ben);
  });
  ObjectLockRequest wish;
  wish.request.target = {oid.bits()};
  wish.request.type = LockType::Exclusive;
  wish.request.locker = anna;
  database.port(anna)->lock(wish, [](const LockReply&) {});
  std::promise<LockReply> answered;
  wish.request.locker = ben;
  database.port(ben)->lock(wish, [&](const LockReply& reply) { answered.set_value(reply); });

  store->putOnDisk(oid);
  given = true;
  EXPECT_TRUE(database.port(anna)->unlock(oid));

  const LockReply reply = answered.get_future().get();
  EXPECT_TRUE(reply.isGranted());
  EXPECT_NE(reply.record, nullptr);
}

}  // namespace
}  // namespace nephrite

// What the seam promises whoever stands behind a ProcessMachine: a process that has signed off can
// do nothing any more, however late its messages come.

#include "runtime/database/local_database.h"
#include "runtime/database/locker_port.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "runtime/database/known_objects.h"

namespace nephrite {
namespace {

/// Given: a database on a manual clock, a node, and Anna signed on.
class ASignedOnProcess : public testing::Test {
 protected:
  ASignedOnProcess() {
    database.signOnNode({.name = "main"},
                        [&](const NodeReply& reply) { node = reply.node.value(); });
    anna = signOn("anna");
    ClassDef order;
    order.name = "Order";
    orderClass = database.defineClass(order)->number;
  }

  static std::shared_ptr<ObjectStore> openInMemory() {
    ObjectStore::Options options;
    options.inMemory = true;
    return ObjectStore::open(options);
  }

  ProcessInfo signOn(const std::string& name) {
    ProcessInfo info;
    database.signOnProcess({node.oid, name, name, false},
                           [&](const ProcessReply& reply) { info = reply.process.value(); });
    return info;
  }

  CommitRequest creating(const ProcessInfo& process, Oid oid) const {
    CommitRequest request;
    request.upgrade.locker = process.locker;
    request.changes.changes.push_back({ChangeKind::Create, {oid, 1, {}, {}}});
    return request;
  }

  CommitReply commit(const CommitRequest& request) {
    std::optional<CommitReply> got;
    database.port(request.upgrade.locker)->commit(request, [&](const CommitReply& reply) {
      got = reply;
    });
    return got.value();
  }

  ManualClock clock;
  LocalDatabase database{openInMemory(), clock, {.threads = false}};
  NodeInfo node;
  ProcessInfo anna;
  Oid::ClassNumber orderClass = 0;
};

TEST_F(ASignedOnProcess, CommitsWhatItCreates) {
  const Oid oid = database.newOid(Lifetime::Persistent, orderClass);
  EXPECT_EQ(commit(creating(anna, oid)).outcome, CommitReply::Outcome::Committed);
  EXPECT_NE(database.fetch(oid), nullptr);
}

TEST_F(ASignedOnProcess, WhenItHasSignedOffThenALateCommitIsRefused) {
  const Oid oid = database.newOid(Lifetime::Persistent, orderClass);
  database.signOffProcess(anna.locker);

  const CommitReply late = commit(creating(anna, oid));

  EXPECT_EQ(late.outcome, CommitReply::Outcome::LockRefused);
  EXPECT_EQ(late.lock.outcome, LockOutcome::Cancelled);
  EXPECT_EQ(database.fetch(oid), nullptr);
  EXPECT_EQ(database.describe(anna.locker).name, "anna") << "people may still ask who it was";
}

TEST_F(ASignedOnProcess, WhenItHasSignedOffThenALateLockIsRefused) {
  database.signOffProcess(anna.locker);
  LockRequest request;
  request.locker = anna.locker;
  request.target = {database.systemNodes().bits()};
  std::optional<LockReply> got;

  database.port(request.locker)->lock({request}, [&](const LockReply& reply) { got = reply; });

  EXPECT_EQ(got.value().lock.outcome, LockOutcome::Cancelled);
  EXPECT_TRUE(database.locksOn(database.systemNodes()).empty());
}

TEST_F(ASignedOnProcess, WhenItChangesWhatItHasNotLockedThenTheCommitIsRefused) {
  const Oid oid = database.newOid(Lifetime::Persistent, orderClass);
  commit(creating(anna, oid));
  CommitRequest sly;
  sly.upgrade.locker = anna.locker;
  sly.changes.changes.push_back({ChangeKind::Update, *database.fetch(oid)});

  const CommitReply reply = commit(sly);

  EXPECT_EQ(reply.outcome, CommitReply::Outcome::Failed);
  EXPECT_EQ(reply.failure->code, ErrorCode::LockLost) << reply.failure->what;
  EXPECT_EQ(reply.failure->object, oid);
  EXPECT_EQ(database.fetch(oid)->edition, 1u);
}

TEST_F(ASignedOnProcess, WhenItsNodeSignsOffThenItsLocksGoToThoseWhoWait) {
  NodeInfo other;
  database.signOnNode({.name = "other"},
                      [&](const NodeReply& reply) { other = reply.node.value(); });
  ProcessInfo ben;
  database.signOnProcess({other.oid, "ben", "ben", false},
                         [&](const ProcessReply& reply) { ben = reply.process.value(); });
  LockRequest request;
  request.target = {database.system().bits()};
  request.type = LockType::Exclusive;
  request.locker = anna.locker;
  database.port(request.locker)->lock({request}, [](const LockReply&) {});
  request.locker = ben.locker;
  std::optional<LockReply> got;
  database.port(request.locker)->lock({request}, [&](const LockReply& reply) { got = reply; });
  ASSERT_FALSE(got.has_value());

  database.signOffNode(node.oid);

  EXPECT_EQ(got.value().lock.outcome, LockOutcome::Granted);
}

// --- What is known to be there

Oid order(std::uint64_t instance) { return Oid(Lifetime::Persistent, 2048, instance); }

TEST(KnownObjects, KnowsWhatWasAddedUntilItIsRemoved) {
  KnownObjects known;
  EXPECT_FALSE(known.contains(order(1)));
  known.add(order(1));
  known.add(order(2));
  EXPECT_TRUE(known.contains(order(1)));
  EXPECT_TRUE(known.contains(order(2)));
  known.remove(order(1));
  EXPECT_FALSE(known.contains(order(1)));
  EXPECT_TRUE(known.contains(order(2)));
}

TEST(KnownObjects, ForgetsTheOneWhosePlaceAnotherTakes) {
  KnownObjects known;
  const Oid other = order(1 + (std::uint64_t{1} << 20));
  known.add(order(1));
  known.add(other);
  EXPECT_FALSE(known.contains(order(1)));
  known.remove(order(1));
  EXPECT_TRUE(known.contains(other)) << "it is not the other's to forget";
}

// --- Whoever looks -------------------------------------------------------------------------------

TEST_F(ASignedOnProcess, WhenAnOperatorTakesItsLockAwayThenWhoWatchesTheObjectIsTold) {
  const Oid oid = database.newOid(Lifetime::Persistent, orderClass);
  commit(creating(anna, oid));
  const LockWatch watch = database.watchLocks(oid);
  std::vector<LockEvent> told;
  std::uint64_t next = watch.since();
  const LockSubscription subscription = database.whenLockEvents(Lifetime::Persistent, [&] {
    const LockEvents found = database.lockEventsAfter(Lifetime::Persistent, next, 100);
    next = found.next;
    told.insert(told.end(), found.events.begin(), found.events.end());
  });
  LockRequest request;
  request.locker = anna.locker;
  request.target = {oid.bits()};
  request.type = LockType::Exclusive;
  request.duration = LockDuration::Session;

  database.port(request.locker)->lock({request}, [](const LockReply&) {});
  database.breakLock(anna.locker, oid, {"operator", "because"});

  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].kind, LockEventKind::Granted);
  EXPECT_EQ(told[1].kind, LockEventKind::Broken);
  EXPECT_EQ(told[1].cause, LockEventCause::Force);
}

TEST_F(ASignedOnProcess, WhenAnOperatorSignsItOffThenItsLocksAreBrokenByForce) {
  const Oid oid = database.newOid(Lifetime::Persistent, orderClass);
  commit(creating(anna, oid));
  database.lockEventsAfter(Lifetime::Persistent, 0, 0);
  LockRequest request;
  request.locker = anna.locker;
  request.target = {oid.bits()};
  request.type = LockType::Exclusive;
  request.duration = LockDuration::Session;
  database.port(anna.locker)->lock({request}, [](const LockReply&) {});

  EXPECT_TRUE(database.forceSignOff(anna.locker, {"operator", "because"}));

  const LockEvents told = database.lockEventsAfter(Lifetime::Persistent, 0, 100);
  ASSERT_EQ(told.events.size(), 1u);
  EXPECT_EQ(told.events[0].kind, LockEventKind::Broken);
  EXPECT_EQ(told.events[0].cause, LockEventCause::Force);
}

TEST_F(ASignedOnProcess, WhenItsLocksAreListedInPagesThenEachIsThereOnce) {
  LockRequest request;
  request.locker = anna.locker;
  request.duration = LockDuration::Session;
  for (int i = 0; i < 5; ++i) {
    const Oid oid = database.newOid(Lifetime::Persistent, orderClass);
    commit(creating(anna, oid));
    request.target = {oid.bits()};
    database.port(request.locker)->lock({request}, [](const LockReply&) {});
  }

  std::set<LockTarget> listed;
  LockCursor after;
  for (int pages = 1;; ++pages) {
    const LockPage page = database.locksHeld(Lifetime::Persistent, after, 2);
    for (const LockInfo& lock : page.locks) EXPECT_TRUE(listed.insert(lock.target).second);
    if (!page.next) break;
    after = *page.next;
    ASSERT_LT(pages, 10);
  }
  EXPECT_EQ(listed.size(), 5u);
  EXPECT_EQ(database.locksOf(anna.locker, Lifetime::Persistent, {}, 100).locks.size(), 5u);
}

TEST_F(ASignedOnProcess,
       WhenAPersistentObjectASharedTransientAndAResourceCloseACycleThenItIsFound) {
  const ProcessInfo ben = signOn("ben"), cleo = signOn("cleo");
  const Oid order = database.newOid(Lifetime::Persistent, orderClass);
  const Oid basket = database.newOid(Lifetime::SharedTransient, orderClass);
  Oid nightly;
  database.resource("nightly run",
                    [&](const ResourceReply& reply) { nightly = reply.resource->oid; });
  const auto ask = [&](const ProcessInfo& who, Oid target) {
    ObjectLockRequest asked;
    asked.existence = Existence::CreatedByLocker;
    asked.request.locker = who.locker;
    asked.request.target = {target.bits()};
    asked.request.type = LockType::Exclusive;
    asked.request.timeout = LockTimeout::infinite();
    auto reply = std::make_shared<std::optional<LockReply>>();
    database.port(who.locker)->lock(asked, [reply](const LockReply& given) { *reply = given; });
    return reply;
  };
  ask(anna, order);
  ask(ben, basket);
  ask(cleo, nightly);
  EXPECT_FALSE(ask(anna, basket)->has_value());
  EXPECT_FALSE(ask(ben, nightly)->has_value());

  const auto closing = ask(cleo, order);

  ASSERT_TRUE(closing->has_value());
  EXPECT_EQ((*closing)->lock.outcome, LockOutcome::Deadlock);
  std::vector<Oid> wanted;
  for (const WaitEdge& edge : (*closing)->lock.cycle) {
    wanted.push_back(Oid::fromBits(edge.target.value));
  }
  EXPECT_EQ(wanted, (std::vector{order, basket, nightly}));
}

}  // namespace
}  // namespace nephrite

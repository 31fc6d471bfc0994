// What no client of ours sends, message by message: the server refuses it with a sentence, and
// others keep what is theirs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/database/locker_port.h"
#include "runtime/nephrite.h"
#include "tests/spoken/spoken_server.h"

namespace nephrite {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

ServerLimits fewOfEach() {
  ServerLimits limits;
  limits.maxProcessesPerSession = 3;
  limits.maxRequestsPerSession = 5;
  return limits;
}

/// Given: Anna's client, which is hostile, and Ben's, which is not, at a server with two orders.
class HostileDoors : public testing::Test, protected SpokenServer {
 protected:
  HostileDoors() : SpokenServer(fewOfEach()), annas(connect()), bens(connect()) {
    anna = signOn(annas);
    ben = signOn(bens);
  }

  wire::Commit commitOf(const std::vector<Oid>& changed, const std::vector<Oid>& updateLocked,
                        std::uint64_t number = 1) const {
    wire::Commit commit;
    commit.id = 9;
    commit.request.upgrade.locker = anna;
    commit.request.upgrade.id = 8;
    commit.request.changes.id = {anna.value, number};
    commit.request.updateLocked = updateLocked;
    for (const Oid oid : changed)
      commit.request.changes.changes.emplace_back(ChangeKind::Update, ObjectRecord{oid, 1, {}, {}});
    return commit;
  }
  void lock(LockType type, Oid oid, bool inState = true) {
    LockRequest request = asks(anna, oid, type);
    request.inState = inState;
    annas->say(wire::Lock{3, {{request}, 0}});
  }
  RequestFailure refusal() const { return annas->last<wire::FailureReply>().failure; }
  void expectServed() {
    database.checkInvariants();
    bens->say(wire::Ping{});
    EXPECT_THAT(bens->all<wire::Ping>(), SizeIs(1));
  }

  const std::shared_ptr<SpokenConnection> annas, bens;
  LockerId anna, ben;
  const Oid order = newOrder(), other = newOrder();
};

// --- Commit --------------------------------------------------------------------------------------

TEST_F(HostileDoors, WhenACommitNamesAnUpgradeTwiceThenItIsRefusedAndTheLockStays) {
  lock(LockType::Update, order);

  annas->say(commitOf({order}, {order, order}));

  EXPECT_THAT(refusal().what, AllOf(HasSubstr(database.schema()->show(order)),
                                    HasSubstr("twice in its update_locked"),
                                    HasSubstr("process " + std::to_string(anna.value))));
  EXPECT_EQ(database.port(anna)->lockStatus(order)->type, LockType::Update);
  annas->say(commitOf({order}, {order}));
  EXPECT_EQ(annas->last<wire::CommitReply>().reply.outcome, CommitReply::Outcome::Committed);
  expectServed();
}

TEST_F(HostileDoors, WhenACommitChangesAnObjectTwiceThenItIsRefused) {
  lock(LockType::Exclusive, order);
  annas->say(commitOf({order, order}, {}));
  EXPECT_THAT(refusal().what, HasSubstr("changed twice"));
  expectServed();
}

TEST_F(HostileDoors, WhenACommitUpgradesWhatItDoesNotChangeThenItIsRefused) {
  lock(LockType::Update, other);
  annas->say(commitOf({order}, {other}));
  EXPECT_THAT(refusal().what, HasSubstr("not changed by it"));
  expectServed();
}

TEST_F(HostileDoors, WhenACommitChangesASystemObjectThenItIsRefused) {
  annas->say(commitOf({database.systemNodes()}, {}));
  EXPECT_EQ(refusal().code, ErrorCode::SystemObject);
  expectServed();
}

// What a client says of its state is believed: it must not lead to a lock that is not there.
TEST_F(HostileDoors, WhenALockIsLoweredAndAskedForAgainWhileItsCommitWaitsThenTheServerGoesOn) {
  bens->say(wire::Lock{3, {{asks(ben, order, LockType::Share)}, 0}});
  lock(LockType::Update, order);
  annas->say(commitOf({order}, {order}));
  EXPECT_THAT(annas->heard, IsEmpty()) << "it waits for Ben's Share";

  lock(LockType::Share, order, false);
  lock(LockType::Update, order);
  bens->say(wire::Unlock{ben, order});

  expectServed();
  annas->say(wire::Goodbye{});
  EXPECT_THAT(database.locksOn(order), IsEmpty());
  database.checkInvariants();
}

TEST_F(HostileDoors, WhenTheSameIsTriedUntilTheTimeoutThenTheServerGoesOn) {
  bens->say(wire::Lock{3, {{asks(ben, order, LockType::Share)}, 0}});
  lock(LockType::Update, order);
  annas->say(commitOf({order}, {order}));
  lock(LockType::Share, order, false);
  lock(LockType::Update, order);

  pass(std::chrono::seconds(14));

  expectServed();
  EXPECT_EQ(database.port(ben)->lockStatus(order)->type, LockType::Share);
}

// --- AskOutcome ----------------------------------------------------------------------------------

TEST_F(HostileDoors, WhenItAsksForTheCommitsOfAProcessThatIsHereThenNobodyIsSignedOff) {
  const LockerId housekeeping = database.nodes().back().locker;
  Node servers = Node::signOn(std::shared_ptr<Database>(&database, [](Database*) {}), "server");
  Process worker = servers.signOn({.name = "worker"});
  for (const LockerId locker : {ben, housekeeping, worker.info().locker, servers.info().locker}) {
    annas->say(wire::AskOutcome{5, {locker.value, 1}});
    EXPECT_EQ(refusal().code, ErrorCode::NoAnswer) << locker.value;
    EXPECT_THAT(refusal().what, HasSubstr("still signed on"));
  }
  EXPECT_TRUE(worker.isSignedOn());
  EXPECT_TRUE(servers.signOn({.name = "another"}).isSignedOn());
  bens->say(wire::Lock{3, {{asks(ben, order)}, 0}});
  EXPECT_EQ(database.port(ben)->lockStatus(order)->type, LockType::Exclusive);
}

TEST_F(HostileDoors, WhenItAsksForOneThatHasGoneThenItIsTold) {
  lock(LockType::Exclusive, order);
  annas->say(commitOf({order}, {}, 4));
  const auto later = connect();
  annas->isClosed = true;
  sessions.closed(*annas);

  later->say(wire::AskOutcome{5, {anna.value, 4}});
  EXPECT_TRUE(later->last<wire::YesNo>().yes);
  later->say(wire::AskOutcome{6, {anna.value, 5}});
  EXPECT_FALSE(later->last<wire::YesNo>().yes);
}

TEST_F(HostileDoors, WhenItAsksForManyAtOnceThenTheLimitOfRequestsHolds) {
  holdAside();
  for (int i = 0; i < 5; ++i) annas->say(wire::AskOutcome{5, {77, 1}});
  EXPECT_THAT(annas->heard, IsEmpty());
  annas->say(wire::AskOutcome{6, {77, 1}});
  EXPECT_THAT(refusal().what, HasSubstr("5 requests"));
  doAside();
}

// --- What is remembered of commits ---------------------------------------------------------------

TEST_F(HostileDoors, WhenAProcessKnowsItsCommitsAndSignsOffThenTheyAreForgotten) {
  lock(LockType::Exclusive, order);
  annas->say(commitOf({order}, {}, 4));
  EXPECT_EQ(store->lastCommitOf(anna.value), 4u);

  annas->say(wire::SignOffProcess{anna});

  EXPECT_EQ(store->lastCommitOf(anna.value), 0u) << "one more key for each process, for ever";
}

TEST_F(HostileDoors, WhenItSignsOffWithoutHavingHeardOfItsCommitThenThatIsRemembered) {
  lock(LockType::Exclusive, order);
  annas->reads = false;
  annas->say(commitOf({order}, {}, 4));
  annas->say(wire::SignOffProcess{anna});
  EXPECT_EQ(store->lastCommitOf(anna.value), 4u) << "it may still ask";
}

TEST_F(HostileDoors, WhenItSaysGoodbyeThenWhatItKnowsIsForgotten) {
  lock(LockType::Exclusive, order);
  annas->say(commitOf({order}, {}, 4));
  annas->say(wire::Goodbye{});
  EXPECT_EQ(store->lastCommitOf(anna.value), 0u);
}

// --- Names and numbers of things -----------------------------------------------------------------

TEST_F(HostileDoors, WhenNamesAreTooLongThenTheyAreRefusedAndTheLimitIsNamed) {
  const std::string longName(300, 'n');
  const auto isRefused = [&](const std::optional<RequestFailure>& failure) {
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->code, ErrorCode::TooLarge);
    EXPECT_THAT(failure->what, AllOf(HasSubstr("300 bytes"), HasSubstr("255")));
  };
  annas->say(wire::SignOnNode{5, longName, {}});
  isRefused(annas->last<wire::NodeReply>().reply.failure);
  const Oid node = database.nodes().front().oid;
  annas->say(wire::SignOnProcess{5, {node, longName, "", false}});
  isRefused(annas->last<wire::ProcessReply>().reply.failure);
  annas->say(wire::SignOnProcess{5, {node, "", longName, false}});
  isRefused(annas->last<wire::ProcessReply>().reply.failure);
  annas->say(wire::SignOnProcess{5, {node, "", "", false, {}, Face::Rest, longName}});
  EXPECT_THAT(annas->last<wire::ProcessReply>().reply.failure->what, HasSubstr("at most 200"));
  annas->say(wire::SignOnNode{5, "", {}, Face::Rest, longName});
  EXPECT_THAT(annas->last<wire::NodeReply>().reply.failure->what, HasSubstr("at most 200"));
  annas->say(wire::Force{5, ben, order, {longName, ""}});
  isRefused(refusal());
  annas->say(wire::Force{5, ben, order, {"", std::string(3'000, 'r')}});
  EXPECT_THAT(refusal().what, HasSubstr("3000 bytes"));

  const auto third = std::make_shared<SpokenConnection>(sessions);
  sessions.opened(third);
  wire::Hello hello;
  hello.program = longName;
  third->say(hello);
  isRefused(third->last<wire::Refusal>().failure);
  EXPECT_TRUE(third->isClosed);
}

TEST_F(HostileDoors, WhenItSignsOnTooManyNodesThenItIsRefusedAlsoWhileTheyWait) {
  // Ben keeps the dictionary of nodes to himself: those who sign on wait.
  bens->say(wire::Lock{3, {{asks(ben, database.systemNodes())}, 0}});
  annas->say(wire::SignOnNode{5, "second", {}});
  annas->say(wire::SignOnNode{6, "third", {}});
  EXPECT_THAT(annas->heard, IsEmpty());

  annas->say(wire::SignOnNode{7, "fourth", {}});

  EXPECT_EQ(annas->last<wire::FailureReply>().id, 7u);
  EXPECT_THAT(refusal().what, AllOf(HasSubstr("3 nodes"), HasSubstr("MaxProcessesPerSession")));
  bens->say(wire::Unlock{ben, database.systemNodes()});
  EXPECT_THAT(annas->all<wire::NodeReply>(), SizeIs(2));
}

TEST_F(HostileDoors, WhenItSignsOnTooManyProcessesAtOnceThenThoseThatWaitCount) {
  const NodeInfo node = database.nodes().front();
  bens->say(wire::Lock{3, {{asks(ben, node.processes)}, 0}});
  annas->say(wire::SignOnProcess{5, {node.oid, "two", "", false}});
  annas->say(wire::SignOnProcess{6, {node.oid, "three", "", false}});
  annas->say(wire::SignOnProcess{7, {node.oid, "four", "", false}});
  EXPECT_THAT(refusal().what, AllOf(HasSubstr("3 processes"), HasSubstr("MaxProcessesPerSession")));
}

TEST_F(HostileDoors, WhenItLocksMillionsInOneRequestThenItIsToldHowMany) {
  wire::LockAll wish{9, asks(anna, Oid()), {}};
  wish.targets.assign(250'001, {order, 0, Existence::Required});
  annas->say(wish);
  EXPECT_EQ(refusal().code, ErrorCode::TooLarge);
  EXPECT_THAT(refusal().what, AllOf(HasSubstr("250001"), HasSubstr("250000")));
}

// --- Families, leases and resources --------------------------------------------------------------

TEST_F(HostileDoors, WhenTheParentIsOfAnotherSessionOrUnknownThenTheSignOnIsRefused) {
  const Oid node = database.nodes().front().oid;
  for (const LockerId parent : {ben, LockerId{4711}}) {
    annas->say(wire::SignOnProcess{5, {node, "child", "", false, parent}});
    const auto failure = annas->last<wire::ProcessReply>().reply.failure;
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->code, ErrorCode::NotLockable);
    EXPECT_THAT(failure->what, AllOf(HasSubstr(std::to_string(parent.value)),
                                     HasSubstr("not signed on by this client node")));
  }
  EXPECT_THAT(database.locksOf(ben, Lifetime::Persistent), IsEmpty());
  expectServed();
}

TEST_F(HostileDoors, WhenALeaseIsNegativeOrTooLongThenItIsRefusedAndNothingIsLocked) {
  for (const std::int64_t lease : {std::int64_t{-1}, std::int64_t{2'147'483'648}}) {
    LockRequest request = asks(anna, order);
    request.lease.length = std::chrono::milliseconds(lease);
    annas->say(wire::Lock{3, {{request}, 0}});
    EXPECT_EQ(refusal().code, ErrorCode::NotLockable);
    EXPECT_THAT(refusal().what, AllOf(HasSubstr(std::to_string(lease)), HasSubstr("2147483647")));
    request.target = {};
    annas->say(wire::LockAll{3, request, {{order}, {other}}});
    EXPECT_EQ(refusal().code, ErrorCode::NotLockable);
  }
  EXPECT_FALSE(database.port(anna)->lockStatus(order));
  expectServed();
}

TEST_F(HostileDoors, WhenAResourceWasNeverGivenToItThenItCannotLockIt) {
  bens->say(wire::AskResource{5, "nightly run"});
  const Oid bensOwn = bens->last<wire::ResourceReply>().oid;
  for (const Oid oid : {bensOwn, Oid(Lifetime::Resource, 1, 4711)}) {
    annas->say(wire::Lock{3, {{asks(anna, oid)}, 0}});
    EXPECT_EQ(refusal().code, ErrorCode::NotLockable);
    EXPECT_THAT(refusal().what, HasSubstr("ask for the name first"));
    EXPECT_FALSE(database.port(anna)->lockStatus(oid));
  }
  bens->say(wire::Lock{6, {{asks(ben, bensOwn)}, 0}});
  EXPECT_TRUE(database.port(ben)->lockStatus(bensOwn));
  expectServed();
}

TEST_F(HostileDoors, WhenAResourceIsDroppedAsOftenAsItWasToldThenItIsNotItsAnyMore) {
  annas->say(wire::AskResource{5, "nightly run"});
  annas->say(wire::AskResource{6, "nightly run"});
  const Oid run = annas->last<wire::ResourceReply>().oid;
  annas->say(wire::DropResource{run, 1});
  annas->say(wire::Lock{3, {{asks(anna, run)}, 0}});
  EXPECT_TRUE(database.port(anna)->lockStatus(run));
  annas->say(wire::DropResource{run, 7});
  annas->say(wire::Lock{3, {{asks(anna, run, LockType::Share)}, 0}});
  EXPECT_EQ(refusal().code, ErrorCode::NotLockable);
  annas->say(wire::Unlock{anna, run});
  EXPECT_FALSE(database.port(anna)->lockStatus(run));
}

TEST_F(HostileDoors, WhenAServerIsStartedAnewThenAnOidOfBeforeIsThatOfNoOtherName) {
  annas->say(wire::AskResource{5, "nightly run"});
  const Oid before = annas->last<wire::ResourceReply>().oid;
  LocalDatabase next(storeInMemory(), clock, withoutThreads());
  next.numberResourcesFrom(std::uint64_t{2} << 30);
  Oid first;
  next.resource("another", [&](const ResourceReply& reply) { first = reply.resource->oid; });
  EXPECT_EQ(first.lifetime(), Lifetime::Resource);
  EXPECT_NE(first, before);
}

TEST_F(HostileDoors, WhenTheNameOfAResourceIsEmptyOrTooLongThenItIsRefused) {
  for (const std::string& name : {std::string(), std::string(1'025, 'n')}) {
    annas->say(wire::AskResource{5, name});
    EXPECT_EQ(refusal().code, ErrorCode::NotLockable);
    EXPECT_THAT(refusal().what, HasSubstr("1024"));
  }
  annas->say(wire::AskResource{5, std::string(1'024, '\0')});
  EXPECT_EQ(annas->last<wire::ResourceReply>().oid.lifetime(), Lifetime::Resource);
}

TEST_F(HostileDoors, WhenItUsesTooManyNamesThenOneMoreIsRefused) {
  for (int i = 0; i < 100'000; ++i) annas->say(wire::AskResource{5, std::to_string(i)});
  const Oid last = annas->last<wire::ResourceReply>().oid;
  annas->say(wire::AskResource{5, "one more"});
  EXPECT_THAT(refusal().what, HasSubstr("100000 names"));
  annas->say(wire::DropResource{last, 1});
  annas->say(wire::AskResource{5, "one more"});
  EXPECT_THAT(annas->all<wire::ResourceReply>(), SizeIs(1));
}

TEST_F(HostileDoors, WhenItRenewsWhatItDoesNotHoldThenItIsToldSo) {
  lock(LockType::Exclusive, order);
  for (const LockerId locker : {anna, ben, LockerId{4711}}) {
    annas->say(wire::Renew{5, locker, order, Renewal::Request});
    EXPECT_FALSE(annas->last<wire::YesNo>().yes) << "it has no lease, or is not held";
  }
  annas->say(wire::Renew{0, anna, other, Renewal::Change});
  EXPECT_THAT(annas->heard, IsEmpty()) << "no answer was wanted";
  expectServed();
}

TEST_F(HostileDoors, WhenItInheritsWithoutAParentThenItIsAPlainSignOff) {
  lock(LockType::Exclusive, order);
  annas->say(wire::SignOffProcess{anna, true, 3});
  EXPECT_THAT(database.locksOn(order), IsEmpty());
  EXPECT_THAT(annas->heard, IsEmpty());
  expectServed();
}

TEST_F(HostileDoors, WhenResourcesAndObjectsAreLockedTogetherThenThatIsRefused) {
  annas->say(wire::AskResource{5, "nightly run"});
  const Oid run = annas->last<wire::ResourceReply>().oid;
  wire::LockAll wish{9, asks(anna, Oid()), {{order}, {run}}};
  annas->say(wish);
  EXPECT_EQ(refusal().code, ErrorCode::NotLockable);
  EXPECT_FALSE(database.port(anna)->lockStatus(order));
  wish.targets = {{run, 0, Existence::Required}};
  annas->say(wish);
  EXPECT_TRUE(database.port(anna)->lockStatus(run));
}

TEST_F(HostileDoors, WhenAParentSignsOffThenItsSessionHasNoDescendantsAnyMore) {
  const LockerId child = signOnChild(annas, anna);
  const LockerId grandchild = signOnChild(annas, child);
  annas->say(wire::Lock{3, {{asks(grandchild, order)}, 0}});

  annas->say(wire::SignOffProcess{anna});

  EXPECT_THAT(database.locksOn(order), IsEmpty());
  annas->say(wire::Lock{4, {{asks(grandchild, order)}, 0}});
  EXPECT_EQ(annas->last<wire::LockAnswered>().replies.front().reply.lock.outcome,
            LockOutcome::Cancelled);
  EXPECT_EQ(sessions.ownerOf(child), nullptr);
  expectServed();
}

TEST_F(HostileDoors, WhenAParentIsSignedOffByForceThenItsDescendantsAreToldFirst) {
  const LockerId child = signOnChild(annas, anna);
  annas->heard.clear();
  bens->say(wire::Force{5, anna, Oid(), {"operator", "night"}});
  std::vector<LockerId> gone;
  for (const auto& off : annas->all<wire::SignedOff>()) gone.push_back(off.locker);
  EXPECT_EQ(gone, (std::vector{child, anna}));
}

TEST_F(HostileDoors, WhenAChildLeavesItsLocksThenItsParentIsToldWhatItHolds) {
  const LockerId child = signOnChild(annas, anna);
  lock(LockType::Share, order);
  LockRequest request = asks(child, order);
  request.lease.length = std::chrono::seconds(30);
  annas->say(wire::Lock{3, {{request}, 0}});

  annas->say(wire::SignOffProcess{child, true, 1});

  const auto left = annas->last<wire::LocksInherited>();
  EXPECT_EQ(left.locker, anna);
  ASSERT_THAT(left.locks, SizeIs(1));
  EXPECT_EQ(left.locks.front().target.value, order.bits());
  EXPECT_EQ(left.locks.front().type, LockType::Exclusive);
}

TEST_F(HostileDoors,
       GivenACommitOfItsOwnChildThatWaitsWhenAChildLeavesItsLocksThenItsParentIsTold) {
  const LockerId child = signOnChild(annas, anna);
  const LockerId grandchild = signOnChild(annas, child);
  annas->say(wire::Lock{3, {{asks(grandchild, order, LockType::Update)}, 0}});
  bens->say(wire::Lock{4, {{asks(ben, order, LockType::Share)}, 0}});
  annas->say(wire::Lock{5, {{asks(child, other)}, 0}});
  wire::Commit commit = commitOf({order}, {order});
  commit.request.upgrade.locker = grandchild;
  commit.request.changes.id.process = grandchild.value;
  annas->say(commit);
  ASSERT_THAT(annas->all<wire::CommitReply>(), IsEmpty());

  annas->say(wire::SignOffProcess{child, true, 1});

  const auto left = annas->all<wire::LocksInherited>();
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_EQ(left.front().locker, anna);
  ASSERT_THAT(left.front().locks, SizeIs(1));
  EXPECT_EQ(left.front().locks.front().target.value, other.bits());
}

TEST_F(HostileDoors, WhenALockLapsesThenItsClientIsToldBeforeAnythingElseOfIt) {
  LockRequest request = asks(anna, order);
  request.lease.length = std::chrono::seconds(1);
  annas->say(wire::Lock{3, {{request}, 0}});
  EXPECT_EQ(annas->last<wire::LockAnswered>().replies.front().held->lease.length.count(), 1'000);
  bens->say(wire::Lock{4, {{asks(ben, order, LockType::Share)}, 0}});

  holdPosted();
  pass(std::chrono::seconds(1));
  annas->say(wire::Lock{5, {{asks(anna, order, LockType::Share)}, 0}});

  ASSERT_THAT(annas->heard, SizeIs(2));
  const auto* const lapsed = std::get_if<wire::LockLapsed>(&annas->heard.front());
  ASSERT_NE(lapsed, nullptr);
  EXPECT_EQ(lapsed->lock.target.value, order.bits());
  EXPECT_EQ(lapsed->lock.type, LockType::Exclusive);
  doPosted();
  EXPECT_THAT(bens->all<wire::LockAnswered>(), SizeIs(1));
}

TEST_F(HostileDoors, WhenItAsksForAllBelowAResourceThenThatIsRefused) {
  annas->say(wire::AskResource{5, "nightly run"});
  LockRequest request = asks(anna, annas->last<wire::ResourceReply>().oid);
  request.scope = LockScope::Subtree;
  annas->say(wire::Lock{3, {{request}, 0}});
  EXPECT_EQ(refusal().code, ErrorCode::NotLockable);
  EXPECT_THAT(refusal().what, HasSubstr("nothing is below a resource"));
  expectServed();
}

// --- Clients that speak version 1 ----------------------------------------------------------------

TEST_F(HostileDoors, WhenAnOlderClientSaysWhatIsNewerThenItsConnectionEnds) {
  const auto older = connect(true, true, 1);
  EXPECT_EQ(older->last<wire::Welcome>().version, 1);
  older->say(wire::AskResource{5, "nightly run"});
  EXPECT_TRUE(older->isClosed);

  const auto second = connect(true, true, 2);
  EXPECT_EQ(second->last<wire::Welcome>().version, 2);
  LockRequest request = asks(signOn(second), order);
  request.scope = LockScope::Subtree;
  second->say(wire::Lock{3, {{request}, 0}});
  EXPECT_TRUE(second->isClosed);
  expectServed();
}

/// Given: a server with one lock to give.
class AnOlderClient : public testing::Test, protected SpokenServer {
 protected:
  AnOlderClient() : SpokenServer({}, oneLock()), older(connect(true, true, 1)) {
    carl = signOn(older);
  }
  static LocalDatabase::Options oneLock() {
    LocalDatabase::Options options = withoutThreads();
    options.locks.limits.maxLocks = 1;
    return options;
  }
  const std::shared_ptr<SpokenConnection> older;
  LockerId carl;
  const Oid order = newOrder(), other = newOrder();
};

TEST_F(AnOlderClient, WhenALimitRefusesItsLockThenItIsToldInWordsThatItKnows) {
  older->say(wire::Lock{3, {{asks(carl, order)}, 0}});
  older->say(wire::Lock{4, {{asks(carl, other)}, 0}});
  const LockReply reply = older->last<wire::LockAnswered>().replies.front().reply;
  EXPECT_EQ(reply.lock.outcome, LockOutcome::Cancelled);
  ASSERT_TRUE(reply.failure);
  EXPECT_EQ(reply.failure->code, ErrorCode::TooManyLocks);
  EXPECT_THAT(reply.failure->what, HasSubstr("MaxLocks"));
}

}  // namespace
}  // namespace nephrite

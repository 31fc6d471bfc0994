// Client nodes whose wire to the server is cut, silent or slow, and servers that are stopped: what
// becomes of locks, of requests that wait, and of commits whose answer never came.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "runtime/database/database.h"
#include "tests/remote/server_program.h"
#include "tests/support/fault_proxy.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;

using Way = FaultProxy::Way;

/// Given: a server, a client behind a wire that can be broken, another one beside it, and an
/// object.
class BrokenWire : public testing::Test {
 protected:
  void begin(const std::string& network) {
    server = std::make_unique<ServerProgram>(network);
    ASSERT_TRUE(server->start()) << server->log();
    proxy = std::make_unique<FaultProxy>(server->port());
    std::vector<std::string> overrides = ServerProgram::byPort(proxy->port());
    // The server's keep-alive time is the shorter one; sign-ons take two seconds at most.
    overrides.push_back("NephriteClient.KeepAliveTimeout=120000");
    overrides.push_back("JadeClient.BackgroundProcessServerTimeout=2000");
    far = server->clientHere("far", overrides);
    near = server->clientHere("near", server->bySocket());
    anna = far->node().signOn({.user = "anna"});
    ben = near->node().signOn({.user = "ben"});
    ben.defineClass({.name = "Counter", .properties = {{"value", ValueType::Integer}}});
    Transaction work(ben);
    Object made = ben.create("Counter");
    made.set("value", 0);
    work.commit();
    oid = made.oid();
  }
  std::size_t locksHeld() { return near->database()->locksHeld(Lifetime::Persistent, 10).size(); }
  std::size_t waiting() {
    return near->database()->queuedRequests(Lifetime::Persistent, 10).size();
  }
  std::int32_t committed() {
    Object object = ben.object(oid);
    object.sharedLock(10s);
    const auto value = object.get<std::int32_t>("value");
    object.unlock();
    return value;
  }
  /// The error of anna's commit, which runs on a thread of its own; 0 when it succeeds.
  std::future<std::optional<CommitId>> commitAside() {
    return std::async(std::launch::async, [this]() -> std::optional<CommitId> {
      try {
        anna.commitTransaction();
      } catch (const CommitUnknownException& unknown) {
        EXPECT_EQ(unknown.errorCode(), 64015);
        return unknown.commit();
      }
      return std::nullopt;
    });
  }
  CommitOutcome outcomeOf(const CommitId& commit) {
    std::optional<CommitOutcome> outcome;
    EXPECT_TRUE(eventually([&] {
      try {
        outcome = far->node().commitOutcome(commit);
      } catch (const ConnectionException&) {
      }
      return outcome.has_value();
    }));
    return outcome.value_or(CommitOutcome::NotCommitted);
  }

  std::unique_ptr<ServerProgram> server;
  std::unique_ptr<FaultProxy> proxy;
  std::unique_ptr<ClientNode> far;
  std::unique_ptr<ClientNode> near;
  Process anna;
  Process ben;
  Oid oid;
};

TEST_F(BrokenWire, WhenItIsCutThenItsLocksAreFreeAtOnceAndItSignsOnAnew) {
  begin("KeepAliveTimeout=60000\n");
  anna.object(oid).lock(LockType::Exclusive, LockDuration::Session, 5s);

  proxy->cut();

  ben.object(oid).exclusiveLock(30s);  // Half of the time after which silence would free it.
  ben.object(oid).unlock();
  // Her node hears of the cut by itself, at about the time when the server does.
  EXPECT_TRUE(eventually([&] {
    try {
      anna.object(oid).exclusiveLock(1s);
      return false;
    } catch (const SystemException&) {
      return true;
    }
  }));
  Process again;
  EXPECT_TRUE(eventually([&] {
    try {
      again = far->node().signOn({.user = "anna"});
      return true;
    } catch (const SystemException&) {
      return false;
    }
  }));
  again.object(oid).exclusiveLock(5s);
}

TEST_F(BrokenWire, WhenNothingComesFromItThenItsLocksAreFreeAfterTheKeepAliveTime) {
  begin("KeepAliveTimeout=1000\n");
  anna.object(oid).lock(LockType::Exclusive, LockDuration::Session, 5s);
  EXPECT_FALSE(ben.object(oid).tryLock(LockType::Share));

  proxy->hold(Way::Both);

  ben.object(oid).exclusiveLock(30s);
  EXPECT_THROW(anna.object(oid).exclusiveLock(1s), SystemException);
}

TEST_F(BrokenWire, WhenItIsCutWithinTheGraceTimeThenTheSessionGoesOnWithItsLocks) {
  begin("KeepAliveTimeout=10000\nSessionGraceTime=60000\n");
  ben.beginTransaction();
  ben.object(oid).exclusiveLock(5s);
  auto waits = std::async(std::launch::async, [&] {
    anna.object(oid).lock(LockType::Share, LockDuration::Session, 60s);
  });
  ASSERT_TRUE(eventually([&] { return waiting() == 1; }));

  proxy->cut();
  ASSERT_TRUE(eventually([&] { return proxy->connections() == 1; })) << "it comes back by itself";
  ben.object(oid).set("value", 7);
  ben.commitTransaction();

  waits.get();
  EXPECT_EQ(anna.object(oid).get<std::int32_t>("value"), 7);
  proxy->cut();
  EXPECT_FALSE(ben.object(oid).tryLock(LockType::Exclusive)) << "anna keeps it meanwhile";
  EXPECT_TRUE(anna.isSignedOn());
}

TEST_F(BrokenWire, WhenTheGraceTimeIsOverThenTheirWaitersAreGranted) {
  begin("KeepAliveTimeout=10000\nSessionGraceTime=500\n");
  anna.object(oid).lock(LockType::Exclusive, LockDuration::Session, 5s);
  proxy->blackHole(true);
  proxy->cut();
  EXPECT_FALSE(ben.object(oid).tryLock(LockType::Exclusive)) << "the grace time runs";

  ben.object(oid).exclusiveLock(30s);

  EXPECT_THROW(anna.object(oid).exclusiveLock(1s), SystemException);
}

TEST_F(BrokenWire, WhenTheAnswerToACommitIsCutAwayThenItsOutcomeIsCommitted) {
  begin("KeepAliveTimeout=60000\n");
  anna.beginTransaction();
  anna.object(oid).set("value", 1);
  proxy->hold(Way::ToClient);
  auto commit = commitAside();
  ASSERT_TRUE(eventually([&] { return committed() == 1; }));

  proxy->cut();
  proxy->release();

  const auto unknown = commit.get();
  ASSERT_TRUE(unknown);
  EXPECT_EQ(outcomeOf(*unknown), CommitOutcome::Committed);
  EXPECT_EQ(committed(), 1);
}

TEST_F(BrokenWire, WhenACommitIsCutOffOnItsWayThenItsOutcomeIsNotCommitted) {
  begin("KeepAliveTimeout=60000\n");
  anna.beginTransaction();
  anna.object(oid).set("value", 1);
  proxy->hold(Way::ToServer);
  auto commit = commitAside();
  ASSERT_TRUE(eventually([&] { return proxy->bytesHeld(Way::ToServer) > 0; }));

  proxy->cut();
  proxy->release();

  const auto unknown = commit.get();
  ASSERT_TRUE(unknown);
  EXPECT_EQ(outcomeOf(*unknown), CommitOutcome::NotCommitted);
  EXPECT_EQ(committed(), 0);
}

// The first request is given up by the client; its late grant must not take away what the second
// one was granted.
TEST_F(BrokenWire, WhenALateGrantIsGivenBackThenALaterRequestKeepsItsLock) {
  begin("KeepAliveTimeout=60000\n");
  Object object = anna.object(oid);
  proxy->hold(Way::ToServer);
  EXPECT_THROW(object.lock(LockType::Share, LockDuration::Session, 1ms), ConnectionException);
  const std::size_t first = proxy->bytesHeld(Way::ToServer);
  auto second = std::async(std::launch::async,
                           [&] { object.lock(LockType::Share, LockDuration::Session, 30s); });
  ASSERT_TRUE(eventually([&] { return proxy->bytesHeld(Way::ToServer) > first; }));
  proxy->release();

  second.get();

  // Ask for the locks twice: what was still under way has arrived by then.
  EXPECT_EQ(far->database()->locksHeld(Lifetime::Persistent, 10).size(), 1u);
  EXPECT_EQ(far->database()->locksHeld(Lifetime::Persistent, 10).size(), 1u);
  EXPECT_TRUE(object.isLockedByMe());
}

// When exactly: tests/spoken/silent_server_test.cpp.
TEST_F(BrokenWire, WhenTheServerIsStoppedThenEveryRequestEndsBeforeItGoesOn) {
  begin("KeepAliveTimeout=6000\n[JadeServer]\nServerTimeout=1000\n");
  Process immediate = far->node().signOn();
  Process patient = far->node().signOn();
  Process committer = far->node().signOn();
  committer.beginTransaction();
  Object own = committer.create("Counter");
  own.set("value", 1);
  server->program().pause();

  std::vector<std::future<void>> requests;
  const auto aside = [&](std::function<void()> request) {
    requests.push_back(std::async(std::launch::async, [request = std::move(request)] {
      EXPECT_THROW(request(), SystemException);
    }));
  };
  aside([&] { immediate.object(oid).exclusiveLock(LockTimeout::immediate()); });
  aside([&] { patient.object(oid).exclusiveLock(300ms); });
  aside([&] { committer.commitTransaction(); });
  aside([&] { anna.object(oid).get<std::int32_t>("value"); });
  aside([&] { far->node().signOn(); });
  for (auto& request : requests) request.get();
  server->program().resume();

  EXPECT_TRUE(eventually([&] { return locksHeld() == 0 && waiting() == 0; }));
}

}  // namespace
}  // namespace nephrite

// The verbs that ask a server node, as people call them: a server in a program of its own, known
// holders and waiters in this one.

#include <gmock/gmock.h>
#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <boost/json.hpp>
#include <list>
#include <mutex>

#include "runtime/database/database.h"
#include "runtime/database/locker_port.h"
#include "tests/node/called_program.h"
#include "tests/remote/server_program.h"

namespace nephrite {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

/// Given: a server, and on two client nodes anna and ben with two orders.
class AnOperator : public testing::Test {
 protected:
  AnOperator() : server("AuditLog=audit.log\n") {
    EXPECT_TRUE(server.start()) << server.log();
    east = server.clientHere("east", server.bySocket());
    west = server.clientHere("west", server.bySocket());
    anna = east->node().signOn({.user = "anna", .name = "billing"});
    ben = west->node().signOn({.user = "ben", .name = "import"});
    anna.defineClass({.name = "Order", .properties = {{"total", ValueType::Integer}}});
    Transaction work(anna);
    first = anna.create("Order").oid();
    second = anna.create("Order").oid();
    work.commit();
  }

  Ran ask(const std::string& arguments) const {
    return nephrite(arguments + server.connectArgument());
  }
  boost::json::object json(const std::string& arguments) const {
    const Ran ran = ask(arguments + " --json");
    EXPECT_EQ(ran.status, 0) << ran.output;
    return boost::json::parse(ran.output).as_object();
  }
  void waitFor(Process& process, Oid oid) {
    process.lockAsync(process.object(oid), {.timeout = LockTimeout::ofMilliseconds(60'000)},
                      [this](const LockResult& result) {
                        if (result.granted()) ++granted;
                        ++answered;
                      });
    ASSERT_TRUE(eventually([&] {
      for (const LockInfo& lock : west->database()->queuedRequests(Lifetime::Persistent, 100)) {
        if (lock.requestedBy == process.info().locker) return true;
      }
      return false;
    }));
  }
  /// anna holds the first order, ben waits for it, and a third waits behind him.
  void aPile() {
    anna.beginTransaction();
    anna.object(first).exclusiveLock();
    ben.beginTransaction();
    waitFor(ben, first);
    carl = west->node().signOn({.user = "carl", .name = "report"});
    carl.beginTransaction();
    waitFor(carl, first);
  }
  std::string firstName() const { return "Order/" + first.toString(); }
  /// Who operates: the user that runs this test.
  static std::string userHere() {
    const passwd* const user = ::getpwuid(::getuid());
    return user != nullptr ? user->pw_name : std::to_string(::getuid());
  }

  ServerProgram server;
  std::atomic<int> granted{0};
  std::atomic<int> answered{0};
  std::unique_ptr<ClientNode> east;
  std::unique_ptr<ClientNode> west;
  Process anna;
  Process ben;
  Process carl;
  Oid first;
  Oid second;
};

TEST_F(AnOperator, WhenNobodyHoldsAnythingThenItSaysSo) {
  EXPECT_EQ(ask("locks").output, "no locks are held\n");
  EXPECT_EQ(ask("queue").output, "nobody waits\n");
  EXPECT_THAT(ask("deadlocks").output, HasSubstr("no such deadlock"));
  EXPECT_EQ(json("locks").at("locks").as_array().size(), 0u);
}

TEST_F(AnOperator, WhenAnObjectIsAskedForThenItsHolderComesFirstAndThenItsQueue) {
  aPile();

  for (const std::string& name : {firstName(), first.toString()}) {
    const Ran locks = ask("locks --object " + name);
    EXPECT_EQ(locks.status, 0);
    EXPECT_THAT(locks.output, ContainsRegex(firstName() +
                                            " +holds +exclusive +transaction +[0-9]+ "
                                            "billing +anna +east +unix:pid .*\n" +
                                            firstName() +
                                            " +waits 1. +exclusive .*import +ben .*"
                                            "[0-9]+ billing *\n" +
                                            firstName() + " +waits 2. .*report +carl"));
  }
  const auto document = json("locks --object " + firstName());
  const auto& list = document.at("locks").as_array();
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].at("by").at("user").as_string(), "anna");
  EXPECT_FALSE(list[0].at("waiting").as_bool());
  EXPECT_EQ(list[1].at("waitsFor").at("name").as_string(), "billing");
  EXPECT_THAT(ask("locks --process import").output, ContainsRegex("waits +exclusive"));
  EXPECT_EQ(ask("locks --user nobody").output, "no locks are held\n");
}

TEST_F(AnOperator, WhenManyWaitThenTheQueueTellsForWhomAndHowDeep) {
  aPile();

  const Ran queue = ask("queue");
  EXPECT_THAT(queue.output, AllOf(ContainsRegex("import +ben .*billing +anna at east .* 1\n"),
                                  ContainsRegex("report +carl")));
  EXPECT_EQ(json("queue").at("waiting").as_int64(), 2);
  EXPECT_THAT(ask("queue --max 1").output, HasSubstr("... and 1 more"));
  EXPECT_THAT(ask("queue --user carl").output, Not(HasSubstr("import")));
}

TEST_F(AnOperator, WhenAskedWhoIsThereThenProcessesNodesAndCountersAnswer) {
  aPile();

  EXPECT_THAT(ask("processes").output,
              AllOf(ContainsRegex("billing +anna +east +unix:pid .* 1 +-\n"),
                    ContainsRegex("import +ben .* 0 +" + firstName())));
  EXPECT_THAT(ask("nodes").output, ContainsRegex("west +unix:pid [0-9]+ +node_test +[0-9]+ .* 3 "));
  const auto nodes = json("nodes");
  EXPECT_EQ(nodes.at("nodes").as_array().size(), 3u) << "those who look sign on nowhere";
  const auto stats = json("stats");
  EXPECT_EQ(stats.at("locksHeld").as_int64(), 1);
  EXPECT_EQ(stats.at("requestsWaiting").as_int64(), 2);
  EXPECT_GT(stats.at("framesOut").as_int64(), 0);
  EXPECT_THAT(ask("stats").output, ContainsRegex("locks held +1\n"));
  EXPECT_THAT(ask("ping --count 3").output, HasSubstr("3 round trips"));
  EXPECT_EQ(json("ping").at("count").as_int64(), 10);
}

TEST_F(AnOperator, WhenOneCameThroughAnotherFaceThenListingsNameIt) {
  EXPECT_THAT(ask("processes").output, Not(HasSubstr("FACE")));
  Process phone = east->node().signOn(
      {.user = "mia", .name = "phone", .face = Face::Rest, .faceOwner = "mia at 10.0.0.7"});
  phone.object(first).lock({.type = LockType::Exclusive, .duration = LockDuration::Session});
  ben.beginTransaction();
  waitFor(ben, first);

  EXPECT_THAT(ask("processes").output, ContainsRegex("FACE.*phone +mia .*rest mia at 10.0.0.7"));
  EXPECT_THAT(ask("locks --object " + firstName()).output,
              ContainsRegex("FACE.*phone +mia .*rest mia at 10.0.0.7.*import"));
  EXPECT_THAT(ask("queue").output, HasSubstr("through rest mia at 10.0.0.7"));
  const auto list = json("locks --object " + firstName()).at("locks").as_array();
  EXPECT_EQ(list.at(0).at("by").at("face").as_string(), "rest");
  EXPECT_EQ(list.at(0).at("by").at("faceOwner").as_string(), "mia at 10.0.0.7");
  EXPECT_FALSE(list.at(1).at("by").as_object().contains("face"));
}

/// A child of anna's process, "night", has the resource for an hour at most.
TEST_F(AnOperator, WhenAChildHasALeaseOfAResourceThenItIsShownByNameAndTakenByName) {
  const std::shared_ptr<Database> database = east->database();
  std::mutex mutex;
  std::shared_ptr<const NamedResource> run;
  std::optional<ProcessInfo> child;
  database->resource("nightly run", [&](const ResourceReply& reply) {
    const std::lock_guard hold(mutex);
    run = reply.resource;
  });
  database->signOnProcess({.node = east->node().info().oid,
                           .name = "night",
                           .user = "anna",
                           .parent = anna.info().locker},
                          [&](const ProcessReply& reply) {
                            const std::lock_guard hold(mutex);
                            child = reply.process;
                          });
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard hold(mutex);
    return run != nullptr && child.has_value();
  }));
  ObjectLockRequest wish;
  wish.request.locker = child->locker;
  wish.request.target = {run->oid.bits()};
  wish.request.type = LockType::Exclusive;
  wish.request.duration = LockDuration::Session;
  wish.request.lease.length = std::chrono::hours(1);
  wish.existence = Existence::CreatedByLocker;
  database->port(child->locker)->lock(wish, [this](const LockReply& reply) {
    granted += reply.isGranted() ? 1 : 0;
  });
  ASSERT_TRUE(eventually([&] { return granted == 1; }));

  EXPECT_THAT(ask("locks").output,
              AllOf(HasSubstr("LAPSES IN"), HasSubstr("CHILD OF"),
                    ContainsRegex("resource nightly run +holds +exclusive +session +[0-9]+ night "
                                  ".*[0-9]+ billing")));
  const auto one = json("locks --object 'resource nightly run'").at("locks").as_array().at(0);
  EXPECT_EQ(one.at("object").as_string(), "resource nightly run");
  EXPECT_EQ(one.at("leaseMs").as_int64(), 3'600'000);
  EXPECT_GT(one.at("leaseLeftMs").as_int64(), 0);
  EXPECT_EQ(one.at("parent").at("name").as_string(), "billing");
  const Ran taken = ask("unlock 'resource nightly run' --process night --reason 'it hangs'");
  EXPECT_EQ(taken.status, 0) << taken.output;
  EXPECT_THAT(taken.output, HasSubstr("resource nightly run is taken from process"));
  EXPECT_EQ(ask("locks").output, "no locks are held\n");
  EXPECT_THAT(server.auditLog("it hangs"), HasSubstr("resource nightly run"));
  database->signOffProcess(child->locker);
}

TEST_F(AnOperator, WhenALockIsTakenAwayThenTheNextIsGrantedAndTheAuditLogKnows) {
  aPile();

  const Ran wrong = ask("unlock " + firstName() + " --process report --reason test");
  EXPECT_EQ(wrong.status, 1);
  EXPECT_THAT(wrong.output, AllOf(HasSubstr("holds nothing on"), HasSubstr("anna")));
  EXPECT_EQ(ask("unlock " + firstName() + " --process billing").status, 2) << "no reason";
  const Ran taken = ask("unlock " + firstName() + " --process billing --reason 'it hangs'");
  EXPECT_EQ(taken.status, 0) << taken.output;

  EXPECT_TRUE(eventually([&] { return granted == 1; }));
  EXPECT_THAT(server.auditLog("it hangs"),
              AllOf(HasSubstr("\"verb\":\"unlock\""), HasSubstr("\"it hangs\""),
                    HasSubstr("\"user\":\"anna\""), HasSubstr(firstName())));
}

TEST_F(AnOperator, WhenTheLockOfAChangeIsTakenAwayThenTheCommitSaysByWhomAndWhy) {
  anna.beginTransaction();
  anna.object(first).set("total", 7);
  const Ran taken = ask("unlock " + firstName() + " --process billing --reason 'till 3 hangs'");
  ASSERT_EQ(taken.status, 0) << taken.output;

  try {
    anna.commitTransaction();
    ADD_FAILURE() << "it was committed without its lock";
  } catch (const LockLostException& lost) {
    EXPECT_EQ(lost.errorCode(), 64026);
    EXPECT_EQ(lost.lockTarget(), first);
    EXPECT_THAT(lost.what(), AllOf(HasSubstr(firstName()), HasSubstr("till 3 hangs"),
                                   HasSubstr(userHere()), HasSubstr(" UTC")));
  }

  EXPECT_TRUE(anna.isInTransactionState());
  anna.abortTransaction();
  EXPECT_EQ(ben.object(first).get<int>("total"), 0);
}

TEST_F(AnOperator, WhenANodeOrAProcessIsSignedOffThenItsLocksAreFree) {
  aPile();

  EXPECT_EQ(ask("sign-off nobody --reason test").status, 1);
  EXPECT_EQ(ask("sign-off server --reason test").status, 1) << "the server's own node";
  EXPECT_EQ(ask("sign-off east --reason 'its host is gone'").status, 0);
  EXPECT_TRUE(eventually([&] { return granted == 1; })) << "ben has it";
  EXPECT_EQ(ask("sign-off import --reason test").status, 0);
  EXPECT_TRUE(eventually([&] { return granted == 2; })) << "carl has it";

  EXPECT_THAT(server.auditLog("\"name\":\"import\""),
              AllOf(HasSubstr("its host is gone"), HasSubstr("\"name\":\"import\"")));
  EXPECT_THAT(ask("processes").output, AllOf(Not(HasSubstr("anna")), HasSubstr("carl")));
}

TEST_F(AnOperator, WhenADeadlockIsWrittenAsAScheduleThenItsReplayRefusesTheSame) {
  anna.beginTransaction();
  ben.beginTransaction();
  anna.object(first).exclusiveLock();
  ben.object(second).exclusiveLock();
  waitFor(anna, second);
  EXPECT_THROW(ben.object(first).exclusiveLock(), DeadlockException);

  const std::string b = "Order/" + second.toString();
  EXPECT_THAT(ask("deadlocks").output,
              ContainsRegex("1 .* import +[0-9]+ import -exclusive-> " + firstName() +
                            " -> [0-9]+ billing -exclusive-> " + b + " -> [0-9]+ import"));
  EXPECT_THAT(ask("deadlocks --object 1.1").output, HasSubstr("no such deadlock"));
  const auto record = json("deadlocks").at("deadlocks").as_array().at(0).as_object();
  EXPECT_EQ(record.at("victims").as_array().at(0).at("name").as_string(), "import");
  EXPECT_EQ(ask("deadlocks --schedule 7").status, 1);
  const Ran played =
      called(NEPHRITE_BINARY_DIR "/nephrite deadlocks --schedule 1" + server.connectArgument() +
             " | " NEPHRITE_BINARY_DIR "/nephrite replay -");
  EXPECT_THAT(played.output, ContainsRegex("\"process\":\"import\"[^\n]*\"outcome\":\"deadlock\""));
}

TEST_F(AnOperator, WhenContentionIsCountedThenTheTableShowsIt) {
  EXPECT_THAT(ask("contention").output, HasSubstr("begin with"));
  EXPECT_EQ(ask("contention on 50").status, 0);
  anna.beginTransaction();
  anna.object(first).exclusiveLock();
  EXPECT_FALSE(ben.object(first).tryLock(LockType::Exclusive));

  EXPECT_THAT(ask("contention").output, ContainsRegex(firstName() + " +1 "));
  EXPECT_EQ(json("contention --object " + firstName()).at("contention").as_array().size(), 1u);
  EXPECT_EQ(ask("contention clear").status, 0);
  EXPECT_THAT(ask("contention").output, HasSubstr("nobody had to wait"));
  EXPECT_EQ(ask("contention off").status, 0);
}

TEST_F(AnOperator, WhenItWatchesThenItSeesTheServerAgainAfterARestartAndEndsOnInterrupt) {
  ChildProcess watch(
      {.command = {NEPHRITE_BINARY_DIR "/nephrite", "stats", "--watch=0.1", "--json", "--connect",
                   "Unix," + (server.folder() / "run/node.sock").string()}});
  const auto epoch = [&] { return boost::json::parse(watch.heard()).at("epoch").as_int64(); };
  const std::int64_t before = epoch();
  EXPECT_EQ(epoch(), before) << "one document a line";

  server.program().kill();
  ASSERT_TRUE(server.start()) << server.log();
  EXPECT_TRUE(eventually([&] { return epoch() > before; }));

  watch.signal(SIGINT);
  EXPECT_EQ(watch.exitStatus(), 0);
}

TEST_F(AnOperator, WhenTheServerIsNotThereThenOneSentenceSaysWhatToCheck) {
  const Ran absent = nephrite("locks --connect Unix,/tmp/no-such-nephrite.sock");
  EXPECT_EQ(absent.status, 1);
  EXPECT_THAT(absent.output, AllOf(HasSubstr("no-such-nephrite.sock"), HasSubstr("--connect")));
  EXPECT_EQ(nephrite("ping --connect Unix,/tmp/no-such-nephrite.sock").status, 1);
  EXPECT_EQ(nephrite("locks --connect nonsense").status, 2);
  EXPECT_EQ(ask("locks --object nonsense").status, 2);
}

}  // namespace
}  // namespace nephrite

// What people ask a server node for from a shell.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/node/called_program.h"
#include "tests/remote/server_program.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

/// Given: a server, two client nodes, an order that Anna holds exclusively, and Ben waiting for it.
class AnOrderThatBenWaitsFor : public testing::Test {
 protected:
  AnOrderThatBenWaitsFor() {
    EXPECT_TRUE(server.start()) << server.log();
    east = server.clientHere("east", server.bySocket());
    west = server.clientHere("west", server.bySocket());
    anna = east->node().signOn({.user = "anna", .name = "desk"});
    ben = west->node().signOn({.user = "ben", .name = "billing"});
    anna.defineClass({.name = "Order", .properties = {{"total", ValueType::Integer}}});
    anna.beginTransaction();
    order = anna.create("Order");
    anna.commitTransaction();
    order.lock(LockType::Exclusive, LockDuration::Session, 5s);
    waiting = std::thread([this] {
      try {
        ben.object(order.oid()).exclusiveLock(60s);
        granted = true;
      } catch (const SystemException&) {
      }
      over = true;
    });
    while (ask("queue --json").output.find("billing") == std::string::npos && !over) {
      std::this_thread::yield();
    }
  }
  ~AnOrderThatBenWaitsFor() override {
    ben.signOff();
    if (waiting.joinable()) waiting.join();
  }

  Ran ask(const std::string& arguments) const {
    return nephrite(arguments + server.connectArgument());
  }
  std::string socket() const { return (server.folder() / "run/node.sock").string(); }
  void awaitBen() {
    while (!over) std::this_thread::yield();
  }
  ServerProgram server{""};
  std::unique_ptr<ClientNode> east, west;
  Process anna, ben;
  Object order;
  std::thread waiting;
  std::atomic<bool> granted{false}, over{false};
};

TEST_F(AnOrderThatBenWaitsFor, WhenOneAsksWhoHoldsItThenHolderAndQueueAreShown) {
  const Ran shown = ask("locks --object " + order.toString());
  EXPECT_EQ(shown.status, 0);
  EXPECT_THAT(shown.output, AllOf(HasSubstr("OBJECT"), HasSubstr(order.toString() + "  holds"),
                                  HasSubstr("exclusive"), HasSubstr("session"), HasSubstr("anna"),
                                  HasSubstr("east"), HasSubstr("unix:pid"), HasSubstr("waits 1."),
                                  HasSubstr("ben"), HasSubstr("west")));
  EXPECT_EQ(ask("locks --object " + order.oid().toString()).status, 0) << "its number is enough";
  EXPECT_THAT(ask("locks --user anna").output, Not(HasSubstr("ben")));
  EXPECT_THAT(ask("locks --process nobody").output, HasSubstr("no locks are held"));
}

TEST_F(AnOrderThatBenWaitsFor, WhenThereAreMoreLocksThanAPageHasThenAllOfThemAreShownOnce) {
  constexpr int kMany = 2'500;
  anna.beginTransaction();
  std::vector<Object> many;
  for (int i = 0; i < kMany; ++i) many.push_back(anna.create("Order"));
  anna.commitTransaction();
  std::vector<std::string> names;
  for (Object& each : many) {
    each.lock(LockType::Exclusive, LockDuration::Session, 5s);
    names.push_back(each.toString());
  }

  const std::string shown = ask("locks --max 1000000").output;
  for (const std::string& name : names) EXPECT_THAT(shown, HasSubstr("\n" + name + " "));
  EXPECT_EQ(std::count(shown.begin(), shown.end(), '\n'), kMany + 2) << "one line of headings";
  EXPECT_THAT(ask("locks --max 1200").output, HasSubstr("... and 1301 more (--max)"));
  EXPECT_THAT(ask("locks --user anna --max 3").output, HasSubstr("... and 2498 more (--max)"));
  const std::string json = ask("locks --max 1000000 --json").output;
  EXPECT_THAT(json, AllOf(HasSubstr("{\"locks\":[{"), HasSubstr("],\"more\":false}\n")));
  for (const std::string& name : names) EXPECT_THAT(json, HasSubstr("\"" + name + "\""));
}

TEST_F(AnOrderThatBenWaitsFor, WhenMoreThanCanBeSortedMayWaitThenTheyAreShownAsTheyCome) {
  const std::string shown = ask("queue --max 100001").output;
  EXPECT_THAT(shown, AllOf(HasSubstr("billing"), HasSubstr("desk"), Not(HasSubstr("DEPTH"))));
  EXPECT_THAT(ask("queue --max 100001 --json").output,
              AllOf(HasSubstr("\"waiting\":1"), Not(HasSubstr("\"depth\""))));
}

TEST_F(AnOrderThatBenWaitsFor, WhenOneAsksWhoWaitsThenWhomForIsShown) {
  const Ran shown = ask("queue");
  EXPECT_THAT(shown.output, AllOf(HasSubstr("WAITS FOR"), HasSubstr("billing"), HasSubstr("desk"),
                                  HasSubstr("anna at east")));
  EXPECT_THAT(ask("queue --json").output,
              AllOf(HasSubstr("\"depth\":1"), HasSubstr("\"timeoutMs\":60000"),
                    HasSubstr("\"waiting\":1"), HasSubstr("\"name\":\"billing\"")));
  EXPECT_THAT(ask("queue --user anna").output, HasSubstr("nobody waits"));
}

TEST_F(AnOrderThatBenWaitsFor, WhenOneAsksWhoIsThereThenProcessesAndNodesAreShown) {
  EXPECT_THAT(ask("processes").output,
              AllOf(HasSubstr("housekeeping (background)"), HasSubstr("desk"),
                    HasSubstr(order.toString()), HasSubstr("billing")));
  EXPECT_THAT(ask("nodes").output,
              AllOf(HasSubstr("server"), HasSubstr("east"), HasSubstr("west"),
                    HasSubstr("remote_test"), HasSubstr(std::to_string(::getpid()))));
  EXPECT_THAT(ask("nodes --json").output, HasSubstr("\"pid\":" + std::to_string(::getpid())));
}

TEST_F(AnOrderThatBenWaitsFor, WhenOneAsksHowItDoesThenNumbersAreShown) {
  EXPECT_THAT(ask("stats").output, AllOf(HasSubstr("locks held"), HasSubstr("requests waiting")));
  EXPECT_THAT(ask("stats --json").output,
              AllOf(HasSubstr("\"locksHeld\":1"), HasSubstr("\"requestsWaiting\":1")));
  EXPECT_THAT(ask("ping --count 3").output, HasSubstr("3 round trips"));
}

TEST_F(AnOrderThatBenWaitsFor, WhenTheLockIsTakenByForceThenBenGetsItAndItIsWrittenDown) {
  const Ran done = ask("unlock " + order.toString() + " --process desk --reason 'gone home'");
  EXPECT_EQ(done.status, 0) << done.output;
  awaitBen();
  EXPECT_TRUE(granted);
  EXPECT_THAT(
      server.auditLog("gone home"),
      AllOf(HasSubstr("\"verb\":\"unlock\""), HasSubstr("gone home"), HasSubstr(order.toString()),
            HasSubstr("\"user\":\"anna\""), HasSubstr("\"done\":true")));
  EXPECT_TRUE(eventually([&] { return order.lockStatus().type == LockType::Get; }))
      << "Anna's node was told";

  const Ran again = ask("unlock " + order.toString() + " --process desk --reason again");
  EXPECT_EQ(again.status, 1);
  EXPECT_THAT(again.output, AllOf(HasSubstr("holds nothing"), HasSubstr("billing")))
      << "and who holds it instead";
}

TEST_F(AnOrderThatBenWaitsFor, WhenAProcessIsSignedOffByForceThenItsLocksAreFree) {
  EXPECT_EQ(ask("sign-off desk --reason test").status, 0);
  awaitBen();
  EXPECT_TRUE(granted);
  const auto wasTold = [&] {
    try {
      order.sharedLock();
    } catch (const ConnectionException&) {
      return true;
    }
    return false;
  };
  EXPECT_TRUE(eventually(wasTold));
  EXPECT_THAT(server.auditLog("sign-off"), HasSubstr("\"verb\":\"sign-off\""));
  EXPECT_EQ(ask("sign-off desk --reason again").status, 1);
}

TEST_F(AnOrderThatBenWaitsFor, WhenANodeIsSignedOffByForceThenItComesBackWithItsNextProcess) {
  EXPECT_EQ(ask("sign-off east --reason test").status, 0);
  awaitBen();
  EXPECT_TRUE(granted);
  Process again = east->node().signOn({.user = "anna"});
  EXPECT_TRUE(again.isSignedOn());
  EXPECT_THAT(ask("nodes").output, HasSubstr("east"));
}

TEST_F(AnOrderThatBenWaitsFor, WhenContentionIsCountedThenTheOrderIsShown) {
  EXPECT_THAT(ask("contention").output, HasSubstr("nothing is counted"));
  EXPECT_EQ(ask("contention on").status, 0);
  EXPECT_FALSE(ben.isInTransactionState());
  Process cleo = west->node().signOn({.user = "cleo"});
  EXPECT_FALSE(cleo.object(order.oid())
                   .tryLock(LockType::Share, LockDuration::Transaction, LockTimeout::immediate()));
  EXPECT_THAT(ask("contention").output, HasSubstr(order.toString()));
  EXPECT_EQ(ask("contention clear").status, 0);
  EXPECT_EQ(ask("contention off").status, 0);
}

TEST_F(AnOrderThatBenWaitsFor, WhenADeadlockHappensThenItIsListedAndPlaysAgain) {
  Process cleo = east->node().signOn({.user = "cleo", .name = "cleo"});
  Process dora = west->node().signOn({.user = "dora", .name = "dora"});
  cleo.beginTransaction();
  Object left = cleo.create("Order"), right = cleo.create("Order");
  cleo.commitTransaction();
  left.exclusiveLock();
  dora.object(right.oid()).exclusiveLock();
  std::thread other([&] { dora.object(left.oid()).exclusiveLock(30s); });
  while (ask("queue --process dora --json").output.find(left.toString()) == std::string::npos) {
    std::this_thread::yield();
  }

  EXPECT_THROW(right.exclusiveLock(30s), DeadlockException);
  cleo.abortTransaction();
  other.join();

  EXPECT_THAT(ask("deadlocks").output,
              AllOf(HasSubstr("cleo -exclusive-> " + right.toString()), HasSubstr("dora")));
  const Ran replayed =
      called(NEPHRITE_BINARY_DIR "/nephrite deadlocks --schedule 1" + server.connectArgument() +
             " | " NEPHRITE_BINARY_DIR "/nephrite replay -");
  EXPECT_EQ(replayed.status, 0) << replayed.output;
  EXPECT_THAT(replayed.output, HasSubstr("\"process\":\"cleo\",\"verb\":\"exclusiveLock\""));
  EXPECT_THAT(replayed.output, HasSubstr("\"outcome\":\"deadlock\",\"code\":1081"));
}

TEST_F(AnOrderThatBenWaitsFor, WhenItIsWatchedOverAPipeThenItIsToldAgainAndAgain) {
  ChildProcess watching(
      ChildProcess::Options{.command = {NEPHRITE_BINARY_DIR "/nephrite", "queue", "--watch=0.1",
                                        "--json", "--connect", "Unix," + socket()}});
  EXPECT_THAT(watching.heard(), HasSubstr("billing"));
  EXPECT_THAT(watching.heard(), HasSubstr("billing"));
  watching.signal(SIGINT);
  EXPECT_EQ(watching.exitStatus(), 0);
}

TEST(Operator, WhenNoServerIsThereThenASentenceSaysWhatToCheck) {
  const Ran gone = nephrite("locks --connect Unix,/tmp/nephrite-nobody-here.sock");
  EXPECT_EQ(gone.status, 1);
  EXPECT_THAT(gone.output, AllOf(HasSubstr("/tmp/nephrite-nobody-here.sock"),
                                 HasSubstr("nephrite server --ini")));
  EXPECT_EQ(nephrite("ping --connect Unix,/tmp/nephrite-nobody-here.sock").status, 1);
  EXPECT_EQ(nephrite("locks --connect Pigeon,x").status, 2);
  EXPECT_EQ(nephrite("locks --max many").status, 2);
}

}  // namespace
}  // namespace nephrite

// A server node and client nodes in one program, over real sockets.

#include "node/client_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "node/server_node.h"
#include "runtime/database/local_database.h"
#include "tests/node/called_program.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::SizeIs;

/// A folder with an INI file, for as long as this is there.
class IniFolder {
 public:
  IniFolder() {
    std::string pattern = "/tmp/nephrite-client-XXXXXX";  // Short, as unix sockets want.
    folder_ = ::mkdtemp(pattern.data());
    std::ofstream(iniFile()) << "[NephriteServer]\nPort=0\nUnixSocket=run/node.sock\n"
                                "[NephriteLog]\nLevel=Warning\n";
  }
  ~IniFolder() { std::filesystem::remove_all(folder_); }
  IniFolder(const IniFolder&) = delete;
  IniFolder& operator=(const IniFolder&) = delete;

  std::filesystem::path iniFile() const { return folder_ / "jade.ini"; }

 private:
  std::filesystem::path folder_;
};

/// Given: a server node on a free port, and two client nodes of it.
class AServerAndTwoClients : public testing::Test {
 protected:
  std::unique_ptr<ClientNode> client(const std::string& name) {
    return std::make_unique<ClientNode>(ClientNode::Options{
        .iniFile = server.iniFile(),
        .iniOverrides = {"JadeClient.ServerNodeSpecifications=TcpIP, 127.0.0.1, " +
                         std::to_string(server.port())},
        .nodeName = name});
  }

  const IniFolder folder;  // First: it goes when nobody uses it any more.
  ServerNode server{{.iniFile = folder.iniFile()}};
  std::unique_ptr<ClientNode> east = client("east");
  std::unique_ptr<ClientNode> west = client("west");
};

TEST_F(AServerAndTwoClients, WhenOneCommitsThenTheOtherReadsItUnderItsLock) {
  Process anna = east->node().signOn({.user = "anna"});
  Process ben = west->node().signOn({.user = "ben"});
  anna.defineClass({.name = "Order", .properties = {{"total", ValueType::Integer}}});
  Object order;
  {
    Transaction work(anna);
    order = anna.create("Order");
    order.set("total", 42);
    work.commit();
  }
  Object same = ben.object(order.oid());
  EXPECT_EQ(same.get<int>("total"), 42);
  {
    Transaction work(anna);
    order.set("total", 43);
    EXPECT_FALSE(same.tryLock(LockType::Share));
    EXPECT_EQ(same.get<int>("total"), 42) << "what is not committed is not seen";
    work.commit();
  }
  same.sharedLock();
  EXPECT_EQ(same.get<int>("total"), 43);
  EXPECT_THAT(ben.system().nodeInfos(), SizeIs(3));
}

TEST_F(AServerAndTwoClients, WhenAClientNodeEndsWhileARequestWaitsThenTheRequestIsAnswered) {
  Process anna = east->node().signOn({.user = "anna"});
  Object nodes = anna.system().nodes();
  anna.beginTransaction();
  nodes.exclusiveLock();
  int answered = 0;
  {
    Process ben = west->node().signOn({.user = "ben"});
    ben.lockAsync(ben.object(nodes.oid()), {.timeout = LockTimeout::ofMilliseconds(60'000)},
                  [&](const LockResult& result) { answered += result.granted() ? 100 : 1; });
  }

  west.reset();  // The waiting request was the last to hold on to the database.

  EXPECT_EQ(answered, 1);
}

/// Given: Anna at one of them and Ben at the other; a box on a shelf; Anna has all of the shelf.
class AShelfThatAnnaHas : public AServerAndTwoClients {
 protected:
  AShelfThatAnnaHas() {
    anna.defineClass({.name = "Shelf", .properties = {}});
    Transaction work(anna);
    shelf = anna.create("Shelf");
    box = anna.create("Shelf");
    work.commit();
    same = ben.object(box.oid());
    const auto local = std::dynamic_pointer_cast<LocalDatabase>(server.database());
    EXPECT_EQ(local->setPlace(box.oid(), shelf.oid()), LockManager::Placing::Done);
    shelf.lock(all);
  }
  Ran ask(const std::string& arguments) const {
    return nephrite(arguments + " --connect TcpIP,127.0.0.1," + std::to_string(server.port()));
  }

  const LockCall all{
      .type = LockType::Exclusive, .duration = LockDuration::Session, .scope = LockScope::Subtree};
  Process anna = east->node().signOn({.user = "anna", .name = "stock-taking"});
  Process ben = west->node().signOn({.user = "ben", .name = "desk"});
  Object shelf, box, same;  // Ben's handle of the box.
};

TEST_F(AShelfThatAnnaHas, WhenAnotherWantsWhatIsOnItThenHeIsToldWhereHeMeetsHer) {
  try {
    same.lock({.type = LockType::Share, .timeout = LockTimeout::immediate()});
    FAIL() << "it is not locked";
  } catch (const LockException& refused) {
    EXPECT_EQ(refused.lockTarget(), box.oid());
    EXPECT_EQ(refused.facts().lockedAt, shelf.oid());
    EXPECT_EQ(refused.targetLockedBy().user, "anna");
    EXPECT_THAT(refused.what(), HasSubstr("holds exclusive on Shelf/" + shelf.oid().toString() +
                                          " and all below it"));
  }
  EXPECT_TRUE(box.tryLock(LockType::Share)) << "she has all that is on it";
  box.unlock();
  shelf.unlock();
  same.sharedLock();
  LockCall now = all;
  now.timeout = LockTimeout::immediate();
  EXPECT_EQ(shelf.requestLock(now), LockOutcome::Refused) << "ben is below";
}

TEST_F(AShelfThatAnnaHas, WhenAnotherWaitsForWhatIsOnItThenListingsShowScopeAndMark) {
  std::atomic<bool> isOver{false};
  ben.lockAsync(same, {.timeout = LockTimeout::ofMilliseconds(60'000)},
                [&](const LockResult&) { isOver = true; });
  while (ask("queue").output.find("desk") == std::string::npos && !isOver)
    std::this_thread::yield();

  EXPECT_THAT(ask("queue").output, ContainsRegex("SCOPE.*\n.*Shelf.*exclusive.*desk.*mark"));
  const Ran locks = ask("locks --object " + shelf.oid().toString());
  EXPECT_THAT(locks.output, ContainsRegex("holds +exclusive.*stock-taking.* subtree"));
  EXPECT_THAT(locks.output, ContainsRegex("waits 1. +exclusive.*desk.* mark"));
  const std::string json = ask("locks --json --object " + shelf.oid().toString()).output;
  EXPECT_THAT(json, HasSubstr("\"scope\":\"subtree\",\"below\":\"exclusive\""));
  EXPECT_THAT(json, HasSubstr("\"mark\":true"));
  const auto listed = anna.system().getLocksOn(shelf);
  ASSERT_THAT(listed, SizeIs(2));
  EXPECT_EQ(listed[0].scope, LockScope::Subtree);
  EXPECT_EQ(listed[0].below, LockType::Exclusive);
  EXPECT_TRUE(listed[1].isMark);
  shelf.unlock();
  while (!isOver) std::this_thread::yield();
}

}  // namespace
}  // namespace nephrite

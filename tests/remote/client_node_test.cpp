// A server node and client nodes in one program, over real sockets.

#include "node/client_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "node/server_node.h"
#include "runtime/database/local_database.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;

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
  EXPECT_THAT(ben.system().nodeInfos(), testing::SizeIs(3));
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

TEST_F(AServerAndTwoClients, WhenOneHasAllBelowAnObjectThenTheOtherIsToldWhereItMeetsThat) {
  Process anna = east->node().signOn({.user = "anna", .name = "stock-taking"});
  Process ben = west->node().signOn({.user = "ben"});
  anna.defineClass({.name = "Shelf", .properties = {}});
  Object shelf, box;
  {
    Transaction work(anna);
    shelf = anna.create("Shelf");
    box = anna.create("Shelf");
    work.commit();
  }
  const auto local = std::dynamic_pointer_cast<LocalDatabase>(server.database());
  ASSERT_NE(local, nullptr);
  ASSERT_EQ(local->setPlace(box.oid(), shelf.oid()), LockManager::Placing::Done);
  const LockCall all{
      .type = LockType::Exclusive, .duration = LockDuration::Session, .scope = LockScope::Subtree};
  shelf.lock(all);
  Object same = ben.object(box.oid());

  try {
    same.lock({.type = LockType::Share, .timeout = LockTimeout::immediate()});
    FAIL() << "it is not locked";
  } catch (const LockException& refused) {
    EXPECT_EQ(refused.lockTarget(), box.oid());
    EXPECT_EQ(refused.facts().lockedAt, shelf.oid());
    EXPECT_EQ(refused.targetLockedBy().user, "anna");
    EXPECT_THAT(refused.what(), testing::HasSubstr("holds exclusive on Shelf/" +
                                                   shelf.oid().toString() + " and all below it"));
  }
  EXPECT_TRUE(anna.object(box.oid()).tryLock(LockType::Share)) << "she has all that is below";
  anna.object(box.oid()).unlock();
  shelf.unlock();
  same.sharedLock();
  LockCall now = all;
  now.timeout = LockTimeout::immediate();
  EXPECT_EQ(shelf.requestLock(now), LockOutcome::Refused) << "ben is below";
}

}  // namespace
}  // namespace nephrite

// A database without an INI file: open() in this program, connect() at a server.

#include "runtime/open.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

#include "node/connect.h"
#include "node/server_node.h"
#include "objects/object_store.h"
#include "runtime/nephrite.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// Given: an empty folder.
class AFolder : public testing::Test {
 protected:
  AFolder() {
    std::string pattern = testing::TempDir() + "nephrite-open-XXXXXX";
    folder = ::mkdtemp(pattern.data());
  }
  ~AFolder() override { std::filesystem::remove_all(folder); }

  static Object makeOrder(Process& process, int total) {
    process.defineClass({.name = "Order", .properties = {{"total", ValueType::Integer}}});
    return transact(process, [&] {
      Object order = process.create("Order");
      order.set("total", total);
      return order;
    });
  }

  std::filesystem::path folder;
};

TEST_F(AFolder, BecomesADatabaseThatIsThereAgainWhenItIsOpenedAgain) {
  {
    Node shop = open({.directory = folder / "shop"});
    Process anna = shop.signOn({.user = "anna"});
    makeOrder(anna, 42);
  }
  Node shop = open({.directory = folder / "shop", .nodeName = "again"});
  Process ben = shop.signOn({.user = "ben"});
  EXPECT_EQ(ben.instances("Order").at(0).get<int>("total"), 42);
  EXPECT_EQ(shop.info().name, "again");
}

TEST_F(AFolder, IsOpenOnceAtATime) {
  Node shop = open({.directory = folder});
  EXPECT_THROW(open({.directory = folder}), StoreException);
}

/// What a program meets that keeps an object longer than the node from which it comes.
void expectSignedOff(const Object& kept) {
  const auto isRefused = [](const std::function<void()>& use) {
    try {
      use();
      ADD_FAILURE() << "its node is gone";
    } catch (const UsageException& refused) {
      EXPECT_EQ(refused.code(), ErrorCode::NotSignedOn);
      EXPECT_THAT(refused.what(), HasSubstr("process \"till\" has signed off"));
    }
  };
  isRefused([&] { kept.get<int>("total"); });
  isRefused([&] { kept.set("total", 1); });
  isRefused([&] { kept.sharedLock(); });
  isRefused([&] { kept.deleteObject(); });
  kept.unlock();  // Nothing is held.
  EXPECT_THAT(kept.toString(), HasSubstr("Order/"));
}

TEST_F(AFolder, IsOpenForAsLongAsAnObjectOfItIsKept) {
  Object kept;
  {
    Node shop = open({.directory = folder});
    Process anna = shop.signOn({.name = "till"});
    kept = makeOrder(anna, 42);
  }

  expectSignedOff(kept);
  EXPECT_THROW(open({.directory = folder}), StoreException);

  kept = Object();
  Node again = open({.directory = folder});
  EXPECT_EQ(again.signOn().instances("Order").size(), 1u);
}

TEST_F(AFolder, IsWaitedForAsLongAsTheOptionsSay) {
  Node shop = open({.directory = folder, .lockTimeout = 20ms});
  Process anna = shop.signOn(), ben = shop.signOn();
  const Object order = makeOrder(anna, 1);
  order.exclusiveLock();
  try {
    ben.object(order.oid()).sharedLock();
    FAIL() << "anna holds it";
  } catch (const LockException& refused) {
    EXPECT_GE(refused.facts().waited, 20ms);
    EXPECT_LT(refused.facts().waited, 10s);
  }
}

/// Given: a server, on a port that was free and on a unix socket.
class AServer : public AFolder {
 protected:
  AServer() {
    std::ofstream(folder / "jade.ini")
        << "[NephriteServer]\nPort=0\nUnixSocket=run/node.sock\n[PersistentDb]\n"
           "SystemFileDirectory=store\n[NephriteLog]\nLevel=Error\n";
    server.emplace(ServerNode::Options{.iniFile = folder / "jade.ini"});
  }
  std::optional<ServerNode> server;
};

TEST_F(AServer, IsReachedByHostAndPortAndByTheSocketsPath) {
  const std::string port = std::to_string(server->port());
  for (const std::string& address :
       {"127.0.0.1:" + port, "localhost:" + port, server->unixSocket().string()}) {
    Node shop = connect(address, {.nodeName = "desk"});
    Process anna = shop.signOn({.user = "anna"});
    EXPECT_EQ(makeOrder(anna, 7).get<int>("total"), 7) << address;
    EXPECT_EQ(anna.info().node, "desk");
  }
  EXPECT_EQ(server->node().signOn().instances("Order").size(), 3u);
}

TEST_F(AServer, IsLeftWhenTheNodeEndsAlthoughALockIsStillWaitedFor) {
  Process holder = server->node().signOn();
  const Object order = makeOrder(holder, 1);
  order.exclusiveLock();
  std::exception_ptr ended;
  {
    Node shop = connect("127.0.0.1:" + std::to_string(server->port()));
    Process anna = shop.signOn();
    anna.lockAsync(anna.object(order.oid()), {},
                   [&](const LockResult& result) { ended = result.failure(); });
  }
  EXPECT_THROW(std::rethrow_exception(ended), SystemException);
  EXPECT_TRUE(order.isLockedByMe());
}

TEST_F(AServer, IsLeftAlsoByTheObjectsThatAreKept) {
  Object kept;
  {
    Node shop = connect("127.0.0.1:" + std::to_string(server->port()), {.nodeName = "desk"});
    Process anna = shop.signOn({.name = "till"});
    kept = makeOrder(anna, 42);
    kept.exclusiveLock();
  }

  expectSignedOff(kept);
  server.reset();
  expectSignedOff(kept);
}

TEST(Connecting, SaysWhatIsWrongWithAnAddress) {
  const auto why = [](const std::string& server) -> std::string {
    try {
      connect(server);
    } catch (const ConnectionException& refused) {
      return refused.what();
    }
    return "connected";
  };
  EXPECT_THAT(why("localhost:http"), HasSubstr("\"http\" is no port from 1 to 65535"));
  EXPECT_THAT(why("localhost:0"), HasSubstr("\"0\" is no port"));
  EXPECT_THAT(why("localhost:65536"), HasSubstr("is no port"));
  EXPECT_THAT(why(":6005"), HasSubstr("it names no host"));
  EXPECT_THAT(why(""), HasSubstr("it names no host"));
  EXPECT_THAT(why("::1"), HasSubstr("stands in brackets"));
  EXPECT_THAT(why("[::1"), HasSubstr("bracket is not closed"));
  EXPECT_THAT(why("[::1]6005"), HasSubstr("after a colon"));
  EXPECT_THAT(why("localhost:http"), HasSubstr("write \"host:port\""));
}

}  // namespace
}  // namespace nephrite

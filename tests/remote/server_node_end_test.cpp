// A ServerNode in a program of somebody's own: its end, and what is asked of it, or of its
// database, afterwards.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "node/connect.h"
#include "node/server_node.h"
#include "runtime/database/database.h"

namespace nephrite {
namespace {

/// Given: a server node in a folder of its own.
class ServerNodeEnd : public testing::Test {
 protected:
  ServerNodeEnd() {
    std::string pattern = "/tmp/nephrite-end-XXXXXX";
    folder = ::mkdtemp(pattern.data());
    std::ofstream(folder / "jade.ini") << "[NephriteServer]\nPort=0\nUnixSocket=none\n";
    server = std::make_unique<ServerNode>(ServerNode::Options{.iniFile = folder / "jade.ini"});
  }
  ~ServerNodeEnd() override {
    server.reset();
    std::filesystem::remove_all(folder);
  }

  std::filesystem::path folder;
  std::unique_ptr<ServerNode> server;
};

TEST_F(ServerNodeEnd, WhenItHasStoppedThenWhatIsAskedOfItIsAnsweredAtOnce) {
  server->stop();

  EXPECT_EQ(server->sessionCount(), 0u);
  server->touch();
  server->drain();
  EXPECT_TRUE(server->reload().problems.empty());
  EXPECT_EQ(server->trouble(), "");
  server->stop();
}

TEST_F(ServerNodeEnd, WhenItEndsWhileAnotherNodeCommitsThenThatNodeGoesOn) {
  Node own = Node::signOn(server->database(), "own");
  Process anna = own.signOn({.user = "anna"});
  anna.defineClass({.name = "Counter", .properties = {{"value", ValueType::Integer}}});
  Transaction work(anna);
  Object counter = anna.create("Counter");
  work.commit();
  std::atomic<int> commits{0};
  std::atomic<bool> ends{false};
  std::thread committer([&] {
    while (!ends) {
      Transaction next(anna);
      counter.set("value", commits.load());
      next.commit();
      ++commits;
      commits.notify_all();
      anna.defineClass({.name = "Class" + std::to_string(commits % 50)});
    }
  });
  commits.wait(0);

  server.reset();

  const int then = commits.load();
  while (commits.load() < then + 10) commits.wait(commits.load());
  ends = true;
  committer.join();
}

TEST_F(ServerNodeEnd, WhenItEndsWhileAClientsNodeWaitsToSignOnThenThatNodeIsNotSignedOn) {
  const std::shared_ptr<Database> database = server->database();
  Node own = Node::signOn(database, "own");
  Process anna = own.signOn({.user = "anna"});
  Object nodes = anna.system().nodes();
  nodes.exclusiveLock();
  std::thread client([port = server->port()] {
    EXPECT_THROW(connect("127.0.0.1:" + std::to_string(port)), ConnectionException);
  });
  while (database->queuedRequests(Lifetime::Persistent, 1).empty()) std::this_thread::yield();

  server.reset();
  nodes.unlock();  // What waited gets its lock, and answers to a server that has gone.

  client.join();
  for (const NodeInfo& left : database->nodes()) EXPECT_EQ(left.name, "own");
}

}  // namespace
}  // namespace nephrite

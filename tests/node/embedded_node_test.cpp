// An INI file starts a node; what is dynamic is re-read by call and on SIGHUP.

#include "node/embedded_node.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "ini/ini_problem.h"
#include "objects/object_store.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;

class AnIniFile : public testing::Test {
 protected:
  AnIniFile() {
    std::string pattern = testing::TempDir() + "nephrite-node-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    write("ServerTimeout=40\nBackgroundProcessServerTimeout=60\n");
  }
  ~AnIniFile() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& server) {
    std::ofstream(file()) << "[JadeServer]\n"
                          << server << "[PersistentDb]\nSystemFileDirectory=store\n"
                          << "[NephriteLog]\nLevel=Error\n";
  }
  std::filesystem::path file() const { return directory_ / "jade.ini"; }
  EmbeddedNode::Options options() const { return {.iniFile = file()}; }

  /// How long a process waits for a lock that somebody keeps, by its default.
  static std::chrono::milliseconds waitOf(EmbeddedNode& database, bool background) {
    Process holder = database.node().signOn({.user = "anna"});
    ClassDef order;
    order.name = "Order";
    holder.defineClass(order);
    Object kept;
    {
      Transaction transaction(holder);
      kept = holder.create("Order");
      transaction.commit();
    }
    kept.exclusiveLock();
    Process waiter = database.node().signOn({.user = "ben", .background = background});
    try {
      waiter.object(kept.oid()).sharedLock();
    } catch (const LockException& refused) {
      return std::chrono::duration_cast<std::chrono::milliseconds>(refused.facts().waited);
    }
    return 0ms;
  }

  std::filesystem::path directory_;
};

TEST_F(AnIniFile, StartsANodeWhoseProcessesAndWorkersWaitAsItSays) {
  EmbeddedNode database(options());

  EXPECT_GE(waitOf(database, false), 40ms);
  EXPECT_GE(waitOf(database, true), 60ms);
  EXPECT_EQ(database.storeDirectory(), directory_ / "store");
}

TEST_F(AnIniFile, IsBeatenByTheCommandLine) {
  EmbeddedNode::Options wanted = options();
  wanted.iniOverrides = {"JadeServer.ServerTimeout=90"};
  EmbeddedNode database(wanted);

  EXPECT_GE(waitOf(database, false), 90ms);
}

TEST_F(AnIniFile, WhenMissingIsError125) {
  EmbeddedNode::Options wanted;
  wanted.iniFile = directory_ / "nowhere.ini";
  EXPECT_THROW(EmbeddedNode{wanted}, IniFileMissing);
}

TEST_F(AnIniFile, WhenChangedIsReadAgainByCall) {
  EmbeddedNode database(options());
  write("ServerTimeout=120\nBackgroundProcessServerTimeout=60\n");

  const EmbeddedNode::ReloadReport report = database.reload();

  ASSERT_EQ(report.changed.size(), 1u);
  EXPECT_NE(report.changed[0].find("JadeServer.ServerTimeout"), std::string::npos);
  EXPECT_TRUE(report.problems.empty());
  EXPECT_GE(waitOf(database, false), 120ms);
}

TEST_F(AnIniFile, WhenWrongOnReloadChangesNothing) {
  EmbeddedNode database(options());
  write("ServerTimeout=soon\n");

  const EmbeddedNode::ReloadReport report = database.reload();

  EXPECT_TRUE(report.changed.empty());
  ASSERT_FALSE(report.problems.empty());
  EXPECT_NE(report.problems[0].find("jade.ini:2"), std::string::npos) << report.problems[0];
}

TEST_F(AnIniFile, WhenChangedIsReadAgainOnHangup) {
  EmbeddedNode database(options());
  database.reloadOnHangup();
  write("ServerTimeout=150\nBackgroundProcessServerTimeout=60\n");

  ::kill(::getpid(), SIGHUP);

  // The signal is taken up by another thread; ask until a wait shows that it has been.
  while (waitOf(database, false) < 150ms) std::this_thread::yield();
  SUCCEED();
}

TEST_F(AnIniFile, FencingTokensRiseAcrossRestarts) {
  const auto tokenOfOneGrant = [&] {
    EmbeddedNode database(options());
    Process process = database.node().signOn({.user = "anna"});
    Object nodes = process.system().nodes();
    nodes.sharedLock();
    return nodes.lockStatus().token;
  };
  const FencingToken first = tokenOfOneGrant();
  const FencingToken afterRestart = tokenOfOneGrant();
  EXPECT_GT(first.value, 0u);
  EXPECT_GT(afterRestart, first);
}

// The last callback used to run on, and then to close the store, when the program had gone on.
TEST_F(AnIniFile, WhenTheNodeIsGoneThenItsCallbacksAreOverAndTheStoreCanBeOpened) {
  for (int round = 0; round < 5; ++round) {
    std::atomic<bool> over{false};
    {
      EmbeddedNode database(options());
      Process process = database.node().signOn({.user = "anna"});
      std::promise<bool> answered;
      process.lockAsync(process.system().nodes(), {.type = LockType::Share},
                        [&](const LockResult& result) {
                          answered.set_value(result.held());
                          for (int i = 0; i < 20'000; ++i) std::this_thread::yield();
                          over = true;
                        });
      EXPECT_TRUE(answered.get_future().get());
    }
    EXPECT_TRUE(over);
  }
}

TEST_F(AnIniFile, TwoNodesCannotHaveOneStore) {
  EmbeddedNode database(options());
  try {
    EmbeddedNode second(options());
    FAIL() << "the store is in use";
  } catch (const StoreException& refused) {
    EXPECT_EQ(refused.reason(), StoreException::Reason::InUse);
    EXPECT_NE(std::string(refused.what()).find((directory_ / "store").string()), std::string::npos);
  }
}

TEST_F(AnIniFile, WhenAnObjectIsKeptThenTheStoreIsOpenUntilThatGoes) {
  Object kept;
  {
    EmbeddedNode database(options());
    kept = database.node().signOn({.user = "anna"}).system().nodes();
  }

  EXPECT_THROW(kept.sharedLock(), UsageException);
  EXPECT_THROW(EmbeddedNode{options()}, StoreException);

  kept = Object();
  EmbeddedNode again(options());
}

}  // namespace
}  // namespace nephrite

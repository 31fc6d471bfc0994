// `nephrite server` as a program: how it starts, what it tells systemd, how it ends, and what it
// says when it cannot start.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>

#include "tests/node/called_program.h"
#include "tests/support/notify_socket.h"
#include "tests/remote/server_program.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class NephriteServer : public testing::Test {
 protected:
  /// A client holds a lock, so that the server has something to wait for.
  void lockSomething() {
    client = server.clientHere("client", server.bySocket());
    process = client->node().signOn({.user = "anna"});
    process.defineClass({.name = "Counter", .properties = {{"value", ValueType::Integer}}});
    Transaction work(process);
    Object made = process.create("Counter");
    made.set("value", 1);
    work.commit();
    made.lock(LockType::Exclusive, LockDuration::Session, 5s);
  }
  Ran second(const std::string& set) const {
    return nephrite("server --ini " + server.iniFile() + " --set " + set);
  }

  ServerProgram server{"DrainTime=2000\n"};
  std::unique_ptr<ClientNode> client;
  Process process;
};

TEST_F(NephriteServer, WhenItRunsUnderSystemdThenItTellsHowItDoes) {
  NotifySocket systemd(server.folder() / "notify");
  ASSERT_TRUE(server.start({"NOTIFY_SOCKET=" + (server.folder() / "notify").string()}));
  EXPECT_TRUE(systemd.hears("READY=1"));
  EXPECT_TRUE(systemd.hears("STATUS="));
  server.program().signal(SIGHUP);
  EXPECT_TRUE(systemd.hears("RELOADING=1"));
  server.program().signal(SIGTERM);
  EXPECT_EQ(server.program().exitStatus(), 0);
  EXPECT_TRUE(systemd.hears("STOPPING=1"));
}

TEST_F(NephriteServer, WhenItIsToldToReadAgainThenTheNewTimeoutCounts) {
  ASSERT_TRUE(server.start()) << server.log();
  std::ofstream(server.iniFile(), std::ios::app) << "[JadeServer]\nServerTimeout=321\n";
  server.program().signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return server.log().find("ServerTimeout") != std::string::npos; }))
      << server.log();
}

TEST_F(NephriteServer, WhenClientsHoldLocksThenItEndsAfterTheDrainTime) {
  ASSERT_TRUE(server.start()) << server.log();
  lockSomething();
  const auto began = std::chrono::steady_clock::now();
  server.program().signal(SIGTERM);
  EXPECT_EQ(server.program().exitStatus(), 0) << server.log();
  EXPECT_GE(std::chrono::steady_clock::now() - began, 1900ms) << "it lets them finish";
}

TEST_F(NephriteServer, WhenASecondSignalComesThenItEndsAtOnce) {
  ASSERT_TRUE(server.start({}, {"NephriteServer.DrainTime=60000"})) << server.log();
  lockSomething();
  server.program().signal(SIGTERM);
  ASSERT_TRUE(eventually([&] { return server.log().find("server.drains") != std::string::npos; }));
  server.program().signal(SIGTERM);
  EXPECT_EQ(server.program().exitStatus(30s), 0) << server.log();
}

// On a small disk of its own. RocksDB's own log of warnings stopped the program there.
TEST_F(NephriteServer, WhenTheDiskIsFullThenItEndsWithASentence) {
  const std::filesystem::path disk = server.folder() / "disk";
  std::filesystem::create_directory(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=2m") != 0) {
    GTEST_SKIP() << "this user may not mount";
  }
  const std::vector<std::string> onDisk{"PersistentDb.SystemFileDirectory=" +
                                        (disk / "store").string()};
  ASSERT_TRUE(server.start({}, onDisk)) << server.log();
  server.program().signal(SIGTERM);
  EXPECT_EQ(server.program().exitStatus(), 0);
  std::ofstream(disk / "filler") << std::string(std::filesystem::space(disk).available, 'x');

  EXPECT_FALSE(server.start({}, onDisk));

  EXPECT_EQ(server.program().exitStatus(), 1);
  EXPECT_THAT(server.log(), HasSubstr("the disk is full: make room on it"));
  ::umount(disk.c_str());
}

TEST_F(NephriteServer, WhenItCannotStartThenItSaysWhatToDo) {
  ASSERT_TRUE(server.start()) << server.log();
  const Ran sameStore = second("NephriteServer.UnixSocket=none");
  EXPECT_EQ(sameStore.status, 1);
  EXPECT_THAT(sameStore.output, HasSubstr("system")) << "the store in use is named";

  const std::string elsewhere = " PersistentDb.SystemFileDirectory=other";
  const Ran address = second("NephriteServer.ListenAddress=0.0.0.0" + elsewhere);
  EXPECT_EQ(address.status, 78) << "its INI file is wrong: it is not started again";
  EXPECT_THAT(address.output, HasSubstr("ssh -L"));

  const std::string port = "NephriteServer.Port=" + std::to_string(server.port());
  const Ran taken = second(port + " NephriteServer.UnixSocket=none" + elsewhere);
  EXPECT_EQ(taken.status, 1);
  EXPECT_THAT(taken.output, HasSubstr("[NephriteServer] ListenAddress, Port"));

  const Ran wrong = second("NephriteServer.Port=many" + elsewhere);
  EXPECT_EQ(wrong.status, 78) << "what systemd does not try again";
  EXPECT_THAT(wrong.output, HasSubstr("Port"));

  const std::filesystem::path open = server.folder() / "open";
  std::filesystem::create_directory(open);
  std::filesystem::permissions(open, std::filesystem::perms(0755));
  const Ran entered = second("NephriteServer.UnixSocket=open/node.sock" + elsewhere);
  EXPECT_EQ(entered.status, 1);
  EXPECT_THAT(entered.output, HasSubstr("chmod 0700"));
}

}  // namespace
}  // namespace nephrite

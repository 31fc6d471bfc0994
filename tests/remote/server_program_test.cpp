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
  const std::string port = "NephriteServer.Port=" + std::to_string(server.port());
  const Ran taken = second(port + " NephriteServer.UnixSocket=none" + elsewhere);
  EXPECT_EQ(taken.status, 1) << "it may be free the next time";
  EXPECT_THAT(taken.output, HasSubstr("[NephriteServer] ListenAddress, Port"));

  const Ran listened = second(elsewhere);
  EXPECT_EQ(listened.status, 1);
  EXPECT_THAT(listened.output, HasSubstr("another server listens on"));
}

struct Unusable {
  const char* set;
  const char* said;
};

// systemd starts it again after 1, and leaves it at 78.
TEST_F(NephriteServer, WhenItsSettingsNameWhatCannotBeUsedThenItIsForSomebodyToMendThem) {
  std::filesystem::create_directory(server.folder() / "open");
  std::filesystem::permissions(server.folder() / "open", std::filesystem::perms(0755));
  std::ofstream(server.folder() / "file") << "no directory";
  std::ofstream(server.folder() / "open" / "letter.txt") << "Dear Anna";
  std::filesystem::create_directory(server.folder() / "damaged");
  std::ofstream(server.folder() / "damaged" / "NEPHRITE") << "Nephrite object store, format 1\n";
  constexpr Unusable kPlays[] = {
      {"NephriteServer.Port=many", "Port"},
      {"NephriteServer.ListenAddress=0.0.0.0", "ssh -L"},
      {"NephriteServer.UnixSocket=open/node.sock", "chmod 0700"},
      {"NephriteServer.UnixSocket=missing/run/node.sock", "does not exist; make it"},
      {"NephriteServer.UnixSocket=file/node.sock", "file"},
      {"NephriteServer.UnixSocket=/proc/nephrite/node.sock", "making the directory /proc/nephrite"},
      {"NephriteServer.AuditLog=missing/audit.log", "does not exist; make it"},
      {"NephriteServer.AuditLog=/proc/nephrite.log", "opening the audit log /proc/nephrite.log"},
      {"PersistentDb.SystemFileDirectory=file", "no directory"},
      {"PersistentDb.SystemFileDirectory=/proc/nephrite", "could not make the store directory"},
      {"PersistentDb.SystemFileDirectory=open", "is not empty and has no format marker"},
      {"PersistentDb.SystemFileDirectory=damaged", "the store is damaged"},
  };
  for (const Unusable& play : kPlays) {
    const Ran refused = second(play.set);
    EXPECT_EQ(refused.status, 78) << play.set << "\n" << refused.output;
    EXPECT_THAT(refused.output, HasSubstr(play.said));
  }
}

TEST_F(NephriteServer, WhenTheMachineHasNotTheAddressThenItIsForSomebodyToMendThem) {
  const std::string alone = "unshare --user --net ";  // With a network that is not up.
  if (called(alone + "true").status != 0) GTEST_SKIP() << "this user may not unshare";

  const Ran refused = called(alone + "timeout 60 " NEPHRITE_BINARY_DIR "/nephrite server --ini " +
                             server.iniFile() + " --set NephriteServer.ListenAddress=::1");

  EXPECT_EQ(refused.status, 78) << refused.output;
  EXPECT_THAT(refused.output, HasSubstr("cannot listen on ::1"));
}

}  // namespace
}  // namespace nephrite

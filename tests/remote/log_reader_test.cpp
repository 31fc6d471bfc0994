// A server program whose log, or whose standard output, is a pipe: its reader does not read, or is
// gone. That is the log's trouble and nobody else's.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>

#include "tests/node/called_program.h"
#include "tests/remote/server_program.h"
#include "tests/support/raw_client.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;
using testing::ContainsRegex;
using testing::HasSubstr;

/// A pipe with as little room as the system gives.
class SmallPipe {
 public:
  SmallPipe() {
    EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0);
    ::fcntl(ends_[1], F_SETPIPE_SZ, 4096);
  }
  ~SmallPipe() {
    closeReader();
    ::close(ends_[1]);
  }
  SmallPipe(const SmallPipe&) = delete;
  SmallPipe& operator=(const SmallPipe&) = delete;

  int writer() const { return ends_[1]; }
  /// From now on who writes to it waits.
  void fill() const {
    // Opened anew, so that the end that the server has still waits.
    const std::string name = "/proc/self/fd/" + std::to_string(ends_[1]);
    const int again = ::open(name.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(again, 0);
    while (::write(again, "#", 1) == 1) {
    }
    ::close(again);
  }
  void closeReader() {
    if (ends_[0] >= 0) ::close(std::exchange(ends_[0], -1));
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

class LogReader : public testing::Test {
 protected:
  /// A client node finds the server by its socket as soon as it is there.
  void awaitServer() {
    ASSERT_TRUE(
        eventually([&] { return std::filesystem::exists(server.folder() / "run/node.sock"); }));
    client = server.clientHere("client", server.bySocket());
  }
  /// Somebody locks, and an operator asks how the server is.
  void expectService() {
    Process anna = client->node().signOn({.user = "anna"});
    anna.defineClass({.name = "Counter", .properties = {{"value", ValueType::Integer}}});
    Transaction work(anna);
    Object made = anna.create("Counter");
    made.set("value", 1);
    work.commit();
    EXPECT_TRUE(made.tryLock(LockType::Exclusive));
    const Ran ping =
        nephrite("ping --connect Unix," + (server.folder() / "run/node.sock").string());
    EXPECT_EQ(ping.status, 0) << ping.output;
  }
  void expectEnd() {
    client.reset();
    server.program().signal(SIGTERM);
    EXPECT_EQ(server.program().exitStatus(), 0);
  }

  ServerProgram server{"DrainTime=2000\n"};
  std::unique_ptr<ClientNode> client;
  SmallPipe pipe;
};

TEST_F(LogReader, WhenItDoesNotReadThenNonsenseIsRefusedOthersAreServedAndTheEndIsTheUsualOne) {
  server.launch({.errorsDescriptor = pipe.writer()});
  ASSERT_TRUE(server.isReady());
  awaitServer();
  pipe.fill();

  for (int i = 0; i < 450; ++i) {
    RawClient stranger(server.port());
    stranger.write("GET / HTTP/1.1\r\n" + std::string(1000, 'x'));
    ASSERT_TRUE(stranger.isHungUpOn()) << i;
  }
  expectService();
  expectEnd();
}

TEST_F(LogReader, WhenItNeverReadAtAllThenTheServerStartsAndEnds) {
  pipe.fill();
  server.launch({.errorsDescriptor = pipe.writer()});

  awaitServer();
  expectService();
  expectEnd();
}

TEST_F(LogReader, WhenNobodyReadsTheStandardOutputThenTheServerStartsAndEnds) {
  pipe.fill();
  server.launch({.errors = server.folder() / "server.log", .output = pipe.writer()});

  awaitServer();
  expectService();
  expectEnd();
}

TEST_F(LogReader, WhenItIsGoneThenTheServerGoesOnAndEndsAsUsual) {
  server.launch({.output = pipe.writer(), .errorsDescriptor = pipe.writer()});
  awaitServer();
  pipe.closeReader();

  server.program().signal(SIGHUP);
  expectService();
  expectEnd();
}

TEST_F(LogReader, WhenItIsGoneThenStatsSaysHowManyLinesAreMissing) {
  const auto stats = [&](const std::string& how) {
    return nephrite("stats " + how + "--connect Unix," +
                    (server.folder() / "run/node.sock").string())
        .output;
  };
  server.launch({.errorsDescriptor = pipe.writer()});
  ASSERT_TRUE(server.isReady());
  EXPECT_THAT(stats("--json "), HasSubstr("\"logLinesDropped\":0,"));
  pipe.closeReader();

  server.program().signal(SIGHUP);

  EXPECT_TRUE(eventually([&] {
    return testing::Value(stats("--json "), ContainsRegex("\"logLinesDropped\":[1-9]"));
  })) << "of what it said to the signal";
  EXPECT_THAT(stats(""), ContainsRegex("log lines dropped +[1-9]"));
  expectEnd();
}

TEST_F(LogReader, WhenAVerbsReaderHasHadEnoughThenItEndsQuietly) {
  pipe.closeReader();
  ChildProcess verb({.command = {NEPHRITE_BINARY_DIR "/nephrite", "ini", "docs"},
                     .errors = server.folder() / "server.log",
                     .output = pipe.writer()});

  EXPECT_EQ(verb.exitStatus(), 0);
  EXPECT_EQ(server.log(), "");
}

TEST_F(LogReader, WhenAVerbsOutputCannotBeWrittenThenItSaysSo) {
  const Ran ran = called("{ " NEPHRITE_BINARY_DIR "/nephrite ini docs > /dev/full; }");

  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.output, HasSubstr("standard output: No space left on device"));
}

}  // namespace
}  // namespace nephrite

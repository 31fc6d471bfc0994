// `nephrite lock`, as people and scripts call it: the real program, and a server in one of its own.

#include <gmock/gmock.h>
#include <pty.h>
#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <fstream>
#include <sstream>

#include "tests/node/called_program.h"
#include "tests/remote/server_program.h"

namespace nephrite {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

/// What is said once, and then stands still until it is told to end, with status 3.
const std::string kHolds = "echo has $NEPHRITE_LOCK $NEPHRITE_TOKEN; read go; exit 3";
/// The same, and ends only when it is signalled.
const std::string kStays = "echo has $NEPHRITE_LOCK $NEPHRITE_TOKEN; while :; do sleep 0.05; done";

std::string textIn(const std::filesystem::path& file) {
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

/// One call of `nephrite lock`.
struct Call {
  std::unique_ptr<ChildProcess> program;
  std::filesystem::path errors;

  std::string said() const { return textIn(errors); }
  std::string pidText() const { return "pid " + std::to_string(program->pid()); }
};

bool isRunning(pid_t pid) {
  const std::string stat = textIn("/proc/" + std::to_string(pid) + "/stat");
  return !stat.empty() && stat.find(") Z") == std::string::npos;
}

/// Given: a server, and commands that want the lock on the resource "nightly".
class ALockCommand : public testing::Test {
 protected:
  ALockCommand() : server("AuditLog=audit.log\n") { EXPECT_TRUE(server.start()) << server.log(); }

  Call lock(const std::string& script, const std::vector<std::string>& options = {}) {
    std::vector<std::string> words{NEPHRITE_BINARY_DIR "/nephrite", "lock", "nightly", "--connect",
                                   "Unix," + (server.folder() / "run/node.sock").string()};
    words.insert(words.end(), options.begin(), options.end());
    words.insert(words.end(), {"--", "/bin/sh", "-c", script});
    const auto errors = server.folder() / ("lock" + std::to_string(++calls) + ".log");
    return {
        std::make_unique<ChildProcess>(ChildProcess::Options{.command = words, .errors = errors}),
        errors};
  }
  Ran ask(const std::string& arguments) const {
    return nephrite(arguments + server.connectArgument());
  }
  /// "nephrite lock nightly ... -- COMMAND" to its end.
  Ran lockAndRun(const std::string& options, const std::string& command) const {
    return nephrite("lock nightly" + server.connectArgument() + " " + options + " -- " + command);
  }
  bool isWaitedFor() const {
    return eventually(
        [&] { return ask("queue").output.find("lock nightly") != std::string::npos; });
  }
  bool isFree() const {
    return eventually([&] { return ask("locks").output.find("nightly") == std::string::npos; });
  }
  std::int64_t heldForMs() const {
    const auto locks = boost::json::parse(ask("locks --json").output).as_object()["locks"];
    return locks.as_array().empty() ? 0 : locks.as_array()[0].as_object().at("ms").as_int64();
  }

  ServerProgram server;
  int calls = 0;
};

std::uint64_t tokenIn(const std::string& heard) {
  const std::string before = "has nightly ";
  return heard.starts_with(before) ? std::stoull(heard.substr(before.size())) : 0;
}

TEST_F(ALockCommand, WhenItRunsThenTheLockIsHeldUntilTheCommandEndsAndItsStatusIsPassedOn) {
  const Call call = lock(kHolds);
  EXPECT_GT(tokenIn(call.program->heard()), 0u);

  const std::string user = ::getpwuid(::getuid())->pw_name;
  EXPECT_THAT(ask("locks").output,
              AllOf(HasSubstr("resource nightly  holds  exclusive  session"),
                    HasSubstr("lock nightly"), HasSubstr(user), HasSubstr(call.pidText())));
  call.program->say("go");
  EXPECT_EQ(call.program->exitStatus(), 3);
  EXPECT_TRUE(isFree());
  EXPECT_EQ(call.said(), "");
}

TEST_F(ALockCommand, WhenAnotherHoldsItThenItWaitsInTheQueueAndRunsWithAHigherTokenAfterIt) {
  const Call first = lock(kHolds);
  const std::uint64_t token = tokenIn(first.program->heard());
  const Call second = lock(kHolds);
  EXPECT_TRUE(isWaitedFor());

  const std::string user = ::getpwuid(::getuid())->pw_name;
  EXPECT_THAT(ask("queue").output,
              AllOf(HasSubstr("resource nightly"), HasSubstr(user), HasSubstr(second.pidText())));
  first.program->say("go");
  EXPECT_EQ(first.program->exitStatus(), 3);
  EXPECT_GT(tokenIn(second.program->heard()), token);
}

TEST_F(ALockCommand, WhenItIsNotToBeHadInTimeThenItEndsWith75AndSaysWhoHoldsItSinceWhen) {
  const Call holder = lock(kHolds);
  holder.program->heard();
  for (const std::string timeout : {"-1", "20"}) {
    const Ran refused = lockAndRun("--timeout " + timeout, "echo runs");
    EXPECT_EQ(refused.status, 75);
    EXPECT_THAT(refused.output,
                AllOf(HasSubstr("resource nightly is locked"), HasSubstr("lock nightly"),
                      HasSubstr(holder.pidText()), ContainsRegex("holds exclusive since [0-9:]+"),
                      Not(HasSubstr("runs"))));
  }
}

TEST_F(ALockCommand, WhenTwoWantToShareItThenBothRun) {
  const Call first = lock(kHolds, {"--type", "share"});
  first.program->heard();
  EXPECT_EQ(lockAndRun("--type share --timeout -1", "true").status, 0);
  EXPECT_EQ(lockAndRun("--type update --timeout -1", "true").status, 0);
  EXPECT_EQ(lockAndRun("--type exclusive --timeout -1", "true").status, 75);
}

TEST_F(ALockCommand, WhenTheCommandEndsThenSoDoesTheProgramAsAShellWouldSayIt) {
  std::ofstream(server.folder() / "text") << "no program\n";
  const struct {
    std::string command;
    int status;
  } ends[] = {{"true", 0},
              {"sh -c 'exit 7'", 7},
              {"sh -c 'kill -TERM $$'", 128 + SIGTERM},
              {"sh -c 'kill -KILL $$'", 128 + SIGKILL},
              {"no-such-command-here", 127},
              {(server.folder() / "text").string(), 126}};
  for (const auto& [command, status] : ends) {
    const Ran ran = lockAndRun("", command);
    EXPECT_EQ(ran.status, status) << command << ": " << ran.output;
    if (status == 126 || status == 127) {
      EXPECT_THAT(ran.output, HasSubstr("cannot run '" + command + "'"));
    }
  }
  EXPECT_TRUE(isFree());
}

TEST_F(ALockCommand, WhenItsCommandLooksThenItHasTheCallersFilesAndNoneOfTheProgramsOwn) {
  const Ran ran = called("exec 9</dev/null; " NEPHRITE_BINARY_DIR "/nephrite lock nightly" +
                         server.connectArgument() + " -- ls -l /proc/self/fd");
  EXPECT_THAT(ran.output, AllOf(HasSubstr("9 -> /dev/null"), Not(HasSubstr("socket:")),
                                Not(HasSubstr("anon_inode"))));
}

TEST_F(ALockCommand, WhenAnOperatorTakesTheLockThenTheCommandIsEnded) {
  const Call call = lock("trap 'echo told; exit 0' TERM; " + kStays);
  call.program->heard();
  EXPECT_EQ(ask("unlock 'resource nightly' --process 'lock nightly' --reason test").status, 0);
  EXPECT_EQ(call.program->heard(), "told");
  EXPECT_EQ(call.program->exitStatus(), 75);
  EXPECT_THAT(call.said(), AllOf(HasSubstr("the lock on resource nightly is lost"),
                                 HasSubstr("operator took it away")));
}

TEST_F(ALockCommand, WhenAnOperatorSignsItOffThenTheCommandIsEnded) {
  const Call call = lock(kStays);
  call.program->heard();
  EXPECT_EQ(ask("sign-off 'lock nightly' --reason mended").status, 0);
  EXPECT_EQ(call.program->exitStatus(), 75);
  EXPECT_THAT(call.said(), HasSubstr("signed the process off (mended)"));
}

TEST_F(ALockCommand, WhenTheServerIsKilledThenTheCommandAndWhatItStartedAreEnded) {
  const Call call = lock("sleep 1000 & echo $!; wait");
  const pid_t started = std::stoi(call.program->heard());
  server.program().kill();
  EXPECT_EQ(call.program->exitStatus(), 75);
  EXPECT_THAT(call.said(), HasSubstr("is lost"));
  EXPECT_FALSE(isRunning(started));
}

TEST_F(ALockCommand, WhenTheCommandDoesNotEndOnSigtermThenItIsKilledAfterTheGraceTime) {
  const Call call = lock("trap '' TERM; " + kStays, {"--grace", "50"});
  call.program->heard();
  server.program().kill();
  EXPECT_EQ(call.program->exitStatus(), 75);
  EXPECT_THAT(call.said(), HasSubstr("was killed"));
}

TEST_F(ALockCommand, WhenItsLeaseLapsesWhileItIsStoppedThenAnotherRunsAndItEndsItsOwn) {
  const Call stopped = lock(kStays, {"--ttl", "500"});
  const std::uint64_t token = tokenIn(stopped.program->heard());
  stopped.program->pause();

  const Call next = lock(kHolds);
  EXPECT_GT(tokenIn(next.program->heard()), token);

  stopped.program->resume();
  EXPECT_EQ(stopped.program->exitStatus(), 75);
  EXPECT_THAT(stopped.said(), AllOf(HasSubstr("is lost"), HasSubstr("lease of 500 ms")));
  next.program->say("go");
  EXPECT_EQ(next.program->exitStatus(), 3);
}

TEST_F(ALockCommand, WhenTheCommandEndsWhileTheProgramIsStoppedAndItsLeaseLapsesThenItSays75) {
  const Call stopped = lock(kHolds, {"--ttl", "500"});
  stopped.program->heard();
  stopped.program->pause();
  stopped.program->say("go");
  EXPECT_TRUE(isFree());
  stopped.program->resume();
  EXPECT_EQ(stopped.program->exitStatus(), 75);
  EXPECT_THAT(stopped.said(), HasSubstr("lost"));
}

TEST_F(ALockCommand, WhenTheCommandTakesLongerThanTheLeaseThenItIsRenewed) {
  const Call call = lock(kHolds, {"--ttl", "3000"});
  call.program->heard();
  EXPECT_THAT(ask("locks").output, AllOf(HasSubstr("LAPSES IN"), ContainsRegex("FACE.*locks")));
  EXPECT_TRUE(eventually([&] { return heldForMs() > 6'500; }));
  call.program->say("go");
  EXPECT_EQ(call.program->exitStatus(), 3) << call.said();
}

TEST_F(ALockCommand, WhenItIsSignalledWhileItWaitsThenItsRequestIsWithdrawn) {
  const Call holder = lock(kHolds);
  holder.program->heard();
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const Call waiting = lock("echo runs");
    EXPECT_TRUE(isWaitedFor());
    waiting.program->signal(signal);
    EXPECT_EQ(waiting.program->exitStatus(), 128 + signal);
    EXPECT_EQ(waiting.program->heard(), "(ended)");
    EXPECT_THAT(ask("queue").output, HasSubstr("nobody waits"));
  }
}

TEST_F(ALockCommand, WhenItIsSignalledWhileTheCommandRunsThenThatDecidesAndTheLockStays) {
  const Call call = lock("trap 'echo told' TERM; trap 'exit 5' INT; " + kStays);
  call.program->heard();
  call.program->signal(SIGTERM);
  EXPECT_EQ(call.program->heard(), "told");
  EXPECT_THAT(ask("locks").output, HasSubstr("lock nightly"));
  call.program->signal(SIGINT);
  EXPECT_EQ(call.program->exitStatus(), 5);
  EXPECT_TRUE(isFree());
}

TEST_F(ALockCommand, WhenItIsKilledItselfThenTheCommandIsToldAndTheLockIsFree) {
  const Call call = lock("trap 'echo told; exit' TERM; " + kStays);
  call.program->heard();
  ::kill(call.program->pid(), SIGKILL);
  EXPECT_EQ(call.program->heard(), "told");
  EXPECT_TRUE(isFree());
}

TEST(LockCommand, WhenALimitOfTheServerIsReachedThenItEndsWith75AndSaysWhich) {
  ServerProgram server("[NephriteLocks]\nMaxLocks=1\n");
  ASSERT_TRUE(server.start()) << server.log();
  const std::string inner = NEPHRITE_BINARY_DIR "/nephrite lock second" + server.connectArgument();
  const Ran ran = nephrite("lock first" + server.connectArgument() + " -- " + inner + " -- true");
  EXPECT_EQ(ran.status, 75);
  EXPECT_THAT(ran.output, HasSubstr("MaxLocks"));
}

TEST_F(ALockCommand, WhenNoServerIsThereThenItEndsWith75AndSaysWhatToCheck) {
  const Ran gone = nephrite("lock nightly --connect Unix,/tmp/nephrite-nobody-here.sock -- true");
  EXPECT_EQ(gone.status, 75);
  EXPECT_THAT(gone.output, AllOf(HasSubstr("/tmp/nephrite-nobody-here.sock"),
                                 HasSubstr("nephrite server --ini")));
}

/// A terminal of our own, and a program that it is the terminal of.
class Terminal {
 public:
  explicit Terminal(std::vector<std::string> words) {
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    pid_ = ::forkpty(&terminal_, nullptr, nullptr, nullptr);
    if (pid_ == 0) {
      ::execv(pointers[0], pointers.data());
      ::_exit(127);
    }
  }
  ~Terminal() {
    ::close(terminal_);
    ::kill(pid_, SIGKILL);
    if (!hasEnded_) ::waitpid(pid_, nullptr, 0);
  }
  void type(const std::string& keys) {
    [[maybe_unused]] const auto written = ::write(terminal_, keys.data(), keys.size());
  }
  /// Reads until it shows `awaited`, or its program is gone.
  void awaitText(const std::string& awaited) {
    std::array<char, 512> part{};
    while (shown.find(awaited) == std::string::npos) {
      const auto got = ::read(terminal_, part.data(), part.size());
      if (got <= 0) return;
      shown.append(part.data(), static_cast<std::size_t>(got));
    }
  }
  int exitStatus() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    hasEnded_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string shown;

 private:
  int terminal_ = -1;
  pid_t pid_ = -1;
  bool hasEnded_ = false;
};

TEST_F(ALockCommand, WhenCtrlCIsTypedAtItsTerminalThenTheCommandHasItOnceAndCanStillRead) {
  Terminal terminal({NEPHRITE_BINARY_DIR "/nephrite", "lock", "nightly", "--connect",
                     "Unix," + (server.folder() / "run/node.sock").string(), "--", "/bin/sh", "-c",
                     "trap 'echo struck' INT; echo ready; until read line; do :; done; "
                     "echo read $line; exit 4"});
  terminal.awaitText("ready");
  terminal.type("\x03");
  terminal.awaitText("struck");
  terminal.type("words\n");
  terminal.awaitText("read words");
  EXPECT_EQ(terminal.exitStatus(), 4);
  const auto once = terminal.shown.find("struck");
  ASSERT_NE(once, std::string::npos) << terminal.shown;
  EXPECT_EQ(terminal.shown.find("struck", once + 1), std::string::npos) << terminal.shown;
}

TEST_F(ALockCommand, WhenTheLockIsLostAtATerminalThenWhatTheCommandStartedIsEnded) {
  Terminal terminal({NEPHRITE_BINARY_DIR "/nephrite", "lock", "nightly", "--connect",
                     "Unix," + (server.folder() / "run/node.sock").string(), "--", "/bin/sh", "-c",
                     "sleep 1000 & echo started $! so; wait"});
  terminal.awaitText(" so");
  const auto at = terminal.shown.find("started ");
  ASSERT_NE(at, std::string::npos) << terminal.shown;
  const pid_t started = std::stoi(terminal.shown.substr(at + 8));
  server.program().kill();
  EXPECT_EQ(terminal.exitStatus(), 75);
  EXPECT_FALSE(isRunning(started));
}

TEST(LockCommand, WhenItIsCalledWronglyThenItSaysHowItIsCalled) {
  const std::string longName(1025, 'n');
  const struct {
    std::string arguments;
    const char* said;
  } wrongs[] = {
      {"lock", "nephrite lock nightly -- backup.sh"},
      {"lock nightly", "nephrite lock nightly -- backup.sh"},
      {"lock nightly --", "nephrite lock nightly -- backup.sh"},
      {"lock nightly backup.sh /srv", "nephrite lock nightly -- backup.sh"},
      {"lock -- true", "the name of the resource is missing"},
      {"lock nightly second -- true", "second"},
      {"lock nightly --no-such -- true", "--no-such"},
      {"lock nightly --type write -- true", "write"},
      {"lock nightly --ttl 0 -- true", "--ttl"},
      {"lock nightly --timeout soon -- true", "--timeout"},
      {"lock nightly --connect Pigeon,x -- true", "Pigeon"},
      {"lock '' -- true", "1 to 1024 bytes"},
      {"lock " + longName + " -- true", "and this one 1025"},
  };
  for (const auto& [arguments, said] : wrongs) {
    const Ran ran = nephrite(arguments);
    EXPECT_EQ(ran.status, 2) << arguments << ": " << ran.output;
    EXPECT_THAT(ran.output, HasSubstr(said)) << arguments;
  }
}

TEST(LockCommand, WhenItIsAskedForHelpThenItTeachesByTwoExamples) {
  const Ran help = nephrite("lock --help");
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.output, AllOf(HasSubstr("nephrite lock nightly -- backup.sh /srv"),
                                 HasSubstr("--ttl 30000 -- backup.sh")));
}

}  // namespace
}  // namespace nephrite

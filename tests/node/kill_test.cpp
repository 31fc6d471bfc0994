// kill -9 in the middle of commits, again and again, over the whole path: INI file, runtime, locks,
// store. The oracle stands outside: a journal of what was acknowledged, written by the program
// after each commit returned (samples/quickstart).

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/child_process.h"

namespace {

using namespace std::chrono_literals;

constexpr int kCycles = 50;
constexpr int kPackages = 60;

class Program {
 public:
  explicit Program(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), NEPHRITE_BINARY_DIR "/sample_quickstart");
    pid_ = ::fork();
    if (pid_ != 0) return;
    std::vector<char*> words;
    for (std::string& argument : arguments) words.push_back(argument.data());
    words.push_back(nullptr);
    ::freopen("/dev/null", "w", stdout);
    ::execv(words[0], words.data());
    ::_exit(127);
  }
  ~Program() {
    if (pid_ > 0) kill();
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  bool hasEnded() {
    if (pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = 0;
    return pid_ == 0;
  }
  void kill() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status_, 0);
    pid_ = 0;
  }
  int exitStatus() {
    if (pid_ > 0) ::waitpid(pid_, &status_, 0);
    pid_ = 0;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
  }

 private:
  pid_t pid_ = -1;
  int status_ = 0;
};

/// Given: a package database of 60 packages that depend on each other in rings, and an empty
/// directory for the node.
class KilledNode : public testing::Test {
 protected:
  KilledNode() {
    std::string pattern = testing::TempDir() + "nephrite-kill-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    std::ofstream status(statusFile());
    for (int i = 0; i < kPackages; ++i) {
      status << "Package: package" << i << "\nStatus: install ok installed\nSection: s" << i % 5
             << "\nVersion: 1." << i << "\nDepends: package" << (i + 1) % kPackages
             << " (>= 1), package" << (i * 7 + 3) % kPackages << " | nothing, package0\n\n";
    }
  }
  ~KilledNode() override { std::filesystem::remove_all(directory_); }

  std::string statusFile() const { return directory_ / "status"; }
  std::string data() const { return directory_ / "data"; }
  std::uintmax_t journalSize() const {
    std::error_code none;
    const auto size = std::filesystem::file_size(directory_ / "data" / "acknowledged.log", none);
    return none ? 0 : size;
  }
  int check() { return Program({"--data", data(), "--check"}).exitStatus(); }

  std::filesystem::path directory_;
};

TEST_F(KilledNode, WhenKilledInTheMiddleOfCommitsThenEveryAcknowledgedOneIsThereExactlyOnce) {
  std::mt19937 random(20261123);
  for (int cycle = 0; cycle < nephrite::cycles(kCycles); ++cycle) {
    SCOPED_TRACE(testing::Message() << "cycle " << cycle);
    const std::uintmax_t before = journalSize();
    const std::uintmax_t enough = before + std::uniform_int_distribution<>(1, 1500)(random);
    Program node({"--data", data(), "--rounds", "1000", statusFile()});
    const auto tooLate = std::chrono::steady_clock::now() + 60s;
    while (journalSize() < enough) {
      ASSERT_FALSE(node.hasEnded()) << "with status " << node.exitStatus();
      ASSERT_LT(std::chrono::steady_clock::now(), tooLate) << "it does not get on";
      std::this_thread::sleep_for(1ms);
    }

    node.kill();

    ASSERT_EQ(check(), 0);
  }
}

TEST_F(KilledNode, WhenKilledWhileItLoadsThenTheNextStartGoesOnWhereItStopped) {
  std::mt19937 random(7);
  for (int cycle = 0; cycle < 10; ++cycle) {
    Program node({"--data", data(), "--rounds", "1", statusFile()});
    std::this_thread::sleep_for(std::chrono::milliseconds(
        std::uniform_int_distribution<>(5, 120)(random)));  // Any moment will do.
    node.kill();
  }

  Program last({"--data", data(), "--rounds", "1", statusFile()});
  EXPECT_EQ(last.exitStatus(), 0);
  EXPECT_EQ(check(), 0);
}

}  // namespace

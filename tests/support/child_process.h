#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace nephrite {

inline constexpr std::chrono::seconds kGenerous{60};  ///< On a machine that does much else.

/// Looks again and again, a millisecond apart, until `holds`. False when it never does.
bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds within = kGenerous);

/// Cycles of a long test: `usual`, or its part when NEPHRITE_CYCLES_PERCENT says so (sanitizers).
int cycles(int usual);
/// To do only every so many-th of a long row of steps: as many as cycles() does of a hundred.
int strideOfCycles();

/// A program that we have started: speaks by lines, and gets signals.
///
/// Ends with us: the destructor kills it, and the system does when we are killed ourselves, or when
/// the thread ends that started it.
/// Threads: one at a time.
class ChildProcess {
 public:
  struct Options {
    std::vector<std::string> command;
    std::vector<std::string> environment = {};  ///< NAME=value, added to ours.
    std::filesystem::path errors = {};          ///< Where standard error is appended.
    int output = -1;            ///< Its standard output, instead of a pipe that heard() reads.
    int errorsDescriptor = -1;  ///< Its standard error, instead of `errors`.
  };

  explicit ChildProcess(Options options);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  /// Stops it as SIGSTOP does; it has stopped when this returns.
  void pause() const;
  void resume() const;
  /// kill -9; it is gone when this returns.
  void kill();

  bool hasEnded();
  /// Waits for the end. Empty when it does not come, or not by exit().
  std::optional<int> exitStatus(std::chrono::milliseconds within = kGenerous);

  void say(const std::string& line);
  /// The next line of its standard output; "(no answer)" or "(ended)" instead.
  std::string heard(std::chrono::milliseconds within = kGenerous);
  std::string ask(const std::string& line, std::chrono::milliseconds within = kGenerous) {
    say(line);
    return heard(within);
  }

  /// Of its memory, in bytes, what is in use now.
  std::size_t residentBytes() const;

 private:
  pid_t pid_ = -1;
  int in_ = -1;   // Its standard input.
  int out_ = -1;  // Its standard output.
  std::string unread_;
  std::optional<int> status_;  // Of waitpid().
};

}  // namespace nephrite

#pragma once

// Private to node.

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace nephrite {

/// Wakes a thread that polls. Threads: any; ring() also while descriptor() is polled.
class Bell {
 public:
  Bell();
  ~Bell();
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  void ring() const;
  int descriptor() const { return descriptor_; }
  void silence() const;

 private:
  int descriptor_;
};

/// The signals that people and supervisors send, taken one after the other instead of ending this
/// program. Those that it was told to ignore (nohup) stay ignored.
///
/// Made before the program has threads: they must not take the signals instead.
class TakenSignals {
 public:
  TakenSignals();
  ~TakenSignals();
  TakenSignals(const TakenSignals&) = delete;
  TakenSignals& operator=(const TakenSignals&) = delete;

  struct Taken {
    int number = 0;
    bool isFromTerminal = false;  ///< Then the whole foreground process group has it.
  };
  /// Waits for one of them, the end of a child, or the bell, which is silenced; for ever when
  /// `atMost` is empty. Empty when it was no signal to be passed on.
  std::optional<Taken> await(const Bell& bell, std::optional<std::chrono::milliseconds> atMost);

  /// What was blocked before, for a child.
  const sigset_t& before() const { return before_; }

 private:
  std::optional<Taken> next();

  sigset_t before_{};
  int descriptor_;
};

/// The descriptors that this program was started with: those a command inherits.
class InheritedDescriptors {
 public:
  InheritedDescriptors();  ///< Before anything is opened.
  /// No command started from now on gets any other that is open now.
  void keepOthersHere() const;

 private:
  std::vector<int> inherited_;
};

/// The command could not be started, for a reason that its name has.
class CannotRun : public std::runtime_error {
 public:
  CannotRun(const std::string& what, int status) : std::runtime_error(what), status_(status) {}
  /// As shells have it: 127 when there is no such command, 126 when it cannot be executed.
  int status() const { return status_; }

 private:
  int status_;
};

/// A command that runs as a child of this program, and what it has started in its turn.
///
/// Shape:   with a terminal it stays in our process group, which the terminal knows: Ctrl-C and
///          Ctrl-Z reach it without us. Without one it gets a process group of its own.
/// Losing:  when this program is killed, the system sends SIGTERM to the command.
/// Threads: the one that started it, which must not end before it.
class RunningCommand {
 public:
  /// `environment`: NAME=value, in the place of ours. CannotRun.
  RunningCommand(const std::vector<std::string>& words, const std::vector<std::string>& environment,
                 const TakenSignals& signals);

  pid_t pid() const { return pid_; }
  /// Its exit status as shells have it (128 and the number of the signal that ended it), once it
  /// has ended.
  std::optional<int> ended();
  void pass(const TakenSignals::Taken& signal);

  /// Sends SIGTERM to all of its process group, after `grace` SIGKILL, and returns when nothing of
  /// it is left. Passes on what signals come meanwhile. True when SIGTERM was enough.
  bool end(std::chrono::milliseconds grace, TakenSignals& signals);

 private:
  bool isLeft();
  void signalAll(int number);
  /// What descends from us and is in our process group.
  static std::vector<pid_t> descendantsHere();

  bool hasTerminal_;
  pid_t pid_ = -1;
  std::optional<int> status_;
};

}  // namespace nephrite

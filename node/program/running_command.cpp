#include "node/program/running_command.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>

#include "base/clock.h"

namespace nephrite {
namespace {

using std::chrono::milliseconds;

// What ends a program unless it is asked not to.
constexpr int kPassedOn[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
constexpr milliseconds kLookAgain{20};     // Whether anything is left of a command that is ended.
constexpr milliseconds kAfterKill{5'000};  // Nothing but a broken disk holds it up for longer.

int checked(int result, const char* doing) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), doing);
  return result;
}

std::optional<int> numberIn(const std::string& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<int> openDescriptors() {
  std::vector<int> open;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    if (const auto number = numberIn(entry.path().filename())) open.push_back(*number);
  }
  return open;
}

bool hasControllingTerminal() {
  const int terminal = ::open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
  if (terminal >= 0) ::close(terminal);
  return terminal >= 0;
}

std::vector<char*> pointersInto(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> environmentWith(const std::vector<std::string>& added) {
  std::vector<std::string> all = added;
  for (char** known = environ; *known != nullptr; ++known) {
    const std::string variable = *known;
    const std::string start = variable.substr(0, variable.find('=') + 1);
    const auto isReplaced = [&](const std::string& one) { return one.starts_with(start); };
    if (std::none_of(added.begin(), added.end(), isReplaced)) all.push_back(variable);
  }
  return all;
}

int statusOf(int waited) {
  return WIFSIGNALED(waited) ? 128 + WTERMSIG(waited) : WEXITSTATUS(waited);
}

}  // namespace

// --- Bell, signals, descriptors ------------------------------------------------------------------

Bell::Bell() : descriptor_(checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {}

Bell::~Bell() { ::close(descriptor_); }

void Bell::ring() const { ::eventfd_write(descriptor_, 1); }

void Bell::silence() const {
  eventfd_t rung = 0;
  ::eventfd_read(descriptor_, &rung);
}

TakenSignals::TakenSignals() {
  sigset_t taken;
  ::sigemptyset(&taken);
  for (const int number : kPassedOn) {
    struct sigaction now {};
    ::sigaction(number, nullptr, &now);
    if (now.sa_handler != SIG_IGN) ::sigaddset(&taken, number);
  }
  // Ignored, it would leave no exit status.
  ::signal(SIGCHLD, SIG_DFL);
  ::sigaddset(&taken, SIGCHLD);
  ::pthread_sigmask(SIG_BLOCK, &taken, &before_);
  descriptor_ = checked(::signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd");
}

TakenSignals::~TakenSignals() {
  ::close(descriptor_);
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

std::optional<TakenSignals::Taken> TakenSignals::next() {
  signalfd_siginfo info{};
  if (::read(descriptor_, &info, sizeof info) != sizeof info) return std::nullopt;
  return Taken{static_cast<int>(info.ssi_signo), info.ssi_code > 0};
}

std::optional<TakenSignals::Taken> TakenSignals::await(const Bell& bell,
                                                       std::optional<milliseconds> atMost) {
  std::array<pollfd, 2> watched{pollfd{descriptor_, POLLIN, 0},
                                pollfd{bell.descriptor(), POLLIN, 0}};
  constexpr milliseconds kDay{86'400'000};
  const milliseconds wait = std::clamp(atMost.value_or(kDay), milliseconds(0), kDay);
  ::poll(watched.data(), watched.size(), static_cast<int>(wait.count()));
  bell.silence();
  const std::optional<Taken> taken = next();
  if (taken && taken->number == SIGCHLD) return std::nullopt;
  return taken;
}

InheritedDescriptors::InheritedDescriptors() : inherited_(openDescriptors()) {}

void InheritedDescriptors::keepOthersHere() const {
  for (const int open : openDescriptors()) {
    if (std::find(inherited_.begin(), inherited_.end(), open) == inherited_.end()) {
      ::fcntl(open, F_SETFD, FD_CLOEXEC);
    }
  }
}

// --- The command ---------------------------------------------------------------------------------

RunningCommand::RunningCommand(const std::vector<std::string>& words,
                               const std::vector<std::string>& environment,
                               const TakenSignals& signals)
    : hasTerminal_(hasControllingTerminal()) {
  // What it leaves behind becomes ours, so that it can be found and ended.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  std::array<int, 2> failure{};
  checked(::pipe2(failure.data(), O_CLOEXEC), "pipe");
  std::vector<std::string> arguments = words;
  std::vector<std::string> variables = environmentWith(environment);
  const std::vector<char*> argumentPointers = pointersInto(arguments);
  const std::vector<char*> variablePointers = pointersInto(variables);
  const pid_t here = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {  // Only what may be called between fork() and exec() of a program with threads.
    if (!hasTerminal_) ::setpgid(0, 0);
    ::signal(SIGPIPE, SIG_DFL);
    ::pthread_sigmask(SIG_SETMASK, &signals.before(), nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() == here)
      ::execvpe(argumentPointers[0], argumentPointers.data(), variablePointers.data());
    const int why = errno;
    [[maybe_unused]] const auto written = ::write(failure[1], &why, sizeof why);
    ::_exit(127);
  }
  const int notForked = errno;
  ::close(failure[1]);
  int why = 0;
  const bool isRunning = pid_ > 0 && ::read(failure[0], &why, sizeof why) != sizeof why;
  ::close(failure[0]);
  if (pid_ < 0) throw std::system_error(notForked, std::generic_category(), "fork");
  if (isRunning) return;
  ::waitpid(pid_, nullptr, 0);
  throw CannotRun("cannot run '" + words.front() + "': " + std::strerror(why),
                  why == ENOENT ? 127 : 126);
}

std::optional<int> RunningCommand::ended() {
  int waited = 0;
  while (const pid_t one = ::waitpid(-1, &waited, WNOHANG)) {
    if (one < 0) break;
    if (one == pid_) status_ = statusOf(waited);
  }
  return status_;
}

void RunningCommand::pass(const TakenSignals::Taken& signal) {
  if (ended()) return;
  if (!hasTerminal_) {
    ::kill(-pid_, signal.number);
  } else if (!signal.isFromTerminal) {
    ::kill(pid_, signal.number);
  }
}

bool RunningCommand::end(milliseconds grace, TakenSignals& signals) {
  const Bell silent;
  const auto isGoneWithin = [&](milliseconds time) {
    const auto until = SystemClock::instance().now() + time;
    while (isLeft()) {
      if (SystemClock::instance().now() >= until) return false;
      if (const auto signal = signals.await(silent, kLookAgain)) pass(*signal);
    }
    return true;
  };
  signalAll(SIGTERM);
  signalAll(SIGCONT);  // What is stopped ends when it goes on.
  if (isGoneWithin(grace)) return true;
  const auto until = SystemClock::instance().now() + kAfterKill;
  do {  // Again: it may just have started another process.
    signalAll(SIGKILL);
  } while (!isGoneWithin(10 * kLookAgain) && SystemClock::instance().now() < until);
  return false;
}

bool RunningCommand::isLeft() {
  if (!ended()) return true;
  return hasTerminal_ ? !descendantsHere().empty() : ::kill(-pid_, 0) == 0;
}

void RunningCommand::signalAll(int number) {
  const bool isRunning = !ended();
  if (!hasTerminal_) {
    ::kill(-pid_, number);
    if (isRunning && ::getpgid(pid_) != pid_) ::kill(pid_, number);  // It has left its group.
    return;
  }
  std::vector<pid_t> all = descendantsHere();
  if (isRunning && std::find(all.begin(), all.end(), pid_) == all.end()) all.push_back(pid_);
  for (const pid_t one : all) ::kill(one, number);
}

// Our process group has others, too: the other programs of a pipe, the shell of a script.
std::vector<pid_t> RunningCommand::descendantsHere() {
  struct Entry {
    pid_t parent = 0, group = 0;
    bool isZombie = false;
  };
  std::map<pid_t, Entry> all;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", none)) {
    const auto pid = numberIn(entry.path().filename());
    if (!pid) continue;
    std::ifstream stat(entry.path() / "stat");
    std::string line;
    std::getline(stat, line);
    // "123 (name) S parent group ...": the name may hold anything.
    const auto name = line.rfind(") ");
    if (name == std::string::npos) continue;
    char state = 0;
    Entry one;
    if (std::sscanf(line.c_str() + name + 2, "%c %d %d", &state, &one.parent, &one.group) != 3) {
      continue;
    }
    one.isZombie = state == 'Z' || state == 'X';
    all[*pid] = one;
  }
  const pid_t here = ::getpid();
  const pid_t group = ::getpgrp();
  std::vector<pid_t> found;
  for (const auto& [pid, entry] : all) {
    if (pid == here || entry.group != group || entry.isZombie) continue;
    pid_t above = entry.parent;
    for (std::size_t steps = 0; above != here && steps < all.size(); ++steps) {
      const auto parent = all.find(above);
      if (parent == all.end()) break;
      above = parent->second.parent;
    }
    if (above == here) found.push_back(pid);
  }
  return found;
}

}  // namespace nephrite

#include "tests/support/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <system_error>
#include <thread>

extern char** environ;

namespace nephrite {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::vector<char*> pointersTo(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

bool eventually(const std::function<bool()>& holds, milliseconds within) {
  const auto tooLate = steady_clock::now() + within;
  while (!holds()) {
    if (steady_clock::now() >= tooLate) return false;
    std::this_thread::sleep_for(milliseconds(1));
  }
  return true;
}

int cycles(int usual) {
  const char* const percent = std::getenv("NEPHRITE_CYCLES_PERCENT");
  return percent == nullptr ? usual : std::max(1, usual * std::atoi(percent) / 100);
}

int strideOfCycles() { return std::max(1, 100 / cycles(100)); }

ChildProcess::ChildProcess(Options options) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "making pipes");
  }
  const int errors =
      options.errorsDescriptor >= 0 ? ::dup(options.errorsDescriptor)
      : options.errors.empty()
          ? ::dup(STDERR_FILENO)
          : ::open(options.errors.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  std::vector<std::string> environment = std::move(options.environment);
  for (char** known = environ; *known != nullptr; ++known) environment.emplace_back(*known);
  const std::vector<char*> words = pointersTo(options.command);
  const std::vector<char*> variables = pointersTo(environment);

  pid_ = ::fork();
  if (pid_ == 0) {  // Only what may be called between fork() and exec() of a program with threads.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(options.output >= 0 ? options.output : out[1], STDOUT_FILENO);
    ::dup2(errors, STDERR_FILENO);
    ::execve(words[0], words.data(), variables.data());
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  ::close(errors);
  in_ = in[1];
  out_ = out[0];
}

ChildProcess::~ChildProcess() {
  kill();
  ::close(in_);
  ::close(out_);
}

void ChildProcess::signal(int number) const {
  if (!status_) ::kill(pid_, number);
}

void ChildProcess::pause() const {
  signal(SIGSTOP);
  // "123 (name) T ..."
  eventually([this] {
    std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
    std::string text;
    std::getline(stat, text);
    const auto name = text.rfind(") ");
    return name != std::string::npos && text.compare(name + 2, 1, "T") == 0;
  });
}

void ChildProcess::resume() const { signal(SIGCONT); }

void ChildProcess::kill() {
  if (status_) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  status_ = status;
}

bool ChildProcess::hasEnded() {
  int status = 0;
  if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
  return status_.has_value();
}

std::optional<int> ChildProcess::exitStatus(milliseconds within) {
  if (!eventually([this] { return hasEnded(); }, within)) return std::nullopt;
  if (!WIFEXITED(*status_)) return std::nullopt;
  return WEXITSTATUS(*status_);
}

void ChildProcess::say(const std::string& line) {
  const std::string bytes = line + "\n";
  if (::write(in_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    throw std::system_error(errno, std::generic_category(), "writing to a child process");
  }
}

std::string ChildProcess::heard(milliseconds within) {
  const auto tooLate = steady_clock::now() + within;
  for (;;) {
    const auto end = unread_.find('\n');
    if (end != std::string::npos) {
      std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return line;
    }
    const auto left = std::chrono::ceil<milliseconds>(tooLate - steady_clock::now()).count();
    pollfd polled{out_, POLLIN, 0};
    if (left <= 0 || ::poll(&polled, 1, static_cast<int>(left)) == 0) return "(no answer)";
    std::array<char, 4096> chunk;
    const auto got = ::read(out_, chunk.data(), chunk.size());
    if (got <= 0) return "(ended)";
    unread_.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

std::size_t ChildProcess::residentBytes() const {
  std::ifstream statm("/proc/" + std::to_string(pid_) + "/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  statm >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace nephrite

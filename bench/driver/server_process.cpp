#include "bench/driver/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "bench/driver/driver.h"

namespace bench {
namespace {

void dieWith(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
}

}  // namespace

ServerProcess::ServerProcess(const std::vector<std::string>& command) {
  int ends[2];
  require(::pipe2(ends, O_CLOEXEC) == 0, "cannot make a pipe");
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  require(pid_ >= 0, "cannot fork");
  if (pid_ == 0) {
    dieWith(parent);
    ::dup2(ends[1], STDOUT_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  out_ = ends[0];
  char letter = 0;
  while (::read(out_, &letter, 1) == 1 && letter != '\n') announced_ += letter;
  require(letter == '\n', command[0] + " ended before it was ready");
}

ServerProcess::ServerProcess(const std::function<void()>& body) {
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  require(pid_ >= 0, "cannot fork");
  if (pid_ != 0) return;
  dieWith(parent);
  body();
  ::_exit(0);
}

ServerProcess::~ServerProcess() {
  ::kill(pid_, SIGTERM);
  for (int tries = 0; ::waitpid(pid_, nullptr, WNOHANG) == 0; ++tries) {
    if (tries == 10'000) ::kill(pid_, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (out_ >= 0) ::close(out_);
}

std::filesystem::path folderOfThisProgram() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

ScratchFolder::ScratchFolder() {
  const char* const wished = std::getenv("TMPDIR");
  std::string name =
      std::string(wished != nullptr ? wished : "/var/tmp") + "/nephrite_bench_XXXXXX";
  require(::mkdtemp(name.data()) != nullptr, "cannot make a folder like " + name);
  path_ = name;
  int ends[2];
  require(::pipe2(ends, O_CLOEXEC) == 0, "cannot make a pipe");
  janitor_ = ::fork();
  require(janitor_ >= 0, "cannot fork");
  if (janitor_ == 0) {
    for (const int asked : {SIGINT, SIGTERM, SIGHUP}) ::signal(asked, SIG_IGN);
    ::close(ends[1]);
    ::close(STDOUT_FILENO);  // Whoever reads our output must see its end.
    ::close(STDERR_FILENO);
    char nothing = 0;
    while (::read(ends[0], &nothing, 1) != 0) {
    }
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
    ::_exit(0);
  }
  ::close(ends[0]);
  alive_ = ends[1];
}

ScratchFolder::~ScratchFolder() {
  ::close(alive_);
  ::waitpid(janitor_, nullptr, 0);
}

}  // namespace bench

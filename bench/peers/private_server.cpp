#include "bench/peers/private_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <mutex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace peers {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

std::mutex begunMutex;  // A leaf.
std::set<fs::path> begunDirectories;
std::set<std::pair<pid_t, int>> begunServers;  // With the signal that stops each.

/// Has the child ended? It is not reaped: until then nobody else can get its number.
bool ended(pid_t pid) {
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT);
  return info.si_pid == pid;
}

void stop(pid_t pid, int signal) {
  ::kill(pid, signal);
  for (int i = 0; i < 1000 && !ended(pid); ++i) std::this_thread::sleep_for(5ms);
  ::kill(-pid, SIGKILL);  // What it leaves of its group; itself too when it did not listen.
  ::waitpid(pid, nullptr, 0);
}

/// Again until it is gone: grandchildren of ours that are about to end may still write in it.
void removeWholly(const fs::path& directory) {
  std::error_code ignored;
  for (int i = 0; i < 100 && fs::exists(directory, ignored); ++i) {
    if (i > 0) std::this_thread::sleep_for(10ms);
    fs::remove_all(directory, ignored);
  }
}

void undoLocked() {
  for (const auto& [pid, signal] : begunServers) stop(pid, signal);
  begunServers.clear();
  for (const fs::path& directory : begunDirectories) removeWholly(directory);
  begunDirectories.clear();
}

std::string endOf(const fs::path& log) {
  std::ifstream file(log);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  return text.size() <= 600 ? text : text.substr(text.size() - 600);
}

/// In the child: only calls that are allowed after a fork of a program with threads.
[[noreturn]] void become(const std::vector<char*>& words, const char* log, const passwd* user,
                         int deathSignal) {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setpgid(0, 0);  // So that the terminal's ctrl-C is for us, and stopping it is ours.
  const int out = ::open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
  const int in = ::open("/dev/null", O_RDONLY);
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(out, 2);
  if (user != nullptr) {
    if (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 ||
        ::setuid(user->pw_uid) != 0) {
      ::_exit(126);
    }
  }
  ::prctl(PR_SET_PDEATHSIG, deathSignal);  // After setuid, which clears it.
  ::execvp(words[0], words.data());
  static constexpr char kFailed[] = "cannot be run; is its package installed?";
  [[maybe_unused]] const auto told = ::write(2, kFailed, sizeof(kFailed) - 1);
  ::_exit(127);
}

pid_t start(const Command& command) {
  std::vector<std::string> copies = command.words;
  std::vector<char*> words;
  for (std::string& word : copies) words.push_back(word.data());
  words.push_back(nullptr);
  const passwd* user = nullptr;
  if (!command.user.empty() && ::getuid() == 0) {
    user = ::getpwnam(command.user.c_str());
    if (user == nullptr) throw std::runtime_error("there is no user " + command.user);
  }
  const pid_t pid = ::fork();
  if (pid == 0) become(words, command.log.c_str(), user, command.stopSignal);
  if (pid < 0) throw std::runtime_error("cannot fork");
  return pid;
}

std::vector<pid_t> familyOf(pid_t server) {
  std::vector<pid_t> family{server};
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "stat");
    std::string line;
    if (!std::getline(file, line)) continue;  // It has just ended.
    std::istringstream fields(line.substr(line.rfind(')') + 1));
    std::string state;
    pid_t parent = 0;
    fields >> state >> parent;
    if (parent == server) family.push_back(std::stoi(name));
  }
  return family;
}

/// Idempotent.
void undoEverything() {
  const std::lock_guard hold(begunMutex);
  undoLocked();
}

/// In a thread of its own, so before any other thread is started.
void undoOnSignals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  std::thread([signals] {
    int signal = 0;
    ::sigwait(&signals, &signal);
    begunMutex.lock();  // And never unlocked: nothing new begins from here on.
    undoLocked();
    std::fprintf(stderr, "ended by signal %d\n", signal);
    ::_exit(1);
  }).detach();
}

}  // namespace

int runPeer(int argc, char** argv, const std::vector<Case>& cases) {
  undoOnSignals();
  return runDriver(argc, argv, cases, undoEverything);
}

ScratchDirectory::ScratchDirectory() {
  const char* base = std::getenv("TMPDIR");
  std::string name = std::string(base != nullptr ? base : "/var/tmp") + "/nephrite_peer_XXXXXX";
  const std::lock_guard hold(begunMutex);
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  path_ = name;
  begunDirectories.insert(path_);
}

ScratchDirectory::~ScratchDirectory() {
  const std::lock_guard hold(begunMutex);
  removeWholly(path_);
  begunDirectories.erase(path_);
}

bool ScratchDirectory::onDisk() const {
  struct statfs about {};
  return ::statfs(path_.c_str(), &about) == 0 && about.f_type != TMPFS_MAGIC;
}

void ScratchDirectory::giveTo(const std::string& user) const {
  if (::getuid() != 0) return;
  const passwd* owner = ::getpwnam(user.c_str());
  if (owner == nullptr || ::chown(path_.c_str(), owner->pw_uid, owner->pw_gid) != 0) {
    throw std::runtime_error("cannot give " + path_.string() + " to " + user);
  }
}

void runToEnd(const Command& command) {
  pid_t pid = 0;
  {
    const std::lock_guard hold(begunMutex);
    pid = start(command);
    begunServers.insert({pid, command.stopSignal});
  }
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
  const std::lock_guard hold(begunMutex);
  begunServers.erase({pid, command.stopSignal});
  ::waitpid(pid, nullptr, 0);
  if (info.si_code == CLD_EXITED && info.si_status == 0) return;
  throw std::runtime_error(command.words[0] + " failed with status " +
                           std::to_string(info.si_status) + ": " + endOf(command.log));
}

PrivateServer::PrivateServer(const Command& command, const std::function<bool()>& ready) {
  {
    const std::lock_guard hold(begunMutex);
    pid_ = start(command);
    begunServers.insert({pid_, command.stopSignal});
  }
  const auto giveUp = std::chrono::steady_clock::now() + 20s;
  while (!ready()) {
    if (ended(pid_) || std::chrono::steady_clock::now() > giveUp) {
      throw std::runtime_error(command.words[0] + " does not serve: " + endOf(command.log));
    }
    std::this_thread::sleep_for(10ms);
  }
}

PrivateServer::~PrivateServer() {
  const std::lock_guard hold(begunMutex);
  const auto found = std::find_if(begunServers.begin(), begunServers.end(),
                                  [&](const auto& begun) { return begun.first == pid_; });
  if (found == begunServers.end()) return;
  stop(found->first, found->second);
  begunServers.erase(found);
}

double PrivateServer::cpuNs() const {
  double sum = 0;
  for (const pid_t pid : familyOf(pid_)) {
    // The process's own CPU clock counts nanoseconds; /proc/<pid>/stat counts hundredths of
    // seconds, too coarse for a fraction of a second.
    clockid_t clock;
    timespec time{};
    if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) continue;
    sum += static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
  }
  return sum;
}

double PrivateServer::voluntarySwitches() const {
  double sum = 0;
  for (const pid_t pid : familyOf(pid_)) {
    std::error_code gone;
    const fs::path tasks = "/proc/" + std::to_string(pid) + "/task";
    for (const fs::directory_entry& task : fs::directory_iterator(tasks, gone)) {
      sum += statusField(std::stoi(task.path().filename()), "voluntary_ctxt_switches:");
    }
  }
  return sum;
}

double statusField(pid_t pid, const std::string& field) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with(field)) return std::atof(line.c_str() + field.size());
  }
  return 0;
}

std::uint16_t freePort() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const bool bound = ::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(socket);
  if (!bound) throw std::runtime_error("no port of loopback is free");
  return ntohs(address.sin_port);
}

int connectTcp(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    ::close(socket);
    return -1;
  }
  const int yes = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  return socket;
}

}  // namespace peers

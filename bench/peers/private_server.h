#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "bench/driver/driver.h"

namespace peers {

using namespace bench;  // Figures, stopwatches: what all drivers share.

/// The whole of main(). Also when the case fails, or on SIGINT, SIGTERM and SIGHUP, the servers
/// that still run are stopped and the directories that still stand removed.
int runPeer(int argc, char** argv, const std::vector<Case>& cases);

/// A new directory of our own in $TMPDIR or /var/tmp (on disk, where fsync means something);
/// removed with all that is in it by the destructor, on failure and on the signals above.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Not in memory only: fsync means something here.
  bool onDisk() const;
  /// Gives the directory itself to `user` when this program runs as root.
  void giveTo(const std::string& user) const;

 private:
  std::filesystem::path path_;
};

/// How a program is run. Its output goes to `log`. A `user` other than "" takes its place when
/// this program runs as root.
struct Command {
  std::vector<std::string> words;
  std::filesystem::path log;
  std::string user = {};
  int stopSignal = 15;
};

/// Runs it to its end; throws with the end of its log unless its status is 0.
void runToEnd(const Command& command);

/// A child that serves until the destructor. Dies with this program even after kill -9.
class PrivateServer {
 public:
  /// Waits until `ready` says so, at most 20 s; throws with the end of the log when the server
  /// ends before.
  PrivateServer(const Command& command, const std::function<bool()>& ready);
  ~PrivateServer();
  PrivateServer(const PrivateServer&) = delete;
  PrivateServer& operator=(const PrivateServer&) = delete;

  pid_t pid() const { return pid_; }

  /// User + system time so far of the server and its children, in nanoseconds.
  double cpuNs() const;
  /// Voluntary context switches so far of all their threads.
  double voluntarySwitches() const;

 private:
  pid_t pid_;
};

/// A number after `field` in /proc/<pid>/status, in kB where that file counts so.
double statusField(pid_t pid, const std::string& field);

/// A TCP port of loopback that nobody listens on at this moment.
std::uint16_t freePort();

/// A connected stream socket, or -1.
int connectTcp(std::uint16_t port);

}  // namespace peers

#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace bench {

/// A child process, ended by its process id when this goes (SIGTERM, after ten seconds SIGKILL),
/// and by the kernel should this program die before. Make it before any thread.
class ServerProcess {
 public:
  /// Runs `command`; its first line of output is in announced() when this returns.
  explicit ServerProcess(const std::vector<std::string>& command);
  /// Runs `body` in a copy of this program.
  explicit ServerProcess(const std::function<void()>& body);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  pid_t pid() const { return pid_; }
  const std::string& announced() const { return announced_; }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  std::string announced_;
};

/// An empty folder for one measurement, below TMPDIR or else /var/tmp, where the peers have theirs.
/// It goes with this, or with this program however that ends: a small process waits for it.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  pid_t janitor_ = -1;
  int alive_ = -1;  // Of a pipe: closed when we end.
};

std::filesystem::path folderOfThisProgram();

}  // namespace bench

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

/// An empty folder for one measurement, below TMPDIR or else beside this program: on a real disk.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::filesystem::path folderOfThisProgram();

}  // namespace bench

#pragma once

// Private to node.

#include <filesystem>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "ini/settings.h"

namespace nephrite {

/// The settings that a node runs by: read at its start, and again at each reload. Every kind of
/// node has one. Errors:  the constructor throws as loadSettings() does. Threads: any.
class RunningSettings {
 public:
  /// `iniFile` may be empty: jade.ini in the working directory. Sets the log level.
  RunningSettings(const std::filesystem::path& iniFile, IniArguments arguments);

  const std::filesystem::path& iniFile() const { return iniFile_; }
  Settings now() const NEPHRITE_EXCLUDES(mutex_);
  Resolution resolution() const NEPHRITE_EXCLUDES(mutex_);

  struct Report {
    Settings settings;                  ///< That count from here on.
    std::vector<std::string> changed;   ///< "JadeServer.ServerTimeout = 5000 (jade.ini:3)".
    std::vector<std::string> problems;  ///< Errors (nothing was changed), or what must wait.
  };
  /// Reads the INI file again and takes over what is dynamic, the log level among it; the caller
  /// hands on the rest. Never throws for what the file says.
  Report reload() NEPHRITE_EXCLUDES(mutex_);
  /// Writes a report to the log.
  void log(const Report& report) const;

 private:
  const std::filesystem::path iniFile_;
  const IniArguments arguments_;
  mutable Mutex mutex_;  // Of reload(): two at a time would mix. A leaf.
  Resolution running_ NEPHRITE_GUARDED_BY(mutex_);
};

}  // namespace nephrite

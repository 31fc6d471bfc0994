#pragma once

// Private to node.

#include <filesystem>
#include <functional>
#include <memory>

#include "base/mutex.h"
#include "node/local/running_settings.h"
#include "runtime/database/local_database.h"

namespace nephrite {

/// A database as an INI file describes it: the settings, the store they name, and what a reload
/// takes over. EmbeddedNode and ServerNode stand on it.
/// Threads: settings() and reload() from any; the rest one at a time.
class ConfiguredDatabase {
 public:
  struct Source {
    std::filesystem::path iniFile;
    IniArguments arguments;
    /// Called before anything is opened; may throw.
    void (*check)(const Resolution&) = [](const Resolution&) {};
  };

  /// `adjust` may add to what is made of the settings.
  explicit ConfiguredDatabase(const Source& source,
                              const std::function<void(LocalDatabase::Options&)>& adjust = {});

  const std::filesystem::path& iniFile() const { return running_.iniFile(); }
  Settings settings() const { return running_.now(); }
  const std::shared_ptr<LocalDatabase>& database() const { return database_; }

  using Report = RunningSettings::Report;
  /// Reads the INI file again and takes over what is dynamic. Never throws for what it says.
  Report reload() NEPHRITE_EXCLUDES(mutex_);
  /// Writes a report to the log.
  void log(const Report& report) const { running_.log(report); }

 private:
  RunningSettings running_;
  Mutex mutex_;  // Of reload(): two at a time would mix. Before the database's.
  std::shared_ptr<LocalDatabase> database_;
};

}  // namespace nephrite

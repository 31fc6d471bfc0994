#include "node/local/configured_database.h"

#include "base/log.h"
#include "ini/parameter_table.h"
#include "objects/object_store.h"

namespace nephrite {
namespace {

std::unique_ptr<ObjectStore> openStore(const Settings& settings) {
  ObjectStore::Options options;
  options.directory = settings.store.systemFileDirectory;
  options.syncCommits = settings.store.syncCommits;
  options.verifyOnOpen = settings.store.verifyOnOpen;
  options.cacheBytes = settings.server.objectCacheSizeLimit;
  return ObjectStore::open(options);
}

LocalDatabase::Options databaseOptions(const Settings& settings) {
  LocalDatabase::Options options;
  options.locks.serverTimeout = settings.server.serverTimeout;
  options.locks.backgroundTimeout = settings.server.backgroundProcessServerTimeout;
  options.locks.doubleDeadlock = settings.server.doubleDeadlockException;
  options.locks.keptDeadlocks = settings.network.keptDeadlocks;
  return options;
}

std::string describe(const EffectiveValue& value) {
  return std::string(value.parameter->section) + "." + std::string(value.parameter->name) + " = " +
         value.text + " (" + value.origin.describe() + ")";
}

}  // namespace

ConfiguredDatabase::ConfiguredDatabase(const Source& source,
                                       const std::function<void(LocalDatabase::Options&)>& adjust)
    : iniFile_(locateIniFile(source.iniFile, {})),
      arguments_(source.arguments),
      running_(loadSettings(iniFile_, arguments_)) {
  const Settings now = settings();
  setLogLevel(now.logLevel);
  LocalDatabase::Options options = databaseOptions(now);
  if (adjust) adjust(options);
  database_ = std::make_shared<LocalDatabase>(std::shared_ptr<ObjectStore>(openStore(now)),
                                              SystemClock::instance(), options);
}

Settings ConfiguredDatabase::settings() const {
  MutexLock hold(mutex_);
  return running_.settings;
}

ConfiguredDatabase::Report ConfiguredDatabase::reload() {
  MutexLock hold(mutex_);
  Reload read = reloadSettings(running_, iniFile_, arguments_);
  running_ = std::move(read.now);
  const Settings& settings = running_.settings;
  setLogLevel(settings.logLevel);
  database_->setTimeouts(settings.server.serverTimeout,
                         settings.server.backgroundProcessServerTimeout);
  database_->setDoubleDeadlock(settings.server.doubleDeadlockException);

  Report report;
  for (const EffectiveValue& value : read.changed) report.changed.push_back(describe(value));
  for (const IniProblem& problem : read.problems) report.problems.push_back(problem.describe());
  return report;
}

void ConfiguredDatabase::log(const Report& report) const {
  for (const std::string& changed : report.changed) {
    nephrite::log(LogLevel::Info, "ini.changed", {{"parameter", changed}});
  }
  for (const std::string& problem : report.problems) {
    nephrite::log(LogLevel::Warning, "ini.problem", {{"problem", problem}});
  }
  if (report.changed.empty() && report.problems.empty()) {
    nephrite::log(LogLevel::Info, "ini.unchanged", {{"ini", iniFile_.string()}});
  }
}

}  // namespace nephrite

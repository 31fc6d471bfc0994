#include "node/embedded_node.h"

#include "base/log.h"
#include "base/mutex.h"
#include "ini/parameter_table.h"
#include "ini/settings.h"
#include "node/hangup_listener.h"
#include "objects/object_store.h"
#include "runtime/local/local_database.h"

namespace nephrite {
namespace {

ObjectStore::Options storeOptions(const Settings& settings) {
  ObjectStore::Options options;
  options.directory = settings.store.systemFileDirectory;
  options.syncCommits = settings.store.syncCommits;
  options.verifyOnOpen = settings.store.verifyOnOpen;
  options.cacheBytes = settings.server.objectCacheSizeLimit;
  return options;
}

LocalDatabase::Options databaseOptions(const Settings& settings) {
  LocalDatabase::Options options;
  options.serverTimeout = settings.server.serverTimeout;
  options.backgroundTimeout = settings.server.backgroundProcessServerTimeout;
  options.doubleDeadlock = settings.server.doubleDeadlockException;
  return options;
}

std::string describe(const EffectiveValue& value) {
  return std::string(value.parameter->section) + "." + std::string(value.parameter->name) + " = " +
         value.text + " (" + value.origin.describe() + ")";
}

}  // namespace

struct EmbeddedNode::Parts {
  explicit Parts(const Options& options)
      : iniFile(locateIniFile(options.iniFile, {})),
        arguments{options.iniName, options.iniOverrides},
        running(loadSettings(iniFile, arguments)) {
    setLogLevel(running.settings.logLevel);
    database = std::make_shared<LocalDatabase>(
        std::shared_ptr<ObjectStore>(ObjectStore::open(storeOptions(running.settings))),
        SystemClock::instance(), databaseOptions(running.settings));
    node = Node::signOn(database, options.nodeName);
    log(LogLevel::Info, "node.started",
        {{"node", options.nodeName},
         {"ini", iniFile.string()},
         {"store", running.settings.store.systemFileDirectory.string()}});
  }

  ReloadReport reload() NEPHRITE_EXCLUDES(mutex);

  const std::filesystem::path iniFile;
  const IniArguments arguments;
  Mutex mutex;  // Of reload(): two at a time would mix. Before the database's.
  Resolution running NEPHRITE_GUARDED_BY(mutex);
  std::shared_ptr<LocalDatabase> database;
  Node node;
  std::unique_ptr<HangupListener> hangup;  // Last: ends first.
};

EmbeddedNode::EmbeddedNode(const Options& options) : parts_(std::make_unique<Parts>(options)) {}

EmbeddedNode::~EmbeddedNode() = default;

Node& EmbeddedNode::node() { return parts_->node; }

std::shared_ptr<Database> EmbeddedNode::database() const { return parts_->database; }

const std::filesystem::path& EmbeddedNode::storeDirectory() const {
  MutexLock hold(parts_->mutex);
  return parts_->running.settings.store.systemFileDirectory;  // Not dynamic: never changes.
}

EmbeddedNode::ReloadReport EmbeddedNode::reload() { return parts_->reload(); }

EmbeddedNode::ReloadReport EmbeddedNode::Parts::reload() {
  MutexLock hold(mutex);
  Reload read = reloadSettings(running, iniFile, arguments);
  running = std::move(read.now);
  const Settings& settings = running.settings;
  setLogLevel(settings.logLevel);
  database->setTimeouts(settings.server.serverTimeout,
                        settings.server.backgroundProcessServerTimeout);
  database->setDoubleDeadlock(settings.server.doubleDeadlockException);

  ReloadReport report;
  for (const EffectiveValue& value : read.changed) report.changed.push_back(describe(value));
  for (const IniProblem& problem : read.problems) report.problems.push_back(problem.describe());
  return report;
}

void EmbeddedNode::reloadOnHangup() {
  if (parts_->hangup) return;
  parts_->hangup = std::make_unique<HangupListener>([parts = parts_.get()] {
    const ReloadReport report = parts->reload();
    for (const std::string& changed : report.changed) {
      log(LogLevel::Info, "ini.changed", {{"parameter", changed}});
    }
    for (const std::string& problem : report.problems) {
      log(LogLevel::Warning, "ini.problem", {{"problem", problem}});
    }
    if (report.changed.empty() && report.problems.empty()) {
      log(LogLevel::Info, "ini.unchanged", {{"ini", parts->iniFile.string()}});
    }
  });
}

}  // namespace nephrite

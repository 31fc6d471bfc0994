#include "node/local/configured_database.h"

#include "base/check.h"
#include "node/wire/frame.h"
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
  options.mostObjectBytes = settings.network.maxFrameSize - wire::kRoomBesideObject;
  options.locks.keptDeadlocks = settings.network.keptDeadlocks;
  options.locks.keptEvents = settings.locks.keptEvents;
  options.locks.limits.maxLockers = settings.locks.maxLockers;
  options.locks.limits.maxLocks = settings.locks.maxLocks;
  options.locks.limits.maxLockedObjects = settings.locks.maxLockedObjects;
  options.locks.limits.warningPercent = settings.locks.limitWarning;
  options.locks.writePatience = settings.locks.writePatience;
  const auto victim = deadlockVictimNamed(settings.locks.deadlockVictim);
  NEPHRITE_CHECK(victim.has_value());  // The table of parameters lists the names.
  options.locks.victim = *victim;
  options.locks.countsAge = victim == DeadlockVictim::Youngest || victim == DeadlockVictim::Oldest;
  options.locks.victimSeed = settings.locks.deadlockSeed;
  return options;
}

}  // namespace

ConfiguredDatabase::ConfiguredDatabase(const Source& source,
                                       const std::function<void(LocalDatabase::Options&)>& adjust)
    : running_(source.iniFile, source.arguments) {
  source.check(running_.resolution());
  const Settings now = settings();
  LocalDatabase::Options options = databaseOptions(now);
  if (adjust) adjust(options);
  database_ = std::make_shared<LocalDatabase>(std::shared_ptr<ObjectStore>(openStore(now)),
                                              SystemClock::instance(), options);
}

ConfiguredDatabase::Report ConfiguredDatabase::reload() {
  MutexLock hold(mutex_);
  Report report = running_.reload();
  const ServerSettings& server = report.settings.server;
  database_->setTimeouts(server.serverTimeout, server.backgroundProcessServerTimeout);
  database_->setDoubleDeadlock(server.doubleDeadlockException);
  return report;
}

}  // namespace nephrite

#include "runtime/system.h"

#include <set>
#include <utility>

#include "base/plain_text.h"
#include "runtime/errors/exceptions.h"
#include "runtime/process/lock_views.h"
#include "runtime/process/process_core.h"

namespace nephrite {

System::System(std::shared_ptr<ProcessCore> process) : process_(std::move(process)) {}

Object System::object() const { return Object(process_, process_->database().system()); }

Dictionary System::nodes() const {
  return Dictionary(Object(process_, process_->database().systemNodes()));
}

Dictionary System::processesOf(const Object& node) const {
  return Dictionary(Object(process_, node.oid()).reference("processes"));
}

std::vector<NodeInfo> System::nodeInfos() const { return process_->database().nodes(); }
std::vector<ProcessInfo> System::processInfos() const { return process_->database().processes(); }

// --- Locks on persistent objects -----------------------------------------------------------------

std::vector<Lock> System::getLocks(std::size_t maxEntries) const {
  const Database& database = process_->database();
  return describeLocks(database, database.locksHeld(Lifetime::Persistent, maxEntries));
}

std::vector<Lock> System::getQueuedLocks(std::size_t maxEntries) const {
  const Database& database = process_->database();
  return describeLocks(database, database.queuedRequests(Lifetime::Persistent, maxEntries));
}

std::vector<ProcessInfo> System::getObjectLockProcesses(const Object& target,
                                                        std::size_t maxEntries) const {
  std::vector<ProcessInfo> holders;
  std::set<LockerId> seen;  // One may hold the target, and all that is below something above it.
  for (const Lock& lock : getLocksOn(target)) {
    if (lock.waiting || holders.size() >= maxEntries) break;
    if (seen.insert(lock.requestedBy.locker).second) holders.push_back(lock.requestedBy);
  }
  return holders;
}

std::vector<Lock> System::getLocksOn(const Lockable& target) const {
  if (target.isNull() || target.oid().lifetime() == Lifetime::Transient) return {};
  const Database& database = process_->database();
  return describeLocks(database, database.locksOn(target.oid()));
}

std::vector<Lock> System::getLocksOf(const ProcessInfo& process) const {
  const Database& database = process_->database();
  auto infos = database.locksOf(process.locker, Lifetime::Persistent);
  const auto shared = database.locksOf(process.locker, Lifetime::SharedTransient);
  infos.insert(infos.end(), shared.begin(), shared.end());
  return describeLocks(database, infos);
}

// --- Contention statistics -----------------------------------------------------------------------

namespace {

void checkStarter(ProcessCore& process, bool accepted) {
  if (accepted) return;
  const LockContentionState state = process.database().contentionState();
  const ProcessInfo starter = process.database().describe(state.startedBy);
  throw UsageException(ErrorCode::ContentionStatsTaken,
                       "lock contention statistics were begun by process " +
                           std::to_string(starter.locker.value) + " (\"" + plainText(starter.name) +
                           "\", user " + plainText(starter.user) + ", node " +
                           plainText(starter.node) + "), which alone may clear and end them");
}

}  // namespace

void System::beginLockContentionStats(std::size_t tableSize) {
  process_->call([&] {
    checkStarter(*process_,
                 process_->database().beginContentionStats(process_->info().locker, tableSize));
  });
}

void System::clearLockContentionStats() {
  process_->call([&] {
    checkStarter(*process_, process_->database().clearContentionStats(process_->info().locker));
  });
}

void System::endLockContentionStats() {
  process_->call([&] {
    checkStarter(*process_, process_->database().endContentionStats(process_->info().locker));
  });
}

LockContentionReport System::getLockContentionStats(std::size_t maxEntries,
                                                    std::uint64_t minContentions) const {
  const Database& database = process_->database();
  LockContentionReport report;
  report.startTime = database.contentionState().startTime;
  for (const LockContentionInfo& info : database.contentionStats(maxEntries, minContentions)) {
    report.entries.push_back(describeContention(database, info));
  }
  return report;
}

LockContention System::getLockContentionInfo(const Object& target) const {
  const Database& database = process_->database();
  LockContentionInfo info = database.contentionOf(target.oid());
  info.target = {target.oid().bits()};  // Also of an object that has no entry: zeros.
  return describeContention(database, info);
}

LockContentionQuery System::queryLockContentionStats() const {
  const LockContentionState state = process_->database().contentionState();
  LockContentionQuery query;
  query.active = state.active;
  if (state.active) query.startingProcess = process_->database().describe(state.startedBy);
  query.maxEntries = state.tableSize;
  query.startTime = state.startTime;
  return query;
}

RequestStatistics System::getRequestStats() const {
  const LockStatistics locks = process_->database().lockStatistics(Lifetime::Persistent);
  RequestStatistics statistics;
  statistics.lockObjects = locks.lockRequests;
  statistics.unlockObjects = locks.unlockRequests;
  statistics.queuedLocks = locks.queuedLocks;
  statistics.lockTimeouts = locks.timeouts;
  statistics.deadlocks = locks.deadlocks;
  statistics.totalLockQueueWaitTime = locks.totalQueueWait;
  statistics.committedTransactions = process_->node().committed;
  statistics.abortedTransactions = process_->node().aborted;
  return statistics;
}

}  // namespace nephrite

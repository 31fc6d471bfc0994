#include "runtime/local/local_database.h"

#include <atomic>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/mutex.h"
#include "locking/lock_manager.h"
#include "runtime/local/lock_timer.h"
#include "runtime/local/system_objects.h"
#include "runtime/local/work_thread.h"

namespace nephrite {
namespace {

// Fencing tokens are reserved from the store in blocks so large that a block outlasts weeks.
constexpr std::uint64_t kTokenBlock = std::uint64_t{1} << 44;

LockTarget targetOf(Oid oid) { return {oid.bits()}; }

LockManager::Options lockOptions(const LocalDatabase::Options& options, std::uint64_t tokensAbove,
                                 std::function<void(Instant)> waitBegan) {
  LockManager::Options made;
  made.serverTimeout = options.serverTimeout;
  made.backgroundTimeout = options.backgroundTimeout;
  made.doubleDeadlock = options.doubleDeadlock;
  made.tokensAbove = tokensAbove;
  made.waitBegan = std::move(waitBegan);
  return made;
}

/// A commit between being asked for and being answered.
struct PendingCommit {
  CommitRequest request;
  CommitSettle settle;
  CommitReply reply;
};

}  // namespace

struct LocalDatabase::Parts {
  Parts(std::shared_ptr<ObjectStore> objects, const Clock& time, const Options& options)
      : clock(time),
        store(std::move(objects)),
        transients(makeTransientStore(store)),
        systemObjects(*store),
        firstToken(store->reserveNumbers("fencing", kTokenBlock)),
        lastReserved(firstToken + kTokenBlock - 1),
        locks(clock, lockOptions(options, firstToken - 1, [this](Instant at) { waitBegan(at); })),
        transientLocks(clock, lockOptions(options, 0, [this](Instant at) { waitBegan(at); })) {}

  LockManager& tableOf(Lifetime lifetime) {
    return lifetime == Lifetime::Persistent ? locks : transientLocks;
  }
  ObjectStore& storeOf(Lifetime lifetime) {
    return lifetime == Lifetime::Persistent ? *store : *transients;
  }

  std::optional<Instant> nextDeadline() const {
    const auto ours = locks.nextDeadline();
    const auto theirs = transientLocks.nextDeadline();
    if (!ours || !theirs) return ours ? ours : theirs;
    return std::min(*ours, *theirs);
  }
  bool expireNextWait(Instant now);
  void waitBegan(Instant deadline) {
    if (timer) timer->deadlineAdded(deadline);
  }
  /// Also when the store cannot say: whoever asks then must read again, and is told.
  bool changedSince(Oid oid, std::uint32_t edition) const;
  bool hasMoved(Oid oid, std::uint32_t editionBefore);
  void keepTokensReserved(FencingToken given) NEPHRITE_EXCLUDES(reserveMutex);

  void finish(const std::shared_ptr<PendingCommit>& commit) NEPHRITE_EXCLUDES(committingMutex);
  void signOff(LockerId locker);
  bool beginsCommit(LockerId locker) NEPHRITE_EXCLUDES(committingMutex);
  /// True: the locker wanted to leave meanwhile; sign it off.
  bool endsCommit(LockerId locker) NEPHRITE_EXCLUDES(committingMutex);
  bool mayLeaveNow(LockerId locker) NEPHRITE_EXCLUDES(committingMutex);

  const Clock& clock;
  const std::shared_ptr<ObjectStore> store;
  const std::unique_ptr<ObjectStore> transients;
  SystemObjects systemObjects;
  const std::uint64_t firstToken;
  std::atomic<std::uint64_t> lastReserved;
  Mutex reserveMutex;  // Before the store's own.
  LockManager locks;
  LockManager transientLocks;

  // Lockers whose commit is being written, and whether they shall leave when it is: a process
  // that signs off meanwhile keeps its locks until its changes are durable or refused.
  Mutex committingMutex;  // Before SystemObjects'.
  std::unordered_map<std::uint64_t, bool> committing NEPHRITE_GUARDED_BY(committingMutex);

  // Last: they end first.
  std::unique_ptr<WorkThread> commitThread;
  std::unique_ptr<LockTimer> timer;
};

LocalDatabase::LocalDatabase(std::shared_ptr<ObjectStore> store, const Clock& clock,
                             const Options& options)
    : parts_(std::make_unique<Parts>(std::move(store), clock, options)) {
  if (!options.threads) return;
  Parts* const parts = parts_.get();
  parts->commitThread = std::make_unique<WorkThread>();
  parts->timer = std::make_unique<LockTimer>(clock, [parts] {
    while (parts->expireNextWait(parts->clock.now())) {
    }
    return parts->nextDeadline();
  });
}

LocalDatabase::~LocalDatabase() {
  for (const NodeInfo& node : nodes()) signOffNode(node.oid);
  parts_->timer.reset();
  parts_->commitThread.reset();
}

bool LocalDatabase::Parts::expireNextWait(Instant now) {
  const auto ours = locks.nextDeadline();
  const auto theirs = transientLocks.nextDeadline();
  const bool transientFirst = theirs && (!ours || *theirs < *ours);
  LockAnswers answers = (transientFirst ? transientLocks : locks).expireNextWait(now);
  if (answers.empty()) return false;
  answers.deliver();
  return true;
}

void LocalDatabase::Parts::keepTokensReserved(FencingToken given) {
  if (given.value + kTokenBlock / 2 < lastReserved.load(std::memory_order_relaxed)) return;
  MutexLock hold(reserveMutex);
  if (given.value + kTokenBlock / 2 < lastReserved.load(std::memory_order_relaxed)) return;
  try {
    lastReserved = store->reserveNumbers("fencing", kTokenBlock) + kTokenBlock - 1;
  } catch (const StoreException& failure) {
    // Half a block is left; the next grant tries again.
    log(LogLevel::Error, "fencing.reserve_failed", {{"reason", failure.what()}});
  }
}

bool LocalDatabase::Parts::changedSince(Oid oid, std::uint32_t edition) const {
  try {
    const ObjectStore& home = oid.lifetime() == Lifetime::Persistent ? *store : *transients;
    const RecordPtr now = isSystemObject(oid) ? systemObjects.fetch(oid) : home.fetch(oid);
    return now && now->edition != edition;
  } catch (const StoreException&) {
    return true;
  }
}

// Runs on the thread of whoever let the lock go: a failing store is no business of theirs. The
// holder is told to read again, and meets the failure then.
bool LocalDatabase::Parts::hasMoved(Oid oid, std::uint32_t editionBefore) {
  try {
    const RecordPtr now =
        isSystemObject(oid) ? systemObjects.fetch(oid) : storeOf(oid.lifetime()).fetch(oid);
    return now && now->edition != editionBefore;
  } catch (const StoreException& failure) {
    log(LogLevel::Error, "store.read_failed", {{"reason", failure.what()}});
    return true;
  }
}

void LocalDatabase::setTimeouts(std::chrono::milliseconds serverTimeout,
                                std::chrono::milliseconds backgroundTimeout) {
  parts_->locks.setTimeouts(serverTimeout, backgroundTimeout);
  parts_->transientLocks.setTimeouts(serverTimeout, backgroundTimeout);
}

void LocalDatabase::setDoubleDeadlock(bool on) {
  parts_->locks.setDoubleDeadlock(on);
  parts_->transientLocks.setDoubleDeadlock(on);
}

std::optional<Instant> LocalDatabase::nextDeadline() const { return parts_->nextDeadline(); }
bool LocalDatabase::expireNextWait(Instant now) { return parts_->expireNextWait(now); }

void LocalDatabase::checkInvariants() const {
  parts_->locks.checkInvariants();
  parts_->transientLocks.checkInvariants();
}

ObjectStore& LocalDatabase::store() { return *parts_->store; }

// --- Nodes and processes
// ---------------------------------------------------------------------------

void LocalDatabase::signOnNode(const std::string& name,
                               std::function<void(const NodeReply&)> done) {
  const WallTime now = parts_->clock.wallNow();
  NodeInfo node = parts_->systemObjects.newNode(name, now);
  const ProcessInfo housekeeping =
      parts_->systemObjects.newProcess("housekeeping", "", name, true, now);
  node.locker = housekeeping.locker;
  parts_->systemObjects.addProcess(housekeeping, Oid());
  parts_->locks.signOn(node.locker);
  parts_->transientLocks.signOn(node.locker);

  LockRequest request;
  request.locker = node.locker;
  request.target = targetOf(systemNodes());
  request.type = LockType::Exclusive;
  request.background = true;
  lock(request, [this, node, done = std::move(done)](const LockReply& reply) {
    if (reply.lock.outcome != LockOutcome::Granted) {
      signOffProcess(node.locker);
      done({std::nullopt, reply.lock});
      return;
    }
    parts_->systemObjects.addNode(node);
    unlock(node.locker, systemNodes());
    done({node, reply.lock});
  });
}

void LocalDatabase::signOffNode(Oid oid) {
  const auto node = parts_->systemObjects.node(oid);
  if (!node) return;
  for (const LockerId locker : parts_->systemObjects.processesOf(oid)) signOffProcess(locker);
  parts_->systemObjects.removeNode(oid);
  signOffProcess(node->locker);
}

void LocalDatabase::signOnProcess(const ProcessSignOn& who,
                                  std::function<void(const ProcessReply&)> done) {
  const auto node = parts_->systemObjects.node(who.node);
  if (!node) {
    ProcessReply refused;
    refused.lock.outcome = LockOutcome::Cancelled;
    done(refused);
    return;
  }
  LockRequest request;
  request.locker = node->locker;
  request.target = targetOf(node->processes);
  request.type = LockType::Exclusive;
  request.background = true;
  // Made here, where a failing store is thrown to the caller.
  const ProcessInfo process = parts_->systemObjects.newProcess(
      who.name, who.user, node->name, who.background, parts_->clock.wallNow());
  lock(request, [this, process, node = *node, done = std::move(done)](const LockReply& reply) {
    if (reply.lock.outcome != LockOutcome::Granted) {
      done({std::nullopt, reply.lock});
      return;
    }
    parts_->locks.signOn(process.locker);
    parts_->transientLocks.signOn(process.locker);
    parts_->systemObjects.addProcess(process, node.oid);
    unlock(node.locker, node.processes);
    done({process, reply.lock});
  });
}

void LocalDatabase::signOffProcess(LockerId locker) {
  if (parts_->mayLeaveNow(locker)) parts_->signOff(locker);
}

void LocalDatabase::Parts::signOff(LockerId locker) {
  LockAnswers persistent = locks.signOff(locker);
  LockAnswers shared = transientLocks.signOff(locker);
  persistent.deliver();
  shared.deliver();
}

ProcessInfo LocalDatabase::describe(LockerId locker) const {
  return parts_->systemObjects.describe(locker);
}
std::vector<NodeInfo> LocalDatabase::nodes() const { return parts_->systemObjects.nodes(); }
std::vector<ProcessInfo> LocalDatabase::processes() const {
  return parts_->systemObjects.processes();
}
Oid LocalDatabase::system() const { return parts_->systemObjects.system(); }
Oid LocalDatabase::systemNodes() const { return parts_->systemObjects.nodesDict(); }

// --- Locks
// ------------------------------------------------------------------------------------------

void LocalDatabase::lock(const LockRequest& request, LockReplySettle settle) {
  const Oid oid = Oid::fromBits(request.target.value);
  NEPHRITE_CHECK(oid.lifetime() != Lifetime::Transient);
  std::uint32_t editionBefore = 0;
  if (request.type == LockType::Update) {
    const RecordPtr record = fetch(oid);
    if (record) editionBefore = record->edition;
  }
  auto answered = [this, oid, editionBefore, settle = std::move(settle)](const LockAnswer& answer) {
    LockReply reply{answer, false};
    if (answer.outcome == LockOutcome::Granted) {
      if (oid.lifetime() == Lifetime::Persistent) parts_->keepTokensReserved(answer.token);
      if (answer.shareReleased) reply.updatedMeanwhile = parts_->hasMoved(oid, editionBefore);
    }
    settle(reply);
  };
  parts_->tableOf(oid.lifetime()).request(request, std::move(answered)).deliver();
}

void LocalDatabase::cancel(LockerId locker, std::uint64_t requestId) {
  parts_->locks.cancel(locker, requestId).deliver();
  parts_->transientLocks.cancel(locker, requestId).deliver();
}

bool LocalDatabase::unlock(LockerId locker, Oid target) {
  bool released = false;
  parts_->tableOf(target.lifetime()).unlock(locker, targetOf(target), &released).deliver();
  return released;
}

void LocalDatabase::releaseTransactionLocks(LockerId locker, Lifetime lifetime) {
  parts_->tableOf(lifetime).releaseTransactionLocks(locker).deliver();
}

void LocalDatabase::releaseLevel(LockerId locker, Lifetime lifetime, std::uint16_t level) {
  parts_->tableOf(lifetime).releaseLevel(locker, level).deliver();
}

std::optional<LockInfo> LocalDatabase::lockStatus(LockerId locker, Oid target) const {
  return parts_->tableOf(target.lifetime()).lockStatus(locker, targetOf(target));
}

// --- Objects
// ----------------------------------------------------------------------------------------

std::shared_ptr<const Schema> LocalDatabase::schema() const { return parts_->store->schema(); }

std::shared_ptr<const ClassDef> LocalDatabase::defineClass(const ClassDef& wanted) {
  return parts_->store->defineClass(wanted);
}

Oid LocalDatabase::newOid(Lifetime lifetime, Oid::ClassNumber classNumber) {
  return parts_->storeOf(lifetime).newOid(classNumber);
}

RecordPtr LocalDatabase::fetch(Oid oid) const {
  if (isSystemObject(oid)) return parts_->systemObjects.fetch(oid);
  return parts_->storeOf(oid.lifetime()).fetch(oid);
}

std::vector<Oid> LocalDatabase::instances(Oid::ClassNumber classNumber, Oid after,
                                          std::size_t maxEntries) const {
  return parts_->store->instances(classNumber, after, maxEntries);
}

// --- Commit: durable, then visible, then unlocked ------------------------------------------------

void LocalDatabase::commit(CommitRequest request, CommitSettle settle) {
  auto commit = std::make_shared<PendingCommit>();
  commit->request = std::move(request);
  commit->settle = std::move(settle);
  if (commit->request.updateLocked.empty()) {
    parts_->finish(commit);
    return;
  }

  std::vector<LockTarget> targets;
  for (const Oid oid : commit->request.updateLocked) targets.push_back(targetOf(oid));
  const auto upgraded = [this, commit](const LockAnswer& answer) {
    commit->reply.lock = answer;
    if (answer.outcome != LockOutcome::Granted) {
      commit->reply.outcome = CommitReply::Outcome::LockRefused;
      commit->settle(commit->reply);
    } else if (answer.queued && parts_->commitThread) {
      parts_->commitThread->post([this, commit] { parts_->finish(commit); });
    } else {
      parts_->finish(commit);
    }
  };
  parts_->tableOf(commit->request.lifetime)
      .upgradeForCommit(commit->request.upgrade, targets, upgraded)
      .deliver();
}

void LocalDatabase::Parts::finish(const std::shared_ptr<PendingCommit>& commit) {
  const LockerId locker = commit->request.upgrade.locker;
  const Lifetime lifetime = commit->request.lifetime;
  CommitReply& reply = commit->reply;
  if (!beginsCommit(locker)) {
    reply.outcome = CommitReply::Outcome::LockRefused;
    reply.lock.outcome = LockOutcome::Cancelled;
    commit->settle(reply);
    return;
  }

  try {
    for (const ObjectChange& change : commit->request.changes.changes) {
      if (change.kind == ChangeKind::Create) continue;
      const auto held = tableOf(lifetime).lockStatus(locker, targetOf(change.record.oid));
      if (!held || held->type != LockType::Exclusive) {
        throw StoreException(StoreException::Reason::StaleEdition,
                             "commit refused: " + store->schema()->show(change.record.oid) +
                                 " is changed but not locked exclusively by this process; abort "
                                 "the transaction and try again");
      }
    }
    if (!commit->request.changes.empty()) storeOf(lifetime).commit(commit->request.changes);
  } catch (const std::exception& failed) {
    reply.outcome = CommitReply::Outcome::StoreFailed;
    reply.failure = failed.what();
    log(LogLevel::Error, "commit.failed", {{"reason", reply.failure}});
    const bool leaves = endsCommit(locker);
    commit->settle(reply);
    if (leaves) signOff(locker);
    return;
  }

  // The committer is told before those whom its locks kept waiting. Once told, it may commit
  // again, from another thread: this commit has ended by then.
  LockAnswers answers = tableOf(lifetime).releaseTransactionLocks(locker);
  const bool leaves = endsCommit(locker);
  commit->settle(reply);
  answers.deliver();
  if (leaves) signOff(locker);
}

bool LocalDatabase::Parts::beginsCommit(LockerId locker) {
  MutexLock hold(committingMutex);
  if (!systemObjects.isSignedOn(locker)) return false;
  return committing.emplace(locker.value, false).second;
}

bool LocalDatabase::Parts::endsCommit(LockerId locker) {
  MutexLock hold(committingMutex);
  const auto it = committing.find(locker.value);
  NEPHRITE_CHECK(it != committing.end());
  const bool leaves = it->second;
  committing.erase(it);
  if (leaves) systemObjects.removeProcess(locker);
  return leaves;
}

bool LocalDatabase::Parts::mayLeaveNow(LockerId locker) {
  MutexLock hold(committingMutex);
  const auto it = committing.find(locker.value);
  if (it != committing.end()) {
    it->second = true;
    return false;
  }
  systemObjects.removeProcess(locker);  // From here on it begins no commit.
  return true;
}

// --- Looking
// ----------------------------------------------------------------------------------------

std::vector<LockInfo> LocalDatabase::locksHeld(Lifetime lifetime, std::size_t maxEntries) const {
  return parts_->tableOf(lifetime).locksHeld(maxEntries);
}

std::vector<LockInfo> LocalDatabase::queuedRequests(Lifetime lifetime,
                                                    std::size_t maxEntries) const {
  return parts_->tableOf(lifetime).queuedRequests(maxEntries);
}

std::vector<LockInfo> LocalDatabase::locksOn(Oid target) const {
  return parts_->tableOf(target.lifetime()).locksOn(targetOf(target));
}

std::vector<LockInfo> LocalDatabase::locksOf(LockerId locker, Lifetime lifetime) const {
  return parts_->tableOf(lifetime).locksOf(locker);
}

LockStatistics LocalDatabase::lockStatistics(Lifetime lifetime) const {
  return parts_->tableOf(lifetime).statistics();
}

bool LocalDatabase::beginContentionStats(LockerId starter, std::size_t tableSize) {
  return parts_->locks.beginContentionStats(starter, tableSize);
}
bool LocalDatabase::clearContentionStats(LockerId locker) {
  return parts_->locks.clearContentionStats(locker);
}
bool LocalDatabase::endContentionStats(LockerId locker) {
  return parts_->locks.endContentionStats(locker);
}
LockContentionState LocalDatabase::contentionState() const {
  return parts_->locks.contentionState();
}
std::vector<LockContentionInfo> LocalDatabase::contentionStats(std::size_t maxEntries,
                                                               std::uint64_t minContentions) const {
  return parts_->locks.contentionStats(maxEntries, minContentions);
}
LockContentionInfo LocalDatabase::contentionOf(Oid target) const {
  return parts_->locks.contentionOf(targetOf(target));
}

const Clock& LocalDatabase::clock() const { return parts_->clock; }

}  // namespace nephrite

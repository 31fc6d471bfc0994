#include "runtime/database/local_database.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/work_thread.h"
#include "runtime/database/family_changes.h"
#include "runtime/database/local_port.h"
#include "runtime/database/lock_timer.h"
#include "runtime/database/locked_store.h"
#include "runtime/database/sign_on_names.h"
#include "runtime/database/system_class.h"
#include "runtime/database/system_objects.h"
#include "runtime/errors/exceptions.h"

namespace nephrite {
namespace {

LockTarget targetOf(Oid oid) { return {oid.bits()}; }

template <class Reply>
Reply refusedSignOn(std::optional<RequestFailure> why) {
  Reply refused;
  refused.lock.outcome = LockOutcome::Cancelled;
  refused.failure = std::move(why);
  return refused;
}

void logNearLimit(LockLimit limit, const LockLimitUse& use) {
  log(use.isWarned ? LogLevel::Warning : LogLevel::Info,
      use.isWarned ? "locks.near_limit" : "locks.below_limit",
      {{"parameter", std::string(nameOf(limit))},
       {"limit", std::to_string(use.limit)},
       {"now", std::to_string(use.now)}});
}

}  // namespace

struct LocalDatabase::Parts {
  Parts(std::shared_ptr<ObjectStore> objects, const Clock& time, const Options& options)
      : clock(time),
        store(std::move(objects)),
        classDefined(options.classDefined),
        systemObjects(*store),
        resources([this](Oid oid) { return persistent.locks().isLocked(targetOf(oid)); }),
        persistent(store, clock, storeOptions(options, Lifetime::Persistent)),
        shared(makeTransientStore(
                   {.schema = [this] { return store->schema(); },
                    .defineClass = [this](const ClassDef& it) { return defineClass(it); }}),
               clock, storeOptions(options, Lifetime::SharedTransient)) {}

  LockedStore::Options storeOptions(const Options& options, Lifetime lifetime) {
    LockedStore::Options made;
    made.locks = options.locks;
    made.locks.domain = domain;
    made.locks.waitBegan = [this](Instant deadline) {
      if (timer) timer->deadlineAdded(deadline);
    };
    if (options.threads) {
      made.finishLater = [this](std::function<void()> work) {
        commitThread->post(std::move(work));
      };
    }
    if (options.threads) made.locks.nearLimit = logNearLimit;
    made.lapsed = [this, isLogged = options.threads,
                   told = options.lapsed](const LockAnswer& answer) {
      if (isLogged) logLapse(answer);
      if (told) told(answer);
      if (lapsed) lapsed(answer);
      lapseWatch.tell(answer);
    };
    if (lifetime != Lifetime::Persistent) return made;
    made.durableTokens = true;
    made.recordCommits = options.recordCommits;
    made.mostObjectBytes = options.mostObjectBytes;
    made.committed = [this, told = options.committed](LockerId locker, const ChangeSet& changes) {
      noteCommit(locker, changes);
      if (told) told(changes);
    };
    made.fetch = [this](Oid oid) {
      return isSystemObject(oid) ? systemObjects.fetch(oid) : store->fetch(oid);
    };
    return made;
  }

  LockedStore& objectsOf(Lifetime lifetime) {
    NEPHRITE_CHECK(lifetime != Lifetime::Transient);
    return lifetime == Lifetime::SharedTransient ? shared : persistent;
  }

  // Of both stores: their locks are of one domain.
  std::optional<Instant> nextDeadline() const { return persistent.nextDeadline(); }
  bool expireNext(Instant now) { return persistent.expireNext(now); }

  std::shared_ptr<const ClassDef> defineClass(const ClassDef& wanted) {
    auto made = store->defineClass(wanted);
    if (classDefined) classDefined(made);
    return made;
  }

  LockManager::SignOn signOn(LockerId locker, LockerId parent, bool isCounted) {
    const LockManager::SignOn done = persistent.signOn(locker, parent, isCounted);
    if (done != LockManager::SignOn::Done) return done;
    if (shared.signOn(locker, parent, isCounted) != LockManager::SignOn::Done) {
      persistent.signOff(locker);  // The parent went meanwhile.
      return LockManager::SignOn::NoParent;
    }
    if (!parent.isNull()) families.join(locker, parent);
    return done;
  }
  std::string show(Oid target) const {
    if (target.lifetime() != Lifetime::Resource) return store->schema()->show(target);
    const std::string name = resources.nameOf(target);
    return name.empty() ? "resource " + target.toString() : showResource(name);
  }
  void logLapse(const LockAnswer& answer) const {
    const ProcessInfo process = systemObjects.describe(answer.request.locker);
    log(LogLevel::Info, "lock.lapsed",
        {{"object", show(Oid::fromBits(answer.request.target.value))},
         {"process", std::to_string(answer.request.locker.value)},
         {"name", process.name},
         {"lease", std::to_string(answer.request.lease.length.count())}});
  }
  // What other processes hold beside the locker's Exclusive lock is its relatives'.
  void noteCommit(LockerId locker, const ChangeSet& changes) {
    if (families.isEmpty() || !families.hasRelatives(locker)) return;
    for (const ObjectChange& change : changes.changes) {
      if (change.kind == ChangeKind::Create) continue;
      std::vector<LockerId> holders;
      for (const LockInfo& lock : persistent.locks().locksOn(targetOf(change.record->oid))) {
        if (!lock.waiting && !lock.isFromAbove()) holders.push_back(lock.requestedBy);
      }
      families.committed(locker, change.record->oid, holders);
    }
  }
  void signOff(LockerId locker, std::optional<Heritage> heritage,
               LockEventCause cause = LockEventCause::SignOff) {
    std::vector<LockerId> family;
    if (!families.isEmpty()) family = persistent.locks().descendantsOf(locker);
    if (const LockerId parent = persistent.locks().parentOf(locker); heritage && !parent.isNull()) {
      for (const LockInfo& left : persistent.locks().locksOf(locker)) {
        // What the heir gets now it did not hold before any commit.
        if (persistent.locks().lockStatus(parent, left.target)) continue;
        families.granted(parent, Oid::fromBits(left.target.value));
      }
    }
    family.push_back(locker);
    for (const LockerId each : family) {
      systemObjects.removeProcess(each);
      families.leave(each);
      lapseWatch.forget(each);
    }
    std::optional<Heritage> ofShared;
    if (heritage) ofShared = Heritage{heritage->level};
    persistent.signOff(locker, std::move(heritage), cause);
    shared.signOff(locker, std::move(ofShared), cause);
  }
  std::optional<RequestFailure> whyNoSignOn(LockManager::SignOn refused) const {
    switch (refused) {
      case LockManager::SignOn::Done: break;
      case LockManager::SignOn::NoParent:
        return RequestFailure{ErrorCode::NotLockable,
                              "the parent that was named is not signed on (any more); sign the "
                              "process on without it, or with one that is"};
      case LockManager::SignOn::TooDeep:
        return RequestFailure{
            ErrorCode::NotLockable,
            "a family has at most " + std::to_string(LockManager::kMostDepth) +
                " generations, and the parent is of the last; name one of its ancestors"};
      case LockManager::SignOn::OverLimit: {
        const LockLimitUse use = persistent.locks().limitUse(LockLimit::Lockers);
        return RequestFailure{ErrorCode::TooManyLockers,
                              "MaxLockers=" + std::to_string(use.limit) +
                                  " processes are signed on; sign one off, or raise MaxLockers in "
                                  "[NephriteLocks] and start the node again"};
      }
    }
    return std::nullopt;
  }
  /// Exclusive on a system dictionary for the moment of a sign-on.
  void lockForSignOn(const NodeInfo& node, Oid dictionary,
                     std::function<void(const LockAnswer&)> done);

  const Clock& clock;
  const std::shared_ptr<ObjectStore> store;
  const std::function<void(const std::shared_ptr<const ClassDef>&)> classDefined;
  std::function<void(const LockAnswer&)> lapsed;
  SystemObjects systemObjects;
  ResourceNames resources;
  FamilyChanges families;
  LapseWatch lapseWatch;
  const std::shared_ptr<LockDomain> domain = makeLockDomain();
  LockedStore persistent;
  LockedStore shared;

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
    while (parts->expireNext(parts->clock.now())) {
    }
    return parts->nextDeadline();
  });
}

LocalDatabase::~LocalDatabase() {
  for (const NodeInfo& node : nodes()) signOffNode(node.oid);
  parts_->timer.reset();
  parts_->commitThread.reset();
}

void LocalDatabase::setTimeouts(std::chrono::milliseconds serverTimeout,
                                std::chrono::milliseconds backgroundTimeout) {
  parts_->persistent.locks().setTimeouts(serverTimeout, backgroundTimeout);
  parts_->shared.locks().setTimeouts(serverTimeout, backgroundTimeout);
}

void LocalDatabase::setDoubleDeadlock(bool on) {
  parts_->persistent.locks().setDoubleDeadlock(on);
  parts_->shared.locks().setDoubleDeadlock(on);
}

void LocalDatabase::setVictim(DeadlockVictim policy) {
  parts_->persistent.locks().setVictim(policy);
  parts_->shared.locks().setVictim(policy);
}

void LocalDatabase::setVictimSeed(std::uint64_t seed) {
  parts_->persistent.locks().setVictimSeed(seed);
  parts_->shared.locks().setVictimSeed(seed);
}

void LocalDatabase::setLimits(const LockLimits& limits) {
  parts_->persistent.locks().setLimits(limits);
  parts_->shared.locks().setLimits(limits);
}

LockLimitUse LocalDatabase::limitUse(LockLimit limit) const {
  return parts_->persistent.locks().limitUse(limit);
}

void LocalDatabase::whenAnyLapses(std::function<void(const LockAnswer&)> told) {
  parts_->lapsed = std::move(told);
}

void LocalDatabase::numberResourcesFrom(std::uint64_t first) {
  parts_->resources.numberFrom(first);
}

LockManager::Placing LocalDatabase::setPlace(Oid object, Oid parent) {
  return parts_->persistent.locks().setPlace({object.bits()}, {parent.bits()});
}

std::optional<Instant> LocalDatabase::nextDeadline() const { return parts_->nextDeadline(); }
bool LocalDatabase::expireNext(Instant now) { return parts_->expireNext(now); }

void LocalDatabase::checkInvariants() const {
  parts_->persistent.locks().checkInvariants();
  parts_->shared.locks().checkInvariants();
}

ObjectStore& LocalDatabase::store() { return *parts_->store; }

// --- Nodes and processes -------------------------------------------------------------------------

void LocalDatabase::Parts::lockForSignOn(const NodeInfo& node, Oid dictionary,
                                         std::function<void(const LockAnswer&)> done) {
  LockRequest request;
  request.locker = node.locker;
  request.target = targetOf(dictionary);
  request.type = LockType::Exclusive;
  request.background = true;
  if (node.backgroundTimeout) request.timeout = LockTimeout::of(*node.backgroundTimeout);
  // It is there as long as its node is, and the process that gets the lock asks after that: a look
  // at it would copy it, and it has a member for each process.
  persistent.lock({request, Existence::CreatedByLocker},
                  [done = std::move(done)](const LockReply& reply) { done(reply.lock); });
}

void LocalDatabase::signOnNode(const NodeSignOn& who, std::function<void(const NodeReply&)> done) {
  if (auto fault = faultOfNames(who)) return done(refusedSignOn<NodeReply>(std::move(fault)));
  const WallTime now = parts_->clock.wallNow();
  NodeInfo node = parts_->systemObjects.newNode(who, now);
  const ProcessInfo housekeeping = parts_->systemObjects.newProcess({.node = node.oid,
                                                                     .name = "housekeeping",
                                                                     .user = "",
                                                                     .background = true,
                                                                     .face = who.face,
                                                                     .faceOwner = who.faceOwner},
                                                                    node, now);
  node.locker = housekeeping.locker;
  parts_->systemObjects.addProcess(housekeeping, Oid());
  parts_->signOn(node.locker, LockerId{}, /*isCounted=*/false);

  parts_->lockForSignOn(node, systemNodes(),
                        [this, node, done = std::move(done)](const LockAnswer& answer) {
                          if (answer.outcome != LockOutcome::Granted) {
                            signOffProcess(node.locker);
                            return done({std::nullopt, answer, std::nullopt});
                          }
                          parts_->systemObjects.addNode(node);
                          parts_->persistent.unlock(node.locker, systemNodes());
                          done({node, answer, std::nullopt});
                        });
}

void LocalDatabase::signOffNode(Oid oid) {
  const auto gone = parts_->systemObjects.removeNode(oid);  // From here on none signs on to it.
  if (!gone) return;
  for (const LockerId locker : gone->processes) signOffProcess(locker);
  signOffProcess(gone->node.locker);
}

void LocalDatabase::signOnProcess(const ProcessSignOn& who,
                                  std::function<void(const ProcessReply&)> done) {
  if (auto fault = faultOfNames(who)) return done(refusedSignOn<ProcessReply>(std::move(fault)));
  const auto node = parts_->systemObjects.node(who.node);
  if (!node) {
    ProcessReply refused;
    refused.lock.outcome = LockOutcome::Cancelled;
    done(refused);
    return;
  }
  // Made here, where a failing store is thrown to the caller.
  const ProcessInfo process = parts_->systemObjects.newProcess(who, *node, parts_->clock.wallNow());
  parts_->lockForSignOn(
      *node, node->processes,
      [this, process, node = *node, done = std::move(done)](const LockAnswer& answer) {
        if (answer.outcome != LockOutcome::Granted) {
          return done({std::nullopt, answer, std::nullopt});
        }
        const LockManager::SignOn signedOn =
            parts_->signOn(process.locker, process.parent, /*isCounted=*/true);
        const bool isDone = signedOn == LockManager::SignOn::Done;
        const bool added = isDone && parts_->systemObjects.addProcess(process, node.oid);
        parts_->persistent.unlock(node.locker, node.processes);
        if (added) return done({process, answer, std::nullopt});
        if (!isDone) return done(refusedSignOn<ProcessReply>(parts_->whyNoSignOn(signedOn)));
        signOffProcess(process.locker);  // Its node went meanwhile.
        ProcessReply refused;
        refused.lock.outcome = LockOutcome::Cancelled;
        done(refused);
      });
}

void LocalDatabase::signOffProcess(LockerId locker) { parts_->signOff(locker, std::nullopt); }

void LocalDatabase::signOffToParent(LockerId locker, Heritage heritage) {
  parts_->signOff(locker, std::move(heritage));
}

std::shared_ptr<LockerPort> LocalDatabase::port(LockerId locker) {
  return std::make_shared<LocalPort>(
      locker, LocalPort::Parts{*this, parts_->persistent, parts_->shared, parts_->families,
                               parts_->lapseWatch});
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

// --- What can be locked --------------------------------------------------------------------------

void LocalDatabase::resource(const std::string& name,
                             std::function<void(const ResourceReply&)> done) {
  if (auto fault = faultOfResource(name)) return done({nullptr, std::move(fault)});
  done({parts_->resources.find(name), std::nullopt});
}

std::string LocalDatabase::show(Oid target) const { return parts_->show(target); }

// --- Objects -------------------------------------------------------------------------------------

std::shared_ptr<const Schema> LocalDatabase::schema() const { return parts_->store->schema(); }

std::shared_ptr<const ClassDef> LocalDatabase::defineClass(const ClassDef& wanted) {
  return parts_->defineClass(wanted);
}

Oid LocalDatabase::newOid(Lifetime lifetime, Oid::ClassNumber classNumber) {
  return parts_->objectsOf(lifetime).store().newOid(classNumber);
}

RecordPtr LocalDatabase::fetch(Oid oid) const {
  return parts_->objectsOf(oid.lifetime()).fetch(oid);
}

std::optional<RecordPtr> LocalDatabase::fetchAtOnce(Oid oid) const {
  return parts_->objectsOf(oid.lifetime()).fetchAtOnce(oid);
}

std::vector<Oid> LocalDatabase::instances(Oid::ClassNumber classNumber, Oid after,
                                          std::size_t maxEntries) const {
  return parts_->store->instances(classNumber, after, maxEntries);
}

CommitOutcome LocalDatabase::commitOutcome(const CommitId& commit) {
  const LockerId locker{commit.process};
  if (parts_->systemObjects.isSignedOn(locker)) {
    throw ConnectionException(ErrorCode::NoAnswer,
                              "process " + std::to_string(locker.value) +
                                  " is still signed on, and may commit: sign it off, then ask what "
                                  "became of its commit");
  }
  // It commits nothing more: what is said here stays true.
  parts_->persistent.awaitCommit(locker);
  const bool committed = parts_->store->lastCommitOf(commit.process) == commit.number;
  return committed ? CommitOutcome::Committed : CommitOutcome::NotCommitted;
}

void LocalDatabase::forgetCommits(LockerId locker) {
  if (!parts_->systemObjects.isSignedOn(locker)) parts_->store->forgetCommits(locker.value);
}

// --- Looking -------------------------------------------------------------------------------------

LockManager& LocalDatabase::locks(Lifetime lifetime) const {
  return parts_->objectsOf(lifetime).locks();
}

std::vector<LockInfo> LocalDatabase::locksHeld(Lifetime lifetime, std::size_t maxEntries) const {
  return parts_->objectsOf(lifetime).locks().locksHeld(maxEntries);
}

std::vector<LockInfo> LocalDatabase::queuedRequests(Lifetime lifetime,
                                                    std::size_t maxEntries) const {
  return parts_->objectsOf(lifetime).locks().queuedRequests(maxEntries);
}

std::vector<LockInfo> LocalDatabase::locksOn(Oid target) const {
  return parts_->objectsOf(target.lifetime()).locks().locksOn(targetOf(target));
}

std::vector<LockInfo> LocalDatabase::locksOf(LockerId locker, Lifetime lifetime) const {
  return parts_->objectsOf(lifetime).locks().locksOf(locker);
}

LockStatistics LocalDatabase::lockStatistics(Lifetime lifetime) const {
  return parts_->objectsOf(lifetime).locks().statistics();
}

std::vector<DeadlockRecord> LocalDatabase::deadlocks(Lifetime lifetime,
                                                     std::size_t maxEntries) const {
  return parts_->objectsOf(lifetime).locks().deadlocks(maxEntries);
}

bool LocalDatabase::beginContentionStats(LockerId starter, std::size_t tableSize) {
  return parts_->persistent.locks().beginContentionStats(starter, tableSize);
}
bool LocalDatabase::clearContentionStats(LockerId locker) {
  return parts_->persistent.locks().clearContentionStats(locker);
}
bool LocalDatabase::endContentionStats(LockerId locker) {
  return parts_->persistent.locks().endContentionStats(locker);
}
LockContentionState LocalDatabase::contentionState() const {
  return parts_->persistent.locks().contentionState();
}
std::vector<LockContentionInfo> LocalDatabase::contentionStats(std::size_t maxEntries,
                                                               std::uint64_t minContentions) const {
  return parts_->persistent.locks().contentionStats(maxEntries, minContentions);
}
LockContentionInfo LocalDatabase::contentionOf(Oid target) const {
  return parts_->persistent.locks().contentionOf(targetOf(target));
}

// --- Operating -----------------------------------------------------------------------------------

bool LocalDatabase::breakLock(LockerId locker, Oid target, const Operator& by) {
  const ProcessInfo process = describe(locker);
  const LockedStore::Broken done =
      parts_->objectsOf(target.lifetime()).breakLock(locker, target, by);
  const bool released = done != LockedStore::Broken::NotHeld;
  log(LogLevel::Warning, released ? "lock.broken" : "lock.not_held",
      {{"object", show(target)},
       {"when", done == LockedStore::Broken::AfterCommit ? "after its commit" : "now"},
       {"process", std::to_string(locker.value)},
       {"name", process.name},
       {"by", by.user},
       {"reason", by.reason}});
  return released;
}

bool LocalDatabase::forceSignOff(LockerId locker, const Operator& by) {
  const ProcessInfo process = describe(locker);
  if (!parts_->systemObjects.isSignedOn(locker)) return false;
  parts_->signOff(locker, std::nullopt, LockEventCause::Force);
  log(LogLevel::Warning, "process.forced_off",
      {{"process", std::to_string(locker.value)},
       {"name", process.name},
       {"by", by.user},
       {"reason", by.reason}});
  return true;
}

const Clock& LocalDatabase::clock() const { return parts_->clock; }

}  // namespace nephrite

#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "locking/lock_manager.h"
#include "objects/object_store.h"
#include "runtime/database/database.h"

namespace nephrite {

/// The database in this very program: two lock managers over an object store.
///
/// Shape:   Database; with threads on, one thread ends waits whose time has run out and one
///          finishes commits that had to wait for their upgrades. With threads off nothing
///          happens but on the calling thread: the owner of the clock calls expireNext().
/// Threads: any method, from any thread. Mutex order: docs/ARCHITECTURE.md; none is held while a
///          callback runs.
class LocalDatabase final : public Database {
 public:
  struct Options {
    /// Of both lock managers. The database sets `tokensAbove` and `waitBegan` itself.
    LockManager::Options locks = {};
    bool threads = true;
    /// Commits are recorded under their id: for a database whose answers may get lost.
    bool recordCommits = false;
    /// No persistent object may be larger (runtime/database/object_size.h): the commit of a larger
    /// object is refused. 0: any size.
    std::size_t mostObjectBytes = 0;
    /// Called when a commit of persistent objects is visible and its locks are still held.
    std::function<void(const ChangeSet&)> committed;
    /// Called when the lease of a lock has ended and the lock is free, before other processes are
    /// granted what they waited for.
    std::function<void(const LockAnswer&)> lapsed;
    /// Called when a class was defined, perhaps as it was before, and no node has been told yet.
    std::function<void(const std::shared_ptr<const ClassDef>&)> classDefined;
  };

  /// `clock` must outlive this; it must be real when threads are on.
  LocalDatabase(std::shared_ptr<ObjectStore> store, const Clock& clock, const Options& options);
  /// Signs off the processes that are left.
  ~LocalDatabase() override;

  /// For requests made from now on.
  void setTimeouts(std::chrono::milliseconds serverTimeout,
                   std::chrono::milliseconds backgroundTimeout);
  void setDoubleDeadlock(bool on);
  void setVictim(DeadlockVictim policy);
  void setVictimSeed(std::uint64_t seed);
  /// Told the same as Options::lapsed, after it. Before any process signs on.
  void whenAnyLapses(std::function<void(const LockAnswer&)> told);
  /// The Oids of resources begin here, so that those of two starts of a server differ. Before any
  /// is asked for.
  void numberResourcesFrom(std::uint64_t first);
  /// From now on `object`, which is persistent, has its place below `parent`; it had none, and
  /// nobody but who asked for this has or wants a lock on it. See LockManager::setPlace().
  LockManager::Placing setPlace(Oid object, Oid parent);
  /// Only while no process is signed on.
  void setLimits(const LockLimits& limits);
  LockLimitUse limitUse(LockLimit limit) const;

  /// Threads off: the next moment at which a wait runs out.
  std::optional<Instant> nextDeadline() const;
  /// Ends the first wait that is due at `now`, and all that follows from it; false when none is.
  bool expireNext(Instant now);
  /// Stops the process when an invariant of the lock tables is broken. Slow; for tests.
  void checkInvariants() const;

  ObjectStore& store();

  void signOnNode(const NodeSignOn& who, std::function<void(const NodeReply&)> done) override;
  void signOffNode(Oid node) override;
  void signOnProcess(const ProcessSignOn& who,
                     std::function<void(const ProcessReply&)> done) override;
  void signOffProcess(LockerId locker) override;
  /// As LockerPort says.
  void signOffToParent(LockerId locker, Heritage heritage);
  std::shared_ptr<LockerPort> port(LockerId locker) override;
  ProcessInfo describe(LockerId locker) const override;
  std::vector<NodeInfo> nodes() const override;
  std::vector<ProcessInfo> processes() const override;
  Oid system() const override;
  Oid systemNodes() const override;

  void resource(const std::string& name, std::function<void(const ResourceReply&)> done) override;
  std::string show(Oid target) const override;

  std::shared_ptr<const Schema> schema() const override;
  std::shared_ptr<const Schema> latestSchema() const override { return schema(); }
  std::shared_ptr<const ClassDef> defineClass(const ClassDef& wanted) override;
  Oid newOid(Lifetime lifetime, Oid::ClassNumber classNumber) override;
  RecordPtr fetch(Oid oid) const override;
  std::optional<RecordPtr> fetchAtOnce(Oid oid) const override;
  std::vector<Oid> instances(Oid::ClassNumber classNumber, Oid after,
                             std::size_t maxEntries) const override;
  CommitOutcome commitOutcome(const CommitId& commit) override;
  void forgetCommits(LockerId locker) override;

  std::vector<LockInfo> locksHeld(Lifetime lifetime, std::size_t maxEntries) const override;
  std::vector<LockInfo> queuedRequests(Lifetime lifetime, std::size_t maxEntries) const override;
  std::vector<LockInfo> locksOn(Oid target) const override;
  std::vector<LockInfo> locksOf(LockerId locker, Lifetime lifetime) const override;
  LockStatistics lockStatistics(Lifetime lifetime) const override;
  std::vector<DeadlockRecord> deadlocks(Lifetime lifetime, std::size_t maxEntries) const override;

  LockPage listLocks(Lifetime lifetime, const LockQuery& query, const LockCursor& after,
                     std::size_t most) const override {
    return nephrite::listLocks(locks(lifetime), query, after, most);
  }
  /// The same a page at a time: see LockManager.
  LockPage locksHeld(Lifetime lifetime, const LockCursor& after, std::size_t most) const {
    return locks(lifetime).locksHeld(after, most);
  }
  LockPage queuedRequests(Lifetime lifetime, const LockCursor& after, std::size_t most) const {
    return locks(lifetime).queuedRequests(after, most);
  }
  LockPage locksOn(Oid target, const LockCursor& after, std::size_t most) const {
    return locks(target.lifetime()).locksOn({target.bits()}, after, most);
  }
  LockPage locksOf(LockerId locker, Lifetime lifetime, const LockCursor& after,
                   std::size_t most) const {
    return locks(lifetime).locksOf(locker, after, most);
  }

  /// What happens to locks: see LockManager. A watch and a subscription end before the database.
  LockEvents lockEventsAfter(Lifetime lifetime, std::uint64_t sequence, std::size_t most) const {
    return locks(lifetime).eventsAfter(sequence, most);
  }
  LockWatch watchLocks(Oid target) { return locks(target.lifetime()).watch({target.bits()}); }
  LockSubscription whenLockEvents(Lifetime lifetime, std::function<void()> told) {
    return locks(lifetime).subscribe(std::move(told));
  }

  bool beginContentionStats(LockerId starter, std::size_t tableSize) override;
  bool clearContentionStats(LockerId locker) override;
  bool endContentionStats(LockerId locker) override;
  LockContentionState contentionState() const override;
  std::vector<LockContentionInfo> contentionStats(std::size_t maxEntries,
                                                  std::uint64_t minContentions) const override;
  LockContentionInfo contentionOf(Oid target) const override;

  bool breakLock(LockerId locker, Oid target, const Operator& by) override;
  bool forceSignOff(LockerId locker, const Operator& by) override;

  const Clock& clock() const override;

 private:
  struct Parts;
  LockManager& locks(Lifetime lifetime) const;

  const std::unique_ptr<Parts> parts_;
};

}  // namespace nephrite

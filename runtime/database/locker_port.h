#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "runtime/database/locked_store.h"

namespace nephrite {
class FamilyChanges;

/// What a database gives one process: its locks, what it reads, its commits, and its sign-off.
///
/// Shape:   for each lifetime the lock table where the process's locks are, with its locker there;
///          none for what is locked at the other end of a wire. The fast path (tryLock() and its
///          like) is no virtual call where there is a table; without one a ...Remotely() answers,
///          from what is known here. What it does not grant is asked for with lock().
/// Answers: each callback is called exactly once, with no mutex held, on the calling thread when
///          the answer is known at once, else on a thread of the database.
/// Order:   what one thread asks takes effect in that order. unlock(), the releases and the
///          sign-offs may still be on their way when they return.
/// Leases:  once the process has asked for one that Renewal::Activity renews, whatever it asks here
///          renews them; but looking does not: held(), mayHold(), lockStatus() and lapses.
/// Errors:  as Database says. A process that has signed off is refused: Cancelled.
/// Threads: any method, from any thread; from within a callback only those that answer through a
///          callback themselves, or return void. Must not outlive its Database.
class LockerPort {
 public:
  virtual ~LockerPort() = default;
  LockerPort(const LockerPort&) = delete;
  LockerPort& operator=(const LockerPort&) = delete;

  LockerId locker() const { return locker_; }
  /// Was the process signed on when the port was made?
  bool isSignedOn() const { return isSignedOn_; }

  // --- The fast path: what no process has to wait for, or nothing ------------------------------

  /// True when `target` is locked as asked, and is there. Else nothing was done, and nothing said:
  /// ask lock().
  bool tryLock(Oid target, LockTerms terms) {
    const Table& table = tableOf(target);
    if (!isPlain(table)) [[unlikely]]
      return tryLockOtherwise(target, terms);
    return table.objects->lockAtOnce(table.locker, target, terms);
  }
  /// The same before the object is changed: as LockedStore says.
  LatestEdition lockForChange(Oid target, LockTerms terms) {
    const Table& table = tableOf(target);
    if (table.objects == nullptr) return {};
    noteActivity();
    return table.objects->lockForChange(table.locker, target, terms);
  }
  LatestEdition latestEdition(Oid target) {
    const Table& table = tableOf(target);
    if (table.objects == nullptr) return latestEditionRemotely(target);
    noteActivity();
    return table.objects->latestEdition(target);
  }
  /// True when the process does not hold `target` any more. Else ask unlock().
  bool tryUnlock(Oid target) {
    const Table& table = tableOf(target);
    if (!isPlain(table)) [[unlikely]]
      return tryUnlockOtherwise(target);
    return table.objects->locks().releaseAtOnce(table.locker, {target.bits()}) !=
           FastRelease::NeedsSlowPath;
  }
  /// tryLock(), without waiting for a disk, for a server that has to tell a client, which knows
  /// `edition` of the object: what is held then (Get: ask lock(), whether it is locked now or not),
  /// and whether that is certainly the latest.
  struct Grant {
    HeldLock held;
    bool isLatest = false;
  };
  Grant grant(const LockRequest& request, std::uint32_t edition) {
    const Oid target = Oid::fromBits(request.target.value);
    const Table& table = tableOf(target);
    if (table.objects == nullptr) return grantRemotely(request, edition);
    noteActivity();
    if (!table.objects->lockInMemory(table.locker, target, request.terms())) return {};
    return {table.objects->locks().held(table.locker, request.target),
            table.objects->isLatest(target, edition)};
  }
  /// The type alone; Get: nothing is held, or that is not sure.
  LockType held(Oid target) const {
    const Table& table = tableOf(target);
    if (table.objects == nullptr) return heldRemotely(target);
    return table.objects->locks().typeHeld(table.locker, {target.bits()});
  }
  /// It will be locked and fetched: see ObjectStore.
  void prefetch(Oid target) const {
    const Table& table = tableOf(target);
    if (table.objects != nullptr) table.objects->store().prefetch(target);
  }
  /// A transaction has begun, or is over: see LockManager.
  void noteBegin(Lifetime lifetime) {
    const Table& table = tableOf(lifetime);
    if (table.objects != nullptr) table.objects->locks().noteBegin(table.locker);
  }
  void noteEnd(Lifetime lifetime) {
    const Table& table = tableOf(lifetime);
    if (table.objects != nullptr) table.objects->locks().noteEnd(table.locker);
  }

  // --- Locks: of requests the locker is the port's ---------------------------------------------

  virtual void lock(const ObjectLockRequest& order, LockReplyDone done) = 0;
  /// One after the other. A call of its own: a single lock makes no list, and is answered with its
  /// record.
  virtual void lockAll(ObjectLockBatch orders, LockAllDone done) = 0;
  /// Also the rest of a lockAll().
  virtual void cancel(std::uint64_t requestId) = 0;
  /// False when nothing was held.
  virtual bool unlock(Oid target) = 0;
  virtual void releaseTransactionLocks(Lifetime lifetime) = 0;
  virtual void releaseLevel(Lifetime lifetime, std::uint16_t level) = 0;
  virtual std::optional<LockInfo> lockStatus(Oid target) const = 0;
  /// Of each of `targets`: is a lock held, as far as is known? Also when that is not sure, after a
  /// request without an answer.
  virtual std::vector<bool> mayHold(std::span<const Oid> targets) const;
  /// Why the process can commit no change of `target` any more whose lock breakLock() took from it
  /// in this transaction; empty: none, or it is known at the other end alone, which says it then.
  virtual std::optional<RequestFailure> lostLock(Oid /*target*/) const { return std::nullopt; }

  // --- Leases ----------------------------------------------------------------------------------

  /// Renews the lease of a lock. False when it has none, or one that `by` does not renew.
  virtual bool renew(Oid target, Renewal by) = 0;
  /// How many locks on objects of this lifetime have lapsed so far, of any process. What a process
  /// has changed under a lock that lapsed since is not committed: see lapsedSince().
  virtual std::uint64_t lapses(Lifetime lifetime) const = 0;
  /// Why, if the lock on `target` lapsed after the first `lapses` of them.
  virtual std::optional<RequestFailure> lapsedSince(Oid target, std::uint64_t lapses) const = 0;
  /// The process has changed nothing yet.
  virtual void forgetLapses() = 0;
  /// `told` is called for each lock of the process that lapses, on a thread of the database, with
  /// no mutex held: `request` has the target, and what was held and how. Until it signs off.
  virtual void whenLapsed(std::function<void(const LockAnswer&)> told) = 0;
  /// The process inherits what `child`, which signs off to it, holds: leases, too.
  void inheritLeases(const LockerPort& child) {
    if (const Oid target = child.activityLease(); !target.isNull()) noteTarget(target);
  }

  // --- Objects ---------------------------------------------------------------------------------

  /// The latest committed edition; null when there is no such object. ConnectionException when the
  /// process has lost the other end, with its locks, and can only sign off.
  virtual RecordPtr fetch(Oid oid) = 0;
  /// Throws the same.
  virtual void checkReach() const {}
  /// Durable, then visible, then unlocked: on Committed the process's Transaction locks are gone.
  virtual void commit(CommitRequest request, CommitDone done) = 0;
  /// What the transactions of parents and children know of each other; null: there are none.
  virtual FamilyChanges* families() { return nullptr; }

  // --- The end ---------------------------------------------------------------------------------

  /// As Database::signOffProcess().
  virtual void signOff() = 0;
  /// The same, but the process's locks are its parent's from now on; not those on what it has
  /// created and not committed, which is gone.
  virtual void signOffToParent(Heritage heritage) = 0;

 protected:
  /// Where the locks of a lifetime are, and the process's locker there.
  struct Table {
    LockedStore* objects = nullptr;
    LockerRef locker = {};
  };
  LockerPort(LockerId locker, Table persistent, Table shared)
      : locker_(locker), isSignedOn_(isIn(persistent) && isIn(shared)) {
    if (isSignedOn_) tables_ = {std::move(persistent), std::move(shared)};
  }
  /// Of the same process as `other`, with its tables or without.
  LockerPort(const LockerPort& other, bool withTables)
      : locker_(other.locker_), isSignedOn_(other.isSignedOn_) {
    if (withTables) tables_ = other.tables_;
  }
  static Table tableIn(LockedStore& objects, LockerId locker) {
    return {&objects, objects.locks().find(locker)};
  }

  // Without a table.
  virtual bool tryLockRemotely(Oid /*target*/, LockTerms /*terms*/) { return false; }
  virtual LatestEdition latestEditionRemotely(Oid target);
  virtual bool tryUnlockRemotely(Oid /*target*/) { return false; }
  virtual Grant grantRemotely(const LockRequest& /*request*/, std::uint32_t /*edition*/) {
    return {};
  }
  virtual LockType heldRemotely(Oid /*target*/) const { return LockType::Get; }

  /// At the other end, where the process has asked for a lease that activity renews.
  virtual void keepAliveRemotely() {}

  /// The process asks for something: to be called by whatever counts as that.
  void noteActivity() {
    if (activityLease_.load(std::memory_order_relaxed) != 0) [[unlikely]]
      keepAlive();
  }
  /// With a request that asks for a lease.
  void noteLease(const LeaseTerms& lease, Oid target) {
    if (!lease.isNone() && lease.renewedBy == Renewal::Activity) noteTarget(target);
  }
  /// An object on which the process has asked for a lease that activity renews, the last one that
  /// is no shared transient if there is any; null: it never has.
  Oid activityLease() const { return Oid::fromBits(activityLease_); }

 private:
  const Table& tableOf(Oid oid) const { return tableOf(oid.lifetime()); }
  const Table& tableOf(Lifetime lifetime) const {
    return tables_[lifetime == Lifetime::SharedTransient ? 1 : 0];
  }
  static bool isIn(const Table& table) {
    return table.objects == nullptr || !table.locker.isNull();
  }
  /// Is all in the table, and no lease to be renewed by that? What else there is to do is done out
  /// of line, so that the fast path has no register to keep for it.
  bool isPlain(const Table& table) const {
    return table.objects != nullptr && activityLease_.load(std::memory_order_relaxed) == 0;
  }
  bool tryLockOtherwise(Oid target, LockTerms terms);
  bool tryUnlockOtherwise(Oid target);
  void noteTarget(Oid target) {
    if (target.lifetime() == Lifetime::SharedTransient && activityLease_ != 0) return;
    activityLease_ = target.bits();
  }
  void keepAlive();

  const LockerId locker_;
  const bool isSignedOn_;
  std::array<Table, 2> tables_;  // Of persistent objects and resources; of shared transients.
  std::atomic<std::uint64_t> activityLease_{0};
};

}  // namespace nephrite

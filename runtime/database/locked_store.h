#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "locking/lock_manager.h"
#include "objects/object_store.h"
#include "runtime/database/database.h"
#include "runtime/database/known_objects.h"

namespace nephrite {

/// The latest edition of an object, for a process that is going to change it.
struct LatestEdition {
  std::uint32_t number = 0;  ///< 0: there is no such object, or it is not known at once.
  RecordPtr record;          ///< Null: it is in memory, and called for. Fetched when it is needed.
};

/// Objects of one lifetime: a lock table over a store, and the commits that go through both. What
/// LocalDatabase is made of twice, and what a client node keeps of its own for shared transients.
///
/// Commits: what would release a locker's locks while its commit is being written waits for the
///          commit's end, and so does its sign-off. New lock requests of it are Cancelled until
///          then.
/// Answers: as Database says: once, with no mutex held.
/// Threads: any method, from any thread. Mutex order: `mutex_` before those of the lock manager;
///          `reserveMutex_` is held while the store reserves numbers.
class LockedStore {
 public:
  struct Options {
    /// Handed on to the lock manager; the store sets `tokensAbove` itself.
    LockManager::Options locks = {};
    /// Fencing tokens are reserved from the store, so that they rise across restarts.
    bool durableTokens = false;
    /// So many at a time. They rise with time, where Shares are taken again
    /// (locking/table/grant_clock.h): half a block outlasts most of an hour on 8 processors, and
    /// there are enough blocks for a million restarts.
    std::uint64_t tokenBlock = std::uint64_t{1} << 43;
    /// Commits are recorded under their id, for commitOutcome().
    bool recordCommits = false;
    /// Commits of larger objects are refused; 0: of none.
    std::size_t mostObjectBytes = 0;
    /// Reads the latest committed edition; empty: from the store.
    std::function<RecordPtr(Oid)> fetch;
    /// Where the disk is waited for that the release of another locker makes necessary: for the
    /// rest of a commit whose upgrades had to wait, and for an object that is not in memory and
    /// whose lock was waited for. Empty: on the thread that released.
    std::function<void(std::function<void()>)> finishLater;
    /// Called when a commit of the locker is visible and its locks are still held.
    std::function<void(LockerId, const ChangeSet&)> committed;
    /// Told of each lock whose lease has ended.
    std::function<void(const LockAnswer&)> lapsed;
  };

  /// `clock` must outlive this.
  LockedStore(std::shared_ptr<ObjectStore> store, const Clock& clock, Options options);

  LockManager& locks() { return locks_; }
  const LockManager& locks() const { return locks_; }
  ObjectStore& store() const { return *store_; }
  RecordPtr fetch(Oid oid) const;
  /// The same when it is known without waiting for a disk; else empty.
  std::optional<RecordPtr> fetchAtOnce(Oid oid) const;
  /// Is `edition` of `oid` the latest, as far as is known without looking for it?
  bool isLatest(Oid oid, std::uint32_t edition) const {
    return edition != 0 && store_->knownEdition(oid, /*fetchedSoon=*/false) == edition;
  }

  LockManager::SignOn signOn(LockerId locker, LockerId parent = {}, bool isCounted = true)
      NEPHRITE_EXCLUDES(mutex_);
  /// With its descendants; with `heritage`, what it holds itself goes to its parent. A locker whose
  /// commit is being written keeps its locks until that is over, and so do its ancestors.
  void signOff(LockerId locker, std::optional<Heritage> heritage = {},
               LockEventCause cause = LockEventCause::SignOff) NEPHRITE_EXCLUDES(mutex_);

  void lock(const ObjectLockRequest& order, LockReplyDone done);
  /// As LockerPort::tryLock() says.
  bool lockAtOnce(const LockerRef& ref, Oid oid, LockTerms terms) {
    if (!known_.contains(oid)) [[unlikely]]
      return lockUnknown(ref, oid, terms);
    const FastGrant granted = locks_.grantAtOnce(ref, {oid.bits()}, terms);
    if (!granted.isKnown) [[unlikely]]
      return wasGranted(ref, oid, granted.token);
    return !options_.durableTokens || keepsReserved(granted.token);
  }
  /// The same for a caller that waits for no disk, even when the object is there.
  bool lockInMemory(const LockerRef& ref, Oid oid, LockTerms terms);
  /// The same before the object is changed; number 0: not granted, or the object is gone,
  /// or the token of the lock cannot be kept: lock() says which. StoreException when it cannot be
  /// read; it is locked then.
  LatestEdition lockForChange(const LockerRef& ref, Oid oid, LockTerms terms);
  LatestEdition latestEdition(Oid oid) const;
  void lockAll(ObjectLockBatch orders, LockAllDone done) NEPHRITE_EXCLUDES(mutex_);
  void cancel(LockerId locker, std::uint64_t requestId) NEPHRITE_EXCLUDES(mutex_);
  bool unlock(LockerId locker, Oid target) NEPHRITE_EXCLUDES(mutex_);
  void releaseTransactionLocks(LockerId locker) NEPHRITE_EXCLUDES(mutex_);
  void releaseLevel(LockerId locker, std::uint16_t level) NEPHRITE_EXCLUDES(mutex_);
  enum class Broken { NotHeld, Now, AfterCommit };
  /// By force. A later commit of a change to `target` is refused with LockLost, which names `by`.
  Broken breakLock(LockerId locker, Oid target, const Operator& by) NEPHRITE_EXCLUDES(mutex_);
  std::uint64_t lapses() const { return lapses_.load(); }
  /// As LockerPort says.
  std::optional<RequestFailure> lapsedSince(LockerId locker, Oid target, std::uint64_t lapses)
      NEPHRITE_EXCLUDES(mutex_);
  void forgetLapses(LockerId locker) NEPHRITE_EXCLUDES(mutex_);
  /// Why a change is not committed whose lock has lapsed; `show` names the object.
  static RequestFailure failureOfLapse(const std::string& show, Oid target,
                                       std::chrono::milliseconds lease, WallTime when);
  static RequestFailure failureOfForgottenLapse(const std::string& show, Oid target);
  bool renew(LockerId locker, Oid target, Renewal by);
  /// As LockerPort::lostLock().
  std::optional<RequestFailure> lostLock(LockerId locker, Oid target) NEPHRITE_EXCLUDES(mutex_);
  std::optional<LockInfo> lockStatus(LockerId locker, Oid target) const;
  LockType typeHeld(LockerId locker, Oid target) const;

  void commit(CommitRequest request, CommitDone done) NEPHRITE_EXCLUDES(mutex_);
  /// Waits until no commit of `locker` is being written.
  void awaitCommit(LockerId locker) NEPHRITE_EXCLUDES(mutex_);

  std::optional<Instant> nextDeadline() const { return locks_.nextDeadline(); }
  /// Ends the first wait that is due at `now`, and all that follows from it; false when none is.
  bool expireNext(Instant now);

 private:
  struct PendingCommit;
  struct LockBatch;

  static LockTarget targetOf(Oid oid) { return {oid.bits()}; }
  /// Of an object that the locker has locked.
  void remember(const LockerRef& ref, Oid oid);
  bool hasMoved(Oid oid, std::uint32_t editionBefore) const;
  LockReply replyTo(const LockAnswer& answer, Existence existence, std::uint32_t editionBefore);
  void next(const std::shared_ptr<LockBatch>& batch) NEPHRITE_EXCLUDES(mutex_);
  bool isCancelled(const LockBatch& batch) NEPHRITE_EXCLUDES(mutex_);
  void refused(const LockBatch& batch) NEPHRITE_EXCLUDES(mutex_);
  void goOn(const std::shared_ptr<LockBatch>& batch) NEPHRITE_EXCLUDES(mutex_);
  bool lockUnknown(const LockerRef& ref, Oid oid, LockTerms terms);
  /// True when it was, and the object is there.
  bool wasGranted(const LockerRef& ref, Oid oid, FencingToken token);
  /// Of an object that the locker has locked: if not, that lock is let go.
  bool isStillThere(const LockerRef& ref, Oid oid);
  /// False when it is not reserved and cannot be: lock() says why.
  bool keepsReserved(FencingToken given) {
    const std::uint64_t last = lastReserved_.load(std::memory_order_relaxed);
    if (given.value + options_.tokenBlock / 2 >= last) [[unlikely]]
      return !reserveTokens(given);
    return true;
  }
  /// Has the store reserved it? If it soon runs out of them, more are reserved elsewhere.
  bool isReserved(FencingToken given);
  /// Can a lock that was granted be answered without a disk?
  bool isAnsweredAtOnce(const LockAnswer& answer, Existence existence);
  /// Why the store has not reserved `given` and cannot; empty: it has.
  std::optional<RequestFailure> reserveTokens(FencingToken given) NEPHRITE_EXCLUDES(reserveMutex_);
  /// Of a commit whose changes are not all locked as `least` or higher: why.
  std::optional<RequestFailure> notLocked(const CommitRequest& request, LockType least)
      NEPHRITE_EXCLUDES(mutex_);
  /// An operator took it, or its lease ended.
  std::optional<RequestFailure> whyLost(LockerId locker, Oid target) NEPHRITE_EXCLUDES(mutex_);
  /// Of a commit that has locks to wait for, and cannot take place whatever comes: why.
  std::optional<RequestFailure> lostBefore(const CommitRequest& request) NEPHRITE_EXCLUDES(mutex_);
  void upgraded(const std::shared_ptr<PendingCommit>& commit, const LockAnswer& answer)
      NEPHRITE_EXCLUDES(mutex_);
  std::optional<RequestFailure> write(const CommitRequest& request) NEPHRITE_EXCLUDES(mutex_);
  std::optional<RequestFailure> faultOfSizes(const ChangeSet& changes) const;
  void finish(const std::shared_ptr<PendingCommit>& commit) NEPHRITE_EXCLUDES(mutex_);
  bool beginsCommit(LockerId locker) NEPHRITE_EXCLUDES(mutex_);
  bool isLeaving(LockerId locker) const NEPHRITE_REQUIRES(mutex_);
  void noteLapse(const LockAnswer& lapsed) NEPHRITE_EXCLUDES(mutex_);

  /// Something that takes locks away from a locker.
  struct Release {
    enum class Kind { Unlock, Break, Transaction, Level };
    Kind kind = Kind::Unlock;
    Oid target = {};          ///< Unlock, Break.
    std::uint16_t level = 0;  ///< Level.
    Operator by = {};         ///< Break.
  };
  struct Released {
    bool deferred = false;  ///< A commit of the locker is being written: it comes after that.
    bool released = false;  ///< Unlock, Break: the lock was held.
  };
  Released release(LockerId locker, Release what) NEPHRITE_EXCLUDES(mutex_);
  LockAnswers carryOut(LockerId locker, const Release& what, bool& released)
      NEPHRITE_REQUIRES(mutex_);
  struct Ended {
    /// Wanted to leave meanwhile, itself or an ancestor: to be signed off.
    std::optional<LockerId> leaves;
    std::optional<Heritage> heritage;  ///< As signOff() says.
    LockEventCause cause = LockEventCause::SignOff;
    std::vector<LockAnswers> answers;
  };
  /// What it holds is its parent's.
  LockAnswers handOver(LockerId locker, const Heritage& heritage);
  bool isGone(Oid oid) const;
  /// Carries out what had to wait for the commit's end.
  Ended endsCommit(LockerId locker) NEPHRITE_EXCLUDES(mutex_);

  /// A lock that an operator took away.
  struct BrokenLock {
    Operator by;
    WallTime when{};
  };
  void forgetBroken(LockerId locker) NEPHRITE_REQUIRES(mutex_);

  const std::shared_ptr<ObjectStore> store_;
  const Clock& clock_;
  const Options options_;
  KnownObjects known_;
  const std::uint64_t firstToken_;
  std::atomic<std::uint64_t> lastReserved_;
  std::atomic<bool> reserving_{false};  // Elsewhere.
  Mutex reserveMutex_;
  LockManager locks_;

  struct SignedOn {
    bool isCommitting = false;
    std::optional<LockEventCause> leaves;  // When no commit of its family is being written ...
    std::optional<Heritage> heritage;      // ... any more, as signOff() says.
    std::vector<Release> afterCommit;
  };
  Mutex mutex_;
  CondVar commitEnded_;
  std::unordered_map<std::uint64_t, SignedOn> signedOn_ NEPHRITE_GUARDED_BY(mutex_);
  // By locker and target; until the locker's transaction ends.
  std::map<std::pair<std::uint64_t, std::uint64_t>, BrokenLock> broken_ NEPHRITE_GUARDED_BY(mutex_);
  struct LapsedLock {
    std::uint64_t number = 0;  // Of all lapses.
    WallTime when{};
    std::chrono::milliseconds lease{0};
  };
  static constexpr std::size_t kMostLapsed = 65'536;
  std::map<std::pair<std::uint64_t, std::uint64_t>, LapsedLock> lapsed_ NEPHRITE_GUARDED_BY(mutex_);
  std::uint64_t lapsesForgotten_ NEPHRITE_GUARDED_BY(mutex_) = 0;  // Those up to this one.
  std::atomic<std::uint64_t> lapses_{0};
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::shared_ptr<LockBatch>> batches_
      NEPHRITE_GUARDED_BY(mutex_);
};

}  // namespace nephrite

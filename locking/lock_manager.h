#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "locking/deadlock_record.h"
#include "locking/lock_answers.h"
#include "locking/lock_events.h"
#include "locking/lock_limits.h"
#include "locking/lock_options.h"
#include "locking/lock_page.h"
#include "locking/lock_request.h"
#include "locking/lock_rules.h"
#include "locking/lock_statistics.h"
#include "locking/locker_ref.h"

namespace nephrite {

namespace lock_table {
class HoldTable;
struct ReleasedShare;
}  // namespace lock_table

/// Grants, queues and refuses locks on opaque targets for opaque lockers.
///
/// Shape:   one entry per locked target: its holders, then a FIFO queue of its waiters,
///          upgrades before newcomers. One list of holds per locker, in the order in which
///          they were acquired. Knows nothing of objects, processes or threads.
/// Time:    reads only the injected Clock. Starts no thread, never blocks, never sleeps;
///          its owner calls expireNext() when nextDeadline() has come.
/// Answers: every request is answered exactly once: granted, refused, timed out, deadlock or
///          cancelled. A method that changes the table returns the LockAnswers it decided;
///          the caller delivers them.
/// Errors:  a lock that is not granted is a LockOutcome, never an exception. A broken
///          precondition stops the program (base/check.h).
/// Threads: any method, from any thread, at the same time.
/// Source:  docs/locking.md, section by section.
class LockManager {
 public:
  using Options = LockOptions;

  /// `clock` must outlive this.
  LockManager(const Clock& clock, Options options);
  ~LockManager();
  LockManager(const LockManager&) = delete;
  LockManager& operator=(const LockManager&) = delete;

  /// For requests made from now on.
  void setTimeouts(std::chrono::milliseconds serverTimeout,
                   std::chrono::milliseconds backgroundTimeout);
  void setDoubleDeadlock(bool on);
  void setVictim(DeadlockVictim policy);
  /// Only while no locker is signed on that is counted.
  void setLimits(const LockLimits& limits);
  /// From now on DeadlockVictim::Random draws as if it had never drawn.
  void setVictimSeed(std::uint64_t seed);
  /// The largest fencing token given so far.
  std::uint64_t lastToken() const;

  // --- Lockers -------------------------------------------------------------------------

  enum class SignOn : std::uint8_t { Done, NoParent, TooDeep, OverLimit };
  static constexpr unsigned kMostDepth = 8;  ///< Lockers from the first ancestor to the last child.
  /// From now on `locker` may ask. It must never have been signed on before. With a `parent` it is
  /// one of its family: see docs/locking.md, section 8. `isCounted` false: of the node's own needs,
  /// no limit refuses it.
  SignOn signOn(LockerId locker, LockerId parent = {}, bool isCounted = true);

  /// Cancels what `locker` waits for, releases all it holds and refuses (Cancelled) whatever
  /// it may still send; that of its descendants first. Harmless when it is not signed on.
  LockAnswers signOff(LockerId locker, LockEventCause cause = LockEventCause::SignOff);
  /// The same, but what the locker itself holds is its parent's from now on, with the parent's
  /// present level. Without a parent: signOff().
  LockAnswers signOffToParent(LockerId locker, std::uint16_t level);
  /// The descendants of `locker` that are signed on, the deepest first.
  std::vector<LockerId> descendantsOf(LockerId locker) const;
  LockerId parentOf(LockerId locker) const;  ///< Null: it has none, or is not signed on.
  /// A transaction has begun: its age counts, for victims by age (if Options::countsAge).
  void noteBegin(const LockerRef& locker);
  /// It is over: the sign-on counts again.
  void noteEnd(const LockerRef& locker);

  // --- Places ----------------------------------------------------------------------------

  enum class Placing : std::uint8_t { Done, HasPlace, BelowItself, TooDeep };
  static constexpr unsigned kMostPlaces = 64;  ///< Targets from below the root to the lowest.
  /// From now on `target` is below `parent`: a lock on it takes marks on `parent` and on what that
  /// is below. A target that was never told to have a parent is a root. What is held on `target`
  /// and below it has its marks at once: the caller has seen to it that they are in nobody's way,
  /// by a lock on `target` with scope Subtree, or because nobody knows it yet. Nothing changes when
  /// it is refused. Source: docs/locking.md, section 9.
  Placing setPlace(LockTarget target, LockTarget parent);

  // --- Asking ----------------------------------------------------------------------------

  /// Asks for a lock. The answer is in the returned batch when it is known at once; else
  /// the request has queued and `done` gets it later. A Transaction Share that must go before
  /// Update (section 2.2) is released first; those it kept waiting are told, then Update is asked
  /// for as by a newcomer, all during deliver().
  LockAnswers request(const LockRequest& request, LockDone done);

  /// Fast path: grants at once what no request waits for, or does nothing: then the token is null,
  /// and request() decides.
  FastGrant grantAtOnce(const LockerRef& ref, LockTarget target, LockTerms terms);
  /// Null when it is not signed on.
  LockerRef find(LockerId locker) const;
  static LockerId idOf(const LockerRef& ref);

  /// A commit's Update locks become Exclusive: of `targets`, which are all that the commit changes,
  /// those that `request.locker` holds as Update are asked for at once; answered Granted when all
  /// are granted. When it fails, every one is Update again. It is Cancelled when one of `targets`
  /// is not held as Update or Exclusive, or is let go while it waits. `request.target` and `.type`
  /// are ignored. Source: docs/locking.md, section 4.
  LockAnswers upgradeForCommit(const LockRequest& request, std::span<const LockTarget> targets,
                               LockDone done);

  /// From beginWriting() to endWriting() a commit of `locker` is being written, which relies on its
  /// locks: whatever it asks for is Cancelled, and none of them becomes weaker by a request of its
  /// own. They can still be let go: that is for the caller to put off. Harmless when it is not
  /// signed on.
  void beginWriting(LockerId locker);
  void endWriting(LockerId locker);

  /// Withdraws a waiting request: it is answered Cancelled. Harmless when it does not wait.
  LockAnswers cancel(LockerId locker, std::uint64_t requestId);

  /// When the next wait or lease ends, of all lock managers of the domain; empty: none can.
  std::optional<Instant> nextDeadline() const;

  /// Of these, lets the first lock go whose lease has ended by `now`, or answers TimedOut to the
  /// first wait whose deadline has come: the earlier one; at one moment leases first, in the order
  /// in which they were made, then the request asked first. Call until it returns an empty batch.
  LockAnswers expireNext(Instant now);

  // --- Leases ----------------------------------------------------------------------------

  /// From now on the lease of what `locker` holds on `target` counts anew. False when it holds
  /// nothing there, or without a lease, or `by` does not renew that one.
  bool renew(const LockerRef& locker, LockTarget target, Renewal by = Renewal::Request);
  /// Renews all leases of `locker` that Renewal::Activity renews.
  void keepAlive(const LockerRef& locker);

  // --- Letting go ------------------------------------------------------------------------

  /// Releases what `locker` holds on `target`, of either duration. False in `released` when
  /// it held nothing. Whether an unlock is ignored in transaction, load or lock state is
  /// for the caller to know. `cause`: for the events; with Force there is one, if any.
  LockAnswers unlock(LockerId locker, LockTarget target, bool* released = nullptr,
                     LockEventCause cause = LockEventCause::Unlock);

  /// The fast path. When that was not it: unlock().
  FastRelease releaseAtOnce(const LockerRef& ref, LockTarget target);

  /// Commit, abort: releases all Transaction locks; Session locks return to the type last
  /// asked for with Session duration. In the order in which they were acquired. Of `deleted`, which
  /// are no more, Session locks go too.
  LockAnswers releaseTransactionLocks(LockerId locker, std::span<const LockTarget> deleted = {});

  /// endLoad, endLock outside transaction state: releases the Transaction locks acquired at
  /// `level`; when it is the outermost (1), Session locks return to their own type.
  LockAnswers releaseLevel(LockerId locker, std::uint16_t level);

  // --- Looking ---------------------------------------------------------------------------

  /// What `locker` itself holds on `target`: type, duration, token, since; empty if nothing.
  std::optional<LockInfo> lockStatus(LockerId locker, LockTarget target) const;
  /// Does any locker hold or want it? Soon no longer true.
  bool isLocked(LockTarget target) const;
  /// The type alone, for callers that ask often; Get when it holds nothing.
  LockType typeHeld(const LockerRef& ref, LockTarget target) const;
  /// The same with what a holder has to know.
  HeldLock held(const LockerRef& ref, LockTarget target) const;
  /// At most `maxEntries` held locks, ordered by target, then by grant. Walks over the table a part
  /// at a time: what is held all the while is listed once, what comes or goes meanwhile may be.
  std::vector<LockInfo> locksHeld(std::size_t maxEntries = SIZE_MAX) const;
  /// At most `maxEntries` waiting requests, ordered by target, each queue from its head. The same.
  std::vector<LockInfo> queuedRequests(std::size_t maxEntries = SIZE_MAX) const;
  /// Holders of `target` in the order of their grants, of what is above it those with scope
  /// Subtree, the nearest first (LockInfo::lockedAt), then its queue from the head.
  std::vector<LockInfo> locksOn(LockTarget target) const;
  /// What `locker` holds, in the order of acquisition, then what it waits for.
  std::vector<LockInfo> locksOf(LockerId locker) const;
  /// The same, at most `most` after `after`; targets come in an order of their own, which stays.
  LockPage locksHeld(const LockCursor& after, std::size_t most) const;
  LockPage queuedRequests(const LockCursor& after, std::size_t most) const;
  LockPage locksOn(LockTarget target, const LockCursor& after, std::size_t most) const;
  LockPage locksOf(LockerId locker, const LockCursor& after, std::size_t most) const;
  LockStatistics statistics() const;
  LockLimitUse limitUse(LockLimit limit) const;
  /// At most `maxEntries` of the last Options::keptDeadlocks, newest first.
  std::vector<DeadlockRecord> deadlocks(std::size_t maxEntries = SIZE_MAX) const;

  // --- Events ----------------------------------------------------------------------------

  /// What happened after the event `sequence`, of the last Options::keptEvents: all that goes the
  /// slow path: requests that meet others, leases, trees, what is watched. There are events from
  /// the first eventsAfter(), watch() or subscribe() on. Source: docs/locking.md, section 16.
  LockEvents eventsAfter(std::uint64_t sequence, std::size_t most = SIZE_MAX) const;
  std::uint64_t lastEvent() const;  ///< 0: none.
  /// Who then lists what is held of it, and applies the events after LockWatch::since(), knows what
  /// is held: an event says all that its locker holds there from then on.
  LockWatch watch(LockTarget target);
  /// `told` is called when there are new events, after the answers. It may call the lock manager.
  LockSubscription subscribe(std::function<void()> told);

  // --- Contention statistics (JADE's System::beginLockContentionStats and kin) -------------

  /// False when another locker has started them.
  bool beginContentionStats(LockerId starter, std::size_t tableSize);
  /// False when `locker` is not the starter. True, without effect, when inactive.
  bool clearContentionStats(LockerId locker);
  bool endContentionStats(LockerId locker);
  LockContentionState contentionState() const;
  /// Entries with at least `minContentions`, most contended first.
  std::vector<LockContentionInfo> contentionStats(std::size_t maxEntries,
                                                  std::uint64_t minContentions) const;
  /// Zeros when there is none.
  LockContentionInfo contentionOf(LockTarget target) const;

  /// Stops the process if an invariant of the table is broken. Slow; for tests.
  void checkInvariants() const;

 private:
  struct State;
  FastGrant grantShare(const LockerRef& ref, LockTarget target, LockTerms terms);
  FastGrant grantAnew(const LockerRef& ref, LockTarget target, LockTerms terms);
  void heldInCrowd(const LockerRef& ref, LockTarget target, HeldLock& held) const;
  FastRelease releaseForGood(const LockerRef& ref, LockTarget target);
  LockAnswers ask(lock_table::Locker& locker, const LockRequest& request, LockDone&& done,
                  const std::optional<lock_table::ReleasedShare>& released);
  void releaseAll(lock_table::Locker& locker, const ReleaseScope& scope, LockAnswers& out);
  void leave(lock_table::Locker& locker, LockEventCause cause, LockAnswers& out);
  void finish(LockAnswers& out) const;
  friend class LockWatch;
  void unwatch(LockTarget target);

  const Clock& clock_;
  const std::function<void(Instant)> waitBegan_;
  const bool countsAge_;
  const std::unique_ptr<State> state_;
  lock_table::HoldTable& holds_;  // Of state_.
};

}  // namespace nephrite

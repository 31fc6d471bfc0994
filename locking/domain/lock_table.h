#pragma once

// Private to locking.

#include <memory>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "locking/domain/contention_table.h"
#include "locking/domain/deadlines.h"
#include "locking/domain/deadlock_history.h"
#include "locking/domain/leases.h"
#include "locking/domain/lock_counts.h"
#include "locking/domain/wait_graph.h"
#include "locking/lock_manager.h"
#include "locking/table/hold_table.h"
#include "locking/table/lockers.h"
#include "locking/table/slab.h"

namespace nephrite::lock_table {

/// The rules of docs/locking.md for every target that a request may have to wait for: decides,
/// queues, grants. Not synchronised: LockManager, its only user, guards it with its mutex and
/// describes the methods. Beside it the fast path grants and releases what no request waits for
/// (HoldTable). A target of this table has an Entry there, which keeps the fast path off.
///
/// True whenever no method runs (checkInvariants() runs them all):
///
///  1. Any two holders of a target are compatible, or one is an ancestor of the other.
///  2. Something is in the way of each waiter. If nothing were, it was forgotten: a method that
///     changes holders or queue calls serve() before it returns.
///  3. In a queue, upgrades stand before newcomers. No wait overtakes another otherwise.
///  4. No locker is on a cycle of waits: each was broken when its last edge came about.
///  5. An entry is waited for, or the fast path could not keep its holds; else it is gone.
///  6. A hold's session type is never stronger than its type.
class LockTable {
 public:
  LockTable(const Clock& clock, LockManager::Options options, HoldTable& holds, Lockers& lockers);
  ~LockTable();

  LockManager::Options& options() { return options_; }
  void setVictimSeed(std::uint64_t seed) { random_.seed(seed); }

  LockManager::Placing setPlace(LockTarget target, LockTarget parent);

  /// From now on it is a child of its parent, if it has one.
  void signOn(Locker& locker, bool isCounted);
  /// Its memory may go.
  void left(Locker& locker);
  /// From now on nothing is granted to it, and it waits for nothing; what it holds is to be
  /// released, or inherited.
  void signOff(Locker& locker, LockAnswers& out);
  /// The same for all its descendants and it, in one: all waits end, all locks go, then queues are
  /// served; descendants first, the deepest first. Returns them in this order. With `heirLevel`,
  /// the parent's, what the locker itself holds is its parent's from now on.
  std::vector<LockerRef> signOffFamily(Locker& locker, LockAnswers& out,
                                       std::optional<std::uint16_t> heirLevel = {});
  /// It and its descendants that are signed on, the deepest first.
  static std::vector<LockerRef> familyOf(Locker& locker);

  /// Section 2.2: a Share of Transaction duration is let go before Update is asked for, so that
  /// two sharers that both want to update never deadlock.
  /// Returns the lease that it had, for request(); empty: it was not let go.
  std::optional<LeaseTerms> releaseShareBeforeUpdate(Locker& locker, const LockRequest& request,
                                                     LockAnswers& out);
  void request(Locker& locker, const LockRequest& request, LockDone done,
               std::optional<LeaseTerms> shareReleased, LockAnswers& out);
  void upgradeForCommit(Locker& locker, const LockRequest& request,
                        std::span<const LockTarget> targets, LockDone done, LockAnswers& out);
  void setWriting(Locker& locker, bool writes);
  LockAnswers cancel(Locker& locker, std::uint64_t requestId);
  std::optional<Instant> nextDeadline();
  /// The first lease or wait that has ended by `now`.
  LockAnswers expireNext(Instant now);
  /// False when it has no lease there, or one that this does not renew.
  bool renew(Locker& locker, LockTarget target, Renewal by);
  void keepAlive(Locker& locker);

  /// False when it held nothing.
  bool unlock(Locker& locker, LockTarget target, LockAnswers& out);
  void releaseAll(Locker& locker, const ReleaseScope& scope, LockAnswers& out);
  /// What it holds there has Transaction duration from now on.
  void endSession(Locker& locker, LockTarget target);

  static LockInfo infoOf(const Hold& hold, Instant now, WallTime wall);
  /// The same with its lease, which only this table knows.
  LockInfo withLease(const Hold& hold, Instant now, WallTime wall) const;
  /// Of locks that were listed; false: there is no lease at all.
  bool fillInLeases(std::span<LockInfo> locks) const;
  /// LockManager::queuedRequests(), a page at a time; between two pages others go on.
  struct QueueWalk {
    explicit QueueWalk(std::size_t maxEntries) : most(maxEntries) {}

    /// Makes room for a page, and puts into order what was found; under no lock.
    void beginPage();

    const std::size_t most;
    std::vector<LockInfo> seen;
    HoldTable::Walk table;            ///< Looks for targets with a queue ...
    bool hasTargets = false;          ///< ... until it has found them all;
    std::vector<LockTarget> targets;  ///< in order from the next page on.
    bool isOrdered = false;
    std::size_t next = 0;  ///< Of these.
    struct Last {
      LockerId locker;
      std::uint64_t sequence = 0;  ///< 0: none.
      bool isUpgrade = false;
    } last;  ///< Of its queue.
  };
  /// False when that was the last page.
  bool listQueued(QueueWalk& walk) const;
  std::vector<LockInfo> locksOn(LockTarget target) const;
  std::vector<LockInfo> locksOf(Locker& locker) const;
  /// Of the waits; LockManager adds the rest.
  LockStatistics statistics() const;
  const DeadlockHistory& deadlocks() const { return deadlocks_; }
  LockLimitUse useOf(LockLimit limit) const { return counts_.useOf(limit); }
  LockCounts& counts() { return counts_; }
  ContentionTable& contention() { return contention_; }
  const ContentionTable& contention() const { return contention_; }

  void checkInvariants() const;

 private:
  Entry& entryFor(LockTarget target);
  void dropUnlessNeeded(Entry& entry);

  // Asking.
  static bool isFavoured(const Entry& entry, const Locker& locker) {
    return holdOn(entry, locker) != nullptr || holdOfAncestor(entry, locker) != nullptr;
  }
  static bool mayBeGranted(const Entry& entry, const Locker& locker, LockType type, bool favoured);
  /// Would a lock be one more? Then also when it goes: one fewer.
  bool isCountedAnew(const Locker& locker, const Entry& entry) const {
    return counts_.isOn() && locker.isCounted && holdOn(entry, locker) == nullptr &&
           waitsOn(locker, entry).empty();
  }
  std::optional<LockLimit> limitOf(const Locker& locker, const Entry& entry) const;
  void leaseAfter(Hold& hold, HeldTypes before, Entry& entry, const LockRequest& asked,
                  LockAnswers& out);
  FencingToken grantHold(Locker& locker, Entry& entry, const LockRequest& request, Instant now,
                         LockAnswers& out);
  void takeCovered(Hold& hold, Entry& entry, const LockRequest& request, LockAnswers& out);
  /// False when it may not ask: it has signed off, or a commit of it is being written.
  static bool countRequest(Locker& locker);
  std::int32_t millisecondsOf(const LockRequest& request) const;
  Wait& enqueue(Locker& locker, Entry& entry, const LockRequest& request, bool upgrade,
                Instant now);
  void startWaiting(Locker& locker, std::uint64_t firstSequence, Instant deadline,
                    LockAnswers& out);
  /// The deadlocks of lockers that wait and have come to hold something that others want, or whose
  /// requests have another place; when all queues have been served.
  void breakPending(LockAnswers& out);
  void hasGot(Locker& locker) {
    const bool passesQueues = locker.parent != nullptr || locker.firstChild != nullptr;
    if (passesQueues && !locker.waits.empty()) toCheck_.push_back(&locker);
  }
  struct Victim {
    Locker* locker;
    Wait* wait;
  };
  Victim victimOf(const std::vector<WaitGraph::Blocker>& blockers, Wait& own);
  Victim victimByPolicy(Locker& requester, Wait& own);
  void breakCycles(Locker& requester, std::uint64_t firstSequence, bool beingMade,
                   LockAnswers& out);
  static void describeObstacle(const Entry& entry, const Locker& locker, LockType type,
                               LockAnswer& answer);
  std::optional<std::vector<Hold*>> beginCommit(Locker& locker,
                                                std::span<const LockTarget> targets);
  static void endCommit(Locker& locker);

  // Ways out of a wait. Each ends in serve().
  void serve(Entry& entry, LockAnswers& out);
  static bool isFree(const Wait& wait);
  static Wait* nextToGrant(Entry& entry);
  static void becomeUpgrades(Locker& locker, Entry& entry);
  static void favourDescendants(Locker& locker, Entry& entry);
  static std::vector<Locker*> becomeNewcomers(Locker& locker, Entry& entry,
                                              bool upgradesStay = false);
  static Queue::iterator afterUpgrades(Entry& entry);
  static void enterQueue(Wait& wait, Queue::iterator place);
  static void quitQueue(Wait& wait);
  void serveAll(const std::vector<LockTarget>& targets, LockAnswers& out);
  void grant(Wait& wait, LockAnswers& out);
  void fail(Wait& wait, LockOutcome outcome, LockAnswers& out);
  LockAnswer refusalOf(const Wait& wait, LockOutcome outcome) const;
  [[nodiscard]] std::vector<LockTarget> detach(Wait& wait, LockAnswer answer, bool first,
                                               LockAnswers& out);
  std::vector<LockTarget> takeBack(Locker& locker);
  Duration leaveQueue(Wait& wait);
  void cancelCommitOf(Locker& locker, LockAnswers& out);

  // Letting go.
  void removeHold(Hold& hold, Entry& entry);
  /// False when it holds nothing on it.
  bool release(Locker& locker, LockTarget target, LockAnswers& out);
  void lapse(Hold& hold, LockAnswers& out);
  static void leaveParent(Locker& locker);
  void inherit(Hold& left, Locker& heir, Entry& entry, std::uint16_t level);
  void returnToSession(Locker& locker, LockTarget target, LockAnswers& out);

  static LockInfo infoOf(const Wait& wait, Instant now, WallTime wall);
  void findQueued(QueueWalk& walk) const;
  Queue::const_iterator behind(const QueueWalk::Last& last, const Entry& entry) const;

  const Clock& clock_;
  LockManager::Options options_;
  HoldTable& holds_;
  Lockers& lockers_;
  Slab<Wait> waits_;
  Slab<Entry> entries_;
  Slab<CommitUpgrade> commits_;
  Deadlines deadlines_;
  Leases leases_;
  LockCounts counts_;
  std::mt19937_64 random_;
  WaitGraph waitGraph_;
  DeadlockHistory deadlocks_;
  ContentionTable contention_;
  LockStatistics statistics_;
  std::vector<Locker*> toCheck_;  // For breakPending(): these ...
  std::vector<Locker*> moved_;    // ... then these.
  std::uint64_t lastWait_ = 0;
};

/// LockManager::locksHeld(), without its mutex: others wait for no more than a page.
std::vector<LockInfo> locksHeld(const HoldTable& holds, const Clock& clock, std::size_t most);

}  // namespace nephrite::lock_table

#pragma once

// Private to locking.

#include <optional>
#include <random>
#include <span>
#include <vector>

#include "locking/domain/contention_table.h"
#include "locking/domain/deadlines.h"
#include "locking/domain/deadlock_history.h"
#include "locking/domain/leases.h"
#include "locking/domain/listings.h"
#include "locking/domain/lock_counts.h"
#include "locking/domain/places.h"
#include "locking/domain/wait_graph.h"
#include "locking/lock_events.h"
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
  LockTable(const Clock& clock, LockOptions options, HoldTable& holds, Lockers& lockers,
            LockEventLog& events, SharedWaits& shared);
  ~LockTable();

  LockOptions& options() { return options_; }
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
  std::vector<LockerRef> signOffFamily(Locker& locker, LockEventCause cause, LockAnswers& out,
                                       std::optional<std::uint16_t> heirLevel = {});
  /// It and its descendants that are signed on, the deepest first.
  static std::vector<LockerRef> familyOf(Locker& locker);

  /// Section 2.2: lets a Share of Transaction duration go that stands before an Update asked for.
  /// Returns what it had beside, for request(); empty: it was not let go.
  std::optional<ReleasedShare> releaseShareBeforeUpdate(Locker& locker, const LockRequest& request,
                                                        LockAnswers& out);
  void request(Locker& locker, const LockRequest& request, LockDone&& done,
               const std::optional<ReleasedShare>& shareReleased, LockAnswers& out);
  void upgradeForCommit(Locker& locker, const LockRequest& request,
                        std::span<const LockTarget> targets, LockDone done, LockAnswers& out);
  void setWriting(Locker& locker, bool writes);
  LockAnswers cancel(Locker& locker, std::uint64_t requestId);
  std::optional<Expiry> nextExpiry();
  LockAnswers expireNext(Instant now);
  /// False when it has no lease there, or one that this does not renew.
  bool renew(Locker& locker, LockTarget target, Renewal by);
  void keepAlive(Locker& locker);

  /// False when it held nothing.
  bool unlock(Locker& locker, LockTarget target, LockAnswers& out, LockEventCause cause);
  void releaseAll(Locker& locker, const ReleaseScope& scope, LockAnswers& out);
  /// What it holds there has Transaction duration from now on.
  void endSession(Locker& locker, LockTarget target);

  /// As often as unwatch(): the fast path is off in between.
  void watch(LockTarget target) { ++entryFor(target).watches; }
  void unwatch(LockTarget target);

  static LockInfo infoOf(const Hold& hold, Instant now, WallTime wall);
  /// The same with what only this table knows of one that `entry` has, if it has one.
  LockInfo withLease(const Hold& hold, const Entry* entry, Instant now, WallTime wall) const;
  /// Of locks that were listed; false: there is neither a lease nor a scope at all.
  bool fillInLeases(std::span<LockInfo> locks) const;
  /// A part each; false when that was the last one.
  bool listQueued(QueueWalk& walk) const;
  bool listQueued(QueuePage& page) const;
  bool listOn(LockTarget target, PageWalk& page) const;
  bool listOf(Locker& locker, PageWalk& page) const;
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
  /// Where `wait`, which is of this table, is on its way to.
  Entry& goalOf(const Wait& wait) const;

 private:
  Entry& entryFor(LockTarget target);
  void dropUnlessNeeded(Entry& entry);

  // Asking.
  bool isCountedAnew(const Locker& locker, const Entry& entry) const;
  void forEachRequestFor(const Locker& locker, const Entry& entry,
                         FunctionRef<void(const Wait&)> visit) const;
  LockRequest requestOf(const Wait& wait) const;
  std::optional<LockLimit> limitOf(const Locker& locker, const Entry& entry) const;
  void leaseAfter(Hold& hold, HeldTypes before, Entry& entry, const LockRequest& asked,
                  LockAnswers& out);
  Hold& addHold(Locker& locker, Entry& entry, const LockRequest& asked, Instant now);
  FencingToken upgradeHold(Hold& hold, Entry& entry, const LockRequest& asked);
  void changeHold(Hold& hold, Entry& entry, HeldTypes types);
  void holdChanged(Locker& locker, Entry& entry, LockType before, LockType after);
  FencingToken grantHold(Locker& locker, Entry& entry, const LockRequest& request, Instant now,
                         LockAnswers& out);
  void takeCovered(Hold& hold, Entry& entry, const LockRequest& request, LockAnswers& out);
  void waitOrRefuse(Locker& locker, Entry& entry, const Way& way, const LockRequest& asked,
                    LockDone&& done, const std::optional<ReleasedShare>& shareReleased,
                    LockAnswers& out);
  void readGated(Locker& locker, Entry& entry, const LockRequest& request, LockDone&& done,
                 LockAnswers& out);
  void grantRead(Wait& wait, LockAnswers& out);
  bool mayWait(const Locker& locker, const Way& way, const LockRequest& request) const;
  bool isOfWritesAlone(const Mark& mark, LockType asked) const;
  /// False: it has signed off; or its commit is being written, and it does not only read.
  static bool countRequest(Locker& locker, bool reads = false);
  std::int32_t millisecondsOf(const LockRequest& request) const;
  Wait& enqueue(Locker& locker, const Way& way, Entry& goal, const LockRequest& request,
                Instant now);
  void startWaiting(Locker& locker, std::uint64_t firstSequence, Instant deadline,
                    LockAnswers& out);
  /// The deadlocks of lockers that wait and have come to hold something that others want, or whose
  /// requests have another place; when all queues have been served.
  void breakPending(LockAnswers& out) {
    if (!shared_.toCheck.empty() || !shared_.moved.empty()) [[unlikely]]
      breakAllPending(out);
  }
  void breakAllPending(LockAnswers& out);
  void hasGot(Locker& locker, const Entry& entry);
  /// The request that gives way.
  static Wait& victimOf(const std::vector<WaitGraph::Blocker>& blockers, Wait& own);
  Wait& victimByPolicy(Locker& requester, Wait& own);
  void breakCycles(Locker& requester, std::uint64_t firstSequence, bool beingMade,
                   LockAnswers& out);
  static void describeObstacle(const Entry& entry, const Locker& locker, Wanted wanted,
                               LockAnswer& answer);

  // In a tree: section 9.
  /// `passed`: the lowest place above the goal that it has been let in at; null: none yet.
  Way wayOf(Locker& locker, Entry& goal, Wanted wanted, const Place* passed) const;
  /// A request that was let in here goes on. True: it has reached its goal, and may be granted.
  bool goOn(Wait& mark);
  void renewAbove(Locker& locker, const Entry& entry, LockType asked);
  void setBelowAfter(Hold& hold, Entry& entry, const LockRequest& asked);
  void setBelow(Hold& hold, Entry& entry, HeldTypes types);
  void letMarksGo(Locker& locker, Entry& entry, LockType type);
  void marksLost(Locker& locker, const Place& place);
  std::optional<std::vector<Hold*>> beginCommit(Locker& locker,
                                                std::span<const LockTarget> targets);
  static void endCommit(Locker& locker);

  // Ways out of a wait. Each ends in serve().
  void serve(Entry& entry, LockAnswers& out);
  void serveAbove(Entry& entry, LockAnswers& out);
  void serveNewMarks(Locker& locker, Entry& entry, LockAnswers& out);
  static void becomeUpgrades(Locker& locker, Entry& entry);
  void favourDescendants(Locker& locker, Entry& entry);
  static std::vector<Locker*> becomeNewcomers(Locker& locker, Entry& entry,
                                              bool upgradesStay = false);
  void serveAll(const std::vector<LockTarget>& targets, LockAnswers& out);
  void grant(Wait& wait, LockAnswers& out);
  void fail(Wait& wait, LockOutcome outcome, LockAnswers& out);
  LockAnswer refusalOf(const Wait& wait, LockOutcome outcome) const;
  [[nodiscard]] std::vector<LockTarget> detach(Wait& wait, LockAnswer&& answer, bool first,
                                               LockAnswers& out);
  std::vector<LockTarget> takeBack(Locker& locker, LockOutcome outcome);
  Duration leaveQueue(Wait& wait, LockOutcome outcome);
  Duration endWait(Wait& wait);
  void cancelCommitOf(Locker& locker, LockAnswers& out);

  // Letting go.
  void removeHold(Hold& hold, Entry& entry, LockEventCause cause);
  /// False when it holds nothing there. Else the queue is to be served.
  bool letGo(Locker& locker, Entry& entry, LockEventCause cause);
  void lapse(Hold& hold, LockAnswers& out);
  void inherit(Hold& left, Locker& heir, Entry& entry, std::uint16_t level);
  bool returnToSession(Locker& locker, LockTarget target, LockEventCause cause);
  void note(LockEventKind kind, LockEventCause cause, const Hold& hold, const Entry& entry,
            std::uint64_t request = 0) {
    if (events_.isOn()) [[unlikely]]
      tell(kind, cause, hold, entry, request);
  }
  void note(LockEventKind kind, LockEventCause cause, const Wait& wait) {
    if (events_.isOn()) [[unlikely]]
      tell(kind, cause, wait);
  }
  void tell(LockEventKind kind, LockEventCause cause, const Hold& hold, const Entry& entry,
            std::uint64_t request);
  void tell(LockEventKind kind, LockEventCause cause, const Wait& wait);
  void noteRefusal(const LockRequest& request, const Entry& at, LockEventCause cause);
  static LockInfo infoOf(const Wait& wait, Instant now, WallTime wall);
  void fillIn(LockInfo& info, const Hold& hold, const Entry* entry, Instant now) const;
  std::vector<const Entry*> allEntries() const;
  void checkPlaces() const;
  void findQueued(QueueWalk& walk) const;
  void findQueued(QueuePage& page) const;
  bool listQueue(const Entry& entry, PageWalk& page, std::size_t& steps) const;
  Queue::const_iterator behind(const LockCursor& last, const Entry& entry) const;

  const Clock& clock_;
  LockOptions options_;
  HoldTable& holds_;
  Lockers& lockers_;
  LockEventLog& events_;
  SharedWaits& shared_;
  Slab<Wait> waits_;
  Slab<Entry> entries_;
  Slab<CommitUpgrade> commits_;
  Deadlines deadlines_;
  Leases leases_;
  Places places_;
  MomentaryHolds momentary_;
  LockCounts counts_;
  std::mt19937_64 random_;
  WaitGraph waitGraph_;
  DeadlockHistory deadlocks_;
  ContentionTable contention_;
  LockStatistics statistics_;
};

}  // namespace nephrite::lock_table

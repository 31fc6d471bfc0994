#pragma once

// Private to this folder.

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "locking/lock_manager.h"
#include "locking/table/contention_table.h"
#include "locking/table/deadlines.h"
#include "locking/table/deadlock_history.h"
#include "locking/table/hold_table.h"
#include "locking/table/slab.h"
#include "locking/table/wait_graph.h"

namespace nephrite::lock_table {

/// The rules of docs/locking.md for every target that a request may have to wait for: decides,
/// queues, grants. Not synchronised: LockManager, its only user, guards it with its mutex and
/// describes the methods. Beside it the fast path grants and releases what no request waits for
/// (HoldTable). A target of this table has an Entry there, which keeps the fast path off.
///
/// True whenever no method runs (checkInvariants() runs them all):
///
///  1. Any two holders of a target are compatible. This is what a lock is.
///  2. The first waiter conflicts with a hold of another locker. If it did not, it was forgotten:
///     a method that changes holders or queue calls serve() before it returns.
///  3. In a queue, upgrades stand before newcomers. No wait overtakes another otherwise.
///  4. No locker is on a cycle of waits: each was broken when its last edge came about.
///  5. An entry is waited for, or has a crowd of holders; else it is gone.
///  6. A hold's session type is never stronger than its type.
class LockTable {
 public:
  LockTable(const Clock& clock, LockManager::Options options, HoldTable& holds, Lockers& lockers);
  ~LockTable();

  LockManager::Options& options() { return options_; }

  /// From now on nothing is granted to it, and it waits for nothing; what it holds is to be
  /// released.
  void signOff(Locker& locker, LockAnswers& out);

  /// Section 2.2: a Share of Transaction duration is let go before Update is asked for, so that
  /// two sharers that both want to update never deadlock. True when it was.
  bool releaseShareBeforeUpdate(Locker& locker, const LockRequest& request, LockAnswers& out);
  void request(Locker& locker, const LockRequest& request, LockDone done, bool shareReleased,
               LockAnswers& out);
  void upgradeForCommit(Locker& locker, const LockRequest& request,
                        std::span<const LockTarget> targets, LockDone done, LockAnswers& out);
  static void setWriting(Locker& locker, bool writes);
  LockAnswers cancel(Locker& locker, std::uint64_t requestId);
  std::optional<Instant> nextDeadline() const;
  LockAnswers expireNextWait(Instant now);

  /// False when it held nothing.
  bool unlock(Locker& locker, LockTarget target, LockAnswers& out);
  void releaseAll(Locker& locker, const ReleaseScope& scope, LockAnswers& out);
  /// What it holds there has Transaction duration from now on.
  void endSession(Locker& locker, LockTarget target);

  static LockInfo infoOf(const Hold& hold, Instant now, WallTime wall);
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
  ContentionTable& contention() { return contention_; }
  const ContentionTable& contention() const { return contention_; }

  void checkInvariants() const;

 private:
  Entry& entryFor(LockTarget target);
  void dropUnlessNeeded(Entry& entry);

  // Asking.
  static bool mayBeGranted(const Entry& entry, const Locker& locker, LockType type, bool upgrade);
  FencingToken grantHold(Locker& locker, Entry& entry, const LockRequest& request, Instant now);
  void takeCovered(Hold& hold, Entry& entry, const LockRequest& request, LockAnswers& out);
  /// False when it may not ask: it has signed off, or a commit of it is being written.
  static bool countRequest(Locker& locker);
  std::int32_t millisecondsOf(const LockRequest& request) const;
  Wait& enqueue(Locker& locker, Entry& entry, const LockRequest& request, bool upgrade,
                Instant now);
  void startWaiting(Locker& locker, std::uint64_t firstSequence, Instant deadline,
                    LockAnswers& out);
  void breakCycles(Locker& requester, std::uint64_t firstSequence, bool beingMade,
                   LockAnswers& out);
  static void describeObstacle(const Entry& entry, const Locker& locker, LockType type,
                               LockAnswer& answer);
  std::optional<std::vector<Hold*>> beginCommit(Locker& locker,
                                                std::span<const LockTarget> targets);
  static void endCommit(Locker& locker);

  // Ways out of a wait. Each ends in serve().
  void serve(Entry& entry, LockAnswers& out);
  using FewWaits = boost::container::small_vector<Wait*, 4>;
  static FewWaits waitsOn(Locker& locker, Entry& entry);
  static void becomeUpgrades(Locker& locker, Entry& entry);
  static bool becomeNewcomers(Locker& locker, Entry& entry);
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
  /// False when it holds nothing on it.
  bool release(Locker& locker, LockTarget target, LockAnswers& out);
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
  WaitGraph waitGraph_;
  DeadlockHistory deadlocks_;
  ContentionTable contention_;
  LockStatistics statistics_;
  std::uint64_t lastWait_ = 0;
};

/// LockManager::locksHeld(), without its mutex: others wait for no more than a page.
std::vector<LockInfo> locksHeld(const HoldTable& holds, const Clock& clock, std::size_t most);

}  // namespace nephrite::lock_table

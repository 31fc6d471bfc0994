#pragma once

// Private to this folder.

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "locking/contention_table.h"
#include "locking/deadlock_history.h"
#include "locking/lock_manager.h"
#include "locking/lock_nodes.h"
#include "locking/wait_graph.h"

namespace nephrite::lock_table {

/// The rules of docs/locking.md on plain data: decides, queues, grants. Not synchronised;
/// LockManager guards it with its mutex and is its only user, which see for the methods.
///
/// True whenever no method runs (checkInvariants() runs them all):
///
///  1. Any two holders of an entry are compatible. This is what a lock is.
///  2. The first waiter conflicts with somebody else's hold. If it did not, it was forgotten:
///     whoever changes holders or queue calls serve() before returning.
///  3. In a queue, upgrades stand before newcomers. Nobody overtakes otherwise.
///  4. Nobody is on a cycle of waits: each was broken when its last edge came about.
///  5. An entry is held or waited for; else it is gone.
///  6. A hold's session type is never stronger than its type.
class LockTable {
 public:
  LockTable(const Clock& clock, LockManager::Options options);
  ~LockTable();

  LockManager::Options& options() { return options_; }
  std::uint64_t lastToken() const { return lastToken_; }

  void signOn(LockerId id);
  LockAnswers signOff(LockerId id);

  /// Section 2.2: a Share of Transaction duration is let go before Update is asked for, so that
  /// two sharers who both want to update never deadlock. True when it was.
  bool releaseShareBeforeUpdate(const LockRequest& request, LockAnswers& out);
  void request(const LockRequest& request, LockSettle settle, bool shareReleased, LockAnswers& out);
  void upgradeForCommit(const LockRequest& request, std::span<const LockTarget> targets,
                        LockSettle settle, LockAnswers& out);
  LockAnswers cancel(LockerId id, std::uint64_t requestId);
  std::optional<Instant> nextDeadline() const;
  LockAnswers expireNextWait(Instant now);

  LockAnswers unlock(LockerId id, LockTarget target, bool* released);
  LockAnswers releaseTransactionLocks(LockerId id);
  LockAnswers releaseLevel(LockerId id, std::uint16_t level);

  std::optional<LockInfo> lockStatus(LockerId id, LockTarget target) const;
  std::vector<LockInfo> locksHeld(std::size_t maxEntries) const;
  std::vector<LockInfo> queuedRequests(std::size_t maxEntries) const;
  std::vector<LockInfo> locksOn(LockTarget target) const;
  std::vector<LockInfo> locksOf(LockerId id) const;
  LockStatistics statistics() const;
  const DeadlockHistory& deadlocks() const { return deadlocks_; }
  ContentionTable& contention() { return contention_; }
  const ContentionTable& contention() const { return contention_; }

  void checkInvariants() const;

 private:
  Locker* find(LockerId id) const;
  Entry& entryFor(LockTarget target);
  void dropIfIdle(Entry& entry);

  // Asking.
  Instant deadlineOf(const LockRequest& request, Instant now) const;
  static bool mayBeGranted(const Entry& entry, const Locker& locker, LockType type, bool upgrade);
  Hold& grantHold(Locker& locker, Entry& entry, const LockRequest& request, Instant now);
  void takeCovered(Hold& hold, const LockRequest& request, LockAnswers& out);
  Wait& enqueue(Locker& locker, Entry& entry, const LockRequest& request, bool upgrade,
                Instant now);
  void startWaiting(Locker& locker, std::uint64_t firstSequence, Instant deadline,
                    LockAnswers& out);
  void breakCycles(Locker& requester, std::uint64_t firstSequence, LockAnswers& out);
  static void describeObstacle(const Entry& entry, const Locker& locker, LockType type,
                               LockAnswer& answer);

  // Ways out of a wait. Each ends in serve().
  void serve(Entry& entry, LockAnswers& out);
  void serveAll(const std::vector<Entry*>& entries, LockAnswers& out);
  void grant(Wait& wait, LockAnswers& out);
  void fail(Wait& wait, LockOutcome outcome, LockAnswers& out);
  LockAnswer refusalOf(const Wait& wait, LockOutcome outcome) const;
  [[nodiscard]] std::vector<Entry*> detach(Wait& wait, LockAnswer answer, bool first,
                                           LockAnswers& out);
  std::vector<Entry*> takeBack(CommitUpgrade& commit);
  Duration leaveQueue(Wait& wait);
  void cancelCommitsOf(Locker& locker, LockAnswers& out);

  // Letting go.
  void release(Hold& hold, LockAnswers& out);
  void returnToSession(Hold& hold, LockAnswers& out);

  LockInfo infoOf(const Hold& hold, Instant now, WallTime wall) const;
  LockInfo infoOf(const Wait& wait, Instant now, WallTime wall) const;
  /// The first `most` of those that `wanted` is true of, ordered by target.
  template <typename Wanted>
  std::vector<const Entry*> entriesInOrder(std::size_t most, Wanted wanted) const;

  const Clock& clock_;
  LockManager::Options options_;
  Pool pool_;
  boost::unordered_flat_map<std::uint64_t, Entry*> entries_;
  boost::unordered_flat_map<std::uint64_t, Locker*> lockers_;
  Deadlines deadlines_;
  WaitGraph waitGraph_;
  DeadlockHistory deadlocks_;
  ContentionTable contention_;
  LockStatistics statistics_;
  std::uint64_t lastToken_;
  std::uint64_t lastAcquired_ = 0;
  std::uint64_t lastWait_ = 0;
};

}  // namespace nephrite::lock_table

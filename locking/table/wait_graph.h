#pragma once

// Private to this folder.

#include <vector>

#include "locking/table/locker.h"

namespace nephrite::lock_table {

/// Calls `visit(hold)` for all that others hold and that exclude `type` for `locker`, in the order
/// of their grants, until it returns true; then true. Only Exclusive is excluded by more than one.
template <typename Visit>
bool forEachConflict(const Entry& entry, const Locker& locker, LockType type, const Visit& visit) {
  if (type != LockType::Exclusive) {
    Hold* const hold = entry.aboveShare;
    if (hold == nullptr || &hold->locker() == &locker) return false;
    return !compatible(hold->type(), type) && visit(*hold);
  }
  for (Hold& hold : entry.holders) {
    if (&hold.locker() != &locker && visit(hold)) return true;
  }
  return false;
}

/// The first of them.
inline const Hold* conflictingHolder(const Entry& entry, const Locker& locker, LockType type) {
  const Hold* first = nullptr;
  forEachConflict(entry, locker, type, [&](const Hold& hold) {
    first = &hold;
    return true;
  });
  return first;
}

/// Calls `visit(locker, hold or null, wait or null)` for each locker that `wait` waits for: the
/// holders in its way in the order of their grants, then those ahead in the queue. Stops when
/// `visit` returns true.
template <typename Visit>
void forEachBlocker(const Wait& wait, Visit&& visit) {
  const auto visitHold = [&](const Hold& hold) {
    return visit(hold.locker(), &hold, static_cast<const Wait*>(nullptr));
  };
  if (forEachConflict(*wait.entry(), *wait.locker(), wait.type(), visitHold)) return;
  for (const Wait& ahead : wait.entry()->queue) {
    if (&ahead == &wait) return;
    if (ahead.locker() == wait.locker()) continue;
    if (visit(*ahead.locker(), static_cast<const Hold*>(nullptr), &ahead)) return;
  }
}

/// Which locker waits for which. The graph is not stored: its edges are read from the table, from
/// each waiting request to the lockers that forEachBlocker() names.
///
/// A cycle can only come about when a request starts to wait, and then runs through its
/// locker; so one search from there, at that moment, is exact.
class WaitGraph {
 public:
  /// A locker in the way of another that itself waits, directly or not, for that other.
  struct Blocker {
    Locker* locker;
    Wait* wait;  ///< Its request that leads back to the requester.
    Wait* via;   ///< The requester's own request that waits for it.
  };

  /// The direct blockers of `requester` that are on a cycle with it: its waits in order, of each
  /// the holders, then those ahead in the queue. None twice. What it waited for before its wait
  /// `firstSequence` began is known to close none by itself.
  std::vector<Blocker> blockersOnCycle(Locker& requester, std::uint64_t firstSequence);

  /// The shortest cycle through `member`, it first; empty when there is none.
  static std::vector<WaitEdge> cycleThrough(const Locker& member);
  /// The shortest one that goes from `requester` to `first`, one of its blockers.
  static std::vector<WaitEdge> cycleThrough(const Locker& requester, const Blocker& first);

  /// In the search of the last blockersOnCycle(): does `locker` wait, directly or not, for its
  /// requester?
  bool waitsForRequester(const Locker& locker) const { return locker.mark == search_; }

 private:
  static bool endsSoon(const Locker& requester, std::uint64_t firstSequence);
  /// False when there is none.
  bool markWaitersFor(Locker& requester);
  Wait* waitTowardsMarked(Locker& blocker, const Locker& requester) const;

  std::uint64_t search_ = 0;
};

/// A target that `member` holds and the last of its `cycle` wants; null (0) when it is in the
/// way only as a waiter.
LockTarget obtainedIn(const std::vector<WaitEdge>& cycle, const Locker& member);

}  // namespace nephrite::lock_table

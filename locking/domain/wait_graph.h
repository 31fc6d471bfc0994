#pragma once

// Private to locking.

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <vector>

#include "base/function_ref.h"
#include "locking/domain/lock_domain.h"
#include "locking/domain/places.h"
#include "locking/table/relations.h"

namespace nephrite::lock_table {

/// Is what `holder` has something that may be in the way of `asker`? What an ancestor has never is.
inline bool mayExclude(const Locker& holder, const Locker& asker) {
  return &holder != &asker && !isAncestor(holder, asker);
}

/// Of two requests in one queue: is the one ahead in the way of the one behind?
inline bool isInTheWay(const Wait& ahead, const Wait& behind) {
  if (areRelated(*ahead.locker(), *behind.locker())) return false;
  const Place* const place = ahead.entry()->place;
  if (behind.isFavoured() && !ahead.isFavoured()) {
    // But who has locks below goes ahead of all that want what is below.
    const bool isAhead = behind.wanted().isSubtree && place->hasMark(*ahead.locker());
    if (!isAhead) return false;
  }
  if (place == nullptr) return true;
  // Who has locks below does not wait for those who want all that is below.
  if (ahead.wanted().isSubtree && place->hasMark(*behind.locker())) return false;
  return excludes(*ahead.entry()->modes, ahead.wanted(), behind.wanted());
}

/// Calls `visit(hold)` for all locks that others hold and that exclude one of `type` for `locker`,
/// in the order of their grants, until it returns true; then true.
template <typename Visit>
bool forEachExcluding(const Entry& entry, const Locker& locker, LockType type, const Visit& visit) {
  const ModeTable& modes = *entry.modes;
  const auto excludes = [&](Hold& hold) {
    return modes.excludes(hold.type(), type) && mayExclude(hold.locker(), locker);
  };
  if (modes.common() == LockType::Get || modes.excludes(modes.common(), type)) {
    for (Hold& hold : entry.holders) {
      if (excludes(hold) && visit(hold)) return true;
    }
    return false;
  }
  Hold* const deepest = entry.aboveCommon;
  if (deepest == nullptr) return false;
  if (deepest->locker().parent == nullptr) return excludes(*deepest) && visit(*deepest);

  boost::container::small_vector<Hold*, 1 + Locker::kMostDepth> holds;
  for (Hold* hold = deepest; hold != nullptr;
       hold = holdOfAncestor(entry, hold->locker(), /*aboveCommon=*/true)) {
    holds.push_back(hold);
  }
  std::sort(holds.begin(), holds.end(),
            [](const Hold* a, const Hold* b) { return a->acquired() < b->acquired(); });
  for (Hold* const hold : holds) {
    if (excludes(*hold) && visit(*hold)) return true;
  }
  return false;
}

/// Calls `visit(obstacle)` for all that others hold and that is in the way of what `locker` wants,
/// in the order of the grants, until it returns true; then true.
template <typename Visit>
bool forEachConflict(const Entry& entry, const Locker& locker, Wanted wanted, const Visit& visit) {
  if (entry.place != nullptr) return forEachConflictInTree(entry, locker, wanted, visit);
  return forEachExcluding(entry, locker, wanted.type, [&](const Hold& hold) {
    return visit(Obstacle{&hold.locker(), &hold, nullptr, nullptr});
  });
}

inline bool hasConflict(const Entry& entry, const Locker& locker, Wanted wanted) {
  if (entry.place != nullptr) return hasConflictInTree(entry, locker, wanted);
  return forEachExcluding(entry, locker, wanted.type, [](const Hold&) { return true; });
}

/// Has its locker inherited meanwhile what it asks for? Then nothing that is held is in its way.
inline bool isHeldByNow(const Wait& wait) {
  if (wait.upgrade == 0 || wait.isMark != 0) return false;
  const Hold* const own = holdOn(*wait.entry(), *wait.locker());
  if (own == nullptr || !covers(own->type(), wait.type())) return false;
  return wait.isSubtree == 0 || covers(belowOf(*own, *wait.entry()).type, wait.type());
}

inline bool hasConflict(const Wait& wait) {
  return hasConflict(*wait.entry(), *wait.locker(), wait.wanted()) && !isHeldByNow(wait);
}

/// Calls `visit(obstacle)` for each locker that `wait` waits for: what is held in its way in the
/// order of the grants, then the requests ahead in the queue. Stops when `visit` returns true.
template <typename Visit>
void forEachBlocker(const Wait& wait, const Visit& visit) {
  if (!isHeldByNow(wait) && forEachConflict(*wait.entry(), *wait.locker(), wait.wanted(), visit)) {
    return;
  }
  for (const Wait& ahead : wait.entry()->queue) {
    if (&ahead == &wait) return;
    if (!isInTheWay(ahead, wait)) continue;
    if (visit(Obstacle{ahead.locker(), nullptr, nullptr, &ahead})) return;
  }
}

/// Calls `visit` for the requests in the way of what `locker` wants that stand ahead of where it
/// would stand, until it returns true; then true.
template <typename Visit>
bool forEachAhead(Entry& entry, const Locker& locker, Wanted wanted, bool favoured,
                  const Visit& visit) {
  if (entry.queue.empty()) return false;
  const Queue::iterator place = placeInQueue(entry, locker, favoured);
  for (auto at = entry.queue.begin(); at != place; ++at) {
    const Wait& ahead = *at;
    const bool isOwn = ahead.locker() == &locker && ahead.isMark == 0 && !wanted.isMark;
    if (isOwn && visit(ahead)) return true;
    if (favoured && !ahead.isFavoured() &&
        !(wanted.isSubtree && entry.place->hasMark(*ahead.locker()))) {
      continue;
    }
    const bool isStranger = !areRelated(*ahead.locker(), locker);
    if (isStranger && excludes(*entry.modes, ahead.wanted(), wanted) && visit(ahead)) return true;
  }
  return false;
}

/// Need a request not wait that is made now? `favoured`: it stands before all newcomers.
inline bool mayBeGranted(Entry& entry, const Locker& locker, Wanted wanted, bool favoured) {
  const auto isAhead = [](const Wait&) { return true; };
  if (!wanted.isGated && forEachAhead(entry, locker, wanted, favoured, isAhead)) return false;
  return !hasConflict(entry, locker, wanted);
}

/// May it be granted, where it stands? An earlier request of the same locker goes first.
bool isFree(const Wait& wait);
/// The request of the queue that is granted next; null: all have to wait.
Wait* nextToGrant(Entry& entry);

/// What `locker` asks for on `entry`, in the order of asking. Of its waits and the queue it looks
/// through the shorter, for either may be very long.
using FewWaits = boost::container::small_vector<Wait*, 4>;
FewWaits waitsOn(const Locker& locker, const Entry& entry);

/// Ends a walk along a queue as soon as nothing further on can pass the requests met so far but a
/// few that it names, so that families cost no more steps than strangers: two lockers that are not
/// related let pass only their common ancestors.
class QueueBarrier {
 public:
  explicit QueueBarrier(const Entry& entry) : entry_(entry) {}

  /// A request of `locker` that lets nothing pass but its relatives.
  void add(const Locker& locker);
  bool isClosed() const { return isClosed_; }
  /// The requests of this queue that may pass all the same, wherever they stand in it.
  const FewWaits& exceptions() const { return exceptions_; }

 private:
  const Entry& entry_;
  const Locker* first_ = nullptr;
  bool isClosed_ = false;
  FewWaits exceptions_;
};

/// Calls `visit` for all waits of the process of `locker`, in the order of asking, until it returns
/// true; then true.
template <typename Visit>
bool forEachWaitOf(const Locker& locker, const Visit& visit) {
  if (locker.nextOfProcess == &locker) {
    auto& waits = const_cast<WaitsOfLocker&>(locker.waits);
    return std::any_of(waits.begin(), waits.end(), visit);
  }
  struct Rest {
    WaitsOfLocker::iterator next, end;
  };
  boost::container::small_vector<Rest, 4> rests;  // Of each of its lockers.
  anyOfProcess(locker, [&](Locker& each) {
    if (!each.waits.empty()) rests.push_back({each.waits.begin(), each.waits.end()});
    return false;
  });
  while (!rests.empty()) {
    auto first = std::min_element(rests.begin(), rests.end(), [](const Rest& a, const Rest& b) {
      return a.next->sequence < b.next->sequence;
    });
    Wait& wait = *first->next;
    if (++first->next == first->end) rests.erase(first);
    if (visit(wait)) return true;
  }
  return false;
}
inline bool isWaiting(const Locker& locker) {
  return anyOfProcess(locker, [](const Locker& each) { return !each.waits.empty(); });
}

/// Which process waits for which. The graph is not stored: its edges are read from the tables, from
/// each waiting request to the lockers that forEachBlocker() names. A process is the first of its
/// lockers (Locker::process): what one of them waits for keeps all waiting who wait for another.
///
/// A cycle can only come about when a request starts to wait, or when a locker that waits gets a
/// lock past a queue or inherits one, and then runs through that locker; so one search from there,
/// at that moment, is exact.
class WaitGraph {
 public:
  /// `lastSearch`: the number of the last search in the tables of the domain.
  explicit WaitGraph(std::uint64_t& lastSearch) : lastSearch_(lastSearch) {}

  /// A process in the way of another that itself waits, directly or not, for that other.
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
  /// One that goes by the shortest way from `requester` to `party` and from there back, without
  /// meeting a locker twice; when there is none such, the shortest one.
  static std::vector<WaitEdge> cycleThrough(const Locker& requester, const Locker& party);

  /// Calls `visit` for each locker that is on a cycle with `requester`, and its wait on it: those
  /// that the requester waits for first, then those that they wait for. After blockersOnCycle().
  void forEachParty(Locker& requester, const FunctionRef<void(Locker&, Wait&)>& visit);

  /// In the search of the last blockersOnCycle(): does `locker` wait, directly or not, for its
  /// requester?
  bool waitsForRequester(const Locker& locker) const { return locker.process->mark == search_; }

 private:
  static bool endsSoon(const Locker& requester, std::uint64_t firstSequence);
  /// False when there is none.
  bool markWaitersFor(Locker& requester);
  Wait* waitTowardsMarked(Locker& blocker, const Locker& requester) const;

  std::uint64_t& lastSearch_;
  std::uint64_t search_ = 0;
};

/// A target that `member` holds and the last of its `cycle` wants; null (0) when it is in the
/// way only as a waiter.
LockTarget obtainedIn(const std::vector<WaitEdge>& cycle, const Locker& member);

}  // namespace nephrite::lock_table

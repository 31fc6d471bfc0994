// The part of LockTable that knows places: marks, requests on their way down, locks with scope
// Subtree. docs/locking.md, section 9.

#include <algorithm>
#include <utility>

#include "locking/domain/lock_table.h"

namespace nephrite::lock_table {

LockManager::Placing LockTable::setPlace(LockTarget target, LockTarget parent) {
  using Placing = LockManager::Placing;
  if (target == parent) return Placing::BelowItself;
  Entry& child = entryFor(target);
  Entry& above = entryFor(parent);
  Placing placing = Placing::Done;
  unsigned depth = 1 + (child.place == nullptr ? 0 : child.place->height);
  if (child.place != nullptr && child.place->parent != nullptr) placing = Placing::HasPlace;
  for (const Place* up = above.place; up != nullptr && placing == Placing::Done; up = up->parent) {
    if (up == child.place) placing = Placing::BelowItself;
    if (up->parent != nullptr) ++depth;
  }
  if (placing == Placing::Done && depth > LockManager::kMostPlaces) placing = Placing::TooDeep;
  if (placing == Placing::Done) {
    Place& place = places_.of(child);
    places_.link(place, places_.of(above));
  }
  dropUnlessNeeded(child);
  dropUnlessNeeded(above);
  return placing;
}

LockRequest LockTable::requestOf(const Wait& wait) const {
  LockRequest asked = wait.request();
  if (wait.isMark != 0) asked.target = goalOf(wait).target;
  asked.scope = wait.isSubtree != 0 ? LockScope::Subtree : LockScope::Node;
  asked.access = momentary_.accessOf(wait);
  return asked;
}

// What `locker` asks for of the target, also on its way there.
void LockTable::forEachRequestFor(const Locker& locker, const Entry& entry,
                                  FunctionRef<void(const Wait&)> visit) const {
  if (entry.place == nullptr) {
    for (const Wait* const wait : waitsOn(locker, entry)) visit(*wait);
    return;
  }
  for (const Wait& wait : locker.waits) {
    if (&goalOf(wait) == &entry) visit(wait);
  }
}

// --- The way down --------------------------------------------------------------------------------

namespace {

bool isCoveredFromAbove(const Locker& locker, const Place& goal, LockType type) {
  for (const Place* up = goal.parent; up != nullptr; up = up->parent) {
    if (up->below.empty()) continue;
    const Hold* const own = holdOn(*up->entry, locker);
    if (own != nullptr && covers(up->belowOf(*own).type, type)) return true;
  }
  return false;
}

bool isExcludedByDescendant(const Entry& entry, const Locker& locker, Wanted wanted) {
  return locker.firstChild != nullptr &&
         forEachConflict(entry, locker, wanted, [&](const Obstacle& obstacle) {
           return isAncestor(locker, *obstacle.locker);
         });
}

}  // namespace

Way LockTable::wayOf(Locker& locker, Entry& goal, Wanted wanted, const Place* passed) const {
  Way way{&goal, wanted};
  if (goal.place == nullptr) {
    way.isFavoured = isFavoured(goal, locker);
    way.isFree = mayBeGranted(goal, locker, wanted, way.isFavoured);
    return way;
  }
  way.isCovered = isCoveredFromAbove(locker, *goal.place, wanted.type);
  const auto mayPass = [&](Entry& entry, Wanted there) {
    way.isFavoured = isFavoured(entry, locker);
    if (way.isCovered) return !isExcludedByDescendant(entry, locker, there);
    return mayBeGranted(entry, locker, there, way.isFavoured);
  };
  const Wanted mark{wanted.type, false, /*isMark=*/true, wanted.isGated};
  bool isAhead = passed == nullptr;
  for (Place* const place : Places::above(*goal.place)) {
    if (!isAhead) {
      isAhead = place == passed;
      continue;
    }
    const Mark* const own = place->markOf(locker);
    if (own != nullptr && covers(own->type(), wanted.type)) continue;
    if (mayPass(*place->entry, mark)) continue;
    way.at = place->entry;
    way.wanted = mark;
    return way;
  }
  way.isFree = mayPass(goal, wanted);
  return way;
}

bool LockTable::goOn(Wait& mark) {
  Locker& locker = *mark.locker();
  Place& passed = *mark.entry()->place;
  Entry& goal = goalOf(mark);
  const Wanted wanted{mark.type(), mark.isSubtree != 0};
  const Way way = wayOf(locker, goal, wanted, &passed);
  places_.shiftWaiting(locker, way.at->place->parent, passed.parent, LockType::Get, wanted.type);
  mark.moveTo(*way.at);
  mark.isMark = way.at != &goal;
  if (mark.isMark == 0) places_.forgetGoal(mark);
  if (way.isFree) return true;
  contention_.count(way.at->target);
  way.at->enter(mark, placeFor(mark, way));
  return false;
}

// Who has locks below stands ahead of the first that wants all that is below.
Queue::iterator placeInTree(Entry& entry, const Locker& locker, Queue::iterator usual) {
  if (!entry.place->hasMark(locker)) return usual;
  for (auto at = entry.queue.begin(); at != entry.queue.end(); ++at) {
    if (at == usual) return usual;
    if (at->isSubtree == 0 || at->isMark != 0) continue;
    return at;
  }
  return usual;
}

// What an own lock with scope Subtree covers renews its lease.
void LockTable::renewAbove(Locker& locker, const Entry& entry, LockType asked) {
  for (const Place* up = entry.place->parent; up != nullptr; up = up->parent) {
    if (up->below.empty() || up->entry->leases == 0) continue;
    const Hold* const own = holdOn(*up->entry, locker);
    if (own == nullptr || !covers(up->belowOf(*own).type, asked)) continue;
    leases_.renew(*own, Renewal::Request, clock_.now());
  }
}

// --- Marks ---------------------------------------------------------------------------------------

void LockTable::holdChanged(Locker& locker, Entry& entry, LockType before, LockType after) {
  if (entry.place == nullptr || before == after) return;
  places_.shiftHeld(locker, entry.place->parent, before, after);
  if (after == LockType::Get) marksLost(locker, *entry.place);
}

void LockTable::letMarksGo(Locker& locker, Entry& entry, LockType type) {
  if (entry.place == nullptr) return;
  places_.shiftWaiting(locker, entry.place->parent, nullptr, type, LockType::Get);
  marksLost(locker, *entry.place);
}

// Who has lost a mark waits again for those who want all that is below.
void LockTable::marksLost(Locker& locker, const Place& place) {
  for (const Place* up = place.parent; up != nullptr; up = up->parent) {
    if (up->entry->subtreeWaits == 0 || up->hasMark(locker)) continue;
    if (!locker.waits.empty()) shared_.moved.push_back(&locker);
    if (locker.firstChild == nullptr) continue;
    for (const Wait& wait : up->entry->queue) {
      if (isAncestor(locker, *wait.locker())) shared_.moved.push_back(wait.locker());
    }
  }
}

void LockTable::setBelowAfter(Hold& hold, Entry& entry, const LockRequest& asked) {
  if (entry.place == nullptr) return;
  setBelow(hold, entry, belowAfterGrant(belowOf(hold, entry), asked.terms(), asked.scope));
}

void LockTable::setBelow(Hold& hold, Entry& entry, HeldTypes types) {
  if (entry.place == nullptr) return;
  types = belowWithin(types, hold.types());
  const bool was = entry.place->belowOf(hold).type != LockType::Get;
  const bool is = types.type != LockType::Get;
  Places::setBelow(*entry.place, hold, types);
  if (was == is) return;
  OwnerHold own(hold.locker().mutex);
  hold.locker().subtrees += is ? 1u : -1u;
}

// --- Serving -------------------------------------------------------------------------------------

// Where it has got a mark above `entry`, it and its descendants wait no more for those who want all
// that is below.
void LockTable::serveNewMarks(Locker& locker, Entry& entry, LockAnswers& out) {
  if (entry.place == nullptr) return;
  if (locker.firstChild == nullptr && locker.waits.empty()) return;
  for (Place* const place : Places::above(*entry.place)) {
    if (!std::exchange(place->isLowered, false) || place->entry->subtreeWaits == 0) continue;
    while (Wait* const next = nextToGrant(*place->entry)) grant(*next, out);
  }
}

}  // namespace nephrite::lock_table

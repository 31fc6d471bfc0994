// The places of the model (section 9): scope, marks, and the way of a request from the root down.
#include <algorithm>
#include <set>
#include <utility>

#include "tests/simulation/lock_model.h"

namespace nephrite {

using model::contains;

// ---- The tree ------------------------------------------------------------------------------

LockModel::LockModel() { addObject({std::string(kScheduleRoot)}, /*isResource=*/false); }

// Names and paths of objects are looked up alike.
void LockModel::addObject(const ObjectLine& line, bool isResource) {
  if (objectIndex_.count(line.name)) throw ScheduleError(line_, "object given twice");
  Object object;
  object.name = line.name;
  object.isResource = isResource;
  if (!line.path.empty()) {
    if (objectIndex_.count(line.path)) throw ScheduleError(line_, "path given twice");
    const std::string above = line.parentPath();
    if (!paths_.count(above)) throw ScheduleError(line_, "nothing is at " + above);
    object.parent = objectIndex_.at(above);
    objectIndex_[line.path] = static_cast<int>(objects_.size());
    paths_.insert(line.path);
  }
  objectIndex_[line.name] = static_cast<int>(objects_.size());
  objects_.push_back(object);
}

// The object, its parent, and so on up to the root.
std::vector<int> LockModel::upwardFrom(int object) const {
  std::vector<int> places;
  for (int at = object; at >= 0; at = objects_[at].parent) places.push_back(at);
  return places;
}

std::vector<int> LockModel::above(int object) const {
  std::vector<int> places = upwardFrom(object);
  places.erase(places.begin());
  return places;
}

// From the root to the object.
std::vector<int> LockModel::wayTo(int object) const {
  std::vector<int> places = upwardFrom(object);
  std::reverse(places.begin(), places.end());
  return places;
}

// ---- Marks ---------------------------------------------------------------------------------

// The strongest that its locks below need, and its requests that have been let in here.
std::optional<LockModel::Type> LockModel::markOf(int process, int place, bool ofLocksAlone) const {
  std::optional<Type> mark;
  for (int o = 0; o < static_cast<int>(objects_.size()); ++o) {
    if (!contains(above(o), place)) continue;
    for (const Hold& hold : objects_[o].holds) {
      if (hold.process == process) mark = std::max(mark, std::optional(hold.type));
    }
    for (const Waiter& waiter : objects_[o].waiters) {
      if (ofLocksAlone || waiter.process != process) continue;
      mark = std::max(mark, std::optional(waiter.type));
    }
  }
  return mark;
}

// After every change: who has a mark where, and since when without a gap.
void LockModel::refreshMarks() {
  if (paths_.size() == 1) return;
  std::set<std::pair<int, int>> marks;
  for (int o = 0; o < static_cast<int>(objects_.size()); ++o) {
    for (const int place : above(o)) {
      for (const Hold& hold : objects_[o].holds) marks.emplace(place, hold.process);
      for (const Waiter& waiter : objects_[o].waiters) marks.emplace(place, waiter.process);
    }
  }
  for (int o = 0; o < static_cast<int>(objects_.size()); ++o) {
    auto& here = objects_[o].marks;
    const auto isGone = [&](const Mark& mark) { return !marks.count({o, mark.process}); };
    here.erase(std::remove_if(here.begin(), here.end(), isGone), here.end());
    for (const Mark& mark : here) marks.erase({o, mark.process});
  }
  for (const auto& [place, process] : marks)
    objects_[place].marks.push_back({process, ++sequence_});
}

bool LockModel::hasMark(int process, int place) const {
  const auto& marks = objects_[place].marks;
  return std::any_of(marks.begin(), marks.end(),
                     [&](const Mark& mark) { return mark.process == process; });
}

// It has a mark there, or an ancestor has: it waits for no Subtree lock that waits.
bool LockModel::isMarked(int process, int place) const {
  const int parent = processes_[process].parent;
  return hasMark(process, place) || (parent >= 0 && isMarked(parent, place));
}

// A Subtree lock of its own covers what it asks for.
bool LockModel::isUnderOwnLock(const Waiter& waiter) const {
  for (const int place : above(waiter.target)) {
    const Hold* hold = holdOf(waiter.process, place);
    if (hold && hold->below && *hold->below >= waiter.type) return true;
  }
  return false;
}

void LockModel::renewAbove(const Waiter& waiter) {
  for (const int place : above(waiter.target)) {
    Hold* hold = holdOf(waiter.process, place);
    if (hold && hold->below && *hold->below >= waiter.type) renew(*hold, waiter.line);
  }
}

// ---- In the way ----------------------------------------------------------------------------

// Who is in the way of the request at a place of its way, each once: who has something there, in
// the order in which it got that, then who waits ahead. It stands there, or is about to.
std::vector<int> LockModel::inTheWay(int place, const Waiter& waiter) const {
  const bool passes = place != waiter.target &&
                      markOf(waiter.process, place, /*ofLocksAlone=*/false) >= waiter.type;
  if (passes) return {};
  std::vector<int> found = holdersInTheWay(place, waiter);
  if (isUnderOwnLock(waiter)) return found;
  const auto& waiters = objects_[place].waiters;
  const std::size_t end = standsAt(place, waiter).value_or(wouldStandAt(place, waiter));
  for (std::size_t at = 0; at < end; ++at) {
    const int other = waiters[at].process;
    if (isInTheWay(place, waiters[at], waiter) && !contains(found, other)) found.push_back(other);
  }
  return found;
}

std::vector<int> LockModel::holdersInTheWay(int place, const Waiter& waiter) const {
  const int me = waiter.process;
  const bool isMark = place != waiter.target;
  if (isMark && markOf(me, place, /*ofLocksAlone=*/false) >= waiter.type) return {};

  // What of it is held already is not asked for.
  const Hold* const held = holdOf(me, waiter.target);
  const bool asksObject = !held || held->type < waiter.type;
  const bool asksBelow = waiter.subtree && !(held && held->below && *held->below >= waiter.type);
  const bool isUnderOwn = isUnderOwnLock(waiter);
  std::map<std::int64_t, int> holders;
  const auto canBe = [&](int other) {
    if (other == me || isAncestor(other, me)) return false;
    return !isUnderOwn || isAncestor(me, other);
  };
  for (const Hold& hold : objects_[place].holds) {
    if (!canBe(hold.process)) continue;
    const bool conflicts = isMark ? hold.below && !compatible(*hold.below, waiter.type)
                                  : asksObject && !compatible(hold.type, waiter.type);
    if (conflicts) holders[hold.acquired] = hold.process;
  }
  for (const Mark& mark : objects_[place].marks) {
    if (isMark || !asksBelow || !canBe(mark.process)) continue;
    // What a descendant only waits for is in no ancestor's way.
    const auto type = markOf(mark.process, place, /*ofLocksAlone=*/isAncestor(me, mark.process));
    if (type && !compatible(*type, waiter.type)) holders[mark.since] = mark.process;
  }

  std::vector<int> found;
  for (const auto& [since, holder] : holders) {
    if (!contains(found, holder)) found.push_back(holder);
  }
  return found;
}

// Of two in a queue.
bool LockModel::isInTheWay(int place, const Waiter& ahead, const Waiter& waiter) const {
  if (ahead.process == waiter.process || areRelated(ahead.process, waiter.process)) return false;
  const bool isMark = waiter.target != place;
  const bool isMarkAhead = ahead.target != place;
  if (isMark && isMarkAhead) return false;
  if (isMark != isMarkAhead) {
    const Waiter& lock = isMark ? ahead : waiter;
    if (!lock.subtree || compatible(ahead.type, waiter.type)) return false;
  }
  // Who works below does not wait for a Subtree lock that waits; that one waits for him, whatever
  // it has here.
  const bool isSubtree = !isMark && waiter.subtree;
  const bool isSubtreeAhead = !isMarkAhead && ahead.subtree;
  if (isSubtreeAhead && isMarked(waiter.process, place)) return false;
  if (isSubtree && isMarked(ahead.process, place)) return true;
  // Who has a lock here, or an ancestor who has, does not wait for newcomers.
  const auto isUpgrade = [&](const Waiter& each) {
    return each.upgrade || isCovered(each.process, place);
  };
  return isUpgrade(ahead) || !isUpgrade(waiter);
}

bool LockModel::canGrant(int place, const Waiter& waiter) const {
  return inTheWay(place, waiter).empty();
}

std::optional<std::size_t> LockModel::standsAt(int place, const Waiter& waiter) const {
  const auto& waiters = objects_[place].waiters;
  for (std::size_t at = 0; at < waiters.size(); ++at) {
    const bool isIt = waiters[at].process == waiter.process && waiters[at].target == waiter.target;
    if (isIt) return at;
  }
  return std::nullopt;
}

// At the end. An upgrade: behind earlier upgrades, ahead of all newcomers. Who works below: ahead
// of the first Subtree lock that waits.
std::size_t LockModel::wouldStandAt(int place, const Waiter& waiter) const {
  const auto& waiters = objects_[place].waiters;
  std::size_t stands = waiters.size();
  if (isCovered(waiter.process, place)) {
    while (stands > 0 && !waiters[stands - 1].upgrade) --stands;
  }
  if (!isMarked(waiter.process, place)) return stands;
  for (std::size_t at = 0; at < stands; ++at) {
    if (waiters[at].target == place && waiters[at].subtree) return at;
  }
  return stands;
}

void LockModel::enqueue(int place, Waiter waiter) {
  const auto at = static_cast<std::ptrdiff_t>(wouldStandAt(place, waiter));
  waiter.upgrade = isCovered(waiter.process, place);
  auto& waiters = objects_[place].waiters;
  waiters.insert(waiters.begin() + at, waiter);
  refreshMarks();
}

// ---- The way of a request ------------------------------------------------------------------

bool LockModel::meetsNothing(const Waiter& waiter) const {
  const std::vector<int> way = wayTo(waiter.target);
  return std::all_of(way.begin(), way.end(), [&](int place) { return canGrant(place, waiter); });
}

// Goes on below `from` (-1: from the root) until something is in the way: there it waits. True
// when it has got the lock. Where it has a mark now and had none, or the lock, others of its family
// may have less to wait for, and all where a wider lock is a weaker one: `toServe_`.
bool LockModel::goOn(Waiter waiter, int from) {
  waiter.upgrade = false;  // Where it stood it may have been one.
  std::vector<int> changed;
  bool isFree = true;
  const std::vector<int> way = wayTo(waiter.target);
  auto at = from < 0 ? way.begin() : std::find(way.begin(), way.end(), from);
  if (from >= 0 && !hasMark(waiter.process, from)) changed.push_back(from);
  for (at = from < 0 ? at : std::next(at); at != way.end(); ++at) {
    isFree = canGrant(*at, waiter);
    if (!isFree) break;
    if (*at == waiter.target || !hasMark(waiter.process, *at)) changed.push_back(*at);
  }
  if (isFree) {
    const Hold* const old = holdOf(waiter.process, waiter.target);
    const bool isLowered = old && waiter.mayLower && old->type > waiter.type;
    if (isLowered) changed = upwardFrom(waiter.target);
    take(waiter.target, waiter);
  } else {
    enqueue(*at, waiter);
  }
  for (const int place : changed) nowThere_.emplace_back(waiter.process, place);
  toServe_.insert(toServe_.end(), changed.begin(), changed.end());
  return isFree;
}

}  // namespace nephrite

// Granting and letting go in the model, and what a step does when its lock is there.
#include <algorithm>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "tests/simulation/lock_model.h"

namespace nephrite {

using model::contains;

void LockModel::take(int object, const Waiter& waiter) {
  Hold* hold = holdOf(waiter.process, object);
  std::optional<model::Former> before = waiter.former;
  if (hold) before = model::Former{hold->session.has_value(), hold->lease};
  if (!hold) {
    Hold fresh;
    fresh.process = waiter.process;
    fresh.level = processes_[waiter.process].levels.size();
    fresh.acquired = ++sequence_;
    objects_[object].holds.push_back(fresh);
    hold = &objects_[object].holds.back();
  }
  if (!waiter.commit) {
    setLease(*hold, before, waiter);
    renewAbove(waiter);
  }
  setTypes(*hold, waiter);
  hold->edition = objects_[object].edition;
  refreshMarks();
}

// Section 2.1, of the object and of what is below it, each by itself; then below it is nothing
// stronger than on it. A fresh hold is Share, which covers nothing else.
void LockModel::setTypes(Hold& hold, const Waiter& waiter) {
  const auto grant = [&](std::optional<Type>& type, std::optional<Type>& session) {
    const bool isCovered = type && *type >= waiter.type;
    const bool isLowered = isCovered && waiter.mayLower && (waiter.session || !session);
    if (!isCovered || isLowered) type = waiter.type;
    if (waiter.session) session = waiter.type;
  };
  std::optional<Type> type = hold.type;
  grant(type, hold.session);
  hold.type = *type;
  if (waiter.subtree) {
    grant(hold.below, hold.belowSession);
  } else if (waiter.session) {
    hold.belowSession.reset();
  }
  if (hold.below) hold.below = std::min(*hold.below, hold.type);
}

// To the type and scope last asked for with Session duration. False when it has no other.
bool LockModel::returns(Hold& hold) {
  if (hold.type == *hold.session && hold.below == hold.belowSession) return false;
  hold.type = *hold.session;
  hold.below = hold.belowSession;
  return true;
}

// From the head, each that nothing is in the way of.
void LockModel::serve(int object) {
  auto& waiters = objects_[object].waiters;
  while (!waiters.empty() && objects_[object].being == Being::Gone)
    endWait(waiters.front().process, "error", 1072, false);
  while (true) {
    const auto next = std::find_if(waiters.begin(), waiters.end(),
                                   [&](const Waiter& each) { return canGrant(object, each); });
    if (next == waiters.end()) return;
    const Waiter waiter = *next;
    waiters.erase(next);
    if (goOn(waiter, object)) {
      granted(waiter.process);
    } else {
      gained_.push_back(waiter.process);
    }
  }
}

// Each, and what is above it.
void LockModel::serveAll(const std::vector<int>& objects) {
  std::vector<int> places;
  for (const int object : objects) {
    const std::vector<int> upward = upwardFrom(object);
    places.insert(places.end(), upward.begin(), upward.end());
  }
  servePlaces(places);
}

void LockModel::servePlaces(const std::vector<int>& places) {
  for (const int place : places) serve(place);
  while (!toServe_.empty()) {
    for (const int place : std::exchange(toServe_, {})) serve(place);
  }
  lookLater();
}

// One requester is off all cycles before another is looked at.
void LockModel::lookLater() {
  if (resolving_ > 0) return;
  for (const int process : std::exchange(gained_, {})) {
    if (processes_[process].pending) resolveDeadlocks(process, /*told=*/true);
  }
  // Who waits below in the family may stand there as an upgrade from now on, in others' way.
  for (const auto& [process, place] : std::exchange(nowThere_, {})) lookAgain(process, place);
  for (const auto& [process, place] : std::exchange(later_, {})) lookAgain(process, place);
}

// What `process` had on `objects` is gone, or less. Waits there that were upgrades because of it
// are newcomers now. Waits of the process and of those below it may have more in their way than
// before.
void LockModel::letGone(int process, const std::vector<int>& objects) {
  for (const int object : objects) becomeNewcomers(process, object);
  serveAndLookAgain(process, objects);
}

void LockModel::serveAndLookAgain(int process, const std::vector<int>& objects) {
  serveAll(objects);
  for (const int object : objects) {
    for (const int place : upwardFrom(object)) lookAgain(process, place);
  }
  if (processes_[process].pending) resolveDeadlocks(process, /*told=*/true);
}

void LockModel::lookAgain(int process, int place) {
  std::vector<int> waiting;
  for (const Waiter& waiter : objects_[place].waiters) {
    const bool isOfThese = waiter.process == process || isAncestor(process, waiter.process);
    if (isOfThese) waiting.push_back(waiter.process);
  }
  for (const int each : waiting) {
    if (processes_[each].pending) resolveDeadlocks(each, /*told=*/true);
  }
}

// A waiting request of `process` was granted: its step will end, unless it is a commit with more.
void LockModel::granted(int process) {
  if (!placesOf(process).empty()) return gained_.push_back(process);
  const Pending pending = *processes_[process].pending;
  processes_[process].pending.reset();
  decided_.push_back({{}, process, pending});
}

// Tells what was decided, in that order. A commit that got its last upgrade goes on when its
// turn has come, and all that it causes is told before the next.
void LockModel::deliver() {
  for (const Decision& decision : std::exchange(decided_, {})) {
    if (decision.granted < 0) {
      told_.push_back(decision.event);
    } else {
      succeed(decision.pending, decision.granted, false);
    }
  }
}

// The lock of a step is there.
void LockModel::succeed(const Pending& pending, int process, bool isOwn) {
  std::vector<int> freed;
  std::string outcome = "granted";
  std::string more;
  int code = 0;
  // A commit that was granted its last lock ahead of this request is complete by now: one of a
  // relative may have deleted the object.
  if (!pending.isCommit() && objects_[pending.object].being == Being::Gone) {
    drop(pending.object, process);
    tell(eventOf(pending, process, "error", 1072), isOwn);
    letGone(process, {pending.object});
    return deliver();
  }
  if (pending.verb != ScheduleVerb::Commit) {
    if (Hold* hold = holdOf(process, pending.object)) {
      hold->edition = objects_[pending.object].edition;
    }
  }
  const std::int64_t releasedAt = pending.editionWhenShareWasReleased;
  if (releasedAt != 0 && releasedAt != objects_[pending.object].edition) {
    outcome = "error";
    code = 1146;
  } else if (!pending.rest.empty()) {
    Pending next = pending;
    std::tie(next.object, next.isNew) = next.rest.front();
    next.rest.erase(next.rest.begin());
    next.locks = *next.locks + 1;
    next.editionWhenShareWasReleased = 0;
    return ask(next, process, isOwn);
  } else if (pending.verb == ScheduleVerb::Commit && !holdsAllChanged(process)) {
    outcome = "failed";  // An operator has taken one of the locks: the transaction stays open.
  } else if (pending.verb == ScheduleVerb::Commit) {
    outcome = "committed";
    Process& who = processes_[process];
    for (const int object : who.changed) {
      const std::int64_t edition = ++objects_[object].edition;
      if (Hold* hold = holdOf(process, object)) hold->edition = edition;
    }
    for (const int object : who.created) objects_[object].being = Being::There;
    for (const int object : who.deleted) {
      objects_[object].being = Being::Gone;
      std::erase_if(objects_[object].holds,
                    [&](const Hold& hold) { return hold.process != process; });
    }
    freed = endTransaction(process);
  } else if (pending.verb == ScheduleVerb::Update) {
    code = endOfUpdate(process, pending.object);
    outcome = code == 0 ? "updated" : "error";
  } else if (pending.verb == ScheduleVerb::Write) {
    code = endOfUpdate(process, pending.object);
    outcome = code == 0 ? "written" : "error";
    if (code == 0) holdOf(process, pending.object)->edition = ++objects_[pending.object].edition;
    freed = endTransaction(process);
  } else if (pending.verb == ScheduleVerb::Read) {
    outcome = "read";
    more = editionOf(process, pending.object);
  }
  tell(eventOf(pending, process, outcome, code, more), isOwn);
  letGone(process, freed);
  deliver();
}

// The lock is there and strong enough: 0 when the object is changed, else why it is not.
int LockModel::endOfUpdate(int process, int object) {
  if (relativeChanged(process, object)) return 64022;
  const std::int64_t edition = objects_[object].edition;
  if (std::exchange(holdOf(process, object)->edition, edition) != edition) return 1146;
  auto& changed = processes_[process].changed;
  if (!contains(changed, object)) changed.push_back(object);
  processes_[process].changedAt.try_emplace(object, edition);
  return 0;
}

bool LockModel::holdsAllChanged(int process) {
  const auto& changed = processes_[process].changed;
  return std::all_of(changed.begin(), changed.end(), [&](int object) {
    const Hold* const hold = holdOf(process, object);
    return hold && hold->type >= U;
  });
}

// Commit and abort alike (section 3). Gives the objects on which something was let go.
std::vector<int> LockModel::endTransaction(int process) {
  Process& who = processes_[process];
  std::vector<int> freed;
  for (const int object : objectsInOrderOfAcquisition(process)) {
    Hold* hold = holdOf(process, object);
    if (hold->session && objects_[object].being != Being::Gone) {
      if (!returns(*hold)) continue;
    } else {
      drop(object, process);
    }
    freed.push_back(object);
  }
  who.inTransaction = false;
  who.levels.clear();
  who.changed.clear();
  who.changedAt.clear();
  who.created.clear();
  who.deleted.clear();
  who.lapsed.clear();
  return freed;
}

std::vector<int> LockModel::objectsInOrderOfAcquisition(int process) const {
  std::map<std::int64_t, int> ordered;
  for (int o = 0; o < static_cast<int>(objects_.size()); ++o) {
    for (const Hold& hold : objects_[o].holds) {
      if (hold.process == process) ordered[hold.acquired] = o;
    }
  }
  std::vector<int> objects;
  for (const auto& [acquired, object] : ordered) objects.push_back(object);
  return objects;
}

// The model's own mistakes: a waiter that could have been granted, incompatible holders.
void LockModel::checkThatNothingIsLeftToGrant() const {
  for (int o = 0; o < static_cast<int>(objects_.size()); ++o) {
    const Object& object = objects_[o];
    for (const Waiter& waiter : object.waiters) {
      if (canGrant(o, waiter))
        throw std::logic_error("the model forgot a waiter of " + object.name);
    }
    for (const Hold& one : object.holds) {
      for (const Hold& other : object.holds) {
        if (one.process == other.process || areRelated(one.process, other.process)) continue;
        if (!compatible(one.type, other.type)) {
          throw std::logic_error("the model let two in on " + object.name);
        }
      }
      for (const Mark& mark : object.marks) {
        if (!one.below || one.process == mark.process) continue;
        if (areRelated(one.process, mark.process)) continue;
        if (!compatible(*one.below, *markOf(mark.process, o, /*ofLocksAlone=*/false))) {
          throw std::logic_error("the model let somebody in below " + object.name);
        }
      }
    }
  }
  for (int p = 0; p < static_cast<int>(processes_.size()); ++p) {
    if (processes_[p].pending && reaches(p, p)) throw std::logic_error("the model left a deadlock");
  }
}

}  // namespace nephrite

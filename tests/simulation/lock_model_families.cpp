// The families of the model: signing on and off, kinship, inheriting, and limits.
#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "tests/simulation/lock_model.h"

namespace nephrite {

using model::contains;

// ---- Signing on and off --------------------------------------------------------------------

void LockModel::addProcess(const ProcessLine& line) {
  constexpr int kDeepest = 8;
  anySignOn_ = true;
  if (processIndex_.count(line.name)) throw ScheduleError(line_, "process given twice");
  Process process;
  process.name = line.name;
  process.background = line.background;
  process.priority = line.priority;
  if (line.timeout) process.defaultTimeout = *line.timeout;
  process.updateLocks = line.updateLocks;
  if (!line.parent.empty()) {
    const auto parent = processIndex_.find(line.parent);
    if (parent == processIndex_.end()) throw ScheduleError(line_, "unknown parent " + line.parent);
    process.parent = parent->second;
    if (processes_[process.parent].signedOff) throw ScheduleError(line_, "the parent has gone");
    if (depthOf(process.parent) == kDeepest) throw ScheduleError(line_, "too deep a family");
  }

  const auto isThere = [](const Process& each) { return !each.signedOff; };
  const auto lockers = std::count_if(processes_.begin(), processes_.end(), isThere);
  if (maxLockers_ != 0 && lockers >= maxLockers_) {
    Event refused{line_, now_, line.name};
    refused.word = "process";
    refused.outcome = "error";
    refused.code = 64018;
    return tell(refused, false);
  }
  process.signedOn = ++sequence_;
  processIndex_[line.name] = static_cast<int>(processes_.size());
  processes_.push_back(process);
}

// All waits of the family end, then all its locks go, then the queues are served.
void LockModel::signOff(bool inherits) {
  own("ended");
  std::vector<int> places;
  const std::vector<int> family = familyOf(self_);
  for (const int member : family) {
    if (!processes_[member].pending) continue;
    const auto left = dropWait(member, "error", 64005, false);
    places.insert(places.end(), left.begin(), left.end());
  }
  const int heir = inherits ? processes_[self_].parent : -1;
  for (const int member : family) {
    for (const int object : objectsInOrderOfAcquisition(member)) {
      const bool isThere = objects_[object].being != Being::New;
      if (member == self_ && heir >= 0 && isThere) inherit(object, self_, heir);
      drop(object, member);
      places.push_back(object);
    }
    processes_[member].signedOff = true;
  }
  serveAll(places);
  if (heir < 0) return;
  servePlaces(placesOf(heir));  // What it has inherited may cover what it waits for.
  if (processes_[heir].pending) resolveDeadlocks(heir, /*told=*/true);
}

// The process and all below it, the deepest first, the process last.
std::vector<int> LockModel::familyOf(int process) const {
  std::vector<std::pair<int, int>> members;
  for (int p = 0; p < static_cast<int>(processes_.size()); ++p) {
    if (processes_[p].signedOff) continue;
    if (p == process || isAncestor(process, p)) members.emplace_back(-depthOf(p), p);
  }
  std::sort(members.begin(), members.end());
  std::vector<int> family;
  for (const auto& [depth, member] : members) family.push_back(member);
  return family;
}

// The heir gets the stronger type, the longer duration, the wider scope, the later lease.
void LockModel::inherit(int object, int from, int heir) {
  const Hold given = *holdOf(from, object);
  Hold* hold = holdOf(heir, object);
  if (!hold) {
    Hold fresh = given;
    fresh.process = heir;
    fresh.level = processes_[heir].levels.size();
    fresh.acquired = ++sequence_;
    fresh.edition = objects_[object].edition;
    objects_[object].holds.push_back(fresh);
  } else {
    hold->lease = merged(*hold, given);
    hold->type = std::max(hold->type, given.type);
    // None is less than any.
    hold->session = std::max(hold->session, given.session);
    hold->below = std::max(hold->below, given.below);
    hold->belowSession = std::max(hold->belowSession, given.belowSession);
  }
  auto& pending = processes_[heir].pending;
  const bool staysExclusive = pending && pending->isAbout(object) && given.type == X;
  if (staysExclusive) pending->inherited.push_back(object);
  becomesUpgrade(heir, object);
}

// ---- Kinship -------------------------------------------------------------------------------

int LockModel::depthOf(int process) const {
  const int parent = processes_[process].parent;
  return parent < 0 ? 1 : depthOf(parent) + 1;
}

bool LockModel::isAncestor(int ancestor, int process) const {
  const int parent = processes_[process].parent;
  return parent >= 0 && (parent == ancestor || isAncestor(ancestor, parent));
}

bool LockModel::areRelated(int one, int other) const {
  return isAncestor(one, other) || isAncestor(other, one);
}

// It has a lock there, or an ancestor has.
bool LockModel::isCovered(int process, int object) const {
  const int parent = processes_[process].parent;
  return holdOf(process, object) || (parent >= 0 && isCovered(parent, object));
}

// Has an ancestor or a descendant changed it, and not committed?
bool LockModel::relativeChanged(int process, int object) const {
  for (int p = 0; p < static_cast<int>(processes_.size()); ++p) {
    if (processes_[p].signedOff || !areRelated(p, process)) continue;
    if (contains(processes_[p].changed, object)) return true;
  }
  return false;
}

// ---- Places in a queue ---------------------------------------------------------------------

// What it waits for where it has a lock now goes behind the earlier upgrades.
void LockModel::becomesUpgrade(int process, int object) {
  for (Object& each : objects_) {
    for (Waiter& waiter : each.waiters) {
      if (waiter.process == process && waiter.target == object) waiter.mayLower = false;
    }
  }
  auto& waiters = objects_[object].waiters;
  const auto isNewcomer = [&](const Waiter& waiter) {
    return waiter.process == process && !waiter.upgrade;
  };
  while (true) {
    const auto at = std::find_if(waiters.begin(), waiters.end(), isNewcomer);
    if (at == waiters.end()) return;
    const Waiter waiter = *at;
    waiters.erase(at);
    enqueue(object, waiter);
  }
}

// Of the process and those below it, upgrades for which nothing is held any more: they stand first
// of the newcomers, in their order.
void LockModel::becomeNewcomers(int process, int object) {
  auto& waiters = objects_[object].waiters;
  std::vector<Waiter> sunk;
  const auto sinks = [&](const Waiter& waiter) {
    const bool isOfThese = waiter.process == process || isAncestor(process, waiter.process);
    return waiter.upgrade && isOfThese && !isCovered(waiter.process, object);
  };
  std::copy_if(waiters.begin(), waiters.end(), std::back_inserter(sunk), sinks);
  waiters.erase(std::remove_if(waiters.begin(), waiters.end(), sinks), waiters.end());
  for (Waiter& waiter : sunk) waiter.upgrade = false;
  auto newcomers = waiters.end();
  while (newcomers != waiters.begin() && !std::prev(newcomers)->upgrade) --newcomers;
  waiters.insert(newcomers, sunk.begin(), sunk.end());
}

// ---- Limits --------------------------------------------------------------------------------

// The code when one more lock would be one too many: a pair of process and object, held or wanted.
int LockModel::limitPassed(int process, int object) const {
  std::set<std::pair<int, int>> pairs;
  std::set<int> objects;
  for (int o = 0; o < static_cast<int>(objects_.size()); ++o) {
    for (const Hold& hold : objects_[o].holds) pairs.emplace(hold.process, o);
    for (const Waiter& waiter : objects_[o].waiters) pairs.emplace(waiter.process, waiter.target);
  }
  for (const auto& [locker, locked] : pairs) objects.insert(locked);
  pairs.emplace(process, object);
  objects.insert(object);
  const auto isPassed = [](int limit, std::size_t count) {
    return limit != 0 && count > static_cast<std::size_t>(limit);
  };
  if (isPassed(maxLocks_, pairs.size())) return 64019;
  if (isPassed(maxLockedObjects_, objects.size())) return 64020;
  return 0;
}

}  // namespace nephrite

// The waits of the model: due times, the queue, deadlocks.
#include <algorithm>

#include "tests/simulation/lock_model.h"

namespace nephrite {

using model::contains;

// Section 2.4; nothing when the request is to be refused at once.
std::optional<std::int64_t> LockModel::dueTime(const Process& process, std::int64_t timeout) const {
  if (timeout == -2) timeout = process.defaultTimeout.value_or(0);
  if (timeout == -2) timeout = 0;
  if (timeout == 0) timeout = process.background ? backgroundTimeout_ : serverTimeout_;
  if (timeout < 0) return std::nullopt;
  return now_ + timeout;
}

void LockModel::startWaiting(const Pending& pending, int process, bool isOwn) {
  processes_[process].pending = pending;
  processes_[process].pending->began = ++sequence_;
  resolveDeadlocks(process, !isOwn);
}

// Section 2.5. The requester's own event is "deadlock" if it is the first to be refused, else
// "queued", whatever comes of it then; none when it was `told` that it waits.
void LockModel::resolveDeadlocks(int requester, bool told) {
  ++resolving_;
  resolveAll(requester, told);
  --resolving_;
  lookLater();
}

// Of one requester, until it is on no cycle; then those of others that came about meanwhile.
void LockModel::resolveAll(int requester, bool told) {
  while (processes_[requester].pending && reaches(requester, requester)) {
    if (doubleDeadlock_ && victim_ == ScheduleVictim::Requester) {
      int other = -1;
      for (const int blocker : blockersOf(requester)) {
        if (other < 0 && reaches(blocker, requester)) other = blocker;
      }
      // Both are told before any queue is served.
      std::vector<int> touched = dropWait(requester, "deadlock", 1081, !told);
      for (const int object : dropWait(other, "deadlock", 1081, false)) {
        touched.erase(std::remove(touched.begin(), touched.end(), object), touched.end());
        touched.push_back(object);
      }
      serveAll(touched);
      for (const int place : touched) {
        for (const int up : above(place)) {
          later_.emplace_back(requester, up);
          later_.emplace_back(other, up);
        }
      }
      return;
    }
    const int victim = victimAmong(requester);
    if (victim != requester && !told) {
      own("queued");
      told = true;
    }
    endWait(victim, "deadlock", 1081, victim == requester && !told);
    if (victim == requester) return;
  }
  if (!told) own("queued");
}

// Of the requester and its direct blockers on a cycle: the lowest priority, then the requester,
// then the blocker that comes first.
int LockModel::victimAmong(int requester) {
  if (victim_ != ScheduleVictim::Requester) return victimByPolicy(requester);
  int victim = requester;
  for (const int blocker : blockersOf(requester)) {
    if (!reaches(blocker, requester)) continue;
    if (processes_[blocker].priority < processes_[victim].priority) victim = blocker;
  }
  return victim;
}

// Section 14: of all on a cycle with the requester, from the requester outwards.
int LockModel::victimByPolicy(int requester) {
  std::vector<int> parties{requester};
  for (const int process : reachableFrom(requester)) {
    if (process != requester && reaches(process, requester)) parties.push_back(process);
  }
  std::int64_t lowest = processes_[requester].priority;
  for (const int party : parties) lowest = std::min(lowest, processes_[party].priority);
  std::vector<int> candidates;
  for (const int party : parties) {
    if (processes_[party].priority == lowest) candidates.push_back(party);
  }
  if (victim_ == ScheduleVictim::Random) return candidates.at(engine_() % candidates.size());
  int victim = candidates.front();
  for (const int candidate : candidates) {
    if (measureOf(candidate) < measureOf(victim)) victim = candidate;
  }
  return victim;
}

// By the policy: the least is refused.
std::int64_t LockModel::measureOf(int process) const {
  const Process& who = processes_[process];
  const std::int64_t age = who.inTransaction ? who.begun : who.signedOn;
  std::int64_t locks = 0;
  std::int64_t writeLocks = 0;
  for (const Object& object : objects_) {
    for (const Hold& hold : object.holds) {
      if (hold.process != process) continue;
      ++locks;
      if (hold.type >= U) ++writeLocks;
    }
  }
  switch (victim_) {
    case ScheduleVictim::Youngest: return -age;
    case ScheduleVictim::Oldest: return age;
    case ScheduleVictim::FewestLocks: return locks;
    case ScheduleVictim::MostLocks: return -locks;
    case ScheduleVictim::FewestWriteLocks: return writeLocks;
    case ScheduleVictim::MostWriteLocks: return -writeLocks;
    case ScheduleVictim::Requester:
    case ScheduleVictim::Random: break;
  }
  return 0;
}

// Object by object, who has something where the request stands, then the queue from its head.
std::vector<int> LockModel::blockersOf(int process) const {
  std::vector<int> blockers;
  if (!processes_[process].pending) return blockers;
  const Pending& pending = *processes_[process].pending;
  std::vector<int> wanted = pending.upgrades;
  if (pending.object >= 0) wanted.push_back(pending.object);
  for (const int target : wanted) {
    for (int o = 0; o < static_cast<int>(objects_.size()); ++o) {
      for (const Waiter& waiter : objects_[o].waiters) {
        if (waiter.process != process || waiter.target != target) continue;
        for (const int other : inTheWay(o, waiter)) {
          if (!contains(blockers, other)) blockers.push_back(other);
        }
      }
    }
  }
  return blockers;
}

// Whether a way of at least one edge leads from `from` to `target`.
bool LockModel::reaches(int from, int target) const {
  return contains(reachableFrom(from), target);
}

// Breadth first.
std::vector<int> LockModel::reachableFrom(int process) const {
  std::vector<int> seen = blockersOf(process);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    for (const int next : blockersOf(seen[i])) {
      if (!contains(seen, next)) seen.push_back(next);
    }
  }
  return seen;
}

// A wait that ends without the lock. Those below the process may have more in their way without
// its marks.
void LockModel::endWait(int process, const std::string& outcome, int code, bool isOwnEvent) {
  const std::vector<int> places = dropWait(process, outcome, code, isOwnEvent);
  serveAll(places);
  for (const int place : places) {
    for (const int up : above(place)) later_.emplace_back(process, up);
  }
  lookLater();
}

// Where it stands in a queue.
std::vector<int> LockModel::placesOf(int process) const {
  std::vector<int> places;
  for (int o = 0; o < static_cast<int>(objects_.size()); ++o) {
    for (const Waiter& waiter : objects_[o].waiters) {
      if (waiter.process == process) places.push_back(o);
    }
  }
  return places;
}

// A commit takes all its upgrades back to U. Gives the objects whose queues are to be served.
std::vector<int> LockModel::dropWait(int process, const std::string& outcome, int code,
                                     bool isOwnEvent) {
  const Pending pending = *processes_[process].pending;
  processes_[process].pending.reset();
  std::vector<int> touched = pending.upgrades;
  if (pending.object >= 0) touched.push_back(pending.object);
  for (int& place : touched) {
    const int target = place;
    for (int o = 0; o < static_cast<int>(objects_.size()); ++o) {
      auto& waiters = objects_[o].waiters;
      const auto at = std::find_if(waiters.begin(), waiters.end(), [&](const Waiter& waiter) {
        return waiter.process == process && waiter.target == target;
      });
      if (at == waiters.end()) continue;
      waiters.erase(at);
      place = o;
    }
  }
  refreshMarks();
  for (const int object : pending.upgrades) {
    Hold* hold = holdOf(process, object);
    if (hold && !contains(pending.inherited, object)) hold->type = U;
  }

  const Event event = eventOf(pending, process, outcome, code);
  if (isOwnEvent) {
    tell(event, true);
  } else {
    decided_.push_back({event, -1, {}});
  }
  return touched;
}

}  // namespace nephrite

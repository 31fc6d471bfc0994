// The waits of the model: due times, the queue, deadlocks.
#include <algorithm>

#include "tests/simulation/lock_model.h"

namespace nephrite {

// Section 2.4; nothing when the request is to be refused at once.
std::optional<std::int64_t> LockModel::dueTime(const Process& process, std::int64_t timeout) const {
  if (timeout == -2) timeout = process.defaultTimeout.value_or(0);
  if (timeout == -2) timeout = 0;
  if (timeout == 0) timeout = process.background ? backgroundTimeout_ : serverTimeout_;
  if (timeout < 0) return std::nullopt;
  return now_ + timeout;
}

// An upgrade stands ahead of all newcomers and behind earlier upgrades.
void LockModel::enqueue(int object, const Waiter& waiter) {
  auto& waiters = objects_[object].waiters;
  auto place = waiters.end();
  if (waiter.upgrade) {
    place = waiters.begin();
    while (place != waiters.end() && place->upgrade) ++place;
  }
  waiters.insert(place, waiter);
}

void LockModel::startWaiting(const Pending& pending, int process, bool isOwn) {
  processes_[process].pending = pending;
  processes_[process].pending->began = ++sequence_;
  resolveDeadlocks(process, !isOwn);
}

// Section 2.5. The requester's own event is "deadlock" if it is the first to be refused, else
// "queued", whatever comes of it then; none when it was `told` that it waits.
void LockModel::resolveDeadlocks(int requester, bool told) {
  while (processes_[requester].pending && reaches(requester, requester)) {
    std::vector<int> onCycle;
    for (const int blocker : blockersOf(requester)) {
      if (reaches(blocker, requester)) onCycle.push_back(blocker);
    }
    if (doubleDeadlock_) {
      endWait(requester, "deadlock", 1081, !told);
      endWait(onCycle.front(), "deadlock", 1081, false);
      return;
    }
    int victim = requester;
    for (const int blocker : onCycle) {
      if (processes_[blocker].priority < processes_[victim].priority) victim = blocker;
    }
    if (victim != requester && !told) {
      own("queued");
      told = true;
    }
    endWait(victim, "deadlock", 1081, victim == requester && !told);
    if (victim == requester) return;
  }
  if (!told) own("queued");
}

// Object by object, the holders in the order of their grants, then the queue from its head.
std::vector<int> LockModel::blockersOf(int process) const {
  std::vector<int> blockers;
  if (!processes_[process].pending) return blockers;
  const Pending& pending = *processes_[process].pending;
  std::vector<int> wanted = pending.upgrades;
  if (pending.object >= 0) wanted.push_back(pending.object);
  for (const int index : wanted) {
    const Object& object = objects_[index];
    for (std::size_t at = 0; at < object.waiters.size(); ++at) {
      const Waiter& waiter = object.waiters[at];
      if (waiter.process != process) continue;
      for (const Hold& hold : object.holds) {
        if (hold.process == process || compatible(hold.type, waiter.type)) continue;
        if (!contains(blockers, hold.process)) blockers.push_back(hold.process);
      }
      for (std::size_t ahead = 0; ahead < at; ++ahead) {
        const int other = object.waiters[ahead].process;
        if (!contains(blockers, other)) blockers.push_back(other);
      }
    }
  }
  return blockers;
}

// Whether a way of at least one edge leads from `from` to `target`.
bool LockModel::reaches(int from, int target) const {
  std::vector<int> seen = blockersOf(from);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    if (seen[i] == target) return true;
    for (const int next : blockersOf(seen[i])) {
      if (!contains(seen, next)) seen.push_back(next);
    }
  }
  return false;
}

// A wait that ends without the lock. A commit takes all its upgrades back to U.
void LockModel::endWait(int process, const std::string& outcome, int code, bool isOwnEvent) {
  const Pending pending = *processes_[process].pending;
  processes_[process].pending.reset();
  std::vector<int> touched = pending.upgrades;
  if (pending.object >= 0) touched.push_back(pending.object);
  for (const int object : touched) {
    auto& waiters = objects_[object].waiters;
    waiters.erase(std::remove_if(waiters.begin(), waiters.end(),
                                 [&](const Waiter& w) { return w.process == process; }),
                  waiters.end());
  }
  for (const int object : pending.upgrades) holdOf(process, object)->type = U;

  const Event event = eventOf(pending, process, outcome, code);
  if (isOwnEvent) {
    tell(event, true);
  } else {
    decided_.push_back({event, -1, {}});
  }
  serveAll(touched);
}

}  // namespace nephrite

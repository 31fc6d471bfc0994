// What no schedule has a verb for, and a wire or an operator can do to the model's processes.
#include <algorithm>

#include "tests/simulation/lock_model.h"

namespace nephrite {

using model::contains;
using model::kTypeWords;

void LockModel::force(const std::string& process, ScheduleVerb verb, int object, int line) {
  line_ = line;
  self_ = processIndex_.at(process);
  verb_ = verb;
  object_ = object;
  ownEventAt_ = told_.size();
}

void LockModel::endForced() {
  deliver();
  checkThatNothingIsLeftToGrant();
}

void LockModel::passTime(std::int64_t milliseconds, int line) {
  line_ = line;
  advance(milliseconds, /*late=*/true);
  endForced();
}

LockModel::Pending LockModel::pendingOf(const StepLine& lock, int line) const {
  Pending pending;
  pending.line = line;
  pending.verb = lock.verb;
  pending.type = static_cast<Type>(lock.type);
  pending.session = lock.duration == ScheduleDuration::Session;
  pending.subtree = lock.subtree;
  pending.timeout = lock.timeout;
  pending.lease = lock.lease;
  return pending;
}

void LockModel::lock(const StepLine& lock, const Target& target, int line) {
  force(lock.process, lock.verb, objectNamed(target.object, line), line);
  Pending pending = pendingOf(lock, line);
  pending.object = object_;
  pending.isNew = target.isNew;
  ask(pending, self_, true);
  endForced();
}

void LockModel::lockAll(const StepLine& lock, const std::vector<Target>& targets, int line) {
  force(lock.process, lock.verb, -1, line);
  Pending pending = pendingOf(lock, line);
  pending.object = objectNamed(targets.front().object, line);
  pending.isNew = targets.front().isNew;
  for (std::size_t i = 1; i < targets.size(); ++i)
    pending.rest.emplace_back(objectNamed(targets[i].object, line), targets[i].isNew);
  pending.locks = 0;
  ask(pending, self_, true);
  endForced();
}

void LockModel::addNew(const std::string& object) {
  addObject({object}, /*isResource=*/false);
  objects_.back().being = Being::New;
}

void LockModel::changes(const std::string& process, const Changes& changes) {
  Process& who = processes_[processIndex_.at(process)];
  const auto numbers = [&](const std::vector<std::string>& names) {
    std::vector<int> objects;
    for (const std::string& name : names) objects.push_back(objectNamed(name, 0));
    return objects;
  };
  who.changed = numbers(changes.changed);
  who.created = numbers(changes.created);
  who.deleted = numbers(changes.deleted);
  who.changed.insert(who.changed.end(), who.deleted.begin(), who.deleted.end());
}

void LockModel::cancel(const std::string& process, int line) {
  force(process, ScheduleVerb::Abort, -1, line);
  if (processes_[self_].pending) endWait(self_, "error", 64005, false);
  endForced();
}

void LockModel::leave(const std::string& process, bool inherit, int line) {
  force(process, ScheduleVerb::SignOff, -1, line);
  // Of one that leaves alone, and nothing behind, the end of its wait is seen first.
  const bool isAlone = !inherit && familyOf(self_).size() == 1;
  if (isAlone && processes_[self_].pending) endWait(self_, "error", 64005, false);
  signOff(inherit);
  endForced();
}

void LockModel::renew(const std::string& process, const std::string& object, int line) {
  force(process, ScheduleVerb::Renew, objectNamed(object, line), line);
  renew();
}

void LockModel::letGo(const std::string& process, const std::string& object, int line) {
  force(process, ScheduleVerb::Unlock, objectNamed(object, line), line);
  if (!holdOf(self_, object_)) return own("ignored");
  // A commit that waits, for this or for other locks, and changes it cannot be carried out any
  // more.
  const Process& robbed = processes_[self_];
  const bool commits = robbed.pending && robbed.pending->object < 0;
  if (commits && contains(robbed.changed, object_)) endWait(self_, "error", 64005, false);
  drop(object_, self_);
  own("released");
  letGone(self_, {object_});
  endForced();
}

std::vector<std::string> LockModel::table(const std::string& object) const {
  const Object& asked = objects_[static_cast<std::size_t>(objectIndex_.at(object))];
  std::vector<std::string> lines;
  const auto word = [](std::optional<Type> type) {
    return std::string(type ? kTypeWords[*type] : "get");
  };
  for (const Hold& hold : asked.holds) {
    lines.push_back(processes_[hold.process].name + " " + kTypeWords[hold.type] + " " +
                    word(hold.session) + " below " + word(hold.below) + " " +
                    word(hold.belowSession) + " level " + std::to_string(hold.level));
  }
  for (const Waiter& waiter : asked.waiters)
    lines.push_back(processes_[waiter.process].name + " waits for " + kTypeWords[waiter.type]);
  return lines;
}

std::vector<std::pair<std::string, std::string>> LockModel::heldBesideWaits() const {
  std::vector<std::pair<std::string, std::string>> held;
  for (const Object& object : objects_) {
    const int number = objectIndex_.at(object.name);
    for (const Hold& hold : object.holds) {
      const Process& process = processes_[hold.process];
      const bool waitsInCommit = process.pending && process.pending->object < 0;
      if (!waitsInCommit || process.pending->isAbout(number)) continue;
      if (contains(process.changed, number)) held.emplace_back(process.name, object.name);
    }
  }
  return held;
}

}  // namespace nephrite

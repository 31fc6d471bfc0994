#include "tests/simulation/lock_model.h"

#include <algorithm>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace nephrite {

// ---- The lines -----------------------------------------------------------------------------

void LockModel::run(const ScheduleLine& line) {
  line_ = line.number;
  if (const auto* process = std::get_if<ProcessLine>(&line.content)) addProcess(*process, line_);
  if (const auto* object = std::get_if<ObjectLine>(&line.content)) addObject(*object, line_);
  if (const auto* setting = std::get_if<SettingLine>(&line.content)) set(*setting);
  if (const auto* by = std::get_if<AdvanceLine>(&line.content)) advance(by->milliseconds);
  if (const auto* what = std::get_if<StepLine>(&line.content)) step(*what);
  deliver();
  checkThatNothingIsLeftToGrant();
}

void LockModel::addProcess(const ProcessLine& line, int number) {
  if (processIndex_.count(line.name)) throw ScheduleError(number, "process given twice");
  Process process;
  process.name = line.name;
  process.background = line.background;
  process.priority = line.priority;
  if (line.timeout) process.defaultTimeout = *line.timeout;
  process.updateLocks = line.updateLocks;
  processIndex_[line.name] = static_cast<int>(processes_.size());
  processes_.push_back(process);
}

void LockModel::addObject(const ObjectLine& line, int number) {
  if (objectIndex_.count(line.name)) throw ScheduleError(number, "object given twice");
  Object object;
  object.name = line.name;
  objectIndex_[line.name] = static_cast<int>(objects_.size());
  objects_.push_back(object);
}

void LockModel::set(const SettingLine& line) {
  switch (line.key) {
    case ScheduleSetting::ServerTimeout: serverTimeout_ = line.value; break;
    case ScheduleSetting::BackgroundProcessServerTimeout: backgroundTimeout_ = line.value; break;
    case ScheduleSetting::DoubleDeadlockException: doubleDeadlock_ = line.value != 0; break;
  }
}

// Due waits end one at a time, each at its own time, so that the one may still be granted what
// the other's end set free. Of several due at one time, the one that began first.
void LockModel::advance(std::int64_t milliseconds, bool late) {
  const std::int64_t until = now_ + milliseconds;
  while (true) {
    int next = -1;
    for (int p = 0; p < static_cast<int>(processes_.size()); ++p) {
      const auto& pending = processes_[p].pending;
      if (!pending || pending->due > until) continue;
      if (next >= 0) {
        const Pending& best = *processes_[next].pending;
        if (pending->due > best.due) continue;
        if (pending->due == best.due && pending->began > best.began) continue;
      }
      next = p;
    }
    if (next < 0) break;
    now_ = late ? until : processes_[next].pending->due;
    endWait(next, "timeout", 1027, false);
    deliver();
  }
  now_ = until;
}

void LockModel::step(const StepLine& line) {
  const auto found = processIndex_.find(line.process);
  if (found == processIndex_.end()) throw ScheduleError(line_, "unknown process " + line.process);
  self_ = found->second;
  Process& me = processes_[self_];
  if (me.signedOff) throw ScheduleError(line_, line.process + " has signed off");
  if (me.pending) throw ScheduleError(line_, line.process + " waits");
  verb_ = line.verb;
  object_ = line.object.empty() ? -1 : objectNamed(line.object, line_);
  ownEventAt_ = told_.size();

  const Type type = static_cast<Type>(line.type);
  const bool session = line.duration == ScheduleDuration::Session;
  switch (line.verb) {
    case ScheduleVerb::SharedLock: return askFor(S, false, -2);
    case ScheduleVerb::ReserveLock: return askFor(R, false, -2);
    case ScheduleVerb::UpdateLock: return askFor(U, false, -2);
    case ScheduleVerb::ExclusiveLock: return askFor(X, false, -2);
    case ScheduleVerb::Lock: return askFor(type, session, line.timeout);
    case ScheduleVerb::TryLock: return askFor(type, session, line.timeout);
    case ScheduleVerb::Unlock: return unlock();
    case ScheduleVerb::Update: return update();
    case ScheduleVerb::Read: return read();
    case ScheduleVerb::Begin: return begin();
    case ScheduleVerb::Commit: return commit();
    case ScheduleVerb::Abort: return abort();
    case ScheduleVerb::BeginLoad: me.levels += 'L'; return own("begun");
    case ScheduleVerb::BeginLock: me.levels += 'K'; return own("begun");
    case ScheduleVerb::EndLoad: return endLevel('L');
    case ScheduleVerb::EndLock: return endLevel('K');
    case ScheduleVerb::SetDefaultLockTimeout: me.defaultTimeout = line.timeout; return own("set");
    case ScheduleVerb::SignOff: return signOff();
    case ScheduleVerb::Locks: return list();
  }
}

// ---- The steps -----------------------------------------------------------------------------

// Section 2. Also the implicit locks of update and read, for which succeed() ends the step.
void LockModel::askFor(Type type, bool session, std::int64_t timeout) {
  if (type == U && !processes_[self_].inTransaction) return own("error", 1026);
  Pending pending;
  pending.line = line_;
  pending.verb = verb_;
  pending.object = object_;
  pending.type = type;
  pending.session = session;
  pending.timeout = timeout;
  ask(pending, self_, true);
}

void LockModel::ask(Pending pending, int process, bool isOwn) {
  const int object = pending.object;
  Waiter waiter;
  waiter.process = process;
  waiter.type = pending.type;
  waiter.session = pending.session;

  const auto isMissing = [&] { return objects_[object].being != Being::There && !pending.isNew; };
  if (isMissing()) return tell(eventOf(pending, process, "error", 1072), isOwn);
  Hold* hold = holdOf(process, object);
  if (hold && grantedByHold(*hold, pending, process, isOwn)) return;
  if (hold && hold->type == S && waiter.type == U && !hold->session) {
    // 2.2: S/tr -> U lets go of the S first.
    pending.editionWhenShareWasReleased = objects_[object].edition;
    auto& holds = objects_[object].holds;
    holds.erase(holds.begin() + (hold - holds.data()));
    serve(object);
    deliver();
    if (isMissing()) return tell(eventOf(pending, process, "error", 1072), isOwn);
  } else if (hold) {
    waiter.upgrade = true;
  }

  if (canGrant(object, waiter)) {
    take(object, waiter);
    return succeed(pending, process, isOwn);
  }
  const auto due = dueTime(processes_[process], pending.timeout);
  if (!due) return tell(eventOf(pending, process, "refused", 1027), isOwn);
  pending.due = *due;
  enqueue(object, waiter);
  startWaiting(pending, process, isOwn);
  if (!pending.locks) return;
  // Of several locks: should this one be granted already, the next is asked for when all else that
  // came of it has been told. A refusal is told in its turn.
  const auto mine = std::find_if(decided_.begin(), decided_.end(),
                                 [&](const Decision& each) { return each.granted == process; });
  if (mine == decided_.end()) return deliver();
  const Decision decision = *mine;
  decided_.erase(mine);
  deliver();
  decided_ = {decision};
  deliver();
}

// The columns "equal" and "weaker" of the table of section 2.1. False for "stronger".
bool LockModel::grantedByHold(Hold& hold, const Pending& pending, int process, bool isOwn) {
  const Type type = pending.type;
  if (type > hold.type) return false;
  const bool inState = processes_[process].inTransaction || !processes_[process].levels.empty();
  bool lower = false;
  if (type < hold.type) {
    if (pending.session) lower = !inState;
    if (!pending.session) lower = !inState && !hold.session;
  }
  if (pending.session) hold.session = type;
  if (lower) hold.type = type;

  if (lower) serve(pending.object);
  deliver();
  succeed(pending, process, isOwn);
  return true;
}

void LockModel::update() {
  Process& me = processes_[self_];
  if (!me.inTransaction) return own("error", 1026);
  const Hold* hold = holdOf(self_, object_);
  if (hold && hold->type >= U) {
    if (!contains(me.changed, object_)) me.changed.push_back(object_);
    return own("updated");
  }
  askFor(me.updateLocks ? U : X, false, -2);
}

void LockModel::read() {
  const bool inLockState = processes_[self_].levels.find('K') != std::string::npos;
  if (!inLockState || holdOf(self_, object_)) return own("read", 0, editionOf(object_));
  askFor(S, false, -2);
}

void LockModel::unlock() {
  const Process& me = processes_[self_];
  Hold* hold = holdOf(self_, object_);
  if (me.inTransaction || !me.levels.empty() || !hold) return own("ignored");
  auto& holds = objects_[object_].holds;
  holds.erase(holds.begin() + (hold - holds.data()));
  own("released");
  serve(object_);
}

void LockModel::list() {
  const Object& object = objects_[object_];
  std::map<std::string, const Hold*> byName;
  for (const Hold& hold : object.holds) byName[processes_[hold.process].name] = &hold;
  std::string held;
  for (const auto& [name, hold] : byName) {
    if (!held.empty()) held += ",";
    held += "{\"process\":\"" + name + "\",\"type\":\"" + kTypeWords[hold->type] +
            "\",\"duration\":\"" + (hold->session ? "session" : "transaction") + "\"}";
  }
  std::string queued;
  for (const Waiter& waiter : object.waiters) {
    if (!queued.empty()) queued += ",";
    queued += "{\"process\":\"" + processes_[waiter.process].name + "\",\"type\":\"" +
              kTypeWords[waiter.type] + "\"}";
  }
  own("listed", 0, ",\"held\":[" + held + "],\"queued\":[" + queued + "]");
}

void LockModel::begin() {
  Process& me = processes_[self_];
  if (me.inTransaction) return own("error", 64001);
  me.inTransaction = true;
  own("begun");
}

// Section 4: all upgrades at once, each granted as soon as it can be.
void LockModel::commit() {
  Process& me = processes_[self_];
  if (!me.inTransaction) return own("error", 1026);

  Pending pending;
  pending.line = line_;
  pending.verb = verb_;
  bool mustWait = false;
  Waiter waiter;
  waiter.process = self_;
  waiter.type = X;
  waiter.upgrade = true;
  for (const int object : objectsInOrderOfAcquisition(self_)) {
    if (!contains(me.changed, object) || holdOf(self_, object)->type != U) continue;
    pending.upgrades.push_back(object);
    if (!canGrant(object, waiter)) mustWait = true;
  }
  if (!mustWait) return succeed(pending, self_, true);
  const auto due = dueTime(me, -2);
  if (!due) return own("refused", 1027);
  pending.due = *due;
  for (const int object : pending.upgrades) {
    if (canGrant(object, waiter)) {
      take(object, waiter);
    } else {
      enqueue(object, waiter);
    }
  }
  startWaiting(pending, self_, true);
}

void LockModel::abort() {
  const std::vector<int> freed = endTransaction(self_);
  own("aborted");
  serveAll(freed);
}

void LockModel::endLevel(char kind) {
  Process& me = processes_[self_];
  if (me.levels.empty() || me.levels.back() != kind) return own("error", 64002);
  const std::size_t level = me.levels.size();
  me.levels.pop_back();
  own("ended");
  if (me.inTransaction) return;

  std::vector<int> freed;
  for (const int object : objectsInOrderOfAcquisition(self_)) {
    Hold* hold = holdOf(self_, object);
    if (hold->session) {
      if (!me.levels.empty() || hold->type == *hold->session) continue;
      hold->type = *hold->session;
    } else {
      if (hold->level < level) continue;
      auto& holds = objects_[object].holds;
      holds.erase(holds.begin() + (hold - holds.data()));
    }
    freed.push_back(object);
  }
  serveAll(freed);
}

void LockModel::signOff() {
  const std::vector<int> freed = objectsInOrderOfAcquisition(self_);
  for (const int object : freed) {
    auto& holds = objects_[object].holds;
    holds.erase(holds.begin() + (holdOf(self_, object) - holds.data()));
  }
  processes_[self_].signedOff = true;
  own("ended");
  serveAll(freed);
}

// ---- Granting and letting go ---------------------------------------------------------------

bool LockModel::canGrant(int object, const Waiter& waiter) const {
  for (const Hold& hold : objects_[object].holds) {
    if (hold.process != waiter.process && !compatible(hold.type, waiter.type)) return false;
  }
  for (const Waiter& ahead : objects_[object].waiters) {
    if (ahead.process == waiter.process) break;
    if (!waiter.upgrade || ahead.upgrade) return false;
  }
  return true;
}

void LockModel::take(int object, const Waiter& waiter) {
  Hold* hold = holdOf(waiter.process, object);
  if (!hold) {
    Hold fresh;
    fresh.process = waiter.process;
    fresh.level = processes_[waiter.process].levels.size();
    fresh.acquired = ++sequence_;
    objects_[object].holds.push_back(fresh);
    hold = &objects_[object].holds.back();
  }
  hold->type = waiter.type;
  if (waiter.session) hold->session = waiter.type;
}

void LockModel::serve(int object) {
  auto& waiters = objects_[object].waiters;
  while (!waiters.empty() && objects_[object].being == Being::Gone)
    endWait(waiters.front().process, "error", 1072, false);
  while (!waiters.empty() && canGrant(object, waiters.front())) {
    const Waiter head = waiters.front();
    waiters.erase(waiters.begin());
    take(object, head);
    granted(head.process);
  }
}

void LockModel::serveAll(const std::vector<int>& objects) {
  for (const int object : objects) serve(object);
}

// A waiting request of `process` was granted: its step will end, unless it is a commit with more.
void LockModel::granted(int process) {
  const Pending pending = *processes_[process].pending;
  for (const int object : pending.upgrades) {
    if (holdOf(process, object)->type != X) return;
  }
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
    for (const int object : who.changed) ++objects_[object].edition;
    for (const int object : who.created) objects_[object].being = Being::There;
    for (const int object : who.deleted) objects_[object].being = Being::Gone;
    freed = endTransaction(process);
  } else if (pending.verb == ScheduleVerb::Update) {
    outcome = "updated";
    processes_[process].changed.push_back(pending.object);
  } else if (pending.verb == ScheduleVerb::Read) {
    outcome = "read";
    more = editionOf(pending.object);
  }
  tell(eventOf(pending, process, outcome, code, more), isOwn);
  serveAll(freed);
  deliver();
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
      if (hold->type == *hold->session) continue;
      hold->type = *hold->session;
    } else {
      auto& holds = objects_[object].holds;
      holds.erase(holds.begin() + (hold - holds.data()));
    }
    freed.push_back(object);
  }
  who.inTransaction = false;
  who.levels.clear();
  who.changed.clear();
  who.created.clear();
  who.deleted.clear();
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

// The model's own mistakes: a queue whose head could have been granted, incompatible holders.
void LockModel::checkThatNothingIsLeftToGrant() const {
  for (int o = 0; o < static_cast<int>(objects_.size()); ++o) {
    const Object& object = objects_[o];
    if (!object.waiters.empty() && canGrant(o, object.waiters.front())) {
      throw std::logic_error("the model forgot a waiter of " + object.name);
    }
    for (const Hold& one : object.holds) {
      for (const Hold& other : object.holds) {
        if (one.process != other.process && !compatible(one.type, other.type)) {
          throw std::logic_error("the model let two in on " + object.name);
        }
      }
    }
  }
  for (int p = 0; p < static_cast<int>(processes_.size()); ++p) {
    if (processes_[p].pending && reaches(p, p)) throw std::logic_error("the model left a deadlock");
  }
}

// ---- Names and events ----------------------------------------------------------------------

const LockModel::Process& LockModel::processNamed(const std::string& name) const {
  return processes_.at(processIndex_.at(name));
}

int LockModel::objectNamed(const std::string& name, int line) const {
  const auto found = objectIndex_.find(name);
  if (found == objectIndex_.end()) throw ScheduleError(line, "unknown object " + name);
  return found->second;
}

LockModel::Hold* LockModel::holdOf(int process, int object) {
  for (Hold& hold : objects_[object].holds) {
    if (hold.process == process) return &hold;
  }
  return nullptr;
}

// S beside S, R and U; nothing else (section 1).
bool LockModel::compatible(Type one, Type other) {
  if (one == S) return other == S || other == R || other == U;
  if (other == S) return one == R || one == U;
  return false;
}

LockModel::Event LockModel::eventOf(const Pending& pending, int process, const std::string& outcome,
                                    int code, const std::string& more) const {
  Event event{pending.line, now_, processes_[process].name, pending.verb};
  if (pending.object >= 0) event.object = objects_[pending.object].name;
  event.outcome = outcome;
  event.code = code;
  event.more = more;
  event.locks = pending.locks;
  return event;
}

std::vector<std::string> LockModel::events() const {
  std::vector<std::string> texts;
  for (const Event& event : told_) {
    std::string text = "{\"line\":" + std::to_string(event.line);
    text += ",\"time\":" + std::to_string(event.time);
    text += ",\"process\":\"" + event.process + "\"";
    text += ",\"verb\":\"" + std::string(scheduleWord(event.verb)) + "\"";
    if (!event.object.empty()) text += ",\"object\":\"" + event.object + "\"";
    text += ",\"outcome\":\"" + event.outcome + "\"";
    if (event.code != 0) text += ",\"code\":" + std::to_string(event.code);
    texts.push_back(text + event.more + "}");
  }
  return texts;
}

// The first event of the step being run stands before whatever the step has caused already.
void LockModel::tell(const Event& event, bool isOwn) {
  const auto at = isOwn ? told_.begin() + static_cast<std::ptrdiff_t>(ownEventAt_) : told_.end();
  told_.insert(at, event);
}

void LockModel::own(const std::string& outcome, int code, const std::string& more) {
  Pending step;
  step.line = line_;
  step.verb = verb_;
  step.object = object_;
  tell(eventOf(step, self_, outcome, code, more), true);
}

std::string LockModel::editionOf(int object) const {
  return ",\"edition\":" + std::to_string(objects_[object].edition);
}

}  // namespace nephrite

#include "tests/simulation/lock_model.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace nephrite {

using model::contains;
using model::kTypeWords;

// ---- The lines -----------------------------------------------------------------------------

void LockModel::run(const ScheduleLine& line) {
  line_ = line.number;
  if (const auto* process = std::get_if<ProcessLine>(&line.content)) addProcess(*process);
  if (const auto* object = std::get_if<ObjectLine>(&line.content))
    addObject(*object, /*isResource=*/false);
  if (const auto* resource = std::get_if<ResourceLine>(&line.content)) {
    addObject({resource->name}, /*isResource=*/true);
  }
  if (const auto* setting = std::get_if<SettingLine>(&line.content)) set(*setting);
  if (const auto* by = std::get_if<AdvanceLine>(&line.content)) advance(by->milliseconds);
  if (const auto* what = std::get_if<StepLine>(&line.content)) step(*what);
  deliver();
  checkThatNothingIsLeftToGrant();
}

void LockModel::set(const SettingLine& line) {
  switch (line.key) {
    case ScheduleSetting::ServerTimeout: serverTimeout_ = line.value; break;
    case ScheduleSetting::BackgroundProcessServerTimeout: backgroundTimeout_ = line.value; break;
    case ScheduleSetting::DoubleDeadlockException: doubleDeadlock_ = line.value != 0; break;
    case ScheduleSetting::DeadlockVictim: victim_ = static_cast<ScheduleVictim>(line.value); break;
    case ScheduleSetting::DeadlockSeed: engine_.seed(static_cast<std::uint64_t>(line.value)); break;
    case ScheduleSetting::MaxLockers: setLimit(maxLockers_, line.value); break;
    case ScheduleSetting::MaxLocks: setLimit(maxLocks_, line.value); break;
    case ScheduleSetting::MaxLockedObjects: setLimit(maxLockedObjects_, line.value); break;
  }
}

void LockModel::setLimit(int& limit, int value) {
  if (anySignOn_) throw ScheduleError(line_, "a limit is set before the first process");
  limit = value;
}

// Leases and waits that are due end one at a time, each at its own time, so that a wait may still
// be granted what the end of another set free. At one time the leases come first.
void LockModel::advance(std::int64_t time, bool late) {
  const std::int64_t until = now_ + time;
  while (true) {
    const auto lease = nextLapse(until);
    const int wait = nextTimeout(until);
    if (!lease && wait < 0) break;
    const std::int64_t waitDue = wait < 0 ? until : processes_[wait].pending->due;
    const std::int64_t leaseDue = lease ? holdOf(lease->first, lease->second)->lease->due : until;
    const bool lapses = lease && (wait < 0 || leaseDue <= waitDue);
    now_ = late ? until : lapses ? leaseDue : waitDue;
    if (lapses) {
      lapse(lease->first, lease->second);
    } else {
      endWait(wait, "timeout", 1027, false);
    }
    deliver();
  }
  now_ = until;
}

// Of several due at one time, the one that began first. -1: none.
int LockModel::nextTimeout(std::int64_t until) const {
  int next = -1;
  for (int p = 0; p < static_cast<int>(processes_.size()); ++p) {
    const auto& pending = processes_[p].pending;
    if (!pending || pending->due > until) continue;
    if (next >= 0) {
      const Pending& best = *processes_[next].pending;
      if (std::tie(best.due, best.began) < std::tie(pending->due, pending->began)) continue;
    }
    next = p;
  }
  return next;
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
  if (object_ >= 0 && objects_[object_].isResource) {
    constexpr std::array kTouches{ScheduleVerb::Update, ScheduleVerb::Read, ScheduleVerb::Write,
                                  ScheduleVerb::GatedRead};
    const bool touches = std::find(kTouches.begin(), kTouches.end(), line.verb) != kTouches.end();
    if (touches || line.subtree) throw ScheduleError(line_, line.object + " is a resource");
  }
  ownEventAt_ = told_.size();

  const Type type = static_cast<Type>(line.type);
  const bool session = line.duration == ScheduleDuration::Session;
  switch (line.verb) {
    case ScheduleVerb::SharedLock: return askFor(S, false, -2, line.lease, line.subtree);
    case ScheduleVerb::ReserveLock: return askFor(R, false, -2, line.lease, line.subtree);
    case ScheduleVerb::UpdateLock: return askFor(U, false, -2, line.lease, line.subtree);
    case ScheduleVerb::ExclusiveLock: return askFor(X, false, -2, line.lease, line.subtree);
    case ScheduleVerb::Lock:
    case ScheduleVerb::TryLock:
      return askFor(type, session, line.timeout, line.lease, line.subtree);
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
    case ScheduleVerb::Write: return write();
    case ScheduleVerb::GatedRead: return gatedRead();
    case ScheduleVerb::Renew: return renew();
    case ScheduleVerb::SignOff: return signOff(line.inherit);
    case ScheduleVerb::Locks: return list();
  }
}

// ---- The steps -----------------------------------------------------------------------------

// Section 2. Also the implicit locks of update and read, for which succeed() ends the step.
void LockModel::askFor(Type type, bool session, std::int64_t timeout,
                       std::optional<std::int64_t> lease, bool subtree) {
  if (type == U && !processes_[self_].inTransaction) return own("error", 1026);
  Pending pending;
  pending.line = line_;
  pending.verb = verb_;
  pending.object = object_;
  pending.type = type;
  pending.session = session;
  pending.subtree = subtree;
  pending.timeout = timeout;
  pending.lease = lease;
  ask(pending, self_, true);
}

LockModel::Waiter LockModel::waiterOf(const Pending& pending, int process) const {
  Waiter waiter;
  waiter.process = process;
  waiter.target = pending.object;
  waiter.type = pending.type;
  waiter.session = pending.session;
  waiter.subtree = pending.subtree;
  waiter.mayLower = !processes_[process].inTransaction && processes_[process].levels.empty();
  waiter.lease = pending.lease;
  waiter.line = pending.line;
  return waiter;
}

void LockModel::ask(Pending pending, int process, bool isOwn) {
  const int object = pending.object;
  Waiter waiter = waiterOf(pending, process);

  const auto isMissing = [&] { return objects_[object].being != Being::There && !pending.isNew; };
  if (isMissing()) return tell(eventOf(pending, process, "error", 1072), isOwn);
  Hold* hold = holdOf(process, object);
  if (hold && grantedByHold(*hold, pending, process, isOwn)) return;
  if (hold && hold->type == S && waiter.type == U && !hold->session) {
    // 2.2: S/tr -> U lets go of the S first. Its lease is kept for the U, and its scope.
    pending.editionWhenShareWasReleased = objects_[object].edition;
    waiter.subtree = waiter.subtree || hold->below;
    waiter.former = model::Former{false, hold->lease};
    drop(object, process);
    letGone(process, {object});
    deliver();
    if (isMissing()) return tell(eventOf(pending, process, "error", 1072), isOwn);
  }

  const bool isFree = meetsNothing(waiter);
  const auto due = dueTime(processes_[process], pending.timeout);
  if (!isFree && !due) return tell(eventOf(pending, process, "refused", 1027), isOwn);
  // The lock that S/tr -> U has let go of counted as much as the one asked for.
  const int limit = waiter.former ? 0 : limitPassed(process, object);
  if (limit != 0) return tell(eventOf(pending, process, "error", limit), isOwn);
  if (goOn(waiter)) {
    const std::vector<int> places = std::exchange(toServe_, {});
    if (pending.verb == ScheduleVerb::Write) {
      // Whom the momentary lock lets pass passes while it is there, and is told after the write.
      servePlaces(places);
      const std::vector<Decision> passed = std::exchange(decided_, {});
      succeed(pending, process, isOwn);
      decided_ = passed;
      return deliver();
    }
    // Of several locks, the next is asked for when all that came of this one has been told.
    if (!pending.locks) succeed(pending, process, isOwn);
    servePlaces(places);
    deliver();
    if (pending.locks) succeed(pending, process, isOwn);
    return;
  }
  pending.due = *due;
  const std::vector<int> places = std::exchange(toServe_, {});
  startWaiting(pending, process, isOwn);
  servePlaces(places);
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

// The columns "equal" and "weaker" of the table of section 2.1, of the object and of what is below
// it. False for "stronger".
bool LockModel::grantedByHold(Hold& hold, const Pending& pending, int process, bool isOwn) {
  const Waiter waiter = waiterOf(pending, process);
  if (waiter.type > hold.type) return false;
  if (waiter.subtree && (!hold.below || waiter.type > *hold.below)) return false;
  const Hold old = hold;
  setLease(hold, model::Former{hold.session.has_value(), hold.lease}, waiter);
  setTypes(hold, waiter);
  hold.edition = objects_[pending.object].edition;
  renewAbove(waiter);

  if (hold.type != old.type || hold.below != old.below) serveAll({pending.object});
  deliver();
  succeed(pending, process, isOwn);
  return true;
}

void LockModel::update() {
  Process& me = processes_[self_];
  if (!me.inTransaction) return own("error", 1026);
  Hold* hold = holdOf(self_, object_);
  // Only the first change of a transaction asks for a lock, even if that has lapsed.
  if (contains(me.changed, object_)) {
    if (hold) renew(*hold, line_);
    return own("updated");
  }
  if (relativeChanged(self_, object_)) return own("error", 64022);
  if (hold && hold->type >= U) {
    const int code = endOfUpdate(self_, object_);
    if (code != 0) return own("error", code);
    renew(*hold, line_);
    return own("updated");
  }
  askFor(me.updateLocks ? U : X, false, -2);
}

void LockModel::read() {
  const bool inLockState = processes_[self_].levels.find('K') != std::string::npos;
  if (!inLockState || holdOf(self_, object_)) return own("read", 0, editionOf(self_, object_));
  askFor(S, false, -2);
}

// A step of its own, so nobody ever meets the momentary lock.
void LockModel::write() {
  const Process& me = processes_[self_];
  if (me.inTransaction) return own("error", 64001);
  if (!me.levels.empty()) return own("error", 64002);
  if (relativeChanged(self_, object_)) return own("error", 64022);
  askFor(X, false, -1);
}

void LockModel::gatedRead() {
  if (objects_[object_].being != Being::There) return own("error", 1072);
  Waiter waiter;
  waiter.process = self_;
  waiter.target = object_;
  waiter.type = S;
  for (const int place : wayTo(object_)) {
    if (!holdersInTheWay(place, waiter).empty()) return own("refused", 1027);
  }
  own("read", 0, ",\"edition\":" + std::to_string(objects_[object_].edition));
}

void LockModel::unlock() {
  const Process& me = processes_[self_];
  const Hold* hold = holdOf(self_, object_);
  if (me.inTransaction || !me.levels.empty() || !hold) return own("ignored");
  drop(object_, self_);
  own("released");
  letGone(self_, {object_});
}

void LockModel::renew() {
  Hold* hold = holdOf(self_, object_);
  if (!hold || !hold->lease) return own("ignored");
  renew(*hold, line_);
  own("renewed");
}

void LockModel::list() {
  const Object& object = objects_[object_];
  std::map<std::string, const Hold*> byName;
  for (const Hold& hold : object.holds) byName[processes_[hold.process].name] = &hold;
  std::string held;
  for (const auto& [name, hold] : byName) {
    if (!held.empty()) held += ",";
    held += "{\"process\":\"" + name + "\",\"type\":\"" + kTypeWords[hold->type] +
            "\",\"duration\":\"" + (hold->session ? "session" : "transaction") + "\"";
    if (hold->below) held += ",\"scope\":\"subtree\"";
    if (hold->lease) held += ",\"lease\":" + std::to_string(hold->lease->due - now_);
    held += "}";
  }
  std::string queued;
  for (const Waiter& waiter : object.waiters) {
    if (!queued.empty()) queued += ",";
    queued += "{\"process\":\"" + processes_[waiter.process].name + "\",\"type\":\"" +
              (waiter.target == object_ ? kTypeWords[waiter.type] : "mark") + "\"}";
  }
  own("listed", 0, ",\"held\":[" + held + "],\"queued\":[" + queued + "]");
}

void LockModel::begin() {
  Process& me = processes_[self_];
  if (me.inTransaction) return own("error", 64001);
  me.inTransaction = true;
  me.begun = ++sequence_;
  own("begun");
}

// Section 4: all upgrades at once, each granted as soon as it can be.
void LockModel::commit() {
  Process& me = processes_[self_];
  if (!me.inTransaction) return own("error", 1026);
  if (!me.lapsed.empty()) return own("error", 64021);

  Pending pending;
  pending.line = line_;
  pending.verb = verb_;
  bool mustWait = false;
  Waiter waiter;
  waiter.process = self_;
  waiter.type = X;
  waiter.commit = true;
  for (const int object : objectsInOrderOfAcquisition(self_)) {
    if (!contains(me.changed, object) || holdOf(self_, object)->type != U) continue;
    pending.upgrades.push_back(object);
    waiter.target = object;
    if (!meetsNothing(waiter)) mustWait = true;
  }
  if (!mustWait) {
    // Exclusive until it ends: what returns to Update then has changed.
    for (const int object : pending.upgrades) {
      if (holdsAllChanged(self_)) holdOf(self_, object)->type = X;
    }
    return succeed(pending, self_, true);
  }
  const auto due = dueTime(me, -2);
  if (!due) return own("refused", 1027);
  pending.due = *due;
  for (const int object : pending.upgrades) {
    waiter.target = object;
    goOn(waiter);
  }
  const std::vector<int> places = std::exchange(toServe_, {});
  startWaiting(pending, self_, true);
  servePlaces(places);
}

void LockModel::abort() {
  const std::vector<int> freed = endTransaction(self_);
  own("aborted");
  letGone(self_, freed);
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
      if (!me.levels.empty() || !returns(*hold)) continue;
    } else {
      if (hold->level < level) continue;
      drop(object, self_);
    }
    freed.push_back(object);
  }
  letGone(self_, freed);
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

const LockModel::Hold* LockModel::holdOf(int process, int object) const {
  for (const Hold& hold : objects_[object].holds) {
    if (hold.process == process) return &hold;
  }
  return nullptr;
}

LockModel::Hold* LockModel::holdOf(int process, int object) {
  for (Hold& hold : objects_[object].holds) {
    if (hold.process == process) return &hold;
  }
  return nullptr;
}

void LockModel::drop(int object, int process) {
  auto& holds = objects_[object].holds;
  const auto isOfIt = [&](const Hold& hold) { return hold.process == process; };
  holds.erase(std::remove_if(holds.begin(), holds.end(), isOfIt), holds.end());
  refreshMarks();
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
    text += ",\"verb\":\"" +
            (event.word.empty() ? std::string(scheduleWord(event.verb)) : event.word) + "\"";
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

std::string LockModel::editionOf(int process, int object) const {
  const auto& own = processes_[process].changedAt;
  const auto change = own.find(object);
  const std::int64_t edition = change == own.end() ? objects_[object].edition : change->second;
  return ",\"edition\":" + std::to_string(edition);
}

}  // namespace nephrite

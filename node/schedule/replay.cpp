#include "node/schedule/replay.h"

#include <algorithm>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <span>
#include <vector>

#include "base/check.h"
#include "node/schedule/replay_events.h"
#include "node/schedule/replay_objects.h"
#include "node/schedule/schedule.h"
#include "objects/object_store.h"
#include "runtime/database/local_database.h"
#include "runtime/process/process_machine.h"

namespace nephrite {
namespace {

bool touchesContent(ScheduleVerb verb) {
  return verb == ScheduleVerb::Update || verb == ScheduleVerb::Read ||
         verb == ScheduleVerb::Write || verb == ScheduleVerb::GatedRead;
}

void writeNumber(ObjectRecord& record, std::int64_t number) {
  if (record.values.empty()) record.values.resize(1);
  record.values[0] = number;
}

// One store serves all schedules of a program: each has its own objects in it.
const std::shared_ptr<ObjectStore>& storeInMemory() {
  static const std::shared_ptr<ObjectStore> store = [] {
    ObjectStore::Options options;
    options.inMemory = true;
    return std::shared_ptr<ObjectStore>(ObjectStore::open(options));
  }();
  return store;
}

// The calls that Object makes: at once if that can be, else as Database says.
bool unlocked(ProcessMachine& machine, Oid oid) {
  const bool held = machine.mayHold(std::span(&oid, 1)).front();
  return machine.unlockAtOnce(oid) ? held : machine.unlock(oid);
}

class LocalWorld final : public ReplayWorld {
 public:
  ManualClock& clock() override { return clock_; }
  LocalDatabase& local() override { return database_; }
  Database& database() override { return database_; }
  void setTimeouts(std::chrono::milliseconds server,
                   std::chrono::milliseconds background) override {
    database_.setTimeouts(server, background);
  }
  void settle() override {}

 private:
  ManualClock clock_;
  LocalDatabase database_{
      storeInMemory(), clock_, {.locks = {.countsAge = true}, .threads = false}};
};

struct Player {
  explicit Player(Database& database, const ProcessInfo& info) : machine(database, info) {}
  ProcessMachine machine;
  bool waiting = false;
};

class Replay {
 public:
  Replay(std::ostream& events, ReplayWorld& world)
      : events_(events),
        world_(world),
        clock_(world.clock()),
        local_(world.local()),
        database_(world.database()),
        objects_(local_) {
    local_.whenAnyLapses([this](const LockAnswer& answer) { lapsed(answer); });
    database_.signOnNode({.name = "replay"},
                         [this](const NodeReply& reply) { node_ = reply.node.value(); });
    world_.settle();
  }

  // A process that still waits at the end of the schedule is let go without an event.
  ~Replay() {
    over_ = true;
    for (const auto& [name, player] : players_) player->machine.signOff();
    world_.settle();
    local_.whenAnyLapses(nullptr);
  }
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  void play(const ScheduleLine& line) {
    std::visit([&](const auto& content) { run(line.number, content); }, line.content);
  }

  /// Of the table of locks, in the state that it has after `line`.
  void checkInvariants(int line);

  /// Those since the last call, oldest first.
  void showDeadlocks(const DeadlockSeen& seen);

 private:
  // What every event of a step repeats.
  struct Step {
    int line;
    StepLine content;
  };

  void run(int line, const ProcessLine& wanted);
  void run(int line, const ObjectLine& wanted) { objects_.add(line, wanted); }
  void run(int line, const ResourceLine& wanted);
  void run(int line, const SettingLine& setting);
  void setLimit(int line, const SettingLine& setting);
  void run(int line, const AdvanceLine& advance);
  void run(int line, const StepLine& content);

  void start(const std::shared_ptr<Step>& step, Player& player);
  void startLock(const std::shared_ptr<Step>& step, Player& player);
  void startUpdate(const std::shared_ptr<Step>& step, Player& player);
  void startState(const Step& step, Player& player);
  void startSignOff(const Step& step, Player& player);
  void ended(const std::shared_ptr<Step>& step, const StepResult& result);
  void tell(const std::string& event);
  void lapsed(const LockAnswer& answer);
  const std::string& nameOf(LockTarget target) const {
    return objects_.nameOf(Oid::fromBits(target.value));
  }
  void immediate(const Step& step, std::string_view outcome, const std::string& more = "");
  void stateChanged(const Step& step, std::optional<ErrorCode> error, std::string_view outcome);
  std::string eventOf(const Step& step, std::string_view outcome, const std::string& more) const;
  std::string eventOf(const Step& step, std::string_view verb, std::string_view outcome,
                      const std::string& more) const;
  void noteRenewal(const Step& step, LockerId locker);
  void noteRenewalsAbove(const Step& step, LockerId locker, LockType granted);
  std::string resultOf(const Step& step, const StepResult& result) const;
  const std::string& nameOf(LockerId locker) const { return names_.at(locker.value); }

  std::ostream& events_;
  ReplayWorld& world_;
  ManualClock& clock_;
  LocalDatabase& local_;
  Database& database_;
  NodeInfo node_;
  std::chrono::milliseconds serverTimeout_{10'000};
  std::chrono::milliseconds backgroundTimeout_{30'000};
  std::map<std::string, std::unique_ptr<Player>> players_;
  std::map<std::uint64_t, std::string> names_;
  ReplayObjects objects_;
  // Of a process and an object: the line that made or last renewed the lease of the lock.
  std::map<std::pair<std::uint64_t, Oid>, int> leaseLines_;
  LockLimits limits_;
  bool hasSignedOn_ = false;  // A process, or tried to.

  std::uint64_t lastDeadlock_ = 0;
  int nextCheck_ = 0;  // The line after which to check again.
  bool over_ = false;

  // While a step runs: its own first event, and those that it has caused so far.
  const Step* running_ = nullptr;
  std::string first_;
  std::vector<std::string> caused_;
};

// A check looks at all locks. After each line while there are few; of more, so rarely that all
// checks together take no longer than a fixed time for each line.
void Replay::checkInvariants(int line) {
  constexpr std::uint64_t kFew = 100;
  if (line < nextCheck_) return;
  local_.checkInvariants();
  const LockStatistics now = local_.lockStatistics(Lifetime::Persistent);
  const std::uint64_t size = now.locksHeld + now.requestsWaiting + players_.size();
  nextCheck_ = line + static_cast<int>(std::min<std::uint64_t>(size / kFew, 1'000'000)) + 1;
}

void Replay::showDeadlocks(const DeadlockSeen& seen) {
  std::vector<DeadlockRecord> records = local_.deadlocks(Lifetime::Persistent, SIZE_MAX);
  std::reverse(records.begin(), records.end());
  const DeadlockNames names{[this](LockerId locker) { return nameOf(locker); },
                            [this](LockTarget target) { return nameOf(target); }};
  for (const DeadlockRecord& record : records) {
    if (record.number <= lastDeadlock_) continue;
    lastDeadlock_ = record.number;
    seen(record, names);
  }
}

void Replay::run(int line, const ProcessLine& wanted) {
  if (players_.contains(wanted.name)) {
    throw ScheduleError(line, "process '" + wanted.name + "' has signed on already");
  }
  ProcessSignOn who{node_.oid, wanted.name, "", wanted.background};
  if (!wanted.parent.empty()) {
    const auto parent = players_.find(wanted.parent);
    if (parent == players_.end()) {
      throw ScheduleError(line, "no process '" + wanted.parent +
                                    "' is signed on to be the parent; sign it on before");
    }
    who.parent = parent->second->machine.process().locker;
    parent->second->machine.joinFamily();
  }
  hasSignedOn_ = true;
  std::optional<RequestFailure> failure;
  database_.signOnProcess(who, [&](const ProcessReply& reply) {
    if (reply.failure && reply.failure->code == ErrorCode::TooManyLockers) {
      Step step{line, {}};
      step.content.process = wanted.name;
      events_ << eventOf(step, "process", "error",
                         ",\"code\":" + std::to_string(numberOf(reply.failure->code)))
              << '\n';
      return;
    }
    failure = reply.failure;
    if (failure) return;
    auto player = std::make_unique<Player>(database_, reply.process.value());
    names_[reply.process->locker.value] = wanted.name;
    if (wanted.timeout) {
      player->machine.setDefaultLockTimeout(LockTimeout::ofMilliseconds(*wanted.timeout));
    }
    player->machine.setDeadlockPriority(Lifetime::Persistent, wanted.priority);
    player->machine.useUpdateLocks(wanted.updateLocks);
    players_[wanted.name] = std::move(player);
  });
  world_.settle();
  if (failure) throw ScheduleError(line, failure->what);
}

void Replay::run(int line, const ResourceLine& wanted) {
  objects_.expectNew(line, wanted.name);
  std::optional<RequestFailure> failure;
  database_.resource(wanted.name, [&](const ResourceReply& reply) {
    failure = reply.failure;
    if (!failure) objects_.add(line, wanted.name, reply.resource);
  });
  world_.settle();
  if (failure) throw ScheduleError(line, failure->what);
}

void Replay::run(int line, const SettingLine& setting) {
  switch (setting.key) {
    case ScheduleSetting::ServerTimeout:
      serverTimeout_ = std::chrono::milliseconds(setting.value);
      break;
    case ScheduleSetting::BackgroundProcessServerTimeout:
      backgroundTimeout_ = std::chrono::milliseconds(setting.value);
      break;
    case ScheduleSetting::DoubleDeadlockException:
      local_.setDoubleDeadlock(setting.value != 0);
      return;
    case ScheduleSetting::DeadlockVictim:
      local_.setVictim(static_cast<DeadlockVictim>(setting.value));
      return;
    case ScheduleSetting::DeadlockSeed:
      local_.setVictimSeed(static_cast<std::uint64_t>(setting.value));
      return;
    case ScheduleSetting::MaxLockers:
    case ScheduleSetting::MaxLocks:
    case ScheduleSetting::MaxLockedObjects: return setLimit(line, setting);
  }
  world_.setTimeouts(serverTimeout_, backgroundTimeout_);
}

// Read at the start of a node; so here before the first process.
void Replay::setLimit(int line, const SettingLine& setting) {
  if (hasSignedOn_) {
    throw ScheduleError(line, "a limit is set before the first process line");
  }
  const auto most = static_cast<std::size_t>(setting.value);
  if (setting.key == ScheduleSetting::MaxLockers) limits_.maxLockers = most;
  if (setting.key == ScheduleSetting::MaxLocks) limits_.maxLocks = most;
  if (setting.key == ScheduleSetting::MaxLockedObjects) limits_.maxLockedObjects = most;
  local_.setLimits(limits_);
}

void Replay::run(int, const AdvanceLine& advance) {
  const Instant until = clock_.now() + std::chrono::milliseconds(advance.milliseconds);
  for (;;) {
    const auto due = local_.nextDeadline();
    if (!due || *due > until) break;
    clock_.moveTo(*due);
    local_.expireNext(*due);
    world_.settle();
  }
  clock_.moveTo(until);
  world_.settle();
}

void Replay::run(int line, const StepLine& content) {
  const auto player = players_.find(content.process);
  if (player == players_.end()) {
    throw ScheduleError(line, "no process '" + content.process +
                                  "' is signed on; sign it on with: process " + content.process);
  }
  if (player->second->waiting) {
    throw ScheduleError(line, "process '" + content.process +
                                  "' is waiting and can take no step until it is answered");
  }
  const auto step = std::make_shared<Step>(Step{line, content});
  if (hasObject(content.verb)) step->content.object = objects_.nameFor(line, content.object);

  const bool isResource = hasObject(content.verb) &&
                          objects_.oidOf(step->content.object).lifetime() == Lifetime::Resource;
  if (isResource && touchesContent(content.verb)) {
    throw ScheduleError(line, "'" + content.object +
                                  "' is a resource, which is locked and holds nothing to " +
                                  std::string(scheduleWord(content.verb)));
  }
  if (isResource && content.subtree) {
    throw ScheduleError(
        line, "'" + content.object + "' is a resource, which nothing is below; leave out: subtree");
  }

  running_ = step.get();
  first_.clear();
  caused_.clear();
  start(step, *player->second);
  world_.settle();
  running_ = nullptr;
  if (first_.empty()) {
    player->second->waiting = true;
    first_ = eventOf(*step, "queued", "");
  }
  events_ << first_ << '\n';
  for (const std::string& event : caused_) events_ << event << '\n';
  if (content.verb != ScheduleVerb::SignOff) return;
  std::set<LockerId> left;  // Its descendants have gone with it.
  for (const ProcessInfo& each : local_.processes()) left.insert(each.locker);
  std::erase_if(players_, [&](const auto& each) {
    return !left.contains(each.second->machine.process().locker);
  });
}

void Replay::start(const std::shared_ptr<Step>& step, Player& player) {
  const StepLine& content = step->content;
  const Oid oid = hasObject(content.verb) ? objects_.oidOf(content.object) : Oid();
  const StepDone done = [this, step](const StepResult& result) { ended(step, result); };
  switch (content.verb) {
    case ScheduleVerb::SharedLock:
    case ScheduleVerb::ReserveLock:
    case ScheduleVerb::UpdateLock:
    case ScheduleVerb::ExclusiveLock:
    case ScheduleVerb::Lock:
    case ScheduleVerb::TryLock: return startLock(step, player);
    case ScheduleVerb::Unlock:
      return immediate(*step, unlocked(player.machine, oid) ? "released" : "ignored");
    case ScheduleVerb::Update: return startUpdate(step, player);
    case ScheduleVerb::Read: return player.machine.read(oid, done);
    case ScheduleVerb::Write: {
      const auto number = static_cast<std::int64_t>(step->line);
      const auto edit = [number](ObjectRecord& record) { writeNumber(record, number); };
      return player.machine.write(oid, edit, done);
    }
    case ScheduleVerb::GatedRead: return player.machine.gatedRead(oid, done);
    case ScheduleVerb::Commit: return player.machine.commit(Lifetime::Persistent, done);
    case ScheduleVerb::Locks:
      return immediate(*step, "listed", listingOf(database_.locksOn(oid), [this](LockerId locker) {
        return nameOf(locker);
      }));
    case ScheduleVerb::Renew: {
      const bool renewed = player.machine.renew(oid);
      if (renewed) noteRenewal(*step, player.machine.process().locker);
      return immediate(*step, renewed ? "renewed" : "ignored");
    }
    case ScheduleVerb::SignOff: return startSignOff(*step, player);
    default: return startState(*step, player);
  }
}

void Replay::startLock(const std::shared_ptr<Step>& step, Player& player) {
  const StepLine& content = step->content;
  ProcessMachine::Wish wish;
  wish.target = objects_.oidOf(content.object);
  switch (content.verb) {
    case ScheduleVerb::SharedLock: wish.type = LockType::Share; break;
    case ScheduleVerb::ReserveLock: wish.type = LockType::Reserve; break;
    case ScheduleVerb::UpdateLock: wish.type = LockType::Update; break;
    case ScheduleVerb::ExclusiveLock: wish.type = LockType::Exclusive; break;
    default:
      wish.type = lockTypeOf(content.type);
      wish.timeout = LockTimeout::ofMilliseconds(content.timeout);
      if (content.duration == ScheduleDuration::Session) wish.duration = LockDuration::Session;
  }
  if (content.lease) wish.lease.length = std::chrono::milliseconds(*content.lease);
  if (content.subtree) wish.scope = LockScope::Subtree;
  if (!content.lease && !content.subtree &&
      player.machine.lockAtOnce(wish.target, wish.type, wish.duration, wish.timeout)) {
    return immediate(*step, "granted");
  }
  player.machine.lock(wish, [this, step](const StepResult& result) { ended(step, result); });
}

// Writes the number of the line: in odd lines as Object::set() does, in the others as a collection
// that is added to.
void Replay::startUpdate(const std::shared_ptr<Step>& step, Player& player) {
  const Oid oid = objects_.oidOf(step->content.object);
  const auto number = static_cast<std::int64_t>(step->line);
  ProcessMachine& machine = player.machine;
  if (step->line % 2 != 0) {
    if (Value* const value = machine.replaceAtOnce(oid, 0, 1)) {
      *value = number;
      noteRenewal(*step, machine.process().locker);
      return immediate(*step, "updated");
    }
  }
  const auto write = [number](ObjectRecord& record) { writeNumber(record, number); };
  if (ObjectRecord* const record = machine.changeAtOnce(oid)) {
    write(*record);
    noteRenewal(*step, machine.process().locker);
    return immediate(*step, "updated");
  }
  machine.change(oid, [this, step, &machine, oid, write](const StepResult& result) {
    if (ObjectRecord* const record = result.isDone() ? machine.changeable(oid) : nullptr) {
      write(*record);
    }
    ended(step, result);
  });
}

void Replay::startState(const Step& step, Player& player) {
  ProcessMachine& machine = player.machine;
  switch (step.content.verb) {
    case ScheduleVerb::Begin:
      return stateChanged(step, machine.begin(Lifetime::Persistent), "begun");
    case ScheduleVerb::Abort:
      machine.abort(Lifetime::Persistent);
      return immediate(step, "aborted");
    case ScheduleVerb::BeginLoad:
      machine.beginState(StateKind::Load);
      return immediate(step, "begun");
    case ScheduleVerb::BeginLock:
      machine.beginState(StateKind::Lock);
      return immediate(step, "begun");
    case ScheduleVerb::EndLoad:
      return stateChanged(step, machine.endState(StateKind::Load), "ended");
    case ScheduleVerb::EndLock:
      return stateChanged(step, machine.endState(StateKind::Lock), "ended");
    case ScheduleVerb::SetDefaultLockTimeout:
      machine.setDefaultLockTimeout(LockTimeout::ofMilliseconds(step.content.timeout));
      return immediate(step, "set");
    default: NEPHRITE_CHECK(false);
  }
}

void Replay::stateChanged(const Step& step, std::optional<ErrorCode> error,
                          std::string_view outcome) {
  if (!error) return immediate(step, outcome);
  immediate(step, "error", ",\"code\":" + std::to_string(numberOf(*error)));
}

void Replay::immediate(const Step& step, std::string_view outcome, const std::string& more) {
  first_ = eventOf(step, outcome, more);
}

// A step's answer: its first event when it never waited, else one more among those that the
// running step causes.
void Replay::ended(const std::shared_ptr<Step>& step, const StepResult& result) {
  if (over_) return;
  const bool isGranted =
      result.lock.outcome == LockOutcome::Granted && !result.lock.request.locker.isNull() &&
      step->content.verb != ScheduleVerb::Commit && step->content.verb != ScheduleVerb::GatedRead;
  const bool isUpdated = step->content.verb == ScheduleVerb::Update && result.isDone();
  if (const auto player = players_.find(step->content.process);
      player != players_.end() && (isGranted || isUpdated)) {
    const LockerId locker = player->second->machine.process().locker;
    noteRenewal(*step, locker);
    if (isGranted) noteRenewalsAbove(*step, locker, result.lock.request.type);
  }
  const std::string event = resultOf(*step, result);
  if (step.get() == running_ && !result.queued) {
    first_ = event;
    return;
  }
  if (step.get() == running_) {
    first_ = eventOf(*step, "queued", "");
  } else {
    players_.at(step->content.process)->waiting = false;
  }
  tell(event);
}

void Replay::tell(const std::string& event) {
  if (running_ != nullptr) {
    caused_.push_back(event);
  } else {
    events_ << event << '\n';
  }
}

void Replay::noteRenewal(const Step& step, LockerId locker) {
  leaseLines_[{locker.value, objects_.oidOf(step.content.object)}] = step.line;
}

// A lock renews the leases of the locks with scope Subtree that cover it.
void Replay::noteRenewalsAbove(const Step& step, LockerId locker, LockType granted) {
  for (const Oid above : objects_.above(objects_.oidOf(step.content.object))) {
    const auto held = local_.port(locker)->lockStatus(above);
    if (!held || !covers(held->below, granted)) continue;
    const bool isNew = !held->lease.isNone() && held->leaseLeft == Duration(held->lease.length);
    if (isNew) leaseLines_[{locker.value, above}] = step.line;
  }
}

void Replay::lapsed(const LockAnswer& answer) {
  if (over_) return;
  const LockRequest& lease = answer.request;
  const auto line = leaseLines_.find({lease.locker.value, Oid::fromBits(lease.target.value)});
  Step step{line == leaseLines_.end() ? 0 : line->second, {}};
  step.content.process = nameOf(lease.locker);
  step.content.object = nameOf(lease.target);
  tell(eventOf(step, "lease", "lapsed", ""));
}

// Its lock goes to the parent with the line of its lease, unless that of the parent ends later.
void Replay::startSignOff(const Step& step, Player& player) {
  const LockerId locker = player.machine.process().locker;
  const LockerId parent = player.machine.process().parent;
  if (!step.content.inherit || parent.isNull()) {
    player.machine.signOff();
    return immediate(step, "ended");
  }
  for (const LockInfo& left : local_.locksOf(locker, Lifetime::Persistent)) {
    const Oid oid = Oid::fromBits(left.target.value);
    const auto line = leaseLines_.find({locker.value, oid});
    const auto held = local_.port(parent)->lockStatus(oid);
    const bool isLater = !held || held->lease.isNone() || held->leaseLeft < left.leaseLeft;
    if (line != leaseLines_.end() && isLater) leaseLines_[{parent.value, oid}] = line->second;
  }
  player.machine.signOffToParent(players_.at(nameOf(parent))->machine.level());
  immediate(step, "ended");
}

std::string Replay::resultOf(const Step& step, const StepResult& result) const {
  const std::string code = ",\"code\":" + std::to_string(numberOf(result.code));
  switch (result.outcome) {
    case StepResult::Outcome::Refused: return eventOf(step, "refused", code);
    case StepResult::Outcome::TimedOut: return eventOf(step, "timeout", code);
    case StepResult::Outcome::Deadlock: return eventOf(step, "deadlock", code);
    case StepResult::Outcome::Cancelled:
    case StepResult::Outcome::Failed: return eventOf(step, "error", code);
    case StepResult::Outcome::Done: break;
  }
  switch (step.content.verb) {
    case ScheduleVerb::Update: return eventOf(step, "updated", "");
    case ScheduleVerb::Commit: return eventOf(step, "committed", "");
    case ScheduleVerb::Write: return eventOf(step, "written", "");
    case ScheduleVerb::Read:
    case ScheduleVerb::GatedRead:
      return eventOf(step, "read", ",\"edition\":" + std::to_string(result.record->edition));
    default: return eventOf(step, "granted", "");
  }
}

std::string Replay::eventOf(const Step& step, std::string_view outcome,
                            const std::string& more) const {
  return eventOf(step, scheduleWord(step.content.verb), outcome, more);
}

std::string Replay::eventOf(const Step& step, std::string_view verb, std::string_view outcome,
                            const std::string& more) const {
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now().sinceStart);
  std::string event =
      "{\"line\":" + std::to_string(step.line) + ",\"time\":" + std::to_string(now.count()) +
      ",\"process\":" + jsonText(step.content.process) + ",\"verb\":\"" + std::string(verb) + "\"";
  if (!step.content.object.empty()) event += ",\"object\":" + jsonText(step.content.object);
  event += ",\"outcome\":\"" + std::string(outcome) + "\"" + more + "}";
  return event;
}

}  // namespace

int replay(std::istream& schedule, std::ostream& events, std::ostream& errors, bool checkInvariants,
           const DeadlockSeen& seen) {
  LocalWorld world;
  return replay(schedule, events, errors, world, checkInvariants, seen);
}

int replay(std::istream& schedule, std::ostream& events, std::ostream& errors, ReplayWorld& world,
           bool checkInvariants, const DeadlockSeen& seen) {
  Replay run(events, world);
  ScheduleReader reader(schedule);
  try {
    while (const auto line = reader.next()) {
      run.play(*line);
      if (checkInvariants) run.checkInvariants(line->number);
      if (seen) run.showDeadlocks(seen);
    }
  } catch (const ScheduleError& error) {
    events.flush();
    errors << "nephrite replay: " << error.what() << '\n';
    return 2;
  }
  events.flush();
  return 0;
}

}  // namespace nephrite

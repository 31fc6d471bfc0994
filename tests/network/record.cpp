#include "tests/network/record.h"

#include <algorithm>
#include <stdexcept>

namespace nephrite {
namespace {

/// Of several locks: "granted", "timeout 1027 after 2".
std::string withLocks(const std::string& words, std::size_t granted) {
  const bool isOver = words != "granted" && words != "queued";
  return isOver ? words + " after " + std::to_string(granted) : words;
}

/// "granted", "timeout 1027".
std::string wordsOf(const LockModel::Event& event) {
  if (event.word == "lease") return "lapsed " + event.object;
  const std::string words =
      event.code == 0 ? event.outcome : event.outcome + " " + std::to_string(event.code);
  return event.locks ? withLocks(words, static_cast<std::size_t>(*event.locks)) : words;
}

std::string wordsOf(const LockAnswer& answer) {
  switch (answer.outcome) {
    case LockOutcome::Granted: return "granted";
    case LockOutcome::Refused: return "refused 1027";
    case LockOutcome::TimedOut: return "timeout 1027";
    case LockOutcome::Deadlock: return "deadlock 1081";
    case LockOutcome::Cancelled: return "error 64005";
    case LockOutcome::OverLimit:
    case LockOutcome::Lapsed: break;  // Neither is played.
  }
  return "?";
}

/// The number of the client whose process has that name: "c0.1"; kServer of its own.
int clientOf(const std::string& process) {
  return process.front() == kResident ? kServer : std::stoi(process.substr(1));
}

ScheduleLockType typeOf(LockType type) {
  switch (type) {
    case LockType::Share: return ScheduleLockType::Share;
    case LockType::Reserve: return ScheduleLockType::Reserve;
    case LockType::Update: return ScheduleLockType::Update;
    case LockType::Exclusive: return ScheduleLockType::Exclusive;
    case LockType::Get: break;
  }
  throw std::logic_error("nobody asks for Get");
}

}  // namespace

std::string wordsOf(const LockReply& reply) {
  if (reply.failure) return "failure";
  if (reply.missing) return "error " + std::to_string(numberOf(ErrorCode::ObjectDeleted));
  if (reply.updatedMeanwhile) return "error 1146";
  return wordsOf(reply.lock);
}

std::string wordsOf(const CommitReply& reply) {
  switch (reply.outcome) {
    case CommitReply::Outcome::Committed: return "committed";
    case CommitReply::Outcome::LockRefused: return wordsOf(reply.lock);
    case CommitReply::Outcome::Failed:  // What waited for locks and lost one is cancelled.
      if (reply.failure && reply.failure->code == ErrorCode::LockLapsed) return "error 64021";
      return reply.lock.outcome == LockOutcome::Cancelled ? "error 64005" : "failed";
    case CommitReply::Outcome::Unknown: return "unknown";
  }
  return "?";
}

std::string wordsOf(const StepResult& result) {
  const std::string code = " " + std::to_string(numberOf(result.code));
  switch (result.outcome) {
    case StepResult::Outcome::Done: return "granted";
    case StepResult::Outcome::Refused: return "refused" + code;
    case StepResult::Outcome::TimedOut: return "timeout" + code;
    case StepResult::Outcome::Deadlock: return "deadlock" + code;
    case StepResult::Outcome::Cancelled:
    case StepResult::Outcome::Failed: return "error" + code;
  }
  return "?";
}

void Report::addLine(const Agenda& agenda, const std::string& what) {
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(agenda.now().sinceStart);
  lines_.push_back(std::to_string(now.count()) + " ms  " + what);
}

// --- Names ---------------------------------------------------------------------------------------

void Record::setTimeouts(std::chrono::milliseconds server, std::chrono::milliseconds background) {
  prepare(SettingLine{ScheduleSetting::ServerTimeout, static_cast<std::int32_t>(server.count())});
  prepare(SettingLine{ScheduleSetting::BackgroundProcessServerTimeout,
                      static_cast<std::int32_t>(background.count())});
}

void Record::addObject(Oid oid, const std::string& path) {
  objects_.push_back(oid);
  editions_[oid] = ages_[oid] = 1;
  prepare(ObjectLine{nameOf(oid), path});
}

void Record::addNew(Oid oid) {
  objects_.push_back(oid);
  editions_[oid] = ages_[oid] = 0;
  report_.trace(agenda_, "  ", nameOf(oid), " is new");
  model_.addNew(nameOf(oid));
}

std::string Record::nameOf(Oid object) const {
  const auto at = std::find(objects_.begin(), objects_.end(), object);
  if (at == objects_.end()) return "?";
  const auto number = at - objects_.begin();
  if (number >= 26) return "O" + std::to_string(number);
  return std::string(1, static_cast<char>('A' + number));
}

std::string Record::nameOf(LockerId locker) const {
  const auto name = names_.find(locker.value);
  return name == names_.end() ? "?" : name->second;
}

void Record::addProcess(const ProcessInfo& process) {
  const std::size_t slash = process.name.find('/');
  if (slash == std::string::npos) return;
  ProcessLine line;
  line.name = process.name.substr(0, slash);
  line.priority = std::stoi(process.name.substr(slash + 1));
  line.background = process.background;
  if (!process.parent.isNull()) {
    line.parent = nameOf(process.parent);
    parents_[process.locker.value] = process.parent;
    report_.count("child signed on");
  }
  names_[process.locker.value] = line.name;
  signedOn_.insert(process.locker.value);
  signedOnOf_[clientOf(line.name)].insert(process.locker.value);
  passTime();
  prepare(line);
}

std::vector<LockerId> Record::lockersOf(int client) const {
  const auto of = signedOnOf_.find(client);
  if (of == signedOnOf_.end()) return {};
  std::vector<LockerId> lockers;
  for (const std::uint64_t locker : of->second) lockers.push_back({locker});
  return lockers;
}

std::vector<std::pair<LockerId, Oid>> Record::heldBesideWaits() const {
  std::vector<std::pair<LockerId, Oid>> held;
  for (const auto& [process, object] : model_.heldBesideWaits()) {
    for (const std::uint64_t locker : signedOn_) {
      if (names_.at(locker) != process) continue;
      for (const Oid oid : objects_) {
        if (nameOf(oid) == object) held.emplace_back(LockerId{locker}, oid);
      }
    }
  }
  return held;
}

void Record::robs(LockerId locker, Oid object) {
  robbed_.insert(locker.value);
  const auto beside = heldBesideWaits();
  const bool is =
      std::find(beside.begin(), beside.end(), std::pair(locker, object)) != beside.end();
  if (is) report_.count("commit loses a lock while it waits");
}

// --- Giving lines to the model -------------------------------------------------------------------

int Record::run(Content content) {
  ScheduleLine line{++line_, std::move(content)};
  if (report_.traces()) report_.trace(agenda_, "  server: ", textOf(line));
  try {
    model_.run(line);
  } catch (const std::exception& wrong) {
    report_.fail("the model cannot run '" + textOf(line) + "': " + wrong.what());
  }
  return line_;
}

// A line that only brings the model to where the database is told to be.
void Record::prepare(const Content& content) {
  run(content);
  seen_ = model_.told().size();
}

StepLine Record::lineOf(const std::string& process, ScheduleVerb verb) const {
  StepLine line;
  line.process = process;
  line.verb = verb;
  return line;
}

void Record::ensureTransaction(const std::string& process) {
  if (!model_.isInTransaction(process)) prepare(lineOf(process, ScheduleVerb::Begin));
}

void Record::ensureLevels(const std::string& process, std::size_t levels) {
  while (model_.levels(process).size() < levels) {
    prepare(lineOf(process, ScheduleVerb::BeginLoad));
  }
  if (model_.levels(process).size() == levels) return;
  ensureTransaction(process);  // Where the end of a level lets nothing go.
  while (model_.levels(process).size() > levels) {
    prepare(lineOf(process, ScheduleVerb::EndLoad));
  }
}

void Record::passTime() {
  const auto passed =
      std::chrono::duration_cast<std::chrono::milliseconds>(agenda_.now() - modelTime_);
  if (passed.count() == 0) return;
  modelTime_ = agenda_.now();
  model_.passTime(passed.count(), line_);
}

Record::StepPtr Record::begin(LockerId locker, std::uint64_t request) {
  if (running_) report_.fail("a call of the database within another");
  passTime();
  if (model_.told().size() != seen_) report_.fail("a wait ended in the model alone");
  ++calls_;
  auto step = std::make_shared<Step>();
  step->locker = locker.value;
  step->request = request;
  step->process = nameOf(locker);
  step->compared = isSignedOn(locker);
  running_ = step;
  first_.reset();
  caused_.clear();
  return step;
}

Record::StepPtr Record::beganTime() {
  auto step = std::make_shared<Step>();
  running_ = step;
  first_.reset();
  caused_.clear();
  passTime();
  return step;
}

// Brings the model to the states that the request shows its process to be in.
Record::StepPtr Record::beginLock(const LockRequest& request, Oid first, Existence existence) {
  const StepPtr step = begin(request.locker, request.id);
  const bool isMissing = existence == Existence::Required && !isThere(first);
  step->expected = isMissing ? "error 1072" : "error 64005";
  if (!step->compared) return step;
  const std::string& process = step->process;
  if (model_.isWaiting(process)) report_.fail(process + " asks while it waits");
  ensureLevels(process, request.level);
  if (request.type == LockType::Update) ensureTransaction(process);
  if (request.inState && request.level == 0) ensureTransaction(process);
  if (!request.inState && model_.isInTransaction(process)) {
    report_.fail(process + " is in a transaction, and asks as if it were not");
  }
  waitsIn_[process] = request.id;
  return step;
}

StepLine Record::lineOf(const std::string& process, const LockRequest& request) const {
  StepLine line = lineOf(process, ScheduleVerb::Lock);
  line.type = typeOf(request.type);
  line.duration = request.duration == LockDuration::Session ? ScheduleDuration::Session
                                                            : ScheduleDuration::Transaction;
  line.timeout = request.timeout.number();
  line.subtree = request.scope == LockScope::Subtree;
  if (!request.lease.isNone()) {
    line.lease = static_cast<std::int32_t>(request.lease.length.count());
  }
  return line;
}

Record::StepPtr Record::beganLock(const ObjectLockRequest& order) {
  const Oid oid = Oid::fromBits(order.request.target.value);
  const StepPtr step = beginLock(order.request, oid, order.existence);
  if (!step->compared) return step;
  StepLine line = lineOf(step->process, order.request);
  line.object = nameOf(oid);
  step->line = ++line_;
  if (report_.traces()) report_.trace(agenda_, "  server: ", textOf({line_, line}));
  model_.lock(line, targetOf(oid, order.existence), line_);
  return step;
}

Record::StepPtr Record::beganLockAll(const ObjectLockBatch& orders) {
  const ObjectLockBatch::Target& first = orders.targets.front();
  const StepPtr step = beginLock(orders.request, first.oid, first.existence);
  for (const ObjectLockBatch::Target& target : orders.targets) step->all.push_back(target.oid);
  if (!step->compared) return step;
  std::vector<LockModel::Target> targets;
  std::string words;
  for (const ObjectLockBatch::Target& target : orders.targets) {
    targets.push_back(targetOf(target.oid, target.existence));
    words += " " + targets.back().object;
  }
  StepLine line = lineOf(step->process, orders.request);
  line.object = targets.front().object;
  step->line = ++line_;
  if (report_.traces()) {
    report_.trace(agenda_, "  server: ", textOf({line_, line}), ", all of", words);
  }
  model_.lockAll(line, targets, line_);
  return step;
}

Record::StepPtr Record::beganCommit(const CommitRequest& request, const LockerPort& real) {
  const LockerId locker = request.upgrade.locker;
  const StepPtr step = begin(locker, request.upgrade.id);
  step->expected = "error 64005";
  if (!step->compared) return step;
  const std::string& process = step->process;
  LockModel::Changes changes;
  std::string words;
  for (const ObjectChange& change : request.changes.changes) {
    const Oid oid = change.record->oid;
    const bool isNew = change.kind == ChangeKind::Create;
    const bool isDeleted = change.kind == ChangeKind::Delete;
    (isNew       ? changes.created
     : isDeleted ? changes.deleted
                 : changes.changed)
        .push_back(nameOf(oid));
    words += (isNew ? " new " : isDeleted ? " less " : " ") + nameOf(oid);
    if (isNew) continue;
    const auto held = real.lockStatus(oid);
    const bool isLatest = change.record->edition == editionOf(oid);
    if (held && covers(held->type, LockType::Update) && isLatest) continue;
    step->compared = false;
    step->expected = "failed";
    return step;
  }
  if (model_.isWaiting(process)) report_.fail(process + " commits while it waits");
  ensureTransaction(process);
  const std::int32_t timeout = request.upgrade.timeout.number();
  if (commitTimeout_[locker.value] != timeout) {
    StepLine line = lineOf(process, ScheduleVerb::SetDefaultLockTimeout);
    line.timeout = commitTimeout_[locker.value] = timeout;
    prepare(line);
  }
  model_.changes(process, changes);
  waitsIn_[process] = request.upgrade.id;
  report_.trace(agenda_, "  server: ", process, " changes", words);
  step->line = run(lineOf(process, ScheduleVerb::Commit));
  return step;
}

Record::StepPtr Record::beganUnlock(LockerId locker, Oid object) {
  const StepPtr step = begin(locker, 0);
  if (!step->compared) return step;
  step->line = ++line_;
  report_.trace(agenda_, "  server: ", step->process, " unlock ", nameOf(object));
  model_.letGo(step->process, nameOf(object), line_);
  return step;
}

Record::StepPtr Record::beganRelease(LockerId locker) {
  const StepPtr step = begin(locker, 0);
  if (!step->compared) return step;
  step->line = run(lineOf(step->process, ScheduleVerb::Abort));
  return step;
}

Record::StepPtr Record::beganLevel(LockerId locker, std::uint16_t level) {
  const StepPtr step = begin(locker, 0);
  if (!step->compared) return step;
  if (model_.isInTransaction(step->process)) {
    report_.fail(step->process + " is in a transaction, and ends a level");
  }
  ensureLevels(step->process, level);
  step->line = run(lineOf(step->process, ScheduleVerb::EndLoad));
  return step;
}

Record::StepPtr Record::beganCancel(LockerId locker, std::uint64_t request) {
  const StepPtr step = begin(locker, 0);
  if (!step->compared || waitsIn_[step->process] != request) return step;
  report_.trace(agenda_, "  server: ", step->process, " cancels");
  model_.cancel(step->process, ++line_);
  return step;
}

// --- What the database answers -------------------------------------------------------------------

// A lockAll() may be decided lock by lock at first; but nothing is decided twice.
void Record::decide(const StepPtr& step, const std::string& words, std::size_t granted,
                    const std::vector<Oid>& targets) {
  if (step->request == 0) return;
  Decided& known = decided_[{step->locker, step->request}];
  bool twice = !known.words.empty() && (targets.empty() || known.words != "granted");
  for (const Oid target : targets) twice = !known.targets.insert(target.bits()).second || twice;
  if (twice) {
    report_.fail(step->process + ": request " + std::to_string(step->request) +
                 " took effect twice");
  }
  known.words = words;
  known.granted += granted;
  if (granted > 0) known.ages = ages_;
}

// An object that is not there is as old as it gets, or has not begun.
std::uint32_t Record::ageOf(Oid oid, const RecordPtr& seen) const {
  if (seen != nullptr) return seen->edition;
  return isThere(oid) ? 0 : ages_.at(oid);
}

void Record::noteAnswer(const StepPtr& step, const std::string& words, bool queued) {
  report_.trace(agenda_, "  server: ", step->process, " -> ", words);
  if (!step->compared) {
    const bool isForLapse = words == "error 64021" && hasLapsed({step->locker});
    if (words != step->expected && !(isForLapse && step->expected == "failed")) {
      report_.fail(step->process + " was told '" + words + "', not '" + step->expected + "'");
    }
    return;
  }
  if (step == running_ && !queued) {
    first_ = {step->line, step->process, words};
    return;
  }
  if (step == running_) first_ = {step->line, step->process, "queued"};
  caused_.push_back({step->line, step->process, words});
}

void Record::answered(const StepPtr& step, const LockReply& reply) {
  const std::uint64_t target = reply.lock.request.target.value;
  const Oid oid = Oid::fromBits(target);
  const std::string words = wordsOf(reply);
  decide(step, words, words == "granted" ? 1 : 0, {oid});
  noteAnswer(step, words, reply.lock.queued);
  if (reply.lock.outcome != LockOutcome::Granted || reply.missing) return;
  std::uint64_t& last = lastToken_[target];
  if (reply.lock.token.value == 0) report_.fail(step->process + " was given no fencing token");
  last = std::max(last, reply.lock.token.value);
  if (reply.record && reply.record->edition != editions_.at(oid)) {
    report_.fail(step->process + " was given edition " + std::to_string(reply.record->edition) +
                 " of " + nameOf(oid) + ", not " + std::to_string(editions_.at(oid)));
  }
}

void Record::answered(const StepPtr& step, const LockAllReply& reply) {
  const std::string words = reply.refused ? wordsOf(*reply.refused) : "granted";
  std::vector<Oid> decided = step->all;
  if (reply.refused) decided.resize(reply.granted + 1);
  decide(step, words, reply.granted, decided);
  // The reply does not say whether it had to wait: the model does.
  const auto& told = model_.told();
  const bool queued = std::any_of(
      told.begin() + static_cast<std::ptrdiff_t>(seen_), told.end(),
      [&](const auto& event) { return event.line == step->line && event.outcome == "queued"; });
  noteAnswer(step, step->compared ? withLocks(words, reply.granted) : words, queued);
}

void Record::answered(const StepPtr& step, const CommitRequest& request, const CommitReply& reply) {
  if (reply.outcome == CommitReply::Outcome::Committed) {
    const CommitId& id = request.changes.id;
    committed_.emplace(id.process, id.number);
    if (notCommitted_.contains({id.process, id.number})) {
      report_.fail(step->process + " committed what was said never to be");
    }
    const auto& noted = changedAfter_[id.process];
    for (const ObjectChange& change : request.changes.changes) {
      const auto before = noted.find(change.record->oid);
      const LockerId locker{id.process};
      if (before != noted.end() && before->second != lapseOf(locker, change.record->oid).count) {
        report_.fail(step->process + " committed a change of " + nameOf(change.record->oid) +
                     ", whose lock had lapsed since");
      }
      std::uint32_t& edition = editions_[change.record->oid];
      edition = change.kind == ChangeKind::Delete ? 0 : edition + 1;
      ++ages_[change.record->oid];
    }
  }
  decide(step, wordsOf(reply), 0, {});
  noteAnswer(step, wordsOf(reply), reply.lock.queued);
}

// In which order those are told who waited for what is not there any more, no rule says.
void Record::sortMissing(std::vector<Told>& told) {
  const auto isMissing = [](const Told& one) { return one.words.rfind("error 1072", 0) == 0; };
  for (auto first = told.begin(); first != told.end();) {
    first = std::find_if(first, told.end(), isMissing);
    const auto last = std::find_if_not(first, told.end(), isMissing);
    std::sort(first, last,
              [](const Told& one, const Told& other) { return one.line < other.line; });
    first = last;
  }
}

void Record::ended(const StepPtr& step) {
  std::vector<Told> expected;
  for (; seen_ < model_.told().size(); ++seen_) {
    const LockModel::Event& event = model_.told()[seen_];
    const bool isLapse = event.word == "lease";
    expected.push_back({isLapse ? 0 : event.line, event.process, wordsOf(event)});
  }
  std::vector<Told> actual;
  const bool own = step->line != 0 && step->compared && !expected.empty();
  const bool asks = step->request != 0;
  if (own) {
    if (!asks) first_ = expected.front();  // Is not answered, and cannot fail.
    actual.push_back(first_.value_or(Told{step->line, step->process, "queued"}));
  }
  actual.insert(actual.end(), caused_.begin(), caused_.end());
  sortMissing(expected);
  sortMissing(actual);
  running_ = nullptr;
  if (actual == expected) return;
  std::string text = "the database and the model differ:";
  const auto add = [&](const std::string& whose, const std::vector<Told>& all) {
    for (const Told& one : all)
      text += "\n  " + whose + std::to_string(one.line) + " " + one.process + " " + one.words;
  };
  add("model:    ", expected);
  add("database: ", actual);
  report_.fail(text);
}

void Record::checkTable(const Database& real) {
  for (const Oid oid : objects_) {
    const std::vector<std::string> expected = model_.table(nameOf(oid));
    std::vector<std::string> actual;
    for (const LockInfo& lock : real.locksOn(oid)) {
      if (lock.isFromAbove()) continue;
      const std::string who = nameOf(lock.requestedBy) + " ";
      actual.push_back(lock.waiting
                           ? who + "waits for " + std::string(nephrite::nameOf(lock.wanted))
                           : who + std::string(nephrite::nameOf(lock.type)) + " " +
                                 std::string(nephrite::nameOf(lock.session)) + " below " +
                                 std::string(nephrite::nameOf(lock.below)) + " " +
                                 std::string(nephrite::nameOf(lock.belowSession)) + " level " +
                                 std::to_string(lock.level));
    }
    if (actual == expected) continue;
    std::string text = nameOf(oid) + " is locked otherwise than in the model:";
    for (const std::string& line : expected) text += "\n  model:    " + line;
    for (const std::string& line : actual) text += "\n  database: " + line;
    report_.fail(text);
  }
}

const Record::Decided* Record::decided(LockerId locker, std::uint64_t request) const {
  const auto at = decided_.find({locker.value, request});
  return at == decided_.end() ? nullptr : &at->second;
}

}  // namespace nephrite

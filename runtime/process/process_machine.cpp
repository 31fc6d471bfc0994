#include "runtime/process/process_machine.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "locking/lock_rules.h"
#include "objects/object_store.h"
#include "runtime/database/system_class.h"
#include "runtime/process/refusals.h"

namespace nephrite {
namespace {

StepResult done(RecordPtr record = nullptr) {
  StepResult result;
  result.record = std::move(record);
  return result;
}

// What was changed here without being read was changed or deleted by another process since: its
// lock was broken.
RequestFailure whyNotWhole(const Database& database, const LockerPort& port, Oid oid) {
  if (auto lost = port.lostLock(oid)) return *std::move(lost);
  return {ErrorCode::StaleObject,
          database.schema()->show(oid) +
              " is changed here, but another process has changed or deleted it since its lock was "
              "broken; abort the transaction and try again",
          oid};
}

}  // namespace

ProcessMachine::ProcessMachine(Database& database, ProcessInfo process)
    : database_(database),
      process_(std::move(process)),
      port_(database_.port(process_.locker)),
      families_(port_->families()) {
  if (!process_.parent.isNull()) joinFamily();
}

// --- Defaults ----------------------------------------------------------------------------------

LockTimeout ProcessMachine::setDefaultLockTimeout(LockTimeout timeout) {
  return defaultTimeout_.exchange(timeout.isProcessDefined() ? LockTimeout::serverDefined()
                                                             : timeout);
}

void ProcessMachine::setDeadlockPriority(Lifetime lifetime, std::int32_t priority) {
  (lifetime == Lifetime::SharedTransient ? transientPriority_ : persistentPriority_) = priority;
}

std::int32_t ProcessMachine::deadlockPriority(Lifetime lifetime) const {
  return lifetime == Lifetime::SharedTransient ? transientPriority_ : persistentPriority_;
}

// --- States --------------------------------------------------------------------------------------

const OpenTransaction& ProcessMachine::transactionOf(Lifetime lifetime) const {
  switch (lifetime) {
    case Lifetime::Persistent:
    case Lifetime::Resource: return persistent_;
    case Lifetime::SharedTransient: return shared_;
    case Lifetime::Transient: break;
  }
  return own_;
}

OpenTransaction& ProcessMachine::transactionOf(Lifetime lifetime) {
  return const_cast<OpenTransaction&>(std::as_const(*this).transactionOf(lifetime));
}

bool ProcessMachine::isInState(StateKind kind) const {
  return std::any_of(states_.begin(), states_.end(),
                     [kind](const State& state) { return state.kind == kind && !state.over; });
}

bool ProcessMachine::isInAnyState(Lifetime lifetime) const {
  return transactionOf(lifetime).inTransaction || !states_.empty();
}

std::optional<ErrorCode> ProcessMachine::begin(Lifetime lifetime) {
  NEPHRITE_CHECK(lifetime != Lifetime::Transient);
  OpenTransaction& transaction = transactionOf(lifetime);
  if (transaction.inTransaction) return ErrorCode::AlreadyInTransaction;
  transaction.inTransaction = true;
  port_->noteBegin(lifetime);
  if (mayLapse()) port_->forgetLapses();
  return std::nullopt;
}

std::uint64_t ProcessMachine::beginState(StateKind kind) {
  states_.push_back({kind, ++lastState_});
  keepLevel();
  return lastState_;
}

std::optional<ErrorCode> ProcessMachine::endState(StateKind kind) {
  if (states_.empty() || states_.back().kind != kind) return ErrorCode::StateMismatch;
  endInnermostState();
  while (!states_.empty() && states_.back().over) endInnermostState();
  return std::nullopt;
}

void ProcessMachine::endScope(std::uint64_t number) {
  const auto state = std::find_if(states_.begin(), states_.end(),
                                  [number](const State& known) { return known.number == number; });
  if (state == states_.end()) return;
  state->over = true;
  while (!states_.empty() && states_.back().over) endInnermostState();
}

void ProcessMachine::endInnermostState() {
  const std::size_t level = states_.size();
  states_.pop_back();
  keepLevel();
  if (level > LockTerms::kMostLevel) return;  // Nothing was acquired at it: see fateOf().
  for (const Lifetime lifetime : {Lifetime::Persistent, Lifetime::SharedTransient}) {
    if (transactionOf(lifetime).inTransaction) continue;  // Kept to the end of the transaction.
    port_->releaseLevel(lifetime, levelKept(level));
  }
}

// Commit and abort of the persistent transaction end load and lock state at every level, and with
// them what a shared transient was locked for.
void ProcessMachine::endAllStates() {
  if (states_.empty()) return;
  states_.clear();
  keepLevel();
  if (!shared_.inTransaction) {
    port_->releaseLevel(Lifetime::SharedTransient, 1);
  }
}

void ProcessMachine::leaveTransaction(Lifetime lifetime) {
  OpenTransaction& transaction = transactionOf(lifetime);
  transaction.inTransaction = false;
  port_->noteEnd(lifetime);
  if (transaction.slow != 0) transaction.slow &= std::uint8_t{0xFF ^ OpenTransaction::kDeletes};
  transaction.changes.clear();
  transaction.unmade.clear();
  if (inFamily_) families_->ended(process_.locker, lifetime);
  if (lifetime == Lifetime::Persistent) endAllStates();
}

void ProcessMachine::abort(Lifetime lifetime) {
  OpenTransaction& transaction = transactionOf(lifetime);
  std::vector<Oid> unmade = std::move(transaction.unmade);
  transaction.changes.forEach([&](const Change& change) {
    if (change.kind == ChangeKind::Create) unmade.push_back(change.oid);
  });
  leaveTransaction(lifetime);
  port_->releaseTransactionLocks(lifetime);
  unlockUnmade(unmade);
}

// What there never was is not locked any longer than the transaction that would have made it.
void ProcessMachine::unlockUnmade(std::span<const Oid> oids) {
  if (oids.empty()) return;
  const std::vector<bool> held = mayHold(oids);
  for (std::size_t i = 0; i < oids.size(); ++i) {
    if (held[i]) port_->unlock(oids[i]);
  }
}

void ProcessMachine::commit(Lifetime lifetime, StepDone stepDone) {
  OpenTransaction& transaction = transactionOf(lifetime);
  if (!transaction.inTransaction) return stepDone(failed(ErrorCode::NotInTransaction));
  if (auto lapsed = lapsedChange(lifetime)) return stepDone(failed(*std::move(lapsed)));

  CommitRequest commit;
  commit.lifetime = lifetime;
  Wish wish;
  wish.type = LockType::Exclusive;
  wish.id = nextRequestId();
  commit.upgrade = requestFor(wish);
  commit.upgrade.priority = deadlockPriority(lifetime);
  commit.changes.id = {process_.locker.value, ++lastCommit_};
  commit.changes.handedOver = true;
  commit.changes.changes.reserve(transaction.changes.size());
  transaction.changes.forEach([&](const Change& change) {
    if (change.kind != ChangeKind::Delete) complete(change);
    commit.changes.changes.emplace_back(change.kind, change.record);
    if (change.kind == ChangeKind::Create) return;
    if (held(change.oid) == LockType::Update) commit.updateLocked.push_back(change.oid);
  });

  implicitRequest_ = wish.id;
  const CommitId id = commit.changes.id;
  port_->commit(std::move(commit),
                [this, lifetime, id, stepDone = std::move(stepDone)](const CommitReply& reply) {
                  StepResult result = resultOf(reply.lock);
                  if (reply.outcome == CommitReply::Outcome::Committed) {
                    result.outcome = StepResult::Outcome::Done;
                    const std::vector<Oid> unmade = std::move(transactionOf(lifetime).unmade);
                    leaveTransaction(lifetime);
                    unlockUnmade(unmade);
                  } else if (reply.failure) {
                    result.outcome = StepResult::Outcome::Failed;
                    result.code = reply.failure->code;
                    result.failure = reply.failure->what;
                    result.object = reply.failure->object;
                    result.commit = id;
                  }
                  stepDone(result);
                });
}

// --- Locks ---------------------------------------------------------------------------------------

LockRequest ProcessMachine::requestFor(const Wish& wish) const {
  LockRequest request;
  request.locker = process_.locker;
  request.target = {wish.target.bits()};
  request.type = wish.type;
  request.duration = wish.duration;
  request.timeout = wish.timeout.isProcessDefined() ? defaultTimeout_.load() : wish.timeout;
  request.inState = isInAnyState(wish.target.lifetime());
  request.level = levelKept(states_.size());
  request.priority = deadlockPriority(wish.target.lifetime());
  request.background = process_.background;
  request.id = wish.id;
  request.lease = wish.lease;
  request.scope = wish.scope;
  request.access = wish.access;
  return request;
}

Existence ProcessMachine::existenceOf(Oid oid) const {
  if (oid.lifetime() == Lifetime::Resource) return Existence::CreatedByLocker;
  const Change* const change = changeOf(oid);
  const bool created = change != nullptr && change->kind == ChangeKind::Create;
  return created ? Existence::CreatedByLocker : Existence::Required;
}

std::optional<ErrorCode> ProcessMachine::misuse(const Wish& wish) const {
  const Lifetime lifetime = wish.target.lifetime();
  if (wish.target.isNull()) return ErrorCode::NullReference;
  if (wish.duration == LockDuration::Persistent) return ErrorCode::DurationReserved;
  if (lifetime == Lifetime::Transient) return std::nullopt;
  if (wish.type == LockType::Update && !isInTransaction(lifetime)) {
    return ErrorCode::NotInTransaction;
  }
  if (lifetime == Lifetime::Resource && wish.scope == LockScope::Subtree) {
    return ErrorCode::NotLockable;
  }
  const Change* const change = changeOf(wish.target);
  if (change != nullptr && change->kind == ChangeKind::Delete) return ErrorCode::ObjectDeleted;
  return std::nullopt;
}

void ProcessMachine::lock(const Wish& wish, StepDone stepDone) {
  if (const auto error = misuse(wish)) return stepDone(failed(*error));
  const Oid oid = wish.target;
  if (oid.lifetime() == Lifetime::Transient) return stepDone(done(peek(oid)));
  if (!wish.lease.isNone() && !asksLeases_) {
    asksLeases_ = true;
    if (auto failure = completeAll()) return stepDone(failed(*std::move(failure)));
  }
  port_->lock({requestFor(wish), existenceOf(oid)},
              [this, oid, stepDone = std::move(stepDone)](const LockReply& reply) {
                StepResult result = resultOf(reply);
                if (reply.lock.outcome == LockOutcome::Granted && inFamily_) {
                  families_->granted(process_.locker, oid);
                }
                if (const Change* const change = changeOf(oid)) {
                  if (reply.record && !change->complete(*reply.record)) {
                    const RequestFailure why = whyNotWhole(database_, *port_, oid);
                    result = failed(why.code);
                    result.failure = why.what;
                    result.object = oid;
                  }
                  result.record = change->record;
                }
                stepDone(result);
              });
}

void ProcessMachine::lockImplicitly(Oid oid, LockType type, StepDone stepDone) {
  if (oid.lifetime() == Lifetime::Transient || holds(oid, type)) return stepDone(done(peek(oid)));
  askImplicitly(oid, type, std::move(stepDone));
}

void ProcessMachine::lockForChange(Oid oid, StepDone stepDone) {
  askImplicitly(oid, lockOfChange(useUpdateLocks_), std::move(stepDone));
}

void ProcessMachine::askImplicitly(Oid oid, LockType type, StepDone stepDone) {
  Wish wish;
  wish.target = oid;
  wish.type = type;
  wish.id = nextRequestId();
  implicitRequest_ = wish.id;
  lock(wish, std::move(stepDone));
}

bool ProcessMachine::mayChange(Oid oid) const { return permitsChange(held(oid)); }

bool ProcessMachine::holds(Oid oid, LockType atLeast) const {
  const LockType type = held(oid);
  return type != LockType::Get && covers(type, atLeast);
}

bool ProcessMachine::unlock(Oid target) {
  if (target.isNull() || target.lifetime() == Lifetime::Transient) return false;
  if (isInAnyState(target.lifetime())) return false;
  return port_->unlock(target);
}

void ProcessMachine::cancelWaits() { cancel(implicitRequest_); }

void ProcessMachine::cancel(std::uint64_t requestId) {
  if (requestId != 0) port_->cancel(requestId);
}

// --- Objects -------------------------------------------------------------------------------------

const ProcessMachine::Change* ProcessMachine::changeOf(Oid oid) const {
  return transactionOf(oid.lifetime()).changes.find(oid);
}

bool ProcessMachine::isChanged(Oid oid) const { return changeOf(oid) != nullptr; }

void ProcessMachine::complete(const Change& change) const {
  if (change.only == Change::kWhole) return;
  const RecordPtr latest = port_->fetch(change.oid);
  if (latest && change.complete(*latest)) return;
  const RequestFailure why = whyNotWhole(database_, *port_, change.oid);
  throwError(database_, why.code, why.object, why.what);
}

RecordPtr ProcessMachine::peek(Oid oid) const {
  if (oid.isNull()) return nullptr;
  if (const Change* const change = changeOf(oid)) {
    if (change->kind == ChangeKind::Delete) return nullptr;
    complete(*change);
    return change->record;
  }
  if (oid.lifetime() == Lifetime::Transient) return nullptr;
  return port_->fetch(oid);
}

void ProcessMachine::read(Oid oid, StepDone stepDone) {
  if (oid.isNull()) return stepDone(failed(ErrorCode::NullReference));
  if (oid.lifetime() == Lifetime::Resource) return stepDone(failed(ErrorCode::NotLockable));
  const bool locks = isInState(StateKind::Lock) && oid.lifetime() != Lifetime::Transient;
  if (locks && !holds(oid, LockType::Share)) {
    return lockImplicitly(oid, LockType::Share, std::move(stepDone));
  }
  RecordPtr record = peek(oid);
  if (record == nullptr) return stepDone(failed(ErrorCode::ObjectDeleted));
  stepDone(done(std::move(record)));
}

void ProcessMachine::startChange(Oid oid, StepResult& result) {
  ChangeTable& changes = transactionOf(oid.lifetime()).changes;
  if (changes.find(oid) != nullptr) return;
  if (result.record == nullptr) {
    result.outcome = StepResult::Outcome::Failed;
    result.code = ErrorCode::ObjectDeleted;
    return;
  }
  addChange({oid, ChangeKind::Update, copyOf(*result.record)});
}

/// Of an object that is changed already.
void ProcessMachine::startRemoval(Oid oid) {
  ChangeTable& changes = transactionOf(oid.lifetime()).changes;
  Change* const change = changes.find(oid);
  if (change->kind == ChangeKind::Create) {
    changes.erase(*change);
    transactionOf(oid.lifetime()).unmade.push_back(oid);
  } else {
    change->kind = ChangeKind::Delete;
    transactionOf(oid.lifetime()).slow |= OpenTransaction::kDeletes;
  }
}

void ProcessMachine::change(Oid oid, StepDone stepDone) {
  if (oid.isNull()) return stepDone(failed(ErrorCode::NullReference));
  if (oid.lifetime() == Lifetime::Resource) return stepDone(failed(ErrorCode::NotLockable));
  if (oid.lifetime() == Lifetime::Transient) {
    return stepDone(changeOf(oid) ? done() : failed(ErrorCode::ObjectDeleted));
  }
  if (!isInTransaction(oid.lifetime())) return stepDone(failed(ErrorCode::NotInTransaction));
  if (isSystemObject(oid)) return stepDone(failed(ErrorCode::SystemObject));
  if (const Change* const known = changeOf(oid)) {
    const bool gone = known->kind == ChangeKind::Delete;
    if (!gone) renewByChange(oid);
    return stepDone(gone ? failed(ErrorCode::ObjectDeleted) : done());
  }
  if (auto other = changedByRelative(oid)) return stepDone(failed(*std::move(other)));
  if (mayChange(oid)) {
    if (inFamily_ && families_->takeStale(process_.locker, oid)) {
      return stepDone(failed(ErrorCode::UpdatedBeforeUpgrade));
    }
    StepResult result = done(port_->fetch(oid));
    startChange(oid, result);
    return stepDone(result);
  }
  lockForChange(oid, [this, oid, stepDone = std::move(stepDone)](StepResult result) {
    auto other = result.isDone() ? changedByRelative(oid) : std::nullopt;
    if (other) {  // The lock is held.
      const StepResult refused = failed(*std::move(other));
      result.outcome = refused.outcome;
      result.code = refused.code;
      result.failure = refused.failure;
      result.object = refused.object;
    } else if (result.isDone()) {
      startChange(oid, result);
    }
    stepDone(result);
  });
}

void ProcessMachine::remove(Oid oid, StepDone stepDone) {
  change(oid, [this, oid, stepDone = std::move(stepDone)](const StepResult& changed) {
    StepResult result = changed;
    if (result.isDone()) startRemoval(oid);
    stepDone(result);
  });
}

LatestEdition ProcessMachine::lockForChangeAtOnce(Oid oid) {
  const Lifetime lifetime = oid.lifetime();
  if (oid.isNull() || lifetime == Lifetime::Transient || isSystemObject(oid)) return {};
  if (!isInTransaction(lifetime) || inFamily_) return {};
  if (mayChange(oid)) return port_->latestEdition(oid);
  const auto terms = quickTerms(oid, lockOfChange(useUpdateLocks_), LockDuration::Transaction,
                                LockTimeout::processDefined());
  return terms ? port_->lockForChange(oid, *terms) : LatestEdition{};
}

ObjectRecord* ProcessMachine::changeAtOnce(Oid oid) {
  if (const Change* const known = changeOf(oid)) {
    if (known->kind == ChangeKind::Delete) return nullptr;
    renewByChange(oid);
    return changeable(oid);
  }
  const LatestEdition latest = lockForChangeAtOnce(oid);
  if (latest.number == 0) return nullptr;
  const RecordPtr current = latest.record ? latest.record : port_->fetch(oid);
  if (current == nullptr) return nullptr;
  auto record = copyOf(*current);
  ObjectRecord* const changeable = record.get();
  addChange({oid, ChangeKind::Update, std::move(record)});
  return changeable;
}

Value* ProcessMachine::replaceAtOnce(Oid oid, std::size_t index, std::size_t size) {
  if (isChanged(oid) || mayLapse()) {
    ObjectRecord* const known = changeAtOnce(oid);
    if (known == nullptr) return nullptr;
    if (known->values.size() <= index) known->values.resize(index + 1);
    return &known->values[index];
  }
  const LatestEdition latest = lockForChangeAtOnce(oid);
  if (latest.number == 0) return nullptr;
  Change change;
  change.oid = oid;
  if (latest.record) {
    change.record = copyOf(*latest.record, index);
  } else {
    change.record = makeRecord(std::max(size, index + 1));
    change.record->oid = oid;
    change.record->edition = latest.number;
    change.only = index;
  }
  ValueList& values = change.record->values;
  if (values.size() <= index) values.resize(index + 1);
  addChange(std::move(change));
  return &values[index];
}

ObjectRecord* ProcessMachine::changeable(Oid oid) {
  Change* const change = transactionOf(oid.lifetime()).changes.find(oid);
  if (change == nullptr) return nullptr;
  complete(*change);
  std::shared_ptr<ObjectRecord>& record = change->record;
  if (record.use_count() > 1) record = copyOf(*record);
  return record.get();
}

Oid ProcessMachine::create(Lifetime lifetime, Oid::ClassNumber classNumber,
                           std::optional<ErrorCode>& error, std::size_t values) {
  OpenTransaction& transaction = transactionOf(lifetime);
  if (lifetime != Lifetime::Transient && !transaction.inTransaction) {
    error = ErrorCode::NotInTransaction;
    return Oid();
  }
  const Oid oid = lifetime == Lifetime::Transient ? Oid(lifetime, classNumber, ++lastOwnInstance_)
                                                  : database_.newOid(lifetime, classNumber);
  const auto record = makeRecord(values);
  record->oid = oid;
  transaction.changes.add({oid, ChangeKind::Create, record});
  return oid;
}

void ProcessMachine::signOff() {
  dropTransactions();
  port_->signOff();
}

void ProcessMachine::signOffToParent(std::uint16_t level) {
  dropTransactions();
  port_->signOffToParent({level});
}

void ProcessMachine::dropTransactions() {
  states_.clear();
  keepLevel();
  for (const Lifetime lifetime :
       {Lifetime::Persistent, Lifetime::SharedTransient, Lifetime::Transient}) {
    OpenTransaction& transaction = transactionOf(lifetime);
    transaction.inTransaction = false;
    transaction.slow = 0;
    transaction.changes.clear();
  }
}

}  // namespace nephrite

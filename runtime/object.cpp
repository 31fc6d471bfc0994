#include "runtime/object.h"

#include <utility>

#include "runtime/process/process_core.h"
#include "runtime/process/refusals.h"
#include "runtime/process/value_fit.h"

namespace nephrite {
Object::Object(std::shared_ptr<ProcessCore> process, Oid oid)
    : process_(std::move(process)), oid_(oid) {}

void Object::refuseNull() {
  throw UsageException(ErrorCode::NullReference,
                       "the reference is null: there is no object to work on");
}

std::string Object::className() const { return core().classOf(oid_)->name; }

std::string Object::toString() const { return isNull() ? "null" : core().show(oid_); }

bool Object::exists() const {
  if (isNull()) return false;
  bool found = false;
  core().call([&] { found = core().machine().peek(oid_) != nullptr; });
  return found;
}

// --- Properties ----------------------------------------------------------------------------------

Value Object::value(std::string_view property) const {
  Value value;
  ProcessCore& process = core();
  process.call({ProcessCore::ContinuePolicy::RetryImplicit, oid_, LockType::Share}, [&] {
    const std::size_t index = process.propertyOf(oid_, property).index;
    const RecordPtr record = process.read(oid_);
    if (index < record->values.size()) value = record->values[index];
  });
  return value;
}

Object Object::reference(std::string_view property) const {
  const Value held = value(property);
  const auto oid = valueAs<Oid>(held);
  if (!oid) refuseType(property, held);
  return oid->isNull() ? Object() : Object(process_, *oid);
}

void Object::setValue(std::string_view property, Value to) const {
  ProcessCore& process = core();
  process.machine().expectChange(oid_);
  process.call({ProcessCore::ContinuePolicy::RetryImplicit, oid_, LockType::Update}, [&] {
    const ProcessCore::Property where = process.propertyOf(oid_, property);
    const auto subject = [&] { return process.show(oid_) + "." + std::string(property); };
    fit(to, where.type, subject);
    if (const auto* const target = std::get_if<Oid>(&to)) checkOutlives(oid_, *target, subject);
    // All that may be refused comes before; what follows leaves nothing to be tried again.
    process.changeValue(oid_, where) = std::move(to);
  });
}

void Object::refuseType(std::string_view property, const Value& holds) const {
  throw UsageException(
      ErrorCode::WrongValueType,
      toString() + "." + std::string(property) + " is " + nephrite::toString(holds) + ", of type " +
          std::string(nameOf(typeOf(holds))) + ", which is not what was asked for");
}

void Object::deleteObject() const {
  ProcessCore& process = core();
  process.call({ProcessCore::ContinuePolicy::RetryImplicit, oid_, LockType::Update}, [&] {
    process.await(oid_, [&](StepDone done) { process.machine().remove(oid_, std::move(done)); });
  });
}

// --- Editions ------------------------------------------------------------------------------------

std::uint32_t Object::edition() const {
  std::uint32_t edition = 0;
  ProcessCore& process = core();
  process.call({ProcessCore::ContinuePolicy::RetryImplicit, oid_, LockType::Share},
               [&] { edition = process.read(oid_)->edition; });
  return edition;
}

std::uint32_t Object::latestEdition() const {
  std::uint32_t edition = 0;
  ProcessCore& process = core();
  process.call([&] {
    RecordPtr record;
    if (oid_.lifetime() != Lifetime::Transient) record = process.database().fetch(oid_);
    if (record == nullptr) record = process.machine().peek(oid_);  // Created, not committed.
    if (record == nullptr) throwError(process.database(), ErrorCode::ObjectDeleted, oid_);
    edition = record->edition;
  });
  return edition;
}

void Object::resynch() const {
  core().call([] {});
}

// --- Locks ---------------------------------------------------------------------------------------

inline bool Object::lockedAtOnce(LockType type, LockTimeout wait) const {
  return core().lockAtOnce(oid_, type, LockDuration::Transaction, wait);
}

void Object::sharedLock(LockTimeout wait, std::stop_token stop) const {
  if (lockedAtOnce(LockType::Share, wait)) return;
  lock(LockType::Share, LockDuration::Transaction, wait, std::move(stop));
}
void Object::reserveLock(LockTimeout wait, std::stop_token stop) const {
  lock(LockType::Reserve, LockDuration::Transaction, wait, std::move(stop));
}
void Object::updateLock(LockTimeout wait, std::stop_token stop) const {
  lock(LockType::Update, LockDuration::Transaction, wait, std::move(stop));
}
void Object::exclusiveLock(LockTimeout wait, std::stop_token stop) const {
  if (lockedAtOnce(LockType::Exclusive, wait)) return;
  lock(LockType::Exclusive, LockDuration::Transaction, wait, std::move(stop));
}

void Object::lock(LockType type, LockDuration duration, LockTimeout wait,
                  std::stop_token stop) const {
  ProcessCore& process = core();
  if (process.lockAtOnce(oid_, type, duration, wait)) return;
  process.lock({oid_, type, duration, wait}, stop);
}

LockOutcome Object::requestLock(LockType type, LockDuration duration, LockTimeout wait,
                                std::stop_token stop) const {
  LockOutcome outcome = LockOutcome::Granted;  // And when a handler continues: the lock is held.
  ProcessCore& process = core();
  if (process.lockAtOnce(oid_, type, duration, wait)) return outcome;
  process.call({ProcessCore::ContinuePolicy::LockCall, oid_, type}, [&] {
    outcome = process.requestLock({oid_, type, duration, wait}, stop);
  });
  return outcome;
}

bool Object::tryLock(LockType type, LockDuration duration, LockTimeout wait,
                     std::stop_token stop) const {
  return requestLock(type, duration, wait, std::move(stop)) == LockOutcome::Granted;
}

void Object::unlock() const {
  if (isNull() || process_->unlockAtOnce(oid_)) return;
  if (!process_->isSignedOn()) return;  // Nothing is held.
  process_->call([this] { process_->machine().unlock(oid_); });
}

void Object::restoreLock(LockType before, LockDuration duration) const noexcept {
  if (before == LockType::Get && process_->unlockAtOnce(oid_)) return;
  process_->finish("the end of a lock's scope", [&] {
    if (before == LockType::Get) {
      process_->machine().unlock(oid_);
      return;
    }
    const auto held = process_->database().lockStatus(process_->info().locker, oid_);
    if (!held || !stronger(held->type, before)) return;  // A commit has freed it.
    process_->awaitLock({oid_, before, duration, LockTimeout::immediate()}, {});
  });
}

LockStatus Object::lockStatus() const {
  LockStatus status;
  ProcessCore& process = core();
  process.call([&] {
    if (oid_.lifetime() == Lifetime::Transient) return;
    const auto held = process.database().lockStatus(process.info().locker, oid_);
    if (!held) return;
    status = {held->type, held->duration, held->token, held->requestTime};
  });
  return status;
}

}  // namespace nephrite

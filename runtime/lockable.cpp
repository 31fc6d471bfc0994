#include "runtime/lockable.h"

#include <utility>

#include "runtime/database/resource_names.h"
#include "runtime/process/process_core.h"
#include "runtime/process/refusals.h"

namespace nephrite {

Lockable::Lockable(std::shared_ptr<ProcessCore> process, Oid oid)
    : process_(std::move(process)), oid_(oid) {}

void Lockable::refuseNull() {
  throw UsageException(ErrorCode::NullReference,
                       "the reference is null: there is no object to work on");
}

std::string Lockable::toString() const { return isNull() ? "null" : core().show(oid_); }

// --- Locks ---------------------------------------------------------------------------------------

inline bool Lockable::lockedAtOnce(LockType type, LockDuration duration, LockTimeout wait) const {
  return core().lockAtOnce(oid_, type, duration, wait);
}

void Lockable::waitForLock(LockType type, LockDuration duration, LockTimeout wait,
                           const std::stop_token& stop) const {
  core().lock({oid_, type, duration, wait}, stop);
}

void Lockable::sharedLock(LockTimeout wait, std::stop_token stop) const {
  if (lockedAtOnce(LockType::Share, LockDuration::Transaction, wait)) return;
  waitForLock(LockType::Share, LockDuration::Transaction, wait, stop);
}
void Lockable::reserveLock(LockTimeout wait, std::stop_token stop) const {
  lock(LockType::Reserve, LockDuration::Transaction, wait, std::move(stop));
}
void Lockable::updateLock(LockTimeout wait, std::stop_token stop) const {
  lock(LockType::Update, LockDuration::Transaction, wait, std::move(stop));
}
void Lockable::exclusiveLock(LockTimeout wait, std::stop_token stop) const {
  if (lockedAtOnce(LockType::Exclusive, LockDuration::Transaction, wait)) return;
  waitForLock(LockType::Exclusive, LockDuration::Transaction, wait, stop);
}

void Lockable::lock(LockType type, LockDuration duration, LockTimeout wait,
                    std::stop_token stop) const {
  if (lockedAtOnce(type, duration, wait)) return;
  waitForLock(type, duration, wait, stop);
}

LockOutcome Lockable::requestLock(LockType type, LockDuration duration, LockTimeout wait,
                                  std::stop_token stop) const {
  LockOutcome outcome = LockOutcome::Granted;  // And when a handler continues: the lock is held.
  ProcessCore& process = core();
  if (process.lockAtOnce(oid_, type, duration, wait)) return outcome;
  process.call({ProcessCore::ContinuePolicy::LockCall, oid_, type}, [&] {
    outcome = process.requestLock({oid_, type, duration, wait}, stop);
  });
  return outcome;
}

namespace {

// 0 is no length of time, and would be none.
ProcessMachine::Wish wishOf(const ProcessCore& process, Oid target, const LockCall& call) {
  const LeaseTerms lease = call.lease.value_or(LeaseTerms{});
  if (call.lease && (lease.length.count() <= 0 || lease.length > LeaseTerms::kLongest)) {
    throw UsageException(ErrorCode::NotLockable, process.show(target) + ": a lease of " +
                                                     std::to_string(lease.length.count()) +
                                                     " ms cannot be; it lasts from 1 to " +
                                                     std::to_string(LeaseTerms::kLongest.count()) +
                                                     " ms");
  }
  return {target, call.type, call.duration, call.timeout, 0, lease, call.scope};
}

}  // namespace

void Lockable::lock(const LockCall& call) const {
  ProcessCore& process = core();
  const ProcessMachine::Wish wish = wishOf(process, oid_, call);
  const bool isPlain = !call.lease && call.scope == LockScope::Node;
  if (isPlain && process.lockAtOnce(oid_, call.type, call.duration, call.timeout)) return;
  process.lock(wish, call.stop);
}

LockOutcome Lockable::requestLock(const LockCall& call) const {
  LockOutcome outcome = LockOutcome::Granted;
  ProcessCore& process = core();
  const ProcessMachine::Wish wish = wishOf(process, oid_, call);
  process.call({ProcessCore::ContinuePolicy::LockCall, oid_, call.type},
               [&] { outcome = process.requestLock(wish, call.stop); });
  return outcome;
}

bool Lockable::renew() const {
  bool renewed = false;
  ProcessCore& process = core();
  process.call([&] { renewed = process.machine().renew(oid_); });
  return renewed;
}

bool Lockable::tryLock(LockType type, LockDuration duration, LockTimeout wait,
                       std::stop_token stop) const {
  return requestLock(type, duration, wait, std::move(stop)) == LockOutcome::Granted;
}

void Lockable::unlock() const {
  if (isNull() || process_->unlockAtOnce(oid_)) return;
  if (!process_->isSignedOn()) return;  // Nothing is held.
  process_->call([this] { process_->machine().unlock(oid_); });
}

void Lockable::restoreLock(LockType before, LockDuration duration) const noexcept {
  if (before == LockType::Get && process_->unlockAtOnce(oid_)) return;
  process_->finish("the end of a lock's scope", [&] {
    if (before == LockType::Get) {
      process_->machine().unlock(oid_);
      return;
    }
    const auto held = process_->machine().port().lockStatus(oid_);
    if (!held || !stronger(held->type, before)) return;  // A commit has freed it.
    process_->awaitLock({oid_, before, duration, LockTimeout::immediate()}, {});
  });
}

LockStatus Lockable::lockStatus() const {
  LockStatus status;
  ProcessCore& process = core();
  process.call([&] {
    if (oid_.lifetime() == Lifetime::Transient) return;
    const auto held = process.machine().port().lockStatus(oid_);
    if (!held) return;
    status = {held->type, held->duration, held->token, held->requestTime};
  });
  return status;
}

// --- Resource ------------------------------------------------------------------------------------

Resource::Resource(std::shared_ptr<ProcessCore> process,
                   std::shared_ptr<const NamedResource> resource)
    : Lockable(std::move(process), resource->oid), resource_(std::move(resource)) {}

const std::string& Resource::name() const {
  static const std::string none;
  return resource_ == nullptr ? none : resource_->name;
}

}  // namespace nephrite

// The part of ProcessMachine that reads and writes for a face: docs/locking.md, section 12.

#include <utility>

#include "runtime/database/system_class.h"
#include "runtime/process/process_machine.h"

namespace nephrite {

void ProcessMachine::write(Oid oid, std::function<void(ObjectRecord&)> edit, StepDone stepDone) {
  if (oid.isNull()) return stepDone(failed(ErrorCode::NullReference));
  const Lifetime lifetime = oid.lifetime();
  if (lifetime == Lifetime::Resource) return stepDone(failed(ErrorCode::NotLockable));
  if (isSystemObject(oid)) return stepDone(failed(ErrorCode::SystemObject));
  if (isInTransaction(lifetime)) return stepDone(failed(ErrorCode::AlreadyInTransaction));
  if (isInAnyState(lifetime)) return stepDone(failed(ErrorCode::StateMismatch));
  if (auto other = changedByRelative(oid)) return stepDone(failed(*std::move(other)));
  Wish wish;
  wish.target = oid;
  wish.type = LockType::Exclusive;
  wish.timeout = LockTimeout::immediate();
  wish.id = nextRequestId();
  wish.access = LockAccess::Write;
  implicitRequest_ = wish.id;
  lock(wish, [this, oid, lifetime, edit = std::move(edit),
              stepDone = std::move(stepDone)](const StepResult& locked) {
    if (!locked.isDone()) return stepDone(locked);
    // Begun while the lock was waited for: the lock goes with that transaction.
    if (const auto error = begin(lifetime)) return stepDone(failed(*error));
    writeLocked(oid, edit, locked, stepDone);
  });
}

// What became of the write is told with the lock that was asked for.
void ProcessMachine::writeLocked(Oid oid, const std::function<void(ObjectRecord&)>& edit,
                                 const StepResult& locked, const StepDone& stepDone) {
  const auto end = [this, oid, locked, stepDone](const StepResult& ended) {
    if (!ended.isDone() && isInTransaction(oid.lifetime())) abort(oid.lifetime());
    StepResult result = ended;
    result.lock = locked.lock;
    result.queued = locked.queued;
    stepDone(result);
  };
  change(oid, [&](const StepResult& changed) {
    ObjectRecord* const record = changed.isDone() ? changeable(oid) : nullptr;
    if (record == nullptr) return end(changed);
    edit(*record);
    commit(oid.lifetime(), end);
  });
}

void ProcessMachine::gatedRead(Oid oid, StepDone stepDone) {
  if (oid.isNull()) return stepDone(failed(ErrorCode::NullReference));
  if (oid.lifetime() == Lifetime::Resource) return stepDone(failed(ErrorCode::NotLockable));
  if (oid.lifetime() == Lifetime::Transient) return read(oid, std::move(stepDone));
  Wish wish;
  wish.target = oid;
  wish.timeout = LockTimeout::immediate();
  wish.id = nextRequestId();
  wish.access = LockAccess::GatedRead;
  implicitRequest_ = wish.id;
  const auto answered = [this, oid, stepDone = std::move(stepDone)](const LockReply& reply) {
    StepResult result = resultOf(reply);
    if (!result.isDone()) return stepDone(result);
    try {
      result.record = port_->fetch(oid);
      if (result.record == nullptr) result = failed(ErrorCode::ObjectDeleted);
    } catch (const StoreException& failure) {
      result = failed(failureOf(failure));
    }
    stepDone(result);
  };
  port_->lock({requestFor(wish), Existence::Required}, answered);
}

}  // namespace nephrite

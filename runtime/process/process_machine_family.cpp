// The part of ProcessMachine that knows of relatives, and of locks that lapse: docs/locking.md,
// sections 8 and 10.

#include <utility>

#include "runtime/errors/exceptions.h"
#include "runtime/process/process_machine.h"

namespace nephrite {

void ProcessMachine::joinFamily() {
  if (families_ == nullptr || inFamily_.exchange(true)) return;
  families_->attach(process_.locker, persistent_.slow);
  for (const OpenTransaction* const transaction : {&persistent_, &shared_}) {
    transaction->changes.forEach(
        [this](const Change& change) { families_->changed(process_.locker, change.oid); });
  }
}

// A change whose lock may lapse is whole: what it is based on may soon be the latest no more.
std::optional<RequestFailure> ProcessMachine::completeAll() const {
  try {
    for (const OpenTransaction* const transaction : {&persistent_, &shared_}) {
      transaction->changes.forEach([this](const Change& change) {
        if (change.kind != ChangeKind::Delete) complete(change);
      });
    }
  } catch (const StoreException& failure) {
    return failureOf(failure);
  } catch (const SystemException& refused) {
    return RequestFailure{static_cast<ErrorCode>(refused.errorCode()), refused.what()};
  }
  return std::nullopt;
}

// Also of an object that was locked again since.
std::optional<RequestFailure> ProcessMachine::lapsedChange(Lifetime lifetime) const {
  std::optional<RequestFailure> lapsed;
  if (!mayLapse()) return lapsed;
  transactionOf(lifetime).changes.forEach([&](const Change& change) {
    if (lapsed || change.kind == ChangeKind::Create) return;
    lapsed = port_->lapsedSince(change.oid, change.lapses);
  });
  return lapsed;
}

// The lock may lapse at any moment: of a lapse after the count is read the commit is told.
void ProcessMachine::addChange(Change change) {
  const Oid oid = change.oid;
  if (mayLapse()) change.lapses = port_->lapses(oid.lifetime());
  if (inFamily_) families_->changed(process_.locker, oid);
  transactionOf(oid.lifetime()).changes.add(std::move(change));
  renewByChange(oid);
}

std::optional<RequestFailure> ProcessMachine::changedByRelative(Oid oid) const {
  if (!inFamily_) return std::nullopt;
  const LockerId other = families_->changedBy(process_.locker, oid);
  if (other.isNull()) return std::nullopt;
  const ProcessInfo who = database_.describe(other);
  return RequestFailure{
      ErrorCode::ChangedByRelative,
      database_.show(oid) + " cannot be changed: process \"" + who.name +
          "\", which is of the same family, has changed it and not yet committed; commit or abort "
          "there first",
      oid};
}

}  // namespace nephrite

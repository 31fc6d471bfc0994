#include "locking/domain/lock_domain.h"

#include <utility>

#include "locking/domain/lock_table.h"
#include "locking/lock_events.h"

namespace nephrite {

namespace lock_table {

void SharedWaits::join(Locker& locker) {
  Locker*& first = processes[locker.id.value];
  if (first == nullptr) first = &locker;
  locker.process = first;
  if (first != &locker) locker.nextOfProcess = std::exchange(first->nextOfProcess, &locker);
}

void SharedWaits::leave(Locker& locker) {
  Locker* const next = locker.nextOfProcess;
  if (next == &locker) {
    processes.erase(locker.id.value);
    return;
  }
  Locker* before = next;
  while (before->nextOfProcess != &locker) before = before->nextOfProcess;
  before->nextOfProcess = next;
  if (locker.process == &locker) {
    processes[locker.id.value] = next;
    Locker* each = next;
    do each->process = next;
    while ((each = each->nextOfProcess) != next);
  }
  locker.process = locker.nextOfProcess = &locker;
}

LockTable* SharedWaits::tableToExpire() const {
  LockTable* found = nullptr;
  std::optional<Expiry> first;
  for (LockTable* const table : tables) {
    const auto next = table->nextExpiry();
    if (!next || (first && *first <= *next)) continue;
    found = table;
    first = next;
  }
  return found;
}

}  // namespace lock_table

std::shared_ptr<LockDomain> makeLockDomain() { return std::make_shared<LockDomain>(); }

void LockDomain::tellNews() {
  for (LockEventLog* const log : logs_) {
    if (log->takeNews()) log->tell();
  }
}

}  // namespace nephrite

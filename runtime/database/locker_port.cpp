#include "runtime/database/locker_port.h"

#include <utility>

namespace nephrite {

bool LockerPort::tryLockOtherwise(Oid target, LockTerms terms) {
  const Table& table = tableOf(target);
  if (table.objects == nullptr) return tryLockRemotely(target, terms);
  noteActivity();
  return table.objects->lockAtOnce(table.locker, target, terms);
}

bool LockerPort::tryUnlockOtherwise(Oid target) {
  const Table& table = tableOf(target);
  if (table.objects == nullptr) return tryUnlockRemotely(target);
  noteActivity();
  return table.objects->locks().releaseAtOnce(table.locker, {target.bits()}) !=
         FastRelease::NeedsSlowPath;
}

std::vector<bool> LockerPort::mayHold(std::span<const Oid> targets) const {
  std::vector<bool> may;
  may.reserve(targets.size());
  for (const Oid target : targets) may.push_back(held(target) != LockType::Get);
  return may;
}

LatestEdition LockerPort::latestEditionRemotely(Oid target) {
  RecordPtr record = fetch(target);
  const std::uint32_t number = record ? record->edition : 0;
  return {number, std::move(record)};
}

void LockerPort::keepAlive() {
  for (const Table& table : tables_) {
    if (table.objects != nullptr) table.objects->locks().keepAlive(table.locker);
  }
  keepAliveRemotely();
}

}  // namespace nephrite

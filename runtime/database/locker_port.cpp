#include "runtime/database/locker_port.h"

#include <utility>

namespace nephrite {

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

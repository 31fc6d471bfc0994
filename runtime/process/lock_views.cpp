#include "runtime/process/lock_views.h"

namespace nephrite {

std::vector<Lock> describeLocks(const Database& database, const std::vector<LockInfo>& infos) {
  std::vector<Lock> locks;
  locks.reserve(infos.size());
  for (const LockInfo& info : infos) {
    Lock lock;
    lock.target = Oid::fromBits(info.target.value);
    lock.targetName = database.show(lock.target);
    lock.type = info.type;
    lock.wanted = info.wanted;
    lock.duration = info.duration;
    lock.waiting = info.waiting;
    lock.requestedBy = database.describe(info.requestedBy);
    if (!info.lockedBy.isNull()) lock.lockedBy = database.describe(info.lockedBy);
    lock.requestTime = info.requestTime;
    lock.elapsed = info.elapsed;
    lock.waitTime = info.timeout;
    lock.token = info.token;
    lock.lease = info.lease;
    lock.leaseLeft = info.leaseLeft;
    if (!info.parent.isNull()) lock.parent = database.describe(info.parent);
    lock.scope = info.scope;
    lock.below = info.below;
    lock.isMark = info.isMark;
    lock.isMomentary = info.isMomentary;
    lock.lockedAt = Oid::fromBits(info.lockedAt.value);
    locks.push_back(std::move(lock));
  }
  return locks;
}

LockContention describeContention(const Database& database, const LockContentionInfo& info) {
  LockContention contention;
  contention.target = Oid::fromBits(info.target.value);
  contention.targetName = contention.target.isNull() ? "others" : database.show(contention.target);
  contention.totalContentions = info.totalContentions;
  contention.totalWaitTime = info.totalWait;
  contention.maxWaitTime = info.maxWait;
  return contention;
}

}  // namespace nephrite

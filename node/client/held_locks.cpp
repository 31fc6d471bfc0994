#include "node/client/held_locks.h"

namespace nephrite {
namespace {

// Older ones than this many have long been seen by the server.
constexpr std::size_t kRemembered = 4096;

bool isSession(const HeldLock& lock) { return lock.session != LockType::Get; }

}  // namespace

std::optional<LockInfo> HeldLocks::find(LockerId locker, Oid target) const {
  MutexLock hold(mutex_);
  const auto of = lockers_.find(locker.value);
  if (of == lockers_.end()) return std::nullopt;
  const auto lock = of->second.locks.find(target);
  if (lock == of->second.locks.end() || lock->second.mayBeGone) return std::nullopt;
  const HeldLock& held = lock->second.lock;
  LockInfo info;
  info.target = {target.bits()};
  info.requestedBy = locker;
  info.type = held.type;
  info.wanted = held.type;
  info.duration = isSession(held) ? LockDuration::Session : LockDuration::Transaction;
  info.session = held.session;
  info.level = held.level;
  info.since = held.since;
  info.token = held.token;
  return info;
}

bool HeldLocks::survives(HeldLock& lock, Oid target, const Release& release) {
  switch (release.kind) {
    case Release::Kind::Unlock: return target != release.target;
    case Release::Kind::Transaction:
      if (!isSession(lock)) return false;
      lock.type = lock.session;
      return true;
    case Release::Kind::Level:
      if (!isSession(lock)) return lock.level < release.level;
      if (release.level == 1) lock.type = lock.session;
      return true;
  }
  return true;
}

void HeldLocks::granted(LockerId locker, Oid target, const HeldLock& lock,
                        std::uint64_t acknowledged) {
  HeldLock left = lock;
  MutexLock hold(mutex_);
  OfLocker& of = lockers_[locker.value];
  while (!of.releases.empty() && of.releases.front().message <= acknowledged) {
    of.releases.pop_front();
  }
  for (const Release& release : of.releases) {
    if (survives(left, target, release)) continue;
    of.locks.erase(target);
    return;
  }
  of.locks.insert_or_assign(target, Held{left, false});
}

void HeldLocks::release(LockerId locker, const Release& release) {
  OfLocker& of = lockers_[locker.value];
  of.releases.push_back(release);
  if (of.releases.size() > kRemembered) of.releases.pop_front();
  apply(release, of.locks);
}

void HeldLocks::apply(const Release& release, Locks& locks) {
  boost::unordered::erase_if(
      locks, [&](auto& lock) { return !survives(lock.second.lock, lock.first, release); });
}

bool HeldLocks::unlocked(LockerId locker, Oid target, std::uint64_t message) {
  MutexLock hold(mutex_);
  OfLocker& of = lockers_[locker.value];
  of.releases.push_back({Release::Kind::Unlock, target, 0, message});
  if (of.releases.size() > kRemembered) of.releases.pop_front();
  return of.locks.erase(target) > 0;
}

void HeldLocks::transactionEnded(LockerId locker, std::uint64_t message) {
  MutexLock hold(mutex_);
  release(locker, {Release::Kind::Transaction, Oid(), 0, message});
}

void HeldLocks::levelEnded(LockerId locker, std::uint16_t level, std::uint64_t message) {
  MutexLock hold(mutex_);
  release(locker, {Release::Kind::Level, Oid(), level, message});
}

void HeldLocks::committed(LockerId locker) {
  MutexLock hold(mutex_);
  const auto of = lockers_.find(locker.value);
  if (of == lockers_.end()) return;
  apply({Release::Kind::Transaction, Oid(), 0, 0}, of->second.locks);
}

void HeldLocks::taken(LockerId locker, Oid target) {
  MutexLock hold(mutex_);
  const auto of = lockers_.find(locker.value);
  if (of != lockers_.end()) of->second.locks.erase(target);
}

void HeldLocks::mayBeGone(LockerId locker, Oid target, bool is) {
  MutexLock hold(mutex_);
  const auto of = lockers_.find(locker.value);
  if (of == lockers_.end()) return;
  const auto lock = of->second.locks.find(target);
  if (lock != of->second.locks.end()) lock->second.mayBeGone = is;
}

void HeldLocks::forget(LockerId locker) {
  MutexLock hold(mutex_);
  lockers_.erase(locker.value);
}

void HeldLocks::clear() {
  MutexLock hold(mutex_);
  lockers_.clear();
}

}  // namespace nephrite

#include "node/client/held_locks.h"

#include <algorithm>

namespace nephrite {
namespace {

// Older ones than this many have long been seen by the server.
constexpr std::size_t kRemembered = 4096;

bool isSession(const HeldLock& lock) { return lock.session != LockType::Get; }

}  // namespace

class HeldLocks::Counted {
 public:
  Counted(HeldLocks& all, const Locks& locks) : all_(all), locks_(locks), before_(locks.size()) {}
  ~Counted() { all_.count_ += locks_.size() - before_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  HeldLocks& all_;
  const Locks& locks_;
  const std::size_t before_;
};

HeldLock HeldLocks::heldIn(const OfLocker& of, Oid target) {
  const auto lock = of.locks.find(target.bits());
  return lock == of.locks.end() || lock->second.mayBeGone ? HeldLock() : lock->second.lock;
}

HeldLock HeldLocks::find(LockerId locker, Oid target) const {
  if (count_ == 0) return {};
  MutexLock hold(mutex_);
  const auto of = lockers_.find(locker.value);
  return of == lockers_.end() ? HeldLock() : heldIn(of->second, target);
}

std::vector<HeldLock> HeldLocks::find(LockerId locker, std::span<const Oid> targets) const {
  if (count_ == 0) return {};
  MutexLock hold(mutex_);
  const auto of = lockers_.find(locker.value);
  if (of == lockers_.end() || of->second.locks.empty()) return {};
  std::vector<HeldLock> held;
  held.reserve(targets.size());
  for (const Oid target : targets) held.push_back(heldIn(of->second, target));
  return held;
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
  granted(locker, {&target, 1}, {&lock, 1}, acknowledged);
}

void HeldLocks::granted(LockerId locker, std::span<const Oid> targets,
                        std::span<const HeldLock> locks, std::uint64_t acknowledged) {
  MutexLock hold(mutex_);
  OfLocker& of = lockers_[locker.value];
  while (!of.releases.empty() && of.releases.front().message <= acknowledged) {
    of.releases.pop_front();
  }
  const Counted counted(*this, of.locks);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    HeldLock left = locks[i];
    const bool survivesAll =
        std::all_of(of.releases.begin(), of.releases.end(),
                    [&](const Release& release) { return survives(left, targets[i], release); });
    if (survivesAll) {
      of.locks.insert_or_assign(targets[i].bits(), Held{left, false});
    } else {
      of.locks.erase(targets[i].bits());
    }
  }
}

void HeldLocks::release(LockerId locker, const Release& release) {
  OfLocker& of = lockers_[locker.value];
  of.releases.push_back(release);
  if (of.releases.size() > kRemembered) of.releases.pop_front();
  const Counted counted(*this, of.locks);
  apply(release, of.locks);
}

void HeldLocks::apply(const Release& release, Locks& locks) {
  boost::unordered::erase_if(locks, [&](auto& lock) {
    return !survives(lock.second.lock, Oid::fromBits(lock.first), release);
  });
}

bool HeldLocks::unlocked(LockerId locker, Oid target, std::uint64_t message) {
  MutexLock hold(mutex_);
  OfLocker& of = lockers_[locker.value];
  of.releases.push_back({Release::Kind::Unlock, target, 0, message});
  if (of.releases.size() > kRemembered) of.releases.pop_front();
  const Counted counted(*this, of.locks);
  return of.locks.erase(target.bits()) > 0;
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
  const Counted counted(*this, of->second.locks);
  apply({Release::Kind::Transaction, Oid(), 0, 0}, of->second.locks);
}

void HeldLocks::taken(LockerId locker, Oid target) {
  MutexLock hold(mutex_);
  const auto of = lockers_.find(locker.value);
  if (of == lockers_.end()) return;
  const Counted counted(*this, of->second.locks);
  of->second.locks.erase(target.bits());
}

void HeldLocks::mayBeGone(LockerId locker, Oid target, bool is) {
  MutexLock hold(mutex_);
  const auto of = lockers_.find(locker.value);
  if (of == lockers_.end()) return;
  const auto lock = of->second.locks.find(target.bits());
  if (lock != of->second.locks.end()) lock->second.mayBeGone = is;
}

void HeldLocks::forget(LockerId locker) {
  MutexLock hold(mutex_);
  const auto of = lockers_.find(locker.value);
  if (of == lockers_.end()) return;
  count_ -= of->second.locks.size();
  lockers_.erase(of);
}

void HeldLocks::clear() {
  MutexLock hold(mutex_);
  count_ = 0;
  lockers_.clear();
}

}  // namespace nephrite

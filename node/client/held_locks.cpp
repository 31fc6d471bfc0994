#include "node/client/held_locks.h"

#include <algorithm>
#include <utility>

namespace nephrite {
namespace {

// Messages of a locker that the server is not known to have seen. When there are more, what it says
// is not sure before it has seen those that were forgotten.
constexpr std::size_t kMostSent = 4096;

// So many messages that may have changed one lock are told apart.
constexpr std::size_t kMostChangers = 64;

// Instead of messages that were forgotten: the number of none.
constexpr std::uint64_t kForgotten = 0;

bool survives(ClientLock& lock, ReleaseScope scope) {
  const ReleaseFate fate = fateOf(lock.session, lock.level, scope);
  if (fate == ReleaseFate::Returns) {
    lock.type = lock.session;
    lock.below = belowWithin({lock.below.session, lock.below.session}, lock.types());
  }
  return fate != ReleaseFate::Goes;
}

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

ClientLock HeldLocks::heldIn(const OfLocker& of, Oid target) {
  const auto lock = of.locks.find(target.bits());
  if (lock == of.locks.end() || !lock->second.isSure()) return {};
  ClientLock held = lock->second.lock;
  held.renewsAbove = of.renewsAbove;
  return held;
}

ClientLock HeldLocks::find(LockerId locker, Oid target) const {
  if (count_ == 0) return {};
  MutexLock hold(mutex_);
  const auto of = lockers_.find(locker.value);
  return of == lockers_.end() ? ClientLock() : heldIn(of->second, target);
}

std::vector<bool> HeldLocks::mayHold(LockerId locker, std::span<const Oid> targets) const {
  std::vector<bool> held(targets.size(), false);
  if (count_ == 0) return held;
  MutexLock hold(mutex_);
  const auto of = lockers_.find(locker.value);
  if (of == lockers_.end() || of->second.locks.empty()) return held;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    held[i] = of->second.locks.contains(targets[i].bits());
  }
  return held;
}

std::vector<Oid> HeldLocks::unsure(LockerId locker, std::span<const Oid> targets) const {
  if (count_ == 0) return {};
  MutexLock hold(mutex_);
  const auto of = lockers_.find(locker.value);
  if (of == lockers_.end()) return {};
  std::vector<Oid> found;
  for (const Oid target : targets) {
    const auto lock = of->second.locks.find(target.bits());
    if (lock != of->second.locks.end() && !lock->second.isSure()) found.push_back(target);
  }
  return found;
}

// --- Asking and being told -----------------------------------------------------------------------

void HeldLocks::remember(OfLocker& of, const Sent& sent) {
  of.sent.push_back(sent);
  if (of.sent.size() <= kMostSent) return;
  of.forgotten = of.sent.front().message;
  of.sent.pop_front();
}

void HeldLocks::mayBeChanged(Held& held, std::uint64_t message) {
  if (!held.changers) held.changers = std::make_unique<std::vector<std::uint64_t>>();
  if (held.changers->size() == kMostChangers) *held.changers = {kForgotten};
  held.changers->push_back(message);
}

HeldLocks::Sent HeldLocks::sentAbout(Sent::Kind kind, std::span<const Oid> targets,
                                     std::uint64_t message) {
  Sent sent{kind, targets.front(), 0, message};
  if (targets.size() > 1) {
    std::vector<Oid> many(targets.begin(), targets.end());
    if (!std::is_sorted(many.begin(), many.end())) std::sort(many.begin(), many.end());
    sent.many = std::make_shared<const std::vector<Oid>>(std::move(many));
  }
  return sent;
}

void HeldLocks::asked(LockerId locker, std::span<const Oid> targets, std::uint64_t message) {
  MutexLock hold(mutex_);
  OfLocker& of = lockers_[locker.value];
  remember(of, sentAbout(Sent::Kind::Asked, targets, message));
  if (of.locks.empty()) return;
  for (const Oid target : targets) {
    const auto lock = of.locks.find(target.bits());
    if (lock != of.locks.end()) mayBeChanged(lock->second, message);
  }
}

void HeldLocks::told(LockerId locker, std::span<const Oid> targets,
                     std::span<const ClientLock> locks, std::uint64_t acknowledged) {
  MutexLock hold(mutex_);
  OfLocker& of = lockers_[locker.value];
  while (!of.sent.empty() && of.sent.front().message <= acknowledged) of.sent.pop_front();
  const Counted counted(*this, of.locks);
  for (std::size_t i = 0; i < targets.size(); ++i) tell(of, targets[i], locks[i], acknowledged);
}

void HeldLocks::tell(OfLocker& of, Oid target, const ClientLock& lock, std::uint64_t acknowledged) {
  Held held{lock};
  of.renewsAbove |= lock.hasLease && lock.below.type != LockType::Get;
  if (of.forgotten > acknowledged) mayBeChanged(held, kForgotten);
  bool isHeld = lock.type != LockType::Get;
  for (const Sent& later : of.sent) {
    const bool isAbout = later.isAbout(target);
    if (isAbout) mayBeChanged(held, later.message);
    if (isAbout && later.kind == Sent::Kind::Inherited) isHeld = true;
    isHeld = isHeld && survives(held.lock, target, later);
  }
  if (isHeld) {
    of.locks.insert_or_assign(target.bits(), std::move(held));
  } else {
    of.locks.erase(target.bits());
  }
}

void HeldLocks::notReached(LockerId locker, std::span<const Oid> targets, std::uint64_t message) {
  MutexLock hold(mutex_);
  const auto of = lockers_.find(locker.value);
  if (of == lockers_.end() || of->second.locks.empty()) return;
  for (const Oid target : targets) {
    const auto lock = of->second.locks.find(target.bits());
    if (lock == of->second.locks.end() || lock->second.isSure()) continue;
    std::erase(*lock->second.changers, message);
  }
}

// --- Letting go ----------------------------------------------------------------------------------

bool HeldLocks::survives(ClientLock& lock, Oid target, const Sent& release) {
  switch (release.kind) {
    case Sent::Kind::Asked:
    case Sent::Kind::Inherited: return true;
    case Sent::Kind::Unlock: return target != release.target;
    case Sent::Kind::Transaction:
      return nephrite::survives(lock, {ReleaseScope::Kind::Transaction, 0});
    case Sent::Kind::Level:
      return nephrite::survives(lock, {ReleaseScope::Kind::Level, release.level});
  }
  return true;
}

void HeldLocks::apply(const Sent& release, Locks& locks) {
  boost::unordered::erase_if(locks, [&](auto& lock) {
    return !survives(lock.second.lock, Oid::fromBits(lock.first), release);
  });
}

void HeldLocks::release(LockerId locker, const Sent& release) {
  OfLocker& of = lockers_[locker.value];
  remember(of, release);
  const Counted counted(*this, of.locks);
  apply(release, of.locks);
}

bool HeldLocks::unlocked(LockerId locker, Oid target, std::uint64_t message) {
  MutexLock hold(mutex_);
  OfLocker& of = lockers_[locker.value];
  remember(of, {Sent::Kind::Unlock, target, 0, message});
  const Counted counted(*this, of.locks);
  return of.locks.erase(target.bits()) > 0;
}

void HeldLocks::transactionEnded(LockerId locker, std::uint64_t message) {
  MutexLock hold(mutex_);
  release(locker, {Sent::Kind::Transaction, Oid(), 0, message});
}

void HeldLocks::levelEnded(LockerId locker, std::uint16_t level, std::uint64_t message) {
  MutexLock hold(mutex_);
  release(locker, {Sent::Kind::Level, Oid(), level, message});
}

void HeldLocks::committed(LockerId locker) {
  MutexLock hold(mutex_);
  const auto of = lockers_.find(locker.value);
  if (of == lockers_.end()) return;
  const Counted counted(*this, of->second.locks);
  apply({Sent::Kind::Transaction, Oid(), 0, 0}, of->second.locks);
}

void HeldLocks::taken(LockerId locker, Oid target) {
  MutexLock hold(mutex_);
  const auto of = lockers_.find(locker.value);
  if (of == lockers_.end()) return;
  const Counted counted(*this, of->second.locks);
  of->second.locks.erase(target.bits());
}

void HeldLocks::lapsed(LockerId locker, Oid target, FencingToken token) {
  MutexLock hold(mutex_);
  const auto of = lockers_.find(locker.value);
  if (of == lockers_.end()) return;
  const Counted counted(*this, of->second.locks);
  const auto lock = of->second.locks.find(target.bits());
  if (lock == of->second.locks.end() || token < lock->second.lock.token) return;
  of->second.locks.erase(lock);
}

void HeldLocks::inherited(LockerId child, LockerId heir, std::uint64_t message) {
  const std::vector<Oid> targets = allOf(child);
  if (targets.empty()) return;
  MutexLock hold(mutex_);
  OfLocker& of = lockers_[heir.value];
  const Counted counted(*this, of.locks);
  const auto from = lockers_.find(child.value);
  if (from == lockers_.end()) return;
  of.renewsAbove |= from->second.renewsAbove;
  for (const Oid target : targets) {
    const auto left = from->second.locks.find(target.bits());
    if (left == from->second.locks.end()) continue;
    Held& held = of.locks.try_emplace(target.bits(), Held{left->second.lock}).first->second;
    mayBeChanged(held, message);
  }
  remember(of, sentAbout(Sent::Kind::Inherited, targets, message));
}

std::vector<Oid> HeldLocks::allOf(LockerId locker) const {
  std::vector<Oid> all;
  MutexLock hold(mutex_);
  const auto of = lockers_.find(locker.value);
  if (of == lockers_.end()) return all;
  for (const auto& [target, held] : of->second.locks) all.push_back(Oid::fromBits(target));
  return all;
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

// --- Lapses --------------------------------------------------------------------------------------

void LapsedLocks::note(const LockRequest& lapsed, WallTime when) {
  MutexLock hold(mutex_);
  const std::uint64_t number = ++count_;
  if (last_.size() >= kMost) {
    last_.clear();
    forgotten_ = number - 1;
  }
  last_[{lapsed.locker.value, lapsed.target.value}] = {number, when, lapsed.lease.length};
}

std::optional<LapsedLocks::Lapse> LapsedLocks::since(LockerId locker, Oid target,
                                                     std::uint64_t lapses) const {
  if (count_ <= lapses) return std::nullopt;
  MutexLock hold(mutex_);
  const auto last = last_.find({locker.value, target.bits()});
  if (last != last_.end() && last->second.number > lapses) return last->second;
  return lapses < forgotten_ ? std::optional(Lapse{}) : std::nullopt;
}

void LapsedLocks::forget(LockerId locker) {
  if (count_ == 0) return;
  MutexLock hold(mutex_);
  last_.erase(last_.lower_bound({locker.value, 0}), last_.upper_bound({locker.value, UINT64_MAX}));
}

}  // namespace nephrite

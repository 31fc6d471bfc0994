#include "locking/lock_manager.h"

#include "base/check.h"
#include "base/mutex.h"
#include "locking/lock_table.h"

namespace nephrite {

// --- LockAnswers -------------------------------------------------------------------------------

LockAnswers::LockAnswers(LockAnswers&& other) noexcept
    : first_(std::move(other.first_)),
      rest_(std::move(other.rest_)),
      waitsUntil_(other.waitsUntil_) {
  other.first_.reset();
  other.rest_.clear();
}

LockAnswers::~LockAnswers() { NEPHRITE_CHECK(empty() && "answers were decided, not delivered"); }

void LockAnswers::add(LockSettle settle, LockAnswer answer) {
  if (!first_) {
    first_.emplace(Owed{std::move(settle), std::move(answer)});
  } else {
    rest_.push_back({std::move(settle), std::move(answer)});
  }
}

void LockAnswers::addFirst(LockSettle settle, LockAnswer answer) {
  if (first_) rest_.insert(rest_.begin(), std::move(*first_));
  first_.emplace(Owed{std::move(settle), std::move(answer)});
}

void LockAnswers::deliver() {
  if (!first_) return;
  const Owed first = std::move(*first_);
  const std::vector<Owed> rest = std::move(rest_);
  first_.reset();
  rest_.clear();
  if (first.settle) first.settle(first.answer);
  for (const Owed& owed : rest) {
    if (owed.settle) owed.settle(owed.answer);
  }
}

// --- LockManager: the table behind one mutex ----------------------------------------------------

struct LockManager::State {
  State(const Clock& clock, Options options) : table(clock, options) {}

  mutable Mutex mutex;  // A leaf: nothing else is locked while it is held.
  lock_table::LockTable table NEPHRITE_GUARDED_BY(mutex);
};

LockManager::LockManager(const Clock& clock, Options options)
    : clock_(clock), state_(std::make_unique<State>(clock, options)) {}

LockManager::~LockManager() = default;

void LockManager::setTimeouts(std::chrono::milliseconds serverTimeout,
                              std::chrono::milliseconds backgroundTimeout) {
  MutexLock hold(state_->mutex);
  state_->table.options().serverTimeout = serverTimeout;
  state_->table.options().backgroundTimeout = backgroundTimeout;
}

void LockManager::setDoubleDeadlock(bool on) {
  MutexLock hold(state_->mutex);
  state_->table.options().doubleDeadlock = on;
}

std::uint64_t LockManager::lastToken() const {
  MutexLock hold(state_->mutex);
  return state_->table.lastToken();
}

void LockManager::signOn(LockerId locker) {
  MutexLock hold(state_->mutex);
  state_->table.signOn(locker);
}

LockAnswers LockManager::signOff(LockerId locker) {
  MutexLock hold(state_->mutex);
  return state_->table.signOff(locker);
}

LockAnswers LockManager::request(const LockRequest& request, LockSettle settle) {
  MutexLock hold(state_->mutex);
  return state_->table.request(request, std::move(settle));
}

LockAnswers LockManager::upgradeForCommit(const LockRequest& request,
                                          std::span<const LockTarget> targets, LockSettle settle) {
  MutexLock hold(state_->mutex);
  return state_->table.upgradeForCommit(request, targets, std::move(settle));
}

LockAnswers LockManager::cancel(LockerId locker, std::uint64_t requestId) {
  MutexLock hold(state_->mutex);
  return state_->table.cancel(locker, requestId);
}

std::optional<Instant> LockManager::nextDeadline() const {
  MutexLock hold(state_->mutex);
  return state_->table.nextDeadline();
}

LockAnswers LockManager::expireNextWait(Instant now) {
  MutexLock hold(state_->mutex);
  return state_->table.expireNextWait(now);
}

LockAnswers LockManager::unlock(LockerId locker, LockTarget target, bool* released) {
  MutexLock hold(state_->mutex);
  return state_->table.unlock(locker, target, released);
}

LockAnswers LockManager::releaseTransactionLocks(LockerId locker) {
  MutexLock hold(state_->mutex);
  return state_->table.releaseTransactionLocks(locker);
}

LockAnswers LockManager::releaseLevel(LockerId locker, std::uint16_t level) {
  MutexLock hold(state_->mutex);
  return state_->table.releaseLevel(locker, level);
}

std::optional<LockInfo> LockManager::lockStatus(LockerId locker, LockTarget target) const {
  MutexLock hold(state_->mutex);
  return state_->table.lockStatus(locker, target);
}

std::vector<LockInfo> LockManager::locksHeld(std::size_t maxEntries) const {
  MutexLock hold(state_->mutex);
  return state_->table.locksHeld(maxEntries);
}

std::vector<LockInfo> LockManager::queuedRequests(std::size_t maxEntries) const {
  MutexLock hold(state_->mutex);
  return state_->table.queuedRequests(maxEntries);
}

std::vector<LockInfo> LockManager::locksOn(LockTarget target) const {
  MutexLock hold(state_->mutex);
  return state_->table.locksOn(target);
}

std::vector<LockInfo> LockManager::locksOf(LockerId locker) const {
  MutexLock hold(state_->mutex);
  return state_->table.locksOf(locker);
}

LockStatistics LockManager::statistics() const {
  MutexLock hold(state_->mutex);
  return state_->table.statistics();
}

bool LockManager::beginContentionStats(LockerId starter, std::size_t tableSize) {
  const WallTime now = clock_.wallNow();
  MutexLock hold(state_->mutex);
  return state_->table.contention().begin(starter, tableSize, now);
}

bool LockManager::clearContentionStats(LockerId locker) {
  const WallTime now = clock_.wallNow();
  MutexLock hold(state_->mutex);
  return state_->table.contention().clear(locker, now);
}

bool LockManager::endContentionStats(LockerId locker) {
  MutexLock hold(state_->mutex);
  return state_->table.contention().end(locker);
}

LockContentionState LockManager::contentionState() const {
  MutexLock hold(state_->mutex);
  return state_->table.contention().state();
}

std::vector<LockContentionInfo> LockManager::contentionStats(std::size_t maxEntries,
                                                             std::uint64_t minContentions) const {
  MutexLock hold(state_->mutex);
  return state_->table.contention().list(maxEntries, minContentions);
}

LockContentionInfo LockManager::contentionOf(LockTarget target) const {
  MutexLock hold(state_->mutex);
  return state_->table.contention().of(target);
}

void LockManager::checkInvariants() const {
  MutexLock hold(state_->mutex);
  state_->table.checkInvariants();
}

}  // namespace nephrite

#include "locking/lock_manager.h"

#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "locking/lock_table.h"

namespace nephrite {

// --- LockAnswers -------------------------------------------------------------------------------

LockAnswers::LockAnswers(LockAnswers&& other) noexcept
    : first_(std::exchange(other.first_, std::nullopt)),
      rest_(std::exchange(other.rest_, {})),
      then_(std::exchange(other.then_, nullptr)),
      waitsUntil_(other.waitsUntil_) {}

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
  const std::optional<Owed> first = std::exchange(first_, std::nullopt);
  const std::vector<Owed> rest = std::exchange(rest_, {});
  const std::function<LockAnswers()> then = std::exchange(then_, nullptr);
  if (first && first->settle) first->settle(first->answer);
  for (const Owed& owed : rest) {
    if (owed.settle) owed.settle(owed.answer);
  }
  if (then) then().deliver();
}

// --- LockManager: the table behind one mutex ----------------------------------------------------

struct LockManager::State {
  State(const Clock& clock, Options options) : table(clock, std::move(options)) {}

  mutable Mutex mutex;  // A leaf: nothing else is locked while it is held.
  lock_table::LockTable table NEPHRITE_GUARDED_BY(mutex);
};

LockManager::LockManager(const Clock& clock, Options options)
    : clock_(clock),
      waitBegan_(options.waitBegan),
      state_(std::make_unique<State>(clock, std::move(options))) {}

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
  return ask(request, std::move(settle), false);
}

LockAnswers LockManager::ask(const LockRequest& request, LockSettle settle, bool shareReleased) {
  LockAnswers out;
  {
    MutexLock hold(state_->mutex);
    if (!shareReleased) {
      shareReleased = state_->table.releaseShareBeforeUpdate(request, out);
    }
    if (out.empty()) {
      state_->table.request(request, std::move(settle), shareReleased, out);
    } else {
      out.then_ = [this, request, settle = std::move(settle)] {
        return ask(request, settle, true);
      };
    }
  }
  if (out.waitsUntil_ && waitBegan_) waitBegan_(*out.waitsUntil_);
  return out;
}

LockAnswers LockManager::upgradeForCommit(const LockRequest& request,
                                          std::span<const LockTarget> targets, LockSettle settle) {
  LockAnswers out;
  {
    MutexLock hold(state_->mutex);
    state_->table.upgradeForCommit(request, targets, std::move(settle), out);
  }
  if (out.waitsUntil_ && waitBegan_) waitBegan_(*out.waitsUntil_);
  return out;
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

std::vector<DeadlockRecord> LockManager::deadlocks(std::size_t maxEntries) const {
  std::vector<std::shared_ptr<const DeadlockRecord>> kept;
  {
    MutexLock hold(state_->mutex);
    kept = state_->table.deadlocks().list(maxEntries);
  }
  std::vector<DeadlockRecord> records;
  records.reserve(kept.size());
  for (const auto& record : kept) records.push_back(*record);  // Long ones; nobody waits for it.
  return records;
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

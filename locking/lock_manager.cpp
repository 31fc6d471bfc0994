#include "locking/lock_manager.h"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/spin_lock.h"
#include "locking/table/lock_table.h"

namespace nephrite {

// --- LockAnswers -------------------------------------------------------------------------------

LockAnswers::LockAnswers(LockAnswers&& other) noexcept
    : first_(std::exchange(other.first_, std::nullopt)),
      rest_(std::exchange(other.rest_, {})),
      then_(std::exchange(other.then_, nullptr)),
      waitsUntil_(other.waitsUntil_) {}

LockAnswers::~LockAnswers() { NEPHRITE_CHECK(empty() && "answers were decided, not delivered"); }

void LockAnswers::add(LockDone done, LockAnswer answer) {
  if (!first_) {
    first_.emplace(Delivery{std::move(done), std::move(answer)});
  } else {
    rest_.push_back({std::move(done), std::move(answer)});
  }
}

void LockAnswers::addFirst(LockDone done, LockAnswer answer) {
  if (first_) rest_.insert(rest_.begin(), std::move(*first_));
  first_.emplace(Delivery{std::move(done), std::move(answer)});
}

namespace {

void logThrown(const LockAnswer& answer, const std::string& why) {
  log(LogLevel::Error, "lock.receiver_threw",
      {{"locker", std::to_string(answer.request.locker.value)},
       {"target", std::to_string(answer.request.target.value)},
       {"outcome", std::string(nameOf(answer.outcome))},
       {"reason", why}});
}

}  // namespace

// What one receiver throws is neither the fault of the other receivers nor of the thread that
// delivers, which may be in the middle of a commit: it is told to the log.
void LockAnswers::tell(const Delivery& delivery) noexcept {
  if (!delivery.done) return;
  try {
    delivery.done(delivery.answer);
  } catch (const std::exception& thrown) {
    logThrown(delivery.answer, thrown.what());
  } catch (...) {
    logThrown(delivery.answer, "an exception that is no std::exception");
  }
}

void LockAnswers::deliver() {
  const std::optional<Delivery> first = std::exchange(first_, std::nullopt);
  const std::vector<Delivery> rest = std::exchange(rest_, {});
  const std::function<LockAnswers()> then = std::exchange(then_, nullptr);
  if (first) tell(*first);
  for (const Delivery& delivery : rest) tell(delivery);
  if (then) then().deliver();
}

// --- LockManager: the fast path, then the table behind one mutex --------------------------------

using lock_table::HoldTable;
using lock_table::Locker;

struct LockManager::State {
  State(const Clock& clock, Options options)
      : holds(options.tokensAbove, clock), table(clock, std::move(options), holds, lockers) {}

  // Order: `waiting`, then a locker's mutex, then a segment's of `holds`; pool and lockers last.
  lock_table::ChunkPool pool;
  HoldTable holds;
  lock_table::Lockers lockers;
  mutable Mutex waiting;
  lock_table::LockTable table NEPHRITE_GUARDED_BY(waiting);
};

LockManager::LockManager(const Clock& clock, Options options)
    : clock_(clock),
      waitBegan_(options.waitBegan),
      state_(std::make_unique<State>(clock, std::move(options))),
      holds_(state_->holds) {}

LockManager::~LockManager() = default;

void LockManager::setTimeouts(std::chrono::milliseconds serverTimeout,
                              std::chrono::milliseconds backgroundTimeout) {
  MutexLock hold(state_->waiting);
  state_->table.options().serverTimeout = serverTimeout;
  state_->table.options().backgroundTimeout = backgroundTimeout;
}

void LockManager::setDoubleDeadlock(bool on) {
  MutexLock hold(state_->waiting);
  state_->table.options().doubleDeadlock = on;
}

std::uint64_t LockManager::lastToken() const {
  return std::max(state_->holds.lastToken(), state_->lockers.lastToken());
}

void LockManager::signOn(LockerId locker) {
  NEPHRITE_CHECK(!locker.isNull());
  const bool added =
      state_->lockers.add(Locker::make(locker, state_->pool, state_->holds.grants()));
  NEPHRITE_CHECK(added && "signed on already");
}

LockAnswers LockManager::signOff(LockerId id) {
  LockAnswers out;
  const LockerRef locker = state_->lockers.find(id);
  if (locker == nullptr) return out;
  {
    MutexLock hold(state_->waiting);
    state_->table.signOff(*locker, out);
  }
  releaseAll(*locker, {ReleaseScope::Kind::Everything, 0}, out);
  state_->lockers.remove(id);
  return out;
}

// --- Asking --------------------------------------------------------------------------------------

LockerRef LockManager::find(LockerId locker) const { return state_->lockers.find(locker); }

LockerId LockManager::idOf(const LockerRef& ref) { return ref->id; }

LockAnswers LockManager::request(const LockRequest& request, LockDone done) {
  NEPHRITE_CHECK(request.type != LockType::Get);
  NEPHRITE_CHECK(request.duration != LockDuration::Persistent);
  NEPHRITE_CHECK(!request.timeout.isProcessDefined());
  LockAnswers out;
  LockAnswer answer;
  const LockerRef locker = state_->lockers.find(request.locker);
  if (locker != nullptr) {
    answer.token = grantAtOnce(locker, request.target, request.terms()).token;
    if (answer.token.value == 0) return ask(*locker, request, std::move(done), false);
  } else {
    answer.outcome = LockOutcome::Cancelled;
  }
  answer.request = request;
  out.add(std::move(done), std::move(answer));
  return out;
}

LockAnswers LockManager::ask(Locker& locker, const LockRequest& request, LockDone done,
                             bool shareReleased) {
  LockAnswers out;
  {
    MutexLock hold(state_->waiting);
    if (!shareReleased) {
      shareReleased = state_->table.releaseShareBeforeUpdate(locker, request, out);
    }
    if (out.empty()) {
      state_->table.request(locker, request, std::move(done), shareReleased, out);
    } else {
      out.then_ = [this, locker = LockerRef(&locker), request, done = std::move(done)] {
        return ask(*locker, request, done, true);
      };
    }
  }
  if (out.waitsUntil_ && waitBegan_) waitBegan_(*out.waitsUntil_);
  return out;
}

LockAnswers LockManager::upgradeForCommit(const LockRequest& request,
                                          std::span<const LockTarget> targets, LockDone done) {
  NEPHRITE_CHECK(!request.timeout.isProcessDefined());
  LockAnswers out;
  const LockerRef locker = state_->lockers.find(request.locker);
  if (locker == nullptr) {
    LockAnswer answer;
    answer.request = request;
    answer.request.type = LockType::Exclusive;
    answer.outcome = LockOutcome::Cancelled;
    out.add(std::move(done), std::move(answer));
    return out;
  }
  {
    MutexLock hold(state_->waiting);
    state_->table.upgradeForCommit(*locker, request, targets, std::move(done), out);
  }
  if (out.waitsUntil_ && waitBegan_) waitBegan_(*out.waitsUntil_);
  return out;
}

// Under the mutex, so that no request is between its look and what it does.
void LockManager::beginWriting(LockerId id) {
  const LockerRef locker = state_->lockers.find(id);
  if (locker == nullptr) return;
  MutexLock hold(state_->waiting);
  state_->table.setWriting(*locker, true);
}

void LockManager::endWriting(LockerId id) {
  const LockerRef locker = state_->lockers.find(id);
  if (locker == nullptr) return;
  MutexLock hold(state_->waiting);
  state_->table.setWriting(*locker, false);
}

LockAnswers LockManager::cancel(LockerId id, std::uint64_t requestId) {
  const LockerRef locker = state_->lockers.find(id);
  if (locker == nullptr) return {};
  MutexLock hold(state_->waiting);
  return state_->table.cancel(*locker, requestId);
}

std::optional<Instant> LockManager::nextDeadline() const {
  MutexLock hold(state_->waiting);
  return state_->table.nextDeadline();
}

LockAnswers LockManager::expireNextWait(Instant now) {
  MutexLock hold(state_->waiting);
  return state_->table.expireNextWait(now);
}

// --- Letting go ----------------------------------------------------------------------------------

LockAnswers LockManager::unlock(LockerId id, LockTarget target, bool* released) {
  LockAnswers out;
  bool held = false;
  if (const LockerRef locker = state_->lockers.find(id); locker != nullptr) {
    const FastRelease done = releaseAtOnce(locker, target);
    held = done == FastRelease::Released;
    if (done == FastRelease::NeedsSlowPath) {
      MutexLock hold(state_->waiting);
      held = state_->table.unlock(*locker, target, out);
    }
  }
  if (released != nullptr) *released = held;
  return out;
}

void LockManager::releaseAll(Locker& locker, const ReleaseScope& scope, LockAnswers& out) {
  {
    OwnerHold own(locker.mutex);
    if (!state_->holds.releaseAll(locker, scope)) return;
  }
  MutexLock hold(state_->waiting);
  state_->table.releaseAll(locker, scope, out);
}

LockAnswers LockManager::releaseTransactionLocks(LockerId id, std::span<const LockTarget> deleted) {
  LockAnswers out;
  const LockerRef locker = state_->lockers.find(id);
  if (locker == nullptr) return out;
  for (const LockTarget target : deleted) {
    if (held(locker, target).session == LockType::Get) continue;
    MutexLock hold(state_->waiting);
    state_->table.endSession(*locker, target);
  }
  releaseAll(*locker, {ReleaseScope::Kind::Transaction, 0}, out);
  return out;
}

LockAnswers LockManager::releaseLevel(LockerId id, std::uint16_t level) {
  LockAnswers out;
  const LockerRef locker = state_->lockers.find(id);
  if (locker != nullptr) releaseAll(*locker, {ReleaseScope::Kind::Level, level}, out);
  return out;
}

// --- Looking -------------------------------------------------------------------------------------

std::optional<LockInfo> LockManager::lockStatus(LockerId locker, LockTarget target) const {
  std::optional<LockInfo> held;
  const LockerRef ref = state_->lockers.find(locker);
  if (ref == nullptr) return held;
  const Instant now = clock_.now();
  const WallTime wall = clock_.wallNow();
  const auto take = [&](const lock_table::Hold& hold) {
    held = lock_table::LockTable::infoOf(hold, now, wall);
  };
  if (state_->holds.look(*ref, target, take)) return held;
  MutexLock hold(state_->waiting);
  if (const auto* const found = state_->holds.find(*ref, target)) take(*found);
  return held;
}

void LockManager::heldInCrowd(const LockerRef& ref, LockTarget target, HeldLock& held) const {
  MutexLock hold(state_->waiting);
  const lock_table::Hold* const found = holds_.find(*ref, target);
  if (found == nullptr) return;
  held = {found->token(), found->since(), found->level(), found->type(), found->sessionType()};
}

std::vector<LockInfo> LockManager::locksHeld(std::size_t maxEntries) const {
  return lock_table::locksHeld(holds_, clock_, maxEntries);
}

std::vector<LockInfo> LockManager::queuedRequests(std::size_t maxEntries) const {
  lock_table::LockTable::QueueWalk walk(maxEntries);
  SpinWait pause;
  if (maxEntries == 0) return {};
  for (;;) {
    walk.beginPage();
    {
      MutexLock hold(state_->waiting);
      if (!state_->table.listQueued(walk)) return std::move(walk.seen);
    }
    pause.pause();  // The threads that came meanwhile are first.
  }
}

std::vector<LockInfo> LockManager::locksOn(LockTarget target) const {
  MutexLock hold(state_->waiting);
  return state_->table.locksOn(target);
}

std::vector<LockInfo> LockManager::locksOf(LockerId id) const {
  const LockerRef locker = state_->lockers.find(id);
  if (locker == nullptr) return {};
  MutexLock hold(state_->waiting);
  return state_->table.locksOf(*locker);
}

LockStatistics LockManager::statistics() const {
  LockStatistics statistics;
  {
    MutexLock hold(state_->waiting);
    statistics = state_->table.statistics();
  }
  state_->lockers.count(statistics);
  return statistics;
}

std::vector<DeadlockRecord> LockManager::deadlocks(std::size_t maxEntries) const {
  std::vector<std::shared_ptr<const DeadlockRecord>> kept;
  {
    MutexLock hold(state_->waiting);
    kept = state_->table.deadlocks().list(maxEntries);
  }
  std::vector<DeadlockRecord> records;
  records.reserve(kept.size());
  for (const auto& record : kept) records.push_back(*record);  // Long ones; no thread waits for it.
  return records;
}

bool LockManager::beginContentionStats(LockerId starter, std::size_t tableSize) {
  const WallTime now = clock_.wallNow();
  MutexLock hold(state_->waiting);
  return state_->table.contention().begin(starter, tableSize, now);
}

bool LockManager::clearContentionStats(LockerId locker) {
  const WallTime now = clock_.wallNow();
  MutexLock hold(state_->waiting);
  return state_->table.contention().clear(locker, now);
}

bool LockManager::endContentionStats(LockerId locker) {
  MutexLock hold(state_->waiting);
  return state_->table.contention().end(locker);
}

LockContentionState LockManager::contentionState() const {
  MutexLock hold(state_->waiting);
  return state_->table.contention().state();
}

std::vector<LockContentionInfo> LockManager::contentionStats(std::size_t maxEntries,
                                                             std::uint64_t minContentions) const {
  MutexLock hold(state_->waiting);
  return state_->table.contention().list(maxEntries, minContentions);
}

LockContentionInfo LockManager::contentionOf(LockTarget target) const {
  MutexLock hold(state_->waiting);
  return state_->table.contention().of(target);
}

void LockManager::checkInvariants() const {
  MutexLock hold(state_->waiting);
  state_->table.checkInvariants();
}

}  // namespace nephrite

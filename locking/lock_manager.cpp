#include "locking/lock_manager.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/spin_lock.h"
#include "locking/domain/lock_domain.h"
#include "locking/domain/lock_table.h"

namespace nephrite {

// --- LockManager: the fast path, then the table behind one mutex --------------------------------

using lock_table::HoldTable;
using lock_table::Locker;
using lock_table::LockTable;

static_assert(LockManager::kMostDepth == Locker::kMostDepth);

struct LockManager::State {
  State(const Clock& clock, Options options)
      : domain(options.domain != nullptr ? options.domain : makeLockDomain()),
        waiting(domain->waiting_),
        holds(options.tokensAbove, clock),
        events(options.keptEvents, domain->isNew_),
        table(clock, std::move(options), holds, lockers, events, domain->waits_) {
    domain->logs_.push_back(&events);
  }
  ~State() { std::erase(domain->logs_, &events); }

  const std::shared_ptr<LockDomain> domain;
  Mutex& waiting;  // Of the domain.
  // Order: `waiting`, then a locker's mutex, then a segment's of `holds`; pool and lockers last.
  lock_table::ChunkPool pool;
  HoldTable holds;
  lock_table::Lockers lockers;
  LockEventLog events;  // Guarded by `waiting`, but for its subscribers.
  lock_table::LockTable table NEPHRITE_GUARDED_BY(waiting);
  std::atomic<std::uint64_t> lastBegun{0};

  void fillInLeases(std::span<LockInfo> locks) const;
  /// A page, a part at a time: the threads that came meanwhile are first.
  template <typename Page, typename Part>
  LockPage list(Page&& page, const Part& listPart) const {
    for (SpinWait pause;; pause.pause()) {
      page.beginPart();
      MutexLock hold(waiting);
      if (!listPart(table, page)) return page.take();
    }
  }
};

LockManager::LockManager(const Clock& clock, Options options)
    : clock_(clock),
      waitBegan_(options.waitBegan),
      countsAge_(options.countsAge),
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

void LockManager::setLimits(const LockLimits& limits) {
  MutexLock hold(state_->waiting);
  NEPHRITE_CHECK(state_->table.useOf(LockLimit::Lockers).now == 0);
  state_->table.counts().setLimits(limits);
}

void LockManager::setVictim(DeadlockVictim policy) {
  MutexLock hold(state_->waiting);
  state_->table.options().victim = policy;
}

void LockManager::setVictimSeed(std::uint64_t seed) {
  MutexLock hold(state_->waiting);
  state_->table.setVictimSeed(seed);
}

std::uint64_t LockManager::lastToken() const {
  return std::max(state_->holds.lastToken(), state_->lockers.lastToken());
}

LockManager::SignOn LockManager::signOn(LockerId id, LockerId parentId, bool isCounted) {
  NEPHRITE_CHECK(!id.isNull());
  MutexLock hold(state_->waiting);
  LockerRef parent;
  if (!parentId.isNull()) {
    parent = state_->lockers.find(parentId);
    if (parent == nullptr) return SignOn::NoParent;
    if (parent->depth == kMostDepth) return SignOn::TooDeep;
  }
  if (isCounted && !state_->table.counts().mayAddLocker()) {
    state_->table.counts().refuse(LockLimit::Lockers);
    return SignOn::OverLimit;
  }
  const LockerRef locker =
      Locker::make(id, std::move(parent), state_->pool, state_->holds.grants());
  const bool added = state_->lockers.add(locker);
  NEPHRITE_CHECK(added && "signed on already");
  locker->signedOn = ++state_->lastBegun;
  locker->since = locker->signedOn;
  state_->table.signOn(*locker, isCounted);
  return SignOn::Done;
}

LockAnswers LockManager::signOff(LockerId id, LockEventCause cause) {
  LockAnswers out;
  const LockerRef locker = state_->lockers.find(id);
  if (locker == nullptr) return out;
  std::vector<LockerRef> gone;  // Empty: itself alone.
  {
    MutexLock hold(state_->waiting);
    if (locker->firstChild != nullptr) {
      gone = state_->table.signOffFamily(*locker, cause, out);
    } else {
      state_->table.signOff(*locker, out);
    }
  }
  if (gone.empty()) leave(*locker, cause, out);
  for (const LockerRef& each : gone) leave(*each, cause, out);
  finish(out);
  return out;
}

LockAnswers LockManager::signOffToParent(LockerId id, std::uint16_t level) {
  const LockerRef locker = state_->lockers.find(id);
  if (locker == nullptr || locker->parent == nullptr) return signOff(id);
  LockAnswers out;
  std::vector<LockerRef> gone;
  {
    MutexLock hold(state_->waiting);
    gone = state_->table.signOffFamily(*locker, LockEventCause::SignOff, out, level);
  }
  for (const LockerRef& each : gone) leave(*each, LockEventCause::SignOff, out);
  finish(out);
  return out;
}

void LockManager::leave(Locker& locker, LockEventCause cause, LockAnswers& out) {
  const bool byForce = cause == LockEventCause::Force;
  releaseAll(locker, {ReleaseScope::Kind::Everything, 0, byForce}, out);
  state_->lockers.remove(locker.id);
  MutexLock hold(state_->waiting);
  state_->table.left(locker);
}

std::vector<LockerId> LockManager::descendantsOf(LockerId id) const {
  std::vector<LockerId> descendants;
  const LockerRef locker = state_->lockers.find(id);
  if (locker == nullptr) return descendants;
  MutexLock hold(state_->waiting);
  for (const LockerRef& each : lock_table::LockTable::familyOf(*locker)) {
    if (each->id != id) descendants.push_back(each->id);
  }
  return descendants;
}

LockerId LockManager::parentOf(LockerId id) const {
  const LockerRef locker = state_->lockers.find(id);
  return locker == nullptr || locker->parent == nullptr ? LockerId{} : locker->parent->id;
}

void LockManager::noteBegin(const LockerRef& locker) {
  if (countsAge_) locker->since = ++state_->lastBegun;
}

void LockManager::noteEnd(const LockerRef& locker) {
  if (countsAge_) locker->since = locker->signedOn;
}

LockManager::Placing LockManager::setPlace(LockTarget target, LockTarget parent) {
  MutexLock hold(state_->waiting);
  return state_->table.setPlace(target, parent);
}

// There may be new events; and a wait or a lease may end before all that the timer knows of.
void LockManager::finish(LockAnswers& out) const {
  if (state_->domain->takeNews()) out.news_ = state_->domain.get();
  if (out.waitsUntil_ && waitBegan_) waitBegan_(*out.waitsUntil_);
}

// --- Asking --------------------------------------------------------------------------------------

LockerRef LockManager::find(LockerId locker) const { return state_->lockers.find(locker); }

LockerId LockManager::idOf(const LockerRef& ref) { return ref->id; }

LockAnswers LockManager::request(const LockRequest& request, LockDone done) {
  NEPHRITE_CHECK(request.type != LockType::Get);
  NEPHRITE_CHECK(request.duration != LockDuration::Persistent);
  NEPHRITE_CHECK(!request.timeout.isProcessDefined());
  const LockerRef locker = state_->lockers.find(request.locker);
  FencingToken token;
  if (locker != nullptr) {
    // The fast path knows neither leases nor scopes, nor what a face asks for.
    if (request.lease.isNone() && request.scope == LockScope::Node &&
        request.access == LockAccess::Lock) {
      token = grantAtOnce(locker, request.target, request.terms()).token;
    }
    if (token.value == 0) return ask(*locker, request, std::move(done), std::nullopt);
  }
  LockAnswers out;
  out.add(std::move(done),
          {.outcome = locker != nullptr ? LockOutcome::Granted : LockOutcome::Cancelled,
           .request = request,
           .token = token});
  return out;
}

LockAnswers LockManager::ask(Locker& locker, const LockRequest& request, LockDone&& done,
                             const std::optional<lock_table::ReleasedShare>& released) {
  LockAnswers out;
  {
    MutexLock hold(state_->waiting);
    auto share = released;
    if (!share) share = state_->table.releaseShareBeforeUpdate(locker, request, out);
    LockRequest asked = request;
    if (share) asked.scope = share->scope;
    if (out.empty()) {
      state_->table.request(locker, asked, std::move(done), share, out);
    } else {
      out.then_ = [this, locker = LockerRef(&locker), asked, share, done = std::move(done)] {
        return ask(*locker, asked, LockDone(done), share);
      };
    }
  }
  finish(out);
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
  finish(out);
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
  const auto cancelled = [&] {
    MutexLock hold(state_->waiting);
    return state_->table.cancel(*locker, requestId);
  };
  LockAnswers out = cancelled();
  finish(out);
  return out;
}

std::optional<Instant> LockManager::nextDeadline() const {
  MutexLock hold(state_->waiting);
  LockTable* const table = state_->domain->waits_.tableToExpire();
  return table == nullptr ? std::nullopt : std::optional(table->nextExpiry()->at);
}

LockAnswers LockManager::expireNext(Instant now) {
  const auto expired = [&] {
    MutexLock hold(state_->waiting);
    LockTable* const table = state_->domain->waits_.tableToExpire();
    return table == nullptr ? LockAnswers() : table->expireNext(now);
  };
  LockAnswers out = expired();
  finish(out);
  return out;
}

// --- Leases --------------------------------------------------------------------------------------

bool LockManager::renew(const LockerRef& locker, LockTarget target, Renewal by) {
  MutexLock hold(state_->waiting);
  return state_->table.renew(*locker, target, by);
}

void LockManager::keepAlive(const LockerRef& locker) {
  MutexLock hold(state_->waiting);
  state_->table.keepAlive(*locker);
}

// --- Letting go ----------------------------------------------------------------------------------

LockAnswers LockManager::unlock(LockerId id, LockTarget target, bool* released,
                                LockEventCause cause) {
  LockAnswers out;
  bool held = false;
  if (const LockerRef locker = state_->lockers.find(id); locker != nullptr) {
    // By force it is an event, when there are any.
    const bool isTold = cause == LockEventCause::Force && state_->events.isOn();
    const FastRelease done = isTold ? FastRelease::NeedsSlowPath : releaseAtOnce(locker, target);
    held = done == FastRelease::Released;
    if (done == FastRelease::NeedsSlowPath) {
      MutexLock hold(state_->waiting);
      held = state_->table.unlock(*locker, target, out, cause);
    }
  }
  if (released != nullptr) *released = held;
  finish(out);
  return out;
}

void LockManager::releaseAll(Locker& locker, const ReleaseScope& scope, LockAnswers& out) {
  if (!scope.byForce || !state_->events.isOn()) {
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
  finish(out);
  return out;
}

LockAnswers LockManager::releaseLevel(LockerId id, std::uint16_t level) {
  LockAnswers out;
  const LockerRef locker = state_->lockers.find(id);
  if (locker != nullptr) releaseAll(*locker, {ReleaseScope::Kind::Level, level}, out);
  finish(out);
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
  bool isContended = false;
  if (state_->holds.look(*ref, target, take, &isContended) && !isContended) return held;
  MutexLock hold(state_->waiting);
  held.reset();
  if (const auto* const found = state_->holds.find(*ref, target)) {
    held = state_->table.withLease(*found, state_->holds.entryOf(target), now, wall);
  }
  return held;
}

bool LockManager::isLocked(LockTarget target) const { return holds_.isLocked(target); }

void LockManager::heldInCrowd(const LockerRef& ref, LockTarget target, HeldLock& held) const {
  MutexLock hold(state_->waiting);
  const lock_table::Hold* const found = holds_.find(*ref, target);
  if (found == nullptr) return;
  held = {found->token(), found->since(), found->level(), found->type(), found->sessionType()};
}

std::vector<LockInfo> LockManager::locksHeld(std::size_t maxEntries) const {
  std::vector<LockInfo> locks = lock_table::locksHeld(holds_, clock_, maxEntries);
  state_->fillInLeases(locks);
  return locks;
}

LockPage LockManager::locksHeld(const LockCursor& after, std::size_t most) const {
  LockPage page = lock_table::locksHeld(holds_, clock_, after, most);
  state_->fillInLeases(page.locks);
  return page;
}

void LockManager::State::fillInLeases(std::span<LockInfo> locks) const {
  for (; !locks.empty(); locks = locks.subspan(std::min(locks.size(), HoldTable::kPage))) {
    MutexLock hold(waiting);
    if (!table.fillInLeases(locks.first(std::min(locks.size(), HoldTable::kPage)))) return;
  }
}

std::vector<LockInfo> LockManager::queuedRequests(std::size_t maxEntries) const {
  lock_table::QueueWalk walk(maxEntries);
  SpinWait pause;
  if (maxEntries == 0) return {};
  for (;;) {
    walk.beginPart();
    {
      MutexLock hold(state_->waiting);
      if (!state_->table.listQueued(walk)) return std::move(walk.seen);
    }
    pause.pause();  // The threads that came meanwhile are first.
  }
}

LockPage LockManager::queuedRequests(const LockCursor& after, std::size_t most) const {
  return state_->list(lock_table::QueuePage(after, most),
                      [](const LockTable& table, auto& page) { return table.listQueued(page); });
}

LockPage LockManager::locksOn(LockTarget target, const LockCursor& after, std::size_t most) const {
  return state_->list(lock_table::PageWalk(after, most), [&](const LockTable& table, auto& page) {
    return table.listOn(target, page);
  });
}

LockPage LockManager::locksOf(LockerId id, const LockCursor& after, std::size_t most) const {
  const LockerRef locker = state_->lockers.find(id);
  if (locker == nullptr) return {};
  return state_->list(lock_table::PageWalk(after, most), [&](const LockTable& table, auto& page) {
    return table.listOf(*locker, page);
  });
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

LockLimitUse LockManager::limitUse(LockLimit limit) const {
  MutexLock hold(state_->waiting);
  return state_->table.useOf(limit);
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

// --- Events --------------------------------------------------------------------------------------

LockEvents LockManager::eventsAfter(std::uint64_t sequence, std::size_t most) const {
  LockEvents found;
  found.next = sequence;
  state_->events.begin();
  SpinWait pause;
  while (found.events.size() < most) {
    const std::size_t page = std::min(most - found.events.size(), HoldTable::kPage);
    found.events.reserve(found.events.size() + page);
    {
      MutexLock hold(state_->waiting);
      if (!state_->events.find(found, page)) break;
    }
    pause.pause();
  }
  return found;
}

std::uint64_t LockManager::lastEvent() const {
  MutexLock hold(state_->waiting);
  return state_->events.last();
}

LockWatch LockManager::watch(LockTarget target) {
  MutexLock hold(state_->waiting);
  state_->events.begin();
  state_->table.watch(target);
  return {*this, target, state_->events.last()};
}

void LockManager::unwatch(LockTarget target) {
  MutexLock hold(state_->waiting);
  state_->table.unwatch(target);
}

LockSubscription LockManager::subscribe(std::function<void()> told) {
  state_->events.begin();
  return state_->events.subscribe(std::move(told));
}

// --- Contention statistics -----------------------------------------------------------------------

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

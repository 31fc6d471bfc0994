#include "runtime/database/locked_store.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/check.h"
#include "base/log.h"
#include "runtime/database/object_size.h"
#include "runtime/database/system_class.h"

namespace nephrite {
namespace {

LockManager::Options with(LockManager::Options options, std::uint64_t lastToken, LockDone lapsed) {
  options.tokensAbove = lastToken;
  options.lapsed = std::move(lapsed);
  return options;
}

std::string clockTime(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)));
}

}  // namespace

/// Locks that are asked for one after the other.
struct LockedStore::LockBatch {
  ObjectLockBatch orders;
  LockAllDone done;
  LockAllReply reply;
  bool cancelled = false;  // Guarded by the store's mutex: cancel() may come between two locks.
};

LockedStore::LockedStore(std::shared_ptr<ObjectStore> store, const Clock& clock, Options options)
    : store_(std::move(store)),
      clock_(clock),
      options_(std::move(options)),
      firstToken_(options_.durableTokens ? store_->reserveNumbers("fencing", options_.tokenBlock)
                                         : 1),
      lastReserved_(firstToken_ + options_.tokenBlock - 1),
      locks_(clock, with(options_.locks, firstToken_ - 1,
                         [this](const LockAnswer& lapsed) { noteLapse(lapsed); })) {}

RecordPtr LockedStore::fetch(Oid oid) const {
  return options_.fetch ? options_.fetch(oid) : store_->fetch(oid);
}

std::optional<RecordPtr> LockedStore::fetchAtOnce(Oid oid) const {
  if (isSystemObject(oid)) return fetch(oid);
  try {
    if (RecordPtr record = store_->fetchCached(oid)) return record;
  } catch (const StoreException&) {  // fetch() tells it.
  }
  return std::nullopt;
}

// --- Lockers -------------------------------------------------------------------------------------

LockManager::SignOn LockedStore::signOn(LockerId locker, LockerId parent, bool isCounted) {
  MutexLock hold(mutex_);
  if (!parent.isNull() && isLeaving(parent)) return LockManager::SignOn::NoParent;
  const LockManager::SignOn done = locks_.signOn(locker, parent, isCounted);
  if (done == LockManager::SignOn::Done) signedOn_[locker.value] = {};
  return done;
}

void LockedStore::signOff(LockerId locker, std::optional<Heritage> heritage, LockEventCause cause) {
  {
    MutexLock hold(mutex_);
    const auto it = signedOn_.find(locker.value);
    if (it == signedOn_.end()) return;
    std::vector<LockerId> family = locks_.descendantsOf(locker);
    family.push_back(locker);
    it->second.leaves = cause;
    it->second.heritage = heritage;
    for (const LockerId each : family) {
      const auto known = signedOn_.find(each.value);
      if (known != signedOn_.end() && known->second.isCommitting) return;
    }
    for (const LockerId each : family) {  // From here on it begins no commit.
      signedOn_.erase(each.value);
      forgetBroken(each);
    }
  }
  LockAnswers answers = heritage ? handOver(locker, *heritage) : locks_.signOff(locker, cause);
  answers.deliver();
}

LockAnswers LockedStore::handOver(LockerId locker, const Heritage& heritage) {
  std::vector<Oid> left;
  for (const LockInfo& lock : locks_.locksOf(locker)) {
    if (lock.waiting || lock.isMark) continue;
    const Oid oid = Oid::fromBits(lock.target.value);
    left.push_back(oid);
    if (!isGone(oid)) continue;
    locks_.unlock(locker, lock.target, nullptr, LockEventCause::SignOff).deliver();
  }
  LockAnswers answers = locks_.signOffToParent(locker, heritage.level);
  if (heritage.told) heritage.told(left);
  return answers;
}

// Locked all the same: a transaction that was open a moment ago had created it.
bool LockedStore::isGone(Oid oid) const {
  if (known_.contains(oid) || oid.lifetime() == Lifetime::Resource) return false;
  try {
    return fetch(oid) == nullptr;
  } catch (const StoreException&) {
    return false;  // Whoever uses it meets the failure.
  }
}

bool LockedStore::isLeaving(LockerId locker) const {
  for (LockerId each = locker; !each.isNull(); each = locks_.parentOf(each)) {
    const auto known = signedOn_.find(each.value);
    if (known == signedOn_.end() || known->second.leaves.has_value()) return true;
  }
  return false;
}

// --- Locks ---------------------------------------------------------------------------------------

// Runs on the thread that released the lock, which a failing store does not concern. The
// holder is told to read again, and meets the failure then.
bool LockedStore::hasMoved(Oid oid, std::uint32_t editionBefore) const {
  try {
    const RecordPtr now = fetch(oid);
    return now && now->edition != editionBefore;
  } catch (const StoreException& failure) {
    log(LogLevel::Error, "store.read_failed", {{"reason", failure.what()}});
    return true;
  }
}

void LockedStore::lock(const ObjectLockRequest& order, LockReplyDone done) {
  const Oid oid = Oid::fromBits(order.request.target.value);
  std::uint32_t editionBefore = 0;
  // What is known to be there is looked up once, when it is locked; but an Update wants to know
  // whether the object has moved while it waited.
  const bool known = known_.contains(oid) && order.request.type != LockType::Update;
  const bool isResource = oid.lifetime() == Lifetime::Resource;
  const Existence existence = isResource ? Existence::CreatedByLocker : order.existence;
  if (existence == Existence::Required && !known) {
    LockReply reply;
    reply.lock.request = order.request;
    try {
      const RecordPtr record = fetch(oid);
      reply.missing = record == nullptr;
      if (record) editionBefore = record->edition;
    } catch (const StoreException& failure) {
      reply.failure = failureOf(failure);
    }
    if (reply.missing || reply.failure) return done(reply);
  }
  auto answered = [this, existence, editionBefore,
                   done = std::move(done)](const LockAnswer& answer) {
    if (isAnsweredAtOnce(answer, existence)) return done(replyTo(answer, existence, editionBefore));
    options_.finishLater([this, answer, existence, editionBefore, done] {
      done(replyTo(answer, existence, editionBefore));
    });
  };
  locks_.request(order.request, std::move(answered)).deliver();
}

// Asked on the thread that let the lock go, which may serve others.
bool LockedStore::isAnsweredAtOnce(const LockAnswer& answer, Existence existence) {
  if (answer.outcome != LockOutcome::Granted || !options_.finishLater) return true;
  if (options_.durableTokens && !isReserved(answer.token)) return false;
  // What did not wait is answered on the thread that asked, which may wait for the disk.
  if (!answer.queued || existence == Existence::CreatedByLocker) return true;
  return fetchAtOnce(Oid::fromBits(answer.request.target.value)).has_value();
}

bool LockedStore::isReserved(FencingToken given) {
  const std::uint64_t last = lastReserved_.load(std::memory_order_relaxed);
  if (given.value + options_.tokenBlock / 2 < last) return true;
  if (!options_.finishLater) return false;
  if (!reserving_.exchange(true))
    options_.finishLater([this, given] {
      reserveTokens(given);
      reserving_ = false;
    });
  return given.value < last;
}

bool LockedStore::lockInMemory(const LockerRef& ref, Oid oid, LockTerms terms) {
  if (oid.lifetime() == Lifetime::Resource) {
    const FencingToken token = locks_.grantAtOnce(ref, targetOf(oid), terms).token;
    return token.value != 0 && (!options_.durableTokens || isReserved(token));
  }
  if (!known_.contains(oid) && !fetchAtOnce(oid).value_or(nullptr)) return false;
  const FastGrant granted = locks_.grantAtOnce(ref, targetOf(oid), terms);
  if (granted.token.value == 0) return false;
  if (options_.durableTokens && !isReserved(granted.token)) return false;
  if (granted.isKnown || known_.contains(oid)) return true;
  // Deleted by the process that had it locked until a moment ago? Now that it is locked, it cannot
  // be.
  if (!fetchAtOnce(oid).value_or(nullptr)) return false;
  remember(ref, oid);
  return true;
}

bool LockedStore::lockUnknown(const LockerRef& ref, Oid oid, LockTerms terms) {
  if (oid.lifetime() == Lifetime::Resource) {
    const FencingToken token = locks_.grantAtOnce(ref, targetOf(oid), terms).token;
    return token.value != 0 && (!options_.durableTokens || keepsReserved(token));
  }
  try {
    if (fetch(oid) == nullptr) return false;
  } catch (const StoreException&) {
    return false;  // lock() reports it.
  }
  return wasGranted(ref, oid, locks_.grantAtOnce(ref, targetOf(oid), terms).token);
}

bool LockedStore::wasGranted(const LockerRef& ref, Oid oid, FencingToken token) {
  if (token.value == 0) return false;
  if (options_.durableTokens && !keepsReserved(token)) return false;
  // Did the holder before us delete it? From here on it cannot be deleted: it is locked.
  return known_.contains(oid) || isStillThere(ref, oid);
}

bool LockedStore::isStillThere(const LockerRef& ref, Oid oid) {
  try {
    if (fetch(oid) != nullptr) {
      remember(ref, oid);
      return true;
    }
  } catch (const StoreException&) {
    return true;  // Not read, but locked: the process that reads it meets the failure.
  }
  unlock(LockManager::idOf(ref), oid);
  return false;
}

// Whether it is there is only asked when it is locked, so that it is looked up once.
LatestEdition LockedStore::lockForChange(const LockerRef& ref, Oid oid, LockTerms terms) {
  const FencingToken token = locks_.grantAtOnce(ref, targetOf(oid), terms).token;
  if (token.value == 0) return {};
  if (options_.durableTokens && !keepsReserved(token)) return {};
  LatestEdition latest = latestEdition(oid);
  if (latest.number == 0) unlock(LockManager::idOf(ref), oid);
  return latest;
}

LatestEdition LockedStore::latestEdition(Oid oid) const {
  const std::uint32_t known = store_->knownEdition(oid, /*fetchedSoon=*/true);
  if (known != 0) return {known, nullptr};
  RecordPtr record = fetch(oid);
  const std::uint32_t number = record ? record->edition : 0;
  return {number, std::move(record)};
}

// Its lock may have been broken since it was read; then another process may delete it unseen.
void LockedStore::remember(const LockerRef& ref, Oid oid) {
  if (ref.isNull() || isSystemObject(oid) || known_.contains(oid)) return;
  known_.add(oid);
  if (locks_.typeHeld(ref, targetOf(oid)) == LockType::Get) known_.remove(oid);
}

LockReply LockedStore::replyTo(const LockAnswer& answer, Existence existence,
                               std::uint32_t editionBefore) {
  LockReply reply;
  reply.lock = answer;
  if (answer.outcome != LockOutcome::Granted) return reply;
  if (options_.durableTokens && !isReserved(answer.token)) {
    reply.failure = reserveTokens(answer.token);
    if (reply.failure) return reply;  // It is held; asking for it again tries again.
  }
  if (existence == Existence::CreatedByLocker) return reply;
  const Oid oid = Oid::fromBits(answer.request.target.value);
  if (answer.shareReleased) reply.updatedMeanwhile = hasMoved(oid, editionBefore);
  try {
    reply.record = fetch(oid);
  } catch (const StoreException& failure) {
    reply.failure = failureOf(failure);  // The lock is held.
    return reply;
  }
  if (reply.record == nullptr) {
    // Deleted while we waited: give the lock back.
    unlock(answer.request.locker, oid);
    reply.missing = true;
  } else if (!known_.contains(oid)) {
    remember(locks_.find(answer.request.locker), oid);
  }
  return reply;
}

void LockedStore::lockAll(ObjectLockBatch orders, LockAllDone done) {
  if (orders.targets.empty()) return done({});
  const auto batch = std::make_shared<LockBatch>();
  batch->orders = std::move(orders);
  batch->done = std::move(done);
  const LockRequest& each = batch->orders.request;
  {
    MutexLock hold(mutex_);
    batches_[{each.locker.value, each.id}] = batch;
  }
  next(batch);
}

// One lock after the other, in a loop while they are granted at once.
void LockedStore::next(const std::shared_ptr<LockBatch>& batch) {
  LockAllReply& all = batch->reply;
  const LockRequest& each = batch->orders.request;
  for (;;) {
    const bool isLast = all.granted == batch->orders.targets.size();
    bool cancelled = false;
    {
      MutexLock hold(mutex_);
      cancelled = batch->cancelled && !isLast;
      if (isLast || cancelled) batches_.erase({each.locker.value, each.id});
    }
    if (isLast) return batch->done(all);
    const ObjectLockRequest order = batch->orders.at(all.granted);
    if (cancelled) {
      all.refused.emplace().lock.request = order.request;
      all.refused->lock.outcome = LockOutcome::Cancelled;
      return batch->done(all);
    }

    // The later one of the answer and the end of lock() goes on, so that a thousand locks
    // granted at once are no thousand calls deep. A refusal ends it, and is told in its turn among
    // the answers that come of the same request.
    const auto arrived = std::make_shared<std::atomic<bool>>(false);
    lock(order, [this, batch, arrived](const LockReply& reply) {
      if (!reply.isGranted()) {
        batch->reply.refused = reply;
        arrived->store(true);
        return refused(*batch);
      }
      ++batch->reply.granted;
      if (arrived->exchange(true)) goOn(batch);
    });
    if (!arrived->exchange(true)) {
      // A cancel may have come after the look above and before this lock stood in a queue.
      if (isCancelled(*batch)) locks_.cancel(each.locker, each.id).deliver();
      return;
    }
    if (all.refused) return;
  }
}

void LockedStore::refused(const LockBatch& batch) {
  {
    MutexLock hold(mutex_);
    batches_.erase({batch.orders.request.locker.value, batch.orders.request.id});
  }
  batch.done(batch.reply);
}

bool LockedStore::isCancelled(const LockBatch& batch) {
  MutexLock hold(mutex_);
  return batch.cancelled;
}

// On the thread that let the last lock go.
void LockedStore::goOn(const std::shared_ptr<LockBatch>& batch) {
  const auto isInMemory = [this](const ObjectLockBatch::Target& target) {
    return target.existence == Existence::CreatedByLocker || fetchAtOnce(target.oid).has_value();
  };
  const auto& targets = batch->orders.targets;
  const auto first = targets.begin() + static_cast<std::ptrdiff_t>(batch->reply.granted);
  if (!options_.finishLater || std::all_of(first, targets.end(), isInMemory)) return next(batch);
  options_.finishLater([this, batch] { next(batch); });
}

void LockedStore::cancel(LockerId locker, std::uint64_t requestId) {
  {
    MutexLock hold(mutex_);
    const auto it = batches_.find({locker.value, requestId});
    if (it != batches_.end()) it->second->cancelled = true;
  }
  locks_.cancel(locker, requestId).deliver();
}

bool LockedStore::unlock(LockerId locker, Oid target) {
  return release(locker, {.kind = Release::Kind::Unlock, .target = target}).released;
}

void LockedStore::releaseTransactionLocks(LockerId locker) {
  release(locker, {.kind = Release::Kind::Transaction});
}

void LockedStore::releaseLevel(LockerId locker, std::uint16_t level) {
  release(locker, {.kind = Release::Kind::Level, .level = level});
}

LockedStore::Broken LockedStore::breakLock(LockerId locker, Oid target, const Operator& by) {
  const Released done = release(locker, {.kind = Release::Kind::Break, .target = target, .by = by});
  if (!done.released) return Broken::NotHeld;
  return done.deferred ? Broken::AfterCommit : Broken::Now;
}

// Under the mutex, so that no commit begins between the look at it and the release.
LockedStore::Released LockedStore::release(LockerId locker, Release what) {
  Released result;
  std::optional<LockAnswers> answers;
  {
    MutexLock hold(mutex_);
    const auto it = signedOn_.find(locker.value);
    result.deferred = it != signedOn_.end() && it->second.isCommitting;
    if (result.deferred) {
      result.released = !what.target.isNull() && lockStatus(locker, what.target).has_value();
      it->second.afterCommit.push_back(std::move(what));
    } else {
      answers.emplace(carryOut(locker, what, result.released));
    }
  }
  if (answers) answers->deliver();
  return result;
}

LockAnswers LockedStore::carryOut(LockerId locker, const Release& what, bool& released) {
  switch (what.kind) {
    case Release::Kind::Transaction:
      forgetBroken(locker);
      return locks_.releaseTransactionLocks(locker);
    case Release::Kind::Level: return locks_.releaseLevel(locker, what.level);
    case Release::Kind::Unlock:
    case Release::Kind::Break: break;
  }
  const bool isForced = what.kind == Release::Kind::Break;
  LockAnswers answers = locks_.unlock(locker, targetOf(what.target), &released,
                                      isForced ? LockEventCause::Force : LockEventCause::Unlock);
  if (released && isForced) {
    broken_[{locker.value, what.target.bits()}] = {what.by, clock_.wallNow()};
  }
  return answers;
}

void LockedStore::forgetBroken(LockerId locker) {
  if (!lapsed_.empty())
    lapsed_.erase(lapsed_.lower_bound({locker.value, 0}),
                  lapsed_.upper_bound({locker.value, UINT64_MAX}));
  if (broken_.empty()) return;
  broken_.erase(broken_.lower_bound({locker.value, 0}),
                broken_.upper_bound({locker.value, UINT64_MAX}));
}

std::optional<RequestFailure> LockedStore::lostLock(LockerId locker, Oid target) {
  BrokenLock lost;
  {
    MutexLock hold(mutex_);
    const auto it = broken_.find({locker.value, target.bits()});
    if (it == broken_.end()) return std::nullopt;
    lost = it->second;
  }
  const auto& [by, when] = lost;
  return RequestFailure{
      ErrorCode::LockLost,
      fmt::format("the change of {} cannot be committed: an operator took its lock from this "
                  "process (by {}, at {}, reason: {}); abort the transaction, ask the operator, "
                  "and try again",
                  store_->schema()->show(target), by.user.empty() ? "-" : by.user, clockTime(when),
                  by.reason.empty() ? "none given" : by.reason),
      target};
}

void LockedStore::noteLapse(const LockAnswer& lapsed) {
  const LockerId locker = lapsed.request.locker;
  {
    MutexLock hold(mutex_);
    const std::uint64_t number = ++lapses_;
    if (lapsed_.size() >= kMostLapsed) {
      lapsed_.clear();
      lapsesForgotten_ = number - 1;
    }
    if (signedOn_.contains(locker.value)) {
      lapsed_[{locker.value, lapsed.request.target.value}] = {number, clock_.wallNow(),
                                                              lapsed.request.lease.length};
    }
  }
  if (options_.lapsed) options_.lapsed(lapsed);
}

std::optional<RequestFailure> LockedStore::lapsedSince(LockerId locker, Oid target,
                                                       std::uint64_t lapses) {
  LapsedLock lapsed;
  {
    MutexLock hold(mutex_);
    const auto it = lapsed_.find({locker.value, target.bits()});
    const bool isKnown = it != lapsed_.end() && it->second.number > lapses;
    if (!isKnown && lapses >= lapsesForgotten_) return std::nullopt;
    if (isKnown) lapsed = it->second;
  }
  const std::string show = store_->schema()->show(target);
  if (lapsed.number == 0) return failureOfForgottenLapse(show, target);
  return failureOfLapse(show, target, lapsed.lease, lapsed.when);
}

RequestFailure LockedStore::failureOfForgottenLapse(const std::string& show, Oid target) {
  return {ErrorCode::LockLapsed,
          "the change of " + show +
              " cannot be committed: more locks have lapsed since than are remembered, and its own "
              "may be one of them; abort the transaction and try again",
          target};
}

RequestFailure LockedStore::failureOfLapse(const std::string& show, Oid target,
                                           std::chrono::milliseconds lease, WallTime when) {
  return {
      ErrorCode::LockLapsed,
      fmt::format("the change of {} cannot be committed: the lease of its lock ({} ms) ended at "
                  "{} without having been renewed; abort the transaction, and try again with a "
                  "longer lease or renew() in time",
                  show, lease.count(), clockTime(when)),
      target};
}

void LockedStore::forgetLapses(LockerId locker) {
  MutexLock hold(mutex_);
  lapsed_.erase(lapsed_.lower_bound({locker.value, 0}),
                lapsed_.upper_bound({locker.value, UINT64_MAX}));
}

bool LockedStore::renew(LockerId locker, Oid target, Renewal by) {
  const LockerRef ref = locks_.find(locker);
  return !ref.isNull() && locks_.renew(ref, targetOf(target), by);
}

std::optional<LockInfo> LockedStore::lockStatus(LockerId locker, Oid target) const {
  return locks_.lockStatus(locker, targetOf(target));
}

LockType LockedStore::typeHeld(LockerId locker, Oid target) const {
  const LockerRef ref = locks_.find(locker);
  return ref.isNull() ? LockType::Get : locks_.typeHeld(ref, targetOf(target));
}

bool LockedStore::expireNext(Instant now) {
  LockAnswers answers = locks_.expireNext(now);
  if (answers.empty()) return false;
  answers.deliver();
  return true;
}

std::optional<RequestFailure> LockedStore::reserveTokens(FencingToken given) {
  MutexLock hold(reserveMutex_);
  const std::uint64_t last = lastReserved_.load(std::memory_order_relaxed);
  if (given.value + options_.tokenBlock / 2 < last) return std::nullopt;
  try {
    // They rise with time: after a quiet day the next one is blocks ahead.
    const std::uint64_t count = options_.tokenBlock + (given.value > last ? given.value - last : 0);
    lastReserved_ = store_->reserveNumbers("fencing", count) + count - 1;
    return std::nullopt;
  } catch (const std::exception& failure) {
    log(LogLevel::Error, "fencing.reserve_failed", {{"reason", failure.what()}});
    if (given.value < last) return std::nullopt;  // The next grant tries again.
    // After a crash a smaller one would be given for a later lock.
    RequestFailure refusal = failureOf(failure);
    refusal.what = "the lock's fencing token cannot be kept: " + refusal.what +
                   "; the lock is held, and a new request for it tries again";
    return refusal;
  }
}

}  // namespace nephrite

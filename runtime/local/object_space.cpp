#include "runtime/local/object_space.h"

#include "base/check.h"
#include "base/log.h"
#include "runtime/database/system_class.h"

namespace nephrite {
namespace {

LockTarget targetOf(Oid oid) { return {oid.bits()}; }

LockManager::Options withTokensAbove(LockManager::Options options, std::uint64_t last) {
  options.tokensAbove = last;
  return options;
}

RequestFailure storeFailure(const std::exception& failure) {
  return {ErrorCode::StoreFailed, failure.what()};
}

}  // namespace

/// A commit between being asked for and being answered.
struct ObjectSpace::PendingCommit {
  CommitRequest request;
  CommitSettle settle;
  CommitReply reply;
};

/// Locks that are asked for one after the other.
struct ObjectSpace::Chain {
  LockOrders orders;
  LockAllSettle settle;
  LockAllReply reply;
  bool cancelled = false;  // Guarded by the space's mutex: cancel() may come between two locks.
};

ObjectSpace::ObjectSpace(std::shared_ptr<ObjectStore> store, const Clock& clock, Options options)
    : store_(std::move(store)),
      options_(std::move(options)),
      firstToken_(options_.durableTokens ? store_->reserveNumbers("fencing", kTokenBlock) : 1),
      lastReserved_(firstToken_ + kTokenBlock - 1),
      locks_(clock, withTokensAbove(options_.locks, firstToken_ - 1)) {}

RecordPtr ObjectSpace::fetch(Oid oid) const {
  return options_.fetch ? options_.fetch(oid) : store_->fetch(oid);
}

// --- Lockers -------------------------------------------------------------------------------------

void ObjectSpace::signOn(LockerId locker) {
  locks_.signOn(locker);
  MutexLock hold(mutex_);
  signedOn_[locker.value] = Standing::Idle;
}

void ObjectSpace::signOff(LockerId locker) {
  {
    MutexLock hold(mutex_);
    const auto it = signedOn_.find(locker.value);
    if (it == signedOn_.end()) return;
    if (it->second != Standing::Idle) {
      it->second = Standing::LeavesAfterCommit;
      return;
    }
    signedOn_.erase(it);  // From here on it begins no commit.
  }
  locks_.signOff(locker).deliver();
}

// --- Locks ---------------------------------------------------------------------------------------

// Runs on the thread that released the lock, which a failing store does not concern. The
// holder is told to read again, and meets the failure then.
bool ObjectSpace::hasMoved(Oid oid, std::uint32_t editionBefore) const {
  try {
    const RecordPtr now = fetch(oid);
    return now && now->edition != editionBefore;
  } catch (const StoreException& failure) {
    log(LogLevel::Error, "store.read_failed", {{"reason", failure.what()}});
    return true;
  }
}

void ObjectSpace::lock(const LockOrder& order, LockReplySettle settle) {
  const Oid oid = Oid::fromBits(order.request.target.value);
  std::uint32_t editionBefore = 0;
  // What is known to be there is looked up once, when it is locked; but an Update wants to know
  // whether the object has moved while it waited.
  const bool known = known_.contains(oid) && order.request.type != LockType::Update;
  if (order.existence == Existence::Required && !known) {
    LockReply reply;
    reply.lock.request = order.request;
    try {
      const RecordPtr record = fetch(oid);
      reply.missing = record == nullptr;
      if (record) editionBefore = record->edition;
    } catch (const StoreException& failure) {
      reply.failure = storeFailure(failure);
    }
    if (reply.missing || reply.failure) return settle(reply);
  }
  auto answered = [this, existence = order.existence, editionBefore,
                   settle = std::move(settle)](const LockAnswer& answer) {
    settle(replyTo(answer, existence, editionBefore));
  };
  locks_.request(order.request, std::move(answered)).deliver();
}

bool ObjectSpace::lockUnknown(const LockSeat& seat, Oid oid, LockTerms terms) {
  try {
    if (fetch(oid) == nullptr) return false;
  } catch (const StoreException&) {
    return false;  // lock() reports it.
  }
  return wasGranted(seat, oid, locks_.grantAtOnce(seat, targetOf(oid), terms).token);
}

bool ObjectSpace::wasGranted(const LockSeat& seat, Oid oid, FencingToken token) {
  if (token.value == 0) return false;
  if (options_.durableTokens) keepTokensReserved(token);
  // Did the holder before us delete it? From here on it cannot be deleted: it is locked.
  return known_.contains(oid) || isStillThere(seat, oid);
}

bool ObjectSpace::isStillThere(const LockSeat& seat, Oid oid) {
  try {
    if (fetch(oid) != nullptr) {
      remember(seat, oid);
      return true;
    }
  } catch (const StoreException&) {
    return true;  // Not read, but locked: who reads it meets the failure.
  }
  unlock(LockManager::lockerOf(seat), oid);
  return false;
}

// Whether it is there is only asked when it is locked, so that it is looked up once.
LatestEdition ObjectSpace::lockForChange(const LockSeat& seat, Oid oid, LockTerms terms) {
  const FencingToken token = locks_.grantAtOnce(seat, targetOf(oid), terms).token;
  if (token.value == 0) return {};
  if (options_.durableTokens) keepTokensReserved(token);
  LatestEdition latest = latestEdition(oid);
  if (latest.number == 0) unlock(LockManager::lockerOf(seat), oid);
  return latest;
}

LatestEdition ObjectSpace::latestEdition(Oid oid) const {
  const std::uint32_t known = store_->knownEdition(oid, /*fetchedSoon=*/true);
  if (known != 0) return {known, nullptr};
  RecordPtr record = fetch(oid);
  const std::uint32_t number = record ? record->edition : 0;
  return {number, std::move(record)};
}

// Its lock may have been broken since it was read; then another process may delete it unseen.
void ObjectSpace::remember(const LockSeat& seat, Oid oid) {
  if (seat.isNull() || isSystemObject(oid) || known_.contains(oid)) return;
  known_.add(oid);
  if (locks_.typeHeld(seat, targetOf(oid)) == LockType::Get) known_.remove(oid);
}

LockReply ObjectSpace::replyTo(const LockAnswer& answer, Existence existence,
                               std::uint32_t editionBefore) {
  LockReply reply;
  reply.lock = answer;
  if (answer.outcome != LockOutcome::Granted) return reply;
  if (options_.durableTokens) keepTokensReserved(answer.token);
  if (existence == Existence::CreatedByLocker) return reply;
  const Oid oid = Oid::fromBits(answer.request.target.value);
  if (answer.shareReleased) reply.updatedMeanwhile = hasMoved(oid, editionBefore);
  try {
    reply.record = fetch(oid);
  } catch (const StoreException& failure) {
    reply.failure = storeFailure(failure);  // The lock is held.
    return reply;
  }
  if (reply.record == nullptr) {
    // Deleted while we waited: give the lock back.
    unlock(answer.request.locker, oid);
    reply.missing = true;
  } else {
    if (!known_.contains(oid)) remember(locks_.seatOf(answer.request.locker), oid);
  }
  return reply;
}

void ObjectSpace::lockAll(LockOrders orders, LockAllSettle settle) {
  if (orders.targets.empty()) return settle({});
  const auto chain = std::make_shared<Chain>();
  chain->orders = std::move(orders);
  chain->settle = std::move(settle);
  const LockRequest& each = chain->orders.request;
  {
    MutexLock hold(mutex_);
    chains_[{each.locker.value, each.id}] = chain;
  }
  next(chain);
}

// One lock after the other, in a loop while they are granted at once.
void ObjectSpace::next(const std::shared_ptr<Chain>& chain) {
  LockAllReply& all = chain->reply;
  const LockRequest& each = chain->orders.request;
  for (;;) {
    const bool isLast = all.refused || all.granted == chain->orders.targets.size();
    bool cancelled = false;
    {
      MutexLock hold(mutex_);
      cancelled = chain->cancelled && !isLast;
      if (isLast || cancelled) chains_.erase({each.locker.value, each.id});
    }
    if (isLast) return chain->settle(all);
    const LockOrder order = chain->orders.at(all.granted);
    if (cancelled) {
      all.refused.emplace().lock.request = order.request;
      all.refused->lock.outcome = LockOutcome::Cancelled;
      return chain->settle(all);
    }

    // The later one of the answer and the end of lock() goes on, so that a thousand locks
    // granted at once are no thousand calls deep.
    const auto arrived = std::make_shared<std::atomic<bool>>(false);
    lock(order, [this, chain, arrived](const LockReply& reply) {
      if (reply.isGranted()) {
        ++chain->reply.granted;
      } else {
        chain->reply.refused = reply;
      }
      if (arrived->exchange(true)) next(chain);
    });
    if (!arrived->exchange(true)) return;
  }
}

void ObjectSpace::cancel(LockerId locker, std::uint64_t requestId) {
  {
    MutexLock hold(mutex_);
    const auto it = chains_.find({locker.value, requestId});
    if (it != chains_.end()) it->second->cancelled = true;
  }
  locks_.cancel(locker, requestId).deliver();
}

bool ObjectSpace::unlock(LockerId locker, Oid target) {
  bool released = false;
  locks_.unlock(locker, targetOf(target), &released).deliver();
  return released;
}

void ObjectSpace::releaseTransactionLocks(LockerId locker) {
  locks_.releaseTransactionLocks(locker).deliver();
}

void ObjectSpace::releaseLevel(LockerId locker, std::uint16_t level) {
  locks_.releaseLevel(locker, level).deliver();
}

std::optional<LockInfo> ObjectSpace::lockStatus(LockerId locker, Oid target) const {
  return locks_.lockStatus(locker, targetOf(target));
}

LockType ObjectSpace::typeHeld(LockerId locker, Oid target) const {
  const LockSeat seat = locks_.seatOf(locker);
  return seat.isNull() ? LockType::Get : locks_.typeHeld(seat, targetOf(target));
}

bool ObjectSpace::expireNextWait(Instant now) {
  LockAnswers answers = locks_.expireNextWait(now);
  if (answers.empty()) return false;
  answers.deliver();
  return true;
}

void ObjectSpace::reserveTokens(FencingToken given) {
  MutexLock hold(reserveMutex_);
  if (given.value + kTokenBlock / 2 < lastReserved_.load(std::memory_order_relaxed)) return;
  try {
    // They rise with time: after a quiet day the next one is blocks ahead.
    const std::uint64_t last = lastReserved_.load(std::memory_order_relaxed);
    const std::uint64_t count = kTokenBlock + (given.value > last ? given.value - last : 0);
    lastReserved_ = store_->reserveNumbers("fencing", count) + count - 1;
  } catch (const StoreException& failure) {
    // Half a block is left; the next grant tries again.
    log(LogLevel::Error, "fencing.reserve_failed", {{"reason", failure.what()}});
  }
}

// --- Commit: durable, then visible, then unlocked ------------------------------------------------

void ObjectSpace::commit(CommitRequest request, CommitSettle settle) {
  auto commit = std::make_shared<PendingCommit>();
  commit->request = std::move(request);
  commit->settle = std::move(settle);
  if (!options_.recordCommits) commit->request.changes.id.number = 0;
  if (commit->request.updateLocked.empty()) {
    finish(commit);
    return;
  }

  std::vector<LockTarget> targets;
  for (const Oid oid : commit->request.updateLocked) targets.push_back(targetOf(oid));
  const auto upgraded = [this, commit](const LockAnswer& answer) {
    commit->reply.lock = answer;
    if (answer.outcome != LockOutcome::Granted) {
      commit->reply.outcome = CommitReply::Outcome::LockRefused;
      commit->settle(commit->reply);
    } else if (answer.queued && options_.finishLater) {
      options_.finishLater([this, commit] { finish(commit); });
    } else {
      finish(commit);
    }
  };
  locks_.upgradeForCommit(commit->request.upgrade, targets, upgraded).deliver();
}

// Whatever has become of its locks since: broken by an operator, say.
void ObjectSpace::checkLocked(const CommitRequest& request) const {
  const LockSeat seat = locks_.seatOf(request.upgrade.locker);
  for (const ObjectChange& change : request.changes.changes) {
    if (change.kind == ChangeKind::Create) continue;
    const LockTarget target = targetOf(change.record->oid);
    if (!seat.isNull() && locks_.typeHeld(seat, target) == LockType::Exclusive) continue;
    throw StoreException(StoreException::Reason::StaleEdition,
                         "commit refused: " + store_->schema()->show(change.record->oid) +
                             " is changed but not locked exclusively by this process; abort "
                             "the transaction and try again");
  }
}

void ObjectSpace::finish(const std::shared_ptr<PendingCommit>& commit) {
  const LockerId locker = commit->request.upgrade.locker;
  CommitReply& reply = commit->reply;
  if (!beginsCommit(locker)) {
    reply.outcome = CommitReply::Outcome::LockRefused;
    reply.lock.outcome = LockOutcome::Cancelled;
    commit->settle(reply);
    return;
  }

  try {
    checkLocked(commit->request);
    if (!commit->request.changes.empty()) store_->commit(commit->request.changes);
  } catch (const std::exception& failed) {
    reply.outcome = CommitReply::Outcome::Failed;
    reply.failure = storeFailure(failed);
    log(LogLevel::Error, "commit.failed", {{"reason", reply.failure->what}});
    const bool leaves = endsCommit(locker);
    commit->settle(reply);
    if (leaves) locks_.signOff(locker).deliver();
    return;
  }
  std::vector<LockTarget> deleted;
  for (const ObjectChange& change : commit->request.changes.changes) {
    if (change.kind != ChangeKind::Delete) continue;
    known_.remove(change.record->oid);
    deleted.push_back(targetOf(change.record->oid));
  }
  if (options_.committed) options_.committed(commit->request.changes);

  // The committer is told before those whom its locks kept waiting. Once told, it may commit
  // again, from another thread: this commit has ended by then.
  LockAnswers answers = locks_.releaseTransactionLocks(locker, deleted);
  const bool leaves = endsCommit(locker);
  commit->settle(reply);
  answers.deliver();
  if (leaves) locks_.signOff(locker).deliver();
}

bool ObjectSpace::beginsCommit(LockerId locker) {
  MutexLock hold(mutex_);
  const auto it = signedOn_.find(locker.value);
  if (it == signedOn_.end() || it->second != Standing::Idle) return false;
  it->second = Standing::Committing;
  return true;
}

bool ObjectSpace::endsCommit(LockerId locker) {
  MutexLock hold(mutex_);
  const auto it = signedOn_.find(locker.value);
  NEPHRITE_CHECK(it != signedOn_.end());
  const bool leaves = it->second == Standing::LeavesAfterCommit;
  if (leaves) {
    signedOn_.erase(it);
  } else {
    it->second = Standing::Idle;
  }
  commitEnded_.notifyAll();
  return leaves;
}

void ObjectSpace::awaitCommit(LockerId locker) {
  MutexLock hold(mutex_);
  for (;;) {
    const auto it = signedOn_.find(locker.value);
    if (it == signedOn_.end() || it->second == Standing::Idle) return;
    commitEnded_.wait(mutex_);
  }
}

}  // namespace nephrite

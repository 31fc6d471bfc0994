// The part of LockedStore that commits: durable, then visible, then unlocked.

#include <string>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "runtime/database/locked_store.h"
#include "runtime/database/object_size.h"

namespace nephrite {

/// A commit between being asked for and being answered.
struct LockedStore::PendingCommit {
  CommitRequest request;
  CommitDone done;
  CommitReply reply;
};

void LockedStore::commit(CommitRequest request, CommitDone done) {
  auto commit = std::make_shared<PendingCommit>();
  commit->request = std::move(request);
  commit->done = std::move(done);
  if (!options_.recordCommits) commit->request.changes.id.number = 0;
  if (auto fault = faultOfSizes(commit->request.changes)) {
    commit->reply.outcome = CommitReply::Outcome::Failed;
    commit->reply.failure = std::move(fault);
    return commit->done(commit->reply);
  }
  if (commit->request.updateLocked.empty()) {
    finish(commit);
    return;
  }

  // What cannot be committed waits for no lock, and keeps no process waiting.
  if (auto lost = lostBefore(commit->request)) {
    commit->reply.outcome = CommitReply::Outcome::Failed;
    commit->reply.failure = std::move(lost);
    return commit->done(commit->reply);
  }
  std::vector<LockTarget> targets;
  for (const ObjectChange& change : commit->request.changes.changes) {
    if (change.kind != ChangeKind::Create) targets.push_back(targetOf(change.record->oid));
  }
  const auto answered = [this, commit](const LockAnswer& answer) { upgraded(commit, answer); };
  locks_.upgradeForCommit(commit->request.upgrade, targets, answered).deliver();
}

void LockedStore::upgraded(const std::shared_ptr<PendingCommit>& commit, const LockAnswer& answer) {
  CommitReply& reply = commit->reply;
  reply.lock = answer;
  if (answer.outcome == LockOutcome::Granted) {
    if (!answer.queued || !options_.finishLater) return finish(commit);
    return options_.finishLater([this, commit] { finish(commit); });
  }
  reply.outcome = CommitReply::Outcome::LockRefused;
  const LockerRef ref = locks_.find(answer.request.locker);
  for (const ObjectChange& change : commit->request.changes.changes) {
    if (answer.outcome != LockOutcome::Cancelled || reply.failure) break;
    if (change.kind == ChangeKind::Create) continue;  // Relies on no lock.
    const Oid oid = change.record->oid;
    // What is held now was perhaps lost before, and is not what ended the commit.
    if (!ref.isNull() && locks_.typeHeld(ref, targetOf(oid)) != LockType::Get) continue;
    reply.failure = whyLost(answer.request.locker, oid);
  }
  if (reply.failure) reply.outcome = CommitReply::Outcome::Failed;
  commit->done(reply);
}

// What is stored can be read by every node: it fits into a message.
std::optional<RequestFailure> LockedStore::faultOfSizes(const ChangeSet& changes) const {
  if (options_.mostObjectBytes == 0) return std::nullopt;
  for (const ObjectChange& change : changes.changes) {
    if (change.kind == ChangeKind::Delete) continue;
    if (sizeOf(*change.record) <= options_.mostObjectBytes) continue;
    return faultOfSize(*change.record, options_.mostObjectBytes, *store_->schema());
  }
  return std::nullopt;
}

std::optional<RequestFailure> LockedStore::whyLost(LockerId locker, Oid target) {
  auto lost = lostLock(locker, target);
  return lost ? std::move(lost) : lapsedSince(locker, target, 0);
}

// Whatever has become of its locks since: broken by an operator, say.
std::optional<RequestFailure> LockedStore::notLocked(const CommitRequest& request, LockType least) {
  const LockerId locker = request.upgrade.locker;
  const LockerRef ref = locks_.find(locker);
  for (const ObjectChange& change : request.changes.changes) {
    if (change.kind == ChangeKind::Create) continue;
    const Oid oid = change.record->oid;
    if (!ref.isNull() && covers(locks_.typeHeld(ref, targetOf(oid)), least)) continue;
    if (auto lost = whyLost(locker, oid)) return lost;
    return RequestFailure{ErrorCode::LockLost,
                          "the change of " + store_->schema()->show(oid) +
                              " cannot be committed: this process does not hold its lock "
                              "any more; abort the transaction and try again",
                          oid};
  }
  return std::nullopt;
}

// Also of an object that was locked again since: what another process committed meanwhile is not
// overwritten.
std::optional<RequestFailure> LockedStore::lostBefore(const CommitRequest& request) {
  if (locks_.find(request.upgrade.locker).isNull()) return std::nullopt;  // Cancelled, then.
  if (auto lost = notLocked(request, LockType::Update)) return lost;
  for (const ObjectChange& change : request.changes.changes) {
    if (change.kind == ChangeKind::Create) continue;
    const Oid oid = change.record->oid;
    auto lost = lostLock(request.upgrade.locker, oid);
    const std::uint32_t known = lost ? store_->knownEdition(oid, false) : 0;
    if (known != 0 && known != change.record->edition) return lost;
  }
  return std::nullopt;
}

std::optional<RequestFailure> LockedStore::write(const CommitRequest& request) {
  if (auto refused = notLocked(request, LockType::Exclusive)) return refused;
  try {
    if (!request.changes.empty()) store_->commit(request.changes);
    return std::nullopt;
  } catch (const std::exception& failed) {
    RequestFailure failure = failureOf(failed);
    if (failure.code != ErrorCode::StaleObject) return failure;
    // It was locked again since; what was changed without a lock is not made good by that.
    auto lost = lostLock(request.upgrade.locker, failure.object);
    return lost ? lost : failure;
  }
}

void LockedStore::finish(const std::shared_ptr<PendingCommit>& commit) {
  const LockerId locker = commit->request.upgrade.locker;
  CommitReply& reply = commit->reply;
  if (!beginsCommit(locker)) {
    reply.outcome = CommitReply::Outcome::LockRefused;
    reply.lock.outcome = LockOutcome::Cancelled;
    commit->done(reply);
    return;
  }

  reply.failure = write(commit->request);
  std::vector<LockAnswers> answers;
  if (reply.failure) {
    reply.outcome = CommitReply::Outcome::Failed;
    const bool isStores = reply.failure->code == ErrorCode::StoreFailed;
    log(isStores ? LogLevel::Error : LogLevel::Info, isStores ? "commit.failed" : "commit.refused",
        {{"process", std::to_string(locker.value)}, {"reason", reply.failure->what}});
  } else {
    std::vector<LockTarget> deleted;
    for (const ObjectChange& change : commit->request.changes.changes) {
      if (change.kind != ChangeKind::Delete) continue;
      known_.remove(change.record->oid);
      deleted.push_back(targetOf(change.record->oid));
    }
    if (options_.committed) options_.committed(locker, commit->request.changes);
    // A lock ends with its object: relatives may have some beside the committer's.
    for (const LockTarget target : deleted) {
      for (const LockInfo& lock : locks_.locksOn(target)) {
        // Not of a relative.
        if (lock.waiting || lock.isFromAbove() || lock.requestedBy == locker) continue;
        answers.push_back(
            locks_.unlock(lock.requestedBy, target, nullptr, LockEventCause::EndOfTransaction));
      }
    }
    answers.push_back(locks_.releaseTransactionLocks(locker, deleted));
  }

  // The committer is told before the lockers that its locks kept waiting. Once told, it may commit
  // again, from another thread: this commit has ended by then.
  Ended ended = endsCommit(locker);
  commit->done(reply);
  for (LockAnswers& each : answers) each.deliver();
  for (LockAnswers& each : ended.answers) each.deliver();
  if (ended.leaves) signOff(*ended.leaves, std::move(ended.heritage), ended.cause);
}

bool LockedStore::beginsCommit(LockerId locker) {
  MutexLock hold(mutex_);
  const auto it = signedOn_.find(locker.value);
  if (it == signedOn_.end() || it->second.isCommitting || isLeaving(locker)) return false;
  it->second.isCommitting = true;
  locks_.beginWriting(locker);
  return true;
}

LockedStore::Ended LockedStore::endsCommit(LockerId locker) {
  MutexLock hold(mutex_);
  const auto it = signedOn_.find(locker.value);
  NEPHRITE_CHECK(it != signedOn_.end());
  Ended ended;
  locks_.endWriting(locker);
  for (const Release& each : std::exchange(it->second.afterCommit, {})) {
    bool released = false;
    ended.answers.push_back(carryOut(locker, each, released));
  }
  it->second.isCommitting = false;
  for (LockerId each = locker; !each.isNull(); each = locks_.parentOf(each)) {
    const auto known = signedOn_.find(each.value);
    if (known == signedOn_.end() || !known->second.leaves) continue;
    ended.leaves = each;
    ended.cause = *known->second.leaves;
    ended.heritage = known->second.heritage;
  }
  commitEnded_.notifyAll();
  return ended;
}

void LockedStore::awaitCommit(LockerId locker) {
  MutexLock hold(mutex_);
  for (;;) {
    const auto it = signedOn_.find(locker.value);
    if (it == signedOn_.end() || !it->second.isCommitting) return;
    commitEnded_.wait(mutex_);
  }
}

}  // namespace nephrite

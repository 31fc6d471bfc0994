// The part of LockTable that makes Update locks Exclusive for a commit: docs/locking.md, section 4.

#include <algorithm>

#include "locking/domain/lock_table.h"

namespace nephrite::lock_table {

// The Update locks among `targets`, each once, in the order in which they were acquired. As long as
// the commit is under way they stay where they are. Empty when not all are held as Update or
// higher.
std::optional<std::vector<Hold*>> LockTable::beginCommit(Locker& locker,
                                                         std::span<const LockTarget> targets) {
  std::vector<Hold*> holds;
  OwnerHold own(locker.mutex);
  for (const LockTarget target : targets) {
    Hold* const hold = holds_.find(locker, target);
    if (hold == nullptr || !covers(hold->type(), LockType::Update)) return std::nullopt;
    if (hold->type() == LockType::Update) holds.push_back(hold);
  }
  locker.slowPathOnly |= Locker::kCommitWaits;
  std::sort(holds.begin(), holds.end(),
            [](const Hold* a, const Hold* b) { return a->acquired() < b->acquired(); });
  holds.erase(std::unique(holds.begin(), holds.end()), holds.end());
  return holds;
}

void LockTable::endCommit(Locker& locker) {
  locker.commit = nullptr;
  OwnerHold own(locker.mutex);
  locker.slowPathOnly &= ~Locker::kCommitWaits;
}

void LockTable::upgradeForCommit(Locker& locker, const LockRequest& request,
                                 std::span<const LockTarget> targets, LockDone done,
                                 LockAnswers& out) {
  LockAnswer answer;
  answer.request = request;
  answer.request.type = LockType::Exclusive;
  const bool mayAsk = countRequest(locker) && locker.commit == nullptr;
  const auto begun = mayAsk ? beginCommit(locker, targets) : std::nullopt;
  if (!begun) {
    answer.outcome = LockOutcome::Cancelled;
    out.add(std::move(done), std::move(answer));
    return;
  }

  const std::vector<Hold*>& holds = *begun;
  std::vector<Entry*> entries;
  for (const Hold* const hold : holds) entries.push_back(&entryFor(hold->target));
  const auto wayTo = [&](Entry* entry) {
    return wayOf(locker, *entry, {LockType::Exclusive}, nullptr);
  };
  const auto busy = std::find_if_not(entries.begin(), entries.end(),
                                     [&](Entry* entry) { return wayTo(entry).isFree; });
  if (busy != entries.end()) {
    answer.request.target = (*busy)->target;
    contention_.count(answer.request.target);
    if (request.timeout.isImmediate()) {
      ++statistics_.refusals;
      answer.outcome = LockOutcome::Refused;
      const Way way = wayTo(*busy);
      describeObstacle(*way.at, locker, way.wanted, answer);
      for (Entry* const entry : entries) dropUnlessNeeded(*entry);
      endCommit(locker);
      out.add(std::move(done), std::move(answer));
      return;
    }
  }

  const Instant now = clock_.now();
  CommitUpgrade* const commit = commits_.make();
  commit->request = answer.request;
  const Wait* first = nullptr;
  for (std::size_t i = 0; i < holds.size(); ++i) {
    LockRequest part = answer.request;
    part.target = holds[i]->target;
    part.duration = LockDuration::Transaction;
    const Way way = wayTo(entries[i]);
    if (way.isFree) {
      answer.token = upgradeHold(*holds[i], *entries[i], part);
      commit->upgraded.push_back(holds[i]);
      dropUnlessNeeded(*entries[i]);
      continue;
    }
    ++statistics_.queuedLocks;
    const bool upgrade = way.isCovered || isFavoured(*way.at, locker);
    Wait& wait = enqueue(locker, *way.at, *entries[i], part, upgrade, now);
    wait.setCommit(*commit);
    if (commit->pending++ == 0) first = &wait;
  }
  if (first == nullptr) {
    commits_.destroy(commit);
    endCommit(locker);
    locker.keepsLeases = true;
    out.add(std::move(done), std::move(answer));
    return;
  }
  commit->targets.assign(targets.begin(), targets.end());
  std::sort(commit->targets.begin(), commit->targets.end());
  locker.commit = commit;
  commit->done = std::move(done);
  startWaiting(locker, first->sequence, first->deadline, out);
}

// Every upgrade of the commit that waits is Update again, or no longer asked for (section 4).
std::vector<LockTarget> LockTable::takeBack(Locker& locker) {
  CommitUpgrade& commit = *locker.commit;
  std::vector<Hold*> holds(commit.upgraded.begin(), commit.upgraded.end());
  for (Hold* const hold : holds) {
    changeHold(*hold, entryFor(hold->target), {LockType::Update, hold->sessionType()});
  }
  std::vector<LockTarget> above;  // Where upgrades waited on their way.
  for (auto at = locker.waits.begin(); at != locker.waits.end();) {
    Wait& wait = *at++;
    if (wait.commit() == nullptr) continue;
    holds.push_back(holdOn(goalOf(wait), locker));
    if (wait.isMark != 0) above.push_back(wait.entry()->target);
    leaveQueue(wait);
    waits_.destroy(&wait);
  }
  commits_.destroy(&commit);
  endCommit(locker);
  std::sort(holds.begin(), holds.end(),
            [](const Hold* a, const Hold* b) { return a->acquired() < b->acquired(); });
  std::vector<LockTarget> changed;
  changed.reserve(holds.size());
  for (const Hold* const hold : holds) changed.push_back(hold->target);
  changed.insert(changed.end(), above.begin(), above.end());
  return changed;
}

// A commit whose locks are being let go has nothing left to wait for.
void LockTable::cancelCommitOf(Locker& locker, LockAnswers& out) {
  if (locker.commit == nullptr) return;
  const auto isPart = [](const Wait& wait) { return wait.commit() != nullptr; };
  fail(*std::find_if(locker.waits.begin(), locker.waits.end(), isPart), LockOutcome::Cancelled,
       out);
}

}  // namespace nephrite::lock_table

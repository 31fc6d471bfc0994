#include "locking/lock_table.h"

#include <algorithm>

#include "base/check.h"

namespace nephrite::lock_table {

LockTable::LockTable(const Clock& clock, LockManager::Options options)
    : clock_(clock),
      options_(std::move(options)),
      deadlocks_(options_.keptDeadlocks),
      lastToken_(options_.tokensAbove) {}

LockTable::~LockTable() {
  deadlines_.clear();
  for (const auto& [value, entry] : entries_) {
    entry->holders.clear();
    entry->queue.clear();
    pool_.destroy(entry);
  }
  for (const auto& [value, locker] : lockers_) {
    locker->held.clear_and_dispose([this](Hold* hold) { pool_.destroy(hold); });
    locker->waits.clear_and_dispose([this](Wait* wait) {
      if (wait->commit != nullptr) {
        CommitUpgrade* const commit = wait->commit;
        commit->pending.erase(std::find(commit->pending.begin(), commit->pending.end(), wait));
        if (commit->pending.empty()) pool_.destroy(commit);
      }
      pool_.destroy(wait);
    });
    pool_.destroy(locker);
  }
}

Locker* LockTable::find(LockerId id) const {
  const auto it = lockers_.find(id.value);
  return it == lockers_.end() ? nullptr : it->second;
}

Entry& LockTable::entryFor(LockTarget target) {
  Entry*& entry = entries_[target.value];
  if (entry == nullptr) {
    entry = pool_.make<Entry>();
    entry->target = target;
  }
  return *entry;
}

void LockTable::dropIfIdle(Entry& entry) {
  if (!entry.holders.empty() || !entry.queue.empty()) return;
  entries_.erase(entry.target.value);
  pool_.destroy(&entry);
}

void LockTable::signOn(LockerId id) {
  NEPHRITE_CHECK(!id.isNull() && find(id) == nullptr);
  Locker* const locker = pool_.make<Locker>();
  locker->id = id;
  lockers_[id.value] = locker;
}

LockAnswers LockTable::signOff(LockerId id) {
  LockAnswers out;
  Locker* const locker = find(id);
  if (locker == nullptr) return out;
  while (!locker->waits.empty()) fail(locker->waits.front(), LockOutcome::Cancelled, out);
  while (!locker->held.empty()) release(locker->held.front(), out);
  contention_.forget(id);
  lockers_.erase(id.value);
  pool_.destroy(locker);
  return out;
}

// --- Asking --------------------------------------------------------------------------------------

bool LockTable::releaseShareBeforeUpdate(const LockRequest& request, LockAnswers& out) {
  if (request.type != LockType::Update) return false;
  Locker* const locker = find(request.locker);
  Hold* const held = locker == nullptr ? nullptr : locker->find(request.target);
  if (held == nullptr || held->type != LockType::Share || held->isSession()) return false;
  release(*held, out);
  return true;
}

void LockTable::request(const LockRequest& request, LockSettle settle, bool shareReleased,
                        LockAnswers& out) {
  NEPHRITE_CHECK(request.type != LockType::Get);
  NEPHRITE_CHECK(request.duration != LockDuration::Persistent);
  NEPHRITE_CHECK(!request.timeout.isProcessDefined());
  ++statistics_.lockRequests;

  LockAnswer answer;
  answer.request = request;
  answer.shareReleased = shareReleased;
  Locker* const locker = find(request.locker);
  if (locker == nullptr) {
    answer.outcome = LockOutcome::Cancelled;
    out.add(std::move(settle), std::move(answer));
    return;
  }

  Hold* const held = locker->find(request.target);
  if (held != nullptr && covers(held->type, request.type)) {
    answer.token = held->token;
    takeCovered(*held, request, out);
    out.addFirst(std::move(settle), std::move(answer));
    return;
  }

  const Instant now = clock_.now();
  Entry& entry = entryFor(request.target);
  const bool upgrade = held != nullptr;
  if (mayBeGranted(entry, *locker, request.type, upgrade)) {
    answer.token = grantHold(*locker, entry, request, now).token;
    out.addFirst(std::move(settle), std::move(answer));
    return;
  }

  contention_.count(request.target);
  if (request.timeout.isImmediate()) {
    ++statistics_.refusals;
    answer.outcome = LockOutcome::Refused;
    describeObstacle(entry, *locker, request.type, answer);
    out.addFirst(std::move(settle), std::move(answer));
    return;
  }

  ++statistics_.queuedLocks;
  Wait& wait = enqueue(*locker, entry, request, upgrade, now);
  wait.settle = std::move(settle);
  wait.shareReleased = answer.shareReleased;
  startWaiting(*locker, wait.sequence, wait.deadline, out);
}

void LockTable::upgradeForCommit(const LockRequest& request, std::span<const LockTarget> targets,
                                 LockSettle settle, LockAnswers& out) {
  NEPHRITE_CHECK(!request.timeout.isProcessDefined());
  ++statistics_.lockRequests;
  LockAnswer answer;
  answer.request = request;
  answer.request.type = LockType::Exclusive;
  Locker* const locker = find(request.locker);
  if (locker == nullptr) {
    answer.outcome = LockOutcome::Cancelled;
    out.add(std::move(settle), std::move(answer));
    return;
  }

  std::vector<Hold*> holds;
  for (const LockTarget target : targets) {
    Hold* const hold = locker->find(target);
    if (hold != nullptr && hold->type == LockType::Update) holds.push_back(hold);
  }
  std::sort(holds.begin(), holds.end(),
            [](const Hold* a, const Hold* b) { return a->acquired < b->acquired; });
  const auto free = [&](const Hold* hold) {
    return mayBeGranted(*hold->entry, *locker, LockType::Exclusive, true);
  };

  const auto busy = std::find_if_not(holds.begin(), holds.end(), free);
  if (busy != holds.end()) {
    answer.request.target = (*busy)->entry->target;
    contention_.count(answer.request.target);
    if (request.timeout.isImmediate()) {
      ++statistics_.refusals;
      answer.outcome = LockOutcome::Refused;
      describeObstacle(*(*busy)->entry, *locker, LockType::Exclusive, answer);
      out.add(std::move(settle), std::move(answer));
      return;
    }
  }

  const Instant now = clock_.now();
  CommitUpgrade* const commit = pool_.make<CommitUpgrade>();
  commit->request = answer.request;
  for (Hold* const hold : holds) {
    if (free(hold)) {
      hold->type = LockType::Exclusive;
      hold->token = {++lastToken_};
      commit->upgraded.push_back(hold);
      continue;
    }
    ++statistics_.queuedLocks;
    LockRequest part = answer.request;
    part.target = hold->entry->target;
    part.duration = LockDuration::Transaction;
    Wait& wait = enqueue(*locker, *hold->entry, part, true, now);
    wait.commit = commit;
    commit->pending.push_back(&wait);
  }
  if (commit->pending.empty()) {
    pool_.destroy(commit);
    answer.token = {lastToken_};
    out.add(std::move(settle), std::move(answer));
    return;
  }
  commit->settle = std::move(settle);
  const Wait& wait = *commit->pending.front();
  startWaiting(*locker, wait.sequence, wait.deadline, out);
}

// What is held covers what is asked for: nothing to wait for, even when others do (2.1).
void LockTable::takeCovered(Hold& hold, const LockRequest& request, LockAnswers& out) {
  const bool lower = request.type != hold.type;
  if (request.duration == LockDuration::Session) {
    hold.session = request.type;
  } else if (hold.isSession()) {
    return;  // Duration never falls, and with it the type stays.
  }
  if (!lower || request.inState) return;
  hold.type = request.type;
  serve(*hold.entry, out);
}

bool LockTable::mayBeGranted(const Entry& entry, const Locker& locker, LockType type,
                             bool upgrade) {
  const bool mustQueue =
      !entry.queue.empty() && (!upgrade || entry.queue.front().upgrade);  // Nobody overtakes.
  return !mustQueue && conflictingHolder(entry, locker, type) == nullptr;
}

Hold& LockTable::grantHold(Locker& locker, Entry& entry, const LockRequest& request, Instant now) {
  Hold* hold = locker.find(entry.target);
  if (hold == nullptr) {
    hold = pool_.make<Hold>();
    ++statistics_.locksHeld;
    hold->locker = &locker;
    hold->entry = &entry;
    hold->level = request.level;
    hold->acquired = ++lastAcquired_;
    hold->since = now;
    entry.holders.push_back(*hold);
    locker.held.push_back(*hold);
    locker.holdOn[entry.target.value] = hold;
  }
  hold->type = request.type;
  if (request.duration == LockDuration::Session) hold->session = request.type;
  hold->timeout = request.timeout;
  hold->token = {++lastToken_};
  return *hold;
}

Instant LockTable::deadlineOf(const LockRequest& request, Instant now) const {
  if (request.timeout.isWait()) return now + request.timeout.wait();
  return now + (request.background ? options_.backgroundTimeout : options_.serverTimeout);
}

Wait& LockTable::enqueue(Locker& locker, Entry& entry, const LockRequest& request, bool upgrade,
                         Instant now) {
  Wait* const wait = pool_.make<Wait>();
  wait->request = request;
  wait->locker = &locker;
  wait->entry = &entry;
  wait->upgrade = upgrade;
  wait->since = now;
  wait->deadline = deadlineOf(request, now);
  wait->sequence = ++lastWait_;

  auto place = entry.queue.end();
  if (upgrade) {
    place = std::find_if(entry.queue.begin(), entry.queue.end(),
                         [](const Wait& other) { return !other.upgrade; });
  }
  entry.queue.insert(place, *wait);
  locker.waits.push_back(*wait);
  deadlines_.insert(*wait);
  return *wait;
}

void LockTable::startWaiting(Locker& locker, std::uint64_t firstSequence, Instant deadline,
                             LockAnswers& out) {
  breakCycles(locker, firstSequence, out);
  const bool waits = std::any_of(locker.waits.begin(), locker.waits.end(),
                                 [&](const Wait& wait) { return wait.sequence >= firstSequence; });
  if (waits) out.waitsUntil_ = deadline;
}

// Section 2.5. `firstSequence` is that of the request being made: if it loses before anybody else
// has, it has never waited. Once somebody else was refused for its sake, it has.
void LockTable::breakCycles(Locker& requester, std::uint64_t firstSequence, LockAnswers& out) {
  for (bool nobodyYet = true;; nobodyYet = false) {
    const std::vector<WaitGraph::Blocker> blockers = waitGraph_.blockersOnCycle(requester);
    if (blockers.empty()) return;

    Wait& own = *blockers.front().via;
    const bool ownFirst = nobodyYet && own.sequence >= firstSequence;
    if (options_.doubleDeadlock) {
      if (nobodyYet) deadlocks_.begin(requester, waitGraph_, &blockers.front(), true, clock_);
      deadlocks_.addVictim(requester.id);
      deadlocks_.addVictim(blockers.front().locker->id);
      // Both are described before either leaves, while the cycle can still be seen.
      Wait& other = *blockers.front().wait;
      LockAnswer ownAnswer = refusalOf(own, LockOutcome::Deadlock);
      LockAnswer otherAnswer = refusalOf(other, LockOutcome::Deadlock);
      std::vector<Entry*> changed = detach(own, std::move(ownAnswer), ownFirst, out);
      for (Entry* const entry : detach(other, std::move(otherAnswer), false, out)) {
        std::erase(changed, entry);  // Served once, in the order of who lets go last.
        changed.push_back(entry);
      }
      serveAll(changed, out);
      continue;
    }

    Wait* victim = &own;
    const WaitGraph::Blocker* lower = nullptr;  // Null: the requester itself.
    for (const WaitGraph::Blocker& blocker : blockers) {
      if (blocker.wait->request.priority >= victim->request.priority) continue;
      victim = blocker.wait;
      lower = &blocker;
    }
    if (nobodyYet) deadlocks_.begin(requester, waitGraph_, lower, false, clock_);
    deadlocks_.addVictim(victim->locker->id);
    LockAnswer answer = refusalOf(*victim, LockOutcome::Deadlock);
    serveAll(detach(*victim, std::move(answer), victim == &own && ownFirst, out), out);
  }
}

void LockTable::describeObstacle(const Entry& entry, const Locker& locker, LockType type,
                                 LockAnswer& answer) {
  if (const Hold* const hold = conflictingHolder(entry, locker, type)) {
    answer.lockedBy = hold->locker->id;
    answer.lockedSince = hold->since;
    answer.lockedType = hold->type;
    return;
  }
  for (const Wait& ahead : entry.queue) {
    if (ahead.locker == &locker) continue;
    answer.lockedBy = ahead.locker->id;
    answer.lockedSince = ahead.since;
    return;
  }
}

// --- Ways out of a wait ------------------------------------------------------------------------

// Grants from the head for as long as the head can be granted.
void LockTable::serve(Entry& entry, LockAnswers& out) {
  while (!entry.queue.empty()) {
    Wait& head = entry.queue.front();
    if (conflictingHolder(entry, *head.locker, head.request.type) != nullptr) return;
    grant(head, out);
  }
  dropIfIdle(entry);
}

void LockTable::serveAll(const std::vector<Entry*>& entries, LockAnswers& out) {
  for (Entry* const entry : entries) serve(*entry, out);
}

void LockTable::grant(Wait& wait, LockAnswers& out) {
  const Instant now = clock_.now();
  LockAnswer answer;
  answer.request = wait.request;
  answer.queued = true;
  answer.shareReleased = wait.shareReleased;
  answer.waited = leaveQueue(wait);
  CommitUpgrade* const commit = wait.commit;
  if (commit == nullptr) {
    Locker& locker = *wait.locker;
    const Hold* const before = locker.find(wait.entry->target);
    // A second request of the same locker may have made the lock stronger meanwhile.
    const bool covered = before != nullptr && covers(before->type, wait.request.type);
    answer.token =
        covered ? before->token : grantHold(locker, *wait.entry, wait.request, now).token;
    if (covered && wait.request.duration == LockDuration::Session) {
      locker.find(wait.entry->target)->session = wait.request.type;
    }
    out.add(std::move(wait.settle), std::move(answer));
    pool_.destroy(&wait);
    return;
  }

  Hold* const hold = wait.locker->find(wait.entry->target);
  hold->type = LockType::Exclusive;
  hold->token = {++lastToken_};
  commit->upgraded.push_back(hold);
  commit->pending.erase(std::find(commit->pending.begin(), commit->pending.end(), &wait));
  pool_.destroy(&wait);
  if (!commit->pending.empty()) return;
  answer.token = hold->token;
  out.add(std::move(commit->settle), std::move(answer));
  pool_.destroy(commit);
}

LockAnswer LockTable::refusalOf(const Wait& wait, LockOutcome outcome) const {
  LockAnswer answer;
  answer.outcome = outcome;
  answer.request = wait.request;
  answer.queued = true;
  answer.shareReleased = wait.shareReleased;
  describeObstacle(*wait.entry, *wait.locker, wait.request.type, answer);
  if (outcome != LockOutcome::Deadlock) return answer;

  answer.cycle = WaitGraph::cycleThrough(*wait.locker);
  answer.obtained = obtainedIn(answer.cycle, *wait.locker);
  if (answer.cycle.size() < 2) return answer;
  const LockerId next = answer.cycle[1].locker;  // The one in the way that is in the cycle.
  forEachBlocker(wait, [&](const Locker& blocker, const Hold* hold, const Wait* ahead) {
    if (blocker.id != next) return false;
    answer.lockedBy = next;
    answer.lockedSince = hold != nullptr ? hold->since : ahead->since;
    answer.lockedType = hold != nullptr ? hold->type : LockType::Get;
    return true;
  });
  return answer;
}

void LockTable::fail(Wait& wait, LockOutcome outcome, LockAnswers& out) {
  LockAnswer answer = refusalOf(wait, outcome);
  serveAll(detach(wait, std::move(answer), false, out), out);
}

// Takes `wait` out of its queue and answers it; with a commit, all its upgrades. Returns the
// entries that must be served. `first`: nobody was told that it waits, so it is answered first.
std::vector<Entry*> LockTable::detach(Wait& wait, LockAnswer answer, bool first, LockAnswers& out) {
  if (answer.outcome == LockOutcome::TimedOut) ++statistics_.timeouts;
  if (answer.outcome == LockOutcome::Deadlock) ++statistics_.deadlocks;
  if (answer.outcome == LockOutcome::Cancelled) ++statistics_.cancellations;

  CommitUpgrade* const commit = wait.commit;
  LockSettle settle = std::move(commit != nullptr ? commit->settle : wait.settle);
  std::vector<Entry*> changed;
  if (commit != nullptr) {
    answer.waited = clock_.now() - wait.since;
    changed = takeBack(*commit);
  } else {
    changed.push_back(wait.entry);
    answer.waited = leaveQueue(wait);
    pool_.destroy(&wait);
  }
  answer.queued = !first;
  if (first) {
    out.addFirst(std::move(settle), std::move(answer));
  } else {
    out.add(std::move(settle), std::move(answer));
  }
  return changed;
}

// Every upgrade of the commit is Update again, or no longer asked for (section 4).
std::vector<Entry*> LockTable::takeBack(CommitUpgrade& commit) {
  std::vector<Hold*> holds(commit.upgraded.begin(), commit.upgraded.end());
  for (Hold* const hold : holds) {
    // Asked for with Session duration while the commit waited: that one stays.
    const bool kept = hold->isSession() && stronger(hold->session, LockType::Update);
    hold->type = kept ? hold->session : LockType::Update;
  }
  for (Wait* const wait : commit.pending) {
    holds.push_back(wait->locker->find(wait->entry->target));
    leaveQueue(*wait);
    pool_.destroy(wait);
  }
  pool_.destroy(&commit);
  std::sort(holds.begin(), holds.end(),
            [](const Hold* a, const Hold* b) { return a->acquired < b->acquired; });
  std::vector<Entry*> changed;
  changed.reserve(holds.size());
  for (const Hold* const hold : holds) changed.push_back(hold->entry);
  return changed;
}

Duration LockTable::leaveQueue(Wait& wait) {
  const Duration waited = clock_.now() - wait.since;
  statistics_.totalQueueWait += waited;
  contention_.add(wait.entry->target, waited);
  wait.entry->queue.erase(wait.entry->queue.iterator_to(wait));
  wait.locker->waits.erase(wait.locker->waits.iterator_to(wait));
  deadlines_.erase(deadlines_.iterator_to(wait));
  return waited;
}

LockAnswers LockTable::cancel(LockerId id, std::uint64_t requestId) {
  LockAnswers out;
  Locker* const locker = find(id);
  if (locker == nullptr) return out;
  const auto it = std::find_if(locker->waits.begin(), locker->waits.end(),
                               [&](const Wait& wait) { return wait.request.id == requestId; });
  if (it != locker->waits.end()) fail(*it, LockOutcome::Cancelled, out);
  return out;
}

// A commit whose locks are being let go has nothing left to wait for.
void LockTable::cancelCommitsOf(Locker& locker, LockAnswers& out) {
  for (;;) {
    const auto it = std::find_if(locker.waits.begin(), locker.waits.end(),
                                 [](const Wait& wait) { return wait.commit != nullptr; });
    if (it == locker.waits.end()) return;
    fail(*it, LockOutcome::Cancelled, out);
  }
}

std::optional<Instant> LockTable::nextDeadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.begin()->deadline;
}

LockAnswers LockTable::expireNextWait(Instant now) {
  LockAnswers out;
  if (deadlines_.empty() || deadlines_.begin()->deadline > now) return out;
  fail(*deadlines_.begin(), LockOutcome::TimedOut, out);
  return out;
}

// --- Letting go ----------------------------------------------------------------------------------

void LockTable::release(Hold& hold, LockAnswers& out) {
  Entry& entry = *hold.entry;
  Locker& locker = *hold.locker;
  entry.holders.erase(entry.holders.iterator_to(hold));
  locker.held.erase(locker.held.iterator_to(hold));
  locker.holdOn.erase(entry.target.value);
  pool_.destroy(&hold);
  --statistics_.locksHeld;

  // What it still asks for on this entry is no upgrade any more: it stands first of the newcomers.
  for (Wait& wait : locker.waits) {
    if (wait.entry != &entry || !wait.upgrade) continue;
    wait.upgrade = false;
    entry.queue.erase(entry.queue.iterator_to(wait));
    entry.queue.insert(std::find_if(entry.queue.begin(), entry.queue.end(),
                                    [](const Wait& other) { return !other.upgrade; }),
                       wait);
  }
  serve(entry, out);
}

void LockTable::returnToSession(Hold& hold, LockAnswers& out) {
  if (hold.type == hold.session) return;
  hold.type = hold.session;
  serve(*hold.entry, out);
}

LockAnswers LockTable::unlock(LockerId id, LockTarget target, bool* released) {
  LockAnswers out;
  ++statistics_.unlockRequests;
  Locker* const locker = find(id);
  Hold* const hold = locker == nullptr ? nullptr : locker->find(target);
  if (released != nullptr) *released = hold != nullptr;
  if (hold == nullptr) return out;
  cancelCommitsOf(*locker, out);
  release(*hold, out);
  return out;
}

LockAnswers LockTable::releaseTransactionLocks(LockerId id) {
  LockAnswers out;
  Locker* const locker = find(id);
  if (locker == nullptr) return out;
  cancelCommitsOf(*locker, out);
  const std::uint64_t before = lastAcquired_;  // What serving grants meanwhile stays.
  for (auto it = locker->held.begin(); it != locker->held.end();) {
    Hold& hold = *it++;
    if (hold.acquired > before) break;
    if (hold.isSession()) {
      returnToSession(hold, out);
    } else {
      release(hold, out);
    }
  }
  return out;
}

LockAnswers LockTable::releaseLevel(LockerId id, std::uint16_t level) {
  LockAnswers out;
  Locker* const locker = find(id);
  if (locker == nullptr) return out;
  cancelCommitsOf(*locker, out);
  const bool outermost = level == 1;
  const std::uint64_t before = lastAcquired_;
  for (auto it = locker->held.begin(); it != locker->held.end();) {
    Hold& hold = *it++;
    if (hold.acquired > before) break;
    if (hold.isSession()) {
      if (outermost) returnToSession(hold, out);
    } else if (hold.level >= level) {
      release(hold, out);
    }
  }
  return out;
}

}  // namespace nephrite::lock_table

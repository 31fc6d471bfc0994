#include "locking/table/lock_table.h"

#include <algorithm>

#include "base/check.h"

namespace nephrite::lock_table {

void Wait::ask(const LockRequest& request) {
  idOrCommit_ = request.id;
  TaggedLink<OfLocker>::setBeside(static_cast<std::uint32_t>(request.priority));
  type_ = static_cast<unsigned>(request.type);
  isSession_ = request.duration == LockDuration::Session ? 1 : 0;
  hasServerTimeout_ = request.timeout.isServerDefined() ? 1 : 0;
  inState_ = request.inState ? 1 : 0;
  background_ = request.background ? 1 : 0;
  level_ = std::min(request.level, LockTerms::kMostLevel);
}

std::uint64_t Wait::id() const { return isOfCommit_ != 0 ? commit()->request.id : idOrCommit_; }

LockRequest Wait::request() const {
  LockRequest asked;
  asked.locker = locker()->id;
  asked.target = entry()->target;
  asked.type = type();
  asked.duration = duration();
  asked.timeout = timeout();
  asked.inState = inState_ != 0;
  asked.level = static_cast<std::uint16_t>(level_);
  asked.priority = priority();
  asked.background = isBackground();
  asked.id = id();
  return asked;
}

LockTable::LockTable(const Clock& clock, LockManager::Options options, HoldTable& holds,
                     Lockers& lockers)
    : clock_(clock),
      options_(std::move(options)),
      holds_(holds),
      lockers_(lockers),
      deadlocks_(options_.keptDeadlocks) {}

LockTable::~LockTable() {
  LockAnswers unheard;
  for (const LockerRef& locker : lockers_.all()) {
    signOff(*locker, unheard);
    releaseAll(*locker, {ReleaseScope::Kind::Everything}, unheard);
    lockers_.remove(locker->id);
  }
  unheard.first_.reset();
  unheard.rest_.clear();
}

void LockTable::signOff(Locker& locker, LockAnswers& out) {
  {
    OwnerHold own(locker.mutex);
    locker.slowPathOnly |= Locker::kSignedOff;
  }
  while (!locker.waits.empty()) fail(locker.waits.front(), LockOutcome::Cancelled, out);
  contention_.forget(locker.id);
}

void LockTable::setWriting(Locker& locker, bool writes) {
  OwnerHold own(locker.mutex);
  if (writes) {
    locker.slowPathOnly |= Locker::kCommitWrites;
  } else {
    locker.slowPathOnly &= ~Locker::kCommitWrites;
  }
}

Entry& LockTable::entryFor(LockTarget target) {
  if (Entry* const entry = holds_.entryOf(target)) return *entry;
  Entry* const entry = entries_.make();
  entry->target = target;
  holds_.contend(*entry);
  return *entry;
}

void LockTable::dropUnlessNeeded(Entry& entry) {
  if (entry.isNeeded()) return;
  holds_.uncontend(entry);
  entries_.destroy(&entry);
}

// --- Asking --------------------------------------------------------------------------------------

bool LockTable::releaseShareBeforeUpdate(Locker& locker, const LockRequest& request,
                                         LockAnswers& out) {
  if (request.type != LockType::Update) return false;
  const Hold* const held = holds_.find(locker, request.target);
  if (held == nullptr) return false;
  if (ownRequest(held->types(), request.terms()) != OwnRequest::ShareFirst) return false;
  return release(locker, request.target, out);
}

void LockTable::request(Locker& locker, const LockRequest& request, LockDone done,
                        bool shareReleased, LockAnswers& out) {
  LockAnswer answer;
  answer.request = request;
  answer.shareReleased = shareReleased;
  const bool isCommitted = locker.commit != nullptr && locker.commit->isAbout(request.target);
  if (!countRequest(locker) || isCommitted) {
    answer.outcome = LockOutcome::Cancelled;
    out.add(std::move(done), std::move(answer));
    return;
  }

  Entry& entry = entryFor(request.target);
  Hold* const held = holdOn(entry, locker);
  if (held != nullptr && covers(held->type(), request.type)) {
    answer.token = held->token();
    takeCovered(*held, entry, request, out);
    out.addFirst(std::move(done), std::move(answer));
    return;
  }

  const Instant now = clock_.now();
  const bool upgrade = held != nullptr;
  if (mayBeGranted(entry, locker, request.type, upgrade)) {
    answer.token = grantHold(locker, entry, request, now);
    dropUnlessNeeded(entry);
    out.addFirst(std::move(done), std::move(answer));
    return;
  }

  contention_.count(request.target);
  if (request.timeout.isImmediate()) {
    ++statistics_.refusals;
    answer.outcome = LockOutcome::Refused;
    describeObstacle(entry, locker, request.type, answer);
    dropUnlessNeeded(entry);
    out.addFirst(std::move(done), std::move(answer));
    return;
  }

  ++statistics_.queuedLocks;
  Wait& wait = enqueue(locker, entry, request, upgrade, now);
  wait.done = std::move(done);
  wait.shareReleased = answer.shareReleased;
  startWaiting(locker, wait.sequence, wait.deadline, out);
}

bool LockTable::countRequest(Locker& locker) {
  OwnerHold own(locker.mutex);
  locker.lockRequests.add(1);
  return (locker.slowPathOnly & (Locker::kSignedOff | Locker::kCommitWrites)) == 0;
}

// What is held covers what is asked for: nothing to wait for, even when others do (2.1).
void LockTable::takeCovered(Hold& hold, Entry& entry, const LockRequest& request,
                            LockAnswers& out) {
  const HeldTypes after = afterGrant(hold.types(), request.terms());
  if (after != hold.types()) holds_.change(hold, after);
  serve(entry, out);
}

bool LockTable::mayBeGranted(const Entry& entry, const Locker& locker, LockType type,
                             bool upgrade) {
  const bool mustQueue =
      !entry.queue.empty() && (!upgrade || entry.queue.front().upgrade);  // None overtakes.
  return !mustQueue && conflictingHolder(entry, locker, type) == nullptr;
}

FencingToken LockTable::grantHold(Locker& locker, Entry& entry, const LockRequest& request,
                                  Instant now) {
  if (Hold* const hold = holdOn(entry, locker)) return holds_.upgrade(*hold, request);
  return holds_.add(locker, entry, request, now).token();
}

std::int32_t LockTable::millisecondsOf(const LockRequest& request) const {
  if (request.timeout.isWait()) return request.timeout.number();
  const auto wait = request.background ? options_.backgroundTimeout : options_.serverTimeout;
  const std::int64_t most = LockTimeout::kInfinite;
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(wait.count(), 0, most));
}

Wait& LockTable::enqueue(Locker& locker, Entry& entry, const LockRequest& request, bool upgrade,
                         Instant now) {
  Wait* const wait = waits_.make();
  const std::int32_t milliseconds = millisecondsOf(request);
  wait->ask(request);
  wait->waitFor(locker, entry, milliseconds);
  wait->deadline = now + std::chrono::milliseconds(milliseconds);
  wait->sequence = ++lastWait_;
  wait->upgrade = upgrade;

  enterQueue(*wait, upgrade ? afterUpgrades(entry) : entry.queue.end());
  locker.waits.push_back(*wait);
  deadlines_.insert(*wait);
  return *wait;
}

void LockTable::startWaiting(Locker& locker, std::uint64_t firstSequence, Instant deadline,
                             LockAnswers& out) {
  breakCycles(locker, firstSequence, true, out);
  // The last of its waits is the one that it asked for last.
  const bool waits = !locker.waits.empty() && locker.waits.back().sequence >= firstSequence;
  if (waits) out.waitsUntil_ = deadline;
}

// Section 2.5. The waits of `requester` from `firstSequence` on may close new cycles. Of a request
// `beingMade` that loses first, the caller was never told that it waits; once another locker was
// refused for its sake, it was.
void LockTable::breakCycles(Locker& requester, std::uint64_t firstSequence, bool beingMade,
                            LockAnswers& out) {
  for (bool isFirstCycle = true;; isFirstCycle = false) {
    const std::vector<WaitGraph::Blocker> blockers =
        waitGraph_.blockersOnCycle(requester, firstSequence);
    if (blockers.empty()) return;

    Wait& own = *blockers.front().via;
    const bool ownFirst = beingMade && isFirstCycle && own.sequence >= firstSequence;
    if (options_.doubleDeadlock) {
      if (isFirstCycle) deadlocks_.begin(requester, waitGraph_, &blockers.front(), true, clock_);
      deadlocks_.addVictim(requester.id);
      deadlocks_.addVictim(blockers.front().locker->id);
      // Both are described before either leaves, while the cycle can still be seen.
      Wait& other = *blockers.front().wait;
      LockAnswer ownAnswer = refusalOf(own, LockOutcome::Deadlock);
      LockAnswer otherAnswer = refusalOf(other, LockOutcome::Deadlock);
      std::vector<LockTarget> changed = detach(own, std::move(ownAnswer), ownFirst, out);
      for (const LockTarget target : detach(other, std::move(otherAnswer), false, out)) {
        std::erase(changed, target);  // Served once, after the release that comes last.
        changed.push_back(target);
      }
      serveAll(changed, out);
      continue;
    }

    Wait* victim = &own;
    const WaitGraph::Blocker* lower = nullptr;  // Null: the requester itself.
    for (const WaitGraph::Blocker& blocker : blockers) {
      if (blocker.wait->priority() >= victim->priority()) continue;
      victim = blocker.wait;
      lower = &blocker;
    }
    if (isFirstCycle) deadlocks_.begin(requester, waitGraph_, lower, false, clock_);
    deadlocks_.addVictim(victim->locker()->id);
    LockAnswer answer = refusalOf(*victim, LockOutcome::Deadlock);
    serveAll(detach(*victim, std::move(answer), victim == &own && ownFirst, out), out);
  }
}

void LockTable::describeObstacle(const Entry& entry, const Locker& locker, LockType type,
                                 LockAnswer& answer) {
  if (const Hold* const hold = conflictingHolder(entry, locker, type)) {
    answer.lockedBy = hold->locker().id;
    answer.lockedSince = hold->since();
    answer.lockedType = hold->type();
    return;
  }
  for (const Wait& ahead : entry.queue) {
    if (ahead.locker() == &locker) continue;
    answer.lockedBy = ahead.locker()->id;
    answer.lockedSince = ahead.since();
    return;
  }
}

// --- Ways out of a wait ------------------------------------------------------------------------

// Grants from the head for as long as the head can be granted.
void LockTable::serve(Entry& entry, LockAnswers& out) {
  while (!entry.queue.empty()) {
    Wait& head = entry.queue.front();
    if (conflictingHolder(entry, *head.locker(), head.type()) != nullptr) return;
    grant(head, out);
  }
  dropUnlessNeeded(entry);
}

// What `locker` asks for on `entry`, in the order of asking. Of its waits and the queue it looks
// through the shorter, for either may be very long.
LockTable::FewWaits LockTable::waitsOn(Locker& locker, Entry& entry) {
  FewWaits found;
  if (locker.waits.empty()) return found;
  auto own = locker.waits.begin();
  auto queued = entry.queue.begin();
  while (own != locker.waits.end() && queued != entry.queue.end()) ++own, ++queued;
  if (own == locker.waits.end()) {
    for (Wait& wait : locker.waits) {
      if (wait.entry() == &entry) found.push_back(&wait);
    }
  } else {
    for (Wait& wait : entry.queue) {
      if (wait.locker() == &locker) found.push_back(&wait);
    }
    std::sort(found.begin(), found.end(),
              [](const Wait* a, const Wait* b) { return a->sequence < b->sequence; });
  }
  return found;
}

// What a locker that now holds something here still asks for is an upgrade. Those that it overtakes
// waited for it before: its request that has just been granted stood ahead of them all.
void LockTable::becomeUpgrades(Locker& locker, Entry& entry) {
  for (Wait* const wait : waitsOn(locker, entry)) {
    if (wait->upgrade) continue;
    quitQueue(*wait);
    wait->upgrade = true;
    enterQueue(*wait, afterUpgrades(entry));
  }
}

// What a locker that holds nothing here any more still asks for is no upgrade: it stands first of
// the newcomers. True when there is such a one.
bool LockTable::becomeNewcomers(Locker& locker, Entry& entry) {
  if (entry.lastUpgrade == nullptr) return false;
  bool any = false;
  const Queue::iterator firstNewcomer = afterUpgrades(entry);
  for (Wait* const wait : waitsOn(locker, entry)) {
    if (!wait->upgrade) continue;
    quitQueue(*wait);
    wait->upgrade = false;
    enterQueue(*wait, firstNewcomer);
    any = true;
  }
  return any;
}

Queue::iterator LockTable::afterUpgrades(Entry& entry) {
  if (entry.lastUpgrade == nullptr) return entry.queue.begin();
  return std::next(entry.queue.iterator_to(*entry.lastUpgrade));
}

void LockTable::enterQueue(Wait& wait, Queue::iterator place) {
  Entry& entry = *wait.entry();
  entry.queue.insert(place, wait);
  if (wait.upgrade) entry.lastUpgrade = &wait;
}

void LockTable::quitQueue(Wait& wait) {
  Entry& entry = *wait.entry();
  const auto at = entry.queue.iterator_to(wait);
  if (entry.lastUpgrade == &wait) {
    entry.lastUpgrade = at == entry.queue.begin() ? nullptr : &*std::prev(at);
  }
  entry.queue.erase(at);
}

void LockTable::serveAll(const std::vector<LockTarget>& targets, LockAnswers& out) {
  for (const LockTarget target : targets) {
    if (Entry* const entry = holds_.entryOf(target)) serve(*entry, out);
  }
}

void LockTable::grant(Wait& wait, LockAnswers& out) {
  const LockRequest request = wait.request();
  Locker& locker = *wait.locker();
  Entry& entry = *wait.entry();
  Hold* const before = holdOn(entry, locker);
  LockAnswer answer;
  answer.request = request;
  answer.queued = true;
  answer.shareReleased = wait.shareReleased;
  answer.waited = leaveQueue(wait);
  CommitUpgrade* const commit = wait.commit();
  if (commit == nullptr) {
    // A second request of the same locker may have made the lock stronger meanwhile.
    if (before != nullptr && covers(before->type(), request.type)) {
      answer.token = before->token();
      if (request.duration == LockDuration::Session) {
        holds_.change(*before, {before->type(), request.type});
      }
    } else {
      answer.token = grantHold(locker, entry, request, clock_.now());
      if (before == nullptr) becomeUpgrades(locker, entry);
    }
    out.add(std::move(wait.done), std::move(answer));
    waits_.destroy(&wait);
    return;
  }

  // A request of the same locker that it queued before the commit may have made it Exclusive: that
  // one was told so, and it stays.
  if (before->type() == LockType::Exclusive) {
    answer.token = before->token();
  } else {
    answer.token = holds_.upgrade(*before, request);
    commit->upgraded.push_back(before);
  }
  waits_.destroy(&wait);
  if (--commit->pending > 0) return;
  endCommit(locker);
  out.add(std::move(commit->done), std::move(answer));
  commits_.destroy(commit);
}

LockAnswer LockTable::refusalOf(const Wait& wait, LockOutcome outcome) const {
  LockAnswer answer;
  answer.outcome = outcome;
  answer.request = wait.request();
  answer.queued = true;
  answer.shareReleased = wait.shareReleased;
  describeObstacle(*wait.entry(), *wait.locker(), wait.type(), answer);
  if (outcome != LockOutcome::Deadlock) return answer;

  answer.cycle = WaitGraph::cycleThrough(*wait.locker());
  answer.obtained = obtainedIn(answer.cycle, *wait.locker());
  if (answer.cycle.size() < 2) return answer;
  const LockerId next = answer.cycle[1].locker;  // The one in the way that is in the cycle.
  forEachBlocker(wait, [&](const Locker& blocker, const Hold* hold, const Wait* ahead) {
    if (blocker.id != next) return false;
    answer.lockedBy = next;
    answer.lockedSince = hold != nullptr ? hold->since() : ahead->since();
    answer.lockedType = hold != nullptr ? hold->type() : LockType::Get;
    return true;
  });
  return answer;
}

void LockTable::fail(Wait& wait, LockOutcome outcome, LockAnswers& out) {
  LockAnswer answer = refusalOf(wait, outcome);
  serveAll(detach(wait, std::move(answer), false, out), out);
}

// Takes `wait` out of its queue and answers it; with a commit, all its upgrades. Returns the
// targets that must be served. `first`: its caller was not told that it waits: it is answered
// first.
std::vector<LockTarget> LockTable::detach(Wait& wait, LockAnswer answer, bool first,
                                          LockAnswers& out) {
  if (answer.outcome == LockOutcome::TimedOut) ++statistics_.timeouts;
  if (answer.outcome == LockOutcome::Deadlock) ++statistics_.deadlocks;
  if (answer.outcome == LockOutcome::Cancelled) ++statistics_.cancellations;

  CommitUpgrade* const commit = wait.commit();
  LockDone done = std::move(commit != nullptr ? commit->done : wait.done);
  std::vector<LockTarget> changed;
  if (commit != nullptr) {
    answer.waited = clock_.now() - wait.since();
    changed = takeBack(*wait.locker());
  } else {
    changed.push_back(wait.entry()->target);
    answer.waited = leaveQueue(wait);
    waits_.destroy(&wait);
  }
  answer.queued = !first;
  if (first) {
    out.addFirst(std::move(done), std::move(answer));
  } else {
    out.add(std::move(done), std::move(answer));
  }
  return changed;
}

Duration LockTable::leaveQueue(Wait& wait) {
  const Duration waited = clock_.now() - wait.since();
  statistics_.totalQueueWait += waited;
  contention_.add(wait.entry()->target, waited);
  quitQueue(wait);
  wait.locker()->waits.erase(wait.locker()->waits.iterator_to(wait));
  deadlines_.erase(wait);
  return waited;
}

LockAnswers LockTable::cancel(Locker& locker, std::uint64_t requestId) {
  LockAnswers out;
  const auto it = std::find_if(locker.waits.begin(), locker.waits.end(),
                               [&](const Wait& wait) { return wait.id() == requestId; });
  if (it != locker.waits.end()) fail(*it, LockOutcome::Cancelled, out);
  return out;
}

std::optional<Instant> LockTable::nextDeadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.first().deadline;
}

LockAnswers LockTable::expireNextWait(Instant now) {
  LockAnswers out;
  if (deadlines_.empty() || deadlines_.first().deadline > now) return out;
  fail(deadlines_.first(), LockOutcome::TimedOut, out);
  return out;
}

// --- Letting go ----------------------------------------------------------------------------------

bool LockTable::release(Locker& locker, LockTarget target, LockAnswers& out) {
  Entry& entry = entryFor(target);
  Hold* const hold = holdOn(entry, locker);
  if (hold == nullptr) {
    dropUnlessNeeded(entry);
    return false;
  }
  holds_.remove(*hold, entry);
  const bool waitsAnew = becomeNewcomers(locker, entry);
  serve(entry, out);
  // It may stand behind upgrades that stood behind it.
  if (waitsAnew) breakCycles(locker, 0, false, out);
  return true;
}

bool LockTable::unlock(Locker& locker, LockTarget target, LockAnswers& out) {
  {
    OwnerHold own(locker.mutex);
    locker.unlockRequests.add(1);
  }
  if (holds_.find(locker, target) == nullptr) return false;
  if (locker.commit != nullptr && locker.commit->isAbout(target)) cancelCommitOf(locker, out);
  return release(locker, target, out);
}

void LockTable::releaseAll(Locker& locker, const ReleaseScope& scope, LockAnswers& out) {
  cancelCommitOf(locker, out);
  // What serving grants meanwhile stays: it is not among these.
  std::vector<std::pair<LockTarget, ReleaseFate>> left;
  {
    OwnerHold own(locker.mutex);
    holds_.releaseAll(locker, scope);
    for (Hold* hold = locker.first; hold != nullptr; hold = hold->after.get()) {
      const ReleaseFate fate = fateOf(*hold, scope);
      if (fate != ReleaseFate::Stays) left.emplace_back(hold->target, fate);
    }
  }
  for (const auto& [target, fate] : left) {
    if (fate == ReleaseFate::Goes) {
      release(locker, target, out);
    } else {
      returnToSession(locker, target, out);
    }
  }
}

void LockTable::endSession(Locker& locker, LockTarget target) {
  Hold* const hold = holds_.find(locker, target);
  if (hold != nullptr) holds_.change(*hold, {hold->type(), LockType::Get});
}

void LockTable::returnToSession(Locker& locker, LockTarget target, LockAnswers& out) {
  Entry& entry = entryFor(target);
  Hold* const hold = holdOn(entry, locker);
  if (hold != nullptr && hold->isSession() && hold->type() != hold->sessionType()) {
    holds_.change(*hold, {hold->sessionType(), hold->sessionType()});
  }
  serve(entry, out);
}

}  // namespace nephrite::lock_table

#include "locking/domain/lock_table.h"

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

LockTable::LockTable(const Clock& clock, LockOptions options, HoldTable& holds, Lockers& lockers,
                     LockEventLog& events, SharedWaits& shared)
    : clock_(clock),
      options_(std::move(options)),
      holds_(holds),
      lockers_(lockers),
      events_(events),
      shared_(shared),
      places_(holds, clock),
      counts_(options_.limits, options_.nearLimit),
      random_(options_.victimSeed),
      waitGraph_(shared.lastSearch),
      deadlocks_(options_.keptDeadlocks) {
  shared_.tables.push_back(this);
  shared_.isShared = shared_.tables.size() > 1;
}

LockTable::~LockTable() {
  LockAnswers unheard;
  for (const LockerRef& locker : lockers_.all()) {
    signOff(*locker, unheard);
    releaseAll(*locker, {ReleaseScope::Kind::Everything}, unheard);
    lockers_.remove(locker->id);
    left(*locker);
  }
  std::erase(shared_.tables, this);
  unheard.first_.reset();
  unheard.rest_.clear();
}

Entry& LockTable::entryFor(LockTarget target) {
  if (Entry* const entry = holds_.entryOf(target)) return *entry;
  Entry* const entry = entries_.make();
  entry->target = target;
  holds_.contend(*entry);
  return *entry;
}

void LockTable::dropUnlessNeeded(Entry& entry) {
  if (entry.place != nullptr) places_.dropIfIdle(entry);
  if (entry.isNeeded()) return;
  holds_.uncontend(entry);
  entries_.destroy(&entry);
}

void LockTable::unwatch(LockTarget target) {
  Entry& entry = *holds_.entryOf(target);
  --entry.watches;
  dropUnlessNeeded(entry);
}

Entry& LockTable::goalOf(const Wait& wait) const {
  return wait.isMark != 0 ? *places_.goalOf(wait).entry : *wait.entry();
}

// --- Asking --------------------------------------------------------------------------------------

bool LockTable::countRequest(Locker& locker, bool reads) {
  OwnerHold own(locker.mutex);
  locker.lockRequests.add(1);
  const unsigned unless = reads ? Locker::kSignedOff : Locker::kSignedOff | Locker::kCommitWrites;
  return (locker.slowPathOnly & unless) == 0;
}

// What is held covers what is asked for: nothing to wait for, even when others do (2.1).
void LockTable::takeCovered(Hold& hold, Entry& entry, const LockRequest& request,
                            LockAnswers& out) {
  const HeldTypes before = hold.types(), below = belowOf(hold, entry);
  if (request.access != LockAccess::Write) momentary_.remove(hold, entry);
  changeHold(hold, entry, afterGrant(before, request.terms()));
  setBelowAfter(hold, entry, request);
  leaseAfter(hold, before, entry, request, out);
  if (hold.types() != before || belowOf(hold, entry) != below) {
    note(LockEventKind::Changed, LockEventCause::Request, hold, entry, request.id);
  }
  serve(entry, out);
}

// A lease is renewed by whatever its owner is granted there.
void LockTable::leaseAfter(Hold& hold, HeldTypes before, Entry& entry, const LockRequest& asked,
                           LockAnswers& out) {
  if (entry.leases == 0 && asked.lease.isNone()) return;
  const LeaseTerms terms =
      leaseAfterGrant(before, leases_.termsOf(hold), asked.terms(), asked.lease);
  const Instant now = clock_.now();
  leases_.set(hold, entry, terms, now);
  if (terms.isNone()) return;
  const Instant end = now + terms.length;
  if (!out.waitsUntil_ || end < *out.waitsUntil_) out.waitsUntil_ = end;
}

Hold& LockTable::addHold(Locker& locker, Entry& entry, const LockRequest& asked, Instant now) {
  Hold& hold = holds_.add(locker, entry, asked, now);
  if (entry.place != nullptr) holdChanged(locker, entry, LockType::Get, hold.type());
  return hold;
}

FencingToken LockTable::upgradeHold(Hold& hold, Entry& entry, const LockRequest& asked) {
  const LockType before = hold.type();
  const FencingToken token = holds_.upgrade(hold, asked);
  holdChanged(hold.locker(), entry, before, hold.type());
  return token;
}

void LockTable::changeHold(Hold& hold, Entry& entry, HeldTypes types) {
  const HeldTypes before = hold.types();
  if (before == types) return;
  holds_.change(hold, types);
  holdChanged(hold.locker(), entry, before.type, types.type);
}

FencingToken LockTable::grantHold(Locker& locker, Entry& entry, const LockRequest& request,
                                  Instant now, LockAnswers& out) {
  if (Hold* const hold = holdOn(entry, locker)) {
    const HeldTypes before = hold->types();
    if (request.access != LockAccess::Write) momentary_.remove(*hold, entry);
    const FencingToken token = upgradeHold(*hold, entry, request);
    setBelowAfter(*hold, entry, request);
    leaseAfter(*hold, before, entry, request, out);
    note(LockEventKind::Granted, LockEventCause::Request, *hold, entry, request.id);
    return token;
  }
  if (counts_.isOn() && isCountedAnew(locker, entry)) counts_.add(entry.target);
  Hold& hold = addHold(locker, entry, request, now);
  if (request.access == LockAccess::Write) momentary_.add(hold, entry);
  if (entry.place != nullptr) setBelowAfter(hold, entry, request);
  if (!request.lease.isNone()) leaseAfter(hold, {}, entry, request, out);
  note(LockEventKind::Granted, LockEventCause::Request, hold, entry, request.id);
  if (!entry.queue.empty()) {
    becomeUpgrades(locker, entry);
    favourDescendants(locker, entry);
  }
  return hold.token();
}

// While locks are counted (LockCounts::isOn()): would one be one more? Then also when it goes: one
// fewer.
bool LockTable::isCountedAnew(const Locker& locker, const Entry& entry) const {
  if (!locker.isCounted || holdOn(entry, locker) != nullptr) return false;
  bool isNew = true;
  forEachRequestFor(locker, entry, [&](const Wait&) { isNew = false; });
  return isNew;
}

// A pair of a locker and a target is counted once, however often it is held and waited for.
std::optional<LockLimit> LockTable::limitOf(const Locker& locker, const Entry& entry) const {
  return isCountedAnew(locker, entry) ? counts_.limitOfNext(entry.target) : std::nullopt;
}

std::int32_t LockTable::millisecondsOf(const LockRequest& request) const {
  if (request.timeout.isWait()) return request.timeout.number();
  const auto wait = request.background ? options_.backgroundTimeout : options_.serverTimeout;
  const std::int64_t most = LockTimeout::kInfinite;
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(wait.count(), 0, most));
}

// Where `way` ends: at the goal, or above it.
Wait& LockTable::enqueue(Locker& locker, const Way& way, Entry& goal, const LockRequest& request,
                         Instant now) {
  Entry& at = *way.at;
  Wait* const wait = waits_.make();
  const std::int32_t milliseconds = millisecondsOf(request);
  wait->ask(request);
  wait->waitFor(locker, at, milliseconds);
  wait->deadline = now + std::chrono::milliseconds(milliseconds);
  wait->sequence = ++shared_.lastWait;
  const Queue::iterator place = placeFor(*wait, way);
  wait->isSubtree = request.scope == LockScope::Subtree;
  wait->isMark = &at != &goal;

  if (counts_.isOn() && isCountedAnew(locker, goal)) counts_.add(goal.target);
  leases_.want(*wait, request.lease);
  momentary_.want(*wait, request.access);
  if (wait->isMark != 0) places_.setGoal(*wait, *goal.place);
  if (at.place != nullptr)
    places_.shiftWaiting(locker, at.place->parent, nullptr, LockType::Get, request.type);
  at.enter(*wait, place);
  locker.waits.push_back(*wait);
  deadlines_.insert(*wait);
  return *wait;
}

void LockTable::startWaiting(Locker& locker, std::uint64_t firstSequence, Instant deadline,
                             LockAnswers& out) {
  breakCycles(locker, firstSequence, true, out);
  breakPending(out);
  // The last of its waits is the one that it asked for last.
  const bool waits = !locker.waits.empty() && locker.waits.back().sequence >= firstSequence;
  if (waits) out.waitsUntil_ = deadline;
}

// --- Ways out of a wait ------------------------------------------------------------------------

// Grants, from the head on, each request that nothing is in the way of; then where marks have sunk.
void LockTable::serve(Entry& entry, LockAnswers& out) {
  while (Wait* const next = nextToGrant(entry)) grant(*next, out);
  if (entry.place != nullptr) serveAbove(entry, out);
  dropUnlessNeeded(entry);
}

void LockTable::serveAbove(Entry& entry, LockAnswers& out) {
  for (Place* up = entry.place; up != nullptr; up = up->parent) {
    const bool isLowered = std::exchange(up->isLowered, false) && up->entry->subtreeWaits > 0;
    if (!std::exchange(up->isFreed, false) && !isLowered) continue;
    while (Wait* const next = nextToGrant(*up->entry)) grant(*next, out);
  }
}

// What a locker that now holds something here still asks for is an upgrade. Those that it overtakes
// waited for it before: its request that has just been granted stood ahead of them all.
void LockTable::becomeUpgrades(Locker& locker, Entry& entry) {
  for (Wait* const wait : waitsOn(locker, entry)) {
    if (wait->upgrade) continue;
    entry.leave(*wait);
    wait->upgrade = true;
    wait->favoured = 0;
    entry.enter(*wait, entry.afterUpgrades());
  }
}

// Its descendants keep their places, and no newcomer is in their way any more; but they are now in
// the way of those behind that were favoured before.
void LockTable::favourDescendants(Locker& locker, Entry& entry) {
  if (locker.firstChild == nullptr) return;
  for (Wait& wait : entry.queue) {
    if (wait.isFavoured() || !isAncestor(locker, *wait.locker())) continue;
    wait.favoured = 1;
    if (entry.favoured++ != 0 || entry.lastUpgrade != nullptr)
      shared_.moved.push_back(wait.locker());
  }
}

void LockTable::serveAll(const std::vector<LockTarget>& targets, LockAnswers& out) {
  for (const LockTarget target : targets) {
    if (Entry* const entry = holds_.entryOf(target)) serve(*entry, out);
  }
}

void LockTable::grant(Wait& wait, LockAnswers& out) {
  wait.entry()->leave(wait);
  if (wait.isMark != 0 && !goOn(wait)) {
    shared_.toCheck.push_back(wait.locker());
    serveNewMarks(*wait.locker(), goalOf(wait), out);
    return;
  }
  if (momentary_.accessOf(wait) == LockAccess::GatedRead) return grantRead(wait, out);
  LockRequest request = requestOf(wait);
  Locker& locker = *wait.locker();
  Entry& entry = *wait.entry();
  Hold* const before = holdOn(entry, locker);
  if (leases_.isAnyWanted()) {
    request.lease = before != nullptr ? leases_.wantedBy(wait) : leases_.grantedTo(wait);
  }
  LockAnswer answer;
  answer.request = request;
  answer.queued = true;
  answer.shareReleased = wait.shareReleased;
  const LockType wanted = wait.type();
  answer.waited = endWait(wait);
  CommitUpgrade* const commit = wait.commit();
  if (commit == nullptr) {
    // A second request of the same locker may have made the lock stronger meanwhile.
    if (before != nullptr && covers(before->type(), request.type) &&
        (request.scope == LockScope::Node || covers(belowOf(*before, entry).type, request.type))) {
      answer.token = before->token();
      const HeldTypes types = before->types();
      if (request.duration == LockDuration::Session) {
        changeHold(*before, entry, {before->type(), request.type});
        setBelowAfter(*before, entry, request);
      }
      leaseAfter(*before, types, entry, request, out);
      note(LockEventKind::Granted, LockEventCause::Request, *before, entry, request.id);
    } else {
      answer.token = grantHold(locker, entry, request, clock_.now(), out);
    }
    if (entry.place != nullptr) {
      renewAbove(locker, entry, request.type);
      letMarksGo(locker, entry, wanted);
    }
    out.add(std::move(wait.done), std::move(answer));
    waits_.destroy(&wait);
    hasGot(locker, entry);
    return;
  }

  // A request of the same locker that it queued before the commit may have made it Exclusive: that
  // one was told so, and it stays.
  if (before->type() == LockType::Exclusive) {
    answer.token = before->token();
  } else {
    answer.token = upgradeHold(*before, entry, request);
    commit->upgraded.push_back(before);
  }
  note(LockEventKind::Granted, LockEventCause::Commit, *before, entry, request.id);
  letMarksGo(locker, entry, wanted);
  waits_.destroy(&wait);
  if (--commit->pending > 0) return hasGot(locker, entry);
  endCommit(locker);
  locker.keepsLeases = true;
  out.add(std::move(commit->done), std::move(answer));
  commits_.destroy(commit);
}

void LockTable::fail(Wait& wait, LockOutcome outcome, LockAnswers& out) {
  LockAnswer answer = refusalOf(wait, outcome);
  serveAll(detach(wait, std::move(answer), false, out), out);
}

// Takes `wait` out of its queue and answers it; with a commit, all its upgrades. Returns the
// targets that must be served. `first`: its caller was not told that it waits: it is answered
// first.
std::vector<LockTarget> LockTable::detach(Wait& wait, LockAnswer&& answer, bool first,
                                          LockAnswers& out) {
  if (answer.outcome == LockOutcome::TimedOut) ++statistics_.timeouts;
  if (answer.outcome == LockOutcome::Deadlock) ++statistics_.deadlocks;
  if (answer.outcome == LockOutcome::Cancelled) ++statistics_.cancellations;

  CommitUpgrade* const commit = wait.commit();
  LockDone done = std::move(commit != nullptr ? commit->done : wait.done);
  std::vector<LockTarget> changed;
  if (commit != nullptr) {
    answer.waited = clock_.now() - wait.since();
    changed = takeBack(*wait.locker(), answer.outcome);
  } else {
    changed.push_back(wait.entry()->target);
    answer.waited = leaveQueue(wait, answer.outcome);
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

namespace {

LockEventKind endOfWait(LockOutcome outcome) {
  if (outcome == LockOutcome::TimedOut) return LockEventKind::TimedOut;
  return outcome == LockOutcome::Deadlock ? LockEventKind::Deadlock : LockEventKind::Cancelled;
}

}  // namespace

// Its marks above where it stands go, too.
Duration LockTable::leaveQueue(Wait& wait, LockOutcome outcome) {
  Locker& locker = *wait.locker();
  Entry& entry = *wait.entry();
  const LockType type = wait.type();
  note(endOfWait(outcome), LockEventCause::Request, wait);
  wait.entry()->leave(wait);
  const Duration waited = endWait(wait);
  letMarksGo(locker, entry, type);
  return waited;
}

Duration LockTable::endWait(Wait& wait) {
  const Duration waited = clock_.now() - wait.since();
  statistics_.totalQueueWait += waited;
  contention_.add(wait.entry()->target, waited);
  Entry* const goal = counts_.isOn() ? &goalOf(wait) : nullptr;
  Locker& locker = *wait.locker();
  locker.waits.erase(locker.waits.iterator_to(wait));
  deadlines_.erase(wait);
  leases_.forget(wait);
  momentary_.forget(wait);
  places_.forgetGoal(wait);
  if (goal != nullptr && isCountedAnew(locker, *goal)) counts_.remove(goal->target);
  return waited;
}

LockAnswers LockTable::cancel(Locker& locker, std::uint64_t requestId) {
  LockAnswers out;
  const auto it = std::find_if(locker.waits.begin(), locker.waits.end(),
                               [&](const Wait& wait) { return wait.id() == requestId; });
  if (it != locker.waits.end()) fail(*it, LockOutcome::Cancelled, out);
  breakPending(out);
  return out;
}

}  // namespace nephrite::lock_table

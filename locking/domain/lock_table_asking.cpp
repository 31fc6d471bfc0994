// The part of LockTable that is asked: for locks (docs/locking.md, section 2), for what a face
// reads and writes (12), and for Update locks to become Exclusive for a commit (4).

#include <algorithm>

#include "locking/domain/lock_table.h"

namespace nephrite::lock_table {

namespace {

// What was held of it by a locker that has let it go for Update.
constexpr HeldTypes kShareReleased{LockType::Share, LockType::Get};

bool isBelow(const Entry& entry, const Mark& mark) {
  return entry.place != nullptr && entry.place->isBelow(*mark.place);
}

}  // namespace

std::optional<ReleasedShare> LockTable::releaseShareBeforeUpdate(Locker& locker,
                                                                 const LockRequest& request,
                                                                 LockAnswers& out) {
  if (request.type != LockType::Update) return std::nullopt;
  const Hold* const held = holds_.find(locker, request.target);
  if (held == nullptr) return std::nullopt;
  if (ownRequest(held->types(), request.terms()) != OwnRequest::ShareFirst) return std::nullopt;
  ReleasedShare left{leases_.termsOf(*held), request.scope};
  if (const Entry* const known = holds_.entryOf(request.target);
      known != nullptr && belowOf(*held, *known).type != LockType::Get) {
    left.scope = LockScope::Subtree;
  }
  Entry& entry = entryFor(request.target);
  if (letGo(locker, entry, LockEventCause::Request)) serve(entry, out);
  breakPending(out);
  return left;
}

void LockTable::request(Locker& locker, const LockRequest& request, LockDone&& done,
                        const std::optional<ReleasedShare>& shareReleased, LockAnswers& out) {
  const auto answer = [&](LockOutcome outcome) {
    return LockAnswer{
        .outcome = outcome, .request = request, .shareReleased = shareReleased.has_value()};
  };
  // It may read while its own commit waits or is being written: that holds nothing.
  const bool reads = request.access == LockAccess::GatedRead;
  const bool isCommitted = locker.commit != nullptr && locker.commit->isAbout(request.target);
  if (!countRequest(locker, reads) || (isCommitted && !reads)) {
    return out.add(std::move(done), answer(LockOutcome::Cancelled));
  }

  Entry& entry = entryFor(request.target);
  if (reads) return readGated(locker, entry, request, std::move(done), out);
  const bool isSubtree = request.scope == LockScope::Subtree;
  if (isSubtree) places_.of(entry);
  Hold* const held = holdOn(entry, locker);
  if (held != nullptr && covers(held->type(), request.type) &&
      (!isSubtree || covers(belowOf(*held, entry).type, request.type))) {
    LockAnswer granted = answer(LockOutcome::Granted);
    granted.token = held->token();
    if (entry.place != nullptr) renewAbove(locker, entry, request.type);
    takeCovered(*held, entry, request, out);
    out.addFirst(std::move(done), std::move(granted));
    breakPending(out);
    return;
  }

  const Way way = wayOf(locker, entry, {request.type, isSubtree}, nullptr);
  if (const auto limit = counts_.isOn() ? limitOf(locker, entry) : std::nullopt;
      limit && (way.isFree || mayWait(locker, way, request))) {
    counts_.refuse(*limit);
    LockAnswer refused = answer(LockOutcome::OverLimit);
    refused.limit = *limit;
    noteRefusal(request, entry, LockEventCause::Limit);
    dropUnlessNeeded(entry);
    return out.addFirst(std::move(done), std::move(refused));
  }
  if (way.isFree) {
    LockRequest asked = request;
    if (shareReleased && held == nullptr) {  // What the Share had goes on.
      asked.lease =
          leaseAfterGrant(kShareReleased, shareReleased->lease, asked.terms(), asked.lease);
    }
    LockAnswer granted = answer(LockOutcome::Granted);
    granted.token = grantHold(locker, entry, asked, clock_.now(), out);
    if (entry.place != nullptr) renewAbove(locker, entry, request.type);
    out.addFirst(std::move(done), std::move(granted));
    hasGot(locker, entry);
    if (entry.place != nullptr) {
      serve(entry, out);  // For more scope a stronger lock may have sunk.
    } else {
      dropUnlessNeeded(entry);
    }
    breakPending(out);
    return;
  }

  waitOrRefuse(locker, entry, way, request, std::move(done), shareReleased, out);
}

void LockTable::waitOrRefuse(Locker& locker, Entry& entry, const Way& way, const LockRequest& asked,
                             LockDone&& done, const std::optional<ReleasedShare>& shareReleased,
                             LockAnswers& out) {
  contention_.count(way.at->target);
  if (asked.timeout.isImmediate() && !mayWait(locker, way, asked)) {
    ++statistics_.refusals;
    LockAnswer refused{.outcome = LockOutcome::Refused,
                       .request = asked,
                       .shareReleased = shareReleased.has_value()};
    describeObstacle(*way.at, locker, way.wanted, refused);
    noteRefusal(asked, *way.at, LockEventCause::Request);
    dropUnlessNeeded(entry);
    return out.addFirst(std::move(done), std::move(refused));
  }
  LockRequest request = asked;
  if (request.timeout.isImmediate()) {
    request.timeout =
        LockTimeout::ofMilliseconds(static_cast<std::int32_t>(options_.writePatience.count()));
  }

  ++statistics_.queuedLocks;
  Wait& wait = enqueue(locker, way, entry, request, clock_.now());
  wait.done = std::move(done);
  wait.shareReleased = shareReleased.has_value();
  note(LockEventKind::Waiting, LockEventCause::Request, wait);
  if (shareReleased && !(shareReleased->lease.isNone() && request.lease.isNone())) {
    leases_.noteLapse(wait, kShareReleased, shareReleased->lease);
  }
  // An entry that has one above it stays, whatever becomes of the request.
  const bool leavesMarks = entry.place != nullptr && entry.place->parent != nullptr;
  // For a new mark of it others may wait for whom it waits already.
  const auto isOlder = [&](const Wait& each) { return &each != &wait; };
  if (leavesMarks && forEachWaitOf(locker, isOlder)) shared_.toCheck.push_back(&locker);
  startWaiting(locker, wait.sequence, wait.deadline, out);
  if (!leavesMarks) return;
  serveNewMarks(locker, entry, out);
  breakPending(out);
}

// --- What a face asks for ------------------------------------------------------------------------

// It holds nothing, so it looks only at what is held. When it has to wait it stands in the queue as
// a Share would.
void LockTable::readGated(Locker& locker, Entry& entry, const LockRequest& request, LockDone&& done,
                          LockAnswers& out) {
  const LockType type = request.type;
  const Hold* const own = holdOn(entry, locker);
  const bool isCovered = own != nullptr && covers(own->type(), type);
  const Wanted wanted{type, false, false, /*isGated=*/true};
  const Way way = isCovered ? Way{&entry, wanted, true} : wayOf(locker, entry, wanted, nullptr);
  if (!way.isFree) {
    return waitOrRefuse(locker, entry, way, request, std::move(done), std::nullopt, out);
  }
  dropUnlessNeeded(entry);
  out.addFirst(std::move(done), {.outcome = LockOutcome::Granted, .request = request});
}

void LockTable::grantRead(Wait& wait, LockAnswers& out) {
  LockAnswer answer;
  answer.request = requestOf(wait);
  answer.queued = true;
  note(LockEventKind::LetThrough, LockEventCause::Request, wait);
  answer.waited = endWait(wait);
  letMarksGo(*wait.locker(), *wait.entry(), wait.type());
  out.add(std::move(wait.done), std::move(answer));
  waits_.destroy(&wait);
}

// It has time, or a face asks and only writes that are under way keep it out.
bool LockTable::mayWait(const Locker& locker, const Way& way, const LockRequest& request) const {
  if (!request.timeout.isImmediate()) return true;
  if (request.access == LockAccess::Lock || options_.writePatience.count() == 0) return false;
  const auto isLasting = [&](const Obstacle& obstacle) {
    if (way.isCovered && !isAncestor(locker, *obstacle.locker)) return false;
    if (obstacle.hold != nullptr) return !momentary_.contains(*obstacle.hold);
    return !isOfWritesAlone(*obstacle.mark, way.wanted.type);
  };
  if (forEachConflict(*way.at, locker, way.wanted, isLasting)) return false;
  if (way.wanted.isGated) return true;
  // The first says it for all: the queue may be very long.
  bool isBehindLock = false;
  forEachAhead(*way.at, locker, way.wanted, way.isFavoured, [&](const Wait& first) {
    isBehindLock = momentary_.accessOf(first) == LockAccess::Lock;
    return true;
  });
  return !isBehindLock;
}

// Is all that the mark stands for and that excludes `asked` momentary, or asked for by a face?
bool LockTable::isOfWritesAlone(const Mark& mark, LockType asked) const {
  const ModeTable& modes = *mark.place->entry->modes;
  std::uint32_t writes = 0;
  if (const auto* const held = momentary_.of(*mark.locker)) {
    for (const Hold* const hold : *held) {
      if (!modes.excludes(hold->type(), asked)) continue;
      if (isBelow(*holds_.entryOf(hold->target), mark)) ++writes;
    }
  }
  const auto& waits = mark.locker->waits;
  const auto requests = std::count_if(waits.begin(), waits.end(), [&](const Wait& wait) {
    return momentary_.accessOf(wait) != LockAccess::Lock && modes.excludes(wait.type(), asked) &&
           isBelow(*wait.entry(), mark);
  });
  const ModeTable::Set types = modes.excludedBy(asked);
  return mark.held.of(types) <= writes && mark.waiting.of(types) <= requests;
}

// --- Commits -------------------------------------------------------------------------------------

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
      noteRefusal(answer.request, *way.at, LockEventCause::Commit);
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
      note(LockEventKind::Granted, LockEventCause::Commit, *holds[i], *entries[i], part.id);
      dropUnlessNeeded(*entries[i]);
      continue;
    }
    ++statistics_.queuedLocks;
    Wait& wait = enqueue(locker, way, *entries[i], part, now);
    wait.setCommit(*commit);
    note(LockEventKind::Waiting, LockEventCause::Commit, wait);
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
std::vector<LockTarget> LockTable::takeBack(Locker& locker, LockOutcome outcome) {
  CommitUpgrade& commit = *locker.commit;
  std::vector<Hold*> holds(commit.upgraded.begin(), commit.upgraded.end());
  for (Hold* const hold : holds) {
    Entry& entry = entryFor(hold->target);
    changeHold(*hold, entry, {LockType::Update, hold->sessionType()});
    note(LockEventKind::Changed, LockEventCause::Commit, *hold, entry);
  }
  std::vector<LockTarget> above;  // Where upgrades waited on their way.
  for (auto at = locker.waits.begin(); at != locker.waits.end();) {
    Wait& wait = *at++;
    if (wait.commit() == nullptr) continue;
    holds.push_back(holdOn(goalOf(wait), locker));
    if (wait.isMark != 0) above.push_back(wait.entry()->target);
    leaveQueue(wait, outcome);
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

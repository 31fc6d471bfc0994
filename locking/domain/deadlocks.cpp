// The part of LockTable that looks for deadlocks and chooses which locker gives way:
// docs/locking.md, sections 2.5 and 14.

#include <algorithm>
#include <utility>

#include "locking/domain/lock_table.h"

namespace nephrite::lock_table {

namespace {

LockTable& tableOf(const Wait& wait) { return *wait.locker()->table; }

}  // namespace

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
    if (options_.doubleDeadlock && options_.victim == DeadlockVictim::Requester) {
      if (isFirstCycle)
        deadlocks_.begin(requester, waitGraph_, blockers.front().locker, true, clock_);
      deadlocks_.addVictim(requester.id);
      deadlocks_.addVictim(blockers.front().locker->id);
      // Both are described before either leaves, while the cycle can still be seen.
      Wait& other = *blockers.front().wait;
      LockTable& ours = tableOf(own);
      LockTable& theirs = tableOf(other);
      LockAnswer ownAnswer = ours.refusalOf(own, LockOutcome::Deadlock);
      LockAnswer otherAnswer = theirs.refusalOf(other, LockOutcome::Deadlock);
      std::vector<LockTarget> changed = ours.detach(own, std::move(ownAnswer), ownFirst, out);
      const auto changedThere = theirs.detach(other, std::move(otherAnswer), false, out);
      if (&ours == &theirs) {
        for (const LockTarget target : changedThere) {
          std::erase(changed, target);  // Served once, after the release that comes last.
          changed.push_back(target);
        }
      }
      ours.serveAll(changed, out);
      if (&ours != &theirs) theirs.serveAll(changedThere, out);
      continue;
    }

    Wait& victim = options_.victim == DeadlockVictim::Requester ? victimOf(blockers, own)
                                                                : victimByPolicy(requester, own);
    if (isFirstCycle) deadlocks_.begin(requester, waitGraph_, victim.locker(), false, clock_);
    deadlocks_.addVictim(victim.locker()->id);
    LockTable& table = tableOf(victim);
    LockAnswer answer = table.refusalOf(victim, LockOutcome::Deadlock);
    const bool isFirst = &victim == &own && ownFirst;
    table.serveAll(table.detach(victim, std::move(answer), isFirst, out), out);
  }
}

void LockTable::hasGot(Locker& locker, const Entry& entry) {
  const bool passesQueues =
      locker.parent != nullptr || locker.firstChild != nullptr || entry.place != nullptr;
  if (passesQueues && isWaiting(locker)) shared_.toCheck.push_back(&locker);
}

void LockTable::breakAllPending(LockAnswers& out) {
  while (!shared_.toCheck.empty() || !shared_.moved.empty()) {
    std::vector<Locker*> all = std::exchange(shared_.toCheck, {});
    all.insert(all.end(), shared_.moved.begin(), shared_.moved.end());
    shared_.moved.clear();
    for (Locker* const locker : all) locker->table->breakCycles(*locker, 0, false, out);
  }
}

Wait& LockTable::victimOf(const std::vector<WaitGraph::Blocker>& blockers, Wait& own) {
  Wait* victim = &own;
  for (const WaitGraph::Blocker& blocker : blockers) {
    if (blocker.wait->priority() < victim->priority()) victim = blocker.wait;
  }
  return *victim;
}

namespace {

std::uint64_t locksOf(const Locker& process) {
  std::uint64_t count = 0;
  anyOfProcess(process, [&](const Locker& each) {
    count += each.held.get();
    return false;
  });
  return count;
}

std::uint64_t writeLocksOf(const Locker& process) {
  std::uint64_t count = 0;
  anyOfProcess(process, [&](Locker& each) {
    OwnerHold own(each.mutex);
    for (const Hold* hold = each.first; hold != nullptr; hold = hold->after.get()) {
      count += covers(hold->type(), LockType::Update) ? 1 : 0;
    }
    return false;
  });
  return count;
}

// The party with the smallest gives way. Its age is that in the table where it waits.
std::uint64_t weightOf(DeadlockVictim policy, Locker& locker) {
  switch (policy) {
    case DeadlockVictim::Youngest: return ~locker.since;
    case DeadlockVictim::Oldest: return locker.since;
    case DeadlockVictim::FewestLocks: return locksOf(locker);
    case DeadlockVictim::MostLocks: return ~locksOf(locker);
    case DeadlockVictim::FewestWriteLocks: return writeLocksOf(locker);
    case DeadlockVictim::MostWriteLocks: return ~writeLocksOf(locker);
    case DeadlockVictim::Requester:
    case DeadlockVictim::Random: break;
  }
  return 0;
}

}  // namespace

// The lowest priority, then the policy; of those that remain the requester, else the one that is
// met first from it outwards.
Wait& LockTable::victimByPolicy(Locker& requester, Wait& own) {
  std::vector<Wait*> waits{&own};  // One of each party.
  waitGraph_.forEachParty(requester,
                          [&](Locker& /*party*/, Wait& wait) { waits.push_back(&wait); });
  const Wait* const lowest =
      *std::min_element(waits.begin(), waits.end(),
                        [](const Wait* a, const Wait* b) { return a->priority() < b->priority(); });
  const std::int32_t priority = lowest->priority();
  std::erase_if(waits, [&](const Wait* each) { return each->priority() != priority; });
  if (options_.victim == DeadlockVictim::Random) return *waits[random_() % waits.size()];

  Wait* victim = waits.front();
  std::uint64_t least = weightOf(options_.victim, *victim->locker());
  for (std::size_t i = 1; i < waits.size(); ++i) {
    const std::uint64_t weight = weightOf(options_.victim, *waits[i]->locker());
    if (weight >= least) continue;
    least = weight;
    victim = waits[i];
  }
  return *victim;
}

}  // namespace nephrite::lock_table

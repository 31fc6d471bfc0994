// The part of LockTable that lets locks go: by request, at the end of a transaction or of a locker,
// and when a lease ends. Also what comes and goes with lockers.

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <utility>

#include "base/check.h"
#include "locking/domain/lock_table.h"

namespace nephrite::lock_table {

// --- Lockers -------------------------------------------------------------------------------------

namespace {

void leaveParent(Locker& locker) {
  Locker* const parent = locker.parent.get();
  if (parent == nullptr) return;
  Locker* const next = std::exchange(locker.nextSibling, nullptr);
  Locker* const previous = std::exchange(locker.previousSibling, nullptr);
  if (next != nullptr) next->previousSibling = previous;
  if (previous != nullptr) {
    previous->nextSibling = next;
  } else if (parent->firstChild == &locker) {
    parent->firstChild = next;
  }
}

}  // namespace

void LockTable::signOn(Locker& locker, bool isCounted) {
  locker.isCounted = isCounted;
  locker.table = this;
  if (shared_.isShared) shared_.join(locker);
  if (isCounted) counts_.addLocker();
  if (isCounted && counts_.isOn()) {
    OwnerHold own(locker.mutex);
    locker.slowPathOnly |= Locker::kCounted;
  }
  Locker* const parent = locker.parent.get();
  if (parent == nullptr) return;
  locker.nextSibling = std::exchange(parent->firstChild, &locker);
  if (locker.nextSibling != nullptr) locker.nextSibling->previousSibling = &locker;
}

void LockTable::signOff(Locker& locker, LockAnswers& out) {
  {
    OwnerHold own(locker.mutex);
    locker.slowPathOnly |= Locker::kSignedOff;
  }
  locker.keepsLeases = false;
  while (!locker.waits.empty()) fail(locker.waits.front(), LockOutcome::Cancelled, out);
  contention_.forget(locker.id);
  leaveParent(locker);
  breakPending(out);
}

void LockTable::left(Locker& locker) {
  if (shared_.isShared) shared_.leave(locker);
  if (std::exchange(locker.isCounted, false)) counts_.removeLocker();
}

std::vector<LockerRef> LockTable::signOffFamily(Locker& locker, LockEventCause cause,
                                                LockAnswers& out,
                                                std::optional<std::uint16_t> heirLevel) {
  std::vector<LockerRef> family = familyOf(locker);
  std::vector<LockTarget> changed;
  boost::unordered_flat_set<std::uint64_t> noted;
  const auto note = [&](LockTarget target) {
    if (noted.insert(target.value).second) changed.push_back(target);
  };
  for (const LockerRef& each : family) {
    OwnerHold own(each->mutex);
    each->slowPathOnly |= Locker::kSignedOff;
    each->keepsLeases = false;
  }
  for (const LockerRef& each : family) {
    while (!each->waits.empty()) {
      Wait& wait = each->waits.front();
      for (const LockTarget target :
           detach(wait, refusalOf(wait, LockOutcome::Cancelled), false, out)) {
        note(target);
      }
    }
  }
  for (const LockerRef& each : family) {
    std::vector<LockTarget> held;
    {
      OwnerHold own(each->mutex);
      for (Hold* hold = each->first; hold != nullptr; hold = hold->after.get()) {
        held.push_back(hold->target);
      }
    }
    for (const LockTarget target : held) {
      Entry& entry = entryFor(target);
      Hold* const hold = holdOn(entry, *each);
      if (hold == nullptr) {  // Its own thread has let it go on the fast path meanwhile.
        dropUnlessNeeded(entry);
        continue;
      }
      if (heirLevel && each.get() == &locker) {
        inherit(*hold, *locker.parent, entry, *heirLevel);
      } else {
        removeHold(*hold, entry, cause);
        becomeNewcomers(*each, entry);
      }
      note(target);
    }
    contention_.forget(each->id);
    leaveParent(*each);
  }
  for (const LockTarget target : changed) serve(entryFor(target), out);
  if (heirLevel) {  // What it has inherited may cover what it waits for.
    std::vector<LockTarget> waitedFor;
    for (const Wait& wait : locker.parent->waits) waitedFor.push_back(wait.entry()->target);
    serveAll(waitedFor, out);
    shared_.toCheck.push_back(locker.parent.get());
  }
  breakPending(out);
  return family;
}

// Descendants first, the deepest first; of one depth the one that signed on first.
std::vector<LockerRef> LockTable::familyOf(Locker& locker) {
  std::vector<LockerRef> family{LockerRef(&locker)};
  for (std::size_t at = 0; at < family.size(); ++at) {
    for (Locker* child = family[at]->firstChild; child != nullptr; child = child->nextSibling) {
      family.emplace_back(child);
    }
  }
  std::sort(family.begin(), family.end(), [](const LockerRef& a, const LockerRef& b) {
    return a->depth != b->depth ? a->depth > b->depth : a->id < b->id;
  });
  return family;
}

// Under the mutex: no request passes between what goes and what comes.
void LockTable::inherit(Hold& left, Locker& heir, Entry& entry, std::uint16_t level) {
  const HeldTypes types = left.types();
  const std::optional<Leases::Left> lease = leases_.leftBy(left);
  const Instant since = left.since();
  LockRequest asked;
  asked.type = types.type;
  asked.level = level;
  asked.timeout = left.timeout();
  const HeldTypes below = belowOf(left, entry);
  removeHold(left, entry, LockEventCause::Inheritance);
  Hold* own = holdOn(entry, heir);
  if (own == nullptr) {
    if (counts_.isOn() && isCountedAnew(heir, entry)) counts_.add(entry.target);
    own = &addHold(heir, entry, asked, since);
    changeHold(*own, entry, types);
    setBelow(*own, entry, below);
    note(LockEventKind::Granted, LockEventCause::Inheritance, *own, entry);
    if (lease) leases_.inherit(*own, entry, *lease);
    becomeUpgrades(heir, entry);
    favourDescendants(heir, entry);
    return;
  }
  const HeldTypes merged = afterInheriting(own->types(), types);
  // What is inherited stays Exclusive when a commit of the heir fails.
  if (heir.commit != nullptr && types.type == LockType::Exclusive) {
    auto& upgraded = heir.commit->upgraded;
    upgraded.erase(std::remove(upgraded.begin(), upgraded.end(), own), upgraded.end());
  }
  if (merged.type != own->type()) upgradeHold(*own, entry, asked);
  changeHold(*own, entry, merged);
  setBelow(*own, entry, afterInheriting(belowOf(*own, entry), below));
  note(LockEventKind::Granted, LockEventCause::Inheritance, *own, entry);
  if (leases_.termsOf(*own).isNone()) return;
  if (lease) {
    leases_.inherit(*own, entry, *lease);
  } else {
    leases_.remove(*own, entry);
  }
}

// --- Letting go ----------------------------------------------------------------------------------

void LockTable::setWriting(Locker& locker, bool writes) {
  {
    OwnerHold own(locker.mutex);
    if (writes) {
      locker.slowPathOnly |= Locker::kCommitWrites;
    } else {
      locker.slowPathOnly &= ~Locker::kCommitWrites;
    }
  }
  locker.keepsLeases = writes;
  if (!writes) leases_.resume(locker);
}

namespace {

LockEventKind endOfLock(LockEventCause cause) {
  if (cause == LockEventCause::Lease) return LockEventKind::Lapsed;
  return cause == LockEventCause::Force ? LockEventKind::Broken : LockEventKind::Released;
}

LockEventCause causeOf(const ReleaseScope& scope) {
  switch (scope.kind) {
    case ReleaseScope::Kind::Transaction: return LockEventCause::EndOfTransaction;
    case ReleaseScope::Kind::Level: return LockEventCause::EndOfLevel;
    case ReleaseScope::Kind::Everything: break;
  }
  return scope.byForce ? LockEventCause::Force : LockEventCause::SignOff;
}

}  // namespace

void LockTable::removeHold(Hold& hold, Entry& entry, LockEventCause cause) {
  note(endOfLock(cause), cause, hold, entry);
  Locker& locker = hold.locker();
  const LockType type = hold.type();
  if (entry.leases > 0) leases_.remove(hold, entry);
  if (entry.momentary > 0) momentary_.remove(hold, entry);
  if (entry.place != nullptr) setBelow(hold, entry, {});
  holds_.remove(hold, entry);
  if (entry.place != nullptr) {
    holdChanged(locker, entry, type, LockType::Get);
    entry.place->isFreed = true;
  }
  if (counts_.isOn() && isCountedAnew(locker, entry)) counts_.remove(entry.target);
}

// What a locker that holds nothing here any more, and its descendants, still ask for is no upgrade,
// unless another ancestor holds something: it stands first of the newcomers, or stays where the
// upgrades are. Returns the lockers for whose requests something else is in the way now.
std::vector<Locker*> LockTable::becomeNewcomers(Locker& locker, Entry& entry, bool upgradesStay) {
  std::vector<Locker*> moved;
  if (entry.lastUpgrade == nullptr && entry.favoured == 0) return moved;
  FewWaits waits;
  if (locker.firstChild == nullptr) {
    waits = waitsOn(locker, entry);
  } else {
    for (Wait& wait : entry.queue) {
      if (wait.locker() == &locker || isAncestor(locker, *wait.locker())) waits.push_back(&wait);
    }
  }
  const auto stays = [&](const Wait* wait) {
    return !wait->isFavoured() || isFavoured(entry, *wait->locker());
  };
  waits.erase(std::remove_if(waits.begin(), waits.end(), stays), waits.end());
  std::vector<Wait*> upgrades;
  for (Wait* const wait : waits) {
    if (wait->favoured != 0) {
      wait->favoured = 0;
      --entry.favoured;
      moved.push_back(wait->locker());
    } else if (!upgradesStay) {
      upgrades.push_back(wait);
      entry.leave(*wait);
      wait->upgrade = false;
    }
  }
  const Queue::iterator firstNewcomer = entry.afterUpgrades();
  for (Wait* const wait : upgrades) {
    entry.enter(*wait, firstNewcomer);
    moved.push_back(wait->locker());
  }
  return moved;
}

bool LockTable::letGo(Locker& locker, Entry& entry, LockEventCause cause) {
  Hold* const hold = holdOn(entry, locker);
  if (hold == nullptr) {
    dropUnlessNeeded(entry);
    return false;
  }
  removeHold(*hold, entry, cause);
  if (entry.lastUpgrade == nullptr && entry.favoured == 0) return true;
  // What is still waited for there may stand behind requests that stood behind it.
  for (Locker* const each : becomeNewcomers(locker, entry)) shared_.moved.push_back(each);
  return true;
}

bool LockTable::unlock(Locker& locker, LockTarget target, LockAnswers& out, LockEventCause cause) {
  {
    OwnerHold own(locker.mutex);
    locker.unlockRequests.add(1);
  }
  Entry* const known = holds_.entryOf(target);
  const Hold* const hold = known != nullptr ? holdOn(*known, locker) : holds_.find(locker, target);
  if (hold == nullptr) return false;
  // When its commit's requests leave the queue, the entry may no longer be needed.
  const bool isCommitted = locker.commit != nullptr && locker.commit->isAbout(target);
  if (isCommitted) cancelCommitOf(locker, out);
  Entry& entry = known != nullptr && !isCommitted ? *known : entryFor(target);
  const bool released = letGo(locker, entry, cause);
  if (released) serve(entry, out);
  breakPending(out);
  return released;
}

void LockTable::releaseAll(Locker& locker, const ReleaseScope& scope, LockAnswers& out) {
  cancelCommitOf(locker, out);
  const LockEventCause cause = causeOf(scope);
  // What is taken away is an event, also when it could go the fast way.
  const bool isTold = scope.byForce && events_.isOn();
  // What serving grants meanwhile stays: it is not among these.
  std::vector<std::pair<LockTarget, ReleaseFate>> left;
  {
    OwnerHold own(locker.mutex);
    if (!isTold) holds_.releaseAll(locker, scope);
    for (Hold* hold = locker.first; hold != nullptr; hold = hold->after.get()) {
      const ReleaseFate fate = fateOf(*hold, scope);
      if (fate != ReleaseFate::Stays) left.emplace_back(hold->target, fate);
    }
  }
  std::erase_if(left, [&](const auto& each) {
    const bool goes = each.second == ReleaseFate::Goes;
    return !(goes ? letGo(locker, entryFor(each.first), cause)
                  : returnToSession(locker, each.first, cause));
  });
  for (const auto& [target, fate] : left) serve(entryFor(target), out);
  if (isTold) {
    OwnerHold own(locker.mutex);
    holds_.releaseAll(locker, scope);  // What it retains.
  }
  breakPending(out);
}

void LockTable::endSession(Locker& locker, LockTarget target) {
  Hold* const hold = holds_.find(locker, target);
  if (hold == nullptr) return;
  holds_.change(*hold, {hold->type(), LockType::Get});
  Entry* const entry = holds_.entryOf(target);
  if (entry == nullptr) return;
  setBelow(*hold, *entry, {belowOf(*hold, *entry).type, LockType::Get});
  note(LockEventKind::Changed, LockEventCause::EndOfTransaction, *hold, *entry);
}

bool LockTable::returnToSession(Locker& locker, LockTarget target, LockEventCause cause) {
  Entry& entry = entryFor(target);
  Hold* const hold = holdOn(entry, locker);
  const LockType own = hold == nullptr ? LockType::Get : hold->sessionType();
  const LockType below = hold == nullptr ? LockType::Get : belowOf(*hold, entry).session;
  const bool stays =
      own == LockType::Get || (hold->type() == own && belowOf(*hold, entry).type == below);
  if (stays) {
    dropUnlessNeeded(entry);
    return false;
  }
  changeHold(*hold, entry, {own, own});
  setBelow(*hold, entry, {below, below});
  note(LockEventKind::Changed, cause, *hold, entry);
  if (entry.place != nullptr) entry.place->isFreed = true;
  return true;
}

// --- Time ----------------------------------------------------------------------------------------

// Of what ends at one moment, leases come first, then the request asked first.
std::optional<Expiry> LockTable::nextExpiry() {
  const std::optional<Instant> lease = leases_.nextEnd();
  if (!deadlines_.empty()) {
    const Wait& wait = deadlines_.first();
    if (!lease || wait.deadline < *lease) return Expiry{wait.deadline, wait.sequence};
  }
  return lease ? std::optional(Expiry{*lease, 0}) : std::nullopt;
}

LockAnswers LockTable::expireNext(Instant now) {
  LockAnswers out;
  const bool waitIsDue = !deadlines_.empty() && deadlines_.first().deadline <= now;
  const Instant until = waitIsDue ? deadlines_.first().deadline : now;
  if (Hold* const hold = leases_.nextEnded(until)) {
    lapse(*hold, out);
  } else if (waitIsDue) {
    fail(deadlines_.first(), LockOutcome::TimedOut, out);
  }
  breakPending(out);
  return out;
}

// An unlock that no state defers. What is still asked for there keeps its place, and gets the lease
// when it is granted.
void LockTable::lapse(Hold& hold, LockAnswers& out) {
  Locker& locker = hold.locker();
  const LockTarget target = hold.target;
  const HeldTypes types = hold.types();
  LockAnswer lapsed;
  lapsed.outcome = LockOutcome::Lapsed;
  lapsed.request.locker = locker.id;
  lapsed.request.target = target;
  lapsed.request.type = types.type;
  lapsed.request.duration = hold.isSession() ? LockDuration::Session : LockDuration::Transaction;
  lapsed.request.lease = leases_.termsOf(hold);
  lapsed.token = hold.token();
  forEachRequestFor(locker, entryFor(target), [&](const Wait& wait) {
    leases_.noteLapse(wait, types, lapsed.request.lease);
  });
  ++statistics_.lapses;
  out.add(LockDone(options_.lapsed), std::move(lapsed));
  if (locker.commit != nullptr && locker.commit->isAbout(target)) cancelCommitOf(locker, out);
  Entry& entry = entryFor(target);
  removeHold(*holdOn(entry, locker), entry, LockEventCause::Lease);
  for (Locker* const each : becomeNewcomers(locker, entry, /*upgradesStay=*/true)) {
    shared_.moved.push_back(each);
  }
  serve(entry, out);
}

bool LockTable::renew(Locker& locker, LockTarget target, Renewal by) {
  const Entry* const entry = holds_.entryOf(target);
  if (entry == nullptr || entry->leases == 0) return false;
  const Hold* const hold = holdOn(*entry, locker);
  return hold != nullptr && leases_.renew(*hold, by, clock_.now());
}

void LockTable::keepAlive(Locker& locker) { leases_.renewAll(locker, clock_.now()); }

}  // namespace nephrite::lock_table

// The short way: what is asked for and let go without anybody having to wait. It is the way of most
// calls, and all of it is here, for the compiler to make one function of.

#include "locking/table/hold_table.h"

#include "locking/lock_manager.h"

namespace nephrite {
namespace lock_table {
namespace {

// Is it granted without anything being different afterwards?
bool changesNothing(const Hold& hold, LockTerms asked) {
  return covers(hold.type(), asked.type()) && asked.duration() == LockDuration::Transaction &&
         (hold.isSession() || hold.type() == asked.type() || asked.inState());
}

// Section 2.1 of the rules, where nobody waits: nobody has to be served.
void takeCovered(Hold& hold, LockTerms asked) {
  const bool lower = asked.type() != hold.type();
  if (asked.duration() == LockDuration::Session) {
    hold.setSession(asked.type());
  } else if (hold.isSession()) {
    return;  // Duration never falls, and with it the type stays.
  }
  if (lower && !asked.inState()) hold.setType(asked.type());
}

LockType sessionOf(LockTerms asked) {
  return asked.duration() == LockDuration::Session ? asked.type() : LockType::Get;
}

}  // namespace

ReleaseScope::Fate ReleaseScope::of(const Hold& hold) const {
  switch (kind) {
    case Kind::Transaction: return hold.isSession() ? Fate::Returns : Fate::Goes;
    case Kind::Level:
      if (hold.isSession()) return level == 1 ? Fate::Returns : Fate::Stays;
      return hold.level() >= std::min(level, Hold::kMostLevel) ? Fate::Goes : Fate::Stays;
    case Kind::Everything: break;
  }
  return Fate::Goes;
}

inline FencingToken HoldTable::acquire(Locker& locker, LockTarget target, LockTerms asked,
                                       const Clock& clock) {
  if (!locker.signedOn || locker.commits > 0) [[unlikely]]
    return {};
  const Hold* const recent = recentOf(locker, hashOf(target));
  if (recent == nullptr || recent->target != target || !changesNothing(*recent, asked)) {
    return acquireAnew(locker, target, asked, clock);
  }
  locker.lockRequests.add(1);
  return recent->token;
}

[[gnu::noinline]] FencingToken HoldTable::acquireAnew(Locker& locker, LockTarget target,
                                                      LockTerms asked, const Clock& clock) {
  const std::uint64_t hash = hashOf(target);
  Hold*& recent = recentOf(locker, hash);

  Hold* const spare = locker.take();
  const Instant now = clock.roughNow();
  Hold* own = nullptr;
  FencingToken token;
  {
    Segment& segment = segmentOf(hash);
    SpinHold spin(segment.lock);
    Link* link = find(segment, hash, target);
    bool longWay = false;
    for (Node* node = link->get(); node != nullptr && node->target == target;
         link = &node->chain, node = link->get()) {
      longWay = longWay || node->isEntry();
      if (longWay) break;
      auto* const hold = static_cast<Hold*>(node);
      if (&hold->locker() == &locker) {
        own = hold;
      } else if (!compatible(hold->type(), asked.type())) {
        longWay = true;
      }
    }
    if (longWay) {
      // What is covered by one's own conflicts with nobody else's; so this is not one of them.
    } else if (own == nullptr) {
      spare->target = target;
      spare->chain.set(link->get(), Hold::tagOf(asked.type(), sessionOf(asked), asked.level()));
      token = nextToken(segment, locker);
      spare->token = token;
      spare->since = now;
      spare->acquired = token.value;
      link->set(spare);
      count(segment, 1, 0);
    } else if (covers(own->type(), asked.type())) {
      takeCovered(*own, asked);
      token = own->token;
    } else if (asked.type() != LockType::Update || own->type() != LockType::Share ||
               own->isSession()) {  // Else the Share goes first (2.2): others may be served.
      own->set(asked.type(),
               asked.duration() == LockDuration::Session ? asked.type() : own->session(),
               own->level());
      own->setTimeout(asked.timeout());
      token = nextToken(segment, locker);
      own->token = token;
    }
  }

  if (own == nullptr && token.value != 0) {
    locker.link(*spare, asked.timeout());
    recent = spare;
  } else {
    locker.give(spare);
    if (token.value == 0) return token;
    recent = own;
  }
  locker.lockRequests.add(1);
  return token;
}

HoldTable::Release HoldTable::release(Locker& locker, LockTarget target) {
  if (locker.commits > 0) [[unlikely]]
    return Release::LongWay;
  const std::uint64_t hash = hashOf(target);
  Hold* own = recentOf(locker, hash);
  if (own != nullptr && own->target != target) own = nullptr;
  {
    Segment& segment = segmentOf(hash);
    SpinHold spin(segment.lock);
    Link* link = headOf(segment, hash);
    if (own == nullptr || link->get() != own) {
      own = nullptr;
      link = find(segment, hash, target);
      Node* node = link->get();
      if (node != nullptr && node->isEntry()) return Release::LongWay;
      for (; node != nullptr && node->target == target; link = &node->chain, node = link->get()) {
        if (&static_cast<Hold*>(node)->locker() != &locker) continue;
        own = static_cast<Hold*>(node);
        break;
      }
    }
    if (own != nullptr) {
      link->set(own->chain.get());
      count(segment, 0, 1);
    }
  }
  locker.unlockRequests.add(1);
  if (own == nullptr) return Release::NotHeld;
  drop(locker, *own);
  return Release::Done;
}

bool HoldTable::releaseAll(Locker& locker, const ReleaseScope& scope) {
  if (locker.commits > 0) return true;
  bool longWay = false;
  for (Hold* hold = locker.first; hold != nullptr;) {
    Hold* const after = hold->after.get();
    const ReleaseScope::Fate fate = scope.of(*hold);
    const bool same = fate == ReleaseScope::Fate::Returns && hold->type() == hold->session();
    bool gone = false;
    if (fate != ReleaseScope::Fate::Stays && !same) {
      const std::uint64_t hash = hashOf(hold->target);
      Segment& segment = segmentOf(hash);
      SpinHold spin(segment.lock);
      Link* link = find(segment, hash, hold->target);
      if (link->get()->isEntry()) {
        longWay = true;
      } else if (fate == ReleaseScope::Fate::Returns) {
        hold->setType(hold->session());
      } else {
        while (link->get() != hold) link = &link->get()->chain;
        link->set(hold->chain.get());
        count(segment, 0, 1);
        gone = true;
      }
    }
    if (gone) drop(locker, *hold);
    hold = after;
  }
  return longWay;
}

LockType HoldTable::typeHeld(Locker& locker, LockTarget target) {
  Hold*& recent = recentOf(locker, hashOf(target));
  if (recent != nullptr && recent->target == target) return recent->type();
  Hold* const hold = find(locker, target);
  if (hold == nullptr) return LockType::Get;
  recent = hold;
  return hold->type();
}

HeldLock HoldTable::held(Locker& locker, LockTarget target) {
  if (typeHeld(locker, target) == LockType::Get) return {};
  const Hold& hold = *recentOf(locker, hashOf(target));
  return {hold.token, hold.since, hold.level(), hold.type(), hold.session()};
}

}  // namespace lock_table

// --- LockManager ---------------------------------------------------------------------------------

using lock_table::HoldTable;

FencingToken LockManager::grantAtOnce(const LockSeat& seat, LockTarget target, LockTerms terms) {
  OwnerHold own(seat->mutex);
  return holds_.acquire(*seat, target, terms, clock_);
}

LockManager::AtOnce LockManager::releaseAtOnce(const LockSeat& seat, LockTarget target) {
  OwnerHold own(seat->mutex);
  switch (holds_.release(*seat, target)) {
    case HoldTable::Release::Done: return AtOnce::Done;
    case HoldTable::Release::NotHeld: return AtOnce::Nothing;
    case HoldTable::Release::LongWay: break;
  }
  return AtOnce::Not;
}

LockType LockManager::typeHeld(const LockSeat& seat, LockTarget target) const {
  OwnerHold own(seat->mutex);
  return holds_.typeHeld(*seat, target);
}

HeldLock LockManager::held(const LockSeat& seat, LockTarget target) const {
  OwnerHold own(seat->mutex);
  return holds_.held(*seat, target);
}

}  // namespace nephrite

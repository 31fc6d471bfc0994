// The short way: what is asked for and let go without anybody having to wait. It is the way of most
// calls, and all of it is here, for the compiler to make one function of.

#include "locking/table/hold_table.h"

#include <utility>

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

std::uint16_t tagOf(LockTerms asked) {
  const bool session = asked.duration() == LockDuration::Session;
  return Hold::tagOf(asked.type(), session ? asked.type() : LockType::Get, asked.level());
}

// Is an idle hold asked for in the very way in which it was held?
bool isAskedAgain(const Hold& idle, LockTerms asked) { return idle.chain.tag() == tagOf(asked); }

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
  Hold* const known = locker.index.at(hashOf(target));
  if (known == nullptr || known->target != target) return acquireAnew(locker, target, asked, clock);
  FencingToken token = known->token();
  if (token.value != 0) {
    if (!changesNothing(*known, asked)) return acquireAnew(locker, target, asked, clock);
  } else {
    if (!isAskedAgain(*known, asked)) return acquireAnew(locker, target, asked, clock);
    token = {++locker.clock};
    known->setSince(clock.roughNow());
    known->acquired = token.value;
    locker.woken(*known, asked.timeout());
    known->setToken(token);
  }
  locker.lockRequests.add(1);
  return token;
}

[[gnu::noinline]] FencingToken HoldTable::acquireAnew(Locker& locker, LockTarget target,
                                                      LockTerms asked, const Clock& clock) {
  const std::uint64_t hash = hashOf(target);
  if (Hold*& place = locker.index.at(hash); place != nullptr && place->isIdle()) {
    if (place->target != target) {
      evict(locker, *std::exchange(place, nullptr));
      locker.index.pushedOut();
    }
  }

  Hold* const spare = locker.take();
  const Instant now = clock.roughNow();
  Hold* own = nullptr;
  bool anew = false;
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
    } else if (own == nullptr || own->isIdle()) {
      anew = true;
      Hold& hold = own == nullptr ? *spare : *own;
      token = nextToken(segment, locker);
      hold.setSince(now);
      hold.acquired = token.value;
      hold.setToken(token);
      if (own == nullptr) {
        hold.target = target;
        hold.chain.set(link->get(), tagOf(asked));
        link->set(&hold);
        count(segment, 1, 0);
      } else {
        hold.chain.setTag(tagOf(asked));
      }
    } else if (covers(own->type(), asked.type())) {
      hear(segment, locker);
      takeCovered(*own, asked);
      token = own->token();
    } else if (asked.type() != LockType::Update || own->type() != LockType::Share ||
               own->isSession()) {  // Else the Share goes first (2.2): others may be served.
      own->set(asked.type(),
               asked.duration() == LockDuration::Session ? asked.type() : own->session(),
               own->level());
      own->setTimeout(asked.timeout());
      token = nextToken(segment, locker);
      own->setToken(token);
    }
  }

  Hold* const held = own == nullptr ? spare : own;
  if (anew && own == nullptr) {
    locker.link(*spare, asked.timeout());
  } else {
    locker.give(spare);
    if (token.value == 0) return token;
    if (anew) locker.woken(*own, asked.timeout());
  }
  locker.index.at(hash) = held;
  locker.lockRequests.add(1);
  return token;
}

inline bool HoldTable::becomesIdle(Locker& locker, Hold& hold) {
  if (hold.type() != LockType::Exclusive || !locker.mayIdle()) return false;
  locker.idled(hold);
  return true;
}

HoldTable::Release HoldTable::release(Locker& locker, LockTarget target) {
  if (locker.commits > 0) [[unlikely]]
    return Release::LongWay;
  Hold* known = locker.index.at(hashOf(target));
  if (known != nullptr && known->target != target) known = nullptr;
  if (known == nullptr) return releaseForGood(locker, target, nullptr);
  const bool idle = known->isIdle();
  if (!idle && !becomesIdle(locker, *known)) return releaseForGood(locker, target, known);
  locker.unlockRequests.add(1);
  return idle ? Release::NotHeld : Release::Done;
}

HoldTable::Release HoldTable::releaseForGood(Locker& locker, LockTarget target, Hold* known) {
  const std::uint64_t hash = hashOf(target);
  Hold* own = known;
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
      hear(segment, locker);
      link->set(own->chain.get());
      count(segment, 0, 1);
    }
  }
  locker.unlockRequests.add(1);
  if (own == nullptr) return Release::NotHeld;
  drop(locker, *own);
  return Release::Done;
}

void HoldTable::evict(Locker& locker, Hold& hold) {
  const std::uint64_t hash = hashOf(hold.target);
  {
    Segment& segment = segmentOf(hash);
    SpinHold spin(segment.lock);
    Link* const link = find(segment, hash, hold.target);
    if (link->get() != &hold) return;
    hear(segment, locker);
    link->set(hold.chain.get());
    count(segment, 0, 1);
  }
  locker.giveIdle(hold);
}

void HoldTable::evictAll(Locker& locker) {
  for (Hold*& place : locker.index.all()) {
    if (place == nullptr || !place->isIdle()) continue;
    evict(locker, *std::exchange(place, nullptr));
  }
}

bool HoldTable::releaseAll(Locker& locker, const ReleaseScope& scope) {
  if (locker.commits > 0) return true;
  const bool forGood = scope.kind == ReleaseScope::Kind::Everything;
  bool longWay = false;
  for (Hold* hold = locker.first; hold != nullptr;) {
    Hold* const after = hold->after.get();
    const ReleaseScope::Fate fate = scope.of(*hold);
    const bool same = fate == ReleaseScope::Fate::Returns && hold->type() == hold->session();
    bool gone = false;
    const std::uint64_t hash = hashOf(hold->target);
    const bool idles = fate == ReleaseScope::Fate::Goes && !forGood &&
                       locker.index.at(hash) == hold && becomesIdle(locker, *hold);
    if (fate != ReleaseScope::Fate::Stays && !same && !idles) {
      Segment& segment = segmentOf(hash);
      SpinHold spin(segment.lock);
      Link* link = find(segment, hash, hold->target);
      if (link->get()->isEntry()) {
        longWay = true;
      } else {
        hear(segment, locker);
        if (fate == ReleaseScope::Fate::Returns) {
          hold->setType(hold->session());
        } else {
          while (link->get() != hold) link = &link->get()->chain;
          link->set(hold->chain.get());
          count(segment, 0, 1);
          gone = true;
        }
      }
    }
    if (gone) drop(locker, *hold);
    hold = after;
  }
  if (forGood) evictAll(locker);
  return longWay || (forGood && locker.idle() > 0);
}

LockType HoldTable::typeHeld(Locker& locker, LockTarget target) {
  Hold*& place = locker.index.at(hashOf(target));
  if (place != nullptr && place->target == target) {
    return place->isIdle() ? LockType::Get : place->type();
  }
  const Hold* const hold = find(locker, target);
  return hold == nullptr ? LockType::Get : hold->type();
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

}  // namespace nephrite

// The short way: what is asked for and let go without anybody having to wait. It is the way of most
// calls, and all of it is here, for the compiler to make one function of.

#include "locking/table/hold_table.h"

#include <utility>

#include "locking/lock_manager.h"

namespace nephrite {
namespace lock_table {
inline FencingToken HoldTable::acquireAgain(Locker& locker, LockTarget target, LockTerms asked,
                                            const Clock& clock, bool shared) {
  if (locker.barred != 0) [[unlikely]]
    return {};
  Hold* const known = locker.index.at(hashOf(target));
  if (known == nullptr || known->target != target) return {};
  if (known->chain.tag() != asked.tag()) return {};
  FencingToken token = known->token();
  if (token.value == 0) {
    const Instant now = clock.roughIfKnown();
    if (!Clock::isKnown(now)) return {};
    token = {locker.clock + 1};
    if (shared) {  // Others may be granted the same meanwhile.
      const std::uint64_t number = locker.grants.read();
      if (number < token.value) return {};
      token = {number};
    }
    locker.clock = token.value;
    known->setSince(now);
    known->setAcquired(token.value, shared);
    locker.woken(*known, asked.timeout());
    known->setToken(token);
  }
  locker.lockRequests.add(1);
  return token;
}

FencingToken HoldTable::acquire(Locker& locker, LockTarget target, LockTerms asked,
                                const Clock& clock) {
  if (locker.barred != 0) [[unlikely]]
    return {};
  const std::uint64_t hash = hashOf(target);
  Hold*& place = locker.index.at(hash);
  if (place != nullptr && place->target == target) {
    if (!place->isIdle() && ownRequest(place->types(), asked) == OwnRequest::Nothing) {
      locker.lockRequests.add(1);
      return place->token();
    }
  } else if (place != nullptr && place->isIdle()) {
    evict(locker, *std::exchange(place, nullptr));
    locker.pushedOutIdle();
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
    bool longWay = false, amongNear = false;
    unsigned others = 0;
    for (Node* node = link->get(); node != nullptr && node->target == target;
         link = &node->chain, node = link->get()) {
      longWay = longWay || node->isEntry();
      if (longWay) break;
      auto* const hold = static_cast<Hold*>(node);
      if (&hold->locker() == &locker) {
        own = hold;
        continue;
      }
      longWay = !compatible(hold->type(), asked.type());
      amongNear = amongNear || hold->isNear();
      ++others;
    }
    longWay = longWay || others > Entry::kCrowd;
    if (longWay) {
      // With a crowd, or a conflict: and what is covered by one's own conflicts with nobody else's.
    } else if (own == nullptr || own->isIdle()) {
      anew = true;
      Hold& hold = own == nullptr ? *spare : *own;
      token = nextToken(segment, locker, amongNear);
      hold.setSince(now);
      hold.setAcquired(token.value, asked.type() == LockType::Share && others <= kMostBesideNear &&
                                        locker.mayIdle() && locker.grants.works());
      hold.setToken(token);
      if (own == nullptr) {
        hold.target = target;
        hold.chain.set(link->get(), asked.tag());
        link->set(&hold);
        count(segment, 1, 0);
      } else {
        hold.chain.setTag(asked.tag());
      }
    } else if (covers(own->type(), asked.type())) {
      hear(segment, locker);
      own->set(afterGrant(own->types(), asked));
      token = own->token();
    } else if (ownRequest(own->types(), asked) == OwnRequest::Upgrade) {
      own->set(afterGrant(own->types(), asked));
      own->setTimeout(asked.timeout());
      token = nextToken(segment, locker, amongNear);
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
  const bool near =
      hold.type() == LockType::Exclusive || (hold.type() == LockType::Share && hold.isNear());
  if (!near || !locker.mayIdle()) return false;
  locker.idled(hold);
  return true;
}

inline ReleasedAtOnce HoldTable::releaseForNow(Locker& locker, LockTarget target) {
  if (locker.barred != 0) [[unlikely]]
    return ReleasedAtOnce::Not;
  Hold* const known = locker.index.at(hashOf(target));
  if (known == nullptr || known->target != target || known->isIdle()) return ReleasedAtOnce::Not;
  if (!becomesIdle(locker, *known)) return ReleasedAtOnce::Not;
  locker.unlockRequests.add(1);
  return ReleasedAtOnce::Done;
}

ReleasedAtOnce HoldTable::release(Locker& locker, LockTarget target) {
  if ((locker.barred & Locker::kCommitWaits) != 0) [[unlikely]]
    return ReleasedAtOnce::Not;
  const std::uint64_t hash = hashOf(target);
  Hold* own = locker.index.at(hash);
  if (own != nullptr && own->target != target) own = nullptr;
  if (own != nullptr && own->isIdle()) {
    locker.unlockRequests.add(1);
    return ReleasedAtOnce::Nothing;
  }
  {
    Segment& segment = segmentOf(hash);
    SpinHold spin(segment.lock);
    Link* link = headOf(segment, hash);
    if (own == nullptr || link->get() != own) {
      own = nullptr;
      link = find(segment, hash, target);
      Node* node = link->get();
      if (node != nullptr && node->isEntry()) return ReleasedAtOnce::Not;
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
  if (own == nullptr) return ReleasedAtOnce::Nothing;
  drop(locker, *own);
  return ReleasedAtOnce::Done;
}

void HoldTable::evict(Locker& locker, Hold& hold) {
  const std::uint64_t hash = hashOf(hold.target);
  {
    Segment& segment = segmentOf(hash);
    SpinHold spin(segment.lock);
    Link* link = find(segment, hash, hold.target);
    if (link->get()->isEntry()) return;
    while (link->get() != &hold) link = &link->get()->chain;
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
  if ((locker.barred & Locker::kCommitWaits) != 0) return true;
  const bool forGood = scope.kind == ReleaseScope::Kind::Everything;
  bool longWay = false;
  for (Hold* hold = locker.first; hold != nullptr;) {
    Hold* const after = hold->after.get();
    if (after != nullptr) __builtin_prefetch(&segmentOf(hashOf(after->target)), /*write=*/1);
    const ReleaseFate fate = fateOf(*hold, scope);
    const bool same = fate == ReleaseFate::Returns && hold->type() == hold->session();
    bool gone = false;
    const std::uint64_t hash = hashOf(hold->target);
    const bool idles = fate == ReleaseFate::Goes && !forGood && locker.index.at(hash) == hold &&
                       becomesIdle(locker, *hold);
    if (fate != ReleaseFate::Stays && !same && !idles) {
      Segment& segment = segmentOf(hash);
      SpinHold spin(segment.lock);
      Link* link = find(segment, hash, hold->target);
      if (link->get()->isEntry()) {
        longWay = true;
      } else {
        hear(segment, locker);
        if (fate == ReleaseFate::Returns) {
          hold->set({hold->session(), hold->session()});
        } else {
          while (link->get() != hold) link = &link->get()->chain;
          link->set(hold->chain.get());
          // Of one who leaves, many may go. Fewer heads each time would deal out anew, again and
          // again, also the holds of others, who are at work: whoever comes next sees to it.
          if (forGood) {
            --segment.nodes;
          } else {
            count(segment, 0, 1);
          }
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

// Where it is wanted: what is put together from so small parts is slow to copy.
inline bool HoldTable::held(Locker& locker, LockTarget target, HeldLock& held) {
  const auto take = [&](const Hold& hold) {
    held.token = hold.token();
    held.since = hold.since();
    held.level = hold.level();
    held.type = hold.type();
    held.session = hold.session();
  };
  const Hold* const known = locker.index.at(hashOf(target));
  if (known == nullptr || known->target != target) return look(locker, target, take);
  if (!known->isIdle()) take(*known);
  return true;
}

}  // namespace lock_table

// --- LockManager ---------------------------------------------------------------------------------

using lock_table::HoldTable;

// What a process does most needs nobody but itself. It is decided in one function that calls no
// other, and so has nothing to keep for afterwards.
GrantedAtOnce LockManager::grantAtOnce(const LockSeat& seat, LockTarget target, LockTerms terms) {
  if (terms.type() == LockType::Share) return grantShare(seat, target, terms);
  lock_table::Locker& locker = *seat;
  if (locker.mutex.lockAsOwner()) [[likely]] {
    const FencingToken token = HoldTable::acquireAgain(locker, target, terms, clock_, false);
    locker.mutex.unlock(true);
    if (token.value != 0) [[likely]]
      return {token, true};
  }
  return grantAnew(seat, target, terms);
}

// Apart, because to read the GrantClock takes registers that the others need not keep.
GrantedAtOnce LockManager::grantShare(const LockSeat& seat, LockTarget target, LockTerms terms) {
  lock_table::Locker& locker = *seat;
  if (locker.mutex.lockAsOwner()) [[likely]] {
    const FencingToken token = HoldTable::acquireAgain(locker, target, terms, clock_, true);
    locker.mutex.unlock(true);
    if (token.value != 0) [[likely]]
      return {token, true};
  }
  return grantAnew(seat, target, terms);
}

GrantedAtOnce LockManager::grantAnew(const LockSeat& seat, LockTarget target, LockTerms terms) {
  OwnerHold own(seat->mutex);
  const FencingToken token =
      HoldTable::acquireAgain(*seat, target, terms, clock_, terms.type() == LockType::Share);
  if (token.value != 0) return {token, true};
  return {holds_.acquire(*seat, target, terms, clock_), false};
}

ReleasedAtOnce LockManager::releaseAtOnce(const LockSeat& seat, LockTarget target) {
  lock_table::Locker& locker = *seat;
  if (locker.mutex.lockAsOwner()) [[likely]] {
    const ReleasedAtOnce done = HoldTable::releaseForNow(locker, target);
    locker.mutex.unlock(true);
    if (done == ReleasedAtOnce::Done) [[likely]]
      return done;
  }
  return releaseForGood(seat, target);
}

ReleasedAtOnce LockManager::releaseForGood(const LockSeat& seat, LockTarget target) {
  OwnerHold own(seat->mutex);
  const ReleasedAtOnce done = HoldTable::releaseForNow(*seat, target);
  return done == ReleasedAtOnce::Done ? done : holds_.release(*seat, target);
}

HeldLock LockManager::held(const LockSeat& seat, LockTarget target) const {
  HeldLock held;  // Returned where it is: see above.
  const auto look = [&] {
    OwnerHold own(seat->mutex);
    return holds_.held(*seat, target, held);
  };
  if (!look()) heldInCrowd(seat, target, held);
  return held;
}

LockType LockManager::typeHeld(const LockSeat& seat, LockTarget target) const {
  return held(seat, target).type;
}

}  // namespace nephrite

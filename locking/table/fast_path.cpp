// The fast path: locks that are granted and released while no request waits. Most calls take it,
// and all of it is here, for the compiler to make one function of.

#include "locking/table/hold_table.h"

#include <utility>

#include "locking/lock_manager.h"

namespace nephrite {
namespace lock_table {

inline FencingToken HoldTable::acquireAgain(Locker& locker, LockTarget target, LockTerms asked,
                                            const Clock& clock, bool shared) {
  if (locker.slowPathOnly != 0) [[unlikely]]
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
    locker.reactivate(*known, asked.timeout());
    known->setToken(token);
  }
  locker.lockRequests.add(1);
  return token;
}

FencingToken HoldTable::acquire(Locker& locker, LockTarget target, LockTerms asked,
                                const Clock& clock) {
  if (locker.slowPathOnly != 0) [[unlikely]]
    return {};
  const std::uint64_t hash = hashOf(target);
  Hold*& place = locker.index.at(hash);
  if (place != nullptr && place->target == target) {
    if (!place->isRetained() && ownRequest(place->types(), asked) == OwnRequest::Nothing) {
      locker.lockRequests.add(1);
      return place->token();
    }
  } else if (place != nullptr && place->isRetained()) {
    evict(locker, *std::exchange(place, nullptr));
    locker.retainedEvicted();
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
    bool slowPath = false, besideRetainable = false;
    unsigned others = 0;
    for (Node* node = link->get(); node != nullptr && node->target == target;
         link = &node->chain, node = link->get()) {
      slowPath = slowPath || node->isEntry();
      if (slowPath) break;
      auto* const hold = static_cast<Hold*>(node);
      if (&hold->locker() == &locker) {
        own = hold;
        continue;
      }
      slowPath = !compatible(hold->type(), asked.type());
      besideRetainable = besideRetainable || hold->isRetainable();
      ++others;
    }
    slowPath = slowPath || others > Entry::kCrowd;
    if (slowPath) {
      // A crowd, or a conflict. What its own hold covers conflicts with no other, so that is none.
    } else if (own == nullptr || own->isRetained()) {
      anew = true;
      Hold& hold = own == nullptr ? *spare : *own;
      token = nextToken(segment, locker, besideRetainable);
      hold.setSince(now);
      hold.setAcquired(token.value, asked.type() == LockType::Share &&
                                        others <= kMostBesideRetainable && locker.mayRetain() &&
                                        locker.grants.works());
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
      advanceClock(segment, locker);
      own->set(afterGrant(own->types(), asked));
      token = own->token();
    } else if (ownRequest(own->types(), asked) == OwnRequest::Upgrade) {
      own->set(afterGrant(own->types(), asked));
      own->setTimeout(asked.timeout());
      token = nextToken(segment, locker, besideRetainable);
      own->setToken(token);
    }
  }

  Hold* const held = own == nullptr ? spare : own;
  if (anew && own == nullptr) {
    locker.link(*spare, asked.timeout());
  } else {
    locker.give(spare);
    if (token.value == 0) return token;
    if (anew) locker.reactivate(*own, asked.timeout());
  }
  locker.index.at(hash) = held;
  locker.lockRequests.add(1);
  return token;
}

inline bool HoldTable::retain(Locker& locker, Hold& hold) {
  const bool retainable =
      hold.type() == LockType::Exclusive || (hold.type() == LockType::Share && hold.isRetainable());
  if (!retainable || !locker.mayRetain()) return false;
  locker.retain(hold);
  return true;
}

inline FastRelease HoldTable::releaseForNow(Locker& locker, LockTarget target) {
  if (locker.slowPathOnly != 0) [[unlikely]]
    return FastRelease::NeedsSlowPath;
  Hold* const known = locker.index.at(hashOf(target));
  if (known == nullptr || known->target != target || known->isRetained())
    return FastRelease::NeedsSlowPath;
  if (!retain(locker, *known)) return FastRelease::NeedsSlowPath;
  locker.unlockRequests.add(1);
  return FastRelease::Released;
}

FastRelease HoldTable::release(Locker& locker, LockTarget target) {
  if ((locker.slowPathOnly & (Locker::kCommitWaits | Locker::kCounted)) != 0) [[unlikely]]
    return FastRelease::NeedsSlowPath;
  const std::uint64_t hash = hashOf(target);
  Hold* own = locker.index.at(hash);
  if (own != nullptr && own->target != target) own = nullptr;
  if (own != nullptr && own->isRetained()) {
    locker.unlockRequests.add(1);
    return FastRelease::NotHeld;
  }
  {
    Segment& segment = segmentOf(hash);
    SpinHold spin(segment.lock);
    Link* link = headOf(segment, hash);
    if (own == nullptr || link->get() != own) {
      own = nullptr;
      link = find(segment, hash, target);
      Node* node = link->get();
      if (node != nullptr && node->isEntry()) return FastRelease::NeedsSlowPath;
      for (; node != nullptr && node->target == target; link = &node->chain, node = link->get()) {
        if (&static_cast<Hold*>(node)->locker() != &locker) continue;
        own = static_cast<Hold*>(node);
        break;
      }
    }
    if (own != nullptr) {
      advanceClock(segment, locker);
      link->set(own->chain.get());
      count(segment, 0, 1);
    }
  }
  locker.unlockRequests.add(1);
  if (own == nullptr) return FastRelease::NotHeld;
  drop(locker, *own);
  return FastRelease::Released;
}

void HoldTable::evict(Locker& locker, Hold& hold) {
  const std::uint64_t hash = hashOf(hold.target);
  {
    Segment& segment = segmentOf(hash);
    SpinHold spin(segment.lock);
    Link* link = find(segment, hash, hold.target);
    if (link->get()->isEntry()) return;
    while (link->get() != &hold) link = &link->get()->chain;
    advanceClock(segment, locker);
    link->set(hold.chain.get());
    count(segment, 0, 1);
  }
  locker.freeRetained(hold);
}

void HoldTable::evictAll(Locker& locker) {
  for (Hold*& place : locker.index.all()) {
    if (place == nullptr || !place->isRetained()) continue;
    evict(locker, *std::exchange(place, nullptr));
  }
}

bool HoldTable::releaseAll(Locker& locker, const ReleaseScope& scope) {
  if ((locker.slowPathOnly & (Locker::kCommitWaits | Locker::kCounted)) != 0) return true;
  const bool forGood = scope.kind == ReleaseScope::Kind::Everything;
  bool slowPath = locker.subtrees > 0;
  for (Hold* hold = locker.first; hold != nullptr;) {
    Hold* const after = hold->after.get();
    if (after != nullptr) __builtin_prefetch(&segmentOf(hashOf(after->target)), /*write=*/1);
    const ReleaseFate fate = fateOf(*hold, scope);
    const bool same = fate == ReleaseFate::Returns && hold->type() == hold->sessionType();
    bool gone = false;
    const std::uint64_t hash = hashOf(hold->target);
    const bool retains = fate == ReleaseFate::Goes && !forGood && locker.index.at(hash) == hold &&
                         retain(locker, *hold);
    if (fate != ReleaseFate::Stays && !same && !retains) {
      Segment& segment = segmentOf(hash);
      SpinHold spin(segment.lock);
      Link* link = find(segment, hash, hold->target);
      if (link->get()->isEntry()) {
        slowPath = true;
      } else {
        advanceClock(segment, locker);
        if (fate == ReleaseFate::Returns) {
          hold->set({hold->sessionType(), hold->sessionType()});
        } else {
          while (link->get() != hold) link = &link->get()->chain;
          link->set(hold->chain.get());
          // A locker that leaves may drop many. To rehash after each would move, again and again,
          // also the holds of lockers that are at work; the next fast path call rehashes once.
          if (forGood) {
            segment.nodes.set(segment.nodes.get() - 1);
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
  return slowPath || (forGood && locker.retained() > 0);
}

// Into the caller's value: to copy a struct right after its small parts were written is slow.
inline bool HoldTable::held(Locker& locker, LockTarget target, HeldLock& held) {
  const auto take = [&](const Hold& hold) {
    held.token = hold.token();
    held.since = hold.since();
    held.level = hold.level();
    held.type = hold.type();
    held.session = hold.sessionType();
  };
  const Hold* const known = locker.index.at(hashOf(target));
  if (known == nullptr || known->target != target) return look(locker, target, take);
  if (!known->isRetained()) take(*known);
  return true;
}

}  // namespace lock_table

// --- LockManager ---------------------------------------------------------------------------------

using lock_table::HoldTable;

// What a process does most needs no other process. It is a leaf function: no register is spilled.
FastGrant LockManager::grantAtOnce(const LockerRef& ref, LockTarget target, LockTerms terms) {
  if (terms.type() == LockType::Share) return grantShare(ref, target, terms);
  lock_table::Locker& locker = *ref;
  if (locker.mutex.lockAsOwner()) [[likely]] {
    const FencingToken token = HoldTable::acquireAgain(locker, target, terms, clock_, false);
    locker.mutex.unlock(true);
    if (token.value != 0) [[likely]]
      return {token, true};
  }
  return grantAnew(ref, target, terms);
}

// Apart, because to read the GrantClock takes registers that the others need not keep.
FastGrant LockManager::grantShare(const LockerRef& ref, LockTarget target, LockTerms terms) {
  lock_table::Locker& locker = *ref;
  if (locker.mutex.lockAsOwner()) [[likely]] {
    const FencingToken token = HoldTable::acquireAgain(locker, target, terms, clock_, true);
    locker.mutex.unlock(true);
    if (token.value != 0) [[likely]]
      return {token, true};
  }
  return grantAnew(ref, target, terms);
}

FastGrant LockManager::grantAnew(const LockerRef& ref, LockTarget target, LockTerms terms) {
  OwnerHold own(ref->mutex);
  const FencingToken token =
      HoldTable::acquireAgain(*ref, target, terms, clock_, terms.type() == LockType::Share);
  if (token.value != 0) return {token, true};
  return {holds_.acquire(*ref, target, terms, clock_), false};
}

FastRelease LockManager::releaseAtOnce(const LockerRef& ref, LockTarget target) {
  lock_table::Locker& locker = *ref;
  if (locker.mutex.lockAsOwner()) [[likely]] {
    const FastRelease done = HoldTable::releaseForNow(locker, target);
    locker.mutex.unlock(true);
    if (done == FastRelease::Released) [[likely]]
      return done;
  }
  return releaseForGood(ref, target);
}

FastRelease LockManager::releaseForGood(const LockerRef& ref, LockTarget target) {
  OwnerHold own(ref->mutex);
  const FastRelease done = HoldTable::releaseForNow(*ref, target);
  return done == FastRelease::Released ? done : holds_.release(*ref, target);
}

HeldLock LockManager::held(const LockerRef& ref, LockTarget target) const {
  HeldLock held;  // The one value that is returned, so that it is never copied: see above.
  const auto look = [&] {
    OwnerHold own(ref->mutex);
    return holds_.held(*ref, target, held);
  };
  if (!look()) heldInCrowd(ref, target, held);
  return held;
}

LockType LockManager::typeHeld(const LockerRef& ref, LockTarget target) const {
  return held(ref, target).type;
}

}  // namespace nephrite

// What LockTable and the table of holds list: all at once, or a page after the other.

#include "locking/domain/listings.h"

#include <algorithm>
#include <span>

#include "locking/domain/lock_table.h"

namespace nephrite::lock_table {
namespace {

/// So that what a part adds to `all` allocates nothing.
template <typename T>
void makeRoom(std::vector<T>& all, std::size_t more = HoldTable::kMostInPage) {
  const std::size_t wanted = all.size() + more;
  if (wanted > all.capacity()) all.reserve(std::max(wanted, 2 * all.capacity()));
}

struct SeenHold {
  LockInfo info;
  std::uint64_t acquired;  // Those of a target: in the order of their grants.
};

bool isGrantedBefore(const SeenHold& a, const SeenHold& b) { return a.acquired < b.acquired; }

LockCursor cursorBehind(const SeenHold& seen) {
  return {seen.info.target, seen.acquired, seen.info.requestedBy, LockCursor::Kind::Held};
}

bool isBehindHolds(const LockCursor& cursor) {
  return cursor.kind == LockCursor::Kind::Newcomer || cursor.kind == LockCursor::Kind::Upgrade;
}

/// What a walk over the table has seen, cut to what comes first. Half of twice as many as are
/// wanted goes whenever there are so many, so that looking at a million needs no memory for a
/// million.
class Listing {
 public:
  explicit Listing(std::size_t most) : most_(most) {}

  /// Under no lock.
  void beginPart() {
    if (seen_.size() / 2 >= most_) cut();
    makeRoom(seen_);
  }
  void add(const LockInfo& info, std::uint64_t acquired) { seen_.push_back({info, acquired}); }
  std::vector<LockInfo> take() {
    cut();
    std::vector<LockInfo> locks;
    locks.reserve(seen_.size());
    for (const SeenHold& each : seen_) locks.push_back(each.info);
    return locks;
  }

 private:
  void cut() {
    std::sort(seen_.begin(), seen_.end(), [](const SeenHold& a, const SeenHold& b) {
      return a.info.target != b.info.target ? a.info.target < b.info.target : isGrantedBefore(a, b);
    });
    if (seen_.size() > most_) {
      seen_.erase(seen_.begin() + static_cast<std::ptrdiff_t>(most_), seen_.end());
    }
  }

  const std::size_t most_;
  std::vector<SeenHold> seen_;
};

}  // namespace

// --- Holds: without the mutex of those who wait --------------------------------------------------

// What is seen of a page is put into order when the table is not locked any more.
std::vector<LockInfo> locksHeld(const HoldTable& holds, const Clock& clock, std::size_t most) {
  if (most == 0) return {};
  const Instant now = clock.now();
  const WallTime wall = clock.wallNow();
  Listing listing(most);
  for (HoldTable::Walk walk; !walk.isOver();) {
    listing.beginPart();
    holds.lookOn(walk, [&](const Hold& hold, const Entry*) {
      listing.add(LockTable::infoOf(hold, now, wall), hold.acquired());
    });
  }
  return listing.take();
}

LockPage locksHeld(const HoldTable& holds, const Clock& clock, const LockCursor& after,
                   std::size_t most) {
  const Instant now = clock.now();
  const WallTime wall = clock.wallNow();
  std::vector<SeenHold> seen;
  HoldTable::Walk walk;
  if (after.kind != LockCursor::Kind::Beginning) walk = {after.target, after.order};
  while (!walk.isOver() && seen.size() <= most) {
    makeRoom(seen);
    const auto before = static_cast<std::ptrdiff_t>(seen.size());
    holds.lookOn(walk, [&](const Hold& hold, const Entry*) {
      seen.push_back({LockTable::infoOf(hold, now, wall), hold.acquired()});
    });
    for (auto first = seen.begin() + before; first != seen.end();) {
      const auto last = std::find_if(first, seen.end(), [&](const SeenHold& each) {
        return each.info.target != first->info.target;
      });
      std::sort(first, last, isGrantedBefore);
      first = last;
    }
  }

  LockPage page;
  const std::size_t count = std::min(seen.size(), most);
  page.locks.reserve(count);
  for (std::size_t i = 0; i < count; ++i) page.locks.push_back(seen[i].info);
  if (seen.size() > most) page.next = most == 0 ? after : cursorBehind(seen[most - 1]);
  return page;
}

bool LockTable::fillInLeases(std::span<LockInfo> locks) const {
  if (leases_.empty() && places_.empty() && momentary_.empty()) return false;
  const Instant now = clock_.now();
  for (LockInfo& info : locks) {
    const Entry* const entry = holds_.entryOf(info.target);
    if (entry == nullptr) continue;
    if (entry->leases == 0 && entry->momentary == 0 && entry->place == nullptr) continue;
    const LockerRef locker = lockers_.find(info.requestedBy);
    const Hold* const hold = locker == nullptr ? nullptr : holdOn(*entry, *locker);
    if (hold != nullptr) fillIn(info, *hold, entry, now);
  }
  return true;
}

// --- Queues --------------------------------------------------------------------------------------

LockCursor cursorBehind(const Wait& wait) {
  return {wait.entry()->target, wait.sequence, wait.locker()->id,
          wait.upgrade != 0 ? LockCursor::Kind::Upgrade : LockCursor::Kind::Newcomer};
}

void QueueWalk::beginPart() {
  makeRoom(seen);
  makeRoom(targets);
  if (!hasTargets || isOrdered) return;
  std::sort(targets.begin(), targets.end());
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  isOrdered = true;
}

bool LockTable::listQueued(QueueWalk& walk) const {
  if (!walk.hasTargets) {
    findQueued(walk);
    return true;
  }
  const Instant now = clock_.now();
  const WallTime wall = clock_.wallNow();
  std::size_t steps = 0;
  for (; walk.next < walk.targets.size(); ++walk.next, walk.last = {}) {
    if (++steps > HoldTable::kPage) return true;
    const Entry* const entry = holds_.entryOf(walk.targets[walk.next]);
    if (entry == nullptr) continue;
    for (auto at = behind(walk.last, *entry); at != entry->queue.end(); ++at) {
      if (walk.seen.size() >= walk.most) return false;
      if (++steps > HoldTable::kPage) return true;
      walk.seen.push_back(infoOf(*at, now, wall));
      walk.seen.back().lease = leases_.wantedBy(*at);
      walk.last = cursorBehind(*at);
    }
  }
  return false;
}

// When few requests wait, the deadlines show their targets without a walk.
void LockTable::findQueued(QueueWalk& walk) const {
  if (deadlines_.size() <= HoldTable::kPage) {
    walk.targets.clear();
    deadlines_.forEach([&](const Wait& wait) { walk.targets.push_back(wait.entry()->target); });
    walk.hasTargets = true;
    return;
  }
  holds_.lookAtEntries(walk.table, [&](const Entry& entry) {
    if (!entry.queue.empty()) walk.targets.push_back(entry.target);
  });
  walk.hasTargets = walk.table.isOver();
}

Queue::const_iterator LockTable::behind(const LockCursor& last, const Entry& entry) const {
  if (last.order == 0) return entry.queue.begin();
  if (const LockerRef locker = lockers_.find(last.locker); locker != nullptr) {
    for (const Wait& wait : locker->waits) {
      if (wait.entry() == &entry && wait.sequence == last.order) {
        return std::next(entry.queue.iterator_to(wait));
      }
    }
  }
  // That request waits no more: the first that was made after it.
  const bool wasUpgrade = last.kind == LockCursor::Kind::Upgrade;
  return std::find_if(entry.queue.begin(), entry.queue.end(), [&](const Wait& wait) {
    const bool isUpgrade = wait.upgrade != 0;
    return isUpgrade == wasUpgrade ? wait.sequence > last.order : wasUpgrade;
  });
}

// --- Pages ---------------------------------------------------------------------------------------

void PageWalk::beginPart() {
  makeRoom(page_.locks, std::min(most_ - page_.locks.size(), HoldTable::kPage));
}

bool PageWalk::add(const LockInfo& lock, const LockCursor& behind) {
  if (page_.locks.size() >= most_) {
    page_.next = at;
    return false;
  }
  page_.locks.push_back(lock);
  at = behind;
  return true;
}

QueuePage::QueuePage(const LockCursor& after, std::size_t most) : PageWalk(after, most) {
  if (after.kind != LockCursor::Kind::Beginning) table = {after.target, 0};
}

void QueuePage::beginPart() {
  PageWalk::beginPart();
  makeRoom(targets, kFewWaits);
  if (isOrdered) return;
  isOrdered = true;
  std::sort(targets.begin(), targets.end(), HoldTable::Walk::isVisitedBefore);
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  if (at.kind == LockCursor::Kind::Beginning) return;
  const auto first =
      std::lower_bound(targets.begin(), targets.end(), at.target, HoldTable::Walk::isVisitedBefore);
  targets.erase(targets.begin(), first);
}

bool LockTable::listQueued(QueuePage& page) const {
  if (page.next == page.targets.size()) {
    if (page.hasAll) return false;
    findQueued(page);
    return true;
  }
  std::size_t steps = 0;
  for (; page.next < page.targets.size(); ++page.next) {
    if (++steps > HoldTable::kPage) return true;
    const Entry* const entry = holds_.entryOf(page.targets[page.next]);
    if (entry == nullptr) continue;
    if (!listQueue(*entry, page, steps)) return false;
    if (steps > HoldTable::kPage) return true;
  }
  return true;
}

void LockTable::findQueued(QueuePage& page) const {
  page.targets.clear();
  page.next = 0;
  if (!page.isWalking && deadlines_.size() <= QueuePage::kFewWaits) {
    deadlines_.forEach([&](const Wait& wait) { page.targets.push_back(wait.entry()->target); });
    page.hasAll = true;
    page.isOrdered = false;
    return;
  }
  page.isWalking = true;
  holds_.lookAtEntries(page.table, [&](const Entry& entry) {
    if (!entry.queue.empty()) page.targets.push_back(entry.target);
  });
  page.hasAll = page.table.isOver();
}

// Those behind the last that was listed, if that one stood here. False when the page is full.
bool LockTable::listQueue(const Entry& entry, PageWalk& page, std::size_t& steps) const {
  const Instant now = clock_.now();
  const WallTime wall = clock_.wallNow();
  const bool isBegun = isBehindHolds(page.at) && page.at.target == entry.target;
  for (auto at = behind(isBegun ? page.at : LockCursor{}, entry); at != entry.queue.end(); ++at) {
    if (++steps > HoldTable::kPage) return true;
    LockInfo info = infoOf(*at, now, wall);
    info.lease = leases_.wantedBy(*at);
    if (!page.add(info, cursorBehind(*at))) return false;
  }
  return true;
}

namespace {

// A lock on `above` with scope Subtree, as it looks from `target` below.
LockInfo seenFromBelow(LockInfo info, LockTarget target, HeldTypes below) {
  info.lockedAt = std::exchange(info.target, target);
  info.type = below.type;
  info.wanted = below.type;
  info.session = below.session;
  const bool isSession = below.session != LockType::Get;
  info.duration = isSession ? LockDuration::Session : LockDuration::Transaction;
  return info;
}

// The locks with scope Subtree above `entry`, the nearest first, until `visit` returns false; then
// false. Behind `after`, if one of them has it.
template <typename Visit>
bool forEachAbove(const Entry& entry, const LockCursor& after, const Visit& visit) {
  if (entry.place == nullptr) return true;
  bool isBegun = after.kind != LockCursor::Kind::Held || after.target == entry.target;
  for (const Place* up = entry.place->parent; up != nullptr; up = up->parent) {
    const bool isHere = !isBegun && up->entry->target == after.target;
    isBegun = isBegun || isHere;
    if (!isBegun) continue;
    auto reach = isHere ? up->below.upper_bound(after.order) : up->below.begin();
    for (; reach != up->below.end(); ++reach) {
      if (!visit(*up->entry, reach->second)) return false;
    }
  }
  return true;
}

}  // namespace

bool LockTable::listOn(LockTarget target, PageWalk& page) const {
  const Entry* const entry = holds_.entryOf(target);
  const Instant now = clock_.now();
  const WallTime wall = clock_.wallNow();
  std::size_t steps = 0;
  const bool isAbove = page.at.kind == LockCursor::Kind::Held && page.at.target != target;
  if (!isBehindHolds(page.at)) {
    if (entry == nullptr) {
      std::vector<SeenHold> seen;
      holds_.forEachOn(target, [&](const Hold& hold) {
        if (hold.acquired() <= page.at.order) return;
        seen.push_back({infoOf(hold, now, wall), hold.acquired()});
      });
      std::sort(seen.begin(), seen.end(), isGrantedBefore);
      std::all_of(seen.begin(), seen.end(),
                  [&](const SeenHold& each) { return page.add(each.info, cursorBehind(each)); });
      return false;
    }
    auto hold = isAbove ? entry->holders.end() : entry->holders.begin();
    if (const LockerRef last = lockers_.find(page.at.locker); !isAbove && last != nullptr) {
      Hold* const listed = holdOn(*entry, *last);
      if (listed != nullptr && listed->acquired() == page.at.order) {
        hold = ++HolderList::Iterator(listed, entry->holders.last());
      }
    }
    for (; hold != entry->holders.end(); ++hold) {
      if ((*hold).acquired() <= page.at.order) continue;
      if (++steps > HoldTable::kPage) return true;
      const SeenHold seen{withLease(*hold, entry, now, wall), (*hold).acquired()};
      if (!page.add(seen.info, cursorBehind(seen))) return false;
    }
    bool isFull = false;
    const bool isDone = forEachAbove(*entry, page.at, [&](const Entry& above, const auto& reach) {
      if (++steps > HoldTable::kPage) return false;
      const Hold& held = *reach.hold;
      const LockCursor behindIt{above.target, held.acquired(), held.locker().id,
                                LockCursor::Kind::Held};
      const LockInfo info = withLease(held, &above, now, wall);
      isFull = !page.add(seenFromBelow(info, target, reach.types), behindIt);
      return !isFull;
    });
    if (!isDone) return !isFull;
    page.at = {target, 0, {}, LockCursor::Kind::Upgrade};
  }
  if (entry == nullptr) return false;
  if (!listQueue(*entry, page, steps)) return false;
  return steps > HoldTable::kPage;
}

bool LockTable::listOf(Locker& locker, PageWalk& page) const {
  const Instant now = clock_.now();
  const WallTime wall = clock_.wallNow();
  std::size_t steps = 0;
  if (!isBehindHolds(page.at)) {
    OwnerHold own(locker.mutex);
    const Hold* hold = locker.first;
    const Hold* const listed = page.at.order == 0 ? nullptr : holds_.find(locker, page.at.target);
    if (listed != nullptr && listed->acquired() == page.at.order) hold = listed->after.get();
    for (; hold != nullptr; hold = hold->after.get()) {
      if (hold->acquired() <= page.at.order) continue;
      if (++steps > HoldTable::kPage) return true;
      const SeenHold seen{withLease(*hold, holds_.entryOf(hold->target), now, wall),
                          hold->acquired()};
      if (!page.add(seen.info, cursorBehind(seen))) return false;
    }
    page.at = {{}, 0, locker.id, LockCursor::Kind::Newcomer};
  }
  for (const Wait& wait : locker.waits) {
    if (wait.sequence <= page.at.order) continue;
    if (++steps > HoldTable::kPage) return true;
    if (!page.add(infoOf(wait, now, wall), cursorBehind(wait))) return false;
  }
  return false;
}

// --- All at once ---------------------------------------------------------------------------------

std::vector<LockInfo> LockTable::locksOn(LockTarget target) const {
  std::vector<LockInfo> locks;
  const Instant now = clock_.now();
  const WallTime wall = clock_.wallNow();
  const Entry* const entry = holds_.entryOf(target);
  std::vector<std::pair<std::uint64_t, LockInfo>> holds;
  holds_.forEachOn(target, [&](const Hold& hold) {
    holds.emplace_back(hold.acquired(), withLease(hold, entry, now, wall));
  });
  std::sort(holds.begin(), holds.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [acquired, info] : holds) locks.push_back(info);
  if (entry != nullptr) {
    forEachAbove(*entry, {}, [&](const Entry& above, const auto& reach) {
      const LockInfo info = withLease(*reach.hold, &above, now, wall);
      locks.push_back(seenFromBelow(info, target, reach.types));
      return true;
    });
    for (const Wait& wait : entry->queue) locks.push_back(infoOf(wait, now, wall));
  }
  return locks;
}

std::vector<LockInfo> LockTable::locksOf(Locker& locker) const {
  std::vector<LockInfo> locks;
  const Instant now = clock_.now();
  const WallTime wall = clock_.wallNow();
  {
    OwnerHold own(locker.mutex);
    for (const Hold* hold = locker.first; hold != nullptr; hold = hold->after.get()) {
      locks.push_back(withLease(*hold, holds_.entryOf(hold->target), now, wall));
    }
  }
  for (const Wait& wait : locker.waits) locks.push_back(infoOf(wait, now, wall));
  return locks;
}

}  // namespace nephrite::lock_table

// The part of LockTable that looks and does not touch.

#include <algorithm>

#include "base/check.h"
#include "locking/table/lock_table.h"

namespace nephrite::lock_table {

LockInfo LockTable::infoOf(const Hold& hold, Instant now, WallTime wall) {
  LockInfo info;
  info.target = hold.target;
  info.requestedBy = hold.locker().id;
  info.type = hold.type();
  info.wanted = info.type;
  info.session = hold.session();
  info.duration = hold.isSession() ? LockDuration::Session : LockDuration::Transaction;
  info.level = hold.level();
  info.since = hold.since();
  info.elapsed = now - info.since;
  info.requestTime = wall - std::chrono::duration_cast<WallTime::duration>(info.elapsed);
  info.timeout = hold.timeout();
  info.token = hold.token();
  return info;
}

LockInfo LockTable::infoOf(const Wait& wait, Instant now, WallTime wall) {
  LockInfo info;
  info.target = wait.entry->target;
  info.requestedBy = wait.locker->id;
  info.type = &wait == &wait.entry->queue.front() ? LockType::Get : wait.type();
  info.wanted = wait.type();
  info.duration = wait.duration();
  info.waiting = true;
  forEachBlocker(wait, [&](const Locker& blocker, const Hold*, const Wait*) {
    info.lockedBy = blocker.id;
    return true;
  });
  info.since = wait.since();
  info.elapsed = now - info.since;
  info.requestTime = wall - std::chrono::duration_cast<WallTime::duration>(info.elapsed);
  info.timeout = wait.timeout;
  return info;
}

// Segments are looked at one after the other, so what is taken or let go meanwhile may be there or
// not; those of a target are seen at one moment, but for Shares that are taken again meanwhile.
// Half of twice as many as are wanted goes whenever there are so many, so that looking at a million
// needs no memory for a million.
std::vector<LockInfo> LockTable::locksHeld(std::size_t maxEntries) const {
  struct Seen {
    LockInfo info;
    std::uint64_t acquired;  // Those of a target: in the order of their grants.
  };
  const auto comesFirst = [](const Seen& a, const Seen& b) {
    return std::pair(a.info.target, a.acquired) < std::pair(b.info.target, b.acquired);
  };
  const Instant now = clock_.now();
  const WallTime wall = clock_.wallNow();
  std::vector<Seen> seen;
  if (maxEntries == 0) return {};
  holds_.forEach([&](const Hold& hold) {
    seen.push_back({infoOf(hold, now, wall), hold.acquired()});
    if (seen.size() / 2 < maxEntries) return;
    const auto middle = seen.begin() + static_cast<std::ptrdiff_t>(maxEntries);
    std::nth_element(seen.begin(), middle, seen.end(), comesFirst);
    seen.erase(middle, seen.end());
  });
  std::sort(seen.begin(), seen.end(), comesFirst);
  std::vector<LockInfo> locks;
  locks.reserve(std::min(maxEntries, seen.size()));
  for (const Seen& each : seen) {
    if (locks.size() == maxEntries) break;
    locks.push_back(each.info);
  }
  return locks;
}

std::vector<LockInfo> LockTable::queuedRequests(std::size_t maxEntries) const {
  const Instant now = clock_.now();
  const WallTime wall = clock_.wallNow();
  boost::unordered_flat_set<const Entry*> seen;
  std::vector<const Entry*> entries;
  deadlines_.forEach([&](const Wait& wait) {
    if (seen.insert(wait.entry).second) entries.push_back(wait.entry);
  });
  std::sort(entries.begin(), entries.end(),
            [](const Entry* a, const Entry* b) { return a->target < b->target; });
  std::vector<LockInfo> requests;
  for (const Entry* const entry : entries) {
    for (const Wait& wait : entry->queue) {
      if (requests.size() >= maxEntries) return requests;
      requests.push_back(infoOf(wait, now, wall));
    }
  }
  return requests;
}

std::vector<LockInfo> LockTable::locksOn(LockTarget target) const {
  std::vector<LockInfo> locks;
  const Instant now = clock_.now();
  const WallTime wall = clock_.wallNow();
  std::vector<std::pair<std::uint64_t, LockInfo>> holds;
  holds_.forEachOn(target, [&](const Hold& hold) {
    holds.emplace_back(hold.acquired(), infoOf(hold, now, wall));
  });
  std::sort(holds.begin(), holds.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [acquired, info] : holds) locks.push_back(info);
  if (const Entry* const entry = holds_.entryOf(target)) {
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
      locks.push_back(infoOf(*hold, now, wall));
    }
  }
  for (const Wait& wait : locker.waits) locks.push_back(infoOf(wait, now, wall));
  return locks;
}

LockStatistics LockTable::statistics() const {
  LockStatistics statistics = statistics_;
  statistics.requestsWaiting = deadlines_.size();
  return statistics;
}

void LockTable::checkInvariants() const {
  holds_.checkInvariants();
  struct Seen {
    LockTarget target;
    LockerId locker;
    LockType type;
  };
  std::vector<Seen> all;
  holds_.forEach([&](const Hold& hold) {
    NEPHRITE_CHECK(!hold.isSession() || covers(hold.type(), hold.session()));  // 6
    all.push_back({hold.target, hold.locker().id, hold.type()});
  });
  for (std::size_t i = 0; i < all.size(); ++i) {  // 1
    for (std::size_t j = i + 1; j < all.size() && all[j].target == all[i].target; ++j) {
      NEPHRITE_CHECK(all[i].locker != all[j].locker && compatible(all[i].type, all[j].type));
    }
  }

  boost::unordered_flat_set<const Entry*> entries;
  deadlines_.forEach([&](const Wait& wait) { entries.insert(wait.entry); });
  std::size_t waits = 0;
  for (const Entry* const entry : entries) {
    NEPHRITE_CHECK(holds_.entryOf(entry->target) == entry);
    bool newcomers = false;
    for (const Wait& wait : entry->queue) {
      ++waits;
      NEPHRITE_CHECK(wait.upgrade == (holdOn(*entry, *wait.locker) != nullptr));
      NEPHRITE_CHECK(!(wait.upgrade && newcomers));  // 3
      newcomers = newcomers || !wait.upgrade;
    }
    for (const Hold& hold : entry->holders) {
      NEPHRITE_CHECK(hold.locker().contended.contains(const_cast<Entry*>(entry)));
    }
    const Wait& head = entry->queue.front();
    NEPHRITE_CHECK(conflictingHolder(*entry, *head.locker, head.type()) != nullptr);  // 2
  }
  NEPHRITE_CHECK(waits == deadlines_.size());

  for (const LockSeat& locker : lockers_.all()) {
    holds_.checkInvariantsOf(*locker);
    NEPHRITE_CHECK(WaitGraph::cycleThrough(*locker).empty());  // 4
    for (const Entry* const entry : locker->contended)
      NEPHRITE_CHECK(entries.contains(entry));  // 5
  }
}

}  // namespace nephrite::lock_table

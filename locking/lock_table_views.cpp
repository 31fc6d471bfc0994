// The part of LockTable that looks and does not touch.

#include <algorithm>

#include "base/check.h"
#include "locking/lock_table.h"

namespace nephrite::lock_table {

LockInfo LockTable::infoOf(const Hold& hold, Instant now, WallTime wall) const {
  LockInfo info;
  info.target = hold.entry->target;
  info.requestedBy = hold.locker->id;
  info.type = hold.type;
  info.wanted = hold.type;
  info.duration = hold.isSession() ? LockDuration::Session : LockDuration::Transaction;
  info.session = hold.session;
  info.level = hold.level;
  info.since = hold.since;
  info.elapsed = now - hold.since;
  info.requestTime = wall - std::chrono::duration_cast<WallTime::duration>(info.elapsed);
  info.timeout = hold.timeout;
  info.token = hold.token;
  return info;
}

LockInfo LockTable::infoOf(const Wait& wait, Instant now, WallTime wall) const {
  LockInfo info;
  info.target = wait.entry->target;
  info.requestedBy = wait.locker->id;
  info.type = &wait == &wait.entry->queue.front() ? LockType::Get : wait.request.type;
  info.wanted = wait.request.type;
  info.duration = wait.request.duration;
  info.waiting = true;
  forEachBlocker(wait, [&](const Locker& blocker, const Hold*, const Wait*) {
    info.lockedBy = blocker.id;
    return true;
  });
  info.since = wait.since;
  info.elapsed = now - wait.since;
  info.requestTime = wall - std::chrono::duration_cast<WallTime::duration>(info.elapsed);
  info.timeout = wait.request.timeout;
  return info;
}

template <typename Wanted>
std::vector<const Entry*> LockTable::entriesInOrder(std::size_t most, Wanted wanted) const {
  std::vector<const Entry*> entries;
  for (const auto& [value, entry] : entries_) {
    if (wanted(*entry)) entries.push_back(entry);
  }
  const auto end = entries.begin() + static_cast<std::ptrdiff_t>(std::min(most, entries.size()));
  std::partial_sort(entries.begin(), end, entries.end(),
                    [](const Entry* a, const Entry* b) { return a->target < b->target; });
  entries.erase(end, entries.end());
  return entries;
}

std::optional<LockInfo> LockTable::lockStatus(LockerId id, LockTarget target) const {
  const Locker* const locker = find(id);
  const Hold* const hold = locker == nullptr ? nullptr : locker->find(target);
  if (hold == nullptr) return std::nullopt;
  return infoOf(*hold, clock_.now(), clock_.wallNow());
}

std::vector<LockInfo> LockTable::locksHeld(std::size_t maxEntries) const {
  const Instant now = clock_.now();
  const WallTime wall = clock_.wallNow();
  std::vector<LockInfo> locks;
  const auto isHeld = [](const Entry& entry) { return !entry.holders.empty(); };
  for (const Entry* const entry : entriesInOrder(maxEntries, isHeld)) {
    for (const Hold& hold : entry->holders) {
      if (locks.size() >= maxEntries) return locks;
      locks.push_back(infoOf(hold, now, wall));
    }
  }
  return locks;
}

std::vector<LockInfo> LockTable::queuedRequests(std::size_t maxEntries) const {
  const Instant now = clock_.now();
  const WallTime wall = clock_.wallNow();
  std::vector<LockInfo> requests;
  if (deadlines_.empty()) return requests;
  const auto isWaitedFor = [](const Entry& entry) { return !entry.queue.empty(); };
  for (const Entry* const entry : entriesInOrder(maxEntries, isWaitedFor)) {
    for (const Wait& wait : entry->queue) {
      if (requests.size() >= maxEntries) return requests;
      requests.push_back(infoOf(wait, now, wall));
    }
  }
  return requests;
}

std::vector<LockInfo> LockTable::locksOn(LockTarget target) const {
  std::vector<LockInfo> locks;
  const auto it = entries_.find(target.value);
  if (it == entries_.end()) return locks;
  const Instant now = clock_.now();
  const WallTime wall = clock_.wallNow();
  for (const Hold& hold : it->second->holders) locks.push_back(infoOf(hold, now, wall));
  for (const Wait& wait : it->second->queue) locks.push_back(infoOf(wait, now, wall));
  return locks;
}

std::vector<LockInfo> LockTable::locksOf(LockerId id) const {
  std::vector<LockInfo> locks;
  const Locker* const locker = find(id);
  if (locker == nullptr) return locks;
  const Instant now = clock_.now();
  const WallTime wall = clock_.wallNow();
  for (const Hold& hold : locker->held) locks.push_back(infoOf(hold, now, wall));
  for (const Wait& wait : locker->waits) locks.push_back(infoOf(wait, now, wall));
  return locks;
}

LockStatistics LockTable::statistics() const {
  LockStatistics statistics = statistics_;
  statistics.requestsWaiting = deadlines_.size();
  return statistics;
}

void LockTable::checkInvariants() const {
  std::size_t holds = 0;
  std::size_t waits = 0;
  for (const auto& [value, entry] : entries_) {
    NEPHRITE_CHECK(!entry->holders.empty());  // 5; that nobody waits for nothing follows from 2.
    for (const Hold& hold : entry->holders) {
      ++holds;
      NEPHRITE_CHECK(hold.locker->find(entry->target) == &hold);
      NEPHRITE_CHECK(!hold.isSession() || covers(hold.type, hold.session));           // 6
      NEPHRITE_CHECK(conflictingHolder(*entry, *hold.locker, hold.type) == nullptr);  // 1
    }
    bool newcomers = false;
    for (const Wait& wait : entry->queue) {
      ++waits;
      NEPHRITE_CHECK(wait.upgrade == (wait.locker->find(entry->target) != nullptr));
      NEPHRITE_CHECK(!(wait.upgrade && newcomers));  // 3
      newcomers = newcomers || !wait.upgrade;
    }
    if (entry->queue.empty()) continue;
    const Wait& head = entry->queue.front();
    NEPHRITE_CHECK(conflictingHolder(*entry, *head.locker, head.request.type) != nullptr);  // 2
  }

  const std::size_t allHolds = holds;
  std::size_t deadlines = 0;
  for ([[maybe_unused]] const Wait& wait : deadlines_) ++deadlines;
  NEPHRITE_CHECK(deadlines == waits);
  for (const auto& [value, locker] : lockers_) {
    NEPHRITE_CHECK(locker->held.size() == locker->holdOn.size());
    holds -= locker->held.size();
    NEPHRITE_CHECK(WaitGraph::cycleThrough(*locker).empty());  // 4
  }
  NEPHRITE_CHECK(holds == 0);
  NEPHRITE_CHECK(allHolds == statistics_.locksHeld);
}

}  // namespace nephrite::lock_table

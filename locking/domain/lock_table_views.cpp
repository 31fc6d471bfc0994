// The part of LockTable that looks and does not touch: what it says of itself, and its invariants.
// Listings: listings.cpp.

#include <algorithm>
#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <span>
#include <vector>

#include "base/check.h"
#include "locking/domain/lock_table.h"

namespace nephrite::lock_table {

LockInfo LockTable::infoOf(const Hold& hold, Instant now, WallTime wall) {
  LockInfo info;
  info.target = hold.target;
  info.requestedBy = hold.locker().id;
  info.type = hold.type();
  info.wanted = info.type;
  info.session = hold.sessionType();
  info.duration = hold.isSession() ? LockDuration::Session : LockDuration::Transaction;
  info.level = hold.level();
  info.since = hold.since();
  info.elapsed = now - info.since;
  info.requestTime = wall - std::chrono::duration_cast<WallTime::duration>(info.elapsed);
  info.timeout = hold.timeout();
  info.token = hold.token();
  if (const Locker* const parent = hold.locker().parent.get()) info.parent = parent->id;
  return info;
}

LockInfo LockTable::withLease(const Hold& hold, const Entry* entry, Instant now,
                              WallTime wall) const {
  LockInfo info = infoOf(hold, now, wall);
  fillIn(info, hold, entry, now);
  return info;
}

void LockTable::fillIn(LockInfo& info, const Hold& hold, const Entry* entry, Instant now) const {
  if (entry == nullptr) return;
  info.lease = leases_.termsOf(hold);
  if (const auto end = leases_.endOf(hold)) info.leaseLeft = std::max(Duration{0}, *end - now);
  const HeldTypes below = belowOf(hold, *entry);
  info.below = below.type;
  info.belowSession = below.session;
  info.scope = info.below != LockType::Get ? LockScope::Subtree : LockScope::Node;
  info.isMomentary = entry->momentary > 0 && momentary_.contains(hold);
}

LockInfo LockTable::infoOf(const Wait& wait, Instant now, WallTime wall) {
  LockInfo info;
  info.target = wait.entry()->target;
  info.requestedBy = wait.locker()->id;
  info.type = &wait == &wait.entry()->queue.front() ? LockType::Get : wait.type();
  info.wanted = wait.type();
  info.duration = wait.duration();
  info.waiting = true;
  info.isMark = wait.isMark != 0;
  info.scope = wait.wanted().isSubtree ? LockScope::Subtree : LockScope::Node;
  forEachBlocker(wait, [&](const Obstacle& first) {
    info.lockedBy = first.locker->id;
    return true;
  });
  info.since = wait.since();
  info.elapsed = now - info.since;
  info.requestTime = wall - std::chrono::duration_cast<WallTime::duration>(info.elapsed);
  info.timeout = wait.timeout();
  if (const Locker* const parent = wait.locker()->parent.get()) info.parent = parent->id;
  return info;
}

// --- Answers -------------------------------------------------------------------------------------

namespace {

// What `mark` stands for that excludes `type`: of what is held the first that was acquired, else
// what is waited for. Null when the locker has so much that looking would take too long.
LockTarget whereBelow(const Mark& mark, LockType type, bool isHeld) {
  constexpr std::size_t kMostLooked = 256;
  const Locker& locker = *mark.locker;
  const auto isThere = [&](const Entry& entry, LockType there) {
    return entry.modes->excludes(there, type) && entry.place != nullptr &&
           entry.place->isBelow(*mark.place);
  };
  LockTarget found;
  if (!isHeld) {
    std::size_t looked = 0;
    for (const Wait& wait : locker.waits) {
      if (isThere(*wait.entry(), wait.type())) return wait.entry()->target;
      if (++looked == kMostLooked) break;
    }
    return found;
  }
  if (locker.contended.size() > kMostLooked) return found;
  std::uint64_t first = UINT64_MAX;
  for (const auto& [entry, place] : locker.contended) {
    const std::uint64_t order = place.hold->acquired();
    if (order > first || (order == first && entry->target > found)) continue;
    if (!isThere(*entry, place.hold->type())) continue;
    first = order;
    found = entry->target;
  }
  return found;
}

void describe(const Obstacle& obstacle, const Entry& entry, Wanted wanted, LockAnswer& answer) {
  answer.lockedBy = obstacle.locker->id;
  answer.lockedSince = obstacle.since();
  answer.lockedType = obstacle.type();
  answer.lockedBelow = obstacle.mark != nullptr;
  answer.lockedAt = entry.target == answer.request.target ? LockTarget{} : entry.target;
  if (obstacle.mark == nullptr) return;
  const LockType held = obstacle.mark->held.strongest();
  const bool isHeld = entry.modes->excludes(held, wanted.type);
  answer.lockedType = isHeld ? held : LockType::Get;
  answer.lockedAt = whereBelow(*obstacle.mark, wanted.type, isHeld);
}

}  // namespace

void LockTable::describeObstacle(const Entry& entry, const Locker& locker, Wanted wanted,
                                 LockAnswer& answer) {
  const auto describeFirst = [&](const Obstacle& obstacle) {
    describe(obstacle, entry, wanted, answer);
    return true;
  };
  if (forEachConflict(entry, locker, wanted, describeFirst)) return;
  for (const Wait& ahead : entry.queue) {
    if (areRelated(*ahead.locker(), locker) || !excludes(*entry.modes, ahead.wanted(), wanted))
      continue;
    describe({ahead.locker(), nullptr, nullptr, &ahead}, entry, wanted, answer);
    return;
  }
}

LockAnswer LockTable::refusalOf(const Wait& wait, LockOutcome outcome) const {
  LockAnswer answer;
  answer.outcome = outcome;
  answer.request = requestOf(wait);
  answer.queued = true;
  answer.shareReleased = wait.shareReleased;
  describeObstacle(*wait.entry(), *wait.locker(), wait.wanted(), answer);
  if (outcome != LockOutcome::Deadlock) return answer;

  answer.cycle = WaitGraph::cycleThrough(*wait.locker());
  answer.obtained = obtainedIn(answer.cycle, *wait.locker());
  if (answer.cycle.size() < 2) return answer;
  const LockerId next = answer.cycle[1].locker;  // The one in the way that is in the cycle.
  forEachBlocker(wait, [&](const Obstacle& obstacle) {
    if (obstacle.locker->id != next) return false;
    describe(obstacle, *wait.entry(), wait.wanted(), answer);
    return true;
  });
  return answer;
}

// --- Events --------------------------------------------------------------------------------------

void LockTable::tell(LockEventKind kind, LockEventCause cause, const Hold& hold, const Entry& entry,
                     std::uint64_t request) {
  LockEvent& event = events_.add();
  event.target = entry.target;
  event.locker = hold.locker().id;
  event.token = hold.token();
  event.request = request;
  event.when = clock_.roughNow();
  event.kind = kind;
  event.cause = cause;
  event.type = hold.type();
  event.session = hold.sessionType();
  event.below = belowOf(hold, entry).type;
}

void LockTable::tell(LockEventKind kind, LockEventCause cause, const Wait& wait) {
  LockEvent& event = events_.add();
  event.target = goalOf(wait).target;
  if (wait.isMark != 0) event.at = wait.entry()->target;
  event.locker = wait.locker()->id;
  event.request = wait.id();
  event.when = clock_.roughNow();
  event.kind = kind;
  event.cause = wait.commit() != nullptr ? LockEventCause::Commit : cause;
  event.type = wait.type();
  if (wait.duration() == LockDuration::Session) event.session = event.type;
  if (wait.isSubtree != 0) event.below = event.type;
}

void LockTable::noteRefusal(const LockRequest& request, const Entry& at, LockEventCause cause) {
  if (!events_.isOn()) return;
  LockEvent& event = events_.add();
  event.target = request.target;
  if (at.target != request.target) event.at = at.target;
  event.locker = request.locker;
  event.request = request.id;
  event.when = clock_.roughNow();
  event.kind = LockEventKind::Refused;
  event.cause = cause;
  event.type = request.type;
  if (request.duration == LockDuration::Session) event.session = event.type;
  if (request.scope == LockScope::Subtree) event.below = event.type;
}

LockStatistics LockTable::statistics() const {
  LockStatistics statistics = statistics_;
  statistics.requestsWaiting = deadlines_.size();
  return statistics;
}

namespace {

struct Granted {
  LockTarget target;
  const Locker* locker;
  LockType type;
};

bool goTogether(const Granted& a, const Granted& b) {
  return compatible(a.type, b.type) || areRelated(*a.locker, *b.locker);
}

// Of one target: no locker twice, and each type compatible with all others, and with itself, but
// for those of one family.
void checkHolders(std::span<Granted> all) {
  const auto earlier = [](const Granted& a, const Granted& b) { return a.locker < b.locker; };
  std::sort(all.begin(), all.end(), earlier);
  std::array<unsigned, 5> count{};
  bool isOfFamily = false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    NEPHRITE_CHECK(i == 0 || earlier(all[i - 1], all[i]));
    ++count.at(static_cast<std::size_t>(all[i].type));
    isOfFamily = isOfFamily || all[i].locker->parent != nullptr;
  }
  if (isOfFamily) {
    for (const Granted& a : all) {
      for (const Granted& b : all) NEPHRITE_CHECK(&a == &b || goTogether(a, b));
    }
    return;
  }
  for (std::size_t a = 0; a < count.size(); ++a) {
    for (std::size_t b = a; b < count.size(); ++b) {
      const bool together = a == b ? count[a] > 1 : count[a] > 0 && count[b] > 0;
      NEPHRITE_CHECK(!together || compatible(static_cast<LockType>(a), static_cast<LockType>(b)));
    }
  }
}

/// All waits at once, to see that they are in no cycle: WaitGraph looks from one locker, and to do
/// that from each takes too long. In time proportional to the table: a waiter waits for the one
/// ahead of it, and through that for all; newcomers that want the same type wait together for the
/// holders that exclude it.
class AllWaits {
 public:
  void add(const Entry& entry) {
    const auto isOfFamily = [](const Wait& wait) {
      return wait.locker()->parent != nullptr || wait.locker()->firstChild != nullptr;
    };
    const bool isPlain =
        entry.place == nullptr && std::none_of(entry.queue.begin(), entry.queue.end(), isOfFamily);
    if (!isPlain) return addEach(entry);
    std::array<std::uint32_t, 5> excluders{};  // By the type that is wanted; 0: not listed yet.
    const Wait* ahead = nullptr;
    for (const Wait& wait : entry.queue) {
      const std::uint32_t me = nodeOf(*wait.locker());
      if (ahead != nullptr && ahead->locker() != wait.locker())
        waitsFor(me, nodeOf(*ahead->locker()));
      ahead = &wait;
      if (wait.upgrade != 0) {
        addExcluders(entry, wait.type(), wait.locker(), me);
        continue;
      }
      std::uint32_t& all = excluders.at(static_cast<std::size_t>(wait.type()));
      if (all == 0) addExcluders(entry, wait.type(), nullptr, all = newNode());
      waitsFor(me, all);
    }
  }
  /// Removes lockers that no other waits for, again and again; what is left are cycles.
  bool isCyclic() const {
    std::vector<std::uint32_t> waiters(next_.size());
    for (const auto& next : next_) {
      for (const std::uint32_t node : next) ++waiters[node];
    }
    std::vector<std::uint32_t> free;
    for (std::uint32_t node = 0; node < next_.size(); ++node) {
      if (waiters[node] == 0) free.push_back(node);
    }
    std::size_t gone = 0;
    while (!free.empty()) {
      const std::uint32_t node = free.back();
      free.pop_back();
      ++gone;
      for (const std::uint32_t next : next_[node]) {
        if (--waiters[next] == 0) free.push_back(next);
      }
    }
    return gone < next_.size();
  }

 private:
  // One by one: who is related waits for other lockers than strangers do.
  void addEach(const Entry& entry) {
    for (const Wait& wait : entry.queue) {
      forEachBlocker(wait, [&](const Obstacle& obstacle) {
        waitsFor(nodeOf(*wait.locker()), nodeOf(*obstacle.locker));
        return false;
      });
    }
  }
  std::uint32_t newNode() {
    next_.emplace_back();
    return static_cast<std::uint32_t>(next_.size() - 1);
  }
  std::uint32_t nodeOf(const Locker& locker) {
    const auto [it, isNew] = lockers_.try_emplace(locker.process, 0);
    if (isNew) it->second = newNode();
    return it->second;
  }
  void waitsFor(std::uint32_t node, std::uint32_t next) { next_[node].push_back(next); }
  void addExcluders(const Entry& entry, LockType type, const Locker* except, std::uint32_t node) {
    for (const Hold& hold : entry.holders) {
      if (&hold.locker() == except || !entry.modes->excludes(hold.type(), type)) continue;
      waitsFor(node, nodeOf(hold.locker()));
    }
  }

  boost::unordered_flat_map<const Locker*, std::uint32_t> lockers_;
  std::vector<std::vector<std::uint32_t>> next_{1};  // The first is none's.
};

}  // namespace

// Each mark is what the locks and requests below it need, and no Subtree lock excludes one.
void LockTable::checkPlaces() const {
  using Needs = std::array<TypeCounts, 2>;  // Of locks, and of requests that wait.
  boost::unordered_flat_map<const Place*, boost::unordered_flat_map<const Locker*, Needs>> needed;
  const auto need = [&](const Locker& locker, const Place* from, LockType type, bool waits) {
    for (const Place* up = from; up != nullptr; up = up->parent) {
      ++needed[up][&locker].at(waits ? 1 : 0)[type];
    }
  };
  places_.forEach([&](const Place& place) {
    NEPHRITE_CHECK(place.entry->place == &place);
    TypeCounts below;
    std::uint32_t subtrees = 0;
    for (const Hold& hold : place.entry->holders) {
      need(hold.locker(), place.parent, hold.type(), false);
      const HeldTypes types = place.belowOf(hold);
      NEPHRITE_CHECK(covers(hold.type(), types.type) && covers(types.type, types.session));
      NEPHRITE_CHECK(covers(hold.sessionType(), types.session));
      if (types.type == LockType::Get) continue;
      ++below[types.type];
      ++subtrees;
    }
    NEPHRITE_CHECK(below == place.belowCounts && subtrees == place.below.size());
    std::uint32_t waits = 0;
    for (const Wait& wait : place.entry->queue) {
      need(*wait.locker(), place.parent, wait.type(), true);
      waits += wait.wanted().isSubtree ? 1 : 0;
    }
    NEPHRITE_CHECK(waits == place.entry->subtreeWaits);
  });
  places_.forEach([&](const Place& place) {
    const auto& expected = needed[&place];
    NEPHRITE_CHECK(expected.size() == place.marks.size());
    TypeCounts counts;
    const Mark* before = nullptr;
    for (const Mark& mark : place.inOrder) {
      const auto found = expected.find(mark.locker);
      NEPHRITE_CHECK(found != expected.end());
      NEPHRITE_CHECK(found->second == (Needs{mark.held, mark.waiting}));
      NEPHRITE_CHECK(before == nullptr || before->order < mark.order);
      NEPHRITE_CHECK(place.markOf(*mark.locker) == &mark);
      ++counts[mark.type()];
      before = &mark;
      for (const auto& [order, reach] : place.below) {
        NEPHRITE_CHECK(compatible(reach.types.type, mark.type()) ||
                       areRelated(reach.hold->locker(), *mark.locker));
      }
    }
    NEPHRITE_CHECK(counts == place.markCounts);
  });
}

std::vector<const Entry*> LockTable::allEntries() const {
  boost::unordered_flat_set<const Entry*> entries;
  deadlines_.forEach([&](const Wait& wait) { entries.insert(wait.entry()); });
  for (const LockerRef& locker : lockers_.all()) {
    for (const auto& [entry, place] : locker->contended) entries.insert(entry);
  }
  places_.forEach([&](const Place& place) { entries.insert(place.entry); });
  return {entries.begin(), entries.end()};
}

// In time proportional to the table, but for sorting and for families: also large ones are checked.
void LockTable::checkInvariants() const {
  holds_.checkInvariants();
  std::vector<Granted> all;
  holds_.forEach([&](const Hold& hold) {
    NEPHRITE_CHECK(!hold.isSession() || covers(hold.type(), hold.sessionType()));  // 6
    all.push_back({hold.target, &hold.locker(), hold.type()});
  });
  for (auto first = all.begin(); first != all.end();) {  // 1
    const auto last = std::find_if(
        first, all.end(), [&](const Granted& each) { return each.target != first->target; });
    checkHolders({first, last});
    first = last;
  }

  const auto entries = allEntries();
  checkPlaces();
  constexpr std::size_t kFewWaits = 200;
  std::size_t waits = 0;
  AllWaits graph;
  for (const LockTable* const table : shared_.tables) {
    for (const Entry* const entry : table->allEntries()) graph.add(*entry);
  }
  for (const Entry* const entry : entries) {
    NEPHRITE_CHECK(holds_.entryOf(entry->target) == entry);
    boost::unordered_flat_set<const Locker*> holders;
    for (const Hold& hold : entry->holders) holders.insert(&hold.locker());
    NEPHRITE_CHECK(entry->isNeeded());  // 5
    bool newcomers = false;
    std::uint32_t favoured = 0, leases = 0;
    const Wait* lastUpgrade = nullptr;
    std::uint32_t momentary = 0;
    for (const Hold& hold : entry->holders) {
      leases += leases_.endOf(hold) ? 1 : 0;
      momentary += momentary_.contains(hold) ? 1 : 0;
    }
    NEPHRITE_CHECK(leases == entry->leases);
    NEPHRITE_CHECK(momentary == entry->momentary);
    for (const Wait& wait : entry->queue) {
      ++waits;
      favoured += wait.favoured != 0 ? 1 : 0;
      const bool holds =
          holders.contains(wait.locker()) || holdOfAncestor(*entry, *wait.locker()) != nullptr;
      // After a lapse it keeps its place.
      NEPHRITE_CHECK(wait.isFavoured() || !holds);
      NEPHRITE_CHECK(!(wait.upgrade && newcomers) || entry->place != nullptr);  // 3
      NEPHRITE_CHECK(!(wait.upgrade && wait.favoured));
      newcomers = newcomers || !wait.upgrade;
      if (wait.upgrade) lastUpgrade = &wait;
    }
    NEPHRITE_CHECK(entry->lastUpgrade == lastUpgrade && entry->favoured == favoured);
    NEPHRITE_CHECK(nextToGrant(const_cast<Entry&>(*entry)) == nullptr);  // 2
    if (waits > kFewWaits) continue;
    for (const Wait& wait : entry->queue) NEPHRITE_CHECK(!isFree(wait));  // 2, in full.
  }
  NEPHRITE_CHECK(waits == deadlines_.size());
  NEPHRITE_CHECK(!graph.isCyclic());  // 4

  for (const LockerRef& locker : lockers_.all()) holds_.checkInvariantsOf(*locker);
}

}  // namespace nephrite::lock_table

#include "locking/domain/wait_graph.h"

#include <algorithm>
#include <array>
#include <boost/container/small_vector.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <deque>

namespace nephrite::lock_table {

namespace {

/// Where each request of a queue stands, found out when it is first asked for.
class QueuePlaces {
 public:
  bool isBefore(const Wait& a, const Wait& b) {
    if (!places_.contains(&a)) {
      std::uint32_t place = 0;
      for (const Wait& wait : a.entry()->queue) places_[&wait] = place++;
    }
    return places_[&a] < places_[&b];
  }

 private:
  boost::unordered_flat_map<const Wait*, std::uint32_t> places_;
};

/// The requests that wait at targets that have a place, for one search: those that one wait, lock
/// or mark keeps waiting it keeps waiting for all of its kind, but for families.
class WaitersInTree {
 public:
  template <typename Reach>
  void forEachBehindHold(const Entry& entry, const Hold& hold, const Reach& reach) {
    const Locker& holder = hold.locker();
    const LockType below = entry.place->belowOf(hold).type;
    if (!isNew(entry, Kind::Hold, hold.type(), holder) &&
        (below == LockType::Get || !isNew(entry, Kind::Below, below, holder))) {
      return;
    }
    forEachOf(entry, holder, reach, [&](const Wait& wait) {
      return entry.modes->excludes(wait.isMark != 0 ? below : hold.type(), wait.type());
    });
  }
  template <typename Reach>
  void forEachBehindMark(const Mark& mark, const Reach& reach) {
    const Entry& entry = *mark.place->entry;
    if (mark.locker->parent == nullptr && !isNew(entry, Kind::Mark, mark.type(), *mark.locker)) {
      return;
    }
    forEachOf(entry, *mark.locker, reach, [&](const Wait& wait) {
      return wait.wanted().isSubtree &&
             entry.modes->excludes(mark.typeFor(*wait.locker()), wait.type());
    });
  }
  /// Of two of a kind, those behind the one that stands further ahead are all.
  template <typename Reach>
  void forEachBehind(Wait& wait, QueuePlaces& places, const Reach& reach) {
    const Entry& entry = *wait.entry();
    const Wanted wanted = wait.wanted();
    const Kind kind = wanted.isMark      ? Kind::WaitingMark
                      : wanted.isSubtree ? Kind::WaitingSubtree
                                         : Kind::WaitingNode;
    if (!hasRelatives(*wait.locker()) && !entry.place->hasMark(*wait.locker())) {
      Wait*& first = firsts_[{&entry, number(kind, wait.type(), wait.isFavoured())}];
      if (first != nullptr && !places.isBefore(wait, *first)) return;
      first = &wait;
    }
    Queue& queue = const_cast<Queue&>(entry.queue);
    for (auto behind = std::next(queue.iterator_to(wait)); behind != queue.end(); ++behind) {
      if (isInTheWay(wait, *behind)) reach(*behind->locker());
    }
  }

 private:
  enum class Kind : unsigned { Hold, Below, Mark, WaitingMark, WaitingSubtree, WaitingNode };

  static unsigned number(Kind kind, LockType type, bool isFavoured = false) {
    return (static_cast<unsigned>(kind) * 2 + (isFavoured ? 1 : 0)) * 8 +
           static_cast<unsigned>(type);
  }
  /// One with descendants lets those pass, and tells nothing about others.
  bool isNew(const Entry& entry, Kind kind, LockType type, const Locker& of) {
    if (of.firstChild != nullptr) return true;
    return seen_.insert({&entry, number(kind, type)}).second;
  }
  // The wait of the holder itself is met, too, and is reached already.
  template <typename Reach, typename IsExcluded>
  static void forEachOf(const Entry& entry, const Locker& holder, const Reach& reach,
                        const IsExcluded& isExcluded) {
    for (Wait& wait : const_cast<Queue&>(entry.queue)) {
      if (!isExcluded(wait) || isHeldByNow(wait)) continue;
      if (holder.firstChild == nullptr || !isAncestor(holder, *wait.locker())) {
        reach(*wait.locker());
      }
    }
  }

  using Key = std::pair<const Entry*, unsigned>;
  boost::unordered_flat_set<Key> seen_;
  boost::unordered_flat_map<Key, Wait*> firsts_;
};

// A newcomer that holds nothing anybody wants, at the tail of a queue however long.
bool isBehindAll(const Locker& requester) {
  const Wait* only = nullptr;
  const bool hasMore = anyOfProcess(requester, [&](const Locker& each) {
    if (!each.contended.empty() || each.marks != nullptr) return true;
    if (each.waits.empty()) return false;
    if (only != nullptr || &each.waits.front() != &each.waits.back()) return true;
    only = &each.waits.front();
    return false;
  });
  return !hasMore && only == &only->entry()->queue.back();
}

}  // namespace

FewWaits waitsOn(const Locker& locker, const Entry& entry) {
  FewWaits found;
  if (locker.waits.empty()) return found;
  auto& waits = const_cast<WaitsOfLocker&>(locker.waits);
  auto& queue = const_cast<Queue&>(entry.queue);
  auto own = waits.begin();
  auto queued = queue.begin();
  while (own != waits.end() && queued != queue.end()) ++own, ++queued;
  if (own == waits.end()) {
    for (Wait& wait : waits) {
      if (wait.entry() == &entry) found.push_back(&wait);
    }
  } else {
    for (Wait& wait : queue) {
      if (wait.locker() == &locker) found.push_back(&wait);
    }
    std::sort(found.begin(), found.end(),
              [](const Wait* a, const Wait* b) { return a->sequence < b->sequence; });
  }
  return found;
}

void QueueBarrier::add(const Locker& locker) {
  if (isClosed_) return;
  if (!hasRelatives(locker)) {
    isClosed_ = true;
    return;
  }
  if (first_ == nullptr) first_ = &locker;
  if (areRelated(*first_, locker)) return;
  isClosed_ = true;
  for (const Locker* up = locker.parent.get(); up != nullptr; up = up->parent.get()) {
    if (!isAncestor(*up, *first_)) continue;
    for (Wait* const wait : waitsOn(*up, entry_)) exceptions_.push_back(wait);
  }
}

bool isFree(const Wait& wait) {
  for (const Wait& ahead : wait.entry()->queue) {
    if (&ahead == &wait) break;
    const bool isOwn = ahead.locker() == wait.locker() && ahead.isMark == 0 && wait.isMark == 0;
    if (isOwn || isInTheWay(ahead, wait)) return false;
  }
  return !hasConflict(wait);
}

namespace {

// Strangers in one walk: what is ahead is known by its types. A family, or a locker with more than
// one request, is looked at one by one.
Wait* nextInTree(Entry& entry) {
  bool lockIsAhead = false;
  TypeCounts marksAhead, subtreesAhead;
  for (Wait& wait : entry.queue) {
    const Locker& locker = *wait.locker();
    const Wanted wanted = wait.wanted();
    const ModeTable::Set excluding = entry.modes->excludedBy(wanted.type);
    const bool isAlone = !hasRelatives(locker) && !wait.isFavoured() &&
                         &locker.waits.front() == &locker.waits.back() &&
                         !entry.place->hasMark(locker);
    if (isAlone) {
      bool isBlocked = lockIsAhead;
      if (wanted.isMark) {
        isBlocked = subtreesAhead.of(excluding) > 0;
      } else if (wanted.isSubtree) {
        isBlocked = isBlocked || marksAhead.of(excluding) > 0;
      }
      if (!isBlocked && !hasConflict(wait)) return &wait;
    } else if (isFree(wait)) {
      return &wait;
    }
    if (wanted.isMark) {
      ++marksAhead[wanted.type];
    } else {
      lockIsAhead = true;
      if (wanted.isSubtree) ++subtreesAhead[wanted.type];
    }
  }
  return nullptr;
}

}  // namespace

Wait* nextToGrant(Entry& entry) {
  if (entry.queue.empty()) return nullptr;
  if (entry.place != nullptr) return nextInTree(entry);
  Wait& head = entry.queue.front();
  if (!hasConflict(head)) return &head;
  if (entry.favoured == 0 && !hasRelatives(*head.locker())) return nullptr;

  QueueBarrier barrier(entry);
  for (Wait& wait : entry.queue) {
    if (isFree(wait)) return &wait;
    if (wait.isFavoured() || entry.favoured == 0) barrier.add(*wait.locker());
    if (barrier.isClosed()) break;
  }
  FewWaits free;
  for (Wait* const wait : barrier.exceptions()) {
    if (isFree(*wait)) free.push_back(wait);
  }
  if (free.size() < 2) return free.empty() ? nullptr : free.front();
  return &*std::find_if(entry.queue.begin(), entry.queue.end(), [&](const Wait& wait) {
    return std::find(free.begin(), free.end(), &wait) != free.end();
  });
}

// Do the new waits of `requester` lead to none but a few lockers, each of which comes to one that
// waits for nothing? Then they close no cycle, however many wait for `requester`, and however many
// other waits it has. Nearly always the holder of the target just works on.
bool WaitGraph::endsSoon(const Locker& requester, std::uint64_t firstSequence) {
  constexpr std::size_t kMostSteps = 32;
  std::size_t steps = 0;
  boost::container::small_vector<const Locker*, kMostSteps> toVisit;
  const auto reach = [&](const Locker& blocker) {
    if (isWaiting(blocker)) toVisit.push_back(blocker.process);
    return ++steps > kMostSteps || blocker.process == &requester;
  };
  const auto leadsFar = [&](const Wait& wait) {
    const Entry& entry = *wait.entry();
    const Locker& locker = *wait.locker();
    const auto reachHolder = [&](const Obstacle& held) { return reach(*held.locker); };
    if (forEachConflict(entry, locker, wait.wanted(), reachHolder)) return true;
    for (const Wait& ahead : entry.queue) {
      if (&ahead == &wait) return false;
      if (isInTheWay(ahead, wait) ? reach(*ahead.locker()) : ++steps > kMostSteps) return true;
    }
    return false;
  };
  // Then what it has overtaken waits for it, and may be what its other waits lead to.
  bool overtakes = false;
  const auto newLeadFar = [&](const Locker& locker) {
    for (auto wait = locker.waits.rbegin(); wait != locker.waits.rend(); ++wait) {
      if (wait->sequence < firstSequence && !overtakes) break;
      overtakes = overtakes || &*wait != &wait->entry()->queue.back();
      if (leadsFar(*wait)) return true;
    }
    return false;
  };
  if (anyOfProcess(requester, newLeadFar)) return false;
  // What it has overtaken in one table may be what its waits in another lead to.
  const bool isAlone = requester.nextOfProcess == &requester;
  if (overtakes && !isAlone && anyOfProcess(requester, newLeadFar)) return false;
  while (!toVisit.empty()) {
    const Locker& locker = *toVisit.back();
    toVisit.pop_back();
    if (forEachWaitOf(locker, leadsFar)) return false;
  }
  return true;
}

// Marks every locker that waits for `requester`, directly or through others, against the edges: a
// newcomer has few behind it. No queue is walked twice: neither for two holders that exclude the
// same, nor by two lockers that stand in it.
bool WaitGraph::markWaitersFor(Locker& requester) {
  search_ = ++lastSearch_;
  bool any = false;
  std::vector<Locker*> toVisit{&requester};
  const auto isReached = [&](const Locker& locker) {
    return &locker == &requester || locker.mark == search_;
  };
  const auto reach = [&](const Locker& locker) {
    Locker& process = *locker.process;
    if (isReached(process)) return;
    process.mark = search_;
    any = true;
    toVisit.push_back(&process);
  };

  struct ThroughHolders {
    ModeTable::Set types = 0;                         // Waits for these were reached ...
    boost::container::small_vector<Wait*, 4> passed;  // ... but for those of holders' descendants.
  };
  boost::unordered_flat_map<const Entry*, ThroughHolders> reachedThroughHolders;
  const auto reachThrough = [&](const Entry& entry, const Hold& hold) {
    ThroughHolders& reached = reachedThroughHolders[&entry];
    const ModeTable::Set excluded = entry.modes->excludedBy(hold.type());
    const auto isDescendant = [&](const Wait* wait) {
      return (ModeTable::bitOf(wait->type()) & excluded) == 0 ||
             isAncestor(hold.locker(), *wait->locker());
    };
    const auto still = std::partition(reached.passed.begin(), reached.passed.end(), isDescendant);
    for (auto at = still; at != reached.passed.end(); ++at) reach(*(*at)->locker());
    reached.passed.erase(still, reached.passed.end());
    const auto types = static_cast<ModeTable::Set>(excluded & ~reached.types);
    if (types == 0) return;
    reached.types = static_cast<ModeTable::Set>(reached.types | types);
    const bool hasDescendants = hold.locker().firstChild != nullptr;
    for (Wait& wait : const_cast<Queue&>(entry.queue)) {
      if ((ModeTable::bitOf(wait.type()) & types) == 0 || isHeldByNow(wait)) continue;
      if (hasDescendants && isAncestor(hold.locker(), *wait.locker())) {
        reached.passed.push_back(&wait);
      } else {
        reach(*wait.locker());
      }
    }
  };
  // What a lock on, and a mark at, a target that has a place keep waiting, each kind once.
  WaitersInTree inTree;
  QueuePlaces places;
  const auto reachBehind = [&](Wait& wait) {
    if (wait.entry()->place != nullptr) return inTree.forEachBehind(wait, places, reach);
    Queue& queue = wait.entry()->queue;
    QueueBarrier barrier(*wait.entry());
    for (auto behind = std::next(queue.iterator_to(wait)); behind != queue.end(); ++behind) {
      // What a reached one does not let pass is reached from there, or has been.
      const bool letsFavouredPass = !behind->isFavoured() && wait.entry()->favoured > 0;
      if (isReached(*behind->locker()) && !letsFavouredPass) barrier.add(*behind->locker());
      if (isInTheWay(wait, *behind)) reach(*behind->locker());
      if (barrier.isClosed()) break;
    }
    for (Wait* const behind : barrier.exceptions()) {
      if (places.isBefore(wait, *behind) && isInTheWay(wait, *behind)) reach(*behind->locker());
    }
  };
  const auto reachFrom = [&](Locker& locker) {
    for (const auto& [entry, place] : locker.contended) {
      if (entry->queue.empty()) continue;
      if (entry->place != nullptr) {
        inTree.forEachBehindHold(*entry, *place.hold, reach);
      } else {
        reachThrough(*entry, *place.hold);
      }
    }
    for (const Mark* mark = locker.marks; mark != nullptr; mark = mark->next) {
      if (mark->place->entry->subtreeWaits > 0) inTree.forEachBehindMark(*mark, reach);
    }
    for (Wait& wait : locker.waits) reachBehind(wait);
    return false;
  };
  while (!toVisit.empty()) {
    const Locker& process = *toVisit.back();
    toVisit.pop_back();
    anyOfProcess(process, reachFrom);
  }
  return any;
}

// One of its waits leads there, for it is marked.
Wait* WaitGraph::waitTowardsMarked(Locker& blocker, const Locker& requester) const {
  Wait* found = nullptr;
  std::size_t waits = 0;
  forEachWaitOf(blocker, [&](Wait& wait) {
    found = &wait;
    return ++waits == 2;
  });
  if (waits == 1) return found;
  const bool isFound = forEachWaitOf(blocker, [&](Wait& wait) {
    bool towards = false;
    forEachBlocker(wait, [&](const Obstacle& next) {
      const Locker* const process = next.locker->process;
      towards = process == &requester || process->mark == search_;
      return towards;
    });
    found = &wait;
    return towards;
  });
  return isFound ? found : nullptr;
}

std::vector<WaitGraph::Blocker> WaitGraph::blockersOnCycle(Locker& locker,
                                                           std::uint64_t firstSequence) {
  std::vector<Blocker> found;
  Locker& requester = *locker.process;
  if (!isWaiting(requester) || isBehindAll(requester) || endsSoon(requester, firstSequence) ||
      !markWaitersFor(requester)) {
    return found;
  }
  boost::unordered_flat_set<const Locker*> known;
  forEachWaitOf(requester, [&](Wait& wait) {
    forEachBlocker(wait, [&](const Obstacle& obstacle) {
      Locker& blocker = *obstacle.locker->process;
      if (blocker.mark == search_ && known.insert(&blocker).second) {
        found.push_back({&blocker, waitTowardsMarked(blocker, requester), &wait});
      }
      return false;
    });
    return false;
  });
  return found;
}

namespace {

/// The blockers of one wait after the other, each once, so that those of all in a queue are no more
/// than stand in it and hold its target.
class Blockers {
 public:
  /// Calls `visit(locker)` for those of `wait` that it was not called for before, in their order,
  /// until it returns true. It may be called for some twice, and for the locker of `wait`.
  template <typename Visit>
  void forEachNew(const Wait& wait, const Visit& visit) {
    const Entry& entry = *wait.entry();
    if (entry.place != nullptr) {
      forEachBlocker(wait, [&](const Obstacle& next) { return visit(*next.locker); });
      return;
    }
    const auto visitHold = [&](const Hold& hold) { return visit(hold.locker()); };
    if (const Locker* const other = walkedFor(entry, wait.type())) {
      // All were seen then that exclude this type, but for ancestors of that locker.
      for (const Locker* up = other->parent.get(); up != nullptr; up = up->parent.get()) {
        const Hold* const hold = holdOn(entry, *up);
        if (hold == nullptr || !entry.modes->excludes(hold->type(), wait.type())) continue;
        if (mayExclude(hold->locker(), *wait.locker()) && visitHold(*hold)) return;
      }
    } else {
      holdersOf_[&entry].at(static_cast<std::size_t>(wait.type())) = wait.locker();
      if (forEachExcluding(entry, *wait.locker(), wait.type(), visitHold)) return;
    }

    // What stands ahead of a wait that was met on the walk from another was met on it, too, but for
    // what was not in the way of that other.
    QueueBarrier barrier(entry);
    std::vector<const Wait*> ahead;
    for (auto at = entry.queue.iterator_to(wait); at != entry.queue.begin();) {
      const Wait& next = *--at;
      MetFrom& from = metFrom_[&next];
      for (const Wait* const other : from) {
        if (other != nullptr && (wait.isFavoured() || !other->isFavoured())) {
          barrier.add(*other->locker());
        }
      }
      if (barrier.isClosed()) break;
      from[from[0] == nullptr ? 0 : 1] = &wait;
      if (isInTheWay(next, wait)) ahead.push_back(&next);
    }
    for (const Wait* const next : barrier.exceptions()) {
      if (places_.isBefore(*next, wait) && isInTheWay(*next, wait)) ahead.push_back(next);
    }
    if (!barrier.exceptions().empty()) {
      std::sort(ahead.begin(), ahead.end(),
                [&](const Wait* a, const Wait* b) { return places_.isBefore(*b, *a); });
    }
    for (auto at = ahead.rbegin(); at != ahead.rend(); ++at) {
      if (visit(*(*at)->locker())) return;
    }
  }

 private:
  using MetFrom = std::array<const Wait*, 2>;  // The first walk that met it, and the latest.
  using WalkedFor = std::array<const Locker*, ModeTable::kMost>;  // By type.

  /// A locker for which all that excludes `type` was visited.
  const Locker* walkedFor(const Entry& entry, LockType type) {
    const WalkedFor& walked = holdersOf_[&entry];
    for (std::size_t i = 0; i < walked.size(); ++i) {
      const bool hasSeenAll = entry.modes->excludesAllOf(static_cast<LockType>(i), type);
      if (walked[i] != nullptr && hasSeenAll) return walked[i];
    }
    return nullptr;
  }

  boost::unordered_flat_map<const Entry*, WalkedFor> holdersOf_;
  boost::unordered_flat_map<const Wait*, MetFrom> metFrom_;
  QueuePlaces places_;
};

struct Step {
  const Locker* locker;
  std::size_t from;  // Index of the step before; the first step has none.
  const Wait* by;    // The wait of the step before that led here.
};

// From one locker to another that it waits for, directly or not; empty when it does not.
std::deque<Step> shortestWay(const Locker& from, const Locker& to) {
  std::deque<Step> steps{{&from, 0, nullptr}};
  boost::unordered_flat_set<const Locker*> seen{&from};
  Blockers blockers;
  for (std::size_t at = 0; at < steps.size() && steps.back().locker != &to; ++at) {
    forEachWaitOf(*steps[at].locker, [&](const Wait& wait) {
      blockers.forEachNew(wait, [&](const Locker& locker) {
        const Locker* const next = locker.process;
        if (seen.insert(next).second) steps.push_back({next, at, &wait});
        return next == &to;
      });
      return steps.back().locker == &to;
    });
  }
  if (steps.back().locker != &to) return {};
  std::deque<Step> way;
  for (std::size_t at = steps.size() - 1; at != 0; at = steps[at].from) way.push_front(steps[at]);
  way.push_front(steps.front());
  for (std::size_t at = 1; at < way.size(); ++at) way[at].from = at - 1;
  return way;
}

// The shortest way on from the last of `steps` back to the first.
std::vector<WaitEdge> shortestCycle(std::deque<Step> steps) {
  const Locker& member = *steps.front().locker;
  boost::unordered_flat_set<const Locker*> seen;
  for (const Step& step : steps) seen.insert(step.locker);

  Blockers blockers;
  for (std::size_t at = steps.size() - 1; at < steps.size(); ++at) {
    const Locker& locker = *steps[at].locker;
    std::vector<WaitEdge> cycle;
    forEachWaitOf(locker, [&](const Wait& wait) {
      bool closed = false;
      const auto visit = [&](const Locker& other) {
        const Locker* const next = other.process;
        closed = next == &member;
        if (!closed && seen.insert(next).second) steps.push_back({next, at, &wait});
        return closed;
      };
      if (&locker == &member) {  // Another wait of its own in the queue closes no cycle.
        forEachBlocker(wait, [&](const Obstacle& next) { return visit(*next.locker); });
      } else {
        blockers.forEachNew(wait, visit);
      }
      if (!closed) return false;

      cycle.push_back({steps[at].locker->id, wait.entry()->target, wait.type()});
      for (std::size_t step = at; step != 0; step = steps[step].from) {
        const Wait& by = *steps[step].by;
        cycle.push_back({by.locker()->id, by.entry()->target, by.type()});
      }
      std::reverse(cycle.begin(), cycle.end());
      return true;
    });
    if (!cycle.empty()) return cycle;
  }
  return {};
}

}  // namespace

std::vector<WaitEdge> WaitGraph::cycleThrough(const Locker& member) {
  return shortestCycle({{member.process, 0, nullptr}});
}

std::vector<WaitEdge> WaitGraph::cycleThrough(const Locker& first, const Locker& other) {
  const Locker& requester = *first.process;
  const Locker& party = *other.process;
  if (&requester == &party) return cycleThrough(requester);
  // The way there, backwards; then its steps in order, each led to by the one before.
  std::deque<Step> there = shortestWay(requester, party);
  if (there.empty()) return cycleThrough(requester);
  std::vector<WaitEdge> cycle = shortestCycle(std::move(there));
  return cycle.empty() ? cycleThrough(requester) : cycle;
}

void WaitGraph::forEachParty(Locker& locker, const FunctionRef<void(Locker&, Wait&)>& visit) {
  Locker& requester = *locker.process;
  std::vector<Locker*> parties{&requester};
  boost::unordered_flat_set<const Locker*> known{&requester};
  Blockers blockers;
  for (std::size_t at = 0; at < parties.size(); ++at) {
    forEachWaitOf(*parties[at], [&](const Wait& wait) {
      blockers.forEachNew(wait, [&](const Locker& next) {
        Locker& party = *next.process;
        if (party.mark != search_ || !known.insert(&party).second) return false;
        parties.push_back(&party);
        visit(party, *waitTowardsMarked(party, requester));
        return false;
      });
      return false;
    });
  }
}

LockTarget obtainedIn(const std::vector<WaitEdge>& cycle, const Locker& member) {
  if (cycle.empty()) return {};
  const WaitEdge& last = cycle.back();
  LockTarget obtained;
  anyOfProcess(member, [&](const Locker& locker) {
    for (const auto& [entry, place] : locker.contended) {
      if (entry->target != last.target) continue;
      if (entry->modes->excludes(place.hold->type(), last.wanted)) obtained = last.target;
      return true;
    }
    for (const Mark* mark = locker.marks; mark != nullptr; mark = mark->next) {
      if (mark->place->entry->target != last.target) continue;
      obtained = last.target;
      return true;
    }
    return false;
  });
  return obtained;
}

}  // namespace nephrite::lock_table

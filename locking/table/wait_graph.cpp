#include "locking/table/wait_graph.h"

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <deque>

namespace nephrite::lock_table {

namespace {

/// A bit for each type that a wait may want.
unsigned bitOf(LockType type) { return 1u << static_cast<unsigned>(type); }

unsigned excludedBy(LockType held) {
  unsigned types = 0;
  for (const LockType type :
       {LockType::Share, LockType::Reserve, LockType::Update, LockType::Exclusive}) {
    if (!compatible(held, type)) types |= bitOf(type);
  }
  return types;
}

// A newcomer that holds nothing anybody wants, at the tail of a queue however long.
bool isBehindAll(const Locker& requester) {
  const Wait& wait = requester.waits.front();
  return requester.contended.empty() && &wait == &requester.waits.back() &&
         &wait == &wait.entry()->queue.back();
}

}  // namespace

// Do the new waits of `requester` lead to none but a few lockers, each of which comes to one that
// waits for nothing? Then they close no cycle, however many wait for `requester`, and however many
// other waits it has. Nearly always the holder of the target just works on.
bool WaitGraph::endsSoon(const Locker& requester, std::uint64_t firstSequence) {
  constexpr std::size_t kMostSteps = 32;
  std::size_t steps = 0;
  boost::container::small_vector<const Locker*, kMostSteps> toVisit;
  const auto reach = [&](const Locker& blocker) {
    if (!blocker.waits.empty()) toVisit.push_back(&blocker);
    return ++steps > kMostSteps || &blocker == &requester;
  };
  const auto leadsFar = [&](const Wait& wait) {
    const Entry& entry = *wait.entry();
    const Locker& locker = *wait.locker();
    const auto reachHolder = [&](const Hold& hold) { return reach(hold.locker()); };
    if (forEachConflict(entry, locker, wait.type(), reachHolder)) return true;
    for (const Wait& ahead : entry.queue) {
      if (&ahead == &wait) return false;
      if (ahead.locker() == &locker ? ++steps > kMostSteps : reach(*ahead.locker())) return true;
    }
    return false;
  };
  // Then what it has overtaken waits for it, and may be what its other waits lead to.
  bool overtakes = false;
  for (auto wait = requester.waits.rbegin(); wait != requester.waits.rend(); ++wait) {
    if (wait->sequence < firstSequence && !overtakes) break;
    overtakes = overtakes || &*wait != &wait->entry()->queue.back();
    if (leadsFar(*wait)) return false;
  }
  while (!toVisit.empty()) {
    const Locker& locker = *toVisit.back();
    toVisit.pop_back();
    if (std::any_of(locker.waits.begin(), locker.waits.end(), leadsFar)) return false;
  }
  return true;
}

// Marks every locker that waits for `requester`, directly or through others, against the edges: a
// newcomer has few behind it. No queue is walked twice: neither for two holders that exclude the
// same, nor by two lockers that stand in it.
bool WaitGraph::markWaitersFor(Locker& requester) {
  ++search_;
  bool any = false;
  std::vector<Locker*> toVisit{&requester};
  const auto isReached = [&](const Locker& locker) {
    return &locker == &requester || locker.mark == search_;
  };
  const auto reach = [&](Locker& locker) {
    if (isReached(locker)) return;
    locker.mark = search_;
    any = true;
    toVisit.push_back(&locker);
  };

  boost::unordered_flat_map<const Entry*, unsigned> reachedThroughHolders;  // Types of waits.
  while (!toVisit.empty()) {
    Locker& locker = *toVisit.back();
    toVisit.pop_back();
    for (const auto& [entry, place] : locker.contended) {
      if (entry->queue.empty()) continue;
      unsigned& reached = reachedThroughHolders[entry];
      const unsigned types = excludedBy(place.hold->type()) & ~reached;
      if (types == 0) continue;
      reached |= types;
      for (const Wait& wait : entry->queue) {
        if ((bitOf(wait.type()) & types) != 0) reach(*wait.locker());
      }
    }
    for (const Wait& wait : locker.waits) {
      const Queue& queue = wait.entry()->queue;
      for (auto behind = std::next(queue.iterator_to(wait)); behind != queue.end(); ++behind) {
        // It walks on from there by itself, or has done so.
        if (isReached(*behind->locker())) break;
        reach(*behind->locker());
      }
    }
  }
  return any;
}

// One of its waits leads there, for it is marked.
Wait* WaitGraph::waitTowardsMarked(Locker& blocker, const Locker& requester) const {
  if (std::next(blocker.waits.begin()) == blocker.waits.end()) return &blocker.waits.front();
  for (Wait& wait : blocker.waits) {
    bool towards = false;
    forEachBlocker(wait, [&](const Locker& next, const Hold*, const Wait*) {
      towards = &next == &requester || next.mark == search_;
      return towards;
    });
    if (towards) return &wait;
  }
  return nullptr;
}

std::vector<WaitGraph::Blocker> WaitGraph::blockersOnCycle(Locker& requester,
                                                           std::uint64_t firstSequence) {
  std::vector<Blocker> found;
  if (requester.waits.empty() || isBehindAll(requester) || endsSoon(requester, firstSequence) ||
      !markWaitersFor(requester)) {
    return found;
  }
  boost::unordered_flat_set<const Locker*> known;
  for (Wait& wait : requester.waits) {
    forEachBlocker(wait, [&](Locker& blocker, const Hold*, const Wait*) {
      if (blocker.mark == search_ && known.insert(&blocker).second) {
        found.push_back({&blocker, waitTowardsMarked(blocker, requester), &wait});
      }
      return false;
    });
  }
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
    unsigned& types = holdersOf_[&entry];
    if ((types & (bitOf(wait.type()) | bitOf(LockType::Exclusive))) == 0) {
      types |= bitOf(wait.type());
      const auto visitHold = [&](const Hold& hold) { return visit(hold.locker()); };
      if (forEachConflict(entry, *wait.locker(), wait.type(), visitHold)) return;
    }
    // What stands ahead of a wait that was seen ahead of another was seen, too.
    std::vector<const Wait*> ahead;
    for (auto at = entry.queue.iterator_to(wait); at != entry.queue.begin();) {
      if (!aheadOfOthers_.insert(&*--at).second) break;
      ahead.push_back(&*at);
    }
    for (auto at = ahead.rbegin(); at != ahead.rend(); ++at) {
      if (visit(*(*at)->locker())) return;
    }
  }

 private:
  boost::unordered_flat_map<const Entry*, unsigned> holdersOf_;  // For waits of these types.
  boost::unordered_flat_set<const Wait*> aheadOfOthers_;
};

struct Step {
  const Locker* locker;
  std::size_t from;  // Index of the step before; the first step has none.
  const Wait* by;    // The wait of the step before that led here.
};

// The shortest way on from the last of `steps` back to the first.
std::vector<WaitEdge> shortestCycle(std::deque<Step> steps) {
  const Locker& member = *steps.front().locker;
  boost::unordered_flat_set<const Locker*> seen;
  for (const Step& step : steps) seen.insert(step.locker);

  Blockers blockers;
  for (std::size_t at = steps.size() - 1; at < steps.size(); ++at) {
    const Locker& locker = *steps[at].locker;
    for (const Wait& wait : locker.waits) {
      bool closed = false;
      const auto visit = [&](const Locker& next) {
        closed = &next == &member;
        if (!closed && seen.insert(&next).second) steps.push_back({&next, at, &wait});
        return closed;
      };
      if (&locker == &member) {  // Another wait of its own in the queue closes no cycle.
        forEachBlocker(wait,
                       [&](const Locker& next, const Hold*, const Wait*) { return visit(next); });
      } else {
        blockers.forEachNew(wait, visit);
      }
      if (!closed) continue;

      std::vector<WaitEdge> cycle{{steps[at].locker->id, wait.entry()->target, wait.type()}};
      for (std::size_t step = at; step != 0; step = steps[step].from) {
        const Wait& by = *steps[step].by;
        cycle.push_back({by.locker()->id, by.entry()->target, by.type()});
      }
      std::reverse(cycle.begin(), cycle.end());
      return cycle;
    }
  }
  return {};
}

}  // namespace

std::vector<WaitEdge> WaitGraph::cycleThrough(const Locker& member) {
  return shortestCycle({{&member, 0, nullptr}});
}

std::vector<WaitEdge> WaitGraph::cycleThrough(const Locker& requester, const Blocker& first) {
  return shortestCycle({{&requester, 0, nullptr}, {first.locker, 0, first.via}});
}

LockTarget obtainedIn(const std::vector<WaitEdge>& cycle, const Locker& member) {
  if (cycle.empty()) return {};
  const WaitEdge& last = cycle.back();
  for (const auto& [entry, place] : member.contended) {
    if (entry->target != last.target) continue;
    return compatible(place.hold->type(), last.wanted) ? LockTarget{} : last.target;
  }
  return {};
}

}  // namespace nephrite::lock_table

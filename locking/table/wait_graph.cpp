#include "locking/table/wait_graph.h"

#include <algorithm>
#include <deque>

namespace nephrite::lock_table {

// Marks every locker that waits for `requester`, directly or through others. Walking against
// the edges makes the common case free: a newcomer that holds nothing anybody wants, at the
// tail of a queue however long, has nobody behind it.
bool WaitGraph::markWaitersFor(Locker& requester) {
  ++search_;
  bool any = false;
  std::vector<Locker*> toVisit{&requester};
  const auto reach = [&](Locker& locker) {
    if (&locker == &requester || locker.mark == search_) return;
    locker.mark = search_;
    any = true;
    toVisit.push_back(&locker);
  };

  while (!toVisit.empty()) {
    Locker& locker = *toVisit.back();
    toVisit.pop_back();
    for (const Entry* const entry : locker.contended) {
      const LockType held = holdOn(*entry, locker)->type();
      for (const Wait& wait : entry->queue) {
        if (!compatible(held, wait.type())) reach(*wait.locker);
      }
    }
    for (const Wait& wait : locker.waits) {
      auto behind = std::next(wait.entry->queue.iterator_to(wait));
      for (; behind != wait.entry->queue.end(); ++behind) reach(*behind->locker);
    }
  }
  return any;
}

Wait* WaitGraph::waitTowardsMarked(Locker& blocker, const Locker& requester) const {
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

std::vector<WaitGraph::Blocker> WaitGraph::blockersOnCycle(Locker& requester) {
  std::vector<Blocker> found;
  if (!markWaitersFor(requester)) return found;
  for (Wait& wait : requester.waits) {
    forEachBlocker(wait, [&](Locker& blocker, const Hold*, const Wait*) {
      const bool known = std::any_of(found.begin(), found.end(),
                                     [&](const Blocker& b) { return b.locker == &blocker; });
      if (blocker.mark == search_ && !known) {
        found.push_back({&blocker, waitTowardsMarked(blocker, requester), &wait});
      }
      return false;
    });
  }
  return found;
}

namespace {

struct Step {
  const Locker* locker;
  std::size_t from;  // Index of the step before; the first step has none.
  const Wait* by;    // The wait of the step before that led here.
};

// The shortest way on from the last of `steps` back to the first.
std::vector<WaitEdge> shortestCycle(std::deque<Step> steps) {
  const Locker& member = *steps.front().locker;
  boost::unordered_flat_map<const Locker*, bool> seen;
  for (const Step& step : steps) seen.emplace(step.locker, true);

  for (std::size_t at = steps.size() - 1; at < steps.size(); ++at) {
    for (const Wait& wait : steps[at].locker->waits) {
      bool closed = false;
      forEachBlocker(wait, [&](const Locker& next, const Hold*, const Wait*) {
        closed = &next == &member;
        if (!closed && seen.emplace(&next, true).second) steps.push_back({&next, at, &wait});
        return closed;
      });
      if (!closed) continue;

      std::vector<WaitEdge> cycle{{steps[at].locker->id, wait.entry->target, wait.type()}};
      for (std::size_t step = at; step != 0; step = steps[step].from) {
        const Wait& by = *steps[step].by;
        cycle.push_back({by.locker->id, by.entry->target, by.type()});
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
  for (const Entry* const entry : member.contended) {
    if (entry->target != last.target) continue;
    return compatible(holdOn(*entry, member)->type(), last.wanted) ? LockTarget{} : last.target;
  }
  return {};
}

}  // namespace nephrite::lock_table

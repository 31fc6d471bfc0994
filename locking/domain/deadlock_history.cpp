#include "locking/domain/deadlock_history.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>

#include "locking/domain/lock_table.h"

namespace nephrite::lock_table {
namespace {

/// Copies the part of the table that a deadlock is about.
class Snapshot {
 public:
  Snapshot(DeadlockRecord& record, const WaitGraph& graph, Instant now)
      : record_(record), graph_(graph), now_(now) {
    for (const WaitEdge& edge : record.cycle) onCycle_.insert(edge.locker.value);
  }

  void take(const Locker& requester) {
    findEntries(requester);
    for (const Entry* const entry : entries_) {
      takeHolds(*entry);
      takeQueue(*entry);
    }
    for (const Entry* const entry : entries_) {
      if (hasMarksInTheWay(*entry)) takeBelow(*entry->place);
    }
  }

 private:
  static bool hasMarksInTheWay(const Entry& entry) {
    return entry.subtreeWaits > 0 && entry.place != nullptr;
  }
  bool isOnCycle(const Locker& locker) const { return onCycle_.contains(locker.id.value); }

  // First the holds that the cycle waits for; then those that others wait for, which wait for the
  // requester.
  void findEntries(const Locker& requester) {
    addEntriesOf(requester, true);
    for (const bool cycle : {true, false}) {
      for (std::size_t at = 0; at < entries_.size(); ++at) {  // Grows meanwhile.
        for (const Hold& hold : entries_[at]->holders) follow(hold.locker(), cycle);
        for (const Wait& wait : entries_[at]->queue) follow(*wait.locker(), cycle);
        if (!hasMarksInTheWay(*entries_[at])) continue;
        for (const Mark& mark : entries_[at]->place->inOrder) follow(*mark.locker, cycle);
      }
    }
  }

  void follow(const Locker& locker, bool cycle) {
    if (cycle ? isOnCycle(locker) : graph_.waitsForRequester(locker)) addEntriesOf(locker, cycle);
  }

  void addEntriesOf(const Locker& locker, bool cycle) {
    forEachWaitOf(locker, [&](const Wait& wait) {
      if (seen_.contains(wait.entry())) return false;
      if (!cycle && others_ == DeadlockRecord::kMoreTargets) {
        record_.truncated = true;
        return true;
      }
      others_ += cycle ? 0 : 1;
      seen_.insert(wait.entry());
      entries_.push_back(wait.entry());
      return false;
    });
  }

  // `others` counts the lockers of one target that are not on the cycle.
  bool isKept(const Locker& locker, std::size_t& others) {
    if (isOnCycle(locker)) return true;
    if (others++ < DeadlockRecord::kOthers) return true;
    record_.truncated = true;
    return false;
  }

  void takeHolds(const Entry& entry) {
    std::size_t others = 0;
    for (const Hold& hold : entry.holders) {
      // Few holders do more than share: they may be what the queue waits for.
      if (hold.type() == LockType::Share && !isKept(hold.locker(), others)) continue;
      takeHold(hold, entry);
    }
  }

  void takeHold(const Hold& hold, const Entry& entry) {
    if (!taken_.insert(&hold).second) return;
    DeadlockHold taken;
    taken.target = entry.target;
    taken.locker = hold.locker().id;
    taken.type = hold.type();
    taken.session = hold.sessionType();
    taken.acquired = hold.acquired();
    taken.age = now_ - hold.since();
    taken.upgradedByCommit = isUpgradedByCommit(hold);
    const HeldTypes below = belowOf(hold, entry);
    taken.below = below.type;
    taken.belowSession = below.session;
    record_.holds.push_back(taken);
    takePlace(entry.place);
  }

  // Of each locker with locks below `place`, which may be in the way there, the strongest.
  void takeBelow(const Place& place) {
    std::size_t others = 0;
    for (const Mark& mark : place.inOrder) {
      const LockType held = mark.held.strongest();
      if (held == LockType::Get || !isKept(*mark.locker, others)) continue;
      const auto& candidates = mark.locker->contended;
      if (looked_ + candidates.size() > DeadlockRecord::kMostLooked) {
        record_.truncated = true;
        continue;
      }
      looked_ += candidates.size();
      const std::pair<const Entry* const, HolderPlace>* first = nullptr;
      for (const auto& each : candidates) {
        const auto& [entry, at] = each;
        if (at.hold->type() != held || entry->place == nullptr) continue;
        if (!entry->place->isBelow(place)) continue;
        if (first == nullptr || isBefore(each, *first)) first = &each;
      }
      if (first != nullptr) takeHold(*first->second.hold, *first->first);
    }
  }
  template <typename Held>
  static bool isBefore(const Held& a, const Held& b) {
    const std::uint64_t order = a.second.hold->acquired(), other = b.second.hold->acquired();
    return order != other ? order < other : a.first->target < b.first->target;
  }

  // From the root down.
  void takePlace(const Place* place) {
    if (place == nullptr || place->parent == nullptr || !placed_.insert(place).second) return;
    takePlace(place->parent);
    record_.places.push_back({place->entry->target, place->parent->entry->target});
  }

  static bool isUpgradedByCommit(const Hold& hold) {
    const CommitUpgrade* const commit = hold.locker().commit;
    if (commit == nullptr) return false;
    return std::find(commit->upgraded.begin(), commit->upgraded.end(), &hold) !=
           commit->upgraded.end();
  }

  void takeQueue(const Entry& entry) {
    std::size_t others = 0;
    for (const Wait& wait : entry.queue) {
      if (!isKept(*wait.locker(), others)) continue;
      DeadlockWait taken;
      taken.target = entry.target;
      taken.locker = wait.locker()->id;
      taken.wanted = wait.type();
      taken.duration = wait.duration();
      taken.upgrade = wait.upgrade;
      taken.commit = wait.commit() != nullptr;
      taken.asked = wait.sequence;
      taken.age = now_ - wait.since();
      taken.priority = wait.priority();
      taken.timeout = wait.timeout();
      taken.background = wait.isBackground();
      const Entry& goal = wait.locker()->table->goalOf(wait);
      taken.scope = wait.isSubtree != 0 ? LockScope::Subtree : LockScope::Node;
      takePlace(goal.place);
      if (wait.isMark != 0) {
        taken.goal = goal.target;
        // What it would have more of.
        if (const Hold* const own = holdOn(goal, *wait.locker())) takeHold(*own, goal);
      }
      record_.waits.push_back(taken);
    }
  }

  DeadlockRecord& record_;
  const WaitGraph& graph_;
  const Instant now_;
  boost::unordered_flat_set<std::uint64_t> onCycle_;
  boost::unordered_flat_set<const Entry*> seen_;
  std::vector<const Entry*> entries_;
  boost::unordered_flat_set<const Hold*> taken_;
  boost::unordered_flat_set<const Place*> placed_;
  std::size_t others_ = 0;
  std::size_t looked_ = 0;
};

}  // namespace

void DeadlockHistory::begin(const Locker& requester, const WaitGraph& graph, const Locker* victim,
                            bool doubled, const Clock& clock) {
  ++count_;
  if (kept_ == 0) return;
  if (records_.size() == kept_) records_.pop_front();

  const auto record = std::make_shared<DeadlockRecord>();
  record->number = count_;
  record->at = clock.wallNow();
  record->doubled = doubled;
  record->requester = requester.id;
  record->cycle = WaitGraph::cycleThrough(requester, *victim);
  Snapshot(*record, graph, clock.now()).take(requester);
  records_.push_back(record);
}

void DeadlockHistory::addVictim(LockerId victim) {
  if (!records_.empty()) records_.back()->victims.push_back(victim);
}

std::vector<std::shared_ptr<const DeadlockRecord>> DeadlockHistory::list(
    std::size_t maxEntries) const {
  const std::size_t count = std::min(maxEntries, records_.size());
  return {records_.rbegin(), records_.rbegin() + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace nephrite::lock_table

#include "locking/domain/deadlock_history.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>

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
  }

 private:
  bool isOnCycle(const Locker& locker) const { return onCycle_.contains(locker.id.value); }

  // First the holds that the cycle waits for; then those that others wait for, which wait for the
  // requester.
  void findEntries(const Locker& requester) {
    addEntriesOf(requester, true);
    for (const bool cycle : {true, false}) {
      for (std::size_t at = 0; at < entries_.size(); ++at) {  // Grows meanwhile.
        for (const Hold& hold : entries_[at]->holders) follow(hold.locker(), cycle);
        for (const Wait& wait : entries_[at]->queue) follow(*wait.locker(), cycle);
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
      DeadlockHold taken;
      taken.target = entry.target;
      taken.locker = hold.locker().id;
      taken.type = hold.type();
      taken.session = hold.sessionType();
      taken.acquired = hold.acquired();
      taken.age = now_ - hold.since();
      taken.upgradedByCommit = isUpgradedByCommit(hold);
      record_.holds.push_back(taken);
    }
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
      record_.waits.push_back(taken);
    }
  }

  DeadlockRecord& record_;
  const WaitGraph& graph_;
  const Instant now_;
  boost::unordered_flat_set<std::uint64_t> onCycle_;
  boost::unordered_flat_set<const Entry*> seen_;
  std::vector<const Entry*> entries_;
  std::size_t others_ = 0;
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

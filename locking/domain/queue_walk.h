#pragma once

// Private to locking.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "locking/table/hold_table.h"

namespace nephrite::lock_table {

/// LockManager::queuedRequests(), a page at a time; between two pages others go on.
struct QueueWalk {
  explicit QueueWalk(std::size_t maxEntries) : most(maxEntries) {}

  /// Makes room for a page, and puts into order what was found; under no lock.
  void beginPage();

  const std::size_t most;
  std::vector<LockInfo> seen;
  bool isFirst = true;              ///< Of the pages.
  HoldTable::Walk table;            ///< Looks for targets with a queue ...
  bool hasTargets = false;          ///< ... until it has found them all;
  std::vector<LockTarget> targets;  ///< in order from the next page on.
  bool isOrdered = false;
  std::size_t next = 0;  ///< Of these.
  struct Last {
    LockerId locker;
    std::uint64_t sequence = 0;  ///< 0: none.
    bool isUpgrade = false;
  } last;  ///< Of its queue.
};

/// LockManager::locksHeld(), without its mutex: others wait for no more than a page.
std::vector<LockInfo> locksHeld(const HoldTable& holds, const Clock& clock, std::size_t most);

}  // namespace nephrite::lock_table

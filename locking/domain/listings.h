#pragma once

// Private to locking.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "locking/lock_page.h"
#include "locking/table/hold_table.h"

namespace nephrite::lock_table {

/// LockManager::locksHeld(), without its mutex: others wait for no more than a page of the table.
std::vector<LockInfo> locksHeld(const HoldTable& holds, const Clock& clock, std::size_t most);
/// The same of the next `most` after a cursor, in the order of a walk.
LockPage locksHeld(const HoldTable& holds, const Clock& clock, const LockCursor& after,
                   std::size_t most);

LockCursor cursorBehind(const Wait& wait);

/// LockManager::queuedRequests(), a part at a time; between two parts others go on.
struct QueueWalk {
  explicit QueueWalk(std::size_t maxEntries) : most(maxEntries) {}

  /// Makes room for a part, and puts into order what was found; under no lock.
  void beginPart();

  const std::size_t most;
  std::vector<LockInfo> seen;
  HoldTable::Walk table;            ///< Looks for targets with a queue ...
  bool hasTargets = false;          ///< ... until it has found them all;
  std::vector<LockTarget> targets;  ///< in order from the next part on.
  bool isOrdered = false;
  std::size_t next = 0;  ///< Of these.
  LockCursor last;       ///< Of its queue.
};

/// A page of a listing, filled a part at a time; between two parts others go on.
class PageWalk {
 public:
  PageWalk(const LockCursor& after, std::size_t most) : at(after), most_(most) {}

  /// Makes room for a part; under no lock.
  void beginPart();
  /// False when the page is full: that one is for the next page.
  bool add(const LockInfo& lock, const LockCursor& behind);
  LockPage take() { return std::move(page_); }

  LockCursor at;  ///< Behind what has been listed.

 private:
  const std::size_t most_;
  LockPage page_;
};

/// One of LockManager::queuedRequests().
struct QueuePage : PageWalk {
  QueuePage(const LockCursor& after, std::size_t most);
  void beginPart();

  /// When so few wait their targets are found without a walk.
  static constexpr std::size_t kFewWaits = 4 * HoldTable::kPage;
  HoldTable::Walk table;
  bool isWalking = false;
  bool hasAll = false;              ///< `targets` are the last ones.
  std::vector<LockTarget> targets;  ///< With a queue, in the order of a walk from `next` on.
  bool isOrdered = true;
  std::size_t next = 0;
};

}  // namespace nephrite::lock_table

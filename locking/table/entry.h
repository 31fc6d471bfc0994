#pragma once

// Private to locking: a target that the slow path decides about.

#include <cstdint>
#include <iterator>

#include "locking/table/lock_nodes.h"
#include "locking/table/mode_table.h"

namespace nephrite::lock_table {

/// A target that a request waits for, or that more lockers hold than a chain should have. Decisions
/// about it cost the same however many hold it or wait.
struct Entry : Node {
  const ModeTable* modes = &kJadeModes;
  HolderList holders;
  Queue queue;  ///< Upgrades first, then newcomers; each in the order of asking.
  /// The holder in another mode than the common one: others in such are ancestors of its locker.
  Hold* aboveCommon = nullptr;
  Wait* lastUpgrade = nullptr;  ///< Of the queue.
  Place* place = nullptr;       ///< Among others, above and below; null: it has none.
  std::uint32_t holderCount = 0;
  std::uint32_t favoured = 0;      ///< Waits of the queue that are `favoured`.
  std::uint32_t leases = 0;        ///< Holds that have one.
  std::uint32_t subtreeWaits = 0;  ///< Waits of the queue for all that is below.
  std::uint32_t momentary = 0;     ///< Holds that are.
  std::uint32_t watches = 0;       ///< Those who want to know all that happens: see LockWatch.

  Queue::iterator afterUpgrades() {
    return lastUpgrade == nullptr ? queue.begin() : std::next(queue.iterator_to(*lastUpgrade));
  }
  void enter(Wait& wait, Queue::iterator before) {
    if (wait.upgrade != 0 && before == afterUpgrades()) lastUpgrade = &wait;
    queue.insert(before, wait);
    if (wait.isSubtree != 0 && wait.isMark == 0) ++subtreeWaits;
    if (wait.favoured != 0) ++favoured;
  }
  void leave(Wait& wait);

  /// With more holders than the first a chain becomes an entry; with fewer than the second an entry
  /// without a queue becomes a chain.
  static constexpr std::uint32_t kCrowd = 256, kNoCrowd = 128;
  /// So many are looked through as quickly as the place of one is looked up.
  static constexpr std::uint32_t kFew = 8;
  bool hasFew() const { return holderCount <= kFew; }
  /// The fast path knows neither leases, momentary locks and watches, nor families that share what
  /// strangers could not.
  bool isNeeded() const {
    return !queue.empty() || holderCount >= kNoCrowd || (leases | momentary | watches) != 0 ||
           place != nullptr || isSharedInFamily();
  }
  bool isSharedInFamily() const;  // Defined in locker.h.
};
static_assert(sizeof(Entry) == 96);

/// Of a hold that an Entry has: its place among the holders, known to its locker.
struct HolderPlace {
  Hold* hold = nullptr;
  Hold* before = nullptr;  ///< In the ring; not kept while the entry has few.
};

}  // namespace nephrite::lock_table

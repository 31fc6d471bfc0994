#include "locking/table/entry.h"

#include <iterator>

namespace nephrite::lock_table {

Queue::iterator Entry::afterUpgrades() {
  if (lastUpgrade == nullptr) return queue.begin();
  return std::next(queue.iterator_to(*lastUpgrade));
}

void Entry::enter(Wait& wait, Queue::iterator before) {
  const bool isLastUpgrade = wait.upgrade != 0 && before == afterUpgrades();
  queue.insert(before, wait);
  if (isLastUpgrade) lastUpgrade = &wait;
  if (wait.wanted().isSubtree) ++subtreeWaits;
  if (wait.favoured != 0) ++favoured;
}

void Entry::leave(Wait& wait) {
  const auto at = queue.iterator_to(wait);
  if (lastUpgrade == &wait) {  // Newcomers may stand between upgrades, where there is a tree.
    lastUpgrade = nullptr;
    for (auto before = at; lastUpgrade == nullptr && before != queue.begin();) {
      if ((--before)->upgrade != 0) lastUpgrade = &*before;
    }
  }
  queue.erase(at);
  if (wait.wanted().isSubtree) --subtreeWaits;
  if (wait.favoured != 0) --favoured;
}

}  // namespace nephrite::lock_table

#include "locking/table/entry.h"

#include <iterator>

namespace nephrite::lock_table {

void Entry::leave(Wait& wait) {
  const auto at = queue.iterator_to(wait);
  if (lastUpgrade == &wait) {  // Newcomers may stand between upgrades, where there is a tree.
    lastUpgrade = nullptr;
    for (auto before = at; lastUpgrade == nullptr && before != queue.begin();) {
      if ((--before)->upgrade != 0) lastUpgrade = &*before;
    }
  }
  queue.erase(at);
  if (wait.isSubtree != 0 && wait.isMark == 0) --subtreeWaits;
  if (wait.favoured != 0) --favoured;
}

}  // namespace nephrite::lock_table

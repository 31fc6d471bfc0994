#pragma once

// Private to locking: what is in whose way.

#include "locking/table/mode_table.h"

namespace nephrite::lock_table {

/// What a request wants of the target where it stands.
struct Wanted {
  LockType type = LockType::Share;
  bool isSubtree = false;  ///< Also all that is below.
  bool isMark = false;     ///< To go on to something below, and nothing of the target itself.
  bool isGated = false;    ///< Looks at what is held alone, not at who waits.
};

/// Of requests of two lockers in one queue: is one ahead in the way of one behind?
inline bool excludes(const ModeTable& modes, Wanted ahead, Wanted behind) {
  if (!ahead.isMark && !behind.isMark) return true;
  const bool meet = ahead.isMark ? behind.isSubtree : ahead.isSubtree;
  return meet && modes.excludes(ahead.type, behind.type);
}

}  // namespace nephrite::lock_table

#pragma once

// Private to locking: what is in whose way.

#include "locking/lock_type.h"

namespace nephrite::lock_table {

/// What a request wants of the target where it stands.
struct Wanted {
  LockType type = LockType::Share;
  bool isSubtree = false;  ///< Also all that is below.
  bool isMark = false;     ///< To go on to something below, and nothing of the target itself.
  bool isGated = false;    ///< Looks at what is held alone, not at who waits.
};

/// Is what is held, perhaps nothing, in the way of a request?
inline bool excludes(LockType held, LockType asked) {
  return held != LockType::Get && !compatible(held, asked);
}

/// Of requests of two lockers in one queue: is one ahead in the way of one behind?
inline bool excludes(Wanted ahead, Wanted behind) {
  if (!ahead.isMark && !behind.isMark) return true;
  const bool meet = ahead.isMark ? behind.isSubtree : ahead.isSubtree;
  return meet && !compatible(ahead.type, behind.type);
}

}  // namespace nephrite::lock_table

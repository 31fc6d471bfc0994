#pragma once

// Private to locking.

#include <bit>
#include <cstddef>
#include <cstdint>

#include "locking/table/lock_nodes.h"

namespace nephrite::lock_table {

/// Where a walk over a HoldTable has come to. Targets are let go and locked between two pages of
/// it: a hold that is there all the while is seen once.
///
/// Order: segments one after the other, in each the heads by their numbers with the bits reversed.
///        So in a table with more or fewer heads the targets come in the same order; and the
///        targets of a head come by the bits of the hash that would choose among more heads.
class TableWalk {
 public:
  static constexpr std::size_t kSegments = 256;

  TableWalk() = default;
  /// Goes on with those holds of `target` that were acquired later than `acquired`.
  TableWalk(LockTarget target, std::uint64_t acquired)
      : segment_(segmentOf(target)), at_(orderOf(target)), acquired_(acquired) {}

  bool isOver() const { return segment_ == kSegments; }
  /// Does a walk come to `a` before `b`?
  static bool isVisitedBefore(LockTarget a, LockTarget b) {
    if (segmentOf(a) != segmentOf(b)) return segmentOf(a) < segmentOf(b);
    return isBefore(orderOf(a), orderOf(b));
  }

 private:
  friend class HoldTable;
  static std::size_t segmentOf(LockTarget target) { return hashOf(target) >> 56; }
  /// Of the targets of one segment: what counts is the lowest bit that differs.
  static std::uint64_t orderOf(LockTarget target) { return std::rotr(hashOf(target), 28); }
  static bool isBefore(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t differs = a ^ b;
    return (b & differs & (0 - differs)) != 0;
  }
  bool hasPassed(std::uint64_t at) const {
    return isPast_ ? !isBefore(at_, at) : isBefore(at, at_);
  }

  std::size_t segment_ = 0;
  std::uint64_t at_ = 0;        // As orderOf(); or the number of a head, which is its beginning.
  bool isPast_ = false;         // The target that stands there has been seen.
  std::uint64_t acquired_ = 0;  // Of the last of its holds that has been; 0: none has.
};

}  // namespace nephrite::lock_table

#pragma once

#include <array>

#include "runtime/local/object_space.h"

namespace nephrite {

/// The locks of one process in a database of the same program, without a message: what can be
/// decided at once is, in some ten nanoseconds; whatever else there is to do goes through Database.
///
/// Threads: any. Must not outlive its Database.
class QuickLocks {
 public:
  QuickLocks(ObjectSpace& persistent, ObjectSpace& shared, LockerId locker)
      : tables_{Table{persistent, persistent.locks().seatOf(locker)},
                Table{shared, shared.locks().seatOf(locker)}} {}

  bool isSignedOn() const { return !(tables_[0].seat == nullptr || tables_[1].seat == nullptr); }

  /// True when `target` is locked as asked, and is there. Else nothing was done, and nothing said:
  /// ask Database::lock().
  bool lock(Oid target, LockTerms terms) const {
    const Table& table = tableOf(target);
    return table.space.lockAtOnce(table.seat, target, terms);
  }
  /// True when the object is not locked by the process any more. Else ask Database::unlock().
  bool unlock(Oid target) const {
    const Table& table = tableOf(target);
    return table.space.locks().releaseAtOnce(table.seat, {target.bits()}) != ReleasedAtOnce::Not;
  }
  /// Get when nothing is held.
  LockType held(Oid target) const {
    const Table& table = tableOf(target);
    return table.space.locks().typeHeld(table.seat, {target.bits()});
  }

 private:
  struct Table {
    ObjectSpace& space;
    LockSeat seat;
  };
  const Table& tableOf(Oid oid) const {
    return tables_[oid.lifetime() == Lifetime::Persistent ? 0 : 1];
  }

  const std::array<Table, 2> tables_;
};

}  // namespace nephrite

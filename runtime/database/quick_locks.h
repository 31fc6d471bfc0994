#pragma once

#include "locking/lock_request.h"
#include "objects/change_set.h"

namespace nephrite {

/// The locks of one process in a database of the same program, without a message: what can be
/// decided at once is, in some ten nanoseconds; whatever else there is to do goes through Database.
///
/// Threads: any. Must not outlive its Database.
class QuickLocks {
 public:
  virtual ~QuickLocks() = default;

  /// True when `target` is locked as asked, and is there. Else nothing was done, and nothing said:
  /// ask Database::lock().
  virtual bool lock(Oid target, LockTerms terms) = 0;
  /// The same, without waiting for a disk, for a server that has to tell a client, which knows
  /// `edition` of the object: what is held then (Get: ask Database::lock(), whether it is locked
  /// now or not), and whether that is certainly the latest. What `request` says of its locker is
  /// not looked at.
  struct Grant {
    HeldLock held;
    bool isLatest = false;
  };
  virtual Grant grant(const LockRequest& request, std::uint32_t edition) = 0;
  /// True when the object is not locked by the process any more. Else ask Database::unlock().
  virtual bool unlock(Oid target) = 0;
  /// Get when nothing is held.
  virtual LockType held(Oid target) const = 0;
};

}  // namespace nephrite

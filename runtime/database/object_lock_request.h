#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "locking/lock_request.h"
#include "objects/change_set.h"
#include "objects/oid.h"
#include "runtime/errors/request_failure.h"

namespace nephrite {

/// The answer to a lock request, with what only the database knows.
struct LockReply {
  LockAnswer lock;
  /// When granted: the latest committed edition; null for what its locker has just created.
  RecordPtr record;
  /// There is no such object (any more); this request left no lock on it.
  bool missing = false;
  /// Share was let go for Update and another commit updated the object in between (1146). The
  /// lock is held.
  bool updatedMeanwhile = false;
  /// With a granted lock: it is held, but the object could not be read, or its token not be kept.
  std::optional<RequestFailure> failure;

  bool isGranted() const {
    return lock.outcome == LockOutcome::Granted && !missing && !failure && !updatedMeanwhile;
  }
};
using LockReplyDone = std::function<void(const LockReply&)>;

/// Must the target be there? Not when the locker's open transaction has created it.
enum class Existence : std::uint8_t { Required, CreatedByLocker };

struct ObjectLockRequest {
  LockRequest request;
  Existence existence = Existence::Required;
};

/// Locks asked for one after the other, each when the one before is held, and all in one way.
struct ObjectLockBatch {
  struct Target {
    Oid oid;
    Existence existence = Existence::Required;
  };
  LockRequest request;          ///< Its target does not count.
  std::vector<Target> targets;  ///< Of one lifetime.

  ObjectLockRequest at(std::size_t place) const {
    ObjectLockRequest one{request, targets[place].existence};
    one.request.target = {targets[place].oid.bits()};
    return one;
  }
};
struct LockAllReply {
  std::size_t granted = 0;           ///< So many targets, from the first on.
  std::optional<LockReply> refused;  ///< The next one; what comes after it was not asked for.
};
using LockAllDone = std::function<void(const LockAllReply&)>;

}  // namespace nephrite

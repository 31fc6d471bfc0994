#pragma once

#include <functional>
#include <string>

#include "objects/change_set.h"
#include "runtime/database/object_lock_request.h"
#include "runtime/errors/error_code.h"

namespace nephrite {

/// What became of one step of a session.
struct StepResult {
  enum class Outcome {
    Done,
    Refused,    ///< 1027, at once.
    TimedOut,   ///< 1027, after waiting.
    Deadlock,   ///< 1081.
    Cancelled,  ///< 64005.
    Failed,     ///< `code` says how; 1146 leaves the lock held.
  };
  Outcome outcome = Outcome::Done;
  ErrorCode code{};     ///< Of every outcome but Done.
  bool queued = false;  ///< It stood in a queue before it was answered.
  LockAnswer lock;      ///< Of steps that asked for a lock.
  RecordPtr record;     ///< What a read or change saw; null otherwise.
  std::string failure;  ///< 64007, 64014 to 64026: what was tried on what.
  Oid object;           ///< StaleObject, LockLost: which one.
  CommitId commit;      ///< CommitUnknown: which one.

  bool isDone() const { return outcome == Outcome::Done; }
  /// A lock that is not held, because others have theirs.
  bool isRefusal() const {
    return outcome == Outcome::Refused || outcome == Outcome::TimedOut ||
           outcome == Outcome::Deadlock;
  }
};

/// The same outcome as a step's; the lock answer and whether it queued go along.
StepResult resultOf(const LockAnswer& answer);
StepResult resultOf(const LockReply& reply);

StepResult failed(ErrorCode code);
StepResult failed(RequestFailure why);

/// Called once, when the step is over; possibly before the call that began it returns.
using StepDone = std::function<void(const StepResult&)>;

}  // namespace nephrite

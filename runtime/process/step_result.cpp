#include "runtime/process/step_result.h"

namespace nephrite {

StepResult resultOf(const LockAnswer& answer) {
  StepResult result;
  result.lock = answer;
  result.queued = answer.queued;
  const auto refused = [&](StepResult::Outcome outcome, ErrorCode code) {
    result.outcome = outcome;
    result.code = code;
  };
  switch (answer.outcome) {
    case LockOutcome::Granted: break;
    case LockOutcome::Refused:
      refused(StepResult::Outcome::Refused, ErrorCode::ObjectLocked);
      break;
    case LockOutcome::TimedOut:
      refused(StepResult::Outcome::TimedOut, ErrorCode::ObjectLocked);
      break;
    case LockOutcome::Deadlock: refused(StepResult::Outcome::Deadlock, ErrorCode::Deadlock); break;
    case LockOutcome::Cancelled:
      refused(StepResult::Outcome::Cancelled, ErrorCode::WaitCancelled);
      break;
    case LockOutcome::OverLimit:
      refused(StepResult::Outcome::Failed, answer.limit == LockLimit::LockedObjects
                                               ? ErrorCode::TooManyLockedObjects
                                               : ErrorCode::TooManyLocks);
      break;
    case LockOutcome::Lapsed: refused(StepResult::Outcome::Failed, ErrorCode::LockLapsed); break;
  }
  return result;
}

StepResult resultOf(const LockReply& reply) {
  StepResult result = resultOf(reply.lock);
  if (!result.isDone() && !reply.failure) return result;
  result.record = reply.record;
  if (!reply.failure && !reply.missing && !reply.updatedMeanwhile) return result;
  result.outcome = StepResult::Outcome::Failed;
  if (reply.failure) {
    result.code = reply.failure->code;
    result.failure = reply.failure->what;
    result.object = reply.failure->object;
  } else {
    result.code = reply.missing ? ErrorCode::ObjectDeleted : ErrorCode::UpdatedBeforeUpgrade;
  }
  return result;
}

StepResult failed(ErrorCode code) {
  StepResult result;
  result.outcome = StepResult::Outcome::Failed;
  result.code = code;
  return result;
}

StepResult failed(RequestFailure why) {
  StepResult result = failed(why.code);
  result.failure = std::move(why.what);
  result.object = why.object;
  return result;
}

}  // namespace nephrite

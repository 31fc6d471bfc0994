#include "runtime/process/refusals.h"

#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace nephrite {
namespace {

std::string show(const Database& database, Oid oid) { return database.show(oid); }

DeadlockException deadlockOf(const Database& database, const LockAnswer& answer,
                             LockTimeout asked) {
  std::vector<DeadlockStep> cycle;
  cycle.reserve(answer.cycle.size());
  for (const WaitEdge& edge : answer.cycle) {
    const Oid target = Oid::fromBits(edge.target.value);
    cycle.push_back({database.describe(edge.locker), target, show(database, target), edge.wanted});
  }
  const Oid obtained = Oid::fromBits(answer.obtained.value);
  return DeadlockException(factsOf(database, answer, asked), obtained,
                           obtained.isNull() ? std::string() : show(database, obtained),
                           std::move(cycle));
}

std::string adviceOn(ErrorCode code) {
  switch (code) {
    case ErrorCode::NotInTransaction:
      return "needs transaction state: call beginTransaction(), for a shared transient "
             "beginTransientTransaction(), first";
    case ErrorCode::NullReference: return "the reference is null";
    case ErrorCode::AlreadyInTransaction:
      return "this process is in transaction state already; commit or abort first";
    case ErrorCode::StateMismatch:
      return "the innermost state is not the one to be ended; match endLoad with beginLoad and "
             "endLock with beginLock (commit and abort end them all)";
    case ErrorCode::DurationReserved:
      return "Persistent duration is reserved; use Transaction or Session";
    case ErrorCode::TooManyLocks:
      return "no lock was granted: MaxLocks of [NephriteLocks] are held and waited for; let one "
             "go, "
             "or raise the limit and start the node again";
    case ErrorCode::TooManyLockedObjects:
      return "no lock was granted: MaxLockedObjects of [NephriteLocks] are locked or waited for; "
             "let "
             "one go, or raise the limit and start the node again";
    case ErrorCode::NotLockable:
      return "is a resource, which is locked and holds nothing that can be read or changed";
    case ErrorCode::SystemObject:
      return "is kept by the system; it can be read and locked, not changed";
    default: return std::string(nameOf(code));
  }
}

}  // namespace

LockFacts factsOf(const Database& database, const LockAnswer& answer, LockTimeout asked) {
  const Clock& clock = database.clock();
  LockFacts facts;
  facts.target = Oid::fromBits(answer.request.target.value);
  facts.targetName = show(database, facts.target);
  facts.type = answer.request.type;
  facts.duration = answer.request.duration;
  facts.timeout = asked;
  facts.lockedBy = database.describe(answer.lockedBy);
  facts.lockedType = answer.lockedType;
  facts.lockedFor = clock.now() - answer.lockedSince;
  facts.lockedSince =
      clock.wallNow() - std::chrono::duration_cast<WallTime::duration>(facts.lockedFor);
  facts.waited = answer.waited;
  facts.lockedAt = Oid::fromBits(answer.lockedAt.value);
  facts.lockedBelow = answer.lockedBelow;
  if (!facts.lockedAt.isNull()) facts.lockedAtName = show(database, facts.lockedAt);
  return facts;
}

void throwError(const Database& database, ErrorCode code, Oid target, const std::string& failure) {
  const std::string name = target.isNull() ? std::string() : show(database, target);
  switch (code) {
    case ErrorCode::ObjectDeleted: throw ObjectDeletedException(target, name);
    case ErrorCode::UpdatedBeforeUpgrade: throw UpgradeException(target, name);
    case ErrorCode::WaitCancelled: throw CancelledException(target, name);
    case ErrorCode::StoreFailed: throw StoreFailure(failure);
    case ErrorCode::SchemaConflict: throw SchemaConflictException(failure);
    case ErrorCode::StaleObject: throw StaleObjectException(target, failure);
    case ErrorCode::LockLost:
    case ErrorCode::LockLapsed: throw LockLostException(code, target, failure);
    case ErrorCode::ConnectionLost:
    case ErrorCode::NoAnswer:
    case ErrorCode::ServerRefused: throw ConnectionException(code, failure);
    default:
      if (!failure.empty()) throw UsageException(code, failure);
      throw UsageException(code, (name.empty() ? "" : name + ": ") + adviceOn(code));
  }
}

void throwRefusal(const Database& database, const StepResult& result, Oid target,
                  LockTimeout asked) {
  switch (result.outcome) {
    case StepResult::Outcome::Done: break;
    case StepResult::Outcome::Refused:
    case StepResult::Outcome::TimedOut: throw LockException(factsOf(database, result.lock, asked));
    case StepResult::Outcome::Deadlock: throw deadlockOf(database, result.lock, asked);
    case StepResult::Outcome::Cancelled:
      throwError(database, ErrorCode::WaitCancelled,
                 target.isNull() ? Oid::fromBits(result.lock.request.target.value) : target);
    case StepResult::Outcome::Failed:
      if (result.code == ErrorCode::CommitUnknown) {
        throw CommitUnknownException(result.commit, result.failure);
      }
      throwError(database, result.code, result.object.isNull() ? target : result.object,
                 result.failure);
  }
  checkFailed("a refusal that is none", __FILE__, __LINE__);
}

std::string describe(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

void logFailure(std::string_view event, std::string_view subject,
                FunctionRef<void()> action) noexcept {
  try {
    action();
  } catch (...) {
    try {
      log(LogLevel::Error, event,
          {{"at", std::string(subject)}, {"reason", describe(std::current_exception())}});
    } catch (...) {
      // No memory for the line either: it cannot be told at all.
    }
  }
}

}  // namespace nephrite

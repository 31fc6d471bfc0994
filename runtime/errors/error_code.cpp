#include "runtime/errors/error_code.h"

namespace nephrite {

std::string_view nameOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::NotInTransaction: return "not in transaction state";
    case ErrorCode::ObjectLocked: return "object locked";
    case ErrorCode::ObjectDeleted: return "object deleted";
    case ErrorCode::Deadlock: return "deadlock";
    case ErrorCode::NullReference: return "null reference";
    case ErrorCode::ContentionStatsTaken: return "contention statistics run by another process";
    case ErrorCode::UpdatedBeforeUpgrade: return "object updated before the lock upgrade completed";
    case ErrorCode::AutomaticLockIgnored: return "automatic lock ignored";
    case ErrorCode::LockNotContinuable: return "lock cannot be continued";
    case ErrorCode::InvalidHandlerAction: return "invalid handler action";
    case ErrorCode::IndexOutOfBounds: return "index out of bounds";
    case ErrorCode::EntryNotFound: return "entry not found";
    case ErrorCode::DuplicateMember: return "duplicate member";
    case ErrorCode::DuplicateKey: return "duplicate key";
    case ErrorCode::AlreadyInTransaction: return "already in transaction state";
    case ErrorCode::StateMismatch: return "load or lock state does not match";
    case ErrorCode::DurationReserved: return "lock duration reserved";
    case ErrorCode::TooManyHandlers: return "too many exception handlers";
    case ErrorCode::WaitCancelled: return "wait cancelled";
    case ErrorCode::NotSignedOn: return "not signed on";
    case ErrorCode::StoreFailed: return "store failed";
    case ErrorCode::NoSuchClass: return "no such class";
    case ErrorCode::NoSuchProperty: return "no such property";
    case ErrorCode::WrongValueType: return "wrong value type";
    case ErrorCode::NotThisCollectionKind: return "not a collection of this kind";
    case ErrorCode::SystemObject: return "system object";
    case ErrorCode::UsedByTwoThreads: return "process used by two threads";
    case ErrorCode::ConnectionLost: return "connection lost";
    case ErrorCode::CommitUnknown: return "commit unknown";
    case ErrorCode::NoAnswer: return "no answer";
    case ErrorCode::ServerRefused: return "server refused";
    case ErrorCode::TooManyLockers: return "too many lockers";
    case ErrorCode::TooManyLocks: return "too many locks";
    case ErrorCode::TooManyLockedObjects: return "too many locked objects";
    case ErrorCode::LockLapsed: return "lock lapsed";
    case ErrorCode::ChangedByRelative: return "object changed in another transaction of the family";
    case ErrorCode::NotLockable: return "cannot be locked or changed in this way";
    case ErrorCode::SchemaConflict: return "schema conflict";
    case ErrorCode::StaleObject: return "object changed by another process";
    case ErrorCode::LockLost: return "lock lost";
    case ErrorCode::TooLarge: return "too large";
  }
  return "unknown error";
}

}  // namespace nephrite

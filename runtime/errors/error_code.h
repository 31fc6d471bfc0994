#pragma once

#include <string_view>

namespace nephrite {

/// The number an exception carries. JADE's where JADE has one; from 64001 on our own.
///
/// Source: docs/errors.md, which says for each what it means and what to do.
enum class ErrorCode : int {
  NotInTransaction = 1026,
  ObjectLocked = 1027,
  ObjectDeleted = 1072,
  Deadlock = 1081,
  NullReference = 1090,
  ContentionStatsTaken = 1131,
  UpdatedBeforeUpgrade = 1146,
  AutomaticLockIgnored = 1224,
  LockNotContinuable = 1225,
  InvalidHandlerAction = 1238,
  IndexOutOfBounds = 1300,
  EntryNotFound = 1301,
  DuplicateMember = 1309,
  DuplicateKey = 1310,
  AlreadyInTransaction = 64001,
  StateMismatch = 64002,
  DurationReserved = 64003,
  TooManyHandlers = 64004,
  WaitCancelled = 64005,
  NotSignedOn = 64006,
  StoreFailed = 64007,
  NoSuchClass = 64008,
  NoSuchProperty = 64009,
  WrongValueType = 64010,
  NotThisCollectionKind = 64011,
  SystemObject = 64012,
  UsedByTwoThreads = 64013,
  ConnectionLost = 64014,
  CommitUnknown = 64015,
  NoAnswer = 64016,
  ServerRefused = 64017,
  TooManyLockers = 64018,
  TooManyLocks = 64019,
  TooManyLockedObjects = 64020,
  LockLapsed = 64021,
  ChangedByRelative = 64022,
  NotLockable = 64023,
  SchemaConflict = 64024,
  StaleObject = 64025,
  LockLost = 64026,
  TooLarge = 64027,
};

inline int numberOf(ErrorCode code) { return static_cast<int>(code); }

/// What went wrong, in a few words: "object locked".
std::string_view nameOf(ErrorCode code);

}  // namespace nephrite

#pragma once

#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/clock.h"
#include "locking/lock_request.h"
#include "objects/change_set.h"
#include "objects/oid.h"
#include "runtime/errors/error_code.h"
#include "runtime/errors/process_info.h"

namespace nephrite {

/// Base of what an application can catch from us. One class for each way of reacting.
///
/// what() is a sentence that an operator can act on; errorCode() is the number in
/// docs/errors.md, JADE's where JADE has one.
class SystemException : public std::runtime_error {
 public:
  SystemException(ErrorCode code, const std::string& message)
      : std::runtime_error(message), code_(code) {}
  int errorCode() const noexcept { return numberOf(code_); }
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

/// The facts of a lock that was not granted. Values: they outlive the processes they name.
struct LockFacts {
  Oid target;
  std::string targetName;  ///< "Order/2048.7".
  LockType type = LockType::Share;
  LockDuration duration = LockDuration::Transaction;
  LockTimeout timeout = LockTimeout::serverDefined();  ///< As asked for, constants included.
  ProcessInfo lockedBy;  ///< One process in the way; its `locker` is null when none was known.
  LockType lockedType = LockType::Get;  ///< What it holds; Get when it waits ahead in the queue.
  WallTime lockedSince{};               ///< When it got that, or began to wait.
  Duration lockedFor{0};                ///< How long that was when the request ended.
  Duration waited{0};                   ///< How long the request stood in the queue.
  /// The object above the target on which `lockedBy` has or wants all that is below; with
  /// `lockedBelow`, an object below it that is in the way of a lock on all of that, if it is known.
  /// Null: it was the target itself. See docs/locking.md, section 9.
  Oid lockedAt;
  std::string lockedAtName;
  bool lockedBelow = false;
};

/// What LockException and DeadlockException have in common. Not a base of which to catch a
/// deadlock as a timeout: see LockException.
///
/// Its sentence is made of its own values at the first call of what(): the end of a deadlock does
/// not wait for text, and the text stays the same when the objects and processes are long gone.
class LockRefusal : public SystemException {
 public:
  const char* what() const noexcept override;
  const LockFacts& facts() const noexcept { return facts_; }
  Oid lockTarget() const noexcept { return facts_.target; }
  LockType lockType() const noexcept { return facts_.type; }
  LockDuration lockDuration() const noexcept { return facts_.duration; }
  LockTimeout lockTimeout() const noexcept { return facts_.timeout; }
  const ProcessInfo& targetLockedBy() const noexcept { return facts_.lockedBy; }

 protected:
  LockRefusal(ErrorCode code, LockFacts facts);

 private:
  struct Text {
    std::once_flag made;
    std::string sentence;
  };
  virtual std::string sentence() const = 0;

  LockFacts facts_;
  std::shared_ptr<Text> text_;  // Of all copies, which any threads may hold.
};

/// The lock was not granted in time (1027). Ask again later, or give up.
///
/// DeadlockException is its sibling, not its child: a handler that asks again must never catch
/// a deadlock, after which only letting go helps.
class LockException : public LockRefusal {
 public:
  explicit LockException(LockFacts facts);

 private:
  std::string sentence() const override;
};

/// One step round a deadlock: `process` waits for `target`.
struct DeadlockStep {
  ProcessInfo process;
  Oid target;
  std::string targetName;
  LockType wanted = LockType::Share;
};

/// A deadlock, in which this process was chosen to give way (1081). Its locks are still held:
/// abort, then try again after a wait of random length.
class DeadlockException : public LockRefusal {
 public:
  DeadlockException(LockFacts facts, Oid obtained, std::string obtainedName,
                    std::vector<DeadlockStep> cycle);
  /// What this process holds and the cycle wants; null when it was in the way only as a waiter.
  Oid obtainedLock() const noexcept { return obtained_; }
  /// The whole cycle, this process first.
  const std::vector<DeadlockStep>& cycle() const noexcept { return cycle_; }

 private:
  std::string sentence() const override;

  Oid obtained_;
  std::string obtainedName_;
  std::vector<DeadlockStep> cycle_;
};

/// Share was let go for Update, and another process committed a change in between (1146). The
/// Update lock is held; what was read before is out of date. Continuable: read again and go on.
class UpgradeException : public SystemException {
 public:
  UpgradeException(Oid target, const std::string& targetName);
  Oid lockTarget() const noexcept { return target_; }

 private:
  Oid target_;
};

/// There is no such object any more (1072).
class ObjectDeletedException : public SystemException {
 public:
  ObjectDeletedException(Oid target, const std::string& targetName);
  Oid target() const noexcept { return target_; }

 private:
  Oid target_;
};

/// The program asked for what makes no sense here: a change outside a transaction (1026), say, or a
/// wrong name, type or index; docs/errors.md names them all. Mend the program.
class UsageException : public SystemException {
  using SystemException::SystemException;
};

/// The wait was cancelled by a stop token, by sign-off or by the node's end (64005).
class CancelledException : public SystemException {
 public:
  CancelledException(Oid target, const std::string& targetName);
  Oid lockTarget() const noexcept { return target_; }

 private:
  Oid target_;
};

/// The store failed: disk full, damaged file (64007). No process sees the change; the transaction
/// is still open and its locks are held. After a failed write nothing more is committed until the
/// store is opened again; then the change is there whole, or not at all.
class StoreFailure : public SystemException {
 public:
  explicit StoreFailure(const std::string& message)
      : SystemException(ErrorCode::StoreFailed, message) {}
};

/// A class or property exists with another type, kind or number, or the class of a changed object
/// is not known to the store (64024). Nothing was changed. Mend the definition.
class SchemaConflictException : public SystemException {
 public:
  explicit SchemaConflictException(const std::string& message)
      : SystemException(ErrorCode::SchemaConflict, message) {}
};

/// Another process has changed or deleted target() since this transaction read it, which it could
/// because the lock was gone (64025). No process sees the changes; the transaction is still open.
/// Abort it, read again, and do it again.
class StaleObjectException : public SystemException {
 public:
  StaleObjectException(Oid target, const std::string& message)
      : SystemException(ErrorCode::StaleObject, message), target_(target) {}
  Oid target() const noexcept { return target_; }

 private:
  Oid target_;
};

/// The lock on target(), which this transaction has changed, was taken away (64026; what() says by
/// which operator, when and why) or lapsed, for its lease was not renewed (64021). No process sees
/// the changes; the transaction is still open. Abort it; ask the operator before doing it again.
class LockLostException : public SystemException {
 public:
  LockLostException(ErrorCode code, Oid target, const std::string& message)
      : SystemException(code, message), target_(target) {}
  Oid lockTarget() const noexcept { return target_; }

 private:
  Oid target_;
};

/// The server of a client node cannot be reached (64014), did not answer (64016) or refused
/// (64017). After 64014 the process has signed off, its locks are free and its changes dropped:
/// sign on again. what() says which server, why, and since when.
class ConnectionException : public SystemException {
  using SystemException::SystemException;
};

/// The connection was lost between a commit and its answer (64015). The process has signed off;
/// Node::commitOutcome(commit()) tells, when the server can be reached again, what became of it.
class CommitUnknownException : public SystemException {
 public:
  CommitUnknownException(const CommitId& commit, const std::string& message)
      : SystemException(ErrorCode::CommitUnknown, message), commit_(commit) {}
  const CommitId& commit() const noexcept { return commit_; }

 private:
  CommitId commit_;
};

/// A node, or a process, could not sign on because system.nodes, or node.processes, was locked for
/// too long (1027). Says by which process and what to do.
class SignOnException : public LockException {
 public:
  /// `newcomer` is "node \"billing\"", say.
  SignOnException(std::string newcomer, LockFacts facts);

 private:
  std::string sentence() const override;

  std::string newcomer_;
};

/// Thrown through the application's frames when a handler answers AbortAction; caught by
/// Process::run(), the idle point. Deliberately no std::exception: catch (std::exception&) in
/// between must not stop it. Never catch it; destructors run.
class ActionAborted {};

}  // namespace nephrite

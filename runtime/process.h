#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "objects/class_def.h"
#include "runtime/collection.h"
#include "runtime/errors/process_info.h"
#include "runtime/exception_handler.h"
#include "runtime/lock_call.h"
#include "runtime/object.h"
#include "runtime/object_range.h"
#include "runtime/system.h"

namespace nephrite {

class Process;
struct Retry;

/// How a process signs on.
struct ProcessOptions {
  std::string user{};
  std::string name{};
  /// A worker: server-defined waits take BackgroundProcessServerTimeout instead of ServerTimeout.
  bool background = false;
  /// Where callbacks and coroutines of this process go on: given a function, it runs it once,
  /// soon, on a thread of its choosing. Empty, or when it throws: on the node's callback thread,
  /// which all processes of the node share, so what runs there should be short and must not block.
  std::function<void(std::function<void()>)> executor{};
  /// The process is a child of this one, of the same node, for life: what the parent holds is never
  /// in its way. It signs off when its parent does. UsageException (64023): the parent is of
  /// another node, or the eighth generation. Source: docs/locking.md, section 8.
  const Process* parent = nullptr;
  /// Through what its owner came, and what that calls the owner: at most 200 bytes (else
  /// UsageException 64027). For people, in refusals and listings. Empty: as the node signed on.
  std::optional<Face> face{};
  std::string faceOwner{};
  /// Called, where callbacks run, for each lock of this process whose lease has ended.
  std::function<void(const LapsedLock&)> lockLapsed{};
};

/// A process: the owner of locks and of a transaction. Made by Node::signOn(); its end signs it
/// off, which cancels its waits and releases its locks of both durations.
///
/// Shape:   movable handle. Objects made through it work until it signs off; after that they throw
///          UsageException (64006).
/// Waits:   a call that waits sleeps; it never spins. A stop token, sign-off from another thread
///          or the node's end cancels it (CancelledException).
/// Errors:  SystemException and its children, after the armed handlers had their say.
/// Threads: one at a time (checked); signOff() and the asynchronous forms' callbacks: any.
/// Source:  docs/locking.md; JADE manual, "Process class".
class Process {
 public:
  Process() = default;  ///< No process.
  explicit Process(std::shared_ptr<ProcessCore> core);
  ~Process();
  Process(Process&&) noexcept = default;
  Process& operator=(Process&& other) noexcept;

  const ProcessInfo& info() const;
  Oid oid() const { return info().oid; }
  bool isSignedOn() const;
  void signOff();  ///< Harmless when signed off. Aborts what is not committed.
  /// The same, but its locks are its parent's from now on: merged with those that the parent has,
  /// the stronger type, the longer duration and the later lease. Without a parent: signOff().
  void signOffToParent();
  System system() const;

  // --- Transactions ------------------------------------------------------------------------------

  void beginTransaction();  ///< UsageException (64001) when in one already.
  /// Durable, then visible, then unlocked. UsageException (1026) outside a transaction. When an
  /// Update lock cannot become Exclusive (LockException 1027, DeadlockException 1081), the store
  /// fails (StoreFailure 64007) or the commit is refused (LockLostException 64026,
  /// StaleObjectException 64025), the transaction stays open. runtime/transact.h tries again.
  void commitTransaction(std::stop_token stop = {});
  void abortTransaction();  ///< Outside a transaction too: releases Transaction locks.
  bool isInTransactionState() const;

  /// The same for shared transients. The two states know nothing of each other.
  void beginTransientTransaction();
  void commitTransientTransaction(std::stop_token stop = {});
  void abortTransientTransaction();
  bool isInTransientTransactionState() const;

  void beginLoad();
  void endLoad();  ///< UsageException (64002) when the innermost state is not load state.
  bool isInLoadState() const;
  void beginLock();
  void endLock();
  bool isInLockState() const;

  // --- Objects -----------------------------------------------------------------------------------

  std::shared_ptr<const ClassDef> defineClass(const ClassDef& wanted);
  /// UsageException: there is no such class (64008); persistent objects need a transaction, shared
  /// transients a transient transaction, transients neither (1026).
  Object create(std::string_view className, Lifetime lifetime = Lifetime::Persistent);
  Object object(Oid oid) const;  ///< A handle; does not look whether it exists.
  /// Committed persistent instances in Oid order: at most so many, and only those behind `after`,
  /// which is the last one of the page before.
  std::vector<Object> instances(std::string_view className, std::size_t maxEntries = SIZE_MAX,
                                const Object& after = {}) const;
  /// All of them, for a loop, in pages. What is committed meanwhile may be among them or not.
  ObjectRange eachInstance(std::string_view className) const;
  /// What is locked under this name: 1 to 1,024 bytes, any (else UsageException 64023).
  Resource resource(std::string_view name) const;

  // --- Locks -------------------------------------------------------------------------------------

  /// For implicit locks, commits and process-defined timeouts. Returns the previous value.
  LockTimeout setDefaultLockTimeout(LockTimeout timeout);
  void useUpdateLocks(bool on);
  /// The lowest loses in a deadlock; 0 when never set. Apart for persistent objects and shared
  /// transients.
  void setPersistentDeadlockPriority(std::int32_t priority);
  void setTransientDeadlockPriority(std::int32_t priority);
  std::int32_t persistentDeadlockPriority() const;
  std::int32_t transientDeadlockPriority() const;

  /// Locks each object once, in Oid order whatever their order here, so that two processes that
  /// take overlapping vectors never deadlock on them. `wait` is for each lock. When one fails,
  /// those taken by this call are unlocked (kept in transaction, load and lock state, as unlock is
  /// ignored there) and its exception is thrown.
  void lockAll(std::span<const Object> objects, LockType type,
               LockDuration duration = LockDuration::Transaction,
               LockTimeout wait = LockTimeout::processDefined(), std::stop_token stop = {});

  /// Asks and returns; `done` is called exactly once, where callbacks run, never before this
  /// returns. The process may be used meanwhile. Errors of use are thrown here.
  void lockAsync(const Lockable& target, LockCall call, LockCallback done);
  /// As an awaitable: `co_await process.locked(order, {LockType::Exclusive});`
  LockAwaitable locked(const Lockable& target, LockCall call = {});

  // --- Exceptions --------------------------------------------------------------------------------

  /// Local handlers come before global ones, newest first. At most 128 of each at one level, else
  /// UsageException (64004). ResumeNext from a handler armed here is UsageException (1238): C++
  /// cannot go on after the call that this scope made; protect() can.
  ArmedHandler armExceptionHandler(ExceptionHandler handler);
  ArmedHandler armGlobalExceptionHandler(ExceptionHandler handler);

  /// Runs `body` with `handler` armed. False when the handler ended it by ResumeNext.
  bool protect(ExceptionHandler handler, const std::function<void()>& body);

  /// Runs `action` from the idle point: AbortAction comes back to here, leaving the transaction as
  /// it is. False when it did. Outside run(), AbortAction throws the exception itself.
  bool run(const std::function<void()>& action);

 private:
  friend class BackgroundProcess;
  friend class Node;
  friend class Transaction;
  friend class TransientTransaction;
  friend class LoadState;
  friend class LockState;
  friend void runTransaction(Process& process, const std::function<void()>& body,
                             const Retry& retry);
  ProcessCore& core() const;
  const std::shared_ptr<ProcessCore>& shared() const;  ///< Never null.
  std::shared_ptr<ProcessCore> core_;
};

}  // namespace nephrite

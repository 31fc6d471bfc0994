#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>

#include "locking/lock_request.h"
#include "objects/oid.h"
#include "runtime/lock_call.h"

namespace nephrite {

class ProcessCore;
struct NamedResource;

/// What the current process holds on an object.
struct LockStatus {
  LockType type = LockType::Get;  ///< Get: nothing.
  LockDuration duration = LockDuration::Transaction;
  FencingToken token;
  WallTime since{};
  bool held() const { return type != LockType::Get; }
};

/// What one process can lock: an Object, or a Resource.
///
/// Locks:   have Transaction duration unless told otherwise; not counted; kept until commit or
///          abort, in load and lock state until it ends.
/// Errors:  SystemException and its children (runtime/errors/exceptions.h), after the armed
///          handlers; UsageException (1090) from the null reference.
/// Threads: those of its Process: one at a time.
/// Source:  docs/locking.md.
class Lockable {
 public:
  Lockable() = default;  ///< The null reference.

  bool isNull() const { return oid_.isNull(); }
  Oid oid() const { return oid_; }
  std::string toString() const;  ///< "Order/2048.7", "resource nightly run".

  // --- Locks -----------------------------------------------------------------------------------

  // Each waits for as long as `wait` says, or until `stop` is requested.

  void sharedLock(LockTimeout wait = LockTimeout::processDefined(),
                  std::stop_token stop = {}) const;
  void reserveLock(LockTimeout wait = LockTimeout::processDefined(),
                   std::stop_token stop = {}) const;
  void updateLock(LockTimeout wait = LockTimeout::processDefined(),
                  std::stop_token stop = {}) const;
  void exclusiveLock(LockTimeout wait = LockTimeout::processDefined(),
                     std::stop_token stop = {}) const;

  /// LockException (1027), DeadlockException (1081), UpgradeException (1146: the lock is held),
  /// CancelledException (64005); UsageException for Update outside a transaction (1026) and for
  /// Persistent duration (64003).
  void lock(LockType type, LockDuration duration, LockTimeout wait,
            std::stop_token stop = {}) const;

  /// The same with all that a lock can be asked for with, a lease say. UsageException (64023) for a
  /// lease that is no length of time, or longer than LeaseTerms::kLongest.
  void lock(const LockCall& call) const;
  LockOutcome requestLock(const LockCall& call) const;

  /// The same without an exception for a refusal: Granted, or why not: Refused (it could not be
  /// granted at once, and `wait` was immediate), TimedOut, Deadlock or Cancelled. Leaves nothing
  /// queued. UsageException and UpgradeException (the lock is held) are thrown as by lock().
  LockOutcome requestLock(LockType type, LockDuration duration = LockDuration::Transaction,
                          LockTimeout wait = LockTimeout::processDefined(),
                          std::stop_token stop = {}) const;
  /// Was it granted? Unless told otherwise it does not wait.
  bool tryLock(LockType type, LockDuration duration = LockDuration::Transaction,
               LockTimeout wait = LockTimeout::immediate(), std::stop_token stop = {}) const;

  /// The lease of this process's lock counts anew from now on. False: it holds none, or one that
  /// has no lease; perhaps it has just lapsed.
  bool renew() const;

  /// Ignored in transaction, load and lock state, and when nothing is held.
  void unlock() const;

  LockStatus lockStatus() const;  ///< Of this process's own lock only.
  bool isLockedByMe() const { return lockStatus().held(); }

 protected:
  Lockable(std::shared_ptr<ProcessCore> process, Oid oid);
  /// UsageException (1090) for the null reference.
  ProcessCore& core() const {
    if (process_ == nullptr || oid_.isNull()) [[unlikely]]
      refuseNull();
    return *process_;
  }
  const std::shared_ptr<ProcessCore>& process() const { return process_; }

 private:
  friend class LockGuard;
  /// At the end of a scope that raised it: back to `before`, if more is held now.
  void restoreLock(LockType before, LockDuration duration) const noexcept;
  /// The one try of the fast path.
  bool lockedAtOnce(LockType type, LockDuration duration, LockTimeout wait) const;
  /// When that was not it.
  void waitForLock(LockType type, LockDuration duration, LockTimeout wait,
                   const std::stop_token& stop) const;
  [[noreturn]] static void refuseNull();

  std::shared_ptr<ProcessCore> process_;
  Oid oid_;
};

/// A name that is locked like an object, and is nothing else: nothing of it is stored, and one that
/// no process holds or wants costs nothing. Made by Process::resource().
///
///     nephrite::Resource run = process.resource("nightly run");
///     run.lock({.duration = LockDuration::Session, .lease = 30s});
///
/// Names:   exact: two names never share a lock, whatever they hash to.
/// Locks:   in the table of persistent objects: a deadlock between an object and a resource is
///          found at once. Transaction locks go with the persistent transaction.
class Resource : public Lockable {
 public:
  Resource() = default;  ///< The null reference.
  Resource(std::shared_ptr<ProcessCore> process, std::shared_ptr<const NamedResource> resource);

  /// Empty of the null reference.
  const std::string& name() const;

  friend bool operator==(const Resource& a, const Resource& b) { return a.oid() == b.oid(); }

 private:
  std::shared_ptr<const NamedResource> resource_;
};

/// An object or a resource as the standard library's locks want it: std::unique_lock takes it
/// Exclusive, std::shared_lock Share, std::scoped_lock several of them. Session duration, so that
/// unlock() is what lets go; as always, unlock is ignored in transaction, load and lock state.
///
/// lock() waits without end, as a mutex does; a deadlock is still thrown (DeadlockException).
class LockableObject {
 public:
  explicit LockableObject(Lockable target) : object_(std::move(target)) {}

  void lock() { take(LockType::Exclusive); }
  bool try_lock() { return attempt(LockType::Exclusive, LockTimeout::immediate()); }
  template <class Rep, class Period>
  bool try_lock_for(std::chrono::duration<Rep, Period> wait) {
    return attempt(LockType::Exclusive, wait);
  }
  template <class Clock, class Span>
  bool try_lock_until(std::chrono::time_point<Clock, Span> until) {
    return try_lock_for(until - Clock::now());
  }

  void lock_shared() { take(LockType::Share); }
  bool try_lock_shared() { return attempt(LockType::Share, LockTimeout::immediate()); }
  template <class Rep, class Period>
  bool try_lock_shared_for(std::chrono::duration<Rep, Period> wait) {
    return attempt(LockType::Share, wait);
  }
  template <class Clock, class Span>
  bool try_lock_shared_until(std::chrono::time_point<Clock, Span> until) {
    return try_lock_shared_for(until - Clock::now());
  }

  void unlock() { object_.unlock(); }
  void unlock_shared() { object_.unlock(); }

 private:
  void take(LockType type) { object_.lock(type, LockDuration::Session, LockTimeout::infinite()); }
  bool attempt(LockType type, LockTimeout wait) {
    return object_.tryLock(type, LockDuration::Session, wait);
  }

  Lockable object_;
};

}  // namespace nephrite

#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "locking/lock_request.h"
#include "objects/change_set.h"
#include "objects/oid.h"
#include "objects/value.h"
#include "runtime/lock_wait.h"
#include "runtime/value_cast.h"

namespace nephrite {

class ProcessCore;

/// What the current process holds on an object.
struct LockStatus {
  LockType type = LockType::Get;  ///< Get: nothing.
  LockDuration duration = LockDuration::Transaction;
  FencingToken token;
  WallTime since{};
  bool held() const { return type != LockType::Get; }
};

/// A handle to one object, in the hands of one process: cheap to copy, owns nothing of the
/// object, holds no lock by itself.
///
/// Reads:   the latest committed edition, or this transaction's own changes. In lock state a
///          read takes a Share lock first.
/// Writes:  in transaction state only (1026). The first change takes an Exclusive lock, or an
///          Update lock after Process::useUpdateLocks(true). Others see it after commit.
/// Locks:   have Transaction duration unless told otherwise; not counted; kept until commit or
///          abort, in load and lock state until it ends. Non-shared transients are never locked:
///          asking is granted and leaves no trace.
/// Errors:  SystemException and its children (runtime/exceptions.h), after the armed handlers.
/// Threads: those of its Process: one at a time.
/// Source:  docs/locking.md; JADE manual, "Object class".
class Object {
 public:
  Object() = default;  ///< The null reference.
  Object(std::shared_ptr<ProcessCore> process, Oid oid);

  bool isNull() const { return oid_.isNull(); }
  Oid oid() const { return oid_; }
  std::string className() const;
  std::string toString() const;  ///< "Order/2048.7".
  bool exists() const;           ///< Also false when this transaction has removed it.

  // --- Properties ------------------------------------------------------------------------------

  /// The property's value; T() when it is null. 64010 when it is of another type.
  template <class T>
  T get(std::string_view property) const;
  Value value(std::string_view property) const;
  /// The object that a Reference property points to; null when it is null.
  Object reference(std::string_view property) const;

  template <class T>
  requires(!std::derived_from<T, Object>) void set(std::string_view property, const T& to) {
    setValue(property, toValue(to));
  }
  void set(std::string_view property, const Object& to) { setValue(property, Value(to.oid())); }
  void setValue(std::string_view property, Value to);

  /// Deletes the object when the transaction commits.
  void remove();

  // --- Editions --------------------------------------------------------------------------------

  /// Edition of the copy that this process reads: 1 when created, one more for each commit that
  /// changed it.
  std::uint32_t edition() const;
  /// The latest committed edition.
  std::uint32_t latestEdition() const;
  /// Marks this process's copy as out of date. Nothing is fetched before the next reference.
  void resynch();

  // --- Locks -----------------------------------------------------------------------------------

  void sharedLock(LockWait wait = LockTimeout::processDefined(), std::stop_token stop = {});
  void reserveLock(LockWait wait = LockTimeout::processDefined(), std::stop_token stop = {});
  void updateLock(LockWait wait = LockTimeout::processDefined(), std::stop_token stop = {});
  void exclusiveLock(LockWait wait = LockTimeout::processDefined(), std::stop_token stop = {});

  /// LockException 1027, DeadlockException 1081, UpgradeException 1146 (the lock is held),
  /// CancelledException; 1026 for Update outside a transaction, 64003 for Persistent duration.
  void lock(LockType type, LockDuration duration, LockWait wait, std::stop_token stop = {});

  /// False for every refusal, deadlock and cancellation included; leaves nothing queued. Errors
  /// of use (1026, 64003) and 1146 (lock held) are still thrown.
  bool tryLock(LockType type, LockDuration duration = LockDuration::Transaction,
               LockWait wait = LockTimeout::immediate(), std::stop_token stop = {});

  /// Ignored in transaction, load and lock state, and when nothing is held.
  void unlock();

  LockStatus lockStatus() const;  ///< Of this process's own lock only.
  bool isLockedByMe() const { return lockStatus().held(); }

  friend bool operator==(const Object& a, const Object& b) { return a.oid_ == b.oid_; }

 protected:
  /// 1090 for the null reference.
  ProcessCore& core() const {
    if (process_ == nullptr || oid_.isNull()) [[unlikely]]
      refuseNull();
    return *process_;
  }
  const std::shared_ptr<ProcessCore>& process() const { return process_; }

 private:
  friend class Process;
  friend class LockGuard;
  /// At the end of a scope that raised it: back to `before`, if more is held now.
  void restoreLock(LockType before, LockDuration duration) noexcept;
  bool lockedAtOnce(LockType type, LockWait wait) const;
  [[noreturn]] static void refuseNull();
  [[noreturn]] void refuseType(std::string_view property, const Value& holds) const;

  std::shared_ptr<ProcessCore> process_;
  Oid oid_;
};

template <class T>
T Object::get(std::string_view property) const {
  if constexpr (std::is_same_v<T, Object>) {
    return reference(property);
  } else {
    const Value held = value(property);
    std::optional<T> cast = valueAs<T>(held);
    if (!cast) refuseType(property, held);
    return std::move(*cast);
  }
}

}  // namespace nephrite

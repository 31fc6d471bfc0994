#pragma once

#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "locking/lock_request.h"
#include "objects/oid.h"

namespace nephrite {

/// How an asynchronous lock request ended: granted, or with the exception that the blocking
/// form would have thrown (handlers are not asked: the caller's frames are gone).
class LockResult {
 public:
  LockResult() = default;
  explicit LockResult(std::exception_ptr failure) : failure_(std::move(failure)) {}
  /// True when the lock is held now: granted, or refused with UpgradeException (1146).
  bool held() const { return held_; }
  bool granted() const { return failure_ == nullptr; }
  void throwIfFailed() const {
    if (failure_) std::rethrow_exception(failure_);
  }
  const std::exception_ptr& failure() const { return failure_; }

  static LockResult heldWith(std::exception_ptr failure);
  static LockResult success();

 private:
  std::exception_ptr failure_;
  bool held_ = false;
};

using LockCallback = std::function<void(const LockResult&)>;

/// One lock, or several in Oid order, as asked for asynchronously.
struct LockCall {
  LockType type = LockType::Exclusive;
  LockDuration duration = LockDuration::Transaction;
  LockTimeout timeout = LockTimeout::processDefined();
  std::stop_token stop{};
  /// Lapses when it is not renewed for so long: `.lease = 30s`. Renewed by Lockable::renew(), by
  /// asking again, and by changes of the object; LeaseTerms{30s, Renewal::Activity}: by anything
  /// that the process asks of its database but looking.
  std::optional<LeaseTerms> lease{};
  /// Subtree: the object and all that is, or comes to be, below its place.
  LockScope scope = LockScope::Node;
};

/// A lock whose lease has ended.
struct LapsedLock {
  Oid target;
  std::string targetName;
  LockType type = LockType::Share;  ///< As it was held.
  LockDuration duration = LockDuration::Transaction;
  LeaseTerms lease;
};

/// What Process::locked() returns: `co_await process.locked(object, {...})` suspends until the
/// lock is held, or throws as Object::lock() does. The coroutine goes on where callbacks run
/// (ProcessOptions::executor).
///
/// Destroyed while it is suspended, the coroutine withdraws its request and is not resumed. Destroy
/// it where callbacks run, or be sure that it is not going on just then. A lock that was granted
/// before that stays: it is the process that holds it.
class [[nodiscard]] LockAwaitable {
 public:
  /// Asks for the lock; the token withdraws the request.
  using Start = std::function<void(LockCallback, std::stop_token)>;
  explicit LockAwaitable(Start start) : start_(std::move(start)) {}
  ~LockAwaitable();
  LockAwaitable(const LockAwaitable&) = delete;
  LockAwaitable& operator=(const LockAwaitable&) = delete;

  bool await_ready() const noexcept { return false; }
  /// Never inlined: clang before 17 would keep its locals in the coroutine's frame, which is gone
  /// when another thread has resumed the coroutine to its end (LLVM issue 56301).
  [[gnu::noinline]] void await_suspend(std::coroutine_handle<> waiting);
  void await_resume() const;

 private:
  struct Wait;
  Start start_;
  std::shared_ptr<Wait> wait_;  // Once suspended.
};

}  // namespace nephrite

#pragma once

#include <chrono>

#include "runtime/object.h"

namespace nephrite {

/// An object as the standard library's locks want it: std::unique_lock takes it Exclusive,
/// std::shared_lock Share, std::scoped_lock several of them. Session duration, so that unlock()
/// is what lets go; as always, unlock is ignored in transaction, load and lock state.
///
/// lock() waits without end, as a mutex does; a deadlock is still thrown (DeadlockException).
class LockableObject {
 public:
  explicit LockableObject(Object object) : object_(std::move(object)) {}

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

  Object object_;
};

}  // namespace nephrite

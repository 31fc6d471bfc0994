#pragma once

#include <chrono>

#include "locking/lock_timeout.h"

namespace nephrite {

/// How long a call may wait for a lock: one of JADE's constants or a std::chrono duration.
/// A duration is rounded up to whole milliseconds; zero or less means immediate.
class LockWait {
 public:
  constexpr LockWait(LockTimeout timeout) : timeout_(timeout) {}
  template <class Rep, class Period>
  constexpr LockWait(std::chrono::duration<Rep, Period> wait)
      : timeout_(wait >= std::chrono::milliseconds(LockTimeout::kInfinite)
                     ? LockTimeout::infinite()
                     : LockTimeout::of(std::chrono::ceil<std::chrono::nanoseconds>(wait))) {}

  constexpr LockTimeout timeout() const { return timeout_; }

 private:
  LockTimeout timeout_;
};

}  // namespace nephrite

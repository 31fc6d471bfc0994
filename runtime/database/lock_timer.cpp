#include "runtime/database/lock_timer.h"

#include <algorithm>

namespace nephrite {

LockTimer::LockTimer(const Clock& clock, std::function<std::optional<Instant>()> expire)
    : clock_(clock), expire_(std::move(expire)), thread_([this] { run(); }) {}

LockTimer::~LockTimer() {
  {
    MutexLock hold(mutex_);
    stopping_ = true;
  }
  changed_.notifyAll();
  thread_.join();
}

void LockTimer::deadlineAdded(Instant deadline) {
  MutexLock hold(mutex_);
  if (next_ && *next_ <= deadline) return;
  next_ = deadline;
  changed_.notifyOne();
}

void LockTimer::run() {
  for (;;) {
    {
      MutexLock hold(mutex_);
      while (!stopping_ && (!next_ || clock_.now() < *next_)) {
        if (next_) {
          changed_.waitFor(mutex_, *next_ - clock_.now());
        } else {
          changed_.wait(mutex_);
        }
      }
      if (stopping_) return;
      next_.reset();  // Deadlines added from here on are seen in the next round.
    }
    const std::optional<Instant> later = expire_();
    if (later) deadlineAdded(*later);
  }
}

}  // namespace nephrite

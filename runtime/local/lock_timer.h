#pragma once

#include <functional>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/mutex.h"

namespace nephrite {

/// The thread that ends waits whose time has run out: of a LocalDatabase, and of what a client node
/// keeps of its own. Sleeps until the next deadline; never fires early.
class LockTimer {
 public:
  /// `expire` ends what is due and returns the next deadline, if any. It runs on the timer's
  /// thread with no mutex of the timer held.
  LockTimer(const Clock& clock, std::function<std::optional<Instant>()> expire);
  ~LockTimer();  ///< Waits for `expire` to return.
  LockTimer(const LockTimer&) = delete;
  LockTimer& operator=(const LockTimer&) = delete;

  /// A request began to wait; its deadline may be the earliest.
  void deadlineAdded(Instant deadline) NEPHRITE_EXCLUDES(mutex_);

 private:
  void run() NEPHRITE_EXCLUDES(mutex_);

  const Clock& clock_;
  const std::function<std::optional<Instant>()> expire_;
  Mutex mutex_;  // A leaf.
  CondVar changed_;
  std::optional<Instant> next_ NEPHRITE_GUARDED_BY(mutex_);
  bool stopping_ NEPHRITE_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: starts when all else is there.
};

}  // namespace nephrite

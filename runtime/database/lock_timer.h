#pragma once

#include <functional>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
#include "locking/lock_request.h"

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

/// Which process wants to be told of its locks that lapse.
/// Threads: any.
class LapseWatch {
 public:
  using Told = std::function<void(const LockAnswer&)>;

  void watch(LockerId locker, Told told) NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    watched_[locker.value] = std::move(told);
  }
  void forget(LockerId locker) NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    watched_.erase(locker.value);
  }
  void tell(const LockAnswer& lapsed) NEPHRITE_EXCLUDES(mutex_) {
    Told told;
    {
      MutexLock hold(mutex_);
      const auto watched = watched_.find(lapsed.request.locker.value);
      if (watched == watched_.end()) return;
      told = watched->second;
    }
    told(lapsed);
  }

 private:
  Mutex mutex_;  // A leaf.
  std::unordered_map<std::uint64_t, Told> watched_ NEPHRITE_GUARDED_BY(mutex_);
};

}  // namespace nephrite

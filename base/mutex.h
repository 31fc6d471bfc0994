#pragma once

#include <mutex>

#include "base/clock.h"
#include "base/threads.h"

// The attributes that clang's -Wthread-safety checks at compile time; nothing elsewhere.
#if defined(__clang__)
#define NEPHRITE_ATTRIBUTE(x) __attribute__((x))
#else
#define NEPHRITE_ATTRIBUTE(x)
#endif

#define NEPHRITE_CAPABILITY(name) NEPHRITE_ATTRIBUTE(capability(name))
#define NEPHRITE_SCOPED_CAPABILITY NEPHRITE_ATTRIBUTE(scoped_lockable)
#define NEPHRITE_GUARDED_BY(mutex) NEPHRITE_ATTRIBUTE(guarded_by(mutex))
#define NEPHRITE_REQUIRES(...) NEPHRITE_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define NEPHRITE_EXCLUDES(...) NEPHRITE_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define NEPHRITE_ACQUIRE(...) NEPHRITE_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define NEPHRITE_TRY_ACQUIRE(...) NEPHRITE_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define NEPHRITE_RELEASE(...) NEPHRITE_ATTRIBUTE(release_capability(__VA_ARGS__))
/// For the inside of a lock, which the analysis cannot follow.
#define NEPHRITE_NO_THREAD_SAFETY NEPHRITE_ATTRIBUTE(no_thread_safety_analysis)

namespace nephrite {

/// std::mutex with the annotations. Which members it guards is written on them.
class NEPHRITE_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() NEPHRITE_ACQUIRE() { mutex_.lock(); }
  void unlock() NEPHRITE_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  SystemMutex mutex_;
};

/// Holds a Mutex for a scope.
class NEPHRITE_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) NEPHRITE_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() NEPHRITE_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

/// Condition variable for Mutex. Wake-ups may be spurious: wait in a loop.
class CondVar {
 public:
  void wait(Mutex& mutex) NEPHRITE_REQUIRES(mutex) {
    std::unique_lock<SystemMutex> adopted(mutex.mutex_, std::adopt_lock);
    condition_.wait(adopted);
    adopted.release();
  }

  /// Waits at most `atMost` of real time.
  void waitFor(Mutex& mutex, Duration atMost) NEPHRITE_REQUIRES(mutex) {
    std::unique_lock<SystemMutex> adopted(mutex.mutex_, std::adopt_lock);
    condition_.wait_for(adopted, atMost);
    adopted.release();
  }

  void notifyOne() { condition_.notify_one(); }
  void notifyAll() { condition_.notify_all(); }

 private:
  SystemCondition condition_;
};

}  // namespace nephrite

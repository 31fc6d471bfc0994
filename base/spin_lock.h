#pragma once

#include <cstdint>

#include "base/mutex.h"
#include "base/threads.h"

namespace nephrite {

/// A lock of four bytes for a few dozen instructions: nothing under it waits, allocates much or
/// calls out. Taken with one exchange, let go with one store; a thread that finds it taken spins a
/// little, then yields.
class NEPHRITE_CAPABILITY("mutex") SpinLock {
 public:
  SpinLock() = default;
  SpinLock(const SpinLock&) = delete;
  SpinLock& operator=(const SpinLock&) = delete;

  void lock() NEPHRITE_ACQUIRE() {
    if (taken_.exchange(1, std::memory_order_acquire) != 0) waitAndLock();
  }
  void unlock() NEPHRITE_RELEASE() { taken_.store(0, std::memory_order_release); }

 private:
  void waitAndLock();

  Atomic<std::uint32_t> taken_{0};
};

/// Holds a SpinLock for a scope.
class NEPHRITE_SCOPED_CAPABILITY SpinHold {
 public:
  explicit SpinHold(SpinLock& lock) NEPHRITE_ACQUIRE(lock) : lock_(lock) { lock_.lock(); }
  ~SpinHold() NEPHRITE_RELEASE() { lock_.unlock(); }
  SpinHold(const SpinHold&) = delete;
  SpinHold& operator=(const SpinHold&) = delete;

 private:
  SpinLock& lock_;
};

/// Tells the processor that this thread only waits for a word to change; now and then gives the
/// core away: the thread that is to change it may need it.
class SpinWait {
 public:
  void pause();

 private:
  unsigned turns_ = 0;
};

}  // namespace nephrite

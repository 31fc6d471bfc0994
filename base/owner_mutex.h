#pragma once

#include <atomic>
#include <cstdint>

#include "base/mutex.h"

#if defined(__SANITIZE_THREAD__)
#define NEPHRITE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NEPHRITE_TSAN 1
#endif
#endif

namespace nephrite {

inline constexpr std::uint32_t kNoThread = UINT32_MAX;
std::uint32_t takeThreadNumber();

// Found without a call, also in position-independent code: whoever reads it keeps its registers.
[[gnu::tls_model("initial-exec")]] inline thread_local std::uint32_t theThreadNumber = kNoThread;

/// A small number of the calling thread, never 0 and never given twice in a program.
inline std::uint32_t threadNumber() {
  if (theThreadNumber == kNoThread) [[unlikely]]
    theThreadNumber = takeThreadNumber();
  return theThreadNumber;
}
/// The same, or kNoThread when it was never asked for.
inline std::uint32_t knownThreadNumber() { return theThreadNumber; }

/// A mutex for what one thread uses all the time and others now and then. A thread that has come
/// alone for a while owns it: it then goes in and out with plain stores. Whoever else comes takes
/// that away first, which costs a system call (membarrier), and the mutex is an ordinary one until
/// one thread has come alone for a longer while.
///
/// Proof:   Dekker's. The owner writes `inside_`, then reads `owner_`; who takes it away writes
///          `owner_`, then reads `inside_`. One of them sees the other, if neither's write and read
///          change places; for the owner a compiler barrier does, because the other's membarrier
///          puts a full fence into every running thread of the program between its two. Where there
///          is no membarrier nobody ever owns it; under ThreadSanitizer both sides are sequentially
///          consistent instead.
/// Threads: any. Not recursive. Nothing that waits may run while it is held.
class NEPHRITE_CAPABILITY("mutex") OwnerMutex {
 public:
  OwnerMutex() = default;
  OwnerMutex(const OwnerMutex&) = delete;
  OwnerMutex& operator=(const OwnerMutex&) = delete;

  /// True when the thread came in as the owner: for unlock().
  bool lock() NEPHRITE_ACQUIRE() NEPHRITE_NO_THREAD_SAFETY {
    if (lockAsOwner()) [[likely]]
      return true;
    lockAmongOthers(threadNumber());
    return false;
  }
  /// Comes in as the owner, or not at all. Calls nobody.
  bool lockAsOwner() NEPHRITE_TRY_ACQUIRE(true) NEPHRITE_NO_THREAD_SAFETY {
    const std::uint32_t me = knownThreadNumber();
    if (owner_.load(std::memory_order_relaxed) != me) return false;
    inside_.store(me, kBetween);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (owner_.load(kBetweenLoad) == me) [[likely]]
      return true;
    inside_.store(0, std::memory_order_release);
    return false;
  }

  void unlock(bool asOwner) NEPHRITE_RELEASE() NEPHRITE_NO_THREAD_SAFETY {
    if (asOwner) [[likely]] {
      inside_.store(0, std::memory_order_release);
    } else {
      others_.unlock();
    }
  }

 private:
#if defined(NEPHRITE_TSAN)
  static constexpr auto kBetween = std::memory_order_seq_cst;
  static constexpr auto kBetweenLoad = std::memory_order_seq_cst;
#else
  static constexpr auto kBetween = std::memory_order_relaxed;
  static constexpr auto kBetweenLoad = std::memory_order_acquire;
#endif

  void lockAmongOthers(std::uint32_t me) NEPHRITE_NO_THREAD_SAFETY;

  std::atomic<std::uint32_t> owner_{0};   // A threadNumber(); 0: nobody.
  std::atomic<std::uint32_t> inside_{0};  // Written by the owner, or who was it a moment ago.
  Mutex others_;                          // A leaf. Held by who is inside without owning.
  std::uint32_t last_ NEPHRITE_GUARDED_BY(others_) = 0;    // Who was inside last,
  std::uint32_t streak_ NEPHRITE_GUARDED_BY(others_) = 0;  // and how often in a row.
  std::uint32_t ownAfter_ NEPHRITE_GUARDED_BY(others_) = 32;
};

/// Holds an OwnerMutex for a scope.
class NEPHRITE_SCOPED_CAPABILITY OwnerHold {
 public:
  explicit OwnerHold(OwnerMutex& mutex) NEPHRITE_ACQUIRE(mutex)
      : mutex_(mutex), asOwner_(mutex.lock()) {}
  ~OwnerHold() NEPHRITE_RELEASE() { mutex_.unlock(asOwner_); }
  OwnerHold(const OwnerHold&) = delete;
  OwnerHold& operator=(const OwnerHold&) = delete;

 private:
  OwnerMutex& mutex_;
  const bool asOwner_;
};

}  // namespace nephrite

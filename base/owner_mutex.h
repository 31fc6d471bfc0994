#pragma once

#include <atomic>
#include <cstdint>

#include "base/check.h"
#include "base/mutex.h"
#include "base/threads.h"

#if defined(__SANITIZE_THREAD__)
#define NEPHRITE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NEPHRITE_TSAN 1
#endif
#endif

namespace nephrite {

class OwnerMutex;

/// Says which OwnerMutex its thread is inside of as the owner. One for each thread: no other thread
/// ever writes it. It is never freed: a thread that ends leaves it to one that begins.
struct alignas(64) OwnerWord {
  Atomic<const OwnerMutex*> inside{nullptr};
  OwnerWord* nextFree = nullptr;  ///< Of those that no thread has.
};

/// Of a thread that has none yet; never an owner.
inline OwnerWord noOwnerWord;
inline NEPHRITE_PER_THREAD(OwnerWord*) theOwnerWord = &noOwnerWord;

/// A mutex for what one thread uses all the time and others now and then. A thread that has come
/// alone for a while owns it: it then goes in and out with plain stores. Any other thread that
/// comes takes the ownership away first, which costs a system call (membarrier), and the mutex is
/// an ordinary one until one thread has come alone for a longer while.
///
/// Proof:   Dekker's. The owner writes its own OwnerWord, then reads `owner_`; the thread that
/// takes
///          the ownership away writes `owner_`, then reads the word of the owner that it found
///          there. One of them sees the other, if neither's write and read change places; for the
///          owner a compiler barrier does, because the other's membarrier puts a full fence into
///          every running thread of the program between its two. The word must be the thread's own:
///          a thread that was the owner and is late writes it once more, and takes that back, and
///          in a word of the mutex that would wipe out the mark of the next owner. Where there is
///          no membarrier no thread ever owns it; under ThreadSanitizer both sides are sequentially
///          consistent instead. tests/interleavings plays it in every order.
/// Threads: any. Not recursive, and a thread is inside one OwnerMutex at a time. Nothing that waits
///          may run while it is held.
class NEPHRITE_CAPABILITY("mutex") OwnerMutex {
 public:
  /// A thread owns it that came so often in a row.
  explicit OwnerMutex(std::uint32_t ownAfter = 32) : ownAfter_(ownAfter) {}
  OwnerMutex(const OwnerMutex&) = delete;
  OwnerMutex& operator=(const OwnerMutex&) = delete;

  /// True when the thread came in as the owner: for unlock().
  bool lock() NEPHRITE_ACQUIRE() NEPHRITE_NO_THREAD_SAFETY {
    if (lockAsOwner()) [[likely]]
      return true;
    lockAmongOthers();
    return false;
  }
  /// Comes in as the owner, or not at all. Calls no function.
  bool lockAsOwner() NEPHRITE_TRY_ACQUIRE(true) NEPHRITE_NO_THREAD_SAFETY {
    OwnerWord* const me = theOwnerWord;
    if (owner_.load(std::memory_order_relaxed) != me) return false;
#if !defined(NDEBUG)
    NEPHRITE_CHECK(me->inside.load(std::memory_order_relaxed) == nullptr && "inside another one");
#endif
    me->inside.store(this, kBetween);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (owner_.load(kBetweenLoad) == me) [[likely]]
      return true;
    me->inside.store(nullptr, std::memory_order_release);
    return false;
  }

  void unlock(bool asOwner) NEPHRITE_RELEASE() NEPHRITE_NO_THREAD_SAFETY {
    if (asOwner) [[likely]] {
      OwnerWord* const me = theOwnerWord;
      me->inside.store(nullptr, std::memory_order_release);
    } else {
      others_.unlock();
    }
  }

 private:
#if defined(NEPHRITE_TSAN)
  static constexpr auto kBetween = std::memory_order_seq_cst;
  static constexpr auto kBetweenLoad = std::memory_order_seq_cst;
#else
  // Release: the word may have said another mutex before, which is then let go for certain.
  static constexpr auto kBetween = std::memory_order_release;
  static constexpr auto kBetweenLoad = std::memory_order_acquire;
#endif

  void lockAmongOthers() NEPHRITE_NO_THREAD_SAFETY;

  Atomic<OwnerWord*> owner_{nullptr};  // Null: no thread.
  Mutex others_;                       // A leaf. Held by a thread that is inside without owning.
  OwnerWord* last_ NEPHRITE_GUARDED_BY(others_) = nullptr;  // Which thread was inside last,
  std::uint32_t streak_ NEPHRITE_GUARDED_BY(others_) = 0;   // and how often in a row.
  std::uint32_t ownAfter_ NEPHRITE_GUARDED_BY(others_);
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

#pragma once

// What hand-made synchronisation is built from: atomics, mutexes, and what belongs to a thread. A
// build that defines NEPHRITE_EXPLORED, the name of a header, takes all of it from there instead:
// tests/interleavings runs the same code with it, one thread at a time, in every order.

#if defined(NEPHRITE_EXPLORED)
#include NEPHRITE_EXPLORED
#else

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace nephrite {

template <typename T>
using Atomic = std::atomic<T>;
using SystemMutex = std::mutex;
using SystemCondition = std::condition_variable;

using ThreadId = std::thread::id;
inline ThreadId currentThread() { return std::this_thread::get_id(); }
inline void yieldThread() { std::this_thread::yield(); }
/// A thread that waits for a word to change looks at it so often before it yields.
inline constexpr unsigned kTurnsAwake = 64;

/// When the calling thread ends, `run` is called on it, once.
template <void (*run)()>
void runAtThreadExit() {
  struct Exit {
    ~Exit() { run(); }
  };
  static thread_local const Exit exit;
  (void)exit;
}

}  // namespace nephrite

/// A variable of this type, one for each thread. Found without a call, also in position-independent
/// code.
#define NEPHRITE_PER_THREAD(...) __attribute__((tls_model("initial-exec"))) thread_local __VA_ARGS__

#endif

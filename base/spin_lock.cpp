#include "base/spin_lock.h"

#include <thread>

namespace nephrite {

void SpinWait::pause() {
  constexpr unsigned kTurnsAwake = 64;
  if (++turns_ < kTurnsAwake) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
    return;
  }
  turns_ = 0;
  std::this_thread::yield();
}

void SpinLock::waitAndLock() {
  SpinWait wait;
  do {
    while (taken_.load(std::memory_order_relaxed) != 0) wait.pause();
  } while (taken_.exchange(1, std::memory_order_acquire) != 0);
}

}  // namespace nephrite

#include "base/spin_lock.h"

namespace nephrite {

void SpinWait::pause() {
  if (++turns_ < kTurnsAwake) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
    return;
  }
  turns_ = 0;
  yieldThread();
}

void SpinLock::waitAndLock() {
  SpinWait wait;
  do {
    while (taken_.load(std::memory_order_relaxed) != 0) wait.pause();
  } while (taken_.exchange(1, std::memory_order_acquire) != 0);
}

}  // namespace nephrite

#include "base/answer_wait.h"

#if !defined(NEPHRITE_EXPLORED)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>

namespace nephrite {

namespace {

using Word = Atomic<std::int32_t>;

#if defined(NEPHRITE_EXPLORED)

bool changesSoon(const Word&, std::int32_t) { return false; }
void sleepWhile(const Word& word, std::int32_t asleep) { word.wait(asleep); }
void wake(Word& word) { word.notify_one(); }

#else

/// Whether a thread looks for its answer a moment longer before it sleeps. Where two threads hand
/// something to and fro, the answer is there at once, and looking saves a sleep and a wake; in a
/// queue of many, looking costs what the others could use. So a thread that looked in vain does not
/// look the next time, then not the next three times, and so on.
class Patience {
 public:
  bool isLeft() {
    if (toSkip_ == 0) return true;
    --toSkip_;
    return false;
  }
  void looked(bool found) {
    inVain_ = found ? 0 : std::min(inVain_ * 2 + 1, kMostSkipped);
    toSkip_ = inVain_;
  }

 private:
  static constexpr unsigned kMostSkipped = 127;
  unsigned inVain_ = 0;
  unsigned toSkip_ = 0;
};

NEPHRITE_PER_THREAD(Patience) patience;

bool changesSoon(const Word& word, std::int32_t old) {
  constexpr unsigned kYields = 4;
  if (!patience.isLeft()) return false;
  bool changed = false;
  for (unsigned turn = 0; turn < kYields && !changed; ++turn) {
    yieldThread();
    changed = word.load(std::memory_order_relaxed) != old;
  }
  patience.looked(changed);
  return changed;
}

// A futex by itself: std::atomic's wait() yields several times before each sleep, and its notify
// counts the sleepers of the whole program.
static_assert(sizeof(Word) == sizeof(std::int32_t), "the kernel reads it");

void sleepWhile(const Word& word, std::int32_t asleep) {
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, asleep, nullptr, nullptr, 0);
}

void wake(Word& word) { ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0); }

#endif

}  // namespace

void Awaited::sleep() {
  if (!changesSoon(state_, kOpen)) {
    std::int32_t open = kOpen;
    if (state_.compare_exchange_strong(open, kAsleep, std::memory_order_acq_rel)) {
      sleepWhile(state_, kAsleep);
    }
  }
  // Called, or awake for nothing: it looks around.
  std::int32_t was = state_.load(std::memory_order_acquire);
  while ((was == kAsleep || was == kCalled) &&
         !state_.compare_exchange_weak(was, kOpen, std::memory_order_acq_rel)) {
  }
}

bool Awaited::call() {
  std::int32_t was = kOpen;
  while ((was == kOpen || was == kAsleep) &&
         !state_.compare_exchange_weak(was, kCalled, std::memory_order_acq_rel)) {
  }
  if (was == kAsleep) wake(state_);
  return was != kComplete;
}

void Awaited::setComplete() {
  const std::int32_t was = state_.exchange(kComplete, std::memory_order_acq_rel);
  if (was == kElsewhere) waker_->wake();
  if (was == kAsleep) wake(state_);
}

}  // namespace nephrite

#include "runtime/process/pauses.h"

#include <algorithm>

#include "base/clock.h"
#include "base/mutex.h"

namespace nephrite {

std::chrono::milliseconds Pauses::after(unsigned attempt) {
  const unsigned doublings = std::min(attempt - 1, 30u);
  const auto most = std::clamp<std::int64_t>(first_.count() << doublings, 0,
                                             std::max<std::int64_t>(longest_.count(), 0));
  std::uniform_int_distribution<std::int64_t> between(most / 2, most);
  return std::chrono::milliseconds(between(random_));
}

bool sleepUnlessStopped(std::chrono::milliseconds pause, const std::stop_token& stop,
                        const std::stop_token& otherStop) {
  Mutex mutex;  // A leaf.
  CondVar changed;
  const auto wake = [&] {
    MutexLock hold(mutex);
    changed.notifyAll();
  };
  const std::stop_callback onStop(stop, wake);
  const std::stop_callback onOtherStop(otherStop, wake);
  const auto isStopped = [&] { return stop.stop_requested() || otherStop.stop_requested(); };

  const Clock& clock = SystemClock::instance();  // CondVar waits in real time.
  const Instant until = clock.now() + pause;
  MutexLock hold(mutex);
  while (!isStopped() && clock.now() < until) changed.waitFor(mutex, until - clock.now());
  return !isStopped();
}

}  // namespace nephrite

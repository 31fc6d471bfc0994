#include "base/clock.h"

#include <ctime>

#include "base/check.h"

namespace nephrite {

Instant SystemClock::now() const {
  return {
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())};
}

// The kernel keeps it up to date at every tick, 1 to 10 ms apart.
Instant SystemClock::roughNow() const {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return {std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec)};
}

WallTime SystemClock::wallNow() const { return std::chrono::system_clock::now(); }

const SystemClock& SystemClock::instance() {
  static const SystemClock clock;
  return clock;
}

WallTime ManualClock::wallNow() const {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(now().sinceStart));
}

void ManualClock::moveTo(Instant at) {
  NEPHRITE_CHECK(at >= now());
  nanoseconds_.store(at.sinceStart.count());
}

}  // namespace nephrite

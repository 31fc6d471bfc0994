#pragma once

// Private to runtime.

#include <chrono>
#include <random>
#include <stop_token>

namespace nephrite {

/// Pauses between attempts: random, so that two that failed on each other do not meet again, and
/// growing.
class Pauses {
 public:
  Pauses(std::chrono::milliseconds first, std::chrono::milliseconds longest)
      : first_(first), longest_(longest) {}

  /// Between half and all of min(longest, first * 2^(attempt-1)). Attempts count from 1.
  std::chrono::milliseconds after(unsigned attempt);

 private:
  const std::chrono::milliseconds first_;
  const std::chrono::milliseconds longest_;
  std::mt19937 random_{std::random_device{}()};
};

/// Sleeps for so long. False when one of the tokens was stopped first.
bool sleepUnlessStopped(std::chrono::milliseconds pause, const std::stop_token& stop,
                        const std::stop_token& otherStop);

}  // namespace nephrite

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"

namespace nephrite {

/// How often one event may be logged: strangers that connect and talk nonsense must not fill a
/// disk, nor push out of sight what else there is to read. A burst goes through, then one line a
/// second; what is held back is counted and told in one line.
/// Threads: any.
class LogLimit {
 public:
  static constexpr int kBurst = 100;  ///< Lines of one event at once.
  static constexpr Duration kEach = std::chrono::seconds(1);
  static constexpr Duration kToldEvery = std::chrono::seconds(10);

  /// May a line of `event`, which is one of a few names, be written at `now`?
  bool admits(std::string_view event, Instant now) NEPHRITE_EXCLUDES(mutex_);

  struct HeldBack {
    std::string event;
    std::uint64_t lines = 0;
  };
  /// An event of which lines are held back since long enough to tell. Each is told once.
  std::optional<HeldBack> takeHeldBack(Instant now) NEPHRITE_EXCLUDES(mutex_);

 private:
  struct Event {
    Instant paidUntil{};  // Each line costs kEach; it may be kBurst of them ahead.
    std::uint64_t heldBack = 0;
    Instant since{};  // When the first of them was held back.
  };
  Mutex mutex_;  // A leaf.
  std::map<std::string, Event, std::less<>> events_ NEPHRITE_GUARDED_BY(mutex_);
};

}  // namespace nephrite

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "base/clock.h"

namespace nephrite {

/// Whose an event is; clients are counted from 0.
constexpr int kNetwork = -2;
constexpr int kServer = -1;

/// What is to happen, and when: the one place where the time of a simulated world moves, always to
/// what comes next.
///
/// Shape:   events by time, then in the order in which they were entered. What belongs to somebody
///          who is paused happens when the pause is over, still in that order.
/// Threads: one.
class Agenda {
 public:
  using Work = std::function<void()>;

  Instant now() const { return clock_.now(); }
  const ManualClock& clock() const { return clock_; }

  /// `when` may have passed: then it is now.
  void at(Instant when, int owner, Work work);
  void in(Duration time, int owner, Work work) { at(now() + time, owner, std::move(work)); }

  void pause(int owner, Instant until);
  bool isPaused(int owner) const;
  /// For how long `owner` has been running so far.
  Duration runningTime(int owner) const;

  /// Runs what comes next, if it comes by `end`; else false, and the clock stays.
  bool runNext(Instant end);

 private:
  struct Event {
    Instant when;
    std::uint64_t number = 0;
    int owner = kNetwork;
    Work work;
  };
  struct Pause {
    Instant until{};
    Duration soFar{0};
  };
  static bool isLater(const Event& one, const Event& other);

  ManualClock clock_;
  std::vector<Event> events_;  // A heap.
  std::uint64_t lastNumber_ = 0;
  std::map<int, Pause> pauses_;
};

}  // namespace nephrite

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace nephrite {

/// Length of time. Everything inside the house is std::chrono; bare numbers of
/// milliseconds exist only at its borders (INI file, schedules, the wire).
using Duration = std::chrono::nanoseconds;

/// A point on a clock that never runs backwards and means nothing outside the
/// running program: good for deadlines and for measuring.
struct Instant {
  Duration sinceStart{0};

  friend auto operator<=>(const Instant&, const Instant&) = default;
  friend Instant operator+(Instant at, Duration by) { return {at.sinceStart + by}; }
  friend Duration operator-(Instant later, Instant earlier) {
    return later.sinceStart - earlier.sinceStart;
  }
};

/// A point in the calendar, UTC: good for showing to people. May jump.
using WallTime = std::chrono::system_clock::time_point;

/// The only place time is read from. Whoever needs the time is given a Clock, so
/// that tests, `nephrite replay` and the simulation can own it.
///
/// Threads: any method, from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  virtual WallTime wallNow() const = 0;
  /// now(), or up to some milliseconds before it where that is much cheaper to know: good for
  /// telling people since when.
  virtual Instant roughNow() const { return now(); }
};

/// The machine's clocks: steady for now(), UTC for wallNow().
class SystemClock final : public Clock {
 public:
  Instant now() const override;
  WallTime wallNow() const override;
  /// One load, most of the time: a thread of its own makes it stale some milliseconds after it was
  /// read, and sleeps while nobody asks.
  Instant roughNow() const override {
    const std::int64_t known = rough_.load(std::memory_order_relaxed);
    return known != 0 ? Instant{Duration(known)} : readRough();
  }

  /// One instance serves everybody.
  static const SystemClock& instance();

 private:
  static Instant readRough();

  static inline std::atomic<std::int64_t> rough_{0};  // 0: to be read.
};

/// A clock that moves only when told to. wallNow() is the epoch plus now().
class ManualClock final : public Clock {
 public:
  Instant now() const override { return {Duration(nanoseconds_.load())}; }
  WallTime wallNow() const override;

  void advance(Duration by) { nanoseconds_.fetch_add(by.count()); }

  /// `at` must not be before now().
  void moveTo(Instant at);

 private:
  std::atomic<std::int64_t> nanoseconds_{0};
};

}  // namespace nephrite

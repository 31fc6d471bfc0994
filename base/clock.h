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

/// The only place time is read from. Code that needs the time is given a Clock, so
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
  Instant roughNow() const {
    const Instant rough = roughIfKnown();
    return isKnown(rough) ? rough : readRough();
  }
  /// The same when it takes no more than a load; else an Instant that is not known.
  Instant roughIfKnown() const { return {Duration(rough_->load(std::memory_order_relaxed))}; }
  static bool isKnown(Instant rough) { return rough.sinceStart.count() >= 0; }

  /// Does it move only when told to? What runs on such a clock is to do the same on every machine.
  bool isManual() const { return isManual_; }

 protected:
  static constexpr std::int64_t kUnknown = -1;

  Clock() : rough_(&kNeverKnown) {}
  /// `rough` is nanoseconds; kUnknown as long as it is to be read.
  explicit Clock(const std::atomic<std::int64_t>& rough, bool isManual = false)
      : rough_(&rough), isManual_(isManual) {}

 private:
  virtual Instant readRough() const { return now(); }

  static inline const std::atomic<std::int64_t> kNeverKnown{kUnknown};
  const std::atomic<std::int64_t>* const rough_;
  const bool isManual_ = false;
};

/// The machine's clocks: steady for now(), UTC for wallNow().
class SystemClock final : public Clock {
 public:
  SystemClock() : Clock(rough_) {}

  Instant now() const override;
  WallTime wallNow() const override;

  /// One instance serves everybody.
  static const SystemClock& instance();

 private:
  Instant readRough() const override;

  // A thread of its own makes it stale some milliseconds after it was read, and sleeps while nobody
  // asks.
  static inline std::atomic<std::int64_t> rough_{kUnknown};
};

/// A clock that moves only when told to. wallNow() is the epoch plus now(); its rough time is the
/// time.
class ManualClock final : public Clock {
 public:
  ManualClock() : Clock(nanoseconds_, /*isManual=*/true) {}

  Instant now() const override { return {Duration(nanoseconds_.load())}; }
  WallTime wallNow() const override;

  void advance(Duration by) { nanoseconds_.fetch_add(by.count()); }

  /// `at` must not be before now().
  void moveTo(Instant at);

 private:
  std::atomic<std::int64_t> nanoseconds_{0};
};

}  // namespace nephrite

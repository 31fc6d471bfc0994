#include "base/clock.h"

#include <unistd.h>

#include <thread>

#include "base/check.h"
#include "base/mutex.h"

namespace nephrite {

Instant SystemClock::now() const {
  return {
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())};
}

namespace {

constexpr Duration kRoughlyNow = std::chrono::milliseconds(5);

/// Keeps what was read for a while. Never destroyed: code that runs at the program's end may ask.
class RoughTime {
 public:
  RoughTime(std::atomic<std::int64_t>& word, std::int64_t unknown)
      : word_(word), unknown_(unknown) {
    std::thread([this] { forget(); }).detach();
  }

  void keep(Instant now) NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    if (getpid() != program_) return;  // A forked child has not the thread that forgets.
    word_.store(now.sinceStart.count(), std::memory_order_relaxed);
    kept_ = true;
    changed_.notifyAll();
  }

 private:
  void forget() NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    for (;;) {
      while (!kept_) changed_.wait(mutex_);
      changed_.waitFor(mutex_, kRoughlyNow);
      kept_ = false;
      word_.store(unknown_, std::memory_order_relaxed);
    }
  }

  std::atomic<std::int64_t>& word_;
  const std::int64_t unknown_;
  const pid_t program_ = getpid();
  Mutex mutex_;  // A leaf.
  CondVar changed_;
  bool kept_ NEPHRITE_GUARDED_BY(mutex_) = false;
};

}  // namespace

Instant SystemClock::readRough() const {
  static auto* const time = new RoughTime(rough_, kUnknown);
  const Instant read = now();
  time->keep(read);
  return read;
}

WallTime SystemClock::wallNow() const { return std::chrono::system_clock::now(); }

const SystemClock& SystemClock::instance() {
  // Leaked on purpose: threads still ask for the time while statics are destroyed.
  static const auto* const clock = new SystemClock();
  return *clock;
}

WallTime ManualClock::wallNow() const {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(now().sinceStart));
}

void ManualClock::moveTo(Instant at) {
  NEPHRITE_CHECK(at >= now());
  nanoseconds_.store(at.sinceStart.count());
}

}  // namespace nephrite

#include "base/clock.h"

#include <pthread.h>
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

/// Sets a word to 0 a while after it was told to.
class Staleness {
 public:
  explicit Staleness(std::atomic<std::int64_t>& word) : word_(word), thread_([this] { run(); }) {
    pthread_setname_np(thread_.native_handle(), "clock");
  }
  ~Staleness() {
    {
      MutexLock hold(mutex_);
      ended_ = true;
    }
    changed_.notifyAll();
    thread_.join();
    word_ = 0;
  }

  /// False when nobody would set it to 0 any more.
  bool begin() NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    if (ended_ || getpid() != program_) return false;  // A forked child has not this thread.
    begun_ = true;
    changed_.notifyAll();
    return true;
  }

 private:
  void run() NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    while (!ended_) {
      if (!begun_) {
        changed_.wait(mutex_);
        continue;
      }
      changed_.waitFor(mutex_, kRoughlyNow);
      begun_ = false;
      word_.store(0, std::memory_order_relaxed);
    }
  }

  std::atomic<std::int64_t>& word_;
  const pid_t program_ = getpid();
  Mutex mutex_;  // A leaf.
  CondVar changed_;
  bool begun_ NEPHRITE_GUARDED_BY(mutex_) = false;
  bool ended_ NEPHRITE_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace

Instant SystemClock::readRough() {
  static Staleness staleness(rough_);
  const Instant now = instance().now();
  if (staleness.begin()) rough_.store(now.sinceStart.count(), std::memory_order_relaxed);
  return now;
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

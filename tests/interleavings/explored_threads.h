#pragma once

// What base/threads.h is in the programs of this folder: the same names, made of steps of the
// explorer. Sequentially consistent, whatever order is asked for.

#include <atomic>
#include <cstdint>
#include <mutex>

namespace nephrite::explored {

enum class Access { Read, Write };

/// The calling thread of the play is about to access `object`: here another may go on first.
/// Outside of a play nothing happens.
void reach(const void* object, Access access, const char* what);
/// The same, but it goes on only when `may(object)`.
void reachWhen(const void* object, bool (*may)(const void*), const char* what);
/// It goes on when what it read last has been written to.
void waitForChange();
/// From now on wakeAt() wakes the calling thread: sleep() returns when it has. The thread that came
/// first is woken first.
void lieDownAt(const void* object);
void sleep();
void wakeAt(const void* object, bool all);
/// A new object is where another may have been.
void born(const void* object);
/// 0: none of a play.
int threadNumber();
std::uint64_t playNumber();
void atThreadExit(void (*run)());

}  // namespace nephrite::explored

namespace nephrite {

template <typename T>
class Atomic {
 public:
  Atomic() noexcept : Atomic(T()) {}
  // NOLINTNEXTLINE(google-explicit-constructor): as std::atomic.
  Atomic(T value) noexcept : value_(value) { explored::born(this); }
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  T load(std::memory_order = std::memory_order_seq_cst) const {
    explored::reach(this, explored::Access::Read, "load");
    return value_;
  }
  void store(T value, std::memory_order = std::memory_order_seq_cst) {
    explored::reach(this, explored::Access::Write, "store");
    value_ = value;
  }
  T exchange(T value, std::memory_order = std::memory_order_seq_cst) {
    explored::reach(this, explored::Access::Write, "exchange");
    const T was = value_;
    value_ = value;
    return was;
  }
  T fetch_add(T by, std::memory_order = std::memory_order_seq_cst) {
    explored::reach(this, explored::Access::Write, "fetch_add");
    const T was = value_;
    value_ = static_cast<T>(value_ + by);
    return was;
  }
  bool compare_exchange_strong(T& expected, T value,
                               std::memory_order = std::memory_order_seq_cst) {
    explored::reach(this, explored::Access::Write, "compare_exchange");
    const T was = value_;
    if (was == expected) {
      value_ = value;
      return true;
    }
    expected = was;
    return false;
  }
  bool compare_exchange_weak(T& expected, T value,
                             std::memory_order order = std::memory_order_seq_cst) {
    return compare_exchange_strong(expected, value, order);
  }
  void wait(T old, std::memory_order = std::memory_order_seq_cst) const {
    for (;;) {
      // Looking and falling asleep are one step, as in a futex.
      explored::reach(this, explored::Access::Write, "wait");
      if (value_ != old) return;
      explored::lieDownAt(this);
      explored::sleep();
    }
  }
  void notify_one() { explored::wakeAt(this, false); }
  void notify_all() { explored::wakeAt(this, true); }

 private:
  T value_;
};

class SystemMutex {
 public:
  SystemMutex() { explored::born(this); }
  SystemMutex(const SystemMutex&) = delete;
  SystemMutex& operator=(const SystemMutex&) = delete;

  void lock() {
    explored::reachWhen(
        this, [](const void* self) { return !static_cast<const SystemMutex*>(self)->taken_; },
        "lock");
    taken_ = true;
  }
  void unlock() {
    explored::reach(this, explored::Access::Write, "unlock");
    taken_ = false;
  }

 private:
  bool taken_ = false;
};

class SystemCondition {
 public:
  SystemCondition() { explored::born(this); }

  void wait(std::unique_lock<SystemMutex>& lock) {
    explored::reach(this, explored::Access::Write, "wait");
    explored::lieDownAt(this);
    lock.unlock();
    explored::sleep();
    lock.lock();
  }
  template <typename Duration>
  void wait_for(std::unique_lock<SystemMutex>& lock, Duration) {
    lock.unlock();  // May be over at once.
    lock.lock();
  }
  void notify_one() { explored::wakeAt(this, false); }
  void notify_all() { explored::wakeAt(this, true); }
};

/// 0: none.
struct ThreadId {
  int number = 0;
  friend bool operator==(ThreadId, ThreadId) = default;
};
inline ThreadId currentThread() { return {explored::threadNumber()}; }
inline void yieldThread() { explored::waitForChange(); }
inline constexpr unsigned kTurnsAwake = 1;

template <void (*run)()>
void runAtThreadExit() {
  explored::atThreadExit(run);
}

/// As a thread_local variable: one for each thread of each play.
template <typename T>
class PerThread {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): as the variable that it stands for.
  PerThread(T first) : first_(first) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  operator T() const { return mine(); }
  T operator->() const { return mine(); }
  PerThread& operator=(T value) {
    mine() = value;
    return *this;
  }

 private:
  static constexpr int kMost = 8;
  struct Value {
    std::uint64_t play = 0;
    T value{};
  };
  T& mine() const {
    Value& value = values_[explored::threadNumber()];
    if (value.play != explored::playNumber()) value = {explored::playNumber(), first_};
    return value.value;
  }
  const T first_;
  mutable Value values_[kMost + 1];
};

}  // namespace nephrite

#define NEPHRITE_PER_THREAD(...) ::nephrite::PerThread<__VA_ARGS__>

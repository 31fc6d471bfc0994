#pragma once

// Private to node.

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"

namespace nephrite {

/// A file descriptor that is closed with its owner.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }
  void close();

 private:
  int number_;
};

/// What one thread waits for: descriptors, a timer, and work from other threads. Three calls of
/// the system for a message that comes and is answered: epoll_wait, recv, send
/// (docs/decisions/0013).
///
/// Order:   posted work runs in the order of its posting; descriptors are told in turns.
/// Errors:  std::system_error from the constructor and add().
/// Threads: post() and stop() from any, the others from the thread in run(), or before it is there.
class EventLoop {
 public:
  /// Code that waits for a descriptor. Must be removed before it dies.
  class Watcher {
   public:
    virtual ~Watcher() = default;
    /// `events` of epoll(7). Level-triggered: what is not dealt with is told again.
    virtual void ready(std::uint32_t events) = 0;
  };

  EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void add(int descriptor, Watcher& watcher, std::uint32_t events);
  void change(int descriptor, Watcher& watcher, std::uint32_t events);
  /// From here on it is told nothing, even of what has come already.
  void remove(int descriptor, const Watcher& watcher);

  /// Calls `work` on the running thread, soon.
  void post(std::function<void()> work) NEPHRITE_EXCLUDES(mutex_);
  /// Calls `due` when `wait` is over; replaces an earlier wish.
  void callIn(Duration wait, std::function<void()> due);

  /// Runs until stop(). Looks for `spin` microseconds, which may change, before it sleeps.
  void run(const std::atomic<std::int64_t>& spin);
  void stop();
  /// When run() has ended: drops what is posted, and what is posted from now on.
  void close() NEPHRITE_EXCLUDES(mutex_);

 private:
  /// Does what there is; when there is nothing, sleeps first if it may.
  bool once(bool sleeps);
  void runPosted() NEPHRITE_EXCLUDES(mutex_);

  const Descriptor epoll_;
  const Descriptor wake_;
  const Descriptor timer_;
  std::function<void()> due_;
  std::array<epoll_event, 64> events_{};  // Those from `next_` on are still to be told.
  std::size_t next_ = 0;
  std::size_t count_ = 0;
  std::atomic<bool> stopped_{false};

  Mutex mutex_;  // A leaf.
  std::vector<std::function<void()>> posted_ NEPHRITE_GUARDED_BY(mutex_);
  bool closed_ NEPHRITE_GUARDED_BY(mutex_) = false;
};

}  // namespace nephrite

#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "node/client/carrier.h"
#include "node/server/server_sessions.h"

namespace nephrite {

/// Where both ends of a loopback run: one queue of work, done in its order by one thread, the
/// strand of the server's sessions and the thread of the client's carrier in one.
///
/// Threads: any method, from any thread, but for what is said. Without a thread of its own the work
///          is done by whoever calls pump() or settle(), one thread.
class LoopbackQueue {
 public:
  enum class Threads { Own, None };

  explicit LoopbackQueue(Threads threads);
  ~LoopbackQueue();  ///< stop().
  LoopbackQueue(const LoopbackQueue&) = delete;
  LoopbackQueue& operator=(const LoopbackQueue&) = delete;

  void post(std::function<void()> work) NEPHRITE_EXCLUDES(mutex_);
  /// At once when called from within such work.
  void run(std::function<void()> work);
  bool isInside() const NEPHRITE_EXCLUDES(mutex_);

  /// Without a thread: does what is queued. The program ends when that is nothing, for whoever
  /// waits would wait for ever. With a thread: false.
  bool pump() NEPHRITE_EXCLUDES(mutex_);
  /// Returns when nothing is queued or being done. Not from within the work.
  void settle() NEPHRITE_EXCLUDES(mutex_);
  /// settle(); what is posted later is dropped.
  void stop() NEPHRITE_EXCLUDES(mutex_);

 private:
  void serve() NEPHRITE_EXCLUDES(mutex_);
  bool runNext() NEPHRITE_EXCLUDES(mutex_);

  mutable Mutex mutex_;  // A leaf.
  CondVar changed_;
  std::deque<std::function<void()>> work_ NEPHRITE_GUARDED_BY(mutex_);
  std::thread::id inside_ NEPHRITE_GUARDED_BY(mutex_);  // Who does some of it just now.
  bool stopped_ NEPHRITE_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

/// Carries frames to `sessions` and back as bytes, cut anew at the other end as from a socket.
class LoopbackCarrier final : public Carrier {
 public:
  /// Both must outlive this.
  LoopbackCarrier(LoopbackQueue& queue, ServerSessions& sessions);

  void start(CarrierListener& listener) override NEPHRITE_EXCLUDES(mutex_);
  void stop() override NEPHRITE_EXCLUDES(mutex_);
  void connect() override NEPHRITE_EXCLUDES(mutex_);
  void disconnect() override NEPHRITE_EXCLUDES(mutex_);
  void send(std::string frame) override NEPHRITE_EXCLUDES(mutex_);
  /// Never: a loopback breaks only when told to, and is silent for weeks of a ManualClock.
  void wakeAt(Instant) override {}
  bool pump() override { return queue_.pump(); }
  bool isOwnThread() const override { return queue_.isInside(); }
  const std::string& server() const override { return name_; }

 private:
  class Connection;

  /// The listener, while `connection` is the present one.
  CarrierListener* listenerOf(const Connection& connection) NEPHRITE_EXCLUDES(mutex_);
  void hungUp(const Connection& connection) NEPHRITE_EXCLUDES(mutex_);

  LoopbackQueue& queue_;
  ServerSessions& sessions_;
  const std::string name_ = "loopback";
  Mutex mutex_;  // Before the queue's.
  CarrierListener* listener_ NEPHRITE_GUARDED_BY(mutex_) = nullptr;
  std::shared_ptr<Connection> connection_ NEPHRITE_GUARDED_BY(mutex_);
};

}  // namespace nephrite

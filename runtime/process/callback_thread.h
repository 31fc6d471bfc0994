#pragma once

// Private to runtime.

#include <functional>
#include <memory>
#include <thread>

namespace nephrite {

/// The thread of a node on which callbacks of asynchronous requests run, in the order posted, so
/// that nobody's code runs on the thread of whoever released a lock.
/// Threads: any.
class CallbackThread {
 public:
  CallbackThread();
  /// Runs what was posted, then ends; waits for that unless called from a callback.
  ~CallbackThread();
  CallbackThread(const CallbackThread&) = delete;
  CallbackThread& operator=(const CallbackThread&) = delete;

  void post(std::function<void()> callback);

 private:
  struct Queue;
  std::shared_ptr<Queue> queue_;
  std::thread thread_;
};

}  // namespace nephrite

#pragma once

// Private to runtime.

#include <functional>
#include <memory>
#include <thread>

namespace nephrite {

/// A thread that runs what is posted to it, in that order: the callbacks of a node's asynchronous
/// requests, and what is left of commits whose upgrades had to wait. So no application
/// code runs, and no disk is waited for, on the thread that released a lock.
/// Threads: any.
class WorkThread {
 public:
  WorkThread();
  ~WorkThread();  ///< stop().
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;

  /// After stop() the work is run by the caller.
  void post(std::function<void()> work);
  /// Runs what was posted, then ends the thread; waits for that unless called from posted work.
  /// When it returns, nothing that was posted is run or kept any more.
  void stop();

 private:
  struct Queue;
  std::shared_ptr<Queue> queue_;
  std::thread thread_;
};

}  // namespace nephrite

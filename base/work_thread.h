#pragma once

#include <functional>
#include <memory>
#include <thread>

namespace nephrite {

/// A thread that runs what is posted to it, in that order, so that the thread that posts neither
/// runs the work nor waits for it. Threads: any.
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

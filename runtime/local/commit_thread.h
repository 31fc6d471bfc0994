#pragma once

// Private to this folder.

#include <deque>
#include <functional>
#include <thread>

#include "base/mutex.h"

namespace nephrite {

/// Runs the rest of commits whose upgrades had to wait, so that the thread that released the last
/// lock in their way does not wait for the disk on their behalf.
class CommitThread {
 public:
  CommitThread();
  ~CommitThread();  ///< Runs what was posted, then ends.
  CommitThread(const CommitThread&) = delete;
  CommitThread& operator=(const CommitThread&) = delete;

  void post(std::function<void()> work) NEPHRITE_EXCLUDES(mutex_);

 private:
  void run() NEPHRITE_EXCLUDES(mutex_);

  Mutex mutex_;  // A leaf.
  CondVar changed_;
  std::deque<std::function<void()>> posted_ NEPHRITE_GUARDED_BY(mutex_);
  bool stopping_ NEPHRITE_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace nephrite

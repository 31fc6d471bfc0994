#include "runtime/local/commit_thread.h"

#include <utility>

namespace nephrite {

CommitThread::CommitThread() : thread_([this] { run(); }) {}

CommitThread::~CommitThread() {
  {
    MutexLock hold(mutex_);
    stopping_ = true;
  }
  changed_.notifyAll();
  thread_.join();
}

void CommitThread::post(std::function<void()> work) {
  MutexLock hold(mutex_);
  posted_.push_back(std::move(work));
  changed_.notifyOne();
}

void CommitThread::run() {
  for (;;) {
    std::function<void()> work;
    {
      MutexLock hold(mutex_);
      while (posted_.empty() && !stopping_) changed_.wait(mutex_);
      if (posted_.empty()) return;
      work = std::move(posted_.front());
      posted_.pop_front();
    }
    work();
  }
}

}  // namespace nephrite

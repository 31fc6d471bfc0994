#include "base/work_thread.h"

#include <deque>
#include <utility>

#include "base/mutex.h"

namespace nephrite {

struct WorkThread::Queue {
  Mutex mutex;  // A leaf.
  CondVar changed;
  std::deque<std::function<void()>> posted NEPHRITE_GUARDED_BY(mutex);
  bool stopping NEPHRITE_GUARDED_BY(mutex) = false;

  void run() NEPHRITE_EXCLUDES(mutex) {
    for (;;) {
      std::function<void()> work;
      {
        MutexLock hold(mutex);
        while (posted.empty() && !stopping) changed.wait(mutex);
        if (posted.empty()) return;
        work = std::move(posted.front());
        posted.pop_front();
      }
      work();
    }
  }
};

WorkThread::WorkThread() : queue_(std::make_shared<Queue>()) {
  thread_ = std::thread([queue = queue_] { queue->run(); });
}

WorkThread::~WorkThread() {
  stop();
  if (thread_.joinable()) thread_.detach();  // Posted work ends us; the queue outlives this.
}

void WorkThread::stop() {
  {
    MutexLock hold(queue_->mutex);
    queue_->stopping = true;
  }
  queue_->changed.notifyAll();
  if (thread_.joinable() && thread_.get_id() != std::this_thread::get_id()) thread_.join();
}

void WorkThread::post(std::function<void()> work) {
  {
    MutexLock hold(queue_->mutex);
    if (!queue_->stopping) {
      queue_->posted.push_back(std::move(work));
      queue_->changed.notifyOne();
      return;
    }
  }
  work();
}

}  // namespace nephrite

#include "runtime/process/callback_thread.h"

#include <deque>
#include <utility>

#include "base/mutex.h"

namespace nephrite {

struct CallbackThread::Queue {
  Mutex mutex;  // A leaf.
  CondVar changed;
  std::deque<std::function<void()>> posted NEPHRITE_GUARDED_BY(mutex);
  bool stopping NEPHRITE_GUARDED_BY(mutex) = false;

  void run() NEPHRITE_EXCLUDES(mutex) {
    for (;;) {
      std::function<void()> callback;
      {
        MutexLock hold(mutex);
        while (posted.empty() && !stopping) changed.wait(mutex);
        if (posted.empty()) return;
        callback = std::move(posted.front());
        posted.pop_front();
      }
      callback();
    }
  }
};

CallbackThread::CallbackThread() : queue_(std::make_shared<Queue>()) {
  thread_ = std::thread([queue = queue_] { queue->run(); });
}

CallbackThread::~CallbackThread() {
  {
    MutexLock hold(queue_->mutex);
    queue_->stopping = true;
  }
  queue_->changed.notifyAll();
  if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();  // The last handle went inside a callback; the queue outlives this.
  } else {
    thread_.join();
  }
}

void CallbackThread::post(std::function<void()> callback) {
  {
    MutexLock hold(queue_->mutex);
    queue_->posted.push_back(std::move(callback));
  }
  queue_->changed.notifyOne();
}

}  // namespace nephrite

#pragma once

#include <optional>
#include <utility>

#include "base/mutex.h"

namespace nephrite {

/// Where a thread sleeps until an answer has come. Shared by the two: the one who answers may
/// still be inside settle() when the other has gone.
/// Threads: settle() once, from any.
template <class Answer>
class AnswerWait {
 public:
  void settle(Answer answer) NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    answer_ = std::move(answer);
    settled_.notifyAll();
  }
  bool isSettled() NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    return answer_.has_value();
  }
  Answer get() NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    while (!answer_) settled_.wait(mutex_);
    return std::move(*answer_);
  }

 private:
  Mutex mutex_;  // A leaf.
  CondVar settled_;
  std::optional<Answer> answer_ NEPHRITE_GUARDED_BY(mutex_);
};

}  // namespace nephrite

#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

namespace nephrite {

/// Where a thread sleeps until an answer has come. Shared by the two: the one who answers may
/// still be inside settle() when the other has gone.
/// Threads: settle() once, from any; the others from one. The sleeper is woken once, by a futex,
/// and finds nothing to wait for any more.
template <class Answer>
class AnswerWait {
 public:
  void settle(Answer answer) {
    answer_ = std::move(answer);
    settled_.store(1, std::memory_order_release);
    settled_.notify_one();
  }
  bool isSettled() const { return settled_.load(std::memory_order_acquire) != 0; }
  Answer get() {
    settled_.wait(0, std::memory_order_acquire);
    return std::move(*answer_);
  }

 private:
  std::optional<Answer> answer_;  // Written before, and read after, settled_ becomes 1.
  std::atomic<std::int32_t> settled_{0};
};

}  // namespace nephrite

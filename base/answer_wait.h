#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/threads.h"

namespace nephrite {

/// Wakes a thread that waits for an answer in poll() instead of on the answer's futex.
class Waker {
 public:
  virtual ~Waker() = default;
  virtual void wake() = 0;
};

/// An answer, of any type, that one thread waits for. Shared by two: the thread that answers may
/// still be inside complete() when the other has gone.
/// Threads: the one that waits, unless a method says otherwise.
class Awaited {
 public:
  /// Any thread.
  bool isComplete() const { return state_.load(std::memory_order_acquire) == kComplete; }

  /// Sleeps until it is complete, or call(): one futex. May return early.
  void sleep();
  /// Any thread that knows this to be there: the thread that sleeps here shall look around. False:
  /// it is complete, and that thread goes.
  bool call();

  /// From now until sleepsHereAgain(), the thread that completes this wakes `waker`. False: it is
  /// complete.
  bool sleepsAt(const std::shared_ptr<Waker>& waker) {
    if (waker_ != waker) waker_ = waker;
    std::int32_t was = kOpen;  // Or called, while this thread was awake.
    while (was != kComplete &&
           !state_.compare_exchange_weak(was, kElsewhere, std::memory_order_acq_rel)) {
    }
    return was != kComplete;
  }
  void sleepsHereAgain() {
    std::int32_t was = kElsewhere;
    state_.compare_exchange_strong(was, kOpen, std::memory_order_acq_rel);
  }

 protected:
  ~Awaited() = default;
  void setComplete();

 private:
  static constexpr std::int32_t kOpen = 0, kComplete = 1, kCalled = 2, kElsewhere = 3, kAsleep = 4;
  Atomic<std::int32_t> state_{kOpen};
  std::shared_ptr<Waker> waker_;  // Written before, and read after, state_ was kElsewhere.
};

/// Where a thread sleeps until an answer has come.
/// Threads: complete() once, from any; the others from one. The sleeper is woken once and finds
/// nothing to wait for any more.
template <class Answer>
class AnswerWait final : public Awaited {
 public:
  void complete(Answer answer) {
    answer_ = std::move(answer);
    setComplete();
  }
  void wait() {
    while (!isComplete()) sleep();
  }
  Answer get() {
    wait();
    return std::move(*answer_);
  }

 private:
  std::optional<Answer> answer_;  // Written before, and read after, it is complete.
};

/// Where answers come from when a thread has to fetch them, as out of a socket: a thread that waits
/// may fetch its own instead of being woken by one that has.
/// Threads: any; the three calls of one wait come from one thread, which waits for nothing else in
///          between but by the same three.
class AnswerSource {
 public:
  virtual ~AnswerSource() = default;
  /// Before a thread asks for what it will then wait for. False: it is inside already.
  virtual bool begin() = 0;
  /// Returns when `answer` is complete. Fetches meanwhile what comes, for others too.
  virtual void await(Awaited& answer) = 0;
  virtual void end() = 0;
};

/// One wait at a source; with none, the answer comes by itself. What the thread says to the other
/// side meanwhile, answered or not, may go together when it waits, or at the end.
class AnswerFetch {
 public:
  explicit AnswerFetch(AnswerSource* source)
      : source_(source), began_(source != nullptr && source->begin()) {}
  ~AnswerFetch() {
    if (began_) source_->end();
  }
  AnswerFetch(const AnswerFetch&) = delete;
  AnswerFetch& operator=(const AnswerFetch&) = delete;

  void await(Awaited& answer) {
    if (source_ != nullptr && !answer.isComplete()) source_->await(answer);
  }

 private:
  AnswerSource* const source_;
  const bool began_;
};

}  // namespace nephrite

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/threads.h"

namespace nephrite {

/// Wakes a thread that sleeps elsewhere than at the answer that it waits for.
class Waker {
 public:
  virtual ~Waker() = default;
  virtual void wake() = 0;
};

/// An answer that one thread waits for, whatever it is. Shared by the two: the one who answers may
/// still be inside settle() when the other has gone.
/// Threads: the one who waits, but for what is said.
class Awaited {
 public:
  /// Any thread.
  bool isSettled() const { return state_.load(std::memory_order_acquire) == kSettled; }

  /// Until it is settled, or somebody calls: one futex. May return early.
  void sleep();
  /// Any thread that knows this to be there: the thread that sleeps here shall look around. False:
  /// it is settled, and that thread goes.
  bool call();

  /// From now until sleepsHereAgain(), the thread that settles this wakes `waker`. False: it is
  /// settled.
  bool sleepsAt(const std::shared_ptr<Waker>& waker) {
    if (waker_ != waker) waker_ = waker;
    std::int32_t was = kOpen;  // Or called, when he was awake already.
    while (was != kSettled &&
           !state_.compare_exchange_weak(was, kElsewhere, std::memory_order_acq_rel)) {
    }
    return was != kSettled;
  }
  void sleepsHereAgain() {
    std::int32_t was = kElsewhere;
    state_.compare_exchange_strong(was, kOpen, std::memory_order_acq_rel);
  }

 protected:
  ~Awaited() = default;
  void setSettled();

 private:
  static constexpr std::int32_t kOpen = 0, kSettled = 1, kCalled = 2, kElsewhere = 3, kAsleep = 4;
  Atomic<std::int32_t> state_{kOpen};
  std::shared_ptr<Waker> waker_;  // Written before, and read after, state_ was kElsewhere.
};

/// Where a thread sleeps until an answer has come.
/// Threads: settle() once, from any; the others from one. The sleeper is woken once and finds
/// nothing to wait for any more.
template <class Answer>
class AnswerWait final : public Awaited {
 public:
  void settle(Answer answer) {
    answer_ = std::move(answer);
    setSettled();
  }
  void wait() {
    while (!isSettled()) sleep();
  }
  Answer get() {
    wait();
    return std::move(*answer_);
  }

 private:
  std::optional<Answer> answer_;  // Written before, and read after, it is settled.
};

/// Where answers come from when somebody has to fetch them, as out of a socket: a thread that waits
/// may fetch its own instead of being woken by one that has.
/// Threads: any; the three calls of one wait come from one thread, which waits for nothing else in
///          between but by the same three.
class AnswerSource {
 public:
  virtual ~AnswerSource() = default;
  /// Before a thread asks for what it will then wait for. False: it is inside already.
  virtual bool begin() = 0;
  /// Returns when `answer` is settled. Fetches meanwhile what comes, for others too.
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
    if (source_ != nullptr && !answer.isSettled()) source_->await(answer);
  }

 private:
  AnswerSource* const source_;
  const bool began_;
};

}  // namespace nephrite

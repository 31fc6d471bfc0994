#include "node/client/reading_turn.h"

#include <algorithm>

namespace nephrite {
namespace {

// Where the calling thread waits, or is about to.
NEPHRITE_PER_THREAD(const ReadingTurn*) waitingAt = nullptr;

}  // namespace

bool ReadingTurn::isWaiting() const { return waitingAt == this; }

bool ReadingTurn::begin() {
  if (waitingAt == this) return false;
  waitingAt = this;
  return true;
}

void ReadingTurn::asks() {
  MutexLock hold(mutex_);
  if (open_ && wanted_ == 0 && !isTaken()) reader_.store(currentThread());
}

bool ReadingTurn::next(Awaited& answer) {
  const ThreadId me = currentThread();
  MutexLock hold(mutex_);
  bool mayPassOn = false;
  while (!answer.isComplete()) {
    if (reader_.load() == me) {
      if (open_ && wanted_ == 0) {
        ++turns_;
        return true;
      }
      letGo();
    } else if (open_ && wanted_ == 0 && !isTaken()) {
      reader_.store(me);
      ++turns_;
      return true;
    }
    sleepers_.push_back(&answer);
    mutex_.unlock();
    answer.sleep();
    mutex_.lock();
    std::erase(sleepers_, &answer);
    mayPassOn = true;
  }
  // This thread may have been called, and its answer completed before it took the turn: then
  // another has to take it.
  if (reader_.load() == me) {
    letGo();
  } else if (mayPassOn) {
    passOn();
  }
  return false;
}

void ReadingTurn::end() {
  waitingAt = nullptr;
  // No other thread makes this one the reader, or takes that away.
  if (reader_.load() != currentThread()) return;
  MutexLock hold(mutex_);
  letGo();
}

void ReadingTurn::take() {
  const ThreadId me = currentThread();
  MutexLock hold(mutex_);
  ++wanted_;
  if (isTaken()) hooks_.interrupt();
  while (isTaken()) given_.wait(mutex_);
  --wanted_;
  reader_.store(me);
}

void ReadingTurn::give() {
  MutexLock hold(mutex_);
  letGo();
}

bool ReadingTurn::takeWhenFree() {
  MutexLock hold(mutex_);
  watched_ = false;
  if (!open_ || isTaken()) return false;
  reader_.store(currentThread());
  return true;
}

bool ReadingTurn::watchIfUnused() {
  MutexLock hold(mutex_);
  if (!open_) return true;
  if (isTaken() || seen_ != turns_) {
    seen_ = turns_;
    return false;
  }
  watch();
  return true;
}

void ReadingTurn::open() {
  MutexLock hold(mutex_);
  open_ = true;
  watched_ = false;
  seen_ = turns_;
  watch();
}

void ReadingTurn::close() {
  MutexLock hold(mutex_);
  open_ = false;
  watched_ = false;
}

void ReadingTurn::setUnattended(std::size_t requests) {
  MutexLock hold(mutex_);
  const bool more = requests > unattended_;
  unattended_ = requests;
  if (more && open_ && !isTaken()) watch();
}

void ReadingTurn::letGo() {
  reader_.store(ThreadId());
  passOn();
}

void ReadingTurn::passOn() {
  if (wanted_ > 0) return given_.notifyAll();
  if (!open_ || isTaken()) return;
  for (Awaited* const sleeper : sleepers_) {
    if (sleeper->call()) return;
  }
  if (unattended_ > 0) watch();
}

void ReadingTurn::watch() {
  if (watched_) return;
  watched_ = true;
  hooks_.watch();
}

}  // namespace nephrite

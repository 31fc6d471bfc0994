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
  MutexLock hold(mutex_);
  if (!open_ || wanted_ > 0 || reader_ != ThreadId()) return true;
  reader_ = currentThread();
  ++turns_;
  return true;
}

bool ReadingTurn::next(Awaited& answer) {
  const ThreadId me = currentThread();
  MutexLock hold(mutex_);
  bool slept = false;
  while (!answer.isSettled()) {
    if (reader_ == me) {
      if (open_ && wanted_ == 0) return true;
      reader_ = {};
      passOn();
    } else if (open_ && wanted_ == 0 && reader_ == ThreadId()) {
      reader_ = me;
      ++turns_;
      return true;
    }
    sleepers_.push_back(&answer);
    mutex_.unlock();
    answer.sleep();
    mutex_.lock();
    std::erase(sleepers_, &answer);
    slept = true;
  }
  // This thread may have been called, and its answer settled before it took the turn: then another
  // has to take it.
  if (slept) passOn();
  return false;
}

void ReadingTurn::end() {
  waitingAt = nullptr;
  MutexLock hold(mutex_);
  if (reader_ != currentThread()) return;
  reader_ = {};
  passOn();
}

void ReadingTurn::take() {
  const ThreadId me = currentThread();
  MutexLock hold(mutex_);
  ++wanted_;
  if (reader_ != ThreadId()) means_.interrupt();
  while (reader_ != ThreadId()) given_.wait(mutex_);
  --wanted_;
  reader_ = me;
}

void ReadingTurn::give() {
  MutexLock hold(mutex_);
  reader_ = {};
  passOn();
}

bool ReadingTurn::takeWhenFree() {
  MutexLock hold(mutex_);
  watched_ = false;
  if (!open_ || reader_ != ThreadId()) return false;
  reader_ = currentThread();
  return true;
}

bool ReadingTurn::isIdle() {
  MutexLock hold(mutex_);
  if (!open_) return true;
  if (reader_ != ThreadId() || seen_ != turns_) {
    seen_ = turns_;
    return false;
  }
  watch();
  return true;
}

void ReadingTurn::open(bool is) {
  MutexLock hold(mutex_);
  open_ = is;
  watched_ = false;
  if (!is) return;
  seen_ = turns_;
  watch();
}

void ReadingTurn::setUnattended(std::size_t requests) {
  MutexLock hold(mutex_);
  const bool more = requests > unattended_;
  unattended_ = requests;
  if (more && open_ && reader_ == ThreadId()) watch();
}

void ReadingTurn::passOn() {
  if (wanted_ > 0) return given_.notifyAll();
  if (!open_ || reader_ != ThreadId()) return;
  for (Awaited* const sleeper : sleepers_) {
    if (sleeper->call()) return;
  }
  if (unattended_ > 0) watch();
}

void ReadingTurn::watch() {
  if (watched_) return;
  watched_ = true;
  means_.watch();
}

}  // namespace nephrite

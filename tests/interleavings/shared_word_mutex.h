#pragma once

#include <cstdint>

#include "base/mutex.h"
#include "base/spin_lock.h"
#include "tests/interleavings/explorer.h"

namespace nephrite {

/// How OwnerMutex (base/owner_mutex.h) must not be: its owners, one after the other, mark in the
/// same word that they are inside. A thread that was the owner, and is late, wipes out the mark of
/// the next one. Here to see that the explorer finds that.
class SharedWordMutex {
 public:
  explicit SharedWordMutex(std::uint32_t ownAfter) : ownAfter_(ownAfter) {}

  bool lock() {
    const int me = explored::threadNumber();
    if (owner_.load() == me) {
      inside_.store(me);
      if (owner_.load() == me) return true;
      inside_.store(0);
    }
    lockAmongOthers(me);
    return false;
  }
  void unlock(bool asOwner) {
    if (asOwner) {
      inside_.store(0);
    } else {
      others_.unlock();
    }
  }

 private:
  void lockAmongOthers(int me) {
    others_.lock();
    if (owner_.load() != 0) {
      owner_.store(0);
      SpinWait wait;
      while (inside_.load() != 0) wait.pause();
      streak_ = 0;
      ownAfter_ *= 4;
    }
    streak_ = last_ == me ? streak_ + 1 : 0;
    last_ = me;
    if (streak_ < ownAfter_) return;
    streak_ = 0;
    owner_.store(me);
  }

  Atomic<int> owner_{0}, inside_{0};
  SystemMutex others_;
  int last_ = 0;
  std::uint32_t streak_ = 0, ownAfter_;
};

}  // namespace nephrite

#include "base/owner_mutex.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "base/check.h"
#include "base/spin_lock.h"

namespace nephrite {
namespace {

#if defined(NEPHRITE_TSAN) || defined(NEPHRITE_EXPLORED)

bool fencesWork() { return true; }  // None is needed: everything is sequentially consistent.
void fenceEverybody() {}

#else

long membarrier(int command) { return syscall(__NR_membarrier, command, 0, 0); }
bool registerForFences() { return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0; }

// Can a full fence be put into every running thread of this program?
bool fencesWork() {
  static const bool registered = registerForFences();
  return registered;
}

void fenceEverybody() {
  if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) return;
  // A forked child may have to register anew.
  const bool fenced = registerForFences() && membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
  NEPHRITE_CHECK(fenced && "membarrier() worked before");
}

#endif

constexpr std::uint32_t kMostPatience = 1u << 20;

/// The words that no thread has. Never destroyed: a thread may end after everything else.
class FreeWords {
 public:
  OwnerWord* take() NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    if (first_ == nullptr) return new OwnerWord;
    return std::exchange(first_, first_->nextFree);
  }
  void give(OwnerWord* word) NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    word->nextFree = std::exchange(first_, word);
  }

 private:
  Mutex mutex_;  // A leaf.
  OwnerWord* first_ NEPHRITE_GUARDED_BY(mutex_) = nullptr;
};

FreeWords& freeWords() {
  static auto* const words = new FreeWords;
  return *words;
}

// Of a thread that is about to end and has left its word to others: it owns nothing any more.
OwnerWord pastOwnerWord;

// What the thread owns is from now on owned by the next thread that has the word. It cannot tell:
// this one is inside nowhere, and whatever it did is done before the other begins.
void leaveWord() {
  OwnerWord* const mine = theOwnerWord;
  theOwnerWord = &pastOwnerWord;
  NEPHRITE_CHECK(mine->inside.load() == nullptr && "a thread ends while it holds an OwnerMutex");
  freeWords().give(mine);
}

OwnerWord* ownWord() {
  OwnerWord* word = theOwnerWord;
  if (word == &noOwnerWord) {
    word = freeWords().take();
    theOwnerWord = word;
    runAtThreadExit<leaveWord>();
  }
  return word;
}

}  // namespace

void OwnerMutex::lockAmongOthers() {
  OwnerWord* const me = ownWord();
  NEPHRITE_CHECK(me->inside.load(std::memory_order_relaxed) == nullptr && "inside another one");
  others_.lock();
  if (OwnerWord* const owner = owner_.load(std::memory_order_relaxed); owner != nullptr) {
    owner_.store(nullptr, std::memory_order_seq_cst);
    fenceEverybody();
    SpinWait wait;
    while (owner->inside.load(std::memory_order_seq_cst) == this) wait.pause();
    streak_ = 0;
    ownAfter_ = ownAfter_ < kMostPatience ? ownAfter_ * 4 : kMostPatience;
  }
  streak_ = last_ == me ? streak_ + 1 : 0;
  last_ = me;
  if (streak_ < ownAfter_ || me == &pastOwnerWord || !fencesWork()) return;
  streak_ = 0;
  owner_.store(me, std::memory_order_relaxed);
}

}  // namespace nephrite

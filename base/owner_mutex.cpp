#include "base/owner_mutex.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/spin_lock.h"

namespace nephrite {
namespace {

#if defined(NEPHRITE_TSAN)

bool fencesWork() { return true; }  // None is needed: see kBetween.
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

}  // namespace

std::uint32_t takeThreadNumber() {
  static std::atomic<std::uint32_t> last{0};
  return ++last;
}

void OwnerMutex::lockAmongOthers(std::uint32_t me) {
  others_.lock();
  if (owner_.load(std::memory_order_relaxed) != 0) {
    owner_.store(0, std::memory_order_seq_cst);
    fenceEverybody();
    SpinWait wait;
    while (inside_.load(std::memory_order_seq_cst) != 0) wait.pause();
    streak_ = 0;
    ownAfter_ = ownAfter_ < kMostPatience ? ownAfter_ * 4 : kMostPatience;
  }
  streak_ = last_ == me ? streak_ + 1 : 0;
  last_ = me;
  if (streak_ < ownAfter_ || !fencesWork()) return;
  streak_ = 0;
  owner_.store(me, std::memory_order_relaxed);
}

}  // namespace nephrite

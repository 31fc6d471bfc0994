#include "locking/table/grant_clock.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <fstream>
#include <string>

namespace nephrite::lock_table {
namespace {

#if defined(__x86_64__)

// What the processor says about itself in EDX; 0 when it does not know `leaf`.
std::uint32_t featuresOf(std::uint32_t leaf) {
  constexpr std::uint32_t kLargestLeaf = 0x80000000;
  std::uint32_t a = kLargestLeaf, b = 0, c = 0, d = 0;
  asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  if (a < leaf) return 0;
  a = leaf;
  asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return d;
}

bool countsAlways() {
  const bool hasRdtscp = (featuresOf(0x80000001) >> 27 & 1) != 0;
  const bool isInvariant = (featuresOf(0x80000007) >> 8 & 1) != 0;
  return hasRdtscp && isInvariant;
}

// The kernel compares the counters of all processors, and keeps time by another clock when they
// differ.
bool kernelTrustsIt() {
  std::ifstream file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  std::string name;
  return file >> name && name == "tsc";
}

bool tellsTheProcessor(unsigned mask) {
  for (int attempt = 0; attempt < 8; ++attempt) {  // It may change between the two.
    unsigned counted = 0, processor = 0;
    __builtin_ia32_rdtscp(&counted);
    if (syscall(SYS_getcpu, &processor, nullptr, nullptr) != 0) return false;
    if ((counted & mask) == processor) return true;
  }
  return false;
}

#endif

}  // namespace

// 0 when it does not work on this machine.
unsigned GrantClock::processorBitsHere() {
#if defined(__x86_64__)
  if (!countsAlways() || !kernelTrustsIt() || !tellsTheProcessor(kProcessor)) return 0;
  const long processors = sysconf(_SC_NPROCESSORS_CONF);
  if (processors < 1) return 0;
  const auto bits =
      static_cast<unsigned>(std::bit_width(static_cast<unsigned long>(processors - 1)));
  return bits > kMostProcessorBits ? 0 : std::max(bits, kFewestProcessorBits);
#else
  return 0;
#endif
}

GrantClock::GrantClock(std::uint64_t above) {
  static const unsigned bits = processorBitsHere();
  processorBits_ = bits;
  const std::uint64_t first = read();
  if (first == 0) {
    processorBits_ = 0;
    return;
  }
  base_ = above + (std::uint64_t{1} << processorBits_) - first;
}

// Threads that count on by one are slower than the counter, so what is seen is at most the same
// few ticks; else the counter went back, which it must not.
std::uint64_t GrantClock::readAbove(std::uint64_t seen) const {
  constexpr int kPatience = 64;
  for (int i = 0; i < kPatience; ++i) {
    const std::uint64_t number = read();
    if (number > seen) return number;
  }
  return seen + 1;
}

}  // namespace nephrite::lock_table

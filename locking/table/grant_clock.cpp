#include "locking/table/grant_clock.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <fstream>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace nephrite::lock_table {
namespace {

#if defined(__x86_64__)

bool countsAlways() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(0x80000001, &a, &b, &c, &d) == 0 || (d >> 27 & 1) == 0) return false;  // rdtscp
  return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d >> 8 & 1) != 0;  // Invariant.
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
    unsigned processor = 0;
    __builtin_ia32_rdtscp(&processor);
    if (static_cast<int>(processor & mask) == sched_getcpu()) return true;
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

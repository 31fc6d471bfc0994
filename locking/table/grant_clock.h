#pragma once

// Private to locking: numbers for grants that are made out of each other's sight.

#include <atomic>
#include <cstdint>

namespace nephrite::lock_table {

/// Orders grants of threads that share nothing: a thread that reads it after another, in whatever
/// way it came to be after, reads more. It is the time-stamp counter of the processor, where the
/// kernel itself keeps time by that and so has seen that all processors count alike; elsewhere it
/// does not work. Or a counter of the program, for what is to be the same on every machine.
///
/// Size:    a number is the counter's ticks by 16 and the processor, so that no two are the same.
///          At 2.6 GHz, 8 processors use up 63 bits in 225 years, 128 of them, the most, in 14.
/// Threads: a value.
class GrantClock {
 public:
  /// One that does not work.
  GrantClock() = default;
  /// Its numbers are above `above`, if it works here.
  explicit GrantClock(std::uint64_t above);
  /// One that counts by itself, in large steps: Lamport's clock, which counts by one, stays behind.
  explicit GrantClock(std::atomic<std::uint64_t>& counter) : counter_(&counter) {}

  bool works() const { return processorBits_ != 0 || counter_ != nullptr; }

  /// 0 when it does not work, or not here and now. Not before what stands before it in the program:
  /// rdtscp waits for that.
  std::uint64_t read() const {
    if (processorBits_ == 0) [[unlikely]]
      return counter_ == nullptr ? 0 : counter_->fetch_add(kCounts) + kCounts;
#if defined(__x86_64__)
    unsigned processor = 0;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    const std::uint64_t ticks = __builtin_ia32_rdtscp(&processor);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    processor &= kProcessor;
    if (processor >> processorBits_ != 0) [[unlikely]]
      return 0;
    return base_ + (((ticks >> kTickBits) << processorBits_) | processor);
#else
    return 0;
#endif
  }
  /// More than `seen`: read(), as soon as that is more. The next number, should it never be.
  std::uint64_t readAbove(std::uint64_t seen) const;

 private:
  static constexpr unsigned kTickBits = 4;
  static constexpr unsigned kFewestProcessorBits = 3, kMostProcessorBits = 7;
  static constexpr unsigned kProcessor = 0xFFF;  // What the kernel keeps there; above it: the node.

  static constexpr std::uint64_t kCounts = std::uint64_t{1} << 20;

  static unsigned processorBitsHere();

  std::atomic<std::uint64_t>* counter_ = nullptr;
  std::uint64_t base_ = 0;
  unsigned processorBits_ = 0;
};

}  // namespace nephrite::lock_table

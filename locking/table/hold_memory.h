#pragma once

// Private to locking: where the holds of a locker are kept, and found.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/mutex.h"
#include "locking/table/lock_nodes.h"

namespace nephrite::lock_table {

/// Memory in chunks of one size, each at a multiple of it. Threads: any.
class ChunkPool {
 public:
  static constexpr std::size_t kChunk = 1024;

  ChunkPool() = default;
  ~ChunkPool();
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;

  void* take() NEPHRITE_EXCLUDES(mutex_);
  void give(void* chunk) NEPHRITE_EXCLUDES(mutex_);

  /// For what a locker needs besides: false when all together have too much of it already.
  bool reserve(std::size_t bytes);
  void returned(std::size_t bytes) { reserved_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kBlock = std::size_t{1} << 20;
  static constexpr std::size_t kMostReserved = std::size_t{1} << 20;

  static std::byte* mapBlock();

  struct Free {
    Free* next;
  };
  struct Block {
    Free* free = nullptr;
    std::size_t used = 0;
    std::size_t touched = 0;  ///< Chunks that were used before.
    bool hasRoom() const { return free != nullptr || touched < kBlock / kChunk; }
  };

  std::atomic<std::size_t> reserved_{0};
  Mutex mutex_;  // A leaf.
  std::map<std::uintptr_t, Block> blocks_ NEPHRITE_GUARDED_BY(mutex_);
  std::vector<std::uintptr_t> withRoom_ NEPHRITE_GUARDED_BY(mutex_);  // The last is used next.
};

/// Where a locker looks first for what it holds: some of its holds, each at the place that the hash
/// of its target says. Begins small, in its locker; grows where holds keep pushing each other out.
class HoldIndex {
 public:
  explicit HoldIndex(ChunkPool& pool) : pool_(pool) {}
  ~HoldIndex();
  HoldIndex(const HoldIndex&) = delete;
  HoldIndex& operator=(const HoldIndex&) = delete;

  Hold*& at(std::uint64_t hash) { return places_[(hash >> (64 - kMostBits)) & mask_]; }
  /// A retained hold had to make place for another. False when that was so often that a larger
  /// index is called for, and there is none.
  bool pushedOut() {
    if (++pushedOut_ <= mask_) [[likely]]
      return true;
    return grow();
  }
  std::span<Hold*> all() { return {places_, std::size_t{mask_} + 1}; }

 private:
  static constexpr unsigned kFewBits = 3, kMostBits = 11;
  static constexpr unsigned kGrowBits = 2;
  bool grow();

  std::array<Hold*, 1u << kFewBits> few_{};
  Hold** places_ = few_.data();
  std::uint32_t mask_ = (1u << kFewBits) - 1;
  std::uint32_t pushedOut_ = 0;  // Since it has this size.
  ChunkPool& pool_;
};

}  // namespace nephrite::lock_table

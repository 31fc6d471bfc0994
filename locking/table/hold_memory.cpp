#include "locking/table/hold_memory.h"

#include <sys/mman.h>

#include <array>
#include <new>

#include "base/check.h"

namespace nephrite::lock_table {

namespace {

/// Some blocks (at most 8 MiB) of pools that are gone, for the next pools: to map one, and to give
/// it back, costs more than all that a lock manager does which lives for a few locks.
class SpareBlocks {
 public:
  /// Null: there is none.
  std::byte* take() NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    return count_ == 0 ? nullptr : blocks_.at(--count_);
  }
  /// False: there are enough.
  bool give(std::byte* block) NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    if (count_ == blocks_.size()) return false;
    blocks_.at(count_++) = block;
    return true;
  }
  /// Kept to the end: a pool may be the last thing that goes.
  static SpareBlocks& all() {
    static auto& blocks = *new SpareBlocks;
    return blocks;
  }

 private:
  Mutex mutex_;  // A leaf.
  std::array<std::byte*, 8> blocks_ NEPHRITE_GUARDED_BY(mutex_){};
  std::size_t count_ NEPHRITE_GUARDED_BY(mutex_) = 0;
};

}  // namespace

// --- ChunkPool -----------------------------------------------------------------------------------

ChunkPool::~ChunkPool() {
  for (const auto& [address, block] : blocks_) {
    NEPHRITE_CHECK(block.used == 0);
    auto* const memory = reinterpret_cast<std::byte*>(address);
    if (!SpareBlocks::all().give(memory)) munmap(memory, kBlock);
  }
}

// Of its own, so that what is not used yet takes no memory, and what is not used any more is gone.
std::byte* ChunkPool::mapBlock() {
  if (std::byte* const spare = SpareBlocks::all().take()) return spare;
  void* const twice = mmap(nullptr, 2 * kBlock, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (twice == MAP_FAILED) throw std::bad_alloc();
  const auto begin = reinterpret_cast<std::uintptr_t>(twice);
  const std::uintptr_t block = (begin + kBlock - 1) & ~(kBlock - 1);
  const std::uintptr_t end = begin + 2 * kBlock;
  if (block > begin) munmap(twice, block - begin);
  if (block + kBlock < end) {
    munmap(reinterpret_cast<void*>(block + kBlock), end - block - kBlock);
  }
  return reinterpret_cast<std::byte*>(block);
}

void* ChunkPool::take() {
  MutexLock hold(mutex_);
  if (withRoom_.empty()) {
    withRoom_.push_back(reinterpret_cast<std::uintptr_t>(mapBlock()));
    blocks_[withRoom_.back()];
  }
  const std::uintptr_t address = withRoom_.back();
  Block& block = blocks_.at(address);
  void* chunk = block.free;
  if (chunk != nullptr) {
    block.free = block.free->next;
  } else {
    chunk = reinterpret_cast<void*>(address + kChunk * block.touched++);
  }
  ++block.used;
  if (!block.hasRoom()) withRoom_.pop_back();
  return chunk;
}

// Keeps one empty block at most.
void ChunkPool::give(void* chunk) {
  MutexLock hold(mutex_);
  const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(chunk) & ~(kBlock - 1);
  Block& block = blocks_.at(address);
  if (!block.hasRoom()) withRoom_.push_back(address);
  block.free = new (chunk) Free{block.free};
  if (--block.used > 0 || withRoom_.size() < 2) return;
  std::erase(withRoom_, address);
  blocks_.erase(address);
  munmap(reinterpret_cast<void*>(address), kBlock);
}

bool ChunkPool::reserve(std::size_t bytes) {
  if (reserved_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= kMostReserved) return true;
  returned(bytes);
  return false;
}

// --- HoldIndex -----------------------------------------------------------------------------------

HoldIndex::~HoldIndex() {
  if (places_ == few_.data()) return;
  pool_.returned(all().size_bytes());
  delete[] places_;
}

// Each place becomes several, so that no two meet that did not before.
bool HoldIndex::grow() {
  pushedOut_ = 0;
  const std::span<Hold*> old = all();
  const std::size_t size = old.size() << kGrowBits;
  if (old.size() == (1u << kMostBits) || !pool_.reserve(size * sizeof(Hold*))) return false;
  places_ = new Hold* [size] {};
  mask_ = static_cast<std::uint32_t>(size - 1);
  for (Hold* const hold : old) {
    if (hold != nullptr) at(hashOf(hold->target)) = hold;
  }
  if (old.data() == few_.data()) return true;
  pool_.returned(old.size_bytes());
  delete[] old.data();
  return true;
}

}  // namespace nephrite::lock_table

#pragma once

// Private to this folder.

#include <atomic>
#include <cstdint>

namespace nephrite::lock_table {

/// A pointer and 16 bits in one word: addresses of user memory have 48.
/// Threads: one at a time changes it, any reads it; a reader learns nothing of what it points to.
template <typename T>
class TaggedPointer {
 public:
  T* get() const { return reinterpret_cast<T*>(static_cast<std::int64_t>(bits()) >> 16); }
  std::uint16_t tag() const { return static_cast<std::uint16_t>(bits()); }

  void set(T* pointer) {
    store((reinterpret_cast<std::uint64_t>(pointer) << 16) | (bits() & 0xFFFF));
  }
  void set(T* pointer, std::uint16_t tag) {
    store((reinterpret_cast<std::uint64_t>(pointer) << 16) | tag);
  }
  void setTag(std::uint16_t tag) { store((bits() & ~std::uint64_t{0xFFFF}) | tag); }

 private:
  std::uint64_t bits() const { return bits_.load(std::memory_order_relaxed); }
  void store(std::uint64_t bits) { bits_.store(bits, std::memory_order_relaxed); }

  std::atomic<std::uint64_t> bits_{0};
};

}  // namespace nephrite::lock_table

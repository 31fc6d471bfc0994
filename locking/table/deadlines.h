#pragma once

// Private to this folder.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "locking/table/lock_nodes.h"

namespace nephrite::lock_table {

/// All waits, the one that ends first in front: a heap with four children to a node, in which each
/// wait knows its place. Millions of waits are far apart in memory; so what decides nearly always,
/// the millisecond, stands in the heap itself.
class Deadlines {
 public:
  bool empty() const { return heap_.empty(); }
  std::size_t size() const { return heap_.size(); }
  Wait& first() const { return *heap_.front().wait(); }

  template <class Visit>
  void forEach(const Visit& visit) const {
    for (const Due& due : heap_) visit(*due.wait());
  }

  void insert(Wait& wait);
  void erase(Wait& wait);

 private:
  /// Ten bytes: addresses of user memory have 48 bits.
  class Due {
   public:
    explicit Due(Wait& wait);
    Wait* wait() const { return reinterpret_cast<Wait*>(std::uint64_t{words_[4]} << 32 | bits(2)); }
    bool isEarlierThan(const Due& other) const;

   private:
    std::uint32_t bits(std::size_t at) const {
      return std::uint32_t{words_[at + 1]} << 16 | words_[at];
    }
    // Of the deadline, its lower bits: all waits end within 25 days.
    std::uint32_t millisecond() const { return bits(0); }

    std::array<std::uint16_t, 5> words_;
  };
  static_assert(sizeof(Due) == 10);

  void put(std::size_t at, Due due);
  void raise(std::size_t at, Due due);
  void sink(std::size_t at, Due due);

  std::vector<Due> heap_;
};

}  // namespace nephrite::lock_table

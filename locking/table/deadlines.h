#pragma once

// Private to this folder.

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
  /// Twelve bytes: for that, the pointer is in two halves.
  class Due {
   public:
    explicit Due(Wait& wait);
    Wait* wait() const {
      return reinterpret_cast<Wait*>(std::uint64_t{high_} << 32 | std::uint64_t{low_});
    }
    bool isEarlierThan(const Due& other) const;

   private:
    std::uint32_t millisecond_;  // Of the deadline, its lower bits: all waits end within 25 days.
    std::uint32_t low_, high_;
  };

  void put(std::size_t at, Due due);
  void raise(std::size_t at, Due due);
  void sink(std::size_t at, Due due);

  std::vector<Due> heap_;
};

}  // namespace nephrite::lock_table

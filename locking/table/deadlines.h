#pragma once

// Private to this folder.

#include <cstddef>
#include <vector>

#include "locking/table/lock_nodes.h"

namespace nephrite::lock_table {

/// All waits, the one that ends first in front: a heap of pointers, four children to a node, in
/// which each wait knows its place.
class Deadlines {
 public:
  bool empty() const { return heap_.empty(); }
  std::size_t size() const { return heap_.size(); }
  Wait& first() const { return *heap_.front(); }
  const std::vector<Wait*>& all() const { return heap_; }

  void insert(Wait& wait);
  void erase(Wait& wait);

 private:
  void put(std::size_t at, Wait& wait);
  void raise(std::size_t at, Wait& wait);
  void sink(std::size_t at, Wait& wait);

  std::vector<Wait*> heap_;
};

}  // namespace nephrite::lock_table

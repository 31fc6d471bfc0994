#pragma once

// Private to locking.

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace nephrite::lock_table {

/// Nodes of one kind from blocks of many, without a byte between them. The blocks go when the last
/// node has gone. Not synchronised.
template <typename T>
class Slab {
 public:
  Slab() = default;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  template <typename... Args>
  T* make(Args&&... args) {
    if (free_ == nullptr) grow();
    Room* const room = free_;
    free_ = room->next;
    ++used_;
    return new (room->bytes) T{std::forward<Args>(args)...};
  }

  void destroy(T* node) {
    node->~T();
    Room* const room = new (static_cast<void*>(node)) Room;
    room->next = free_;
    free_ = room;
    if (--used_ > 0 || blocks_.size() < 2) return;
    blocks_.clear();
    blocks_.shrink_to_fit();
    free_ = nullptr;
  }

 private:
  static constexpr std::size_t kPerBlock = 64;
  union Room {
    Room() : next(nullptr) {}
    Room* next;
    alignas(T) std::byte bytes[sizeof(T)];
  };

  void grow() {
    blocks_.push_back(std::make_unique<Room[]>(kPerBlock));
    for (std::size_t i = kPerBlock; i-- > 0;) {
      blocks_.back()[i].next = free_;
      free_ = &blocks_.back()[i];
    }
  }

  std::vector<std::unique_ptr<Room[]>> blocks_;
  Room* free_ = nullptr;
  std::size_t used_ = 0;
};

}  // namespace nephrite::lock_table

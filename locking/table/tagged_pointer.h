#pragma once

// Private to locking.

#include <atomic>
#include <boost/intrusive/link_mode.hpp>
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

/// A place in the list `List`, for boost::intrusive, and 32 bits beside. One thread at a time.
template <typename List>
struct TaggedLink {
  TaggedPointer<TaggedLink> next, previous;

  std::uint32_t beside() const { return (std::uint32_t{next.tag()} << 16) | previous.tag(); }
  void setBeside(std::uint32_t bits) {
    next.setTag(static_cast<std::uint16_t>(bits >> 16));
    previous.setTag(static_cast<std::uint16_t>(bits));
  }
};

/// How a list finds the link of a `Value`, which it is a base of.
template <typename Value, typename List>
struct TaggedLinks {
  struct node_traits {
    using node = TaggedLink<List>;
    using node_ptr = node*;
    using const_node_ptr = const node*;
    static node_ptr get_next(const_node_ptr at) { return at->next.get(); }
    static void set_next(node_ptr at, node_ptr next) { at->next.set(next); }
    static node_ptr get_previous(const_node_ptr at) { return at->previous.get(); }
    static void set_previous(node_ptr at, node_ptr previous) { at->previous.set(previous); }
  };
  using node_ptr = typename node_traits::node_ptr;
  using const_node_ptr = typename node_traits::const_node_ptr;
  using value_type = Value;
  using pointer = Value*;
  using const_pointer = const Value*;
  static constexpr auto link_mode = boost::intrusive::normal_link;
  static node_ptr to_node_ptr(Value& value) { return &value; }
  static const_node_ptr to_node_ptr(const Value& value) { return &value; }
  static pointer to_value_ptr(node_ptr at) { return &static_cast<Value&>(*at); }
  static const_pointer to_value_ptr(const_node_ptr at) { return &static_cast<const Value&>(*at); }
};

}  // namespace nephrite::lock_table

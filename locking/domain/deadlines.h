#pragma once

// Private to locking.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "locking/table/lock_nodes.h"

namespace nephrite::lock_table {

/// When a wait runs out, or a lease ends.
struct Expiry {
  Instant at;
  std::uint64_t wait = 0;  ///< Its sequence; 0: a lease.
  auto operator<=>(const Expiry&) const = default;
};

/// All waits, the one that ends first in front: a heap with four children to a node, in which each
/// wait knows its place. Millions of waits are far apart in memory; so what decides nearly always,
/// the tick of the deadline, stands in the heap itself.
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
  /// Ten bytes: addresses of user memory have 47 bits, of which a Wait leaves three at zero.
  class [[gnu::packed]] Due {
   public:
    explicit Due(Wait& wait);
    Wait* wait() const { return reinterpret_cast<Wait*>(std::uint64_t{address_} << kZeroBits); }
    bool isEarlierThan(const Due& other) const;

   private:
    static constexpr unsigned kTickBits = 36, kAddressBits = 44, kZeroBits = 3;
    static std::uint64_t tickOf(Instant deadline);

    // Never compared modulo anything: an earlier deadline never has a later tick, however late the
    // timer and however long the other wait.
    std::uint64_t tick_ : kTickBits;
    std::uint64_t address_ : kAddressBits;
  };
  static_assert(sizeof(Due) == 10 && alignof(Wait) == 8);

  void put(std::size_t at, Due due);
  void raise(std::size_t at, Due due);
  void sink(std::size_t at, Due due);

  std::vector<Due> heap_;
};

}  // namespace nephrite::lock_table

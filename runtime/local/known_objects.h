#pragma once

#include <atomic>
#include <cstdint>

#include "objects/oid.h"

namespace nephrite {

/// Objects that are known to be there, so that locking them need not look them up: a cache of
/// 1,048,576 places of 8 bytes, which take memory when they are used. Neighbours have different
/// places; of two objects with the same place the one added last is known.
///
/// Truth:   whoever adds an object holds a lock on it and still does afterwards; whoever has
/// deleted
///          one takes it out before its Exclusive lock goes. So what is known is there.
/// Threads: any.
class KnownObjects {
 public:
  KnownObjects();
  ~KnownObjects();
  KnownObjects(const KnownObjects&) = delete;
  KnownObjects& operator=(const KnownObjects&) = delete;

  bool contains(Oid oid) const {
    return placeOf(oid).load(std::memory_order_acquire) == oid.bits();
  }
  void add(Oid oid) { placeOf(oid).store(oid.bits(), std::memory_order_release); }
  void remove(Oid oid) {
    std::uint64_t known = oid.bits();
    placeOf(oid).compare_exchange_strong(known, 0, std::memory_order_acq_rel);
  }

 private:
  static constexpr std::size_t kPlaces = std::size_t{1} << 20;

  std::atomic<std::uint64_t>& placeOf(Oid oid) const {
    return places_[(oid.instance() + std::uint64_t{oid.classNumber()} * 40'503) % kPlaces];
  }

  std::atomic<std::uint64_t>* const places_;
};

}  // namespace nephrite

#pragma once

#include <atomic>
#include <cstdint>

#include "objects/oid.h"

namespace nephrite {

/// Objects that are known to be there, so that locking them need not look them up: a cache of
/// 1,048,576 places of 4 bytes, which take memory when they are used. Neighbours have different
/// places; of two objects with the same place the one added last is known. Instances beyond
/// kMostInstance are never known.
///
/// Truth:   the process that adds an object holds a lock on it and still does afterwards; the one
///          that has deleted it takes it out before its Exclusive lock goes. So what is known is
///          there.
/// Threads: any.
class KnownObjects {
 public:
  KnownObjects();
  ~KnownObjects();
  KnownObjects(const KnownObjects&) = delete;
  KnownObjects& operator=(const KnownObjects&) = delete;

  bool contains(Oid oid) const {
    return placeOf(oid).load(std::memory_order_acquire) == nameOf(oid) &&
           oid.instance() <= kMostInstance;
  }
  void add(Oid oid) {
    if (oid.instance() > kMostInstance) return;
    placeOf(oid).store(nameOf(oid), std::memory_order_release);
  }
  void remove(Oid oid) {
    std::uint32_t known = nameOf(oid);
    placeOf(oid).compare_exchange_strong(known, 0, std::memory_order_acq_rel);
  }

 private:
  static constexpr std::size_t kPlaces = std::size_t{1} << 20;
  static constexpr std::uint64_t kMostInstance = (std::uint64_t{1} << 36) - 1;

  // Slot index and this tag identify the object uniquely (instance < 2^36). Never 0.
  static std::uint32_t nameOf(Oid oid) {
    return static_cast<std::uint32_t>(std::uint32_t{oid.classNumber()} << 16 |
                                      (oid.instance() >> 20 & 0xFFFF));
  }
  std::atomic<std::uint32_t>& placeOf(Oid oid) const {
    return places_[(oid.instance() + std::uint64_t{oid.classNumber()} * 40'503) % kPlaces];
  }

  std::atomic<std::uint32_t>* const places_;
};

}  // namespace nephrite

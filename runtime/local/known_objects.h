#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "objects/oid.h"

namespace nephrite {

/// Objects that are known to be there, so that locking them need not look them up: a cache of
/// 1,048,576 places of 8 bytes, made page by page as they are used. Neighbours have different
/// places; of two objects with the same place the one added last is known.
///
/// Truth:   whoever adds an object holds a lock on it and still does afterwards; whoever has
/// deleted
///          one takes it out before its Exclusive lock goes. So what is known is there.
/// Threads: any.
class KnownObjects {
 public:
  KnownObjects() = default;
  ~KnownObjects();
  KnownObjects(const KnownObjects&) = delete;
  KnownObjects& operator=(const KnownObjects&) = delete;

  bool contains(Oid oid) const {
    const Page* const page = pages_[pageOf(oid)].load(std::memory_order_acquire);
    return page != nullptr && (*page)[placeOf(oid)].load(std::memory_order_acquire) == oid.bits();
  }
  void add(Oid oid);
  void remove(Oid oid);

 private:
  static constexpr std::size_t kPlaces = 1024;  // Of a page.
  static constexpr std::size_t kPages = 1024;
  using Page = std::array<std::atomic<std::uint64_t>, kPlaces>;

  static std::uint64_t mix(Oid oid) {
    return oid.instance() + std::uint64_t{oid.classNumber()} * 40'503;
  }
  static std::size_t pageOf(Oid oid) { return (mix(oid) / kPlaces) % kPages; }
  static std::size_t placeOf(Oid oid) { return mix(oid) % kPlaces; }

  std::array<std::atomic<Page*>, kPages> pages_{};
};

}  // namespace nephrite

#include "runtime/local/known_objects.h"

#include <memory>

namespace nephrite {

KnownObjects::~KnownObjects() {
  for (const std::atomic<Page*>& page : pages_) delete page.load();
}

void KnownObjects::add(Oid oid) {
  std::atomic<Page*>& slot = pages_[pageOf(oid)];
  Page* page = slot.load(std::memory_order_acquire);
  if (page == nullptr) {
    auto made = std::make_unique<Page>();
    if (slot.compare_exchange_strong(page, made.get(), std::memory_order_acq_rel)) {
      page = made.release();
    }
  }
  (*page)[placeOf(oid)].store(oid.bits(), std::memory_order_release);
}

void KnownObjects::remove(Oid oid) {
  Page* const page = pages_[pageOf(oid)].load(std::memory_order_acquire);
  if (page == nullptr) return;
  std::uint64_t known = oid.bits();
  (*page)[placeOf(oid)].compare_exchange_strong(known, 0, std::memory_order_acq_rel);
}

}  // namespace nephrite

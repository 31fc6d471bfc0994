#include "runtime/database/known_objects.h"

#include <sys/mman.h>

#include <new>

namespace nephrite {
namespace {

// Zeros that cost nothing until they are written to.
void* zeros(std::size_t bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return memory;
}

}  // namespace

static_assert(sizeof(std::atomic<std::uint32_t>) == 4);

KnownObjects::KnownObjects()
    : places_(static_cast<std::atomic<std::uint32_t>*>(zeros(kPlaces * sizeof(*places_)))) {}

KnownObjects::~KnownObjects() { munmap(places_, kPlaces * sizeof(*places_)); }

}  // namespace nephrite

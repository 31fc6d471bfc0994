#include "locking/lock_type.h"

#include <array>

namespace nephrite {
namespace {

constexpr std::array<std::string_view, 5> kNames{"get", "share", "reserve", "exclusive", "update"};

}  // namespace

std::string_view nameOf(LockType type) { return kNames[static_cast<std::size_t>(type)]; }

std::optional<LockType> lockTypeNamed(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<LockType>(i);
  }
  return std::nullopt;
}

}  // namespace nephrite

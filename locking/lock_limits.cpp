#include "locking/lock_limits.h"

#include <algorithm>
#include <array>

namespace nephrite {
namespace {

constexpr std::array<std::string_view, 8> kVictims{
    "Requester", "Youngest",         "Oldest",         "FewestLocks",
    "MostLocks", "FewestWriteLocks", "MostWriteLocks", "Random"};

}  // namespace

std::string_view nameOf(LockLimit limit) {
  constexpr std::array<std::string_view, 3> kNames{"MaxLockers", "MaxLocks", "MaxLockedObjects"};
  return kNames[static_cast<std::size_t>(limit)];
}

std::string_view nameOf(DeadlockVictim policy) {
  return kVictims.at(static_cast<std::size_t>(policy));
}

std::optional<DeadlockVictim> deadlockVictimNamed(std::string_view name) {
  const auto* const found = std::find(kVictims.begin(), kVictims.end(), name);
  if (found == kVictims.end()) return std::nullopt;
  return static_cast<DeadlockVictim>(found - kVictims.begin());
}

}  // namespace nephrite

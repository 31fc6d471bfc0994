#include "locking/lock_type.h"

#include <array>

#include "base/check.h"

namespace nephrite {
namespace {

constexpr std::array<std::string_view, 5> kNames{"get", "share", "reserve", "exclusive", "update"};

// Indexed by the number of the type.
constexpr std::array<std::uint8_t, 5> kStrength{0, 1, 2, 4, 3};

constexpr bool kCompatible[5][5] = {
    //             Get    Share  Reserve Exclusive Update
    /* Get       */ {false, false, false, false, false},
    /* Share     */ {false, true, true, false, true},
    /* Reserve   */ {false, true, false, false, false},
    /* Exclusive */ {false, false, false, false, false},
    /* Update    */ {false, true, false, false, false},
};

std::size_t indexOf(LockType type) { return static_cast<std::size_t>(type); }

}  // namespace

bool compatible(LockType held, LockType asked) {
  NEPHRITE_CHECK(held != LockType::Get && asked != LockType::Get);
  return kCompatible[indexOf(held)][indexOf(asked)];
}

bool stronger(LockType a, LockType b) { return kStrength[indexOf(a)] > kStrength[indexOf(b)]; }

std::string_view nameOf(LockType type) { return kNames[indexOf(type)]; }

std::optional<LockType> lockTypeNamed(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<LockType>(i);
  }
  return std::nullopt;
}

}  // namespace nephrite

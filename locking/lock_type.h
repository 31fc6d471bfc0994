#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace nephrite {

/// What a lock permits (the field says lock mode; JADE's word is kept). The numbers are
/// JADE's; they are names only, never an order: Update (4) is weaker than Exclusive (3).
///
/// Source: docs/locking.md, section 1; JADE manual, "Locking Objects".
enum class LockType : std::uint8_t {
  Get = 0,  ///< Not a lock: how the first waiter of an object shows in listings.
  Share = 1,
  Reserve = 2,
  Exclusive = 3,
  Update = 4,
};

/// May `asked` be granted to one process while another holds `held`? Symmetric. Share goes with
/// everything but Exclusive; all else excludes all else. Neither may be Get.
constexpr bool compatible(LockType held, LockType asked) {
  // A byte for each type, a bit of it for each that goes with it, both by number; in a register.
  constexpr std::uint64_t kGoesWith = 0x02'00'02'16'00;
  return ((kGoesWith >> (8 * static_cast<unsigned>(held))) >> static_cast<unsigned>(asked) & 1) !=
         0;
}

/// Share < Reserve < Update < Exclusive.
constexpr bool stronger(LockType a, LockType b) {
  constexpr std::uint32_t kStrength = 0x3'4'2'1'0;  // A digit for each type, by number.
  const auto strength = [](LockType t) {
    return (kStrength >> (4 * static_cast<unsigned>(t))) & 7;
  };
  return strength(a) > strength(b);
}

/// Is everything that `asked` permits permitted by `held`?
constexpr bool covers(LockType held, LockType asked) { return !stronger(asked, held); }

/// "get", "share", "reserve", "exclusive", "update".
std::string_view nameOf(LockType type);
std::optional<LockType> lockTypeNamed(std::string_view name);

}  // namespace nephrite

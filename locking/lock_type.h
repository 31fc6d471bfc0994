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
  constexpr std::uint8_t kAll = 0b11110;  // Bits are the numbers of the types; Get goes with none.
  constexpr std::uint8_t kShare = 0b00010;
  constexpr std::uint8_t kGoesWith[5] = {0, kAll & ~0b01000, kShare, 0, kShare};
  return ((kGoesWith[static_cast<unsigned>(held)] >> static_cast<unsigned>(asked)) & 1) != 0;
}

/// Share < Reserve < Update < Exclusive.
constexpr bool stronger(LockType a, LockType b) {
  constexpr std::uint8_t kStrength[5] = {0, 1, 2, 4, 3};  // Indexed by the number of the type.
  return kStrength[static_cast<unsigned>(a)] > kStrength[static_cast<unsigned>(b)];
}

/// Is everything that `asked` permits permitted by `held`?
constexpr bool covers(LockType held, LockType asked) { return !stronger(asked, held); }

/// "get", "share", "reserve", "exclusive", "update".
std::string_view nameOf(LockType type);
std::optional<LockType> lockTypeNamed(std::string_view name);

}  // namespace nephrite

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

/// May `asked` be granted to one process while another holds `held`? Symmetric.
/// Neither may be Get.
bool compatible(LockType held, LockType asked);

/// Share < Reserve < Update < Exclusive.
bool stronger(LockType a, LockType b);

/// Is everything that `asked` permits permitted by `held`?
inline bool covers(LockType held, LockType asked) { return !stronger(asked, held); }

/// "get", "share", "reserve", "exclusive", "update".
std::string_view nameOf(LockType type);
std::optional<LockType> lockTypeNamed(std::string_view name);

}  // namespace nephrite

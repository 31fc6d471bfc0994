#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/check.h"
#include "node/wire/messages.h"

namespace nephrite {

inline constexpr Instant kNow{std::chrono::hours(1)};

/// What `decode` makes of any bytes makes sense: it can be sent, and comes back as the same.
template <class Decode>
void sendAgain(std::span<const std::uint8_t> bytes, const Decode& decode) {
  std::string once;
  try {
    once = wire::encode(decode(bytes), kNow);
  } catch (const wire::WireError&) {
    return;
  }
  const std::span again(reinterpret_cast<const std::uint8_t*>(once.data()), once.size());
  NEPHRITE_CHECK(wire::encode(decode(again), kNow) == once);
}

}  // namespace nephrite

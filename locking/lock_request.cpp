#include "locking/lock_request.h"

#include <array>

namespace nephrite {

std::string_view nameOf(LockDuration duration) {
  constexpr std::array<std::string_view, 3> kNames{"transaction", "session", "persistent"};
  return kNames[static_cast<std::size_t>(duration)];
}

std::string_view nameOf(LockOutcome outcome) {
  constexpr std::array<std::string_view, 7> kNames{
      "granted", "refused", "timed out", "deadlock", "cancelled", "over a limit", "lapsed"};
  return kNames[static_cast<std::size_t>(outcome)];
}

}  // namespace nephrite

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "locking/lock_request.h"

namespace nephrite {

/// Where a page of a listing ends, for the next one to go on from: names what was listed last,
/// which may be gone by then. Opaque to those who pass it on.
struct LockCursor {
  enum class Kind : std::uint8_t {
    Beginning,
    Held,      ///< Behind a lock that is held.
    Newcomer,  ///< Behind a request that waits ...
    Upgrade,   ///< ... among the upgrades.
  };
  LockTarget target;
  std::uint64_t order = 0;  ///< Of the lock, or of the request, among others: rises.
  LockerId locker;
  Kind kind = Kind::Beginning;

  /// As a text of letters, digits and dots: "" is the beginning.
  std::string toString() const;
  /// Empty when no toString() made it.
  static std::optional<LockCursor> parse(std::string_view text);
  friend bool operator==(const LockCursor&, const LockCursor&) = default;
};

/// A part of a listing. Between two parts others go on: what is there all the while is listed once,
/// what comes or goes meanwhile may be. A request that moves in its queue, or on its way down, is
/// none that is there all the while.
struct LockPage {
  std::vector<LockInfo> locks;
  std::optional<LockCursor> next;  ///< Empty: that was the last part.
};

}  // namespace nephrite

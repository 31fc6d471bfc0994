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

/// Which locks a listing is of.
struct LockQuery {
  enum class Subject : std::uint8_t {
    Held,    ///< All that are held.
    Queued,  ///< All requests that wait.
    On,      ///< Of `target`, as LockManager::locksOn() says.
    Of,      ///< Of `locker`, as LockManager::locksOf() says.
  };
  Subject subject = Subject::Held;
  LockTarget target = {};
  LockerId locker = {};
};

class LockManager;

/// At most `most` of them after `after`.
LockPage listLocks(const LockManager& locks, const LockQuery& query, const LockCursor& after,
                   std::size_t most);

}  // namespace nephrite

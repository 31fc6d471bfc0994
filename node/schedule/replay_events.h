#pragma once

// Private to node/schedule: what replay reads and prints.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "locking/lock_request.h"
#include "node/schedule/schedule.h"

namespace nephrite {

LockType lockTypeOf(ScheduleLockType type);

/// With its quotes.
std::string jsonText(std::string_view text);

/// `held` and `queued` of an event of `locks`.
std::string listingOf(const std::vector<LockInfo>& locks,
                      const std::function<std::string(LockerId)>& nameOf);

}  // namespace nephrite

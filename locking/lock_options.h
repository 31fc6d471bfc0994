#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "locking/lock_domain.h"
#include "locking/lock_limits.h"
#include "locking/lock_request.h"

namespace nephrite {

/// How a LockManager is to work. Those with a setter there can be changed later.
struct LockOptions {
  std::chrono::milliseconds serverTimeout{10'000};
  std::chrono::milliseconds backgroundTimeout{30'000};
  /// So long a face waits, at most, for the end of writes that are under way.
  std::chrono::milliseconds writePatience{1'000};
  bool doubleDeadlock = false;
  std::size_t keptDeadlocks = 64;  ///< How many deadlocks() remembers.
  std::size_t keptEvents = 4'096;  ///< How many eventsAfter() remembers.
  /// With whom its requests wait; null: by itself.
  std::shared_ptr<LockDomain> domain = nullptr;
  /// Fencing tokens start above this: the caller keeps it rising across restarts.
  std::uint64_t tokensAbove = 0;
  LockLimits limits = {};
  NearLimit nearLimit;
  DeadlockVictim victim = DeadlockVictim::Requester;
  bool countsAge = false;        ///< Of transactions: for DeadlockVictim::Youngest and Oldest.
  std::uint64_t victimSeed = 0;  ///< Of DeadlockVictim::Random: the same seed, the same victims.
  /// Called with the deadline, no mutex held, whenever a request begins to wait or a lease is
  /// made: for the thread that owes the next call of expireNext().
  std::function<void(Instant)> waitBegan;
  /// Told of each lock that lapses, as an answer among others: outcome Lapsed; `request` has the
  /// locker, the target, and what was held and how.
  LockDone lapsed;
};

}  // namespace nephrite

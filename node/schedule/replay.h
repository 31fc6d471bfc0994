#pragma once

#include <chrono>
#include <functional>
#include <iosfwd>

#include "base/clock.h"
#include "node/schedule/deadlock_schedule.h"
#include "runtime/database/local_database.h"

namespace nephrite {

/// Told of a deadlock that came about in a schedule, and what its processes and objects are called.
using DeadlockSeen = std::function<void(const DeadlockRecord&, const DeadlockNames&)>;

/// Where a schedule is played: a fresh database on a virtual clock.
class ReplayWorld {
 public:
  virtual ~ReplayWorld() = default;
  virtual ManualClock& clock() = 0;
  /// Where the locks and the objects are.
  virtual LocalDatabase& local() = 0;
  /// What the processes see of it.
  virtual Database& database() = 0;
  virtual void setTimeouts(std::chrono::milliseconds server,
                           std::chrono::milliseconds background) = 0;
  /// Returns when nothing is under way between the two.
  virtual void settle() = 0;
};

/// Plays a lock schedule on a fresh in-memory system with the real lock manager, on a virtual
/// clock: no thread, no sleep, the same file always gives the same output.
///
/// Writes one JSON object per event and line to `events`; what was wrong with a line, and its
/// number, to `errors`. Returns the exit status: 0, or 2 when a line stopped the run (what came
/// before it has been played). With `checkInvariants` those of the lock table are checked after
/// each line; when it is large, now and then, so that a line takes no longer for that. A broken one
/// stops the process. `seen` is called
/// after the line in which a deadlock came about.
///
/// Source: docs/schedule.md.
int replay(std::istream& schedule, std::ostream& events, std::ostream& errors,
           bool checkInvariants = true, const DeadlockSeen& seen = nullptr);
/// The same in `world`.
int replay(std::istream& schedule, std::ostream& events, std::ostream& errors, ReplayWorld& world,
           bool checkInvariants = true, const DeadlockSeen& seen = nullptr);

}  // namespace nephrite

#pragma once

#include <iosfwd>

namespace nephrite {

/// Plays a lock schedule on a fresh in-memory system with the real lock manager, on a virtual
/// clock: no thread, no sleep, the same file always gives the same output.
///
/// Writes one JSON object per event and line to `events`; what was wrong with a line, and its
/// number, to `errors`. Returns the exit status: 0, or 2 when a line stopped the run (what came
/// before it has been played). With `checkInvariants` those of the lock table are checked after
/// each line, in time proportional to its size; a broken one stops the process.
///
/// Source: docs/schedule.md.
int replay(std::istream& schedule, std::ostream& events, std::ostream& errors,
           bool checkInvariants = true);

}  // namespace nephrite

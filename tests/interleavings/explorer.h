#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/interleavings/explored_threads.h"

namespace nephrite::explored {

/// A few threads that have something in common, made anew for every order in which they are played.
struct Play {
  std::vector<std::function<void()>> threads;
  std::function<void()> end = [] {};  ///< When all have ended.
};

struct Bounds {
  /// How often a thread that could go on is interrupted, in one order; a thread that cannot go on
  /// makes place for another as often as it likes. NEPHRITE_MORE_INTERRUPTIONS adds to it.
  unsigned interruptions = UINT32_MAX;
};

/// What was found.
struct Found {
  std::string failure;  ///< Empty: nothing, in no order. Else with the steps that led to it.
  std::uint64_t orders = 0;
  std::uint64_t states = 0;  ///< NEPHRITE_COVERAGE shows both.
};

/// Plays `make()` in every order of its steps. A step is whatever a thread does from one access of
/// an atomic, a mutex or a condition variable (explored_threads.h) to the next. Stops at the first
/// order in which require() is not met, or some threads wait for ever.
///
/// Shape:  depth first: an order is played from its beginning to its end, and the next one is the
///         same up to its last choice that has not been tried. Two orders that differ only in steps
///         that do not concern each other lead to the same state, which is looked at once: it is
///         known by what each thread has seen of the others (the happens-before relation).
/// Needs:  whatever a thread does depends on nothing but what it reads of the others; no exception
///         leaves it.
/// Memory: sequentially consistent. What a weaker order of memory would show is not found here.
Found explore(const std::function<Play()>& make, Bounds bounds = {});

/// Within a play: what has to be so in every order.
void require(bool is, const std::string& what);

}  // namespace nephrite::explored

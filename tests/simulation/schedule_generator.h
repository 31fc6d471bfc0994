#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "node/schedule/schedule.h"
#include "tests/simulation/lock_model.h"

namespace nephrite {

/// splitmix64: the same numbers from the same seed on every platform and library.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next();
  /// 0 to `count` - 1.
  int below(int count) { return static_cast<int>(next() % static_cast<std::uint64_t>(count)); }
  bool oneIn(int count) { return below(count) == 0; }

 private:
  std::uint64_t state_;
};

/// The line as it stands in a file, without its end.
std::string textOf(const ScheduleLine& line);

/// The whole file.
std::string textOf(const std::vector<ScheduleLine>& lines);

/// The lines of a well-formed file.
std::vector<ScheduleLine> linesOf(const std::string& text);

/// Whether the lines can be played at a client node: not where age chooses the victim, for a server
/// is not told when a transaction of a client begins.
bool fitTheWire(const std::vector<ScheduleLine>& lines);
/// Whether there are no parents, leases, resources, limits, victims and faces: nothing that a
/// deadlock that is written down says nothing of.
bool arePlain(const std::vector<ScheduleLine>& lines);
bool haveNoPlaces(const std::vector<ScheduleLine>& lines);

/// A schedule and what the model says of it.
struct GeneratedSchedule {
  std::vector<ScheduleLine> lines;
  LockModel model;  ///< Has run all lines.
  bool fitsTheWire = false;
  bool isPlain = false;      ///< And has no places.
  bool isPlainTree = false;  ///< And has some.
};

/// The schedule of a seed: 2 to 6 processes, 1 to 4 objects, 10 to 60 steps, all legal. In two of
/// three there are some of families, leases, resources, limits and victims, and processes that come
/// later. In one of three there is a tree of objects, and locks on what is below them.
///
/// Each schedule has a temper of its own (how much it commits, upgrades, nests load states, asks
/// for update locks), so that rare meetings of rules are frequent in some of them.
GeneratedSchedule generateSchedule(std::uint64_t seed);

/// The number in the environment variable `name`: NEPHRITE_SEEDS, NEPHRITE_FIRST_SEED.
std::uint64_t fromEnvironment(const char* name, std::uint64_t otherwise);

}  // namespace nephrite

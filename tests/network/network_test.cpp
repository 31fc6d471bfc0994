#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "base/log.h"
#include "tests/network/sim_world.h"

namespace nephrite {
namespace {

constexpr std::uint64_t kShards = 10;
constexpr std::size_t kShownLines = 60;

std::string textOf(const Report& report) {
  std::string text = report.failure() + "\n";
  const auto& lines = report.lines();
  const std::size_t from = lines.size() > kShownLines ? lines.size() - kShownLines : 0;
  for (std::size_t i = from; i < lines.size(); ++i) text += lines[i] + "\n";
  return text;
}

/// Set NEPHRITE_SEEDS and NEPHRITE_FIRST_SEED to choose the seeds.
class Network : public testing::TestWithParam<std::uint64_t> {
 protected:
  Network() { setLogLevel(std::getenv("NEPHRITE_LOG") ? LogLevel::Debug : LogLevel::Error); }
};

TEST_P(Network, WhenASeedIsPlayedThenNobodyIsToldWhatIsNotSo) {
  const std::uint64_t seeds = fromEnvironment("NEPHRITE_SEEDS", 10'000);
  const std::uint64_t first = fromEnvironment("NEPHRITE_FIRST_SEED", 1);
  for (std::uint64_t seed = first + GetParam(); seed < first + seeds; seed += kShards) {
    try {
      if (playSeed(seed)->failure().empty()) continue;
      FAIL() << "seed " << seed << ": " << textOf(*playSeed(seed, true));
    } catch (const std::exception& thrown) {
      FAIL() << "seed " << seed << " ends in an exception: " << thrown.what();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shard, Network, testing::Range<std::uint64_t>(0, kShards));

TEST(NetworkWorld, WhenASeedIsPlayedAgainThenTheSameHappens) {
  setLogLevel(LogLevel::Error);
  for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6, 7, 8}) {
    const auto once = playSeed(seed, true);
    const auto again = playSeed(seed, true);
    EXPECT_EQ(once->lines(), again->lines()) << "seed " << seed;
    EXPECT_EQ(once->counts(), again->counts()) << "seed " << seed;
  }
}

/// A simulation that never meets a fault does not test it.
TEST(NetworkWorld, WhenManySeedsArePlayedThenEveryFaultAndEveryWayOutOccurs) {
  setLogLevel(LogLevel::Error);
  std::map<std::string, int> counts;
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    const auto report = playSeed(seed);
    for (const auto& [what, count] : report->counts()) counts[what] += count;
  }
  if (std::getenv("NEPHRITE_COVERAGE")) {
    for (const auto& [what, count] : counts) std::cout << count << "\t" << what << "\n";
  }
  for (const char* const what : {"cut",
                                 "end not told",
                                 "half-open",
                                 "deaf server",
                                 "deaf client",
                                 "abandoned",
                                 "delay burst",
                                 "connection refused",
                                 "client pause",
                                 "long client pause",
                                 "server pause",
                                 "server dies",
                                 "server restarts",
                                 "commit unknown",
                                 "unknown: committed",
                                 "unknown: not committed",
                                 "failure 64014",
                                 "failure 64016",
                                 "failure 64026",
                                 "lock taken by force",
                                 "commit loses a lock while it waits",
                                 "signed off by force",
                                 "lockAll granted",
                                 "lockAll refused at the first",
                                 "lockAll given back",
                                 "changed at once by a client",
                                 "object created",
                                 "failure 64021",
                                 "lease lapsed",
                                 "lease renewed",
                                 "child signed on",
                                 "signed off with its parent",
                                 "locks inherited",
                                 "asked for all below",
                                 "told error 64022",
                                 "object deleted",
                                 "other object read after a grant",
                                 "slow reader",
                                 "not read from",
                                 "closed with something unread",
                                 "locked at once",
                                 "changed at once",
                                 "unlocked at once",
                                 "resident told granted",
                                 "resident told timeout 1027",
                                 "resident told deadlock 1081",
                                 "told granted",
                                 "told refused 1027",
                                 "told timeout 1027",
                                 "told deadlock 1081",
                                 "told error 64005",
                                 "told error 1146"}) {
    EXPECT_TRUE(counts.contains(what)) << what;
  }
}

}  // namespace
}  // namespace nephrite

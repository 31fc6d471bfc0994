#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "node/schedule/replay.h"
#include "tests/simulation/comparison.h"
#include "tests/simulation/schedule_generator.h"
#include "tests/simulation/worlds.h"

namespace nephrite {
namespace {

constexpr std::uint64_t kShards = 10;

/// The value of `"key":"value"` or `"key":value`; empty when the event has no such key.
std::string valueOf(const std::string& event, const std::string& key) {
  const std::string start = "\"" + key + "\":";
  const std::size_t at = event.find(start);
  if (at == std::string::npos) return "";
  std::string value = event.substr(at + start.size());
  value = value.substr(0, value.find_first_of(",}"));
  if (value.front() == '"') value = value.substr(1, value.size() - 2);
  return value;
}

/// How often each verb ended how: "commit deadlock 1081 later", for instance, is a commit that
/// waited and was then chosen as the victim.
std::map<std::string, int> countOutcomes(std::uint64_t firstSeed, std::uint64_t seeds) {
  std::map<std::string, int> counts;
  for (std::uint64_t seed = firstSeed; seed < firstSeed + seeds; ++seed) {
    const GeneratedSchedule schedule = generateSchedule(seed);
    std::map<std::string, bool> lines;
    for (const std::string& event : schedule.model.events()) {
      const bool later = !lines.emplace(valueOf(event, "line"), true).second;
      const std::string code = valueOf(event, "code");
      ++counts[valueOf(event, "verb") + " " + valueOf(event, "outcome") +
               (code.empty() ? "" : " " + code) + (later ? " later" : "")];
    }
  }
  return counts;
}

/// Set NEPHRITE_SEEDS, NEPHRITE_WIRE_SEEDS and NEPHRITE_FIRST_SEED to choose the schedules.
class Simulation : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Simulation, WhenASeedIsPlayedThenReplayPrintsWhatTheModelPrints) {
  const std::uint64_t seeds = fromEnvironment("NEPHRITE_SEEDS", 50'000);
  const std::uint64_t first = fromEnvironment("NEPHRITE_FIRST_SEED", 1);

  for (std::uint64_t seed = first + GetParam(); seed < first + seeds; seed += kShards) {
    const GeneratedSchedule schedule = generateSchedule(seed);
    const std::string found = difference(schedule.lines, schedule.model.events());
    ASSERT_TRUE(found.empty()) << "seed " << seed << "\n" << found;
  }
}

TEST_P(Simulation, WhenASeedIsPlayedOverTheWireThenReplayPrintsWhatTheModelPrints) {
  const std::uint64_t seeds = fromEnvironment("NEPHRITE_WIRE_SEEDS", 40'000);
  const std::uint64_t first = fromEnvironment("NEPHRITE_FIRST_SEED", 1);

  for (std::uint64_t seed = first + GetParam(); seed < first + seeds; seed += kShards) {
    const GeneratedSchedule schedule = generateSchedule(seed);
    if (!schedule.fitsTheWire) continue;
    const std::string found = difference(schedule.lines, schedule.model.events(), Form::Wire);
    ASSERT_TRUE(found.empty()) << "seed " << seed << "\n" << found;
  }
}

TEST_P(Simulation, WhenObjectsOfASeedAreWatchedThenReplayPrintsTheSameAndTheWatcherIsRight) {
  constexpr std::uint64_t kShare = 5;
  const std::uint64_t seeds = fromEnvironment("NEPHRITE_SEEDS", 50'000);
  const std::uint64_t first = fromEnvironment("NEPHRITE_FIRST_SEED", 1);
  std::size_t eventsSeen = 0;

  for (std::uint64_t seed = first + GetParam(); seed < first + seeds; seed += kShards * kShare) {
    const GeneratedSchedule schedule = generateSchedule(seed);
    WatchedWorld world(seed % 2 == 0 ? 0xFF : seed >> 1 & 0xFF);
    ASSERT_EQ(eventsOfReplay(textOf(schedule.lines), world), schedule.model.events())
        << "seed " << seed;
    ASSERT_EQ(world.mistake(), "") << "seed " << seed << "\n" << textOf(schedule.lines);
    eventsSeen += world.eventsSeen();
  }
  EXPECT_GT(eventsSeen, 0u);
}

INSTANTIATE_TEST_SUITE_P(Shard, Simulation, testing::Range<std::uint64_t>(0, kShards));

TEST(ScheduleGenerator, WhenASeedIsUsedAgainThenTheScheduleIsTheSame) {
  EXPECT_EQ(textOf(generateSchedule(4711).lines), textOf(generateSchedule(4711).lines));
  EXPECT_NE(textOf(generateSchedule(4711).lines), textOf(generateSchedule(4712).lines));
}

TEST(ScheduleGenerator, WhenAScheduleIsWrittenAndReadThenTheModelSeesTheSame) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const GeneratedSchedule schedule = generateSchedule(seed);
    EXPECT_EQ(eventsOfModel(linesOf(textOf(schedule.lines))), schedule.model.events())
        << "seed " << seed;
  }
}

/// More than are looked at after each line.
TEST(CheckedReplay, WhenThousandsWaitThenEachWaitsAndTheTableIsSound) {
  constexpr int kWaiters = 2'000;
  std::ostringstream schedule;
  schedule << "object X\nprocess holder\nholder lock X share session 0\n";
  for (int i = 0; i < kWaiters; ++i) {
    schedule << "process P" << i << "\nP" << i << " lock X " << (i % 2 == 0 ? "exclusive" : "share")
             << " session 2147483647\n";
  }
  schedule << "holder unlock X\n";
  std::istringstream in(schedule.str());
  std::ostringstream out, errors;

  EXPECT_EQ(replay(in, out, errors, /*checkInvariants=*/true), 0) << errors.str();

  const std::string events = out.str();
  std::size_t queued = 0, granted = 0;
  for (std::size_t at = 0; (at = events.find("\"queued\"", at)) != std::string::npos; ++at)
    ++queued;
  for (std::size_t at = 0; (at = events.find("\"granted\"", at)) != std::string::npos; ++at) {
    ++granted;
  }
  EXPECT_EQ(queued, static_cast<std::size_t>(kWaiters));
  EXPECT_EQ(granted, 2u) << "the holder, and the first that waited";
}

TEST(ScheduleGenerator, WhenManySchedulesAreMadeThenAGoodPartFitsTheWire) {
  constexpr int kSeeds = 1000;
  int fit = 0, plain = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const GeneratedSchedule schedule = generateSchedule(seed);
    if (schedule.fitsTheWire) ++fit;
    if (schedule.isPlain) ++plain;
  }
  EXPECT_GT(fit, kSeeds * 2 / 5);
  EXPECT_GT(plain, kSeeds / 6);
  EXPECT_LT(plain, kSeeds / 2);
}

/// A simulation that never meets a rule does not test it.
TEST(ScheduleGenerator, WhenManySchedulesAreMadeThenEveryWayOutOfEveryVerbOccurs) {
  const std::map<std::string, int> counts = countOutcomes(1, 10'000);

  if (std::getenv("NEPHRITE_COVERAGE")) {
    for (const auto& [what, count] : counts) std::cout << count << "\t" << what << "\n";
  }
  std::vector<std::string> expected{"begin begun",
                                    "begin error 64001",
                                    "commit committed",
                                    "commit error 1026",
                                    "commit queued",
                                    "commit refused 1027",
                                    "commit deadlock 1081",
                                    "commit deadlock 1081 later",
                                    "commit timeout 1027 later",
                                    "commit committed later",
                                    "abort aborted",
                                    "beginLoad begun",
                                    "beginLock begun",
                                    "endLoad ended",
                                    "endLoad error 64002",
                                    "endLock ended",
                                    "endLock error 64002",
                                    "locks listed",
                                    "signOff ended",
                                    "setDefaultLockTimeout set",
                                    "unlock released",
                                    "unlock ignored",
                                    "update error 1026",
                                    "update error 1146 later",
                                    "updateLock error 1026",
                                    "updateLock error 1146 later",
                                    "lock error 1026",
                                    "tryLock error 1026",
                                    "renew renewed",
                                    "renew ignored",
                                    "lease lapsed later",
                                    "process error 64018",
                                    "update error 64022",
                                    "update error 64022 later",
                                    "update error 1146",
                                    "commit error 64021",
                                    "commit error 64021 later",
                                    "commit error 64005 later",
                                    "write written",
                                    "write refused 1027",
                                    "write error 64001",
                                    "write error 64002",
                                    "write error 64022",
                                    "gatedRead read",
                                    "gatedRead refused 1027"};
  for (const auto& [verb, success] : {std::pair{"sharedLock", "granted"},
                                      {"reserveLock", "granted"},
                                      {"updateLock", "granted"},
                                      {"exclusiveLock", "granted"},
                                      {"lock", "granted"},
                                      {"tryLock", "granted"},
                                      {"update", "updated"},
                                      {"read", "read"}}) {
    for (const std::string& outcome :
         {std::string(success), std::string(success) + " later", std::string("queued"),
          std::string("refused 1027"), std::string("deadlock 1081"),
          std::string("deadlock 1081 later"), std::string("timeout 1027 later"),
          std::string("error 64005 later"), std::string("error 64019"),
          std::string("error 64020")}) {
      expected.push_back(verb + std::string(" ") + outcome);
    }
  }
  for (const std::string& what : expected) EXPECT_TRUE(counts.count(what)) << what;
}

}  // namespace
}  // namespace nephrite

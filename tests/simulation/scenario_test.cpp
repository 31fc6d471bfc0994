#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "node/schedule/replay.h"
#include "node/schedule/schedule.h"
#include "tests/simulation/lock_model.h"
#include "tests/simulation/schedule_generator.h"
#include "tests/simulation/worlds.h"

namespace nephrite {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(NEPHRITE_SOURCE_DIR) / "tests" / "scenarios";

std::string textOf(const fs::path& file) {
  std::ifstream in(file);
  EXPECT_TRUE(in.is_open()) << file;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> scenarioNames() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".sched") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// What the model prints up to the end or to the line that stops the schedule.
std::string modelEvents(const std::string& schedule) {
  std::istringstream in(schedule);
  LockModel model;
  try {
    ScheduleReader reader(in);
    while (const auto line = reader.next()) model.run(*line);
  } catch (const ScheduleError&) {
    // The events before the bad line are what is compared.
  }
  std::string events;
  for (const std::string& event : model.events()) events += event + "\n";
  return events;
}

std::vector<ScheduleLine> linesUpToABadOne(const std::string& schedule) {
  std::istringstream in(schedule);
  std::vector<ScheduleLine> lines;
  try {
    ScheduleReader reader(in);
    while (const auto line = reader.next()) lines.push_back(*line);
  } catch (const ScheduleError&) {
    // So far.
  }
  return lines;
}

/// Given: tests/scenarios/<name>.sched and, derived by hand, <name>.expected.
class Scenario : public testing::TestWithParam<std::string> {
 protected:
  const std::string schedule = textOf(kFolder / (GetParam() + ".sched"));
  const std::string expected = textOf(kFolder / (GetParam() + ".expected"));
};

TEST_P(Scenario, WhenTheModelRunsItThenTheEventsAreTheExpectedOnes) {
  EXPECT_EQ(modelEvents(schedule), expected);
}

TEST_P(Scenario, WhenItIsReplayedThenTheEventsAreTheExpectedOnes) {
  std::istringstream in(schedule);
  std::ostringstream events;
  std::ostringstream errors;

  const int status = replay(in, events, errors);

  EXPECT_EQ(events.str(), expected);
  const bool stops = GetParam().find("stops_the_run") != std::string::npos;
  EXPECT_EQ(status, stops ? 2 : 0) << errors.str();
  EXPECT_EQ(errors.str().empty(), !stops);
}

TEST_P(Scenario, WhenItIsReplayedOverTheWireThenTheEventsAreTheSame) {
  if (!fitTheWire(linesUpToABadOne(schedule))) GTEST_SKIP() << "the wire cannot carry it";
  std::istringstream in(schedule);
  std::ostringstream events;
  std::ostringstream errors;
  WireWorld world;

  replay(in, events, errors, world);

  EXPECT_EQ(events.str(), expected) << errors.str();
}

INSTANTIATE_TEST_SUITE_P(All, Scenario, testing::ValuesIn(scenarioNames()),
                         [](const auto& scenario) { return scenario.param; });

}  // namespace
}  // namespace nephrite

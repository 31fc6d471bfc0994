#include "node/schedule/replay.h"

#include <gtest/gtest.h>

#include <sstream>

namespace nephrite {
namespace {

struct Played {
  int status;
  std::string events;
  std::string errors;
};

Played play(const std::string& schedule) {
  std::istringstream in(schedule);
  std::ostringstream events;
  std::ostringstream errors;
  const int status = replay(in, events, errors);
  return {status, events.str(), errors.str()};
}

TEST(Replay, PlaysTheExampleOfTheFormatToTheLetter) {
  const Played played = play(
      "process A\nprocess B background\nobject X\nA begin\nA exclusiveLock X\n"
      "B lock X share session 500\nadvance 500\n");

  EXPECT_EQ(played.status, 0);
  EXPECT_EQ(
      played.events,
      R"({"line":4,"time":0,"process":"A","verb":"begin","outcome":"begun"})"
      "\n"
      R"({"line":5,"time":0,"process":"A","verb":"exclusiveLock","object":"X","outcome":"granted"})"
      "\n"
      R"({"line":6,"time":0,"process":"B","verb":"lock","object":"X","outcome":"queued"})"
      "\n"
      R"({"line":6,"time":500,"process":"B","verb":"lock","object":"X","outcome":"timeout","code":1027})"
      "\n");
}

TEST(Replay, NamesAreWrittenAsJsonWhateverTheyHold) {
  const Played played = play("process \"ä\\\nobject X\n\"ä\\ sharedLock X\n");

  EXPECT_EQ(played.events,
            "{\"line\":3,\"time\":0,\"process\":\"\\\"ä\\\\\",\"verb\":\"sharedLock\","
            "\"object\":\"X\",\"outcome\":\"granted\"}\n");
}

struct Stop {
  const char* what;
  const char* schedule;
  const char* says;
  friend std::ostream& operator<<(std::ostream& out, const Stop& stop) { return out << stop.what; }
};

class ALineThatCannotBePlayed : public testing::TestWithParam<Stop> {};

TEST_P(ALineThatCannotBePlayed, StopsTheRunAfterWhatCameBeforeIt) {
  const Played played = play("process A\nprocess B\nobject X\nA exclusiveLock X\n" +
                             std::string(GetParam().schedule));

  EXPECT_EQ(played.status, 2);
  EXPECT_NE(played.events.find("\"line\":4"), std::string::npos) << "what came before is played";
  EXPECT_NE(played.errors.find(GetParam().says), std::string::npos) << played.errors;
}

INSTANTIATE_TEST_SUITE_P(
    Each, ALineThatCannotBePlayed,
    testing::Values(Stop{"a process that waits", "B sharedLock X\nB unlock X\n", "line 6"},
                    Stop{"an unknown process", "C begin\n", "line 5"},
                    Stop{"an unknown object", "A unlock Y\n", "line 5"},
                    Stop{"an unknown verb", "A grab X\n", "line 5"},
                    Stop{"a malformed line", "advance soon\n", "line 5"},
                    Stop{"a process twice", "process A\n", "line 5"},
                    Stop{"an object twice", "object X\n", "line 5"},
                    Stop{"a process that has gone", "A signOff\nA begin\n", "line 6"}),
    [](const auto& stop) {
      std::string name = stop.param.what;
      for (char& c : name) c = c == ' ' ? '_' : c;
      return name;
    });

TEST(Replay, TheSameScheduleAlwaysGivesTheSameOutput) {
  const std::string schedule =
      "process A updateLocks\nprocess B priority=-1\nobject X\nobject Y\nA begin\nB begin\n"
      "A update X\nB sharedLock X\nB update Y\nA sharedLock Y\nA commit\nB commit\nadvance 20000\n";

  EXPECT_EQ(play(schedule).events, play(schedule).events);
}

}  // namespace
}  // namespace nephrite

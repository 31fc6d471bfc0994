// An event that comes again and again.

#include "base/log_limit.h"

#include <gtest/gtest.h>

namespace nephrite {
namespace {

using namespace std::chrono_literals;

class GivenALimit : public testing::Test {
 protected:
  /// How many of `lines` lines, all of this moment, are written.
  int admitted(int lines, const char* event = "connection.violated") {
    int count = 0;
    for (int i = 0; i < lines; ++i) count += limit.admits(event, clock.now()) ? 1 : 0;
    return count;
  }

  ManualClock clock;
  LogLimit limit;
};

TEST_F(GivenALimit, WhenABurstComesThenAsManyAreWrittenAsABurstMayHave) {
  EXPECT_EQ(admitted(450), LogLimit::kBurst);
}

TEST_F(GivenALimit, WhenItGoesOnThenOneASecondIsWritten) {
  admitted(450);
  for (int second = 0; second < 20; ++second) {
    clock.advance(1s);
    EXPECT_EQ(admitted(450), 1) << second;
  }
}

TEST_F(GivenALimit, WhenItHasBeenQuietForLongThenAnotherBurstIsWritten) {
  admitted(450);
  clock.advance(LogLimit::kBurst * LogLimit::kEach);
  EXPECT_EQ(admitted(450), LogLimit::kBurst);
}

TEST_F(GivenALimit, WhenOneEventIsHeldBackThenOthersAreNot) {
  admitted(450);
  EXPECT_EQ(admitted(1, "store.opened"), 1);
}

TEST_F(GivenALimit, WhenLinesWereHeldBackForAWhileThenTheirNumberIsToldOnce) {
  admitted(LogLimit::kBurst + 350);
  EXPECT_FALSE(limit.takeHeldBack(clock.now())) << "more may come";

  clock.advance(LogLimit::kToldEvery);
  const auto told = limit.takeHeldBack(clock.now());

  ASSERT_TRUE(told);
  EXPECT_EQ(told->event, "connection.violated");
  EXPECT_EQ(told->lines, 350u);
  EXPECT_FALSE(limit.takeHeldBack(clock.now()));
}

}  // namespace
}  // namespace nephrite

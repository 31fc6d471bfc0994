#include "base/clock.h"

#include <gtest/gtest.h>

#include <chrono>

namespace nephrite {
namespace {

using namespace std::chrono_literals;

/// Given: a clock that nobody has moved yet.
class GivenAManualClock : public testing::Test {
 protected:
  ManualClock clock;
};

TEST_F(GivenAManualClock, WhenNobodyMovesItThenItStandsStill) {
  const Instant before = clock.now();

  EXPECT_EQ(clock.now(), before);
  EXPECT_EQ(before, Instant{});
}

TEST_F(GivenAManualClock, WhenAdvancedTwiceThenBothAreSummed) {
  clock.advance(3s);
  clock.advance(250ms);

  EXPECT_EQ(clock.now() - Instant{}, 3250ms);
}

TEST_F(GivenAManualClock, WhenMovedThenItShowsThatInstant) {
  clock.moveTo(Instant{7s});

  EXPECT_EQ(clock.now(), Instant{7s});
}

TEST_F(GivenAManualClock, WhenAskedRoughlyThenItKnowsExactlyFromTheBeginning) {
  EXPECT_TRUE(Clock::isKnown(clock.roughIfKnown()));
  EXPECT_EQ(clock.roughIfKnown(), clock.now());
  clock.advance(std::chrono::milliseconds(7));
  EXPECT_EQ(clock.roughIfKnown(), clock.now());
  EXPECT_EQ(clock.roughNow(), clock.now());
  EXPECT_TRUE(clock.isManual());
  EXPECT_FALSE(SystemClock::instance().isManual());
}

TEST_F(GivenAManualClock, WhenMovedThenTheCalendarMovesWithIt) {
  clock.advance(90s);

  EXPECT_EQ(clock.wallNow(), WallTime(90s));
}

using GivenAManualClockDeathTest = GivenAManualClock;

TEST_F(GivenAManualClockDeathTest, WhenMovedBackThenTheProgramStops) {
  clock.advance(2s);

  EXPECT_DEATH(clock.moveTo(Instant{1s}), "broken invariant");
}

TEST(Instant, IsOrderedAndMeasuredInDurations) {
  const Instant early{1s};
  const Instant late = early + 500ms;

  EXPECT_LT(early, late);
  EXPECT_EQ(late - early, 500ms);
}

TEST(SystemClock, NeverRunsBackwards) {
  const SystemClock& clock = SystemClock::instance();
  Instant before = clock.now();

  for (int i = 0; i < 1000; ++i) {
    const Instant after = clock.now();
    EXPECT_GE(after, before);
    before = after;
  }
}

}  // namespace
}  // namespace nephrite

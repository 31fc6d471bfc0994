#include "base/check.h"

#include <gtest/gtest.h>

namespace nephrite {
namespace {

TEST(Check, WhenTrueThenItsExpressionRunsOnceAndTheProgramGoesOn) {
  int runs = 0;

  NEPHRITE_CHECK(++runs == 1);

  EXPECT_EQ(runs, 1);
}

TEST(CheckDeathTest, WhenFalseThenTheProgramStopsAndSaysWhatAndWhere) {
  const int holders = 2;

  EXPECT_DEATH(NEPHRITE_CHECK(holders < 2),
               "nephrite: broken invariant: holders < 2 .*check_test.cpp:[0-9]+");
}

}  // namespace
}  // namespace nephrite

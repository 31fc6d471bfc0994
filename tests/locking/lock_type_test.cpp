#include "locking/lock_type.h"

#include <gtest/gtest.h>

#include <array>

#include "locking/lock_timeout.h"
#include "locking/table/mode_table.h"

namespace nephrite {
namespace {

using enum LockType;
constexpr std::array kAllTypes{Share, Reserve, Update, Exclusive};

// JADE manual, "Locking Objects": may the column be granted while the row is held?
constexpr bool yes = true;
constexpr bool no = false;
// clang-format off
constexpr bool kMayCoexist[4][4] = {
    //             Share  Reserve  Update  Exclusive
    /* Share     */ {yes,   yes,     yes,    no },
    /* Reserve   */ {yes,   no,      no,     no },
    /* Update    */ {yes,   no,      no,     no },
    /* Exclusive */ {no,    no,      no,     no },
};
// clang-format on

TEST(LockTypes, CoexistExactlyAsTheTableSays) {
  for (std::size_t held = 0; held < kAllTypes.size(); ++held) {
    for (std::size_t asked = 0; asked < kAllTypes.size(); ++asked) {
      SCOPED_TRACE(testing::Message()
                   << nameOf(kAllTypes[asked]) << " asked beside " << nameOf(kAllTypes[held]));
      EXPECT_EQ(compatible(kAllTypes[held], kAllTypes[asked]), kMayCoexist[held][asked]);
    }
  }
}

using lock_table::kJadeModes, lock_table::ModeTable;

TEST(ModesOfObjects, ExcludeExactlyWhatDoesNotCoexist) {
  EXPECT_EQ(kJadeModes.common(), Share);
  for (std::size_t held = 0; held < kAllTypes.size(); ++held) {
    EXPECT_FALSE(kJadeModes.excludes(Get, kAllTypes[held])) << "what is not held";
    for (std::size_t asked = 0; asked < kAllTypes.size(); ++asked) {
      SCOPED_TRACE(testing::Message()
                   << nameOf(kAllTypes[asked]) << " asked beside " << nameOf(kAllTypes[held]));
      EXPECT_EQ(kJadeModes.excludes(kAllTypes[held], kAllTypes[asked]), !kMayCoexist[held][asked]);
    }
  }
}

TEST(ModesOfObjects, WhenOneIsWalkedForThenWhatExcludesNoMoreNeedNotBe) {
  EXPECT_TRUE(kJadeModes.excludesAllOf(Exclusive, Share));
  EXPECT_TRUE(kJadeModes.excludesAllOf(Update, Reserve));
  EXPECT_FALSE(kJadeModes.excludesAllOf(Share, Reserve));
}

// Intentions (1 to share, 2 to exclude) below Share (3) and Exclusive (4).
bool intentionsGoTogether(LockType held, LockType asked) {
  const auto a = static_cast<int>(held), b = static_cast<int>(asked);
  if (a == 4 || b == 4) return false;
  return a != 3 && b != 3 ? true : a != 2 && b != 2;
}

TEST(ModesOfASpace, AreSoundWhenEachExcludesWhatExcludesIt) {
  const ModeTable intentions(5, LockType{0}, intentionsGoTogether);
  EXPECT_TRUE(intentions.isSound());
  EXPECT_TRUE(intentions.excludes(LockType{3}, LockType{2}));
  EXPECT_FALSE(intentions.excludes(LockType{1}, LockType{2}));

  const ModeTable oneSided(3, LockType{0},
                           [](LockType held, LockType /*asked*/) { return held == LockType{1}; });
  EXPECT_FALSE(oneSided.isSound()) << "2 excludes 1, and is let in beside it";
}

TEST(ModesOfASpace, AreNotSoundWhenOthersThanTheCommonOneGoTogether) {
  EXPECT_FALSE(ModeTable(5, LockType{3}, intentionsGoTogether).isSound());
}

TEST(LockTypes, AreNumberedAsInJade) {
  EXPECT_EQ(static_cast<int>(Get), 0);
  EXPECT_EQ(static_cast<int>(Share), 1);
  EXPECT_EQ(static_cast<int>(Reserve), 2);
  EXPECT_EQ(static_cast<int>(Exclusive), 3);
  EXPECT_EQ(static_cast<int>(Update), 4);
}

TEST(JadeStatement, S011_StrengthIsShareReserveUpdateExclusiveNotTheNumbers) {
  for (std::size_t a = 0; a < kAllTypes.size(); ++a) {
    for (std::size_t b = 0; b < kAllTypes.size(); ++b) {
      SCOPED_TRACE(testing::Message()
                   << nameOf(kAllTypes[a]) << " against " << nameOf(kAllTypes[b]));
      EXPECT_EQ(stronger(kAllTypes[a], kAllTypes[b]), a > b);
      EXPECT_EQ(covers(kAllTypes[a], kAllTypes[b]), a >= b);
    }
  }
}

TEST(LockTypes, AreFoundByTheirNames) {
  for (const LockType type : kAllTypes) EXPECT_EQ(lockTypeNamed(nameOf(type)), type);
  EXPECT_EQ(lockTypeNamed("shared"), std::nullopt);
}

TEST(LockTimeouts, TellTheConstantsApart) {
  EXPECT_TRUE(LockTimeout::ofMilliseconds(-1).isImmediate());
  EXPECT_TRUE(LockTimeout::ofMilliseconds(-3).isImmediate()) << "any other negative";
  EXPECT_TRUE(LockTimeout::ofMilliseconds(0).isServerDefined());
  EXPECT_TRUE(LockTimeout::ofMilliseconds(-2).isProcessDefined());
  EXPECT_FALSE(LockTimeout::ofMilliseconds(-2).isImmediate());
  EXPECT_TRUE(LockTimeout::ofMilliseconds(1).isWait());
}

TEST(LockTimeouts, AreRoundedUpSoThatNoWaitEndsEarly) {
  using namespace std::chrono_literals;
  EXPECT_EQ(LockTimeout::of(1ns).number(), 1);
  EXPECT_EQ(LockTimeout::of(1500us).number(), 2);
  EXPECT_EQ(LockTimeout::of(0s), LockTimeout::immediate());
  EXPECT_EQ(LockTimeout::of(1000h), LockTimeout::infinite());
}

TEST(JadeStatement, S051_InfiniteIsThatManyMilliseconds) {
  EXPECT_TRUE(LockTimeout::infinite().isWait());
  EXPECT_EQ(LockTimeout::infinite().wait(), std::chrono::milliseconds(2147483647));
}

}  // namespace
}  // namespace nephrite

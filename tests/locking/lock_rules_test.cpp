// What is let go when (docs/locking.md, section 3): every case.

#include "locking/lock_rules.h"

#include <gtest/gtest.h>

#include "tests/locking/lock_play.h"

namespace nephrite {
namespace {

using enum LockType;
using enum ReleaseFate;
using Kind = ReleaseScope::Kind;

constexpr LockType kSessionTypes[] = {Share, Reserve, Update, Exclusive};
constexpr std::uint16_t kMost = LockTerms::kMostLevel;

TEST(LockRules, TheEndOfATransactionTakesWhatHasItsDurationAndReturnsTheRestToItsSessionType) {
  for (std::uint16_t level = 0; level <= kMost; ++level) {
    EXPECT_EQ(fateOf(Get, level, {Kind::Transaction}), Goes);
    for (const LockType session : kSessionTypes)
      EXPECT_EQ(fateOf(session, level, {Kind::Transaction}), Returns);
  }
}

TEST(LockRules, TheEndOfALevelTakesWhatWasAcquiredInItAndNothingElse) {
  for (std::uint16_t ended = 1; ended <= kMost; ++ended) {
    for (std::uint16_t level = 0; level <= kMost; ++level) {
      ASSERT_EQ(fateOf(Get, level, {Kind::Level, ended}), level >= ended ? Goes : Stays)
          << "acquired at " << level << ", ended " << ended;
    }
    for (const LockType session : kSessionTypes) {
      EXPECT_EQ(fateOf(session, ended, {Kind::Level, ended}), ended == 1 ? Returns : Stays);
    }
  }
}

TEST(LockRules, TheEndOfALevelBeyondThoseThatAreKeptTakesNothing) {
  for (unsigned ended = kMost + 1u; ended <= 0xFFFF; ++ended) {
    const ReleaseScope scope{Kind::Level, static_cast<std::uint16_t>(ended)};
    for (const std::uint16_t level : {std::uint16_t{0}, std::uint16_t{1}, kMost})
      ASSERT_EQ(fateOf(Get, level, scope), Stays);
  }
}

TEST(LockRules, TheEndOfALockerTakesEverything) {
  for (const LockType session : {Get, Share, Reserve, Update, Exclusive})
    EXPECT_EQ(fateOf(session, 3, {Kind::Everything}), Goes);
}

TEST(LockRules, ALevelNeverWraps) {
  EXPECT_EQ(levelKept(0), 0);
  EXPECT_EQ(levelKept(kMost), kMost);
  for (const std::size_t open :
       {std::size_t{1024}, std::size_t{65'535}, std::size_t{65'536}, std::size_t{70'000}, SIZE_MAX})
    EXPECT_EQ(levelKept(open), kMost);
}

TEST_F(LockPlay, WhenALockIsAcquiredInMoreStatesThanAreKeptThenItStaysUntilTheKeptOnesEnd) {
  level = kMost + 500;
  ask(kAnna, kOrder, Exclusive);
  level = 1;
  ask(kAnna, kStock, Exclusive);

  for (std::uint16_t ended = kMost + 500; ended > kMost; --ended)
    locks.releaseLevel(kAnna, ended).deliver();
  EXPECT_EQ(held(kAnna, kOrder), Exclusive);

  endLevel(kAnna, kMost);
  EXPECT_EQ(held(kAnna, kOrder), Get);
  EXPECT_EQ(held(kAnna, kStock), Exclusive);
}

}  // namespace
}  // namespace nephrite

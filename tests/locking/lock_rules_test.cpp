// The rules of docs/locking.md, every case: what an own request does (2.1, 2.2, 5), what is let go
// when (3).

#include "locking/lock_rules.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/locking/lock_play.h"

namespace nephrite {
namespace {

using enum LockType;
using enum ReleaseFate;
using Kind = ReleaseScope::Kind;

constexpr LockType kTypes[] = {Share, Reserve, Update, Exclusive};
constexpr std::uint16_t kMost = LockTerms::kMostLevel;

/// One cell of the table of 2.1.
struct Cell {
  HeldTypes held;
  LockType asked;
  bool isSession, inState;
};

/// Every lock that can be held, and every way of asking for one more.
std::vector<Cell> allCells() {
  std::vector<Cell> cells;
  for (const LockType held : kTypes)
    for (const LockType session : {Get, Share, Reserve, Update, Exclusive})
      for (const LockType asked : kTypes)
        for (const bool isSession : {false, true})
          for (const bool inState : {false, true})
            cells.push_back({{held, session}, asked, isSession, inState});
  return cells;
}

LockTerms termsOf(const Cell& cell) {
  const LockDuration duration = cell.isSession ? LockDuration::Session : LockDuration::Transaction;
  return {LockTimeout::immediate(), 0, cell.asked, duration, cell.inState};
}

int strengthOf(LockType type) {
  return type == Share ? 1 : type == Reserve ? 2 : type == Update ? 3 : 4;
}

std::string nameOf(const Cell& cell) {
  return std::string(nameOf(cell.held.type)) + "/" + std::string(nameOf(cell.held.session)) +
         " asks for " + std::string(nameOf(cell.asked)) + (cell.isSession ? " session" : "") +
         (cell.inState ? " in a state" : "");
}

TEST(LockRules, WhatIsStrongerIsAnUpgradeAndShareOfATransactionGoesBeforeUpdate) {
  for (const Cell& cell : allCells()) {
    if (strengthOf(cell.asked) <= strengthOf(cell.held.type)) continue;
    const bool sharesForTheTransaction = cell.held.type == Share && cell.held.session == Get;
    const bool goesFirst = sharesForTheTransaction && cell.asked == Update;
    EXPECT_EQ(ownRequest(cell.held, termsOf(cell)),
              goesFirst ? OwnRequest::ShareFirst : OwnRequest::Upgrade)
        << nameOf(cell);
    const HeldTypes after = afterGrant(cell.held, termsOf(cell));
    EXPECT_EQ(after.type, cell.asked) << nameOf(cell);
    EXPECT_EQ(after.session, cell.isSession ? cell.asked : cell.held.session) << nameOf(cell);
  }
}

TEST(LockRules, WhatIsCoveredAndOfTransactionDurationChangesNothingButAWeakerTypeOutsideStates) {
  for (const Cell& cell : allCells()) {
    if (cell.isSession || strengthOf(cell.asked) > strengthOf(cell.held.type)) continue;
    const bool isWeaker = strengthOf(cell.asked) < strengthOf(cell.held.type);
    const bool falls = isWeaker && cell.held.session == Get && !cell.inState;
    const HeldTypes after = falls ? HeldTypes{cell.asked, Get} : cell.held;
    EXPECT_EQ(afterGrant(cell.held, termsOf(cell)), after) << nameOf(cell);
    EXPECT_EQ(ownRequest(cell.held, termsOf(cell)),
              falls ? OwnRequest::Retype : OwnRequest::Nothing)
        << nameOf(cell);
  }
}

TEST(LockRules, WhatIsCoveredAndOfSessionDurationIsTheSessionTypeAndItsTypeFallsOutsideStates) {
  for (const Cell& cell : allCells()) {
    if (!cell.isSession || strengthOf(cell.asked) > strengthOf(cell.held.type)) continue;
    const HeldTypes after{cell.inState ? cell.held.type : cell.asked, cell.asked};
    EXPECT_EQ(afterGrant(cell.held, termsOf(cell)), after) << nameOf(cell);
    EXPECT_EQ(ownRequest(cell.held, termsOf(cell)),
              after == cell.held ? OwnRequest::Nothing : OwnRequest::Retype)
        << nameOf(cell);
  }
}

TEST(LockRules, WhoHoldsNothingIsANewcomer) {
  for (const LockType asked : kTypes) {
    const Cell cell{{}, asked, true, false};
    EXPECT_EQ(ownRequest(cell.held, termsOf(cell)), OwnRequest::Newcomer);
    EXPECT_EQ(afterGrant(cell.held, termsOf(cell)), (HeldTypes{asked, asked}));
  }
}

TEST(LockRules, AChangeNeedsUpdateOrExclusive) {
  EXPECT_EQ(lockOfChange(/*updateLocks=*/false), Exclusive);
  EXPECT_EQ(lockOfChange(/*updateLocks=*/true), Update);
  for (const LockType held : {Get, Share, Reserve}) EXPECT_FALSE(permitsChange(held));
  for (const LockType held : {Update, Exclusive}) EXPECT_TRUE(permitsChange(held));
}

TEST(LockRules, TheEndOfATransactionTakesWhatHasItsDurationAndReturnsTheRestToItsSessionType) {
  for (std::uint16_t level = 0; level <= kMost; ++level) {
    EXPECT_EQ(fateOf(Get, level, {Kind::Transaction}), Goes);
    for (const LockType session : kTypes)
      EXPECT_EQ(fateOf(session, level, {Kind::Transaction}), Returns);
  }
}

TEST(LockRules, TheEndOfALevelTakesWhatWasAcquiredInItAndNothingElse) {
  for (std::uint16_t ended = 1; ended <= kMost; ++ended) {
    for (std::uint16_t level = 0; level <= kMost; ++level) {
      ASSERT_EQ(fateOf(Get, level, {Kind::Level, ended}), level >= ended ? Goes : Stays)
          << "acquired at " << level << ", ended " << ended;
    }
    for (const LockType session : kTypes) {
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

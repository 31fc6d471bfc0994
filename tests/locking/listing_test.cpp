// Listings of large tables: complete and in order, and a page at a time, so that who locks or waits
// never stands behind more than a page.

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "locking/table/hold_table.h"
#include "tests/locking/lock_play.h"

namespace nephrite {
namespace {

using enum LockType;

constexpr LockTerms kShare{LockTimeout::immediate(), 0, Share, LockDuration::Transaction, false};

// --- A page --------------------------------------------------------------------------------------

/// Given: a table of holds, and a locker whose locks it has.
class AWalk : public testing::Test {
 protected:
  ~AWalk() override {
    OwnerHold own(anna->mutex);
    holds.releaseAll(*anna, {});
  }

  void lock(std::uint64_t target) {
    OwnerHold own(anna->mutex);
    ASSERT_NE(holds.acquire(*anna, {target}, kShare, clock).value, 0u);
  }
  void letGo(std::uint64_t target) {
    OwnerHold own(anna->mutex);
    holds.release(*anna, {target});
  }
  /// Walks; `between` is called after each page. How often each target was seen.
  std::map<std::uint64_t, int> walk(const std::function<void()>& between = [] {}) {
    std::map<std::uint64_t, int> seen;
    for (lock_table::HoldTable::Walk walk; !walk.isOver();) {
      std::size_t inPage = 0;
      holds.lookOn(walk, [&](const lock_table::Hold& hold, const lock_table::Entry*) {
        ++inPage;
        ++seen[hold.target.value];
      });
      most = std::max(most, inPage);
      ++pages;
      between();
    }
    return seen;
  }

  ManualClock clock;
  lock_table::ChunkPool pool;
  lock_table::HoldTable holds{0, clock};
  LockerRef anna = lock_table::Locker::make(kAnna, {}, pool, holds.grants());
  std::size_t most = 0;
  std::size_t pages = 0;
};

TEST_F(AWalk, WhenThereAreAHundredThousandThenNoPageHasMoreThanItMay) {
  constexpr std::uint64_t kMany = 100'000;
  for (std::uint64_t i = 1; i <= kMany; ++i) lock(i << 20);

  const auto seen = walk();

  EXPECT_EQ(seen.size(), kMany);
  EXPECT_LE(most, lock_table::HoldTable::kMostInPage);
  EXPECT_LE(pages, 2 * kMany / lock_table::HoldTable::kPage) << "a page is not a few";
}

TEST_F(AWalk, WhenThereAreNoneThenItEnds) {
  EXPECT_TRUE(walk().empty());
  EXPECT_LE(pages, 256u);
}

TEST_F(AWalk, WhenTheTableGrowsAndShrinksMeanwhileThenWhatStaysIsSeenOnce) {
  constexpr std::uint64_t kStay = 5'000, kPass = 50'000;
  for (std::uint64_t i = 1; i <= kStay; ++i) lock(i << 20);
  std::minstd_rand random(7);
  std::uint64_t first = 0, last = 0;  // Of those that come and go.

  const auto seen = walk([&] {
    if (random() % 2 == 0) {
      for (int i = 0; i < 4'000 && last < kPass; ++i) lock(++last << 40 | 1);
    } else {
      while (first < last) letGo(++first << 40 | 1);
      if (last == kPass) first = last = 0;
    }
  });

  for (std::uint64_t i = 1; i <= kStay; ++i) {
    ASSERT_TRUE(seen.contains(i << 20)) << i;
    EXPECT_EQ(seen.at(i << 20), 1) << i;
  }
}

// --- The listings --------------------------------------------------------------------------------

/// Given: so many lockers that a listing takes many pages.
class Listings : public LockPlay {
 protected:
  static constexpr std::uint64_t kMany = 10'000;

  Listings() {
    for (std::uint64_t i = 0; i < kMany; ++i) locks.signOn({1000 + i});
  }
  ~Listings() override {
    for (std::uint64_t i = 0; i < kMany; ++i) locks.signOff({1000 + i}).deliver();
  }
  void askQuietly(LockerId locker, LockTarget target, LockType type) {
    locks.request(wish(locker, target, type), [](const LockAnswer&) {}).deliver();
  }
  static std::vector<std::pair<LockTarget, LockerId>> briefly(const std::vector<LockInfo>& all) {
    std::vector<std::pair<LockTarget, LockerId>> brief;
    for (const LockInfo& lock : all) brief.emplace_back(lock.target, lock.requestedBy);
    return brief;
  }
};

TEST_F(Listings, WhenACrowdSharesOneObjectAndOthersAreLockedThenAllAreListedInOrder) {
  std::vector<std::pair<LockTarget, LockerId>> expected;
  for (std::uint64_t i = 0; i < kMany; ++i) {
    askQuietly({1000 + i}, {i + 1}, Exclusive);
    expected.emplace_back(LockTarget{i + 1}, LockerId{1000 + i});
  }
  for (std::uint64_t i = 0; i < kMany; ++i) {
    askQuietly({1000 + i}, {kMany + 1}, Share);
    expected.emplace_back(LockTarget{kMany + 1}, LockerId{1000 + i});
  }

  EXPECT_EQ(briefly(locks.locksHeld()), expected);
  expected.resize(100);
  EXPECT_EQ(briefly(locks.locksHeld(100)), expected);
}

TEST_F(Listings, WhenThousandsWaitForOneAndSomeForOthersThenEachQueueIsListedFromItsHead) {
  std::vector<std::pair<LockTarget, LockerId>> expected;
  const auto wait = [&](std::uint64_t first, std::uint64_t count, LockTarget target) {
    askQuietly(kAnna, target, Exclusive);
    for (std::uint64_t i = first; i < first + count; ++i) {
      askQuietly({1000 + i}, target, Exclusive);
      expected.emplace_back(target, LockerId{1000 + i});
    }
  };
  for (std::uint64_t i = 0; i < 400; ++i) wait(3 * i, 3, {i + 1});
  wait(2'000, 5'000, {500});

  EXPECT_EQ(briefly(locks.queuedRequests()), expected);
  expected.resize(1'500);
  EXPECT_EQ(briefly(locks.queuedRequests(1'500)), expected);
}

TEST_F(Listings, WhenFewWaitAmongManyLocksThenTheyAreListedWithoutAWalk) {
  for (std::uint64_t i = 0; i < kMany; ++i) askQuietly({1000 + i}, {i + 1}, Exclusive);
  askQuietly(kBen, {7}, Exclusive);
  askQuietly(kCleo, {3}, Share);

  const std::vector<std::pair<LockTarget, LockerId>> expected{{{3}, kCleo}, {{7}, kBen}};
  EXPECT_EQ(briefly(locks.queuedRequests()), expected);
}

// --- What covers from above ----------------------------------------------------------------------

/// Given: the order is in a room, which is in a house.
class AnOrderInARoom : public LockPlay {
 protected:
  static constexpr LockTarget kRoom{300}, kHouse{400};

  AnOrderInARoom() {
    locks.setPlace(kRoom, kHouse);
    locks.setPlace(kOrder, kRoom);
  }
  ~AnOrderInARoom() override {
    for (const LockerId locker : {kAnna, kBen, kCleo, kDora}) commit(locker);
  }
  /// "1 share", "2 share from 300", "3 waits".
  static std::vector<std::string> briefly(const std::vector<LockInfo>& listed) {
    std::vector<std::string> brief;
    for (const LockInfo& lock : listed) {
      EXPECT_EQ(lock.target, kOrder);
      std::string text = std::to_string(lock.requestedBy.value) + " ";
      text += lock.waiting ? "waits" : std::string(nameOf(lock.type));
      if (lock.isFromAbove()) text += " from " + std::to_string(lock.lockedAt.value);
      brief.push_back(text);
    }
    return brief;
  }
  std::vector<std::string> inPagesOf(std::size_t most) const {
    std::vector<LockInfo> all;
    LockCursor after;
    for (;;) {
      const LockPage page = locks.locksOn(kOrder, after, most);
      EXPECT_LE(page.locks.size(), most);
      all.insert(all.end(), page.locks.begin(), page.locks.end());
      if (!page.next) return briefly(all);
      after = *page.next;
    }
  }
};

TEST_F(AnOrderInARoom, WhenAllBelowARoomIsLockedThenWhoLooksAtTheOrderSeesIt) {
  askSubtree(kAnna, kRoom, Exclusive, LockDuration::Session);
  const std::vector<LockInfo> listed = locks.locksOn(kOrder);

  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].requestedBy, kAnna);
  EXPECT_EQ(listed[0].target, kOrder);
  EXPECT_EQ(listed[0].lockedAt, kRoom);
  EXPECT_EQ(listed[0].type, Exclusive);
  EXPECT_EQ(listed[0].duration, LockDuration::Session);
  EXPECT_EQ(listed[0].scope, LockScope::Subtree);
  EXPECT_EQ(locks.locksOn(kRoom).front().lockedAt, LockTarget{}) << "that is where it is";
  commit(kAnna);
  unlock(kAnna, kRoom);
}

TEST_F(AnOrderInARoom, WhenLessIsHeldBelowThanOfTheRoomThenTheOrderShowsThat) {
  askSubtree(kAnna, kRoom, Share);
  ask(kAnna, kRoom, Exclusive);

  EXPECT_EQ(briefly(locks.locksOn(kOrder)), std::vector<std::string>{"1 share from 300"});
  EXPECT_EQ(locks.locksOn(kRoom).front().type, Exclusive);
}

TEST_F(AnOrderInARoom, WhenALockIsOnTheRoomAloneThenTheOrderDoesNotShowIt) {
  ask(kAnna, kRoom, Exclusive);
  ask(kBen, kHouse, Share);
  EXPECT_TRUE(locks.locksOn(kOrder).empty());
  EXPECT_TRUE(inPagesOf(10).empty());
}

TEST_F(AnOrderInARoom, WhenSeveralCoverItThenItsOwnComeFirstThenTheNearestThenItsQueue) {
  askSubtree(kCleo, kHouse, Share);
  askSubtree(kBen, kRoom, Share);
  ask(kAnna, kOrder, Reserve);
  ask(kBen, kOrder, Share);
  ask(kDora, kOrder, Reserve);
  const std::vector<std::string> all = briefly(locks.locksOn(kOrder));

  EXPECT_EQ(all, (std::vector<std::string>{"1 reserve", "2 share", "2 share from 300",
                                           "3 share from 400", "4 waits"}));
  for (std::size_t most = 1; most < 8; ++most) EXPECT_EQ(inPagesOf(most), all) << most;
}

TEST_F(AnOrderInARoom, WhenManyCoverItThenTheyComeInPagesInTheOrderOfTheirGrants) {
  constexpr std::uint64_t kMany = 2'000;
  std::vector<std::string> expected;
  for (std::uint64_t i = 0; i < kMany; ++i) {
    const LockerId locker{1000 + i};
    locks.signOn(locker);
    LockRequest request = wish(locker, i % 2 == 0 ? kRoom : kHouse, Share);
    request.scope = LockScope::Subtree;
    locks.request(request, [](const LockAnswer&) {}).deliver();
  }
  for (const bool isRoom : {true, false}) {
    for (std::uint64_t i = isRoom ? 0 : 1; i < kMany; i += 2) {
      expected.push_back(std::to_string(1000 + i) + " share from " + (isRoom ? "300" : "400"));
    }
  }

  EXPECT_EQ(briefly(locks.locksOn(kOrder)), expected);
  for (const std::size_t most : {1u, 7u, 255u, 256u, 257u, 5'000u}) {
    EXPECT_EQ(inPagesOf(most), expected) << most;
  }
  for (std::uint64_t i = 0; i < kMany; ++i) locks.signOff({1000 + i}).deliver();
}

TEST_F(AnOrderInARoom, WhenACursorComesFromElsewhereThenItDoesNoHarm) {
  askSubtree(kAnna, kRoom, Share);
  ask(kBen, kOrder, Share);
  using Kind = LockCursor::Kind;
  for (const Kind kind : {Kind::Held, Kind::Newcomer, Kind::Upgrade}) {
    for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{1}, UINT64_MAX}) {
      for (const LockTarget at : {kOrder, kRoom, kHouse, kStock, LockTarget{number}}) {
        const LockPage page = locks.locksOn(kOrder, {at, number, {number}, kind}, 10);
        EXPECT_LE(page.locks.size(), 2u);
        EXPECT_FALSE(page.next);
      }
    }
  }
}

}  // namespace
}  // namespace nephrite

// Listings a page at a time, while others go on: what is there all the while is listed once.

#include "locking/lock_page.h"

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <vector>

#include "tests/locking/lock_play.h"

namespace nephrite {
namespace {

using enum LockType;

TEST(ACursor, WhenItIsWrittenAndReadThenItIsTheSame) {
  using Kind = LockCursor::Kind;
  for (const LockCursor& cursor :
       {LockCursor{}, LockCursor{{1}, 2, {3}, Kind::Held},
        LockCursor{{UINT64_MAX}, UINT64_MAX, {UINT64_MAX}, Kind::Upgrade},
        LockCursor{{0}, 0, {0}, Kind::Newcomer}}) {
    EXPECT_EQ(LockCursor::parse(cursor.toString()), cursor) << cursor.toString();
  }
}

TEST(ACursor, WhenItIsNoneThenItIsRefused) {
  for (const char* text :
       {"?", "h", "h.1.2", "h.1.2.", "h.1.2.3.", "h.1.2.3.4", "x.1.2.3", "h.1.2.g",
        "h.1.2.10000000000000000", "h 1.2.3", "?.0.0.0", "h.-1.2.3", "h..2.3"}) {
    EXPECT_FALSE(LockCursor::parse(text)) << text;
  }
}

/// Given: many lockers, and a reader who reads pages of 100.
class Pages : public LockPlay {
 protected:
  static constexpr std::uint64_t kMany = 3'000;
  static constexpr std::size_t kPage = 100;
  using ListPage = std::function<LockPage(const LockCursor&)>;
  using Seen = std::vector<std::pair<LockTarget, LockerId>>;

  Pages() {
    for (std::uint64_t i = 0; i < kMany; ++i) locks.signOn({1000 + i});
  }
  ~Pages() override {
    for (std::uint64_t i = 0; i < kMany; ++i) locks.signOff({1000 + i}).deliver();
  }
  void askQuietly(LockerId locker, LockTarget target, LockType type) {
    LockRequest request = wish(locker, target, type);
    request.id = target.value;
    locks.request(request, [](const LockAnswer&) {}).deliver();
  }
  /// All pages; `between` is called after each, with the last that it listed.
  static Seen read(
      const ListPage& list,
      const std::function<void(const LockInfo& last)>& between = [](const LockInfo&) {}) {
    Seen seen;
    LockCursor after;
    for (;;) {
      const LockPage page = list(after);
      EXPECT_LE(page.locks.size(), kPage);
      for (const LockInfo& lock : page.locks) seen.emplace_back(lock.target, lock.requestedBy);
      if (!page.next) return seen;
      EXPECT_EQ(page.locks.size(), kPage);
      after = LockCursor::parse(page.next->toString()).value();
      between(page.locks.back());
    }
  }
  static Seen sorted(Seen seen) {
    std::sort(seen.begin(), seen.end());
    return seen;
  }
  static Seen without(const Seen& all, const Seen& some) {
    Seen rest;
    std::set_difference(all.begin(), all.end(), some.begin(), some.end(), std::back_inserter(rest));
    return rest;
  }
  static Seen briefly(const std::vector<LockInfo>& all) {
    Seen brief;
    for (const LockInfo& lock : all) brief.emplace_back(lock.target, lock.requestedBy);
    return brief;
  }

  const ListPage held = [this](const LockCursor& after) { return locks.locksHeld(after, kPage); };
  const ListPage queued = [this](const LockCursor& after) {
    return locks.queuedRequests(after, kPage);
  };
};

TEST_F(Pages, WhenThereIsNothingThenThePageIsEmptyAndTheLast) {
  for (const LockPage& page : {locks.locksHeld({}, kPage), locks.queuedRequests({}, kPage),
                               locks.locksOn(kOrder, {}, kPage), locks.locksOf(kAnna, {}, kPage),
                               locks.locksOf({999}, {}, kPage)}) {
    EXPECT_TRUE(page.locks.empty());
    EXPECT_FALSE(page.next);
  }
}

TEST_F(Pages, WhenThePageHoldsJustAllThenItIsTheLast) {
  for (std::uint64_t i = 0; i < kPage; ++i) askQuietly(kAnna, {i + 1}, Exclusive);
  EXPECT_FALSE(locks.locksHeld({}, kPage).next);
  EXPECT_FALSE(locks.locksOf(kAnna, {}, kPage).next);

  askQuietly(kAnna, {kPage + 1}, Exclusive);
  const LockPage page = locks.locksHeld({}, kPage);
  ASSERT_TRUE(page.next);
  EXPECT_EQ(locks.locksHeld(*page.next, kPage).locks.size(), 1u);
}

TEST_F(Pages, WhenOthersLockAndLetGoMeanwhileThenWhatIsHeldAllTheWhileIsListedOnce) {
  Seen stay;
  for (std::uint64_t i = 0; i < kMany; ++i) {
    askQuietly({1000 + i}, {(i + 1) << 20}, Exclusive);
    stay.emplace_back(LockTarget{(i + 1) << 20}, LockerId{1000 + i});
  }
  for (std::uint64_t i = 0; i < 700; ++i) {  // A crowd, in the middle of them.
    askQuietly({1000 + i}, {500 << 20 | 1}, Share);
    stay.emplace_back(LockTarget{500 << 20 | 1}, LockerId{1000 + i});
  }
  std::minstd_rand random(5);
  std::uint64_t passing = 0;

  const Seen seen = read(held, [&](const LockInfo&) {  // The table grows and shrinks.
    if (random() % 3 == 0) return commit(kBen);
    for (int i = 0; i < 3'000; ++i) askQuietly(kBen, {++passing << 40 | 7}, Exclusive);
  });

  Seen stayed;
  for (const auto& each : seen) {
    if (each.second != kBen) stayed.push_back(each);
  }
  EXPECT_EQ(sorted(stayed), sorted(stay));
}

TEST_F(Pages, WhenTheLockThatWasListedLastIsLetGoThenTheNextPageGoesOnBehindIt) {
  Seen gone;
  for (std::uint64_t i = 0; i < kMany; ++i) askQuietly({1000 + i}, {1 + i / 500}, Share);
  const Seen all = briefly(locks.locksHeld());
  ASSERT_EQ(all.size(), kMany);

  const Seen seen =
      read(held, [&](const LockInfo& last) { unlock(last.requestedBy, last.target); });
  EXPECT_EQ(sorted(seen), sorted(all));
}

TEST_F(Pages, WhenACrowdBecomesFewInTheMiddleOfAPageThenTheRestIsListedOnce) {
  for (std::uint64_t i = 0; i < 400; ++i) askQuietly({1000 + i}, kOrder, Share);
  const LockPage first = locks.locksHeld({}, kPage);
  for (std::uint64_t i = 0; i < 350; ++i) locks.unlock({1000 + i}, kOrder).deliver();

  ASSERT_TRUE(first.next);
  const LockPage second = locks.locksHeld(*first.next, kPage);
  EXPECT_EQ(second.locks.size(), 50u);
  EXPECT_EQ(second.locks.front().requestedBy, LockerId{1350});
  EXPECT_FALSE(second.next);
}

TEST_F(Pages, WhenManyHoldAndWaitForOneThenFirstTheHoldersThenTheQueueAreListedInOrder) {
  for (std::uint64_t i = 0; i < 1'000; ++i) askQuietly({1000 + i}, kOrder, Share);
  for (std::uint64_t i = 1'000; i < 2'000; ++i) askQuietly({1000 + i}, kOrder, Exclusive);
  const Seen all = briefly(locks.locksOn(kOrder));
  ASSERT_EQ(all.size(), 2'000u);
  const ListPage on = [this](const LockCursor& after) {
    return locks.locksOn(kOrder, after, kPage);
  };

  EXPECT_EQ(read(on), all);
  const Seen seen = read(on, [&](const LockInfo& last) {  // Whoever was listed last goes away.
    if (last.waiting) {
      locks.cancel(last.requestedBy, kOrder.value).deliver();
    } else if (last.requestedBy != LockerId{1999}) {
      locks.unlock(last.requestedBy, kOrder).deliver();
    }
  });
  EXPECT_EQ(seen, all);
}

TEST_F(Pages, WhenFewShareOneThenItsPagesAreInTheOrderOfTheGrants) {
  for (std::uint64_t i = 0; i < 220; ++i) askQuietly({1000 + 219 - i}, kOrder, Share);
  const Seen seen =
      read([this](const LockCursor& after) { return locks.locksOn(kOrder, after, kPage); });
  ASSERT_EQ(seen.size(), 220u);
  for (std::uint64_t i = 0; i < 220; ++i) EXPECT_EQ(seen[i].second, LockerId{1000 + 219 - i});
}

TEST_F(Pages, WhenALockerHasManyLocksThenTheyAreListedInTheOrderOfAcquisitionThenItsWaits) {
  for (std::uint64_t i = 0; i < 150; ++i) askQuietly(kBen, {10'000 + i}, Exclusive);
  for (std::uint64_t i = 0; i < 1'000; ++i) askQuietly(kAnna, {5'000 - i}, Exclusive);
  for (std::uint64_t i = 0; i < 150; ++i) askQuietly(kAnna, {10'000 + i}, Exclusive);
  const Seen all = briefly(locks.locksOf(kAnna));
  ASSERT_EQ(all.size(), 1'150u);
  const ListPage of = [this](const LockCursor& after) {
    return locks.locksOf(kAnna, after, kPage);
  };

  EXPECT_EQ(read(of), all);
  const Seen seen = read(of, [&](const LockInfo& last) {
    if (last.waiting) {
      locks.cancel(kAnna, last.target.value).deliver();
    } else {
      locks.unlock(kAnna, last.target).deliver();
    }
    askQuietly(kAnna, last.target, Share);  // And comes back at the end.
  });
  const Seen firstOnes(seen.begin(), seen.begin() + 1'000);
  EXPECT_EQ(firstOnes, Seen(all.begin(), all.begin() + 1'000));
}

TEST_F(Pages, WhenManyWaitForManyAndOthersComeAndGoThenEachIsListedOnceAndQueuesInOrder) {
  for (std::uint64_t i = 0; i < 600; ++i) askQuietly(kAnna, {i + 1}, Exclusive);
  for (std::uint64_t i = 0; i < kMany; ++i) askQuietly({1000 + i}, {i % 600 + 1}, Exclusive);
  ASSERT_EQ(locks.statistics().requestsWaiting, kMany);
  std::vector<LockerId> leaving;

  std::uint64_t gone = 0;
  const Seen seen = read(queued, [&](const LockInfo& last) {
    locks.cancel(last.requestedBy, last.target.value).deliver();
    for (int i = 0; i < 90; ++i) {  // At the end few wait: they are found in another way.
      const LockerId locker{1000 + kMany - 1 - gone++};
      for (const LockInfo& wait : locks.locksOf(locker)) {
        locks.cancel(locker, wait.target.value).deliver();
        leaving.push_back(locker);
      }
    }
  });

  std::map<LockerId, int> times;
  std::map<LockTarget, LockerId> lastOf;
  for (const auto& [target, locker] : seen) {
    EXPECT_EQ(++times[locker], 1) << locker.value;
    LockerId& last = lastOf[target];
    EXPECT_LT(last, locker);
    last = locker;
  }
  std::sort(leaving.begin(), leaving.end());
  for (std::uint64_t i = 0; i < kMany; ++i) {
    if (std::binary_search(leaving.begin(), leaving.end(), LockerId{1000 + i})) continue;
    EXPECT_EQ(times[LockerId{1000 + i}], 1) << i;
  }
}

TEST_F(Pages, WhenThousandsWaitForOneThenThePagesGoAlongItsQueue) {
  askQuietly(kAnna, kOrder, Exclusive);
  for (std::uint64_t i = 0; i < kMany; ++i) askQuietly({1000 + i}, kOrder, Exclusive);

  const Seen seen = read(queued);
  ASSERT_EQ(seen.size(), kMany);
  for (std::uint64_t i = 0; i < kMany; ++i) EXPECT_EQ(seen[i].second, LockerId{1000 + i});
}

TEST_F(Pages, WhenLeasesAndPlacesAreListedThenAPageSaysThem) {
  LockRequest request = wish(kAnna, kOrder, Exclusive);
  request.lease = LeaseTerms(std::chrono::seconds(30));
  request.scope = LockScope::Subtree;
  ask(request);
  ask(kBen, kOrder, Share);

  const LockPage page = locks.locksHeld({}, 10);
  ASSERT_EQ(page.locks.size(), 1u);
  EXPECT_EQ(page.locks[0].leaseLeft, std::chrono::seconds(30));
  EXPECT_EQ(page.locks[0].scope, LockScope::Subtree);
  const LockPage waits = locks.queuedRequests({}, 10);
  ASSERT_EQ(waits.locks.size(), 1u);
  EXPECT_EQ(waits.locks[0].lockedBy, kAnna);
}

}  // namespace
}  // namespace nephrite

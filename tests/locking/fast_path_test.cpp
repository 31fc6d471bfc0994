// Locks that are taken and let go without anybody waiting, by threads that know nothing of each
// other, and what comes between the two when somebody does wait.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <random>
#include <vector>

#include "tests/locking/ask_and_wait.h"
#include "tests/locking/lock_play.h"
#include "tests/locking/many_threads.h"

namespace nephrite {
namespace {

using std::chrono::milliseconds;

LockTerms terms(LockType type, LockDuration duration = LockDuration::Transaction) {
  return {LockTimeout::ofMilliseconds(5000), 0, type, duration, false};
}

class TheFastPath : public LockPlay {
 protected:
  bool grant(LockerId locker, LockTarget target, LockType type) {
    return locks.grantAtOnce(locks.find(locker), target, terms(type)).token.value != 0;
  }
  FastRelease release(LockerId locker, LockTarget target) {
    return locks.releaseAtOnce(locks.find(locker), target);
  }
};

TEST_F(TheFastPath, GrantsWhatIsFreeAndShowsItToWhoeverLooks) {
  EXPECT_TRUE(grant(kAnna, kOrder, LockType::Exclusive));

  const std::vector<LockInfo> seen = locks.locksOn(kOrder);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].requestedBy, kAnna);
  EXPECT_EQ(seen[0].type, LockType::Exclusive);
  EXPECT_EQ(locks.typeHeld(locks.find(kAnna), kOrder), LockType::Exclusive);
  EXPECT_EQ(locks.typeHeld(locks.find(kBen), kOrder), LockType::Get);
  EXPECT_EQ(release(kAnna, kOrder), FastRelease::Released);
  EXPECT_EQ(release(kAnna, kOrder), FastRelease::NotHeld);
  EXPECT_TRUE(locks.locksOn(kOrder).empty());
}

TEST_F(TheFastPath, DoesNothingAboutWhatSomebodyElseHolds) {
  grant(kAnna, kOrder, LockType::Exclusive);

  EXPECT_FALSE(grant(kBen, kOrder, LockType::Share));
  EXPECT_EQ(locks.locksOf(kBen).size(), 0u);
  EXPECT_EQ(locks.statistics().requestsWaiting, 0u);
}

TEST_F(TheFastPath, OvertakesNobodyWhoWaits) {
  grant(kAnna, kOrder, LockType::Share);
  const AskedLock ben = ask(kBen, kOrder, LockType::Exclusive);
  ASSERT_TRUE(ben.waits());

  EXPECT_FALSE(grant(kCleo, kOrder, LockType::Share)) << "Ben came first";
  EXPECT_EQ(release(kAnna, kOrder), FastRelease::NeedsSlowPath) << "Ben has to be told";

  locks.unlock(kAnna, kOrder).deliver();
  EXPECT_EQ(ben.outcome(), LockOutcome::Granted);
  EXPECT_EQ(release(kBen, kOrder), FastRelease::Released) << "nobody waits any more";
  EXPECT_TRUE(grant(kCleo, kOrder, LockType::Share));
}

TEST_F(TheFastPath, GivesTokensThatRiseForATargetAndForALocker) {
  const LockerRef anna = locks.find(kAnna), ben = locks.find(kBen);
  FencingToken last;
  for (int i = 0; i < 100; ++i) {
    for (const auto& [ref, other] : {std::pair{anna, kStock}, std::pair{ben, kOrder}}) {
      const FencingToken elsewhere = locks.grantAtOnce(ref, other, terms(LockType::Share)).token;
      const FencingToken here = ask(LockManager::idOf(ref), {300}, LockType::Exclusive)->token;
      EXPECT_GT(here, last);
      EXPECT_GT(here, elsewhere) << "it was asked for later";
      last = here;
      locks.releaseAtOnce(ref, {300});
      locks.releaseAtOnce(ref, other);
    }
  }
}

TEST_F(TheFastPath, IsClosedToWhoHasSignedOff) {
  const LockerRef ref = locks.find(kAnna);
  locks.signOff(kAnna).deliver();

  EXPECT_EQ(locks.grantAtOnce(ref, kOrder, terms(LockType::Share)).token.value, 0u);
  EXPECT_TRUE(locks.find(kAnna).isNull());
  locks.signOn(kAnna);
}

TEST_F(TheFastPath, WhenManyLocksAreHeldThenEachIsFoundAndAllGoAtOnce) {
  constexpr std::uint64_t kMany = 100'000;
  const LockerRef anna = locks.find(kAnna);
  for (std::uint64_t i = 1; i <= kMany; ++i) {
    ASSERT_NE(locks.grantAtOnce(anna, {i << 20}, terms(LockType::Exclusive)).token.value, 0u);
  }
  EXPECT_EQ(locks.statistics().locksHeld, kMany);
  for (std::uint64_t i = 1; i <= kMany; i += 997) {
    EXPECT_EQ(locks.typeHeld(anna, {i << 20}), LockType::Exclusive);
    EXPECT_FALSE(grant(kBen, {i << 20}, LockType::Share));
  }
  EXPECT_EQ(locks.locksHeld(10).size(), 10u);
  EXPECT_EQ(locks.locksHeld(10).front().target, (LockTarget{1 << 20}));

  locks.releaseTransactionLocks(kAnna).deliver();
  EXPECT_EQ(locks.statistics().locksHeld, 0u);
  EXPECT_TRUE(locks.locksHeld(10).empty());
}

// --- What was released may be retained -----------------------------------------------------------

TEST_F(TheFastPath, WhenALockIsLetGoThenNobodySeesIt) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(grant(kAnna, kOrder, LockType::Exclusive));
    EXPECT_EQ(locks.locksOn(kOrder).size(), 1u);
    EXPECT_EQ(release(kAnna, kOrder), FastRelease::Released);

    EXPECT_EQ(release(kAnna, kOrder), FastRelease::NotHeld);
    EXPECT_EQ(locks.typeHeld(locks.find(kAnna), kOrder), LockType::Get);
    EXPECT_EQ(held(kAnna, kOrder), LockType::Get);
    EXPECT_TRUE(locks.locksOn(kOrder).empty());
    EXPECT_TRUE(locks.locksHeld().empty());
    EXPECT_TRUE(locks.locksOf(kAnna).empty());
    EXPECT_EQ(locks.statistics().locksHeld, 0u);
  }
}

TEST_F(TheFastPath, WhenALockWasLetGoThenAnyoneElseHasItAtOnce) {
  for (const LockType type : {LockType::Share, LockType::Exclusive, LockType::Update}) {
    ask(kAnna, kOrder, LockType::Exclusive);
    unlock(kAnna, kOrder);

    LockRequest request = wish(kBen, kOrder, type);
    request.timeout = LockTimeout::immediate();
    EXPECT_EQ(ask(request).outcome(), LockOutcome::Granted);
    EXPECT_EQ(locks.queuedRequests().size(), 0u);
    EXPECT_EQ(held(kAnna, kOrder), LockType::Get);
    EXPECT_TRUE(ask(kAnna, kOrder, LockType::Exclusive).waits());
    unlock(kBen, kOrder);
    EXPECT_EQ(held(kAnna, kOrder), LockType::Exclusive);
    unlock(kAnna, kOrder);
  }
}

TEST_F(TheFastPath, WhenALockIsTakenAgainAndAgainThenItsTokensStillRiseForTheNextHolder) {
  FencingToken last;
  for (int i = 0; i < 5; ++i) {
    const AskedLock again = ask(kAnna, kOrder, LockType::Exclusive);
    EXPECT_GT(again->token, last);
    last = again->token;
    unlock(kAnna, kOrder);
  }
  EXPECT_EQ(locks.lastToken(), last.value);
  EXPECT_GT(ask(kBen, kOrder, LockType::Exclusive)->token, last);
}

TEST_F(TheFastPath, WhenASharerFollowsOnALowerLockThenItsTokenIsLarger) {
  for (int i = 0; i < 5; ++i) {
    ask(kAnna, kOrder, LockType::Exclusive);
    unlock(kAnna, kOrder);
  }
  const FencingToken exclusive = ask(kAnna, kOrder, LockType::Exclusive)->token;
  ask(kAnna, kOrder, LockType::Share);  // Lower, and no grant.
  ASSERT_EQ(held(kAnna, kOrder), LockType::Share);

  EXPECT_GT(ask(kBen, kOrder, LockType::Share)->token, exclusive);
}

TEST_F(TheFastPath, WhenALockIsTakenAgainOtherwiseThenItIsAsAskedForNow) {
  askSession(kAnna, kOrder, LockType::Exclusive);
  unlock(kAnna, kOrder);
  EXPECT_EQ(duration(kAnna, kOrder), std::nullopt);

  ask(kAnna, kOrder, LockType::Exclusive);
  EXPECT_EQ(duration(kAnna, kOrder), LockDuration::Transaction);
  unlock(kAnna, kOrder);

  ask(kAnna, kOrder, LockType::Share);
  EXPECT_EQ(held(kAnna, kOrder), LockType::Share);
  EXPECT_EQ(ask(kBen, kOrder, LockType::Share).outcome(), LockOutcome::Granted);
}

TEST_F(TheFastPath, WhenALockIsTakenAgainThenItIsTheLatestOfItsLocker) {
  ask(kAnna, kOrder, LockType::Exclusive);
  ask(kAnna, kStock, LockType::Exclusive);
  unlock(kAnna, kOrder);
  pass(milliseconds(70));
  ask(kAnna, kOrder, LockType::Exclusive);

  const std::vector<LockInfo> all = locks.locksOf(kAnna);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].target, kStock);
  EXPECT_EQ(all[1].target, kOrder);
  EXPECT_EQ(all[1].elapsed, Duration(0)) << "held since now, not since the first time";
}

TEST_F(TheFastPath, WhenWhoLetGoSignsOffThenNothingIsInTheWay) {
  for (std::uint64_t i = 1; i <= 100; ++i) {
    ASSERT_TRUE(grant(kAnna, {i << 20}, LockType::Exclusive));
    release(kAnna, {i << 20});
  }
  locks.signOff(kAnna).deliver();
  locks.checkInvariants();
  for (std::uint64_t i = 1; i <= 100; ++i) {
    EXPECT_TRUE(grant(kBen, {i << 20}, LockType::Exclusive));
  }
  locks.signOn(kAnna);
}

TEST_F(TheFastPath, WhenManyWereLetGoThenEachCanBeHadByAnother) {
  constexpr std::uint64_t kMany = 10'000;
  for (int round = 0; round < 2; ++round) {
    for (std::uint64_t i = 1; i <= kMany; ++i) {
      ASSERT_TRUE(grant(kAnna, {i << 20}, LockType::Exclusive));
      release(kAnna, {i << 20});
    }
  }
  locks.checkInvariants();
  LockRequest request = wish(kBen, {}, LockType::Exclusive);
  request.timeout = LockTimeout::immediate();
  for (std::uint64_t i = 1; i <= kMany; ++i) {
    request.target = {i << 20};
    LockOutcome outcome = LockOutcome::Cancelled;
    locks.request(request, [&](const LockAnswer& told) { outcome = told.outcome; }).deliver();
    ASSERT_EQ(outcome, LockOutcome::Granted);
  }
  EXPECT_EQ(locks.statistics().locksHeld, kMany);
}

/// A clock that is always known, and stands.
class KnownClock final : public Clock {
 public:
  KnownClock() : Clock(rough_) {}
  Instant now() const override { return Instant{Duration(rough_.load())}; }
  WallTime wallNow() const override { return WallTime{}; }

 private:
  const std::atomic<std::int64_t> rough_{1};
};

TEST(ALocker, WhenItDoesNotComeBackThenWhatItLetsGoIsNotKeptForIt) {
  const KnownClock clock;
  LockManager locks(clock, {});
  locks.signOn(kAnna);
  const LockerRef anna = locks.find(kAnna);
  const auto takeAndLetGo = [&](LockTarget target) {
    const FastGrant granted = locks.grantAtOnce(anna, target, terms(LockType::Exclusive));
    EXPECT_NE(granted.token.value, 0u);
    EXPECT_EQ(locks.releaseAtOnce(anna, target), FastRelease::Released);
    return granted.isKnown;
  };
  const auto isKept = [&] {
    takeAndLetGo(kOrder);
    return takeAndLetGo(kOrder);
  };
  EXPECT_TRUE(isKept());

  // Always others: they push each other out of the index until there is no larger one.
  std::uint64_t last = 0;
  for (std::uint64_t round = 0; isKept(); ++round) {
    ASSERT_LT(round, 100u) << "never noticed";
    for (int i = 0; i < 1'000; ++i) takeAndLetGo({++last << 20});
  }
  locks.checkInvariants();

  int tries = 0;
  while (!isKept() && ++tries < 100) {
  }
  EXPECT_LT(tries, 100) << "for ever";
  locks.signOff(kAnna).deliver();
}

/// Given: threads whose lockers come and go; each has a target that it takes again and again, and
/// now and then wants that of its neighbour, who has just let it go, or has not.
TEST(ManyThreads, WhenTheyTakeAwayWhatOthersLetGoThenLocksAreLocks) {
  constexpr std::uint64_t kThreads = 3;
  constexpr std::uint64_t kLives = 300;
  LockManager locks(SystemClock::instance(), {});
  struct alignas(64) Guarded {
    std::atomic<int> inside{0};
    std::uint64_t lastToken = 0;  // Of whoever is inside: a race if locks were none.
  };
  std::array<Guarded, kThreads> guarded;
  std::atomic<bool> broken{false};

  const auto takeAndLetGo = [&](const LockerRef& ref, std::uint64_t which) {
    const LockTarget target{which + 1};
    FencingToken token = locks.grantAtOnce(ref, target, terms(LockType::Exclusive)).token;
    if (token.value == 0) {
      token = askAndWait(locks, LockManager::idOf(ref), target, LockType::Exclusive);
    }
    Guarded& mine = guarded[which];
    if (mine.inside.fetch_add(1) != 0 || token.value <= mine.lastToken) broken = true;
    mine.lastToken = token.value;
    mine.inside.fetch_sub(1);
    if (locks.releaseAtOnce(ref, target) == FastRelease::NeedsSlowPath) {
      locks.unlock(LockManager::idOf(ref), target).deliver();
    }
  };
  const auto work = [&](std::uint64_t me) {
    for (std::uint64_t life = 0; life < kLives; ++life) {
      const LockerId locker{1 + me + life * kThreads};
      locks.signOn(locker);
      const LockerRef ref = locks.find(locker);
      for (int step = 0; step < 200; ++step) {
        takeAndLetGo(ref, step % 67 == 66 ? (me + 1) % kThreads : me);
      }
      locks.signOff(locker).deliver();
    }
  };
  runOnThreads(kThreads, work);

  EXPECT_FALSE(broken);
  locks.checkInvariants();
}

/// Given: some threads, each with a locker, and few targets; what is locked counts who is inside.
TEST(ManyThreads, WhenTheyMixTheFastAndTheSlowPathThenLocksAreLocks) {
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kTargets = 6;
  constexpr int kSteps = 20'000;
  LockManager locks(SystemClock::instance(), {});
  std::array<std::atomic<int>, kTargets> inside{};  // Sharers; 1000 for the one who excludes.
  std::atomic<bool> broken{false};

  const auto work = [&](std::uint64_t me) {
    const LockerId locker{me + 1};
    const LockerRef ref = locks.find(locker);
    std::minstd_rand random(static_cast<unsigned>(me + 1));
    for (int step = 0; step < kSteps; ++step) {
      const std::uint64_t which = random() % kTargets;
      const LockTarget target{which + 1};
      const bool exclusive = random() % 3 == 0;
      const LockType type = exclusive ? LockType::Exclusive : LockType::Share;
      if (locks.grantAtOnce(ref, target, terms(type)).token.value == 0) {
        LockRequest request;
        request.locker = locker;
        request.target = target;
        request.type = type;
        request.timeout = LockTimeout::ofMilliseconds(60'000);
        std::atomic<int> answer{-1};
        locks
            .request(request,
                     [&](const LockAnswer& told) {
                       answer = static_cast<int>(told.outcome);
                       answer.notify_one();
                     })
            .deliver();
        answer.wait(-1);
        if (answer != static_cast<int>(LockOutcome::Granted)) broken = true;  // One at a time.
      }
      const int weight = exclusive ? 1000 : 1;
      const int others = inside[which].fetch_add(weight);
      if (exclusive ? others != 0 : others >= 1000) broken = true;
      inside[which].fetch_sub(weight);
      if (random() % 2 == 0) {
        if (locks.releaseAtOnce(ref, target) == FastRelease::NeedsSlowPath) {
          locks.unlock(locker, target).deliver();
        }
      } else {
        locks.releaseTransactionLocks(locker).deliver();
      }
      if (step % 500 == 0) {
        locks.locksHeld();
        locks.locksOf(LockerId{random() % kThreads + 1});  // Takes its mutex away from its owner.
      }
    }
  };
  for (std::uint64_t i = 0; i < kThreads; ++i) locks.signOn({i + 1});
  runOnThreads(kThreads, work);

  EXPECT_FALSE(broken);
  locks.checkInvariants();
  EXPECT_EQ(locks.statistics().locksHeld, 0u);
  for (std::uint64_t i = 0; i < kThreads; ++i) locks.signOff({i + 1}).deliver();
}

}  // namespace
}  // namespace nephrite

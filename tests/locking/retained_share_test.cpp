// Shares that were let go and are taken again while nobody looks, by several at one object.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "locking/lock_manager.h"
#include "tests/locking/ask_and_wait.h"
#include "tests/locking/many_threads.h"

namespace nephrite {
namespace {

constexpr LockerId kAnna{1}, kBen{2}, kCleo{3};
constexpr LockTarget kOrder{100}, kStock{200};

LockTerms terms(LockType type) {
  return {LockTimeout::ofMilliseconds(5000), 0, type, LockDuration::Transaction, false};
}

/// Is a Share that was let go taken again out of everybody's sight? AskedLock more than once: the
/// machine's clock may not be known roughly just then.
bool sharesAreRetained(LockManager& locks) {
  constexpr LockerId kProbe{99};
  constexpr LockTarget kOther{999};
  locks.signOn(kProbe);
  const LockerRef ref = locks.find(kProbe);
  bool retained = false;
  for (int i = 0; i < 100 && !retained; ++i) {
    retained = locks.grantAtOnce(ref, kOther, terms(LockType::Share)).isKnown;
    locks.releaseAtOnce(ref, kOther);
  }
  locks.signOff(kProbe).deliver();
  return retained;
}

std::string clockSource() {
  std::string name;
  std::ifstream("/sys/devices/system/clocksource/clocksource0/current_clocksource") >> name;
  return name.empty() ? "an unknown clock" : name;
}

/// Whose numbers order the Shares that are taken again: the counter of a manual clock, or that of
/// the processor, where the kernel keeps time by it.
enum class Numbers { Counted, OfTheProcessor };

const Clock& clockOf(Numbers numbers) {
  static const ManualClock manual;
  return numbers == Numbers::Counted ? static_cast<const Clock&>(manual) : SystemClock::instance();
}

/// Given: Anna, Ben and Cleo, and Shares that can be taken again out of sight. By name: what they
/// do where they cannot is that of ordinary locks, and tested elsewhere.
class NearShares : public testing::TestWithParam<Numbers> {
 protected:
  void SetUp() override {
    for (const LockerId locker : {kAnna, kBen, kCleo}) locks.signOn(locker);
    if (sharesAreRetained(locks)) return;
    ASSERT_EQ(GetParam(), Numbers::OfTheProcessor);
    GTEST_SKIP() << "the kernel keeps time by " << clockSource() << ", not by tsc";
  }
  ~NearShares() override {
    locks.checkInvariants();
    for (const LockerId locker : {kAnna, kBen, kCleo}) locks.signOff(locker).deliver();
    locks.checkInvariants();
  }

  FencingToken share(LockerId locker, LockTarget target = kOrder) {
    return locks.grantAtOnce(locks.find(locker), target, terms(LockType::Share)).token;
  }
  bool letGo(LockerId locker, LockTarget target = kOrder) {
    return locks.releaseAtOnce(locks.find(locker), target) == FastRelease::Released;
  }
  /// What became of it; nothing while it waits.
  std::shared_ptr<std::optional<LockAnswer>> ask(LockerId locker, LockTarget target, LockType type,
                                                 bool waits = true) {
    auto answer = std::make_shared<std::optional<LockAnswer>>();
    LockRequest request;
    request.locker = locker;
    request.target = target;
    request.type = type;
    request.timeout = waits ? LockTimeout::ofMilliseconds(5000) : LockTimeout::immediate();
    locks.request(request, [answer](const LockAnswer& told) { *answer = told; }).deliver();
    locks.checkInvariants();
    return answer;
  }
  LockOutcome tryFor(LockerId locker, LockType type, LockTarget target = kOrder) {
    return (*ask(locker, target, type, false))->outcome;
  }
  std::vector<LockerId> holders(LockTarget target = kOrder) const {
    std::vector<LockerId> all;
    for (const LockInfo& lock : locks.locksOn(target)) all.push_back(lock.requestedBy);
    return all;
  }
  /// Everybody has a Share once, and lets it go.
  void haveBeenHere(std::initializer_list<LockerId> lockers, LockTarget target = kOrder) {
    for (const LockerId locker : lockers) share(locker, target);
    for (const LockerId locker : lockers) letGo(locker, target);
    locks.checkInvariants();
  }

  LockManager locks{clockOf(GetParam()), LockManager::Options{}};
};

INSTANTIATE_TEST_SUITE_P(Numbers, NearShares,
                         testing::Values(Numbers::Counted, Numbers::OfTheProcessor),
                         [](const auto& numbers) {
                           return numbers.param == Numbers::Counted ? "Counted" : "OfTheProcessor";
                         });

using Lockers = std::vector<LockerId>;

TEST_P(NearShares, WhenTheyAreLetGoThenNobodySeesThem) {
  haveBeenHere({kAnna, kBen});

  EXPECT_TRUE(holders().empty());
  EXPECT_TRUE(locks.locksHeld().empty());
  EXPECT_EQ(locks.statistics().locksHeld, 0u);
  EXPECT_EQ(locks.typeHeld(locks.find(kAnna), kOrder), LockType::Get);
  EXPECT_EQ(locks.releaseAtOnce(locks.find(kBen), kOrder), FastRelease::NotHeld);
}

TEST_P(NearShares, WhenTheyAreTakenAgainInAnotherOrderThenThatIsTheOrderOfTheirGrants) {
  haveBeenHere({kAnna, kBen, kCleo});

  const FencingToken cleo = share(kCleo), anna = share(kAnna), ben = share(kBen);

  EXPECT_EQ(holders(), (Lockers{kCleo, kAnna, kBen}));
  EXPECT_LT(cleo, anna);
  EXPECT_LT(anna, ben);
  const std::vector<LockInfo> held = locks.locksHeld();
  ASSERT_EQ(held.size(), 3u);
  EXPECT_EQ(held[0].requestedBy, kCleo);
  EXPECT_EQ(held[1].requestedBy, kAnna);
  EXPECT_EQ(held[2].requestedBy, kBen);
  EXPECT_EQ(locks.lastToken(), ben.value);
}

TEST_P(NearShares, WhenAnyoneIsGrantedAnythingThenItsTokenIsAboveAllBefore) {
  FencingToken last;
  const auto rises = [&](LockerId locker, LockType type) {
    const FencingToken token = (*ask(locker, kOrder, type))->token;
    EXPECT_GT(token, last);
    last = token;
  };
  for (int round = 0; round < 50; ++round) {
    rises(kAnna, LockType::Share);
    rises(kBen, LockType::Share);
    letGo(kAnna);
    rises(kAnna, LockType::Share);
    letGo(kBen);
    if (round % 3 == 0) {
      rises(kCleo, round % 2 == 0 ? LockType::Reserve : LockType::Share);
      rises(kBen, LockType::Share);
      letGo(kBen);
      letGo(kCleo);
    }
    rises(kBen, LockType::Share);
    letGo(kBen);
    letGo(kAnna);
    if (round % 5 == 0) {
      rises(kCleo, LockType::Exclusive);
      letGo(kCleo);
    }
  }
}

TEST_P(NearShares, WhenSomebodyWantsToExcludeThenWhatWasLetGoIsNotInTheWay) {
  haveBeenHere({kAnna, kBen});

  EXPECT_EQ(tryFor(kCleo, LockType::Exclusive), LockOutcome::Granted);

  EXPECT_EQ(holders(), Lockers{kCleo});
  EXPECT_EQ(tryFor(kAnna, LockType::Share), LockOutcome::Refused);
  EXPECT_EQ(tryFor(kBen, LockType::Share), LockOutcome::Refused);
  letGo(kCleo);
  EXPECT_EQ(tryFor(kAnna, LockType::Exclusive), LockOutcome::Granted);
}

TEST_P(NearShares, WhenAHolderWantsMoreThenWhatWasLetGoIsNotInTheWay) {
  for (const LockType first : {LockType::Share, LockType::Reserve, LockType::Update}) {
    haveBeenHere({kAnna, kBen, kCleo});
    ASSERT_EQ(tryFor(kCleo, first), LockOutcome::Granted);
    haveBeenHere({kAnna, kBen});

    EXPECT_EQ(tryFor(kCleo, LockType::Exclusive), LockOutcome::Granted);

    locks.unlock(kCleo, kOrder).deliver();
  }
}

TEST_P(NearShares, WhenOneIsHeldAgainThenItIsInTheWay) {
  haveBeenHere({kAnna, kBen});
  share(kBen);

  const auto answer = ask(kCleo, kOrder, LockType::Exclusive, false);

  EXPECT_EQ((*answer)->outcome, LockOutcome::Refused);
  EXPECT_EQ((*answer)->lockedBy, kBen);
  EXPECT_EQ((*answer)->lockedType, LockType::Share);
  EXPECT_EQ(holders(), Lockers{kBen});
}

TEST_P(NearShares, WhenSomebodyWaitsThenTheFirstInItsWayIsTheFirstThatWasGranted) {
  haveBeenHere({kAnna, kBen});
  share(kBen);
  share(kAnna);

  const auto cleo = ask(kCleo, kOrder, LockType::Exclusive);

  ASSERT_FALSE(cleo->has_value());
  EXPECT_EQ(locks.queuedRequests().at(0).lockedBy, kBen);
  EXPECT_EQ(holders(), (Lockers{kBen, kAnna, kCleo}));
  EXPECT_FALSE(letGo(kBen)) << "Cleo waits";
  locks.unlock(kBen, kOrder).deliver();
  EXPECT_EQ(share(kBen).value, 0u) << "nobody overtakes";
  ASSERT_FALSE(cleo->has_value());
  locks.unlock(kAnna, kOrder).deliver();
  ASSERT_TRUE(cleo->has_value());
  EXPECT_EQ((*cleo)->outcome, LockOutcome::Granted);
}

TEST_P(NearShares, WhenThereIsADeadlockThenItsHoldsAreInTheOrderOfTheirGrants) {
  haveBeenHere({kAnna, kBen, kCleo});
  haveBeenHere({kAnna, kBen, kCleo}, kStock);
  share(kCleo);
  share(kBen);
  share(kAnna, kStock);
  share(kAnna);

  ASSERT_FALSE(ask(kBen, kStock, LockType::Exclusive)->has_value());
  const auto anna = ask(kAnna, kOrder, LockType::Exclusive);

  ASSERT_TRUE(anna->has_value());
  EXPECT_EQ((*anna)->outcome, LockOutcome::Deadlock);
  std::vector<std::pair<LockTarget, LockerId>> seen;
  std::vector<std::uint64_t> acquired;
  const std::vector<DeadlockRecord> records = locks.deadlocks();
  ASSERT_EQ(records.size(), 1u);
  for (const DeadlockHold& hold : records[0].holds) {
    if (hold.target != kOrder) continue;
    seen.emplace_back(hold.target, hold.locker);
    acquired.push_back(hold.acquired);
  }
  EXPECT_EQ(seen, (std::vector<std::pair<LockTarget, LockerId>>{
                      {kOrder, kCleo}, {kOrder, kBen}, {kOrder, kAnna}}));
  EXPECT_TRUE(std::is_sorted(acquired.begin(), acquired.end()));
}

TEST_P(NearShares, WhenALockerHasTakenSomeAgainThenTheyAreInTheOrderOfItsAcquisitions) {
  haveBeenHere({kAnna, kBen});
  haveBeenHere({kBen, kAnna}, kStock);
  share(kAnna, kStock);
  share(kAnna, kOrder);

  const std::vector<LockInfo> all = locks.locksOf(kAnna);

  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].target, kStock);
  EXPECT_EQ(all[1].target, kOrder);
  EXPECT_LT(all[0].token, all[1].token);
}

TEST_P(NearShares, WhenWhoLetGoSignsOffThenNothingIsInTheWay) {
  for (std::uint64_t i = 1; i <= 100; ++i) haveBeenHere({kAnna, kBen}, {i << 20});
  share(kBen, {1 << 20});

  locks.signOff(kAnna).deliver();

  locks.checkInvariants();
  EXPECT_EQ(holders({1 << 20}), Lockers{kBen});
  letGo(kBen, {1 << 20});
  for (std::uint64_t i = 1; i <= 100; ++i) {
    EXPECT_EQ(tryFor(kCleo, LockType::Exclusive, {i << 20}), LockOutcome::Granted);
  }
  locks.signOn({4});
  locks.signOff({4}).deliver();
}

TEST_P(NearShares, WhenTheSameIsAskedForOtherwiseThenItIsAsAskedForNow) {
  haveBeenHere({kAnna, kBen});
  share(kBen);

  LockRequest request;
  request.locker = kAnna;
  request.target = kOrder;
  request.type = LockType::Share;
  request.duration = LockDuration::Session;
  locks.request(request, [](const LockAnswer&) {}).deliver();

  EXPECT_EQ(locks.lockStatus(kAnna, kOrder)->duration, LockDuration::Session);
  EXPECT_EQ(holders(), (Lockers{kBen, kAnna}));
}

TEST(ManySharers, WhenThereAreManyThenTheFirstEightAreRetainedAndWhoExcludesThemHasItAtOnce) {
  constexpr std::uint64_t kMany = 100;
  LockManager locks(clockOf(Numbers::Counted), {});
  for (std::uint64_t i = 1; i <= kMany; ++i) locks.signOn({i});
  for (int round = 0; round < 3; ++round) {
    std::vector<std::uint64_t> again;
    for (std::uint64_t i = 2; i <= kMany; ++i) {
      const auto granted = locks.grantAtOnce(locks.find({i}), kOrder, terms(LockType::Share));
      ASSERT_NE(granted.token.value, 0u);
      if (granted.isKnown) again.push_back(i);
    }
    if (round > 0) {
      EXPECT_EQ(again, (std::vector<std::uint64_t>{2, 3, 4, 5, 6, 7, 8, 9}));
    }
    EXPECT_EQ(locks.locksOn(kOrder).size(), kMany - 1);
    for (std::uint64_t i = kMany; i >= 2; --i) {
      EXPECT_EQ(locks.releaseAtOnce(locks.find({i}), kOrder), FastRelease::Released);
    }
    locks.checkInvariants();
  }
  LockRequest request;
  request.locker = {1};
  request.target = kOrder;
  request.type = LockType::Exclusive;
  request.timeout = LockTimeout::immediate();
  LockOutcome outcome = LockOutcome::Cancelled;
  locks.request(request, [&](const LockAnswer& told) { outcome = told.outcome; }).deliver();
  EXPECT_EQ(outcome, LockOutcome::Granted);
  for (std::uint64_t i = 1; i <= kMany; ++i) locks.signOff({i}).deliver();
}

/// Given: threads that share one target over and over; each writes down its token, and what it saw
/// of the others' before it asked.
TEST(ManySharers, WhenAGrantComesAfterAnotherThenItsTokenIsLargerAndNoTwoAreTheSame) {
  constexpr std::size_t kThreads = 3;
  constexpr int kSteps = 20'000;
  LockManager locks(SystemClock::instance(), {});
  std::array<std::atomic<std::uint64_t>, kThreads> latest{};
  std::array<std::vector<std::uint64_t>, kThreads> tokens;
  std::atomic<bool> broken{false};

  const auto work = [&](std::size_t me) {
    locks.signOn({me + 1});
    const LockerRef ref = locks.find({me + 1});
    std::uint64_t own = 0;
    for (int step = 0; step < kSteps; ++step) {
      std::uint64_t before = own;
      for (const auto& other : latest) before = std::max(before, other.load());
      own = locks.grantAtOnce(ref, kOrder, terms(LockType::Share)).token.value;
      latest[me] = own;
      if (own <= before) broken = true;
      tokens[me].push_back(own);
      locks.releaseAtOnce(ref, kOrder);
    }
    locks.signOff({me + 1}).deliver();
  };
  runOnThreads(kThreads, work);

  EXPECT_FALSE(broken);
  std::vector<std::uint64_t> all;
  for (const auto& each : tokens) all.insert(all.end(), each.begin(), each.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
  locks.checkInvariants();
}

/// Given: sharers of few targets, and one thread that now and then wants one for itself. Lockers
/// come and go.
TEST(ManySharers, WhenOneExcludesThemNowAndThenThenLocksAreLocks) {
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kTargets = 3;
  constexpr std::uint64_t kLives = 40;
  constexpr int kSteps = 300;
  LockManager locks(SystemClock::instance(), {});
  struct alignas(64) Guarded {
    std::atomic<int> inside{0};  // Sharers; 1000 for the one who excludes.
    std::atomic<std::uint64_t> lastExclusive{0};
    std::uint64_t plain = 0;  // A race if locks were none.
  };
  std::array<Guarded, kTargets> guarded;
  std::atomic<bool> broken{false};

  const auto step = [&](const LockerRef& ref, std::uint64_t which, LockType type) {
    const LockerId locker = LockManager::idOf(ref);
    const LockTarget target{which + 1};
    Guarded& mine = guarded[which];
    const std::uint64_t before = mine.lastExclusive;
    std::uint64_t token = locks.grantAtOnce(ref, target, terms(type)).token.value;
    if (token == 0) token = askAndWait(locks, locker, target, type).value;
    const bool exclusive = type == LockType::Exclusive;
    const int others = mine.inside.fetch_add(exclusive ? 1000 : 1);
    if (exclusive ? others != 0 : others >= 1000) broken = true;
    if (token <= before) broken = true;
    if (exclusive) {
      mine.lastExclusive = token;
      ++mine.plain;
    } else if (mine.plain == UINT64_MAX) {
      broken = true;
    }
    mine.inside.fetch_sub(exclusive ? 1000 : 1);
    if (locks.releaseAtOnce(ref, target) == FastRelease::NeedsSlowPath) {
      locks.unlock(locker, target).deliver();
    }
  };
  const auto work = [&](std::uint64_t me) {
    std::minstd_rand random(static_cast<unsigned>(me + 1));
    for (std::uint64_t life = 0; life < kLives; ++life) {
      const LockerId locker{1 + me + life * kThreads};
      locks.signOn(locker);
      const LockerRef ref = locks.find(locker);
      for (int i = 0; i < kSteps; ++i) {
        const bool exclusive = me == 0 ? i % 20 == 19 : random() % 500 == 0;
        step(ref, random() % kTargets, exclusive ? LockType::Exclusive : LockType::Share);
        if (i % 100 == 99) locks.locksHeld();
      }
      locks.signOff(locker).deliver();
    }
  };
  runOnThreads(kThreads, work);

  EXPECT_FALSE(broken);
  locks.checkInvariants();
  EXPECT_EQ(locks.statistics().locksHeld, 0u);
}

}  // namespace
}  // namespace nephrite

#include "locking/lock_domain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "locking/lock_manager.h"

namespace nephrite {
namespace {

constexpr LockerId kAnna{1}, kBen{2}, kCleo{3};
constexpr LockTarget kOrder{100}, kBasket{200};

LockManager::Options optionsOf(const std::shared_ptr<LockDomain>& domain,
                               const LockManager::Options& like = {}) {
  LockManager::Options options = like;
  options.domain = domain;
  return options;
}

LockRequest request(LockerId locker, LockTarget target, LockType type) {
  LockRequest request;
  request.locker = locker;
  request.target = target;
  request.type = type;
  request.timeout = LockTimeout::ofMilliseconds(5000);
  return request;
}

/// Given: orders in one lock manager and baskets in another; Anna, Ben and Cleo are signed on to
/// both.
class TwoManagers : public testing::Test {
 protected:
  TwoManagers() {
    for (const LockerId locker : {kAnna, kBen, kCleo}) {
      orders.signOn(locker);
      baskets.signOn(locker);
    }
  }
  ~TwoManagers() override {
    for (const LockerId locker : {kAnna, kBen, kCleo}) {
      orders.signOff(locker).deliver();
      check();
      baskets.signOff(locker).deliver();
      check();
    }
  }

  using Answer = std::shared_ptr<std::optional<LockAnswer>>;
  Answer ask(LockManager& locks, const LockRequest& request) {
    auto answer = std::make_shared<std::optional<LockAnswer>>();
    locks.request(request, [answer](const LockAnswer& given) { *answer = given; }).deliver();
    check();
    return answer;
  }
  Answer ask(LockManager& locks, LockerId locker, LockTarget target,
             LockType type = LockType::Exclusive) {
    return ask(locks, request(locker, target, type));
  }
  /// Anna has the order and waits for the basket that Ben has.
  Answer annaWaitsForBen(std::int32_t priority = 0) {
    ask(orders, kAnna, kOrder);
    ask(baskets, kBen, kBasket);
    LockRequest wanted = request(kAnna, kBasket, LockType::Exclusive);
    wanted.priority = priority;
    return ask(baskets, wanted);
  }
  void check() const {
    orders.checkInvariants();
    baskets.checkInvariants();
  }

  ManualClock clock;
  const std::shared_ptr<LockDomain> domain = makeLockDomain();
  LockManager orders{clock, optionsOf(domain)};
  LockManager baskets{clock, optionsOf(domain)};
};

TEST_F(TwoManagers, WhenTwoWaitForEachOtherThroughBothThenTheOneThatClosesTheCycleIsRefused) {
  const Answer anna = annaWaitsForBen();
  EXPECT_FALSE(anna->has_value());

  const Answer ben = ask(orders, kBen, kOrder);

  ASSERT_TRUE(ben->has_value());
  EXPECT_EQ((*ben)->outcome, LockOutcome::Deadlock);
  const std::vector<WaitEdge>& cycle = (*ben)->cycle;
  ASSERT_EQ(cycle.size(), 2u);
  EXPECT_EQ(cycle[0].locker, kBen);
  EXPECT_EQ(cycle[0].target, kOrder);
  EXPECT_EQ(cycle[1].locker, kAnna);
  EXPECT_EQ(cycle[1].target, kBasket);
  EXPECT_EQ((*ben)->obtained, kBasket);
  EXPECT_EQ(orders.deadlocks().size(), 1u);
  EXPECT_EQ(baskets.deadlocks().size(), 0u);  // It is told where it was closed.
  const DeadlockRecord record = orders.deadlocks().front();
  EXPECT_EQ(record.holds.size(), 2u);
  EXPECT_EQ(record.waits.size(), 2u);
}

TEST_F(TwoManagers, WhenTheOtherHasTheLowerPriorityThenItGivesWayInItsOwnManager) {
  const Answer anna = annaWaitsForBen(/*priority=*/-1);

  const Answer ben = ask(orders, kBen, kOrder);

  ASSERT_TRUE(anna->has_value());
  EXPECT_EQ((*anna)->outcome, LockOutcome::Deadlock);
  EXPECT_FALSE(ben->has_value()) << "Anna still holds the order";
  EXPECT_TRUE(baskets.queuedRequests().empty());
}

TEST_F(TwoManagers, WhenDeadlocksAreDoubledThenBothAreRefusedEachInItsOwn) {
  orders.setDoubleDeadlock(true);
  const Answer anna = annaWaitsForBen();
  const Answer ben = ask(orders, kBen, kOrder);

  ASSERT_TRUE(anna->has_value() && ben->has_value());
  EXPECT_EQ((*anna)->outcome, LockOutcome::Deadlock);
  EXPECT_EQ((*ben)->outcome, LockOutcome::Deadlock);
}

TEST_F(TwoManagers, WhenTheFewestLocksGiveWayThenThoseInBothCount) {
  orders.setVictim(DeadlockVictim::FewestLocks);
  ask(orders, kAnna, kOrder);
  for (std::uint64_t i = 1; i <= 3; ++i) ask(baskets, kAnna, LockTarget{1000 + i});
  ask(baskets, kBen, kBasket);
  ask(orders, kBen, LockTarget{1});
  const Answer anna = ask(baskets, kAnna, kBasket);

  const Answer ben = ask(orders, kBen, kOrder);

  EXPECT_FALSE(anna->has_value()) << "It has four, Ben two";
  ASSERT_TRUE(ben->has_value());
  EXPECT_EQ((*ben)->outcome, LockOutcome::Deadlock);
}

TEST_F(TwoManagers, WhenAVictimLetsAQueueGoThenWhoWantsEventsOfItIsTold) {
  const Answer anna = annaWaitsForBen(/*priority=*/-1);
  int told = 0;
  const LockSubscription subscription = baskets.subscribe([&] { ++told; });
  const std::uint64_t before = baskets.lastEvent();

  ask(orders, kBen, kOrder);

  EXPECT_TRUE(anna->has_value());
  EXPECT_EQ(told, 1);
  EXPECT_GT(baskets.lastEvent(), before);
}

// The record, made where the cycle was closed, has the way down in the other.
TEST_F(TwoManagers, WhenARequestWaitsOnItsWayDownInTheOtherThenItsGoalIsRecorded) {
  const LockTarget folder{300};
  orders.setPlace(kOrder, folder);
  LockRequest all = request(kAnna, folder, LockType::Exclusive);
  all.scope = LockScope::Subtree;
  ask(orders, all);
  ask(baskets, kBen, kBasket);
  EXPECT_FALSE(ask(orders, kBen, kOrder)->has_value());

  const Answer anna = ask(baskets, kAnna, kBasket);

  ASSERT_TRUE(anna->has_value());
  EXPECT_EQ((*anna)->outcome, LockOutcome::Deadlock);
  const DeadlockRecord record = baskets.deadlocks().front();
  const auto onItsWay = std::find_if(record.waits.begin(), record.waits.end(),
                                     [](const DeadlockWait& wait) { return wait.locker == kBen; });
  ASSERT_NE(onItsWay, record.waits.end());
  EXPECT_EQ(onItsWay->target, folder);
  EXPECT_EQ(onItsWay->goal, kOrder);
}

TEST_F(TwoManagers, WhenOneIsLeftThenWhatIsHeldInTheOtherStaysAndIsStillOfThatProcess) {
  ask(orders, kAnna, kOrder);
  ask(baskets, kAnna, kBasket);
  ask(baskets, kBen, LockTarget{7});
  orders.signOff(kAnna).deliver();
  check();
  EXPECT_TRUE(ask(orders, kBen, kOrder)->has_value());

  EXPECT_FALSE(ask(baskets, kBen, kBasket)->has_value());
  const Answer anna = ask(baskets, kAnna, LockTarget{7});
  ASSERT_TRUE(anna->has_value());
  EXPECT_EQ((*anna)->outcome, LockOutcome::Deadlock);
}

// --- Held against one ----------------------------------------------------------------------------

/// What was answered, in order: the number of each request and how it ended.
using Told = std::vector<std::string>;

/// The same play in one lock manager, or divided among several of one domain.
class World {
 public:
  World(std::size_t managers, DeadlockVictim victim, bool doubled) {
    LockManager::Options options;
    options.victim = victim;
    options.countsAge = true;
    options.doubleDeadlock = doubled;
    const auto domain = makeLockDomain();
    for (std::size_t i = 0; i < managers; ++i) {
      managers_.push_back(std::make_unique<LockManager>(clock_, optionsOf(domain, options)));
    }
  }
  ~World() {
    for (const auto& each : managers_) {
      for (const LockerId locker : lockers_) each->signOff(locker).deliver();
    }
  }

  void signOn(LockerId locker, LockerId parent) {
    lockers_.push_back(locker);
    for (const auto& each : managers_) each->signOn(locker, parent);
  }
  void ask(const LockRequest& request) {
    const auto done = [this, number = request.id](const LockAnswer& answer) {
      std::string told = std::to_string(number) + " " + std::string(nameOf(answer.outcome));
      for (const WaitEdge& edge : answer.cycle) {
        told += " " + std::to_string(edge.locker.value) + ">" + std::to_string(edge.target.value);
      }
      told_.push_back(std::move(told));
    };
    of(request.target).request(request, done).deliver();
  }
  void unlock(LockerId locker, LockTarget target) { of(target).unlock(locker, target).deliver(); }
  void cancel(LockerId locker, std::uint64_t id) {
    for (const auto& each : managers_) each->cancel(locker, id).deliver();
  }
  void pass(std::chrono::milliseconds time) {
    clock_.advance(time);
    for (;;) {
      LockAnswers answers = managers_.back()->expireNext(clock_.now());
      if (answers.empty()) return;
      answers.deliver();
    }
  }
  Told take() {
    for (const auto& each : managers_) each->checkInvariants();
    return std::exchange(told_, {});
  }
  /// Who holds and who waits for what, in order.
  std::vector<std::string> table(std::uint64_t targets) const {
    std::vector<std::string> all;
    for (std::uint64_t target = 1; target <= targets; ++target) {
      for (const LockInfo& lock : of({target}).locksOn({target})) {
        all.push_back(std::to_string(target) + " " + std::to_string(lock.requestedBy.value) + " " +
                      std::string(nameOf(lock.type)) + (lock.waiting ? " waits" : ""));
      }
    }
    return all;
  }

 private:
  LockManager& of(LockTarget target) const { return *managers_[target.value % managers_.size()]; }

  ManualClock clock_;
  std::vector<std::unique_ptr<LockManager>> managers_;
  std::vector<LockerId> lockers_;
  Told told_;
};

/// Each request, release and timeout has the same effects, whether the targets are of one lock
/// manager or of two or three of one domain. What one does is held against the model elsewhere
/// (tests/simulation).
TEST(ADomain, WhenTargetsAreDividedAmongSeveralManagersThenAllIsAsInOne) {
  constexpr std::array kVictims{DeadlockVictim::Requester, DeadlockVictim::Requester,
                                DeadlockVictim::Youngest, DeadlockVictim::FewestLocks,
                                DeadlockVictim::MostWriteLocks};
  constexpr std::array kTypes{LockType::Share, LockType::Reserve, LockType::Exclusive,
                              LockType::Update, LockType::Exclusive};
  std::size_t deadlocks = 0;
  for (std::uint64_t seed = 0; seed < 1'500; ++seed) {
    std::mt19937_64 random(seed);
    const auto upTo = [&](std::uint64_t most) { return random() % most; };
    const DeadlockVictim victim = kVictims[upTo(kVictims.size())];
    const bool doubled = victim == DeadlockVictim::Requester && upTo(3) == 0;
    const std::uint64_t lockers = 3 + upTo(4), targets = 3 + upTo(4);
    World one(1, victim, doubled);
    World several(2 + upTo(2), victim, doubled);
    const bool family = upTo(3) == 0;
    for (std::uint64_t i = 1; i <= lockers; ++i) {
      const LockerId parent{family && i > 1 && upTo(2) == 0 ? 1 + upTo(i - 1) : 0};
      one.signOn({i}, parent);
      several.signOn({i}, parent);
    }
    for (std::uint64_t step = 1; step <= 60; ++step) {
      const LockerId locker{1 + upTo(lockers)};
      const LockTarget target{1 + upTo(targets)};
      LockRequest asked = request(locker, target, kTypes[upTo(kTypes.size())]);
      asked.id = step;
      asked.priority = upTo(4) == 0 ? static_cast<std::int32_t>(upTo(3)) : 0;
      if (upTo(8) == 0) asked.timeout = LockTimeout::immediate();
      const std::uint64_t verb = upTo(20), other = 1 + upTo(step), time = 1 + upTo(900);
      for (World* const world : {&one, &several}) {
        if (verb < 12) {
          world->ask(asked);
        } else if (verb < 17) {
          world->unlock(locker, target);
        } else if (verb == 17) {
          world->cancel(locker, other);
        } else {
          world->pass(std::chrono::milliseconds(verb == 18 ? 7 : time));
        }
      }
      const Told expected = one.take();
      for (const std::string& each : expected) {
        deadlocks += each.find(std::string(nameOf(LockOutcome::Deadlock))) != std::string::npos;
      }
      ASSERT_EQ(several.take(), expected) << "seed " << seed << ", step " << step;
      ASSERT_EQ(several.table(targets), one.table(targets)) << "seed " << seed << ", step " << step;
    }
  }
  EXPECT_GT(deadlocks, 3'000u);
}

}  // namespace
}  // namespace nephrite

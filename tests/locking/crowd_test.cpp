// An object that very many share: decided as one that few share.

#include <numeric>
#include <random>

#include "tests/locking/lock_play.h"

namespace nephrite {
namespace {

using enum LockType;

/// Given: four hundred more lockers, of whom each shares the order.
class Crowd : public LockPlay {
 protected:
  Crowd() {
    for (std::uint64_t i = 0; i < kMany; ++i) {
      crowd.push_back({1000 + i});
      locks.signOn(crowd.back());
      const AskedLock asked = askQuietly(crowd.back(), Share);
      EXPECT_FALSE(asked.waits());
    }
  }
  ~Crowd() override {
    for (const LockerId locker : crowd) locks.signOff(locker).deliver();
  }

  /// Without looking at all of them each time.
  AskedLock askQuietly(LockerId locker, LockType type,
                       LockDuration duration = LockDuration::Transaction) {
    AskedLock asked;
    LockRequest request = wish(locker, kOrder, type);
    request.duration = duration;
    locks.request(request, answerInto(asked)).deliver();
    return asked;
  }
  void letGo(LockerId locker) { locks.unlock(locker, kOrder).deliver(); }
  std::vector<LockerId> holders() const {
    std::vector<LockerId> all;
    for (const LockInfo& lock : locks.locksOn(kOrder)) {
      if (!lock.waiting) all.push_back(lock.requestedBy);
    }
    return all;
  }

  static constexpr std::uint64_t kMany = 400;
  std::vector<LockerId> crowd;
};

TEST_F(Crowd, WhenOneWaitsForThemAllThenTheLastThatLetsGoLetsItIn) {
  const AskedLock anna = ask(kAnna, kOrder, Exclusive);
  std::vector<LockerId> leaving = crowd;
  std::shuffle(leaving.begin(), leaving.end(), std::mt19937(7));

  for (std::size_t i = 0; i < leaving.size(); ++i) {
    EXPECT_TRUE(anna.waits());
    letGo(leaving[i]);
    if (i % 50 == 0) locks.checkInvariants();
  }

  EXPECT_EQ(anna.outcome(), LockOutcome::Granted);
  EXPECT_EQ(holders(), std::vector{kAnna});
}

TEST_F(Crowd, WhenNobodyWaitsThenTheyStandInTheOrderOfTheirGrantsAndEachKnowsWhatItHolds) {
  EXPECT_EQ(holders(), crowd);
  locks.checkInvariants();

  for (const LockerId locker : {crowd.front(), crowd[200], crowd.back()}) {
    EXPECT_EQ(held(locker, kOrder), Share);
    EXPECT_EQ(locks.typeHeld(locks.find(locker), kOrder), Share);
    EXPECT_EQ(askQuietly(locker, Share).outcome(), LockOutcome::Granted);
  }
  EXPECT_EQ(locks.typeHeld(locks.find(kAnna), kOrder), Get);
  EXPECT_EQ(held(kAnna, kOrder), Get);
}

TEST_F(Crowd, WhenOneOfThemReservesThenItExcludesWhatReserveExcludes) {
  EXPECT_EQ(askQuietly(crowd[300], Reserve).outcome(), LockOutcome::Granted);
  EXPECT_EQ(ask(kAnna, kOrder, Share).outcome(), LockOutcome::Granted);
  const AskedLock ben = ask(kBen, kOrder, Reserve);
  EXPECT_TRUE(ben.waits());

  askQuietly(crowd[300], Share);  // Outside any state: lowers it.

  EXPECT_EQ(ben.outcome(), LockOutcome::Granted);
  unlock(kBen, kOrder);
  EXPECT_EQ(ask(kCleo, kOrder, Update).outcome(), LockOutcome::Granted);
}

TEST_F(Crowd, WhenAllGoAwayThenItIsAnObjectLikeAnyOther) {
  for (const LockerId locker : crowd) locks.releaseTransactionLocks(locker).deliver();

  EXPECT_TRUE(locks.locksOn(kOrder).empty());
  EXPECT_EQ(locks.statistics().locksHeld, 0u);
  locks.checkInvariants();
  EXPECT_EQ(ask(kAnna, kOrder, Exclusive).outcome(), LockOutcome::Granted);
}

TEST_F(Crowd, WhenTheyComeAndGoAtRandomThenTheTableStaysWhole) {
  std::mt19937 random(3);
  const auto upTo = [&](std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(0, most)(random);
  };
  for (int round = 0; round < 20'000; ++round) {
    const LockerId locker = crowd[upTo(crowd.size() - 1)];
    switch (upTo(round % 4'000 < 2'000 ? 20 : 2)) {  // Fewer and fewer, then more and more.
      case 0:
      case 1: letGo(locker); break;
      case 2: locks.releaseTransactionLocks(locker).deliver(); break;
      case 3: askQuietly(locker, Reserve); break;
      case 4: locks.cancel(locker, 0).deliver(); break;
      default: askQuietly(locker, Share);
    }
    if (round % 2'000 == 0) locks.checkInvariants();
    if (round % 1'000 == 0) clock.advance(std::chrono::milliseconds(5000));
    locks.expireNext(clock.now()).deliver();
  }
}

}  // namespace
}  // namespace nephrite

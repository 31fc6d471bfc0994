// Locks that were let go, are taken again, and are taken away: locking/table, all of it, with the
// explorer's mutexes below. What is taken again without a mutex of the table is what is of
// interest.

#include <gtest/gtest.h>

#include <memory>

#include "base/answer_wait.h"
#include "base/clock.h"
#include "locking/lock_manager.h"
#include "tests/interleavings/explorer.h"

namespace nephrite {
namespace {

using explored::Bounds;
using explored::explore;
using explored::Found;
using explored::Play;
using explored::require;

constexpr LockerId kAnna{1}, kBen{2}, kCleo{3};
constexpr LockTarget kOrder{100};

/// Given: Anna, Ben and Cleo, and an order.
struct Desk {
  Desk() {
    for (const LockerId locker : {kAnna, kBen, kCleo}) locks.signOn(locker);
  }

  ManualClock clock;
  LockManager locks{clock, {}};
  Atomic<int> sharing{0}, excluding{0};
  Atomic<std::uint64_t> lastToken{0};  // Of those who excluded.

  static LockTerms terms(LockType type) {
    return {LockTimeout::ofMilliseconds(5000), 0, type, LockDuration::Transaction, false};
  }
  FencingToken lock(LockerId locker, LockType type) {
    const FencingToken token = locks.grantAtOnce(locks.find(locker), kOrder, terms(type)).token;
    return token.value != 0 ? token : wait(locker, type);
  }
  FencingToken wait(LockerId locker, LockType type) {
    auto answer = std::make_shared<AnswerWait<LockAnswer>>();
    LockRequest request;
    request.locker = locker;
    request.target = kOrder;
    request.type = type;
    request.timeout = LockTimeout::ofMilliseconds(5000);
    locks.request(request, [answer](const LockAnswer& told) { answer->complete(told); }).deliver();
    const LockAnswer told = answer->get();
    require(told.outcome == LockOutcome::Granted, "it was not granted");
    return told.token;
  }
  void letGo(LockerId locker) {
    if (locks.releaseAtOnce(locks.find(locker), kOrder) != FastRelease::NeedsSlowPath) return;
    locks.unlock(locker, kOrder).deliver();
  }

  /// Holds it, looks that it may, and lets it go.
  void exclude(LockerId locker) {
    const std::uint64_t before = lastToken.load();
    const FencingToken token = lock(locker, LockType::Exclusive);
    require(token.value > before, "the token is not above that of an earlier lock");
    require(excluding.fetch_add(1) == 0 && sharing.load() == 0, "another holds it too");
    lastToken.store(token.value);
    excluding.fetch_add(-1);
    letGo(locker);
  }
  void share(LockerId locker) {
    const std::uint64_t before = lastToken.load();
    const FencingToken token = lock(locker, LockType::Share);
    require(token.value > before, "the token is not above that of an earlier lock");
    sharing.fetch_add(1);
    require(excluding.load() == 0, "another has it Exclusive");
    sharing.fetch_add(-1);
    letGo(locker);
  }
  /// As it is at the end: nothing is held, nobody waits, nothing is broken.
  void leave() {
    locks.checkInvariants();
    require(locks.locksOn(kOrder).empty(), "a lock is left");
    for (const LockerId locker : {kAnna, kBen, kCleo}) locks.signOff(locker).deliver();
    locks.checkInvariants();
  }
};

using Threads = std::vector<std::function<void(Desk&)>>;

Found at(const std::function<void(Desk&)>& given, const Threads& threads, unsigned interruptions) {
  return explore(
      [&] {
        auto desk = std::make_shared<Desk>();
        given(*desk);
        Play play;
        for (const auto& thread : threads)
          play.threads.push_back([desk, thread] { thread(*desk); });
        play.end = [desk] { desk->leave(); };
        return play;
      },
      {.interruptions = interruptions});
}

void annaHadItExclusive(Desk& desk) { desk.exclude(kAnna); }
void annaAndBenHadItShared(Desk& desk) {
  for (const LockerId locker : {kAnna, kBen}) desk.lock(locker, LockType::Share);
  for (const LockerId locker : {kAnna, kBen}) desk.letGo(locker);
}
/// So often that this thread owns Anna's mutex: another has to take that away first.
void twice(Desk& desk, LockerId locker, void (Desk::*what)(LockerId)) {
  (desk.*what)(locker);
  (desk.*what)(locker);
}

TEST(ARetainedLock, WhenAnExclusiveOneIsTakenAgainWhileAnotherWantsItThenOneOfThemHasIt) {
  const Found found = at(annaHadItExclusive,
                         {[](Desk& desk) { twice(desk, kAnna, &Desk::exclude); },
                          [](Desk& desk) { desk.exclude(kBen); }},
                         2);

  EXPECT_EQ(found.failure, "");
}

TEST(ARetainedLock, WhenAShareIsTakenAgainWhileAnotherExcludesItThenOneOfThemHasIt) {
  const Found found = at(annaAndBenHadItShared,
                         {[](Desk& desk) { twice(desk, kAnna, &Desk::share); },
                          [](Desk& desk) { desk.exclude(kCleo); }},
                         2);

  EXPECT_EQ(found.failure, "");
}

TEST(ARetainedLock, WhenTwoSharesAreTakenAgainWhileAThirdExcludesThemThenNobodyHasBoth) {
  const Found found =
      at(annaAndBenHadItShared,
         {[](Desk& desk) { desk.share(kAnna); }, [](Desk& desk) { desk.share(kBen); },
          [](Desk& desk) { desk.exclude(kCleo); }},
         2);

  EXPECT_EQ(found.failure, "");
}

TEST(ARetainedLock, WhenTwoWantItAtOnceThenItIsTakenAwayOnce) {
  const Found found =
      at(annaHadItExclusive,
         {[](Desk& desk) { desk.exclude(kAnna); }, [](Desk& desk) { desk.exclude(kBen); },
          [](Desk& desk) { desk.share(kCleo); }},
         2);

  EXPECT_EQ(found.failure, "");
}

TEST(ARetainedLock, WhenItsLockerSignsOffWhileAnotherTakesItAwayThenItIsGone) {
  for (const auto& given : {annaHadItExclusive, annaAndBenHadItShared}) {
    const Found found = at(given,
                           {[](Desk& desk) { desk.locks.signOff(kAnna).deliver(); },
                            [](Desk& desk) { desk.exclude(kCleo); }},
                           2);

    EXPECT_EQ(found.failure, "");
  }
}

/// An operator's unlock, on a thread of its own.
TEST(ARetainedLock, WhenAnOperatorBreaksItWhileItIsTakenAgainThenOthersMayHaveIt) {
  const Found found = at(annaHadItExclusive,
                         {[](Desk& desk) {
                            desk.lock(kAnna, LockType::Exclusive);
                            desk.letGo(kAnna);
                          },
                          [](Desk& desk) { desk.locks.unlock(kAnna, kOrder).deliver(); },
                          [](Desk& desk) {
                            desk.lock(kBen, LockType::Share);
                            desk.letGo(kBen);
                          }},
                         2);

  EXPECT_EQ(found.failure, "");
}

/// Anna's commit waits for Ben's Share, so she may not take the fast path; he lets go out
/// of everybody's sight, or takes it again.
TEST(ARetainedLock, WhenACommitWaitsForAShareThatIsLetGoThenItGoesOn) {
  const auto given = [](Desk& desk) {
    desk.lock(kBen, LockType::Share);
    desk.letGo(kBen);
    desk.lock(kAnna, LockType::Update);
  };
  const Found found =
      at(given,
         {[](Desk& desk) {
            auto answer = std::make_shared<AnswerWait<LockAnswer>>();
            LockRequest request;
            request.locker = kAnna;
            request.timeout = LockTimeout::ofMilliseconds(5000);
            desk.locks
                .upgradeForCommit(request, std::vector{kOrder},
                                  [answer](const LockAnswer& told) { answer->complete(told); })
                .deliver();
            require(answer->get().outcome == LockOutcome::Granted, "the commit was refused");
            require(desk.excluding.fetch_add(1) == 0 && desk.sharing.load() == 0, "Ben has it too");
            desk.excluding.fetch_add(-1);
            desk.locks.releaseTransactionLocks(kAnna).deliver();
          },
          [](Desk& desk) { twice(desk, kBen, &Desk::share); }},
         2);

  EXPECT_EQ(found.failure, "");
}

TEST(ARetainedLock, WhenSomebodyLooksWhileItIsTakenAgainThenIsSeenOnceOrNotAtAll) {
  const Found found = at(annaAndBenHadItShared,
                         {[](Desk& desk) { twice(desk, kAnna, &Desk::share); },
                          [](Desk& desk) {
                            require(desk.locks.locksOn(kOrder).size() <= 1, "it is seen twice");
                            require(desk.locks.locksHeld().size() <= 1, "it is seen twice");
                          }},
                         2);

  EXPECT_EQ(found.failure, "");
}

}  // namespace
}  // namespace nephrite

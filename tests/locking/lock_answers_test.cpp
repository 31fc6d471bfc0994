// How answers reach those who asked.

#include <stdexcept>

#include "tests/locking/lock_play.h"

namespace nephrite {
namespace {

using enum LockType;

TEST_F(LockPlay, WhenTheReceiverOfAnAnswerThrowsThenTheOthersStillGetTheirs) {
  ask(kAnna, kOrder, Exclusive);
  int thrown = 0;
  locks
      .request(wish(kBen, kOrder, Share),
               [&](const LockAnswer&) {
                 ++thrown;
                 throw std::runtime_error("the receiver has ended");
               })
      .deliver();
  const AskedLock cleo = ask(kCleo, kOrder, Share);
  const AskedLock dora = ask(kDora, kOrder, Share);

  EXPECT_NO_THROW(unlock(kAnna, kOrder)) << "it is no fault of the one who lets go";

  EXPECT_EQ(thrown, 1);
  EXPECT_EQ(cleo.outcome(), LockOutcome::Granted);
  EXPECT_EQ(dora.outcome(), LockOutcome::Granted);
}

TEST_F(LockPlay, WhenTheReceiverThrowsThenARequestThatLetItGoFirstIsStillDecided) {
  ask(kAnna, kOrder, Share);
  locks
      .request(wish(kBen, kOrder, Exclusive),
               [](const LockAnswer&) { throw std::runtime_error("the receiver has ended"); })
      .deliver();

  const AskedLock update = ask(kAnna, kOrder, Update);  // Lets her Share go, for Ben.

  EXPECT_TRUE(update.waits());
  unlock(kBen, kOrder);
  EXPECT_EQ(update.outcome(), LockOutcome::Granted);
}

// --- What is in the way of a lock on all that is below -------------------------------------------

/// Given: the order is in a room.
class ARefusalOfARoom : public LockPlay {
 protected:
  static constexpr LockTarget kRoom{300};

  ARefusalOfARoom() { locks.setPlace(kOrder, kRoom); }
  AskedLock askForAll(LockerId locker, LockType type) {
    LockRequest request = wish(locker, kRoom, type);
    request.scope = LockScope::Subtree;
    request.timeout = LockTimeout::immediate();
    return ask(request);
  }
};

TEST_F(ARefusalOfARoom, WhenALockBelowIsInTheWayThenItSaysSoAndWhere) {
  ask(kBen, kStock, Exclusive);
  ask(kBen, kOrder, Exclusive);
  const AskedLock refused = askForAll(kAnna, Share);

  EXPECT_EQ(refused.outcome(), LockOutcome::Refused);
  EXPECT_EQ(refused->lockedBy, kBen);
  EXPECT_EQ(refused->lockedType, Exclusive);
  EXPECT_TRUE(refused->lockedBelow);
  EXPECT_EQ(refused->lockedAt, kOrder);
}

TEST_F(ARefusalOfARoom, WhenTheRoomItselfIsLockedThenItIsNotBelow) {
  ask(kCleo, kRoom, Exclusive);
  ask(kCleo, kOrder, Exclusive);
  const AskedLock met = askForAll(kAnna, Share);

  EXPECT_EQ(met->lockedBy, kCleo);
  EXPECT_EQ(met->lockedType, Exclusive);
  EXPECT_FALSE(met->lockedBelow) << "the lock on the room was granted first";
  EXPECT_EQ(met->lockedAt, LockTarget{});
}

TEST_F(ARefusalOfARoom, WhenSomebodyWaitsBelowThenItSaysForWhat) {
  ask(kBen, kOrder, Share);
  ask(kCleo, kOrder, Exclusive);
  const AskedLock refused = askForAll(kAnna, Share);

  EXPECT_EQ(refused->lockedBy, kCleo);
  EXPECT_EQ(refused->lockedType, Get) << "it waits";
  EXPECT_TRUE(refused->lockedBelow);
  EXPECT_EQ(refused->lockedAt, kOrder);
}

TEST_F(ARefusalOfARoom, WhenItHoldsMoreThanCanBeLookedThroughThenItSaysBelowAlone) {
  const LockTarget kFurther{500'000};
  locks.setPlace(kFurther, kRoom);
  for (std::uint64_t i = 0; i < 300; ++i) {
    locks.setPlace({1'000 + i}, kFurther);
    ask(kBen, {1'000 + i}, Exclusive);
  }
  const AskedLock refused = askForAll(kAnna, Share);
  EXPECT_TRUE(refused->lockedBelow);
  EXPECT_EQ(refused->lockedAt, LockTarget{});
}

}  // namespace
}  // namespace nephrite

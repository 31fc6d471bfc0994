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

}  // namespace
}  // namespace nephrite

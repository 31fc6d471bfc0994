// Section 2.4 of docs/locking.md: a wait ends at its deadline, whatever else waits.

#include "tests/locking/lock_play.h"

namespace nephrite {
namespace {

using enum LockType;
using namespace std::chrono_literals;

class Deadlines : public LockPlay {
 protected:
  AskedLock askFor(LockTimeout timeout, LockerId locker, LockTarget target) {
    LockRequest request = wish(locker, target, Exclusive);
    request.timeout = timeout;
    return ask(request);
  }
};

TEST_F(Deadlines, WhenAnInfiniteWaitBeginsBesideAnOverdueOneThenTheOverdueOneStillEnds) {
  ask(kAnna, kOrder, Exclusive);
  const AskedLock ben = askFor(LockTimeout::ofMilliseconds(1000), kBen, kOrder);
  clock.advance(1002ms);  // The timer is late.

  const AskedLock cleo = askFor(LockTimeout::infinite(), kCleo, kOrder);
  EXPECT_EQ(locks.nextDeadline(), Instant{} + 1000ms);
  pass(0ms);

  ASSERT_FALSE(ben.waits());
  EXPECT_EQ(ben.outcome(), LockOutcome::TimedOut);
  EXPECT_TRUE(cleo.waits());
}

TEST_F(Deadlines, WhenATimerIsMonthsLateThenWaitsStillEndInTheOrderOfTheirDeadlines) {
  constexpr auto kHundredDays = std::chrono::hours(24 * 100);
  ask(kAnna, kOrder, Exclusive);
  const AskedLock ben = askFor(LockTimeout::ofMilliseconds(1000), kBen, kOrder);
  clock.advance(kHundredDays);
  const AskedLock cleo = askFor(LockTimeout::ofMilliseconds(1), kCleo, kOrder);
  const AskedLock dora = askFor(LockTimeout::infinite(), kDora, kOrder);

  locks.expireNext(clock.now()).deliver();
  EXPECT_FALSE(ben.waits());
  EXPECT_TRUE(cleo.waits());
  pass(1ms);

  EXPECT_EQ(cleo.outcome(), LockOutcome::TimedOut);
  EXPECT_TRUE(dora.waits());
}

TEST_F(Deadlines, WhenTheClockHasRunForCenturiesThenWaitsStillEndInTheOrderOfTheirDeadlines) {
  clock.advance(std::chrono::hours(24 * 365 * 250));
  ask(kAnna, kOrder, Exclusive);
  const AskedLock later = askFor(LockTimeout::ofMilliseconds(1001), kBen, kOrder);
  const AskedLock sooner = askFor(LockTimeout::ofMilliseconds(1000), kCleo, kOrder);

  pass(1000ms);

  EXPECT_FALSE(sooner.waits());
  EXPECT_TRUE(later.waits());
}

}  // namespace
}  // namespace nephrite

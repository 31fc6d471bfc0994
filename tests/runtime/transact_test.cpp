#include "runtime/transact.h"

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

/// Given: attempts follow each other without a pause.
class Transact : public GivenProcesses {
 protected:
  Transact() { p1.setDefaultLockTimeout(LockTimeout::immediate()); }
  static Retry atOnce(unsigned mostAttempts = 5) {
    return {.mostAttempts = mostAttempts, .firstPause = 0ms, .longestPause = 0ms};
  }
  unsigned attempts = 0;
};

TEST_P(Transact, CommitsWhatTheBodyDidAndReturnsWhatItReturned) {
  const int total = transact(p1, [&] {
    as(p1, o).set("total", 7);
    return as(p1, o).get<int>("total");
  });
  EXPECT_EQ(total, 7);
  EXPECT_FALSE(p1.isInTransactionState());
  EXPECT_EQ(as(p2, o).get<int>("total"), 7);
}

TEST_P(Transact, TriesAgainAfterALockTimeoutFromTheBeginning) {
  ASSERT_TRUE(gets(p2, o, Exclusive));
  const auto body = [&] {
    ++attempts;
    if (attempts == 3) as(p2, o).unlock();
    EXPECT_EQ(as(p1, o2).get<int>("total"), 0) << "the attempt before was aborted";
    as(p1, o2).set("total", 1);
    as(p1, o).set("total", 1);
  };
  transact(p1, body, atOnce());
  EXPECT_EQ(attempts, 3u);
  EXPECT_EQ(as(p2, o2).get<int>("total"), 1);
}

TEST_P(Transact, GivesUpWithTheLastExceptionAndNothingLocked) {
  ASSERT_TRUE(gets(p2, o, Exclusive));
  const auto body = [&] {
    ++attempts;
    as(p1, o2).set("total", 1);
    as(p1, o).set("total", 1);
  };
  EXPECT_THROW(transact(p1, body, atOnce(4)), LockException);
  EXPECT_EQ(attempts, 4u);
  EXPECT_FALSE(p1.isInTransactionState());
  EXPECT_EQ(held(p1, o2), Get);
}

TEST_P(Transact, DoesNotTryAgainAfterWhatItWasToldToLeave) {
  ASSERT_TRUE(gets(p2, o, Exclusive));
  Retry retry = atOnce();
  retry.afterLockTimeout = false;
  const auto body = [&] {
    ++attempts;
    as(p1, o).set("total", 1);
  };
  EXPECT_THROW(transact(p1, body, retry), LockException);
  EXPECT_EQ(attempts, 1u);
}

TEST_P(Transact, DoesNotTryAgainAfterAnErrorOfTheProgram) {
  const auto body = [&] {
    ++attempts;
    as(p1, o).set("totl", 1);
  };
  EXPECT_THROW(transact(p1, body, atOnce()), UsageException);
  EXPECT_THROW(transact(
                   p1, [&] { throw std::runtime_error("mine"); }, atOnce()),
               std::runtime_error);
  EXPECT_EQ(attempts, 1u);
  EXPECT_FALSE(p1.isInTransactionState());
}

TEST_P(Transact, TheVictimOfADeadlockTriesAgain) {
  p1.setDefaultLockTimeout(LockTimeout::infinite());
  p2.beginTransaction();
  as(p2, o).exclusiveLock();
  std::unique_ptr<Pending> other;
  transact(
      p1,
      [&] {
        as(p1, o2).exclusiveLock();
        if (++attempts == 1) {
          other = start(p2, [&] {
            as(p2, o2).exclusiveLock(LockTimeout::infinite());
            p2.abortTransaction();
          });
        }
        as(p1, o).exclusiveLock();  // The first time, it closes the cycle.
      },
      atOnce());
  other->end();
  EXPECT_EQ(attempts, 2u);
}

TEST_P(Transact, ReadsAgainWhatAnotherProcessChangedBeforeItsUpdateLock) {
  std::unique_ptr<Pending> other;
  p1.setDefaultLockTimeout(LockTimeout::infinite());
  transact(
      p1,
      [&] {
        as(p1, o).sharedLock();
        if (++attempts == 1) {
          p2.beginTransaction();
          as(p2, o).updateLock();
          as(p2, o).set("total", 40);
          other = start(p2, [&] { p2.commitTransaction(); });
        }
        as(p1, o).updateLock();  // The first time: Share goes first, and p2 commits.
        as(p1, o).set("total", as(p1, o).get<int>("total") + 2);
      },
      atOnce());
  other->end();
  EXPECT_EQ(attempts, 2u);
  EXPECT_EQ(as(p2, o).get<int>("total"), 42);
}

TEST_P(Transact, AStopEndsAPause) {
  ASSERT_TRUE(gets(p2, o, Exclusive));
  std::stop_source stop;
  const Retry retry{.firstPause = 1h, .longestPause = 1h, .stop = stop.get_token()};
  const auto body = [&] {
    stop.request_stop();
    as(p1, o).set("total", 1);
  };
  EXPECT_THROW(transact(p1, body, retry), CancelledException);
  EXPECT_FALSE(p1.isInTransactionState());
}

TEST_P(Transact, StoppingAWorkerEndsItsPause) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  std::atomic<bool> refused{false};
  BackgroundProcess worker(node, {.name = "stubborn"}, [&](Process& process, std::stop_token) {
    process.setDefaultLockTimeout(LockTimeout::immediate());
    transact(process,
             [&] {
               refused = true;
               as(process, o).set("total", 1);
             },
             {.firstPause = 1h, .longestPause = 1h});
  });
  while (!refused) std::this_thread::yield();
  worker.stop();
  EXPECT_EQ(worker.state(), BackgroundProcess::State::Stopped);
}

TEST_P(Transact, IsNotForUseInsideATransaction) {
  p1.beginTransaction();
  EXPECT_EQ(codeOf([&] {
              transact(
                  p1, [] {}, atOnce());
            }),
            64001);
  EXPECT_TRUE(p1.isInTransactionState()) << "the one that was open is left alone";
}

NEPHRITE_ON_BOTH_FORMS(Transact);

}  // namespace
}  // namespace nephrite

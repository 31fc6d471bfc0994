#include <coroutine>
#include <future>

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

/// A coroutine that nobody waits for; what it throws ends the test program.
struct Fire {
  struct promise_type {
    Fire get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

/// Given: o is held by p1; callbacks of `asker` run when the test says so, on the test's thread.
class AsyncLocks : public GivenProcesses {
 protected:
  AsyncLocks() {
    asker = node.signOn({.name = "asker", .executor = [this](std::function<void()> callback) {
                           callbacks.push_back(std::move(callback));
                         }});
    gets(p1, o, Exclusive);
  }
  ~AsyncLocks() override { runCallbacks(); }

  void runCallbacks() {
    form.settle();
    while (!callbacks.empty()) {
      const auto callback = std::move(callbacks.front());
      callbacks.erase(callbacks.begin());
      callback();
    }
  }

  void ask(LockCall call) {
    asker.lockAsync(as(asker, o), call,
                    [this](const LockResult& result) { results.push_back(result); });
  }

  std::vector<std::function<void()>> callbacks;
  std::vector<LockResult> results;
  Process asker;
};

TEST_P(AsyncLocks, TheCallbackComesOnceWhenTheLockIsGranted) {
  ask({.type = Share});
  EXPECT_THAT(queued(), testing::ElementsAre("asker"));
  runCallbacks();
  EXPECT_TRUE(results.empty());

  as(p1, o).unlock();
  runCallbacks();

  ASSERT_EQ(results.size(), 1u);
  EXPECT_TRUE(results[0].granted());
  EXPECT_TRUE(results[0].held());
  EXPECT_EQ(held(asker, o), Share);
}

TEST_P(AsyncLocks, WhatIsFreeIsGrantedAndTellsThroughTheExecutorToo) {
  as(p1, o).unlock();
  ask({});
  EXPECT_TRUE(results.empty());
  runCallbacks();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_TRUE(results[0].granted());
}

TEST_P(AsyncLocks, ATimeoutCarriesTheExceptionOfTheBlockingForm) {
  ask({.timeout = LockTimeout::of(200ms)});
  pass(200ms);
  runCallbacks();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_FALSE(results[0].held());
  const auto thrown = thrownBy<LockException>([&] { results[0].throwIfFailed(); });
  ASSERT_TRUE(thrown.has_value());
  EXPECT_EQ(thrown->targetLockedBy().name, "one");
  EXPECT_EQ(thrown->facts().waited, 200ms);
}

TEST_P(AsyncLocks, AStopTokenWithdrawsTheRequest) {
  std::stop_source stop;
  ask({.stop = stop.get_token()});
  EXPECT_EQ(queued().size(), 1u);

  stop.request_stop();
  runCallbacks();

  EXPECT_TRUE(queued().empty());
  ASSERT_EQ(results.size(), 1u);
  EXPECT_THROW(results[0].throwIfFailed(), CancelledException);
}

TEST_P(AsyncLocks, ATokenStoppedBeforehandWithdrawsWhatWouldWait) {
  std::stop_source stop;
  stop.request_stop();
  ask({.stop = stop.get_token()});
  runCallbacks();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_THROW(results[0].throwIfFailed(), CancelledException);
}

TEST_P(AsyncLocks, SigningOffEndsThem) {
  ask({});
  asker.signOff();
  runCallbacks();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_THROW(results[0].throwIfFailed(), CancelledException);
}

TEST_P(AsyncLocks, TheProcessGoesOnMeanwhileAndSeveralMayWait) {
  gets(p1, o2, Exclusive);
  ask({.type = Share});
  asker.lockAsync(as(asker, o2), {},
                  [this](const LockResult& result) { results.push_back(result); });
  EXPECT_EQ(as(asker, o).get<int>("total"), 0);
  EXPECT_EQ(queued().size(), 2u);
  p1.abortTransaction();
  runCallbacks();
  EXPECT_EQ(results.size(), 2u);
}

TEST_P(AsyncLocks, ErrorsOfUseAreThrownAtOnce) {
  EXPECT_EQ(codeOf([&] { ask({.type = Update}); }), 1026);
  EXPECT_EQ(codeOf([&] { ask({.duration = LockDuration::Persistent}); }), 64003);
  EXPECT_EQ(codeOf([&] { asker.lockAsync(Object(), {}, nullptr); }), 1090);
  runCallbacks();
  EXPECT_TRUE(results.empty());
}

TEST_P(AsyncLocks, AnUpdateCommittedMeanwhileIs1146WithTheLockHeld) {
  p1.abortTransaction();
  asker.beginTransaction();
  ASSERT_TRUE(gets(asker, o, Share));
  p1.beginTransaction();
  as(p1, o).updateLock();
  as(p1, o).set("total", 1);
  ask({.type = Update});
  p1.commitTransaction();
  runCallbacks();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_TRUE(results[0].held());
  EXPECT_FALSE(results[0].granted());
  EXPECT_THROW(results[0].throwIfFailed(), UpgradeException);
}

TEST_P(AsyncLocks, AnObjectOfTheOpenTransactionCanBeLocked) {
  asker.beginTransaction();
  const Object made = asker.create("Order");
  asker.lockAsync(made, {.duration = kSession},
                  [this](const LockResult& result) { results.push_back(result); });
  runCallbacks();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_TRUE(results[0].granted());
  asker.commitTransaction();
  EXPECT_EQ(made.lockStatus().type, Exclusive);
}

Fire lockThenWrite(Process& process, Object object, std::string& log) {
  try {
    co_await process.locked(object, {.type = Exclusive, .timeout = LockTimeout::of(1s)});
    log += "locked ";
  } catch (const LockException&) {
    log += "refused ";
  } catch (const CancelledException&) {
    log += "cancelled ";
  }
}

TEST_P(AsyncLocks, ACoroutineGoesOnWhenItHasTheLock) {
  std::string log;
  lockThenWrite(asker, as(asker, o), log);
  runCallbacks();
  EXPECT_EQ(log, "");
  as(p1, o).unlock();
  runCallbacks();
  EXPECT_EQ(log, "locked ");
}

TEST_P(AsyncLocks, ACoroutineIsThrownWhatTheBlockingFormThrows) {
  std::string log;
  lockThenWrite(asker, as(asker, o), log);
  pass(1s);
  runCallbacks();
  EXPECT_EQ(log, "refused ");
  lockThenWrite(asker, as(asker, o), log);
  asker.signOff();
  runCallbacks();
  EXPECT_EQ(log, "refused cancelled ");
}

/// A coroutine that its owner may end while it waits.
struct Owned {
  struct promise_type {
    Owned get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

Owned lockOwned(Process& process, Object object, std::string& log) {
  co_await process.locked(object, {.type = Exclusive});
  log += "locked ";
}

TEST_P(AsyncLocks, ACoroutineDestroyedWhileItWaitsWithdrawsItsRequest) {
  std::string log;
  Owned waiting = lockOwned(asker, as(asker, o), log);
  EXPECT_EQ(queued().size(), 1u);

  waiting.handle.destroy();

  EXPECT_TRUE(queued().empty());
  as(p1, o).unlock();
  runCallbacks();
  EXPECT_EQ(log, "");
  EXPECT_EQ(held(asker, o), Get);
}

TEST_P(AsyncLocks, ACoroutineDestroyedAfterItsGrantIsNotResumed) {
  std::string log;
  Owned waiting = lockOwned(asker, as(asker, o), log);
  as(p1, o).unlock();  // Granted; the callback has not run yet.

  waiting.handle.destroy();

  runCallbacks();
  EXPECT_EQ(log, "");
  EXPECT_EQ(held(asker, o), Exclusive) << "it is the process that holds it";
}

TEST_P(AsyncLocks, WithoutAnExecutorTheNodesCallbackThreadRunsThem) {
  std::promise<std::thread::id> ranOn;
  p2.lockAsync(as(p2, o), {}, [&](const LockResult& result) {
    EXPECT_TRUE(result.granted());
    ranOn.set_value(std::this_thread::get_id());
  });
  as(p1, o).unlock();
  EXPECT_NE(ranOn.get_future().get(), std::this_thread::get_id());
}

// --- Several locks in one call -------------------------------------------------------------------

TEST_P(AsyncLocks, LockAllTakesThemInOidOrderWhateverTheirOrder) {
  as(p1, o).unlock();
  const std::vector<Object> both{as(p2, o2), as(p2, o), as(p2, o2)};
  ASSERT_LT(o.oid(), o2.oid());
  ASSERT_TRUE(gets(p1, o, Exclusive));

  const auto asked = start(p2, [&] { p2.lockAll(both, Exclusive); });

  ASSERT_TRUE(asked->isWaiting());
  EXPECT_TRUE(gets(p3, o2, Share)) << "it waits for the first and has not asked for the second";
  as(p3, o2).unlock();
  as(p1, o).unlock();
  asked->end();
  EXPECT_EQ(held(p2, o), Exclusive);
  EXPECT_EQ(held(p2, o2), Exclusive);
}

TEST_P(AsyncLocks, LockAllThatFailsLetsGoWhatItTook) {
  as(p1, o).unlock();
  ASSERT_TRUE(gets(p1, o2, Exclusive));
  const std::vector<Object> both{as(p2, o), as(p2, o2)};

  EXPECT_THROW(p2.lockAll(both, Share, kTransaction, LockTimeout::immediate()), LockException);
  EXPECT_EQ(held(p2, o), Get);

  ASSERT_TRUE(gets(p2, o, Share));
  EXPECT_THROW(p2.lockAll(both, Share, kTransaction, LockTimeout::immediate()), LockException);
  EXPECT_EQ(held(p2, o), Share) << "it was held before";
}

// --- Why not, without an exception ---------------------------------------------------------------

TEST_P(AsyncLocks, ARequestSaysWhatBecameOfIt) {
  EXPECT_EQ(as(p2, o2).requestLock(Share), LockOutcome::Granted);
  EXPECT_EQ(as(p2, o).requestLock(Share, kTransaction, LockTimeout::immediate()),
            LockOutcome::Refused);

  LockOutcome outcome = LockOutcome::Granted;
  const auto late = start(p2, [&] { outcome = as(p2, o).requestLock(Share, kTransaction, 1s); });
  pass(1s);
  late->end();
  EXPECT_EQ(outcome, LockOutcome::TimedOut);

  std::stop_source stop;
  const auto stopped = start(
      p2, [&] { outcome = as(p2, o).requestLock(Share, kTransaction, 1h, stop.get_token()); });
  stop.request_stop();
  stopped->end();
  EXPECT_EQ(outcome, LockOutcome::Cancelled);

  const auto other = start(p1, [&] { EXPECT_FALSE(as(p1, o2).tryLock(Exclusive, kSession, 1s)); });
  EXPECT_EQ(as(p2, o).requestLock(Share), LockOutcome::Deadlock);
  EXPECT_EQ(held(p2, o2), Share) << "what was held is still held";
  pass(1s);
  other->end();
  EXPECT_TRUE(queued().empty());
}

// --- Cancelling the blocking forms ---------------------------------------------------------------

TEST_P(AsyncLocks, AStopTokenEndsABlockingWait) {
  std::stop_source stop;
  const auto asked = start(p2, [&] { as(p2, o).exclusiveLock(10s, stop.get_token()); });
  ASSERT_TRUE(asked->isWaiting());
  stop.request_stop();
  EXPECT_THROW(asked->end(), CancelledException);
  EXPECT_TRUE(queued().empty());
  EXPECT_FALSE(as(p2, o).tryLock(Share, kTransaction, 10s, stop.get_token()));
}

TEST_P(AsyncLocks, AStopTokenEndsTheWaitOfACommitAndLeavesTheTransactionOpen) {
  p2.useUpdateLocks(true);
  p2.beginTransaction();
  as(p2, o2).set("total", 1);
  ASSERT_TRUE(gets(p1, o2, Share));
  std::stop_source stop;
  const auto commit = start(p2, [&] { p2.commitTransaction(stop.get_token()); });
  ASSERT_TRUE(commit->isWaiting());

  stop.request_stop();

  EXPECT_THROW(commit->end(), CancelledException);
  EXPECT_TRUE(p2.isInTransactionState());
  EXPECT_EQ(held(p2, o2), Update);
}

TEST_P(AsyncLocks, SigningOffFromAnotherThreadEndsABlockingWait) {
  const auto asked = start(p2, [&] { as(p2, o).exclusiveLock(); });
  ASSERT_TRUE(asked->isWaiting());
  p2.signOff();
  EXPECT_THROW(asked->end(), CancelledException);
}

TEST_P(AsyncLocks, ClosingTheNodeEndsAllWaits) {
  as(p1, o).unlock();
  Node elsewhere = Node::signOn(database, "elsewhere");
  Process holder = elsewhere.signOn({.name = "holder"});
  ASSERT_TRUE(gets(holder, o, Exclusive));
  const auto asked = start(p2, [&] { as(p2, o).exclusiveLock(); });
  ASSERT_TRUE(asked->isWaiting());
  node.close();
  EXPECT_THROW(asked->end(), CancelledException);
  EXPECT_FALSE(p3.isSignedOn());
  EXPECT_EQ(codeOf([&] { node.signOn(); }), 64006);
}

TEST_P(AsyncLocks, WhenAnExecutorThrowsThenTheCallbackStillComesAndSoDoThoseOfOthers) {
  Process broken = node.signOn({.name = "broken", .executor = [](const std::function<void()>&) {
                                  throw std::runtime_error("the executor has ended");
                                }});
  std::promise<LockResult> told;
  broken.lockAsync(as(broken, o), {.type = Share},
                   [&](const LockResult& result) { told.set_value(result); });
  ask({.type = Share});
  EXPECT_EQ(queued().size(), 2u);

  EXPECT_NO_THROW(as(p1, o).unlock());
  runCallbacks();

  EXPECT_TRUE(told.get_future().get().granted());
  ASSERT_EQ(results.size(), 1u);
  EXPECT_TRUE(results[0].granted());
}

TEST_P(AsyncLocks, ASecondThreadInTheSameProcessIsToldSo) {
  const auto asked = start(p2, [&] { as(p2, o).exclusiveLock(); });
  ASSERT_TRUE(asked->isWaiting());
  EXPECT_EQ(codeOf([&] { p2.beginTransaction(); }), 64013);
  as(p1, o).unlock();
  asked->end();
}

NEPHRITE_ON_BOTH_FORMS(AsyncLocks);

}  // namespace
}  // namespace nephrite

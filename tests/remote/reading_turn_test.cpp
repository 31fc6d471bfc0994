// Who reads what comes from the server: first the turn by itself, then several processes of one
// client node that wait at once.

#include "node/client/reading_turn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <thread>

#include "node/client_node.h"
#include "node/server_node.h"
#include "runtime/database/database.h"
#include "tests/remote/server_program.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;

// --- The turn ------------------------------------------------------------------------------------

/// Given: a turn at an open connection; the test is the carrier's thread, callers are threads of
/// their own.
class ATurn : public testing::Test {
 protected:
  ATurn() {
    turn.take();
    turn.open();
    turn.give();
    EXPECT_EQ(watches, 1) << "a new connection is watched";
    EXPECT_TRUE(turn.takeWhenFree());  // Something came.
    turn.give();
    watches = 0;
  }
  /// A caller that asks, and reads until its answer is there.
  std::future<void> caller(AnswerWait<int>& answer) {
    return std::async(std::launch::async, [&] {
      EXPECT_TRUE(turn.begin());
      turn.asks();
      while (turn.next(answer)) {
        ++reads;
        if (answer.sleepsAt(waker)) waker->sleep();
        answer.sleepsHereAgain();
      }
      turn.end();
    });
  }
  /// Stands for bytes and for being interrupted, too.
  struct Bell final : Waker {
    void wake() override {
      ++rings;
      rings.notify_all();
    }
    void sleep() {
      const int before = heard;
      rings.wait(before);
      heard = rings;
    }
    std::atomic<int> rings{0};
    int heard = 0;
  };

  const std::shared_ptr<Bell> waker = std::make_shared<Bell>();
  std::atomic<int> reads{0}, watches{0};
  ReadingTurn turn{{[this] { waker->wake(); }, [this] { ++watches; }}};
};

TEST_F(ATurn, WhenACallerWaitsThenItReadsUntilItsAnswerIsThere) {
  AnswerWait<int> answer;
  auto waits = caller(answer);
  ASSERT_TRUE(eventually([&] { return reads > 0; }));
  EXPECT_FALSE(turn.takeWhenFree()) << "it is the caller's";

  answer.complete(1);

  waits.get();
  EXPECT_TRUE(turn.takeWhenFree());
  turn.give();
}

TEST_F(ATurn, WhenTheReaderGoesThenAnotherCallerReads) {
  AnswerWait<int> first, second;
  auto one = caller(first);
  ASSERT_TRUE(eventually([&] { return reads > 0; }));
  auto other = caller(second);
  const int before = reads;

  first.complete(1);
  one.get();

  EXPECT_TRUE(eventually([&] { return reads > before; }));
  second.complete(2);
  other.get();
}

TEST_F(ATurn, WhenTheCarrierWantsItThenTheReaderLetsGoAndReadsAgainAfterwards) {
  AnswerWait<int> answer;
  auto waits = caller(answer);
  ASSERT_TRUE(eventually([&] { return reads > 0; }));

  turn.take();
  const int before = reads;
  turn.give();

  EXPECT_TRUE(eventually([&] { return reads > before; }));
  answer.complete(1);
  waits.get();
}

TEST_F(ATurn, WhenTheConnectionIsOverThenNobodyReadsUntilThereIsAnother) {
  AnswerWait<int> answer;
  auto waits = caller(answer);
  ASSERT_TRUE(eventually([&] { return reads > 0; }));
  turn.take();
  turn.close();
  turn.give();
  const int before = reads;

  turn.take();
  EXPECT_EQ(reads, before);
  turn.open();
  turn.give();

  EXPECT_TRUE(eventually([&] { return reads > before; }));
  answer.complete(1);
  waits.get();
}

TEST_F(ATurn, WhenSomethingIsAskedForThatNobodyWaitsForThenTheSocketIsWatchedAtOnce) {
  turn.setUnattended(1);
  EXPECT_EQ(watches, 1);
  turn.setUnattended(2);
  EXPECT_EQ(watches, 1) << "it is already";
}

TEST_F(ATurn, WhenTheReaderGoesAndOthersDoNotWaitThenTheSocketIsWatched) {
  AnswerWait<int> answer;
  auto waits = caller(answer);
  ASSERT_TRUE(eventually([&] { return reads > 0; }));
  turn.setUnattended(1);
  EXPECT_EQ(watches, 0) << "the caller reads for all";

  answer.complete(1);
  waits.get();

  EXPECT_EQ(watches, 1);
}

TEST_F(ATurn, WhenNoCallerHasReadForAWhileThenTheSocketIsWatched) {
  AnswerWait<int> answer;
  auto waits = caller(answer);
  ASSERT_TRUE(eventually([&] { return reads > 0; }));
  answer.complete(1);
  waits.get();
  EXPECT_FALSE(turn.watchIfUnused()) << "there was one";
  EXPECT_TRUE(turn.watchIfUnused());
  EXPECT_EQ(watches, 1);
}

// As a thread that reads cached objects all the time.
TEST_F(ATurn, WhenCallersComeThatAskForNothingThenTheSocketIsWatchedAllTheSame) {
  AnswerWait<int> known;
  known.complete(1);
  EXPECT_TRUE(turn.begin());
  EXPECT_TRUE(turn.watchIfUnused()) << "the one inside will not read";
  turn.end();

  EXPECT_EQ(watches, 1);
  EXPECT_TRUE(turn.takeWhenFree()) << "what comes is read by the carrier's thread";
  turn.give();
}

// It goes on with other work before it ends.
TEST_F(ATurn, WhenACallersAnswerIsThereThenOthersMayReadBeforeItGoes) {
  AnswerWait<int> answer;
  EXPECT_TRUE(turn.begin());
  turn.asks();
  EXPECT_TRUE(turn.next(answer));
  answer.complete(1);
  EXPECT_FALSE(turn.next(answer));

  EXPECT_TRUE(turn.takeWhenFree());
  turn.give();
  turn.end();
}

// --- Processes that wait -------------------------------------------------------------------------

/// Given: a server, a client node with three processes, and one beside it that holds two objects.
class ProcessesOfOneNode : public testing::Test {
 protected:
  ProcessesOfOneNode() {
    EXPECT_TRUE(server.start()) << server.log();
    node = server.clientHere("shop", ServerProgram::byPort(server.port()));
    other = server.clientHere("other", server.bySocket());
    anna = node->node().signOn({.user = "anna"});
    ben = node->node().signOn({.user = "ben"});
    carl = node->node().signOn({.user = "carl"});
    zoe = other->node().signOn({.user = "zoe"});
    zoe.defineClass({.name = "Order", .properties = {{"total", ValueType::Integer}}});
    Transaction work(zoe);
    for (Oid* oid : {&first, &second, &third}) *oid = zoe.create("Order").oid();
    work.commit();
    lockOf(zoe, first);
    lockOf(zoe, second);
  }

  static void lockOf(Process& process, Oid oid, std::stop_token stop = {}) {
    process.object(oid).lock(LockType::Exclusive, LockDuration::Session, 60s, std::move(stop));
  }
  void unlockOf(Process& process, Oid oid) { process.object(oid).unlock(); }
  std::future<void> locks(Process& process, Oid oid, std::stop_token stop = {}) {
    auto waits =
        std::async(std::launch::async, [&process, oid, stop] { lockOf(process, oid, stop); });
    const std::size_t before = ++queued;
    EXPECT_TRUE(eventually([&] {
      return other->database()->queuedRequests(Lifetime::Persistent, 10).size() == before;
    }));
    return waits;
  }

  ServerProgram server{"KeepAliveTimeout=60000\n"};
  std::unique_ptr<ClientNode> node, other;
  Process anna, ben, carl, zoe;
  Oid first, second, third;
  std::size_t queued = 0;
};

TEST_F(ProcessesOfOneNode, WhenOneWaitsThenTheOthersAreAnswered) {
  auto anna_ = locks(anna, first);
  for (int i = 0; i < 100; ++i) {
    lockOf(ben, third);
    unlockOf(ben, third);
  }
  unlockOf(zoe, first);
  anna_.get();
}

TEST_F(ProcessesOfOneNode, WhenTheReaderIsAnsweredFirstThenTheOthersStillAreLater) {
  auto waitsForFirst = locks(anna, first);
  auto waitsForSecond = locks(ben, second);
  unlockOf(zoe, first);
  waitsForFirst.get();
  unlockOf(zoe, second);
  waitsForSecond.get();
}

TEST_F(ProcessesOfOneNode, WhenTheReaderIsAnsweredLastThenTheOthersWereBefore) {
  auto waitsForFirst = locks(anna, first);
  auto waitsForSecond = locks(ben, second);
  unlockOf(zoe, second);
  waitsForSecond.get();
  unlockOf(zoe, first);
  waitsForFirst.get();
}

TEST_F(ProcessesOfOneNode, WhenTheReaderTimesOutThenTheOthersGoOn) {
  auto timesOut = std::async(std::launch::async, [&] {
    EXPECT_THROW(anna.object(first).exclusiveLock(100ms), LockException);
  });
  auto waits = std::async(std::launch::async, [&] { lockOf(ben, second); });
  timesOut.get();
  unlockOf(zoe, second);
  waits.get();
}

TEST_F(ProcessesOfOneNode, WhenTheReaderIsCancelledThenTheOthersGoOn) {
  std::stop_source stop;
  auto cancelled = locks(anna, first, stop.get_token());
  auto waits = locks(ben, second);

  stop.request_stop();

  EXPECT_THROW(cancelled.get(), CancelledException);
  unlockOf(zoe, second);
  waits.get();
}

TEST_F(ProcessesOfOneNode, WhenTheReaderSignsOffThenItsWaitEndsAndTheOthersGoOn) {
  auto cancelled = locks(anna, first);
  auto waits = locks(ben, second);

  anna.signOff();  // Nobody at the server says so: its wait ends here.

  EXPECT_THROW(cancelled.get(), SystemException);
  unlockOf(zoe, second);
  waits.get();
}

TEST_F(ProcessesOfOneNode, WhenTheServerEndsThenAllThatWaitAreTold) {
  auto waitsForFirst = locks(anna, first);
  auto waitsForSecond = locks(ben, second);

  server.program().kill();

  EXPECT_THROW(waitsForFirst.get(), ConnectionException);
  EXPECT_THROW(waitsForSecond.get(), ConnectionException);
}

TEST_F(ProcessesOfOneNode, WhenNobodyWaitsThenWhatIsAskedForAsynchronouslyIsAnswered) {
  for (int i = 0; i < 20; ++i) {
    std::promise<bool> granted;
    anna.lockAsync(anna.object(first), {.timeout = LockTimeout::ofMilliseconds(60'000)},
                   [&](const LockResult& result) { granted.set_value(result.granted()); });
    lockOf(ben, third);  // Comes as a reader, and goes.
    unlockOf(ben, third);

    unlockOf(zoe, first);

    EXPECT_TRUE(granted.get_future().get());
    anna.object(first).unlock();
    lockOf(zoe, first);
  }
}

TEST_F(ProcessesOfOneNode, WhenNobodyWaitsThenWhatTheServerTellsIsHeard) {
  Object seen = anna.object(third);
  EXPECT_EQ(seen.get<int>("total"), 0);

  Transaction work(zoe);
  zoe.object(third).set("total", 7);
  work.commit();

  // From the cache, until it is told that this is stale.
  EXPECT_TRUE(eventually([&] { return seen.get<int>("total") == 7; }));
}

// Reading what is in the cache asks the server for nothing, however often.
TEST_F(ProcessesOfOneNode, WhenOneReadsItsCacheAllTheTimeThenWhatTheServerTellsIsHeard) {
  Object seen = anna.object(third);
  EXPECT_EQ(seen.get<int>("total"), 0);
  Transaction work(zoe);
  zoe.object(third).set("total", 7);
  work.commit();

  const auto longest = std::chrono::steady_clock::now() + 30s;
  while (seen.get<int>("total") != 7 && std::chrono::steady_clock::now() < longest) {
  }

  EXPECT_EQ(seen.get<int>("total"), 7);
}

TEST_F(ProcessesOfOneNode, WhenUnlocksAreManyInARowThenNoneIsHeldBack) {
  for (int round = 0; round < 20; ++round) {
    for (const Oid oid : {first, second}) unlockOf(zoe, oid);
    // Zoe says nothing more.
    lockOf(anna, first);
    lockOf(anna, second);
    for (const Oid oid : {first, second}) unlockOf(anna, oid);
    lockOf(zoe, first);
    lockOf(zoe, second);
  }
}

TEST_F(ProcessesOfOneNode, WhenAllAskAllTheTimeThenEachIsAnswered) {
  const auto work = [&](Process& process) {
    return std::async(std::launch::async, [&] {
      for (int i = 0; i < 300; ++i) {
        lockOf(process, third);
        unlockOf(process, third);
      }
    });
  };
  auto one = work(anna), two = work(ben), three = work(carl);
  one.get();
  two.get();
  three.get();
}

// --- A process that only reads -------------------------------------------------------------------

// Its thread asks the server for nothing and reads no socket; the connection is sound all the same.
TEST(ReaderOfACache, WhenItReadsForLongerThanTheKeepAliveTimeThenItKeepsItsSessionAndItsLock) {
  constexpr auto kKeepAlive = 600ms;
  ServerProgram server("KeepAliveTimeout=600\n");
  ASSERT_TRUE(server.start()) << server.log();
  const auto node = server.clientHere("shop", ServerProgram::byPort(server.port()));
  const auto other = server.clientHere("other", server.bySocket());
  Process anna = node->node().signOn({.user = "anna"});
  Process zoe = other->node().signOn({.user = "zoe"});
  anna.defineClass({.name = "Order", .properties = {{"total", ValueType::Integer}}});
  Transaction work(anna);
  Object order = anna.create("Order");
  order.set("total", 7);
  work.commit();
  order.lock(LockType::Exclusive, LockDuration::Session, 60s);

  const auto until = std::chrono::steady_clock::now() + 2 * kKeepAlive;
  while (std::chrono::steady_clock::now() < until) ASSERT_EQ(order.get<int>("total"), 7);

  EXPECT_TRUE(order.isLockedByMe());
  EXPECT_FALSE(zoe.object(order.oid()).tryLock(LockType::Share)) << "it is Anna's";
  const auto locks = other->database()->locksOn(order.oid());
  ASSERT_EQ(locks.size(), 1u);
  EXPECT_EQ(locks[0].type, LockType::Exclusive);
  EXPECT_THAT(server.log(), testing::Not(testing::HasSubstr("session.ended")));
}

}  // namespace
}  // namespace nephrite

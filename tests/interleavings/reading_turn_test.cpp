// Who reads: node/client/reading_turn.h, with a socket, callers and a carrier of our own.

#include "node/client/reading_turn.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "tests/interleavings/explorer.h"

namespace nephrite {
namespace {

using explored::Bounds;
using explored::explore;
using explored::Found;
using explored::Play;
using explored::require;

/// A connection over which answers come, each a bit of one word; whatever wakes who reads it is a
/// bit there too.
struct Connection {
  static constexpr int kInterrupt = 1, kWatched = 2, kOver = 4, kFirstAnswer = 8;
  static constexpr int kAnswers = ~(kFirstAnswer - 1);

  explicit Connection(int answersToCome) : toCome(answersToCome) {}

  Atomic<int> word{0};
  std::array<AnswerWait<int>, 2> answers;
  Atomic<int> readers{0};
  Atomic<int> toCome;
  ReadingTurn turn{{[this] { set(kInterrupt); }, [this] { set(kWatched); }}};

  void set(int bits) {
    int was = word.load();
    while (!word.compare_exchange_strong(was, was | bits)) {
    }
  }
  int takeOut(int bits) {
    int was = word.load();
    while ((was & bits) != 0 && !word.compare_exchange_strong(was, was & ~bits)) {
    }
    return was & bits;
  }

  /// Whoever has the turn: tells of all that has come.
  void read() {
    require(readers.fetch_add(1) == 0, "two threads read");
    const int came = takeOut(kAnswers);
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if ((came & kFirstAnswer << i) == 0) continue;
      answers[i].complete(1);
      if (toCome.fetch_add(-1) == 1) set(kOver);
    }
    readers.fetch_add(-1);
  }

  void call(std::size_t which) {
    turn.begin();
    turn.asks();
    waitFor(which);
    turn.end();
  }
  void waitFor(std::size_t which) {
    while (turn.next(answers[which])) {
      if ((word.load() & (kAnswers | kInterrupt)) == 0) {
        yieldThread();  // Until something has come.
        continue;
      }
      takeOut(kInterrupt);
      read();
    }
    require(answers[which].isComplete(), "it gave up waiting");
  }
  void answer(std::size_t which) { set(kFirstAnswer << which); }

  /// The carrier's thread: makes the connection, then reads when the socket that it watches has
  /// something.
  void carry() {
    turn.take();
    turn.open();
    turn.give();
    for (;;) {
      const int now = word.load();
      if ((now & kOver) != 0) return;
      if ((now & kWatched) == 0 || (now & kAnswers) == 0) {
        yieldThread();
        continue;
      }
      takeOut(kWatched);
      if (!turn.takeWhenFree()) continue;
      read();
      turn.give();
    }
  }
  /// Something else is to be done with the socket.
  void interrupt() {
    turn.take();
    require(readers.fetch_add(1) == 0, "two threads read");
    readers.fetch_add(-1);
    turn.give();
  }
};

using Turns = std::vector<std::function<void(Connection&)>>;

Found connect(int answers, const Turns& threads, Bounds bounds) {
  return explore(
      [&] {
        auto connection = std::make_shared<Connection>(answers);
        Play play;
        for (const auto& thread : threads) {
          play.threads.push_back([connection, thread] { thread(*connection); });
        }
        return play;
      },
      bounds);
}

void carrier(Connection& connection) { connection.carry(); }
void anna(Connection& connection) { connection.call(0); }
void ben(Connection& connection) { connection.call(1); }
void server(Connection& connection) {
  connection.answer(1);
  connection.answer(0);
}
void slowServer(Connection& connection) { connection.answer(0); }

TEST(TheTurnToRead, WhenOneCallerWaitsThenItIsAnswered) {
  const Found found = connect(1, {carrier, anna, slowServer}, {.interruptions = 3});

  EXPECT_EQ(found.failure, "");
}

TEST(TheTurnToRead, WhenTwoCallersWaitThenBothAreAnswered) {
  const Found found = connect(2, {carrier, anna, ben, server}, {.interruptions = 2});

  EXPECT_EQ(found.failure, "");
}

TEST(TheTurnToRead, WhenTheCarrierWantsItMeanwhileThenItHasItAndTheCallersAreAnswered) {
  const Found found = connect(
      2, {carrier, anna, ben, server, [](Connection& connection) { connection.interrupt(); }},
      {.interruptions = 0});

  EXPECT_EQ(found.failure, "");
}

// Ben's answer is asked for without a thread that waits: Anna reads it, or the carrier does.
TEST(TheTurnToRead, WhenAnAnswerIsAskedForThatNoThreadWaitsForThenItIsReadAllTheSame) {
  const Found found = connect(2,
                              {carrier, anna,
                               [](Connection& connection) {
                                 connection.turn.setUnattended(1);
                                 server(connection);
                               }},
                              {.interruptions = 2});

  EXPECT_EQ(found.failure, "");
}

// Anna is called to read, and at that moment her time is up: Ben must read instead. The carrier's
// thread does not help them.
TEST(TheTurnToRead, WhenACallerIsCalledAndAnsweredAtOnceThenAnotherCallerReads) {
  const Found found = connect(2,
                              {[](Connection& connection) {
                                 connection.turn.take();
                                 connection.turn.open();
                                 connection.turn.give();
                                 connection.answers[0].complete(0);
                                 connection.answer(1);
                               },
                               anna, ben},
                              {.interruptions = 3});

  EXPECT_EQ(found.failure, "");
}

TEST(TheTurnToRead, WhenTheConnectionIsOverThenACallerSleepsUntilItIsToldOf) {
  const Found found = connect(1,
                              {[](Connection& connection) {
                                 connection.turn.take();
                                 connection.turn.open();
                                 connection.turn.give();
                                 connection.turn.take();
                                 connection.turn.close();
                                 connection.turn.give();
                                 connection.answers[0].complete(0);  // As lost.
                               },
                               anna},
                              {});

  EXPECT_EQ(found.failure, "");
}

}  // namespace
}  // namespace nephrite

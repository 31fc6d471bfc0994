#include "base/answer_wait.h"

#include <gtest/gtest.h>

#include <memory>

#include "tests/interleavings/explorer.h"

namespace nephrite {
namespace {

using explored::explore;
using explored::Found;
using explored::Play;
using explored::require;

/// Where a thread sleeps that does not sleep at its answer: as poll() does it, with an event.
struct Event final : Waker {
  Atomic<int> rung{0};
  void wake() override {
    rung.store(1);
    rung.notify_one();
  }
  void sleep() { rung.wait(0); }
};

struct Question {
  AnswerWait<int> answer;
  const std::shared_ptr<Event> event = std::make_shared<Event>();
};

TEST(AThreadThatWaitsForAnAnswer, WhenItIsCalledMeanwhileThenItStillGetsTheAnswer) {
  const Found found = explore([] {
    auto question = std::make_shared<Question>();
    return Play{{[question] { require(question->answer.get() == 7, "another answer"); },
                 [question] { question->answer.complete(7); },
                 [question] {
                   question->answer.call();
                   question->answer.call();
                 }}};
  });

  EXPECT_EQ(found.failure, "");
  EXPECT_GT(found.orders, 20u);
}

/// What it is called for is not lost, even if it is complete at once: it looks around before it
/// goes.
TEST(AThreadThatWaitsForAnAnswer, WhenTheCallSaysThatItWaitsThenItLooksAround) {
  const Found found = explore([] {
    struct Turn {
      AnswerWait<int> answer;
      Atomic<int> isGiven{0}, isSeen{0};
    };
    auto turn = std::make_shared<Turn>();
    return Play{{[turn] {
                   turn->answer.wait();
                   if (turn->isGiven.load() != 0) turn->isSeen.store(1);
                 },
                 [turn] {
                   turn->isGiven.store(1);
                   if (!turn->answer.call()) turn->isSeen.store(1);
                 },
                 [turn] { turn->answer.complete(7); }},
                [turn] { require(turn->isSeen.load() == 1, "the call was lost"); }};
  });

  EXPECT_EQ(found.failure, "");
}

TEST(AThreadThatWaitsForAnAnswer, WhenItSleepsElsewhereThenTheAnswerWakesItThere) {
  const Found found = explore([] {
    auto question = std::make_shared<Question>();
    return Play{{[question] {
                   AnswerWait<int>& answer = question->answer;
                   if (answer.sleepsAt(question->event)) question->event->sleep();
                   require(answer.get() == 7, "another answer");
                 },
                 [question] { question->answer.complete(7); },
                 [question] { question->answer.call(); }}};
  });

  EXPECT_EQ(found.failure, "");
}

TEST(AThreadThatWaitsForAnAnswer, WhenItComesBackFromElsewhereThenTheAnswerWakesItHere) {
  const Found found = explore([] {
    auto question = std::make_shared<Question>();
    return Play{{[question] {
                   AnswerWait<int>& answer = question->answer;
                   if (answer.sleepsAt(question->event)) answer.sleepsHereAgain();
                   require(answer.get() == 7, "another answer");
                 },
                 [question] { question->answer.complete(7); },
                 [question] { question->answer.call(); }}};
  });

  EXPECT_EQ(found.failure, "");
}

// The thread that answers may still be inside complete() when the other has gone.
TEST(AThreadThatWaitsForAnAnswer, WhenItHasGoneThenTheOneThatAnswersFindsTheAnswerStillThere) {
  const Found found = explore([] {
    auto answer = std::make_shared<AnswerWait<int>>();
    auto& mine = *answer;
    std::function<void()> waits = [&mine, answer]() mutable {
      require(mine.get() == 7, "another answer");
      answer.reset();
    };
    std::function<void()> answers = [&mine, answer]() mutable {
      mine.complete(7);
      answer.reset();
    };
    answer.reset();
    return Play{{std::move(waits), std::move(answers)}};
  });

  EXPECT_EQ(found.failure, "");
}

}  // namespace
}  // namespace nephrite

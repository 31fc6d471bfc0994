#include "base/answer_wait.h"

#include <gtest/gtest.h>

#include <thread>

namespace nephrite {
namespace {

struct CountingWaker final : Waker {
  void wake() override { ++wakes; }
  std::atomic<int> wakes{0};
};

TEST(AnswerWait, WhenItIsCompleteThenTheSleeperGetsIt) {
  const auto wait = std::make_shared<AnswerWait<int>>();
  std::thread answers([wait] { wait->complete(7); });
  EXPECT_EQ(wait->get(), 7);
  answers.join();
}

TEST(AnswerWait, WhenHeIsCalledThenHeLooksAroundAndMaySleepAgain) {
  AnswerWait<int> wait;
  EXPECT_TRUE(wait.call());
  wait.sleep();
  EXPECT_FALSE(wait.isComplete());
  wait.complete(7);
  EXPECT_FALSE(wait.call()) << "he goes";
  wait.sleep();
  EXPECT_EQ(wait.get(), 7);
}

TEST(AnswerWait, WhenHeSleepsElsewhereThenTheAnswerWakesHimThere) {
  const auto waker = std::make_shared<CountingWaker>();
  AnswerWait<int> here, there, backAgain;
  EXPECT_TRUE(there.sleepsAt(waker));
  EXPECT_TRUE(backAgain.sleepsAt(waker));
  backAgain.sleepsHereAgain();

  here.complete(1);
  backAgain.complete(1);
  EXPECT_EQ(waker->wakes, 0);
  there.complete(1);
  EXPECT_EQ(waker->wakes, 1);
  EXPECT_FALSE(there.sleepsAt(waker)) << "it is complete";
}

TEST(AnswerWait, WhenHeWasCalledWhileAwakeThenHeMaySleepElsewhere) {
  const auto waker = std::make_shared<CountingWaker>();
  AnswerWait<int> wait;
  wait.call();  // Nobody sleeps.
  EXPECT_TRUE(wait.sleepsAt(waker));
  wait.complete(1);
  EXPECT_EQ(waker->wakes, 1);
}

}  // namespace
}  // namespace nephrite

#include "base/mutex.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

namespace nephrite {
namespace {

using namespace std::chrono_literals;

/// A place where threads leave numbers for each other.
class Mailbox {
 public:
  void put(int number) NEPHRITE_EXCLUDES(mutex_) {
    {
      MutexLock hold(mutex_);
      numbers_.push_back(number);
    }
    changed_.notifyAll();
  }

  /// Waits until `count` numbers are there.
  std::vector<int> take(std::size_t count) NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    while (numbers_.size() < count) changed_.wait(mutex_);
    return std::move(numbers_);
  }

  /// The same, waking in between to look again.
  std::vector<int> takePatiently(std::size_t count) NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    while (numbers_.size() < count) changed_.waitFor(mutex_, 1ms);
    return std::move(numbers_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<int> numbers_ NEPHRITE_GUARDED_BY(mutex_);
};

class Counter {
 public:
  void increment() NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    ++value_;
  }
  int value() NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    return value_;
  }

 private:
  Mutex mutex_;
  int value_ NEPHRITE_GUARDED_BY(mutex_) = 0;
};

TEST(Mutex, WhenFourThreadsCountThenNoIncrementIsLost) {
  Counter counter;

  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&counter] {
      for (int n = 0; n < 1000; ++n) counter.increment();
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(counter.value(), 4000);
}

TEST(CondVar, WhenNotifiedThenTheWaiterSeesWhatWasLeft) {
  Mailbox mailbox;
  std::thread sender([&mailbox] { mailbox.put(42); });

  EXPECT_EQ(mailbox.take(1), std::vector<int>{42});
  sender.join();
}

TEST(CondVar, WhenWaitingInPiecesThenTheWaiterStillSeesEverything) {
  Mailbox mailbox;
  std::thread sender([&mailbox] {
    for (int i = 1; i <= 3; ++i) mailbox.put(i);
  });

  EXPECT_EQ(mailbox.takePatiently(3), (std::vector<int>{1, 2, 3}));
  sender.join();
}

TEST(CondVar, WhenNobodyNotifiesThenWaitForComesBackHoldingTheMutex) {
  Mutex mutex;
  CondVar changed;
  int guarded = 0;

  {
    MutexLock hold(mutex);
    changed.waitFor(mutex, 1ms);
    guarded = 1;
  }

  MutexLock again(mutex);
  EXPECT_EQ(guarded, 1) << "the mutex was free again at the end of its scope";
}

}  // namespace
}  // namespace nephrite

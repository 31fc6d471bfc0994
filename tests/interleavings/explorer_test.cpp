#include "tests/interleavings/explorer.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "base/mutex.h"
#include "base/spin_lock.h"

namespace nephrite {
namespace {

using explored::explore;
using explored::Found;
using explored::Play;
using explored::require;

TEST(AnExplorer, WhenTwoThreadsWriteThenItSeesEitherOfThemLast) {
  std::set<int> last;
  const Found found = explore([&] {
    auto word = std::make_shared<Atomic<int>>(0);
    return Play{{[word] { word->store(1); }, [word] { word->store(2); }},
                [word, &last] { last.insert(word->load()); }};
  });

  EXPECT_EQ(found.failure, "");
  EXPECT_EQ(last, (std::set<int>{1, 2}));
}

TEST(AnExplorer, WhenThreadsAddWithoutExcludingEachOtherThenItFindsALostAddition) {
  const Found found = explore([] {
    auto sum = std::make_shared<Atomic<int>>(0);
    const auto add = [sum] { sum->store(sum->load() + 1); };
    return Play{{add, add}, [sum] { require(sum->load() == 2, "an addition is lost"); }};
  });

  EXPECT_NE(found.failure.find("an addition is lost"), std::string::npos);
  EXPECT_NE(found.failure.find("thread 2: begin load"), std::string::npos) << found.failure;
}

TEST(AnExplorer, WhenTheyExcludeEachOtherThenItFindsNothing) {
  const Found found = explore([] {
    struct Sum {
      SpinLock lock;
      Atomic<int> value{0};
    };
    auto sum = std::make_shared<Sum>();
    const auto add = [sum] {
      SpinHold hold(sum->lock);
      sum->value.store(sum->value.load() + 1);
    };
    return Play{{add, add, add}, [sum] { require(sum->value.load() == 3, "lost"); }};
  });

  EXPECT_EQ(found.failure, "");
  EXPECT_GT(found.orders, 5u);
}

TEST(AnExplorer, WhenTwoMutexesAreTakenInOppositeOrderThenItFindsThatTheyWaitForEver) {
  const Found found = explore([] {
    struct Two {
      Mutex a, b;
    };
    auto two = std::make_shared<Two>();
    return Play{{[two] {
                   MutexLock first(two->a);
                   MutexLock second(two->b);
                 },
                 [two] {
                   MutexLock first(two->b);
                   MutexLock second(two->a);
                 }}};
  });

  EXPECT_NE(found.failure.find("wait for ever"), std::string::npos);
}

/// The thread that wakes looks before it sleeps, but not under the mutex.
TEST(AnExplorer, WhenAWakeUpCanComeTooEarlyThenItFindsThatTheSleeperWaitsForEver) {
  const auto play = [](bool looksAgain) {
    return explore([looksAgain] {
      struct Bed {
        Mutex mutex;
        CondVar condition;
        Atomic<int> ready{0};
      };
      auto bed = std::make_shared<Bed>();
      return Play{{[bed, looksAgain] {
                     if (bed->ready.load() != 0) return;
                     MutexLock hold(bed->mutex);
                     if (looksAgain && bed->ready.load() != 0) return;
                     bed->condition.wait(bed->mutex);
                   },
                   [bed] {
                     MutexLock hold(bed->mutex);
                     bed->ready.store(1);
                     bed->condition.notifyOne();
                   }}};
    });
  };

  EXPECT_NE(play(false).failure.find("wait for ever"), std::string::npos);
  EXPECT_EQ(play(true).failure, "");
}

TEST(AnExplorer, WhenThreadsDoNotMeetThenItLooksAtOneStateOnce) {
  const Found found = explore([] {
    auto one = std::make_shared<Atomic<int>>(0), other = std::make_shared<Atomic<int>>(0);
    const auto writeTo = [](auto word) {
      return [word] {
        for (int i = 0; i < 9; ++i) word->store(i);
      };
    };
    return Play{{writeTo(one), writeTo(other)}};
  });

  EXPECT_EQ(found.states, 11u * 11u - 1) << "ten steps each; no choice is left at the end";
}

}  // namespace
}  // namespace nephrite

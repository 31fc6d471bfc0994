#include "base/owner_mutex.h"

#include <gtest/gtest.h>

#include <memory>

#include "tests/interleavings/explorer.h"
#include "tests/interleavings/shared_word_mutex.h"

namespace nephrite {
namespace {

using explored::Bounds;
using explored::explore;
using explored::Found;
using explored::Play;
using explored::require;

/// A room for one, behind a mutex that a thread owns which has come twice in a row.
template <typename MutexType>
struct Room {
  MutexType mutex{1};
  Atomic<int> inside{0};

  void visit(int times) {
    for (int i = 0; i < times; ++i) {
      const bool asOwner = mutex.lock();
      require(inside.fetch_add(1) == 0, "two threads are inside");
      inside.fetch_add(-1);
      mutex.unlock(asOwner);
    }
  }
};

/// Each thread comes so often.
template <typename MutexType>
Found visits(const std::vector<int>& times, Bounds bounds = {}) {
  return explore(
      [&] {
        auto room = std::make_shared<Room<MutexType>>();
        Play play;
        for (const int each : times) play.threads.push_back([room, each] { room->visit(each); });
        return play;
      },
      bounds);
}

// Three times, to be the owner at the third; seven, to be it after the first was.
TEST(OwnersOfAMutex, WhenTwoThreadsOwnItOneAfterTheOtherThenOneAtATimeIsInside) {
  const Found found = visits<OwnerMutex>({3, 7});

  EXPECT_EQ(found.failure, "");
  RecordProperty("states", static_cast<int>(found.states));
}

TEST(OwnersOfAMutex, WhenTheyMarkTheSameWordThenTheExplorerFindsTwoThreadsInside) {
  const Found found = visits<SharedWordMutex>({3, 7});

  EXPECT_NE(found.failure.find("two threads are inside"), std::string::npos) << found.failure;
}

TEST(OwnersOfAMutex, WhenAThirdThreadComesThenOneAtATimeIsInside) {
  const Found found = visits<OwnerMutex>({3, 6, 1}, {.interruptions = 2});

  EXPECT_EQ(found.failure, "");
}

// Those that end leave their words to those that begin.
TEST(OwnersOfAMutex, WhenAnOwnerEndsAndAnotherThreadHasItsWordThenOneAtATimeIsInside) {
  const Found found = visits<OwnerMutex>({3, 3, 1}, {.interruptions = 3});

  EXPECT_EQ(found.failure, "");
}

TEST(OwnersOfAMutex, WhenAThreadOwnsTwoAndEntersThemInTurnThenOneAtATimeIsInsideOfEach) {
  const Found found = explore(
      [] {
        auto here = std::make_shared<Room<OwnerMutex>>();
        auto there = std::make_shared<Room<OwnerMutex>>();
        Play play;
        play.threads.push_back([here, there] {
          here->visit(2);
          there->visit(2);
          here->visit(1);
          there->visit(1);
          here->visit(1);
        });
        play.threads.push_back([here] { here->visit(1); });
        play.threads.push_back([there] { there->visit(1); });
        return play;
      },
      {.interruptions = 3});

  EXPECT_EQ(found.failure, "");
}

}  // namespace
}  // namespace nephrite

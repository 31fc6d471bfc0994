#include "base/owner_mutex.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/spin_lock.h"

namespace nephrite {
namespace {

/// A number that is only right when nobody is inside at the same time.
class Ledger {
 public:
  void book() {
    OwnerHold hold(mutex_);
    ++entries_;
  }
  std::uint64_t entries() {
    OwnerHold hold(mutex_);
    return entries_;
  }

 private:
  OwnerMutex mutex_;
  std::uint64_t entries_ NEPHRITE_GUARDED_BY(mutex_) = 0;
};

TEST(AnOwnerMutex, WhenOneThreadComesAllTheTimeThenItStillKeepsOthersOut) {
  constexpr std::uint64_t kOwn = 400'000;
  constexpr std::uint64_t kForeign = 400;
  Ledger ledger;
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    for (std::uint64_t i = 0; i < kOwn; ++i) ledger.book();
  });
  // Each takes ownership away whenever somebody has it.
  for (int guest = 0; guest < 2; ++guest) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < kForeign; ++i) {
        ledger.book();
        std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ledger.entries(), kOwn + 2 * kForeign);
}

TEST(AnOwnerMutex, WhenOwnersTakeTurnsThenNothingIsLost) {
  constexpr std::uint64_t kTurns = 20;
  constexpr std::uint64_t kEach = 5'000;
  Ledger ledger;
  for (std::uint64_t turn = 0; turn < kTurns; ++turn) {
    std::thread owner([&] {
      for (std::uint64_t i = 0; i < kEach; ++i) ledger.book();
    });
    ledger.book();
    owner.join();
  }
  EXPECT_EQ(ledger.entries(), kTurns * (kEach + 1));
}

TEST(AnOwnerMutex, WhenAThreadEndsThenTheNextOneMayOwnWhatItOwned) {
  Ledger ledger;
  for (int thread = 0; thread < 50; ++thread) {
    std::thread([&] {
      for (int i = 0; i < 100; ++i) ledger.book();
    }).join();
  }
  EXPECT_EQ(ledger.entries(), 50u * 100u);
}

/// Enters a mutex when its thread ends, after the thread has left its word to others.
struct LateVisitor {
  Ledger* ledger = nullptr;
  ~LateVisitor() {
    for (int i = 0; ledger != nullptr && i < 100; ++i) ledger->book();
  }
};

TEST(AnOwnerMutex, WhenAThreadComesOnceMoreAtItsVeryEndThenItStillKeepsOthersOut) {
  Ledger ledger;
  std::thread([&] {
    static thread_local LateVisitor late;  // Made before the thread has a word, so it goes after.
    late.ledger = &ledger;
    for (int i = 0; i < 100; ++i) ledger.book();
  }).join();
  EXPECT_EQ(ledger.entries(), 200u);
}

TEST(ASpinLock, KeepsOthersOut) {
  constexpr int kEach = 50'000;
  SpinLock lock;
  int entries = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kEach; ++n) {
        SpinHold hold(lock);
        ++entries;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(entries, 3 * kEach);
}

}  // namespace
}  // namespace nephrite

// Who watches a target knows what is held of it: whatever was held before, whatever happens, and
// however often somebody looks away.

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <semaphore>
#include <set>
#include <tuple>
#include <utility>

#include "tests/lock_events/followed.h"
#include "tests/locking/lock_play.h"
#include "tests/locking/many_threads.h"

namespace nephrite {
namespace {

using enum LockType;

/// Given: nobody watches yet.
class AWatch : public LockPlay {
 protected:
  void expectKnown(Followed& followed) {
    ASSERT_TRUE(followed.follow(locks));
    EXPECT_EQ(followed.holders(), Followed::heldOn(locks, followed.target()));
  }
};

TEST_F(AWatch, WhenItBeginsThenWhatIsHeldOnTheFastPathIsKnownAndItsReleaseIsTold) {
  ask(kAnna, kOrder, Exclusive);
  Followed order(locks, kOrder);
  EXPECT_EQ(order.holders().size(), 1u);

  unlock(kAnna, kOrder);
  expectKnown(order);
  EXPECT_TRUE(order.holders().empty());
}

TEST_F(AWatch, WhenItBeginsThenALockThatWasLetGoAndRetainedIsTakenAgainByTheSlowPath) {
  for (const LockType type : {Exclusive, Share}) {
    ask(kAnna, kOrder, type);
    unlock(kAnna, kOrder);
    Followed order(locks, kOrder);
    EXPECT_TRUE(order.holders().empty());

    ask(kAnna, kOrder, type);
    expectKnown(order);
    EXPECT_EQ(order.holders().size(), 1u);
    unlock(kAnna, kOrder);
    expectKnown(order);
  }
}

TEST_F(AWatch, WhenAFamilyOrACrowdHoldsItAlreadyThenAllAreKnown) {
  constexpr std::uint64_t kMany = 400;
  for (std::uint64_t i = 0; i < kMany; ++i) {
    locks.signOn({1000 + i});
    locks.request(wish({1000 + i}, kOrder, Share), [](const LockAnswer&) {}).deliver();
  }
  Followed order(locks, kOrder);
  EXPECT_EQ(order.holders().size(), kMany);
  for (std::uint64_t i = 0; i < kMany; ++i) locks.signOff({1000 + i}).deliver();
  expectKnown(order);
  EXPECT_TRUE(order.holders().empty());
}

TEST_F(AWatch, WhenSeveralWatchOneTargetThenTheLastToGoEndsIt) {
  LockWatch first = locks.watch(kOrder);
  LockWatch second = locks.watch(kOrder);
  first = {};
  ask(kAnna, kOrder, Exclusive);
  EXPECT_EQ(locks.lastEvent(), 1u);

  second = {};
  locks.checkInvariants();
  unlock(kAnna, kOrder);
  ask(kBen, kOrder, Exclusive);
  EXPECT_EQ(locks.lastEvent(), 1u) << "the fast path again";
}

TEST_F(AWatch, WhenItIsMovedThenItEndsOnce) {
  std::optional<LockWatch> watch = locks.watch(kOrder);
  LockWatch moved = std::move(*watch);
  watch.reset();
  ask(kAnna, kOrder, Exclusive);
  EXPECT_EQ(locks.lastEvent(), 1u);
}

TEST_F(AWatch, WhenTenThousandTargetsAreWatchedThenEachIsKnown) {
  constexpr std::uint64_t kMany = 10'000;
  std::vector<std::unique_ptr<Followed>> all;
  for (std::uint64_t i = 1; i <= kMany; ++i) {
    all.push_back(std::make_unique<Followed>(locks, LockTarget{i << 20}));
  }
  for (std::uint64_t i = 1; i <= kMany; i += 7) {
    locks.request(wish(kAnna, {i << 20}, Exclusive), [](const LockAnswer&) {}).deliver();
  }
  for (std::uint64_t i = 1; i <= kMany; i += 997) expectKnown(*all[i - 1]);
  commit(kAnna);
  all.clear();
  locks.checkInvariants();
}

// --- Random plays --------------------------------------------------------------------------------

/// Plays anything on a few targets, some of which form a tree, for lockers that come and go, some
/// of them families. Now and then a target is watched, or not any more. What a watcher knows from
/// the events is what the table says, after each step; and who waits is known without any watch.
class RandomPlay {
 public:
  using Told = std::set<std::pair<LockEventKind, LockEventCause>>;

  /// What was told is added to `told`.
  RandomPlay(std::uint64_t seed, Told& told) : random_(seed), told_(told) {
    locks_.setDoubleDeadlock(seed % 5 == 0);
    for (int i = 0; i < 4; ++i) signOn();
    if (seed % 3 != 0) {
      locks_.setPlace({2}, {1});
      locks_.setPlace({3}, {1});
      locks_.setPlace({4}, {2});
    }
  }
  ~RandomPlay() {
    watched_ = {};
    for (const LockerId locker : lockers_) locks_.signOff(locker).deliver();
    locks_.checkInvariants();
  }

  void step() {
    const LockerId locker = lockers_[random_() % lockers_.size()];
    switch (random_() % 16) {
      case 0: return commit(locker);
      case 1: return locks_.releaseTransactionLocks(locker).deliver();
      case 2: return locks_.releaseLevel(locker, 1).deliver();
      case 3: return passTime();
      case 4: return cancel(locker);
      case 5: return leave(locker);
      case 6: return toggleWatch();
      case 7: return toggleWatch();
      case 8:
      case 9:
      case 10: return unlock(locker);
      default: return ask(locker);
    }
  }
  void check(bool withInvariants) {
    if (withInvariants) locks_.checkInvariants();
    const LockEvents found = locks_.eventsAfter(next_);
    next_ = found.next;
    ASSERT_EQ(found.lost, 0u);
    for (const LockEvent& event : found.events) {
      for (const auto& followed : watched_) {
        if (followed != nullptr && event.sequence > followed->next()) followed->apply(event);
      }
      noteWait(event);
      told_.emplace(event.kind, event.cause);
    }
    for (const auto& followed : watched_) {
      if (followed == nullptr) continue;
      ASSERT_EQ(followed->holders(), Followed::heldOn(locks_, followed->target()))
          << "target " << followed->target().value;
    }
    ASSERT_EQ(waits_.size(), locks_.statistics().requestsWaiting);
  }

 private:
  LockTarget anyTarget() { return {1 + random_() % kTargets}; }

  void signOn() {
    LockerId parent;
    if (!lockers_.empty() && random_() % 3 == 0) parent = lockers_[random_() % lockers_.size()];
    const LockerId locker{++lastLocker_};
    if (locks_.signOn(locker, parent) == LockManager::SignOn::Done) lockers_.push_back(locker);
  }
  LockRequest requestOf(LockerId locker) {
    LockRequest request;
    request.locker = locker;
    request.target = anyTarget();
    request.type = std::array{Share, Reserve, Update, Exclusive}[random_() % 4];
    if (random_() % 4 == 0) request.duration = LockDuration::Session;
    request.timeout = random_() % 4 == 0
                          ? LockTimeout::immediate()
                          : LockTimeout::ofMilliseconds(static_cast<int>(1 + random_() % 50));
    request.inState = random_() % 2 == 0;
    request.level = static_cast<std::uint16_t>(random_() % 3);
    request.priority = static_cast<std::int32_t>(random_() % 2);
    request.id = ++lastRequest_;
    if (random_() % 8 == 0)
      request.lease = LeaseTerms(std::chrono::milliseconds(1 + random_() % 40));
    if (random_() % 6 == 0) request.scope = LockScope::Subtree;
    return request;
  }
  void ask(LockerId locker) {
    if (isWaiting(locker)) return;  // As a process does.
    locks_.request(requestOf(locker), [](const LockAnswer&) {}).deliver();
  }
  void unlock(LockerId locker) {
    const LockEventCause cause =
        random_() % 8 == 0 ? LockEventCause::Force : LockEventCause::Unlock;
    locks_.unlock(locker, anyTarget(), nullptr, cause).deliver();
  }
  void commit(LockerId locker) {
    if (isWaiting(locker)) return;
    std::vector<LockTarget> targets;
    for (const LockInfo& lock : locks_.locksOf(locker)) {
      if (!lock.waiting && covers(lock.type, Update)) targets.push_back(lock.target);
    }
    LockRequest request = requestOf(locker);
    locks_.upgradeForCommit(request, targets, [](const LockAnswer&) {}).deliver();
  }
  bool isWaiting(LockerId locker) const {
    return std::any_of(waits_.begin(), waits_.end(),
                       [&](const auto& wait) { return std::get<LockerId>(wait) == locker; });
  }
  void cancel(LockerId locker) {
    for (const auto& [waiter, target, id] : waits_) {
      if (waiter == locker) return locks_.cancel(locker, id).deliver();
    }
  }
  void passTime() {
    clock_.advance(std::chrono::milliseconds(random_() % 30));
    for (;;) {
      LockAnswers answers = locks_.expireNext(clock_.now());
      if (answers.empty()) return;
      answers.deliver();
    }
  }
  void leave(LockerId locker) {
    if (random_() % 2 == 0) {
      const LockEventCause cause =
          random_() % 4 == 0 ? LockEventCause::Force : LockEventCause::SignOff;
      locks_.signOff(locker, cause).deliver();
    } else {
      locks_.signOffToParent(locker, 0).deliver();
    }
    std::erase_if(lockers_, [&](LockerId each) { return locks_.find(each).isNull(); });
    while (lockers_.size() < 4) signOn();
  }
  void toggleWatch() {
    auto& followed = watched_[random_() % kTargets];
    const LockTarget target{static_cast<std::uint64_t>(&followed - watched_.data()) + 1};
    if (followed == nullptr) {
      followed = std::make_unique<Followed>(locks_, target);
    } else {
      followed.reset();
    }
  }
  void noteWait(const LockEvent& event) {
    const auto wait = std::make_tuple(event.locker, event.target, event.request);
    if (event.kind == LockEventKind::Waiting) {
      EXPECT_TRUE(waits_.insert(wait).second);
    } else if (!event.isLetGo() && event.kind != LockEventKind::Changed) {
      const bool endsOne = event.kind == LockEventKind::TimedOut ||
                           event.kind == LockEventKind::Deadlock ||
                           event.kind == LockEventKind::Cancelled;
      EXPECT_TRUE(waits_.erase(wait) == 1 || !endsOne);
    }
  }

  static constexpr std::uint64_t kTargets = 6;

  std::mt19937_64 random_;
  Told& told_;
  ManualClock clock_;
  LockManager locks_{clock_, LockManager::Options{}};
  std::vector<LockerId> lockers_;
  std::uint64_t lastLocker_ = 0, lastRequest_ = 0, next_ = 0;
  std::array<std::unique_ptr<Followed>, kTargets> watched_;
  std::set<std::tuple<LockerId, LockTarget, std::uint64_t>> waits_;
};

TEST(RandomPlays, WhenAnythingHappensThenWhoWatchesKnowsWhatIsHeldAndWhoWaits) {
  constexpr std::uint64_t kSeeds = 3'000;
  constexpr int kSteps = 80;
  RandomPlay::Told told;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    RandomPlay play(seed, told);
    for (int step = 0; step < kSteps; ++step) {
      play.step();
      ASSERT_NO_FATAL_FAILURE(play.check(step % 8 == 0)) << "seed " << seed << " step " << step;
      ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed << " step " << step;
    }
  }
  using Kind = LockEventKind;
  using Cause = LockEventCause;
  for (const auto& each : RandomPlay::Told{
           {Kind::Granted, Cause::Request},      {Kind::Granted, Cause::Commit},
           {Kind::Granted, Cause::Inheritance},  {Kind::Changed, Cause::Request},
           {Kind::Changed, Cause::Commit},       {Kind::Changed, Cause::EndOfTransaction},
           {Kind::Changed, Cause::EndOfLevel},   {Kind::Released, Cause::Request},
           {Kind::Released, Cause::Unlock},      {Kind::Released, Cause::EndOfTransaction},
           {Kind::Released, Cause::EndOfLevel},  {Kind::Released, Cause::SignOff},
           {Kind::Released, Cause::Inheritance}, {Kind::Lapsed, Cause::Lease},
           {Kind::Broken, Cause::Force},         {Kind::Waiting, Cause::Request},
           {Kind::Waiting, Cause::Commit},       {Kind::Refused, Cause::Request},
           {Kind::Refused, Cause::Commit},       {Kind::TimedOut, Cause::Request},
           {Kind::TimedOut, Cause::Commit},      {Kind::Deadlock, Cause::Request},
           {Kind::Deadlock, Cause::Commit},      {Kind::Cancelled, Cause::Request},
           {Kind::Cancelled, Cause::Commit}}) {
    EXPECT_TRUE(told.contains(each)) << nameOf(each.first) << " " << nameOf(each.second);
  }
}

// --- Threads -------------------------------------------------------------------------------------

/// Given: threads that lock and let go on the fast path, and one that begins and ends watches.
TEST(ManyWatches, WhenOthersLockMeanwhileThenNoLockIsLostAndTheEventsAreOfOneHolderAtATime) {
  constexpr std::uint64_t kThreads = 3, kTargets = 4;
  constexpr int kSteps = 20'000;
  LockManager locks(SystemClock::instance(), {.keptEvents = 1 << 17});
  for (std::uint64_t i = 1; i <= kThreads; ++i) locks.signOn({i});
  std::array<std::atomic<int>, kTargets + 1> inside{};
  std::atomic<std::uint64_t> working{kThreads};

  const auto work = [&](std::uint64_t me) {
    std::minstd_rand random(static_cast<unsigned>(me + 1));
    const LockerRef ref = locks.find({me + 1});
    const LockTerms terms(LockTimeout::immediate(), 0, Exclusive, LockDuration::Transaction, false);
    for (int i = 0; i < kSteps; ++i) {
      const LockTarget target{1 + random() % kTargets};
      bool got = locks.grantAtOnce(ref, target, terms).token.value != 0;
      if (!got) {
        LockRequest request;
        request.locker = {me + 1};
        request.target = target;
        request.type = Exclusive;
        request.timeout = LockTimeout::immediate();
        locks
            .request(
                request,
                [&](const LockAnswer& answer) { got = answer.outcome == LockOutcome::Granted; })
            .deliver();
      }
      if (!got) continue;
      EXPECT_EQ(inside.at(target.value).fetch_add(1), 0);
      inside.at(target.value).fetch_sub(1);
      locks.unlock({me + 1}, target).deliver();
    }
    --working;
  };
  const auto look = [&] {
    std::minstd_rand random(77);
    while (working > 0) {
      Followed followed(locks, {1 + random() % kTargets});
      const std::uint64_t listed = locks.lastEvent();
      std::uint64_t next = followed.next();
      for (unsigned turns = random() % 20; turns > 0 && working > 0; --turns) {
        const LockEvents found = locks.eventsAfter(next);
        if (found.lost > 0) break;
        next = found.next;
        for (const LockEvent& event : found.events) {
          followed.apply(event);
          if (event.sequence <= listed) continue;
          EXPECT_LE(followed.holders().size(), 1u);
        }
      }
    }
  };
  runOnThreads(kThreads + 1, [&](std::uint64_t i) { i < kThreads ? work(i) : look(); });

  locks.checkInvariants();
  for (std::uint64_t i = 1; i <= kTargets; ++i) EXPECT_FALSE(locks.isLocked({i}));
  for (std::uint64_t i = 1; i <= kThreads; ++i) locks.signOff({i}).deliver();
}

/// Given: a reader that sleeps until it is told.
TEST(ManyWatches, WhenAReaderSleepsUntilItIsToldThenItReadsAllEvents) {
  constexpr std::uint64_t kThreads = 3;
  constexpr std::uint64_t kSteps = 2'000;
  constexpr LockTarget kTarget{9};
  LockManager locks(SystemClock::instance(), {.keptEvents = 1 << 16});
  for (std::uint64_t i = 1; i <= kThreads; ++i) locks.signOn({i});
  LockWatch watch = locks.watch(kTarget);
  std::counting_semaphore<> told(0);
  std::uint64_t grants = 0;
  {
    const LockSubscription subscription = locks.subscribe([&] { told.release(); });
    runOnThreads(kThreads + 1, [&](std::uint64_t i) {
      LockRequest request;
      request.locker = {i + 1};
      request.target = kTarget;
      for (std::uint64_t step = 0; i < kThreads && step < kSteps; ++step) {
        locks.request(request, [](const LockAnswer&) {}).deliver();
        locks.unlock({i + 1}, kTarget).deliver();
      }
      std::uint64_t next = watch.since();
      while (i == kThreads && grants < kThreads * kSteps) {
        told.acquire();
        const LockEvents found = locks.eventsAfter(next);
        next = found.next;
        for (const LockEvent& event : found.events) {
          grants += event.kind == LockEventKind::Granted ? 1 : 0;
        }
      }
    });
  }
  EXPECT_EQ(grants, kThreads * kSteps);
  for (std::uint64_t i = 1; i <= kThreads; ++i) locks.signOff({i}).deliver();
}

}  // namespace
}  // namespace nephrite

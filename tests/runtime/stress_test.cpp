// Many threads at once, on the machine's clock: what must be true at the end whatever happened.

#include <algorithm>
#include <random>

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

/// Given: a database with its threads on, a node, and ten accounts of 100 each.
class ManyThreads : public testing::TestWithParam<Form> {
 protected:
  static constexpr int kThreads = 4;
  static constexpr int kRounds = 60;
  static constexpr int kAccounts = 10;

  ManyThreads() {
    ObjectStore::Options store;
    store.inMemory = true;
    LocalDatabase::Options options;
    options.locks.serverTimeout = 20'000ms;
    form = std::make_unique<DatabaseForm>(GetParam(), ObjectStore::open(store),
                                          SystemClock::instance(),
                                          DatabaseForm::Options{.local = options});
    database = form->database();
    node = Node::signOn(database, "main");
    Process setup = node.signOn({.name = "setup"});
    ClassDef account;
    account.name = "Account";
    account.properties = {{"balance", ValueType::Integer}};
    setup.defineClass(account);
    Transaction transaction(setup);
    for (int i = 0; i < kAccounts; ++i) {
      Object made = setup.create("Account");
      made.set("balance", 100);
      accounts.push_back(made.oid());
    }
    transaction.commit();
  }

  /// Runs `work` on kThreads threads, each with a process; rethrows the first failure.
  void onAllThreads(const std::function<void(Process&, std::mt19937&)>& work) {
    std::vector<std::thread> threads;
    std::vector<std::exception_ptr> failures(kThreads);
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        try {
          Process process = node.signOn({.name = "thread " + std::to_string(i)});
          std::mt19937 random(static_cast<unsigned>(i));
          work(process, random);
        } catch (...) {
          failures[static_cast<std::size_t>(i)] = std::current_exception();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const auto& failure : failures) {
      if (failure) std::rethrow_exception(failure);
    }
  }

  bool isWaiting(LockerId locker) const {
    const std::vector<LockInfo> locks = database->locksOf(locker, Lifetime::Persistent);
    return std::any_of(locks.begin(), locks.end(),
                       [](const LockInfo& lock) { return lock.waiting; });
  }

  /// Tries until it was no victim of a deadlock and met no commit in its upgrade's gap.
  static void untilCommitted(Process& process, const std::function<void()>& action) {
    for (;;) {
      try {
        Transaction transaction(process);
        action();
        transaction.commit();
        return;
      } catch (const DeadlockException&) {
        std::this_thread::yield();
      } catch (const UpgradeException&) {
        std::this_thread::yield();
      }
    }
  }

  int total() {
    Process process = node.signOn({.name = "auditor"});
    int sum = 0;
    for (const Oid account : accounts) sum += process.object(account).get<int>("balance");
    return sum;
  }

  std::unique_ptr<DatabaseForm> form;
  std::shared_ptr<Database> database;
  Node node;
  std::vector<Oid> accounts;
};

TEST_P(ManyThreads, TransfersKeepTheSumWhateverDeadlocksTheyMeet) {
  onAllThreads([&](Process& process, std::mt19937& random) {
    std::uniform_int_distribution<std::size_t> any(0, kAccounts - 1);
    for (int round = 0; round < kRounds; ++round) {
      const Oid from = accounts[any(random)];
      const Oid to = accounts[any(random)];
      if (from == to) continue;
      untilCommitted(process, [&] {
        Object source = process.object(from), sink = process.object(to);
        source.exclusiveLock();
        sink.exclusiveLock();
        source.set("balance", source.get<int>("balance") - 7);
        sink.set("balance", sink.get<int>("balance") + 7);
      });
    }
  });
  EXPECT_EQ(total(), kAccounts * 100);
  EXPECT_TRUE(database->locksHeld(Lifetime::Persistent, SIZE_MAX).empty());
  form->local().checkInvariants();
}

TEST_P(ManyThreads, EachIncrementUnderUpdateLocksCountsOnce) {
  const Oid counter = accounts[0];
  onAllThreads([&](Process& process, std::mt19937& random) {
    process.useUpdateLocks(true);
    for (int round = 0; round < kRounds; ++round) {
      untilCommitted(process, [&] {
        Object object = process.object(counter);
        if (random() % 2 == 0) object.sharedLock();
        object.updateLock();
        object.set("balance", object.get<int>("balance") + 1);
      });
    }
  });
  EXPECT_EQ(total(), kAccounts * 100 + kThreads * kRounds);
  Process process = node.signOn({.name = "reader"});
  EXPECT_EQ(process.object(counter).edition(), 1u + kThreads * kRounds);
  form->local().checkInvariants();
}

TEST_P(ManyThreads, ReadersInLockStateSeeWholeTransfers) {
  std::atomic<bool> writing{true};
  std::thread reader([&] {
    Process process = node.signOn({.name = "reader"});
    while (writing) {
      try {
        LockState lock(process);
        int sum = 0;
        for (const Oid account : accounts) sum += process.object(account).get<int>("balance");
        EXPECT_EQ(sum, kAccounts * 100);
      } catch (const DeadlockException&) {
      }
    }
  });
  onAllThreads([&](Process& process, std::mt19937& random) {
    std::uniform_int_distribution<std::size_t> any(0, kAccounts - 1);
    for (int round = 0; round < kRounds / 2; ++round) {
      std::vector<Object> both{process.object(accounts[any(random)]),
                               process.object(accounts[any(random)])};
      if (both[0] == both[1]) continue;
      untilCommitted(process, [&] {
        process.lockAll(both, Exclusive);
        both[0].set("balance", both[0].get<int>("balance") - 1);
        both[1].set("balance", both[1].get<int>("balance") + 1);
      });
    }
  });
  writing = false;
  reader.join();
  EXPECT_EQ(total(), kAccounts * 100);
}

TEST_P(ManyThreads, SigningOnAndOffAndCancellingWhileOthersWait) {
  Process holder = node.signOn({.name = "holder"});
  holder.object(accounts[0]).lock(Exclusive, kSession, LockTimeout::immediate());
  std::atomic<int> cancelled{0};

  onAllThreads([&](Process& process, std::mt19937&) {
    for (int round = 0; round < 20; ++round) {
      std::stop_source stop;
      // In turn: at any moment, and when the request stands in the queue for certain.
      std::thread stopper([&, locker = process.info().locker] {
        while (round % 2 == 0 && !isWaiting(locker)) std::this_thread::yield();
        stop.request_stop();
      });
      try {
        process.object(accounts[0]).sharedLock(LockTimeout::infinite(), stop.get_token());
      } catch (const CancelledException&) {
        ++cancelled;
      }
      stopper.join();
      const Process passing = node.signOn({.name = "passing"});
    }
  });

  EXPECT_EQ(cancelled, kThreads * 20);
  EXPECT_TRUE(database->queuedRequests(Lifetime::Persistent, SIZE_MAX).empty());
  form->local().checkInvariants();
}

TEST_P(ManyThreads, AWaitEndsByItselfWhenItsTimeIsOver) {
  Process holder = node.signOn({.name = "holder"});
  holder.object(accounts[0]).exclusiveLock();
  Process other = node.signOn({.name = "other"});
  const auto thrown = thrownBy<LockException>([&] { other.object(accounts[0]).sharedLock(5ms); });
  ASSERT_TRUE(thrown.has_value());
  EXPECT_GE(thrown->facts().waited, Duration(5ms)) << "never early";
}

NEPHRITE_ON_BOTH_FORMS(ManyThreads);

}  // namespace
}  // namespace nephrite

#include "runtime/background_process.h"

#include <future>

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

using State = BackgroundProcess::State;

class Workers : public GivenProcesses {
 protected:
  BackgroundProcess::Options named(const std::string& name) {
    BackgroundProcess::Options options;
    options.name = name;
    options.user = "night";
    options.firstPause = 1ms;
    options.longestPause = 2ms;
    options.report = [this](const BackgroundProcess::Failure& failure) {
      failures.push_back(failure);  // Read after the worker has ended.
    };
    return options;
  }
  void untilSomebodyWaits() {
    while (database->queuedRequests(Lifetime::Persistent, 1).empty()) std::this_thread::yield();
  }

  std::vector<BackgroundProcess::Failure> failures;
};

TEST_P(Workers, RunWithABackgroundProcessOfTheirOwn) {
  std::promise<ProcessInfo> seen;
  BackgroundProcess worker(node, named("billing"), [&](Process& process, std::stop_token) {
    Transaction transaction(process);
    process.create("Order").set("note", "from a worker");
    transaction.commit();
    seen.set_value(process.info());
  });
  worker.wait();
  const ProcessInfo info = seen.get_future().get();
  EXPECT_EQ(info.name, "billing");
  EXPECT_EQ(info.user, "night");
  EXPECT_TRUE(info.background);
  EXPECT_EQ(worker.state(), State::Done);
  EXPECT_THAT(database->processes(), testing::SizeIs(4)) << "it has signed off; housekeeping stays";
}

TEST_P(Workers, StopEndsTheirWaitsAndLetsGoTheirLocks) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  BackgroundProcess worker(node, named("waiting"), [&](Process& process, std::stop_token) {
    process.object(o2.oid()).exclusiveLock();
    process.object(o.oid()).exclusiveLock();
  });
  untilSomebodyWaits();

  worker.stop();

  EXPECT_EQ(worker.state(), State::Stopped);
  EXPECT_TRUE(failures.empty()) << "to be stopped is no failure";
  EXPECT_TRUE(gets(p2, o2, Exclusive));
}

TEST_P(Workers, StopEndsTheirAsynchronousWaitsToo) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  std::exception_ptr ended;
  BackgroundProcess worker(node, named("asynchronous"), [&](Process& process, std::stop_token) {
    std::promise<LockResult> answer;
    process.lockAsync(process.object(o.oid()), {},
                      [&](const LockResult& result) { answer.set_value(result); });
    ended = answer.get_future().get().failure();
  });
  untilSomebodyWaits();

  worker.stop();

  EXPECT_EQ(worker.state(), State::Stopped);
  EXPECT_THROW(std::rethrow_exception(ended), CancelledException);
}

TEST_P(Workers, WaitTheBackgroundTimeout) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  BackgroundProcess worker(node, named("patient"), [&](Process& process, std::stop_token) {
    process.object(o.oid()).exclusiveLock();
  });
  untilSomebodyWaits();
  pass(29'999ms);
  EXPECT_EQ(worker.state(), State::Running);
  pass(1ms);
  worker.wait();
  EXPECT_EQ(worker.state(), State::Failed);
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_THAT(failures[0].what, testing::HasSubstr("is locked: process"));
}

TEST_P(Workers, AThrowIsReportedWithItsException) {
  BackgroundProcess worker(node, named("failing"),
                           [](Process&, std::stop_token) { throw std::runtime_error("no paper"); });
  worker.wait();
  EXPECT_EQ(worker.state(), State::Failed);
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_EQ(failures[0].worker, "failing");
  EXPECT_EQ(failures[0].what, "no paper");
  EXPECT_FALSE(failures[0].restartIn.has_value());
  EXPECT_THROW(std::rethrow_exception(failures[0].exception), std::runtime_error);
}

TEST_P(Workers, RestartRunsThemAgainWithAFreshProcessUntilTheyAreDone) {
  auto options = named("stubborn");
  options.whenItThrows = BackgroundProcess::WhenItThrows::Restart;
  std::vector<LockerId> lockers;
  BackgroundProcess worker(node, options, [&](Process& process, std::stop_token) {
    lockers.push_back(process.info().locker);
    if (lockers.size() < 3) throw std::runtime_error("again");
  });
  worker.wait();
  EXPECT_EQ(worker.state(), State::Done);
  ASSERT_EQ(lockers.size(), 3u);
  EXPECT_NE(lockers[0], lockers[1]);
  ASSERT_EQ(failures.size(), 2u);
  EXPECT_EQ(failures[1].failures, 2u);
  EXPECT_LE(*failures[1].restartIn, 2ms);
}

TEST_P(Workers, RestartsHaveALimit) {
  auto options = named("hopeless");
  options.whenItThrows = BackgroundProcess::WhenItThrows::Restart;
  options.maxRestarts = 2;
  BackgroundProcess worker(node, options,
                           [](Process&, std::stop_token) { throw std::runtime_error("never"); });
  worker.wait();
  EXPECT_EQ(worker.state(), State::Failed);
  EXPECT_EQ(failures.size(), 3u);
}

TEST_P(Workers, StopEndsAPause) {
  auto options = named("pausing");
  options.whenItThrows = BackgroundProcess::WhenItThrows::Restart;
  options.firstPause = options.longestPause = std::chrono::hours(1);
  BackgroundProcess worker(node, options,
                           [](Process&, std::stop_token) { throw std::runtime_error("later"); });
  while (worker.state() != State::Pausing) std::this_thread::yield();
  worker.stop();
  EXPECT_EQ(worker.state(), State::Stopped);
}

TEST_P(Workers, AbortActionIsAFailureOfTheWorker) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  BackgroundProcess worker(node, named("giving up"), [&](Process& process, std::stop_token) {
    const auto armed = process.armExceptionHandler(
        [](const SystemException&) { return HandlerAction::AbortAction; });
    process.object(o.oid()).exclusiveLock(LockTimeout::immediate());
  });
  worker.wait();
  EXPECT_EQ(worker.state(), State::Failed);
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_THAT(failures[0].what, testing::HasSubstr("AbortAction"));
}

NEPHRITE_ON_BOTH_FORMS(Workers);

}  // namespace
}  // namespace nephrite

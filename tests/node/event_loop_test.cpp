// What a thread waits for: sockets, a timer, work from others.

#include "node/server/event_loop.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <future>
#include <thread>

namespace nephrite {
namespace {

/// Calls something whenever its descriptor is ready.
struct Watching final : EventLoop::Watcher {
  explicit Watching(std::function<void()> whenReady) : call(std::move(whenReady)) {}
  void ready(std::uint32_t) override { call(); }
  const std::function<void()> call;
  const Descriptor descriptor{::eventfd(1, EFD_NONBLOCK)};
};

TEST(EventLoop, WhenWorkIsPostedFromSeveralThreadsThenEachThreadsWorkRunsInItsOrder) {
  constexpr int kEach = 1000;
  EventLoop loop;
  std::vector<int> done(2, 0);
  bool inOrder = true;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        loop.post([&, t, i] {
          inOrder = inOrder && done[t]++ == i;
          if (done[0] == kEach && done[1] == kEach) loop.stop();
        });
      }
    });
  }
  loop.run(std::atomic<std::int64_t>(0));
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(inOrder);
}

TEST(EventLoop, WhenOneOfTwoReadyRemovesTheOtherThenThatIsToldNothing) {
  EventLoop loop;
  int told = 0;
  std::vector<std::unique_ptr<Watching>> watchers;
  for (std::size_t i = 0; i < 2; ++i) {
    watchers.push_back(std::make_unique<Watching>([&, i] {
      ++told;
      for (const auto& each : watchers) loop.remove(each->descriptor.number(), *each);
      watchers[1 - i].reset();  // Not this one, which runs.
      loop.stop();
    }));
    loop.add(watchers[i]->descriptor.number(), *watchers[i], EPOLLIN);
  }
  loop.run(std::atomic<std::int64_t>(0));
  EXPECT_EQ(told, 1);
}

TEST(EventLoop, WhenTheTimerIsSetAnewThenTheEarlierWishIsForgotten) {
  using namespace std::chrono_literals;
  EventLoop loop;
  int earlier = 0;
  loop.callIn(1ms, [&] { ++earlier; });
  loop.callIn(2ms, [&] { loop.stop(); });
  loop.run(std::atomic<std::int64_t>(100));  // With a little spinning.
  EXPECT_EQ(earlier, 0);
}

TEST(EventLoop, WhenAReadyDescriptorIsMutedThenItIsToldWhenItIsUnmuted) {
  EventLoop loop;
  Watching watcher([&] { loop.stop(); });
  loop.add(watcher.descriptor.number(), watcher, 0);
  bool posted = false;
  loop.post([&] {
    posted = true;
    loop.change(watcher.descriptor.number(), watcher, EPOLLIN);
  });
  loop.run(std::atomic<std::int64_t>(0));
  EXPECT_TRUE(posted);
}

}  // namespace
}  // namespace nephrite

// Waiting without a thread: a lock as a C++20 awaitable, as a callback, and one that is cancelled.

#include <algorithm>
#include <coroutine>
#include <future>
#include <iostream>

#include "node/configured_node.h"

using namespace nephrite;

namespace {

/// The smallest coroutine type: runs at once, tells a promise when it is done.
struct Task {
  struct promise_type {
    std::promise<void> done;
    Task get_return_object() { return {done.get_future()}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() { done.set_value(); }
    void unhandled_exception() { done.set_exception(std::current_exception()); }
  };
  std::future<void> finished;
};

Task awaitBoth(Process& process, Object first, Object second) {
  co_await process.locked(first, {.type = LockType::Share});
  std::cout << "coroutine: has the first\n";
  co_await process.locked(second, {.type = LockType::Exclusive});
  std::cout << "coroutine: has both\n";
}

Object makeJob(Process& process) {
  ClassDef job;
  job.name = "Job";
  process.defineClass(job);
  Transaction transaction(process);
  Object made = process.create("Job");
  transaction.commit();
  return made;
}

}  // namespace

int main(int argc, char** argv) {
  ConfiguredNode database({.iniFile = argc > 1 ? argv[1] : "samples/awaiting_locks/jade.ini",
                         .iniOverrides = {argv + std::min(argc, 2), argv + argc}});
  Process anna = database.node().signOn({.user = "anna", .name = "anna"});
  Process ben = database.node().signOn({.user = "ben", .name = "ben"});
  Object first = makeJob(anna);
  Object second = makeJob(anna);
  first.exclusiveLock();
  second.exclusiveLock();

  // The coroutine is suspended, no thread waits; it goes on as the locks come free.
  Task waiting = awaitBoth(ben, ben.object(first.oid()), ben.object(second.oid()));
  std::cout << "main: " << anna.system().getQueuedLocks().size() << " request waits\n";
  first.unlock();
  second.unlock();
  waiting.finished.get();

  // The callback form, and a request that is taken back.
  std::stop_source changedMyMind;
  std::promise<bool> answered;
  anna.lockAsync(second, {.type = LockType::Share, .stop = changedMyMind.get_token()},
                 [&](const LockResult& result) { answered.set_value(result.held()); });
  changedMyMind.request_stop();
  const bool held = answered.get_future().get();
  std::cout << "callback: " << (held ? "held" : "cancelled, as asked") << "\n";
  return held ? 1 : 0;
}

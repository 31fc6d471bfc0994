#include "runtime/background_process.h"

#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "runtime/errors/exceptions.h"
#include "runtime/process/pauses.h"
#include "runtime/process/process_core.h"
#include "runtime/process/refusals.h"

namespace nephrite {

struct BackgroundProcess::Worker {
  Worker(Node& home, Options wanted, Body work)
      : node(home), options(std::move(wanted)), body(std::move(work)) {}

  void run() NEPHRITE_EXCLUDES(mutex);
  /// Empty when the body is done.
  std::exception_ptr runOnce();
  /// True: run again.
  bool failed(const std::exception_ptr& exception) NEPHRITE_EXCLUDES(mutex);
  void tell(const Failure& failure);
  void become(State next) NEPHRITE_EXCLUDES(mutex);
  bool isOver() NEPHRITE_REQUIRES(mutex) {
    return state == State::Done || state == State::Stopped || state == State::Failed;
  }

  Node& node;
  const Options options;
  const Body body;
  std::stop_source stopping;
  Pauses pauses{options.firstPause, options.longestPause};
  unsigned failures = 0;

  Mutex mutex;  // A leaf.
  CondVar changed;
  State state NEPHRITE_GUARDED_BY(mutex) = State::Running;
  std::thread thread;
};

BackgroundProcess::BackgroundProcess(Node& node, Options options, Body body)
    : worker_(std::make_unique<Worker>(node, std::move(options), std::move(body))) {
  worker_->thread = std::thread([worker = worker_.get()] { worker->run(); });
}

BackgroundProcess::~BackgroundProcess() { stop(); }

void BackgroundProcess::requestStop() {
  worker_->stopping.request_stop();
  MutexLock hold(worker_->mutex);  // So that a pause that is about to begin sees it.
  worker_->changed.notifyAll();
}

void BackgroundProcess::stop() {
  requestStop();
  if (worker_->thread.joinable()) worker_->thread.join();
}

void BackgroundProcess::wait() {
  MutexLock hold(worker_->mutex);
  while (!worker_->isOver()) worker_->changed.wait(worker_->mutex);
}

BackgroundProcess::State BackgroundProcess::state() const {
  MutexLock hold(worker_->mutex);
  return worker_->state;
}

const std::string& BackgroundProcess::name() const { return worker_->options.name; }

void BackgroundProcess::Worker::become(State next) {
  MutexLock hold(mutex);
  state = next;
  changed.notifyAll();
}

void BackgroundProcess::Worker::run() {
  for (;;) {
    const std::exception_ptr exception = runOnce();
    if (stopping.stop_requested()) return become(State::Stopped);
    if (exception == nullptr) return become(State::Done);
    if (!failed(exception)) return;
  }
}

std::exception_ptr BackgroundProcess::Worker::runOnce() {
  try {
    Process process = node.signOn({.user = options.user, .name = options.name, .background = true});
    process.core_->stopWith(stopping.get_token());
    const bool finished = process.run([&] { body(process, stopping.get_token()); });
    if (finished) return nullptr;
    throw std::runtime_error("a handler answered AbortAction");
  } catch (...) {
    return std::current_exception();
  }
}

bool BackgroundProcess::Worker::failed(const std::exception_ptr& exception) {
  ++failures;
  Failure failure;
  failure.worker = options.name;
  failure.what = describe(exception);
  failure.failures = failures;
  failure.exception = exception;
  const bool again =
      options.whenItThrows == WhenItThrows::Restart && failures <= options.maxRestarts;
  if (again) failure.restartIn = pauses.after(failures);

  tell(failure);
  if (!again) {
    become(State::Failed);
    return false;
  }

  const Clock& clock = SystemClock::instance();  // CondVar waits in real time.
  const Instant until = clock.now() + *failure.restartIn;
  MutexLock hold(mutex);
  state = State::Pausing;
  changed.notifyAll();
  while (!stopping.stop_requested() && clock.now() < until) {
    changed.waitFor(mutex, until - clock.now());
  }
  const bool stopped = stopping.stop_requested();  // Asked once: state and answer must agree.
  state = stopped ? State::Stopped : State::Running;
  changed.notifyAll();
  return !stopped;
}

void BackgroundProcess::Worker::tell(const Failure& failure) {
  const std::string restart =
      failure.restartIn ? std::to_string(failure.restartIn->count()) : "never";
  try {
    if (options.report) return options.report(failure);
  } catch (...) {
    log(LogLevel::Error, "worker.report_failed",
        {{"worker", failure.worker}, {"reason", describe(std::current_exception())}});
  }
  log(LogLevel::Error, "worker.failed",
      {{"worker", failure.worker}, {"reason", failure.what}, {"restart_ms", restart}});
}

}  // namespace nephrite

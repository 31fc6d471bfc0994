#include "base/background_writer.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/thread_without_signals.h"

namespace nephrite {
namespace {

constexpr std::chrono::seconds kLongestFarewell{1};

/// Writes all of it, however long that takes. False: the system will not take it.
bool writeAll(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (written < 0 && errno == EAGAIN) {  // Another program has opened it non-blocking.
      pollfd polled{descriptor, POLLOUT, 0};
      ::poll(&polled, 1, -1);
    } else if (written == 0 || errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace

struct BackgroundWriter::Queue {
  explicit Queue(Options given) : options(std::move(given)) {}

  void run() NEPHRITE_EXCLUDES(mutex);
  /// A thread without signals that writes what is queued.
  static void startThread(const std::shared_ptr<Queue>& self);
  void drop() NEPHRITE_REQUIRES(mutex);

  const Options options;
  mutable Mutex mutex;  // A leaf.
  CondVar changed;
  std::deque<std::string> lines NEPHRITE_GUARDED_BY(mutex);
  std::size_t bytes NEPHRITE_GUARDED_BY(mutex) = 0;
  std::uint64_t taken NEPHRITE_GUARDED_BY(mutex) = 0;  // Lines so far, ...
  std::uint64_t done NEPHRITE_GUARDED_BY(mutex) = 0;   // ... and those written or dropped.
  std::uint64_t dropped NEPHRITE_GUARDED_BY(mutex) = 0;
  std::uint64_t told NEPHRITE_GUARDED_BY(mutex) = 0;  // Of those dropped.
  bool hasThread NEPHRITE_GUARDED_BY(mutex) = false;
  bool ends NEPHRITE_GUARDED_BY(mutex) = false;
};

void BackgroundWriter::Queue::startThread(const std::shared_ptr<Queue>& self) {
  try {
    threadWithoutSignals([self] { self->run(); }).detach();
  } catch (const std::system_error&) {
    MutexLock hold(self->mutex);
    self->hasThread = false;  // The next line tries again.
  }
}

void BackgroundWriter::Queue::drop() {
  bytes -= lines.front().size();
  lines.pop_front();
  ++dropped;
  ++done;
}

void BackgroundWriter::Queue::run() {
  for (;;) {
    std::string line;
    std::uint64_t missing = 0;
    {
      MutexLock hold(mutex);
      while (lines.empty() && !ends) changed.wait(mutex);
      if (lines.empty()) {
        hasThread = false;
        changed.notifyAll();
        return;
      }
      line = std::move(lines.front());
      lines.pop_front();
      bytes -= line.size();
      missing = dropped - told;
    }
    const bool gapIsTold =
        missing == 0 || !options.gap || writeAll(options.descriptor, options.gap(missing));
    const bool isWritten = writeAll(options.descriptor, line);
    MutexLock hold(mutex);
    if (gapIsTold) told += missing;
    if (!isWritten) ++dropped;
    ++done;
    changed.notifyAll();
  }
}

BackgroundWriter::BackgroundWriter(Options options)
    : queue_(std::make_shared<Queue>(std::move(options))) {}

BackgroundWriter::~BackgroundWriter() {
  flush(kLongestFarewell);
  MutexLock hold(queue_->mutex);
  queue_->ends = true;
  while (!queue_->lines.empty()) queue_->drop();
  queue_->changed.notifyAll();
}

void BackgroundWriter::write(std::string line) {
  bool starts = false;
  {
    Queue& queue = *queue_;
    MutexLock hold(queue.mutex);
    queue.bytes += line.size();
    queue.lines.push_back(std::move(line));
    ++queue.taken;
    while (queue.bytes > queue.options.mostBytes && queue.lines.size() > 1) queue.drop();
    starts = !std::exchange(queue.hasThread, true);
    queue.changed.notifyAll();
  }
  if (starts) Queue::startThread(queue_);
}

bool BackgroundWriter::flush(std::chrono::milliseconds longest) {
  const Clock& clock = SystemClock::instance();
  const Instant until = clock.now() + longest;
  MutexLock hold(queue_->mutex);
  const std::uint64_t all = queue_->taken;
  while (queue_->done < all) {
    const Duration left = until - clock.now();
    if (left <= Duration(0) || !queue_->hasThread) return false;
    queue_->changed.waitFor(queue_->mutex, left);
  }
  return true;
}

std::uint64_t BackgroundWriter::dropped() const {
  MutexLock hold(queue_->mutex);
  return queue_->dropped;
}

void BackgroundWriter::beforeFork() NEPHRITE_NO_THREAD_SAFETY { queue_->mutex.lock(); }
void BackgroundWriter::afterForkInParent() NEPHRITE_NO_THREAD_SAFETY { queue_->mutex.unlock(); }

// What the parent has not written yet is the parent's to write. Its queue is left as it is, and
// never freed: the child has none of the threads that may be waiting at its condition variable.
void BackgroundWriter::afterForkInChild() NEPHRITE_NO_THREAD_SAFETY {
  auto* const parents = new std::shared_ptr<Queue>(std::move(queue_));
  queue_ = std::make_shared<Queue>((*parents)->options);
  queue_->dropped = queue_->told = (*parents)->dropped;
}

}  // namespace nephrite

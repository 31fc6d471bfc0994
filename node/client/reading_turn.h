#pragma once

// Private to node.

#include <cstdint>
#include <functional>
#include <vector>

#include "base/answer_wait.h"
#include "base/mutex.h"
#include "base/threads.h"

namespace nephrite {

/// The turn to read what comes over a connection and to tell of it: the carrier's own thread has
/// it, or one of the threads that wait for an answer (docs/decisions/0014).
///
/// Shape:   one thread has the turn or none. A caller takes it when it is free, as it asks, and
///          keeps it until its answer is there; callers that wait meanwhile sleep, and one of them
///          is called when it is free again. The carrier's thread takes it for whatever else is to
///          be done, and need not be quick: the thread that has it is told that it is wanted.
/// Reading: only a caller that waits for an answer reads. One that asks the server for nothing,
///          because its node knows the answer, does not touch the turn and does not count: the
///          carrier's thread watches the socket however often such callers come.
/// Free:    while no thread has the turn, the carrier's thread watches the socket: at once when an
///          answer is due that no thread waits for, else when no caller has come for a while
///          (watchIfUnused()).
/// Threads: any, but for what is said. One mutex, a leaf; what Hooks name is called with it held.
class ReadingTurn {
 public:
  struct Hooks {
    std::function<void()> interrupt;  ///< The reader looks whether the turn is wanted.
    std::function<void()> watch;      ///< The next bytes wake the carrier's thread.
  };
  explicit ReadingTurn(Hooks hooks) : hooks_(std::move(hooks)) {}

  // A caller that waits: begin(), asks(), then read while next() says so, then end().
  bool begin();                           ///< False: within another wait of this thread.
  void asks() NEPHRITE_EXCLUDES(mutex_);  ///< Takes the turn if it is free. Only when isWaiting().
  /// True: this thread has the turn and reads. False: `answer` is complete. Sleeps in between.
  bool next(Awaited& answer) NEPHRITE_EXCLUDES(mutex_);
  void end() NEPHRITE_EXCLUDES(mutex_);
  /// Is the calling thread between begin() and end()?
  bool isWaiting() const;

  // The carrier's thread, and the thread that stops it.
  void take() NEPHRITE_EXCLUDES(mutex_);  ///< Waits until the reader lets go.
  void give() NEPHRITE_EXCLUDES(mutex_);
  /// The socket that it watches has something. True: take() was done, read it.
  bool takeWhenFree() NEPHRITE_EXCLUDES(mutex_);
  /// Has no caller had the turn since this was asked last? Then the socket is watched.
  bool watchIfUnused() NEPHRITE_EXCLUDES(mutex_);

  // By the thread that has the turn: callers may read from now on, for a connection was made, or
  // may not, for it is over.
  void open() NEPHRITE_EXCLUDES(mutex_);
  void close() NEPHRITE_EXCLUDES(mutex_);
  /// So many are asked for without a thread that waits.
  void setUnattended(std::size_t requests) NEPHRITE_EXCLUDES(mutex_);

 private:
  bool isTaken() const { return reader_.load() != ThreadId(); }
  void letGo() NEPHRITE_REQUIRES(mutex_);
  void passOn() NEPHRITE_REQUIRES(mutex_);
  void watch() NEPHRITE_REQUIRES(mutex_);

  const Hooks hooks_;
  Mutex mutex_;
  CondVar given_;
  // Written under the mutex; a thread may ask without it whether it is the one.
  Atomic<ThreadId> reader_{ThreadId()};
  unsigned wanted_ NEPHRITE_GUARDED_BY(mutex_) = 0;  // By take().
  bool open_ NEPHRITE_GUARDED_BY(mutex_) = false;
  bool watched_ NEPHRITE_GUARDED_BY(mutex_) = false;
  std::size_t unattended_ NEPHRITE_GUARDED_BY(mutex_) = 0;
  std::uint64_t turns_ NEPHRITE_GUARDED_BY(mutex_) = 0;  // Of callers that read.
  std::uint64_t seen_ NEPHRITE_GUARDED_BY(mutex_) = 0;   // Of these, by watchIfUnused().
  std::vector<Awaited*> sleepers_ NEPHRITE_GUARDED_BY(mutex_);
};

}  // namespace nephrite

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace nephrite {

/// Writes lines to a file descriptor from a thread of its own, so that the threads that have
/// something to say never wait for a disk, or for the reader of a pipe.
///
/// Shape:   a queue bounded in bytes. When it is full its oldest lines are dropped and counted; as
///          soon as writing goes again, a line says how many are missing where they would stand. A
///          line that the system refuses (the reader of the pipe is gone, the disk is full) counts
///          as dropped, too.
/// Signals: the thread takes none; a pipe without a reader ends nobody, and what the application
///          does with SIGPIPE is left alone. After fork() the child's lines are written by a thread
///          of the child.
/// Waits:   flush() and the destructor, for no longer than they say.
/// Threads: any.
class BackgroundWriter {
 public:
  struct Options {
    /// Not closed. When the destructor has given up, the thread may still be writing to it: it then
    /// stays open for as long as the program runs.
    int descriptor = -1;
    std::size_t mostBytes = 1 << 20;  ///< Of lines that wait.
    /// The line that stands for `dropped` lines.
    std::function<std::string(std::uint64_t dropped)> gap;
  };

  explicit BackgroundWriter(Options options);
  /// Waits at most a second until all is written; what is not is lost.
  ~BackgroundWriter();
  BackgroundWriter(const BackgroundWriter&) = delete;
  BackgroundWriter& operator=(const BackgroundWriter&) = delete;

  /// `line` with its end of line.
  void write(std::string line);
  /// Waits until what was written before this call is with the system; false when that takes more
  /// than `longest`.
  bool flush(std::chrono::milliseconds longest);
  /// Lines dropped so far.
  std::uint64_t dropped() const;

  /// Around fork(), in this order, for the child not to wait for a thread that it does not have.
  void beforeFork();
  void afterForkInParent();
  void afterForkInChild();

 private:
  struct Queue;
  std::shared_ptr<Queue> queue_;  // The thread has it, too, and may outlive this.
};

}  // namespace nephrite

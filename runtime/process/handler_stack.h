#pragma once

// Private to runtime.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/exception_handler.h"

namespace nephrite {

/// Where an exception goes on when a handler of protect() answers ResumeNext. No std::exception,
/// so that the application's frames in between let it through.
struct ResumeAt {
  std::uint64_t protection;
};

/// The armed handlers of one process: local ones, at levels that protect() and run() open, and
/// global ones.
/// Threads: those of its process.
class HandlerStack {
 public:
  static constexpr std::size_t kMaxAtOneLevel = 128;
  static constexpr unsigned kMaxNesting = 20;

  struct Entry {
    std::uint64_t id = 0;
    std::shared_ptr<const ExceptionHandler> handler;
    unsigned level = 0;
    bool global = false;
    bool resumable = false;  ///< Armed by protect(): ResumeNext has somewhere to go.
  };

  /// Error 64004 when there are kMaxAtOneLevel of them at this level already.
  std::uint64_t arm(ExceptionHandler handler, bool global, bool resumable);
  void disarm(std::uint64_t id);

  void openLevel() { ++level_; }
  void closeLevel() { --level_; }

  /// In the order in which they are asked. A copy: handlers may arm and disarm.
  std::vector<Entry> inOrder() const;
  bool empty() const { return local_.empty() && global_.empty(); }

 private:
  std::vector<Entry> local_;
  std::vector<Entry> global_;
  unsigned level_ = 0;
  std::uint64_t lastId_ = 0;
};

}  // namespace nephrite

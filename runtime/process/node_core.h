#pragma once

// Private to runtime.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/work_thread.h"
#include "runtime/database/database.h"

namespace nephrite {

class ProcessCore;

/// A signed-on node: what its processes share.
/// Threads: any. Mutex order: mutex_ is a leaf; nothing is called while it is held.
class NodeCore {
 public:
  /// SignOnException when system.nodes is locked for too long.
  NodeCore(std::shared_ptr<Database> database, const NodeSignOn& who, std::function<void()> closed);
  ~NodeCore();
  NodeCore(const NodeCore&) = delete;
  NodeCore& operator=(const NodeCore&) = delete;

  Database& database() const { return *database_; }
  const NodeSignOn& who() const { return who_; }
  NodeInfo info() const NEPHRITE_EXCLUDES(mutex_);
  WorkThread& callbacks() { return callbacks_; }

  /// SignOnException when node.processes is locked for too long; 64006 when closed. When the
  /// database no longer knows the node (its server was lost or restarted, an operator signed it
  /// off), the node signs on anew first.
  ProcessInfo signOn(ProcessSignOn who) NEPHRITE_EXCLUDES(mutex_);
  void remember(const std::shared_ptr<ProcessCore>& process) NEPHRITE_EXCLUDES(mutex_);
  void close() NEPHRITE_EXCLUDES(mutex_);

  std::atomic<std::uint64_t> committed{0};
  std::atomic<std::uint64_t> aborted{0};

 private:
  static constexpr std::size_t kFewProcesses = 16;

  NodeInfo signOnNode() const;
  bool replace(Oid gone, const NodeInfo& fresh) NEPHRITE_EXCLUDES(mutex_);

  const std::shared_ptr<Database> database_;
  const NodeSignOn who_;
  const std::function<void()> afterClose_;  // May be empty.
  mutable Mutex mutex_;
  NodeInfo info_ NEPHRITE_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<ProcessCore>> processes_ NEPHRITE_GUARDED_BY(mutex_);
  // Those that are gone are looked for when there are so many: not at each sign-on.
  std::size_t sweepAt_ NEPHRITE_GUARDED_BY(mutex_) = kFewProcesses;
  bool closed_ NEPHRITE_GUARDED_BY(mutex_) = false;
  WorkThread callbacks_;  // Last: ends first.
};

}  // namespace nephrite

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/errors/process_info.h"
#include "runtime/process.h"
#include "runtime/system.h"

namespace nephrite {

class Database;
class NodeCore;

/// A node: one running program that is part of the system, and the processes it holds.
///
/// Shape:   movable handle. close() or the destructor signs its processes off, then the node.
/// Errors:  SignOnException when system.nodes is locked for longer than
///          BackgroundProcessServerTimeout: by which process, since when, what to do.
/// Threads: any method, from any thread.
class Node {
 public:
  /// Signs a node called `name` on to `database`, which outlives it.
  static Node signOn(std::shared_ptr<Database> database, const std::string& name);
  /// `closed` is called once the node has been closed, for the code that opened its database.
  static Node signOn(std::shared_ptr<Database> database, const NodeSignOn& who,
                     std::function<void()> closed = {});

  Node() = default;  ///< No node.
  ~Node();
  Node(Node&&) noexcept = default;
  Node& operator=(Node&& other) noexcept;

  NodeInfo info() const;
  Database& database() const;

  /// Signs a process on. SignOnException when node.processes is locked for too long. A client
  /// node whose connection was lost signs on anew first; ConnectionException when the server cannot
  /// be reached.
  Process signOn(ProcessOptions options = {});

  /// What became of a commit that ended in CommitUnknownException. ConnectionException while the
  /// server cannot be reached: ask again later.
  CommitOutcome commitOutcome(const CommitId& commit) const;

  /// Locks on this node's shared transients.
  std::vector<Lock> getLocks(std::size_t maxEntries = SIZE_MAX) const;
  std::vector<Lock> getQueuedLocks(std::size_t maxEntries = SIZE_MAX) const;

  /// Waits for callbacks that are running, unless called from one. Harmless when closed.
  void close();

 private:
  explicit Node(std::shared_ptr<NodeCore> core);
  std::shared_ptr<NodeCore> core_;
};

}  // namespace nephrite

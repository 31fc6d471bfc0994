#pragma once

// Private to this folder.

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "objects/object_store.h"
#include "runtime/database/database.h"
#include "runtime/database/system_class.h"

namespace nephrite {

/// The system, its nodes and their processes, as objects that can be read and locked. Their Oids
/// are persistent and never used again; what they say lives in memory, for no node and no
/// process outlives the program: after a crash there is nothing to clean up.
///
/// Threads: any.
class SystemObjects {
 public:
  /// Defines the system's classes in `store`, which must outlive this.
  explicit SystemObjects(ObjectStore& store);

  Oid system() const { return Oid(Lifetime::Persistent, system_class::kSystem, 1); }
  Oid nodesDict() const { return Oid(Lifetime::Persistent, system_class::kNodeDict, 1); }

  /// A node that is not yet signed on: gives it its Oids.
  NodeInfo newNode(const NodeSignOn& who, WallTime now);
  void addNode(const NodeInfo& node) NEPHRITE_EXCLUDES(mutex_);
  struct Removed {
    NodeInfo node;
    std::vector<LockerId> processes;  ///< Still signed on.
  };
  /// What was there; empty when nothing was.
  std::optional<Removed> removeNode(Oid node) NEPHRITE_EXCLUDES(mutex_);
  std::optional<NodeInfo> node(Oid node) const NEPHRITE_EXCLUDES(mutex_);
  std::vector<NodeInfo> nodes() const NEPHRITE_EXCLUDES(mutex_);

  ProcessInfo newProcess(const ProcessSignOn& who, const NodeInfo& node, WallTime now);
  /// `node` is null for a node's housekeeping process: it stands in no dictionary. False, and
  /// nothing added, when there is no such node.
  bool addProcess(const ProcessInfo& process, Oid node) NEPHRITE_EXCLUDES(mutex_);
  void removeProcess(LockerId locker) NEPHRITE_EXCLUDES(mutex_);
  std::vector<ProcessInfo> processes() const NEPHRITE_EXCLUDES(mutex_);
  bool isSignedOn(LockerId locker) const NEPHRITE_EXCLUDES(mutex_);
  /// Also of the last few thousand that have gone.
  ProcessInfo describe(LockerId locker) const NEPHRITE_EXCLUDES(mutex_);

  /// Null when there is no such system object now.
  RecordPtr fetch(Oid oid) const NEPHRITE_EXCLUDES(mutex_);

 private:
  struct SignedOnProcess {
    ProcessInfo info;
    Oid node;
    std::string key;  // In its node's dictionary.
  };
  struct SignedOnNode {
    NodeInfo info;
    std::string key;  // In the dictionary of nodes.
    std::set<std::uint64_t> processes;
  };
  struct Dictionary {
    std::map<std::string, Oid> members;
    std::uint32_t edition = 1;
  };
  /// The key under which it stands now.
  static std::string put(Dictionary& dictionary, const std::string& name, Oid member);

  ObjectStore& store_;
  mutable Mutex mutex_;  // A leaf.
  std::map<Oid, SignedOnNode> nodes_ NEPHRITE_GUARDED_BY(mutex_);
  std::map<std::uint64_t, SignedOnProcess> processes_ NEPHRITE_GUARDED_BY(mutex_);
  std::map<Oid, Dictionary> dictionaries_ NEPHRITE_GUARDED_BY(mutex_);
  std::unordered_map<std::uint64_t, ProcessInfo> gone_ NEPHRITE_GUARDED_BY(mutex_);
  std::deque<std::uint64_t> goneInOrder_ NEPHRITE_GUARDED_BY(mutex_);
};

}  // namespace nephrite

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "locking/lock_request.h"
#include "locking/lock_statistics.h"
#include "objects/change_set.h"
#include "objects/class_def.h"
#include "objects/oid.h"

namespace nephrite {

/// Who a process is, as people ask at three in the morning. A value: stays readable after the
/// process is gone.
struct ProcessInfo {
  LockerId locker;   ///< Null when unknown: it has signed off long ago.
  Oid oid;           ///< Its Process object, "Process/187.n".
  std::string name;  ///< What it calls itself.
  std::string user;
  std::string node;  ///< Name of its node.
  bool background = false;
  WallTime signedOn{};
};

/// One node of the database: a program that holds processes.
struct NodeInfo {
  Oid oid;  ///< "Node/186.n".
  std::string name;
  Oid processes;    ///< Its dictionary of processes, lockable.
  LockerId locker;  ///< Its housekeeping process: a background process.
  WallTime signedOn{};
};

struct ProcessSignOn {
  Oid node;
  std::string name;
  std::string user;
  bool background = false;
};

/// The answer to a lock request, with what only the database knows.
struct LockReply {
  LockAnswer lock;
  /// Share was let go for Update and another commit updated the object in between (1146). The
  /// lock is held.
  bool updatedMeanwhile = false;
};
using LockReplySettle = std::function<void(const LockReply&)>;

/// A transaction's end, as one message.
struct CommitRequest {
  LockRequest upgrade;  ///< Locker, timeout, priority, background and id of the Update upgrades.
  std::vector<Oid> updateLocked;  ///< Changed objects whose lock is Update: become Exclusive first.
  ChangeSet changes;              ///< Of one lifetime: all persistent or all shared transient.
  Lifetime lifetime = Lifetime::Persistent;
};

struct CommitReply {
  enum class Outcome { Committed, LockRefused, StoreFailed };
  Outcome outcome = Outcome::Committed;
  LockAnswer lock;      ///< The upgrade: how long it waited, and why it failed.
  std::string failure;  ///< StoreFailed: what was tried on what. Nothing is visible of it.
};
using CommitSettle = std::function<void(const CommitReply&)>;

/// Did a node or process get its place in system.nodes, or node.processes?
struct NodeReply {
  std::optional<NodeInfo> node;  ///< Empty when refused: `lock` says by whom.
  LockAnswer lock;
};
struct ProcessReply {
  std::optional<ProcessInfo> process;
  LockAnswer lock;
};

/// The one seam between the runtime and the database, which is here or at the other end of a
/// wire: requests and answers are values, and what may wait answers through a callback.
///
/// Shape:   two lock tables, one of persistent objects, one of shared transients (as in JADE:
///          a cycle through both is ended by timeout only); two stores likewise; the nodes and
///          processes that are signed on.
/// Answers: each callback is called exactly once, with no mutex held, on the calling thread when
///          the answer is known at once, else on a thread of the database.
/// Errors:  refusals are values. The world failing is StoreException from fetch() and from the
///          schema calls; a commit reports it in its reply.
/// Threads: any method, from any thread.
class Database {
 public:
  virtual ~Database() = default;

  // --- Nodes and processes. system.nodes and node.processes are locked exclusively for the
  // moment by the node's housekeeping process, with the background timeout. --------------------

  virtual void signOnNode(const std::string& name, std::function<void(const NodeReply&)> done) = 0;
  /// Signs off its processes too.
  virtual void signOffNode(Oid node) = 0;
  virtual void signOnProcess(const ProcessSignOn& who,
                             std::function<void(const ProcessReply&)> done) = 0;
  /// Cancels its waits and releases all its locks. Never waits.
  virtual void signOffProcess(LockerId locker) = 0;
  /// Also of processes that have signed off lately; `locker` null in the answer when unknown.
  virtual ProcessInfo describe(LockerId locker) const = 0;
  virtual std::vector<NodeInfo> nodes() const = 0;
  virtual std::vector<ProcessInfo> processes() const = 0;

  /// The System object and its dictionary of nodes.
  virtual Oid system() const = 0;
  virtual Oid systemNodes() const = 0;

  // --- Locks. The table is chosen by the lifetime of the target. ---------------------------------

  virtual void lock(const LockRequest& request, LockReplySettle settle) = 0;
  virtual void cancel(LockerId locker, std::uint64_t requestId) = 0;
  /// False when nothing was held.
  virtual bool unlock(LockerId locker, Oid target) = 0;
  virtual void releaseTransactionLocks(LockerId locker, Lifetime lifetime) = 0;
  virtual void releaseLevel(LockerId locker, Lifetime lifetime, std::uint16_t level) = 0;
  virtual std::optional<LockInfo> lockStatus(LockerId locker, Oid target) const = 0;

  // --- Objects ----------------------------------------------------------------------------------

  virtual std::shared_ptr<const Schema> schema() const = 0;
  virtual std::shared_ptr<const ClassDef> defineClass(const ClassDef& wanted) = 0;
  virtual Oid newOid(Lifetime lifetime, Oid::ClassNumber classNumber) = 0;
  /// The latest committed edition; null when there is no such object.
  virtual RecordPtr fetch(Oid oid) const = 0;
  virtual std::vector<Oid> instances(Oid::ClassNumber classNumber, Oid after,
                                     std::size_t maxEntries) const = 0;
  /// Durable, then visible, then unlocked: on Committed the locker's Transaction locks are gone.
  virtual void commit(CommitRequest request, CommitSettle settle) = 0;

  // --- Looking
  // ------------------------------------------------------------------------------------

  virtual std::vector<LockInfo> locksHeld(Lifetime lifetime, std::size_t maxEntries) const = 0;
  virtual std::vector<LockInfo> queuedRequests(Lifetime lifetime, std::size_t maxEntries) const = 0;
  virtual std::vector<LockInfo> locksOn(Oid target) const = 0;
  virtual std::vector<LockInfo> locksOf(LockerId locker, Lifetime lifetime) const = 0;
  virtual LockStatistics lockStatistics(Lifetime lifetime) const = 0;

  // --- Contention statistics, of persistent objects --------------------------------------------

  virtual bool beginContentionStats(LockerId starter, std::size_t tableSize) = 0;
  virtual bool clearContentionStats(LockerId locker) = 0;
  virtual bool endContentionStats(LockerId locker) = 0;
  virtual LockContentionState contentionState() const = 0;
  virtual std::vector<LockContentionInfo> contentionStats(std::size_t maxEntries,
                                                          std::uint64_t minContentions) const = 0;
  virtual LockContentionInfo contentionOf(Oid target) const = 0;

  virtual const Clock& clock() const = 0;
};

}  // namespace nephrite

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/answer_wait.h"
#include "base/clock.h"
#include "locking/deadlock_record.h"
#include "locking/lock_page.h"
#include "locking/lock_request.h"
#include "locking/lock_statistics.h"
#include "objects/change_set.h"
#include "objects/class_def.h"
#include "objects/oid.h"
#include "runtime/database/object_lock_request.h"
#include "runtime/database/resource_names.h"
#include "runtime/errors/process_info.h"

namespace nephrite {
class LockerPort;

struct ProcessSignOn {
  Oid node;
  std::string name;
  std::string user;
  bool background = false;
  LockerId parent = {};  ///< A process of the same node; null: none.
  Face face = Face::Jade;
  std::string faceOwner = {};
};

/// A transaction's end, as one message. `changes.id` names it for commitOutcome().
struct CommitRequest {
  LockRequest upgrade;  ///< Locker, timeout, priority, background and id of the Update upgrades.
  std::vector<Oid> updateLocked;  ///< Changed objects whose lock is Update: become Exclusive first.
  ChangeSet changes;              ///< Of one lifetime: all persistent or all shared transient.
  Lifetime lifetime = Lifetime::Persistent;
};

struct ResourceReply {
  std::shared_ptr<const NamedResource> resource;
  std::optional<RequestFailure> failure;  ///< Else: why not.
};

struct CommitReply {
  enum class Outcome {
    Committed,
    LockRefused,
    Failed,   ///< Nothing is visible of it: the store failed, or the request never left.
    Unknown,  ///< The connection was lost before the answer: ask commitOutcome().
  };
  Outcome outcome = Outcome::Committed;
  LockAnswer lock;                        ///< The upgrade: how long it waited, and why it failed.
  std::optional<RequestFailure> failure;  ///< Of Failed and Unknown.
};
using CommitDone = std::function<void(const CommitReply&)>;

/// The person who breaks a lock or ends a session by force, for the audit log.
struct Operator {
  std::string user;
  std::string reason;
};

/// Did a node or process get its place in system.nodes, or node.processes?
struct NodeReply {
  std::optional<NodeInfo> node;  ///< Empty when refused: `lock` has the holder, `failure` why.
  LockAnswer lock;
  std::optional<RequestFailure> failure;
};
struct ProcessReply {
  std::optional<ProcessInfo> process;  ///< Cancelled: the node is not signed on (any more).
  LockAnswer lock;
  std::optional<RequestFailure> failure;
};

/// What a process leaves that signs off to its parent.
struct Heritage {
  std::uint16_t level = 0;  ///< So many load and lock states has the parent open.
  /// Told once, when the locks are the parent's: of which objects they were. That is at the end of
  /// a commit of the family that is being written, on the thread which ends it; else now. Not by
  /// a client node, whose server knows it.
  std::function<void(const std::vector<Oid>& left)> told = {};
};

/// The one seam between the runtime and the database, which is here or at the other end of a
/// wire: requests and answers are values, and what may wait answers through a callback.
///
/// Shape:   two lock tables, one of persistent objects and resources, one of shared transients; two
///          stores likewise; the nodes and processes that are signed on. Where both tables are in
///          one program a deadlock through both is found at once; else a timeout ends it, as in
///          JADE. What one process asks goes through its LockerPort.
/// Answers: each callback is called exactly once, with no mutex held, on the calling thread when
///          the answer is known at once, else on a thread of the database.
/// Order:   what one thread asks takes effect in that order. Sign-offs may still be on their way
///          when they return.
/// Errors:  refusals are values, and so are failures of what answers through a callback. Others
///          throw StoreException, or a SystemException when the other end cannot be reached.
/// Threads: any method, from any thread; from within a callback only those that answer through a
///          callback themselves, or return void.
class Database {
 public:
  virtual ~Database() = default;

  // --- Nodes and processes. system.nodes and node.processes are locked exclusively for the
  // moment by the node's housekeeping process, with the background timeout. --------------------

  virtual void signOnNode(const NodeSignOn& who, std::function<void(const NodeReply&)> done) = 0;
  /// Signs off its processes too.
  virtual void signOffNode(Oid node) = 0;
  virtual void signOnProcess(const ProcessSignOn& who,
                             std::function<void(const ProcessReply&)> done) = 0;
  /// Cancels its waits and releases all its locks, those of its descendants first. Never waits.
  virtual void signOffProcess(LockerId locker) = 0;
  /// All that one process asks for. Of one that is not signed on (any more): refuses everything.
  virtual std::shared_ptr<LockerPort> port(LockerId locker) = 0;
  /// Also of processes that have signed off lately; `locker` null in the answer when unknown.
  virtual ProcessInfo describe(LockerId locker) const = 0;
  virtual std::vector<NodeInfo> nodes() const = 0;
  virtual std::vector<ProcessInfo> processes() const = 0;

  /// The System object and its dictionary of nodes.
  virtual Oid system() const = 0;
  virtual Oid systemNodes() const = 0;

  // --- What can be locked ------------------------------------------------------------------------

  /// What is locked under this name, which has 1 to NamedResource::kMostBytes bytes.
  virtual void resource(const std::string& name,
                        std::function<void(const ResourceReply&)> done) = 0;
  /// "Order/2051.7", "resource nightly run".
  virtual std::string show(Oid target) const { return schema()->show(target); }
  /// Where a waiting thread helps its answer to come; null: it comes by itself.
  virtual AnswerSource* answers() { return nullptr; }

  // --- Objects ----------------------------------------------------------------------------------

  virtual std::shared_ptr<const Schema> schema() const = 0;
  /// The same with all classes that any node has defined by now: for a caller that misses one.
  virtual std::shared_ptr<const Schema> latestSchema() const = 0;
  virtual std::shared_ptr<const ClassDef> defineClass(const ClassDef& wanted) = 0;
  virtual Oid newOid(Lifetime lifetime, Oid::ClassNumber classNumber) = 0;
  /// The latest committed edition; null when there is no such object.
  virtual RecordPtr fetch(Oid oid) const = 0;
  /// The same when it is known without waiting for a disk; else empty.
  virtual std::optional<RecordPtr> fetchAtOnce(Oid oid) const { return fetch(oid); }
  virtual std::vector<Oid> instances(Oid::ClassNumber classNumber, Oid after,
                                     std::size_t maxEntries) const = 0;
  /// Of a commit whose process has signed off, whatever has become of it; waits until nothing of
  /// it is under way.
  /// ConnectionException (64016) while its process is signed on: it may still commit.
  virtual CommitOutcome commitOutcome(const CommitId& commit) = 0;
  /// No node will ask for the commits of this process, which has signed off, any more.
  virtual void forgetCommits(LockerId /*locker*/) {}

  // --- Looking ----------------------------------------------------------------------------------

  virtual std::vector<LockInfo> locksHeld(Lifetime lifetime, std::size_t maxEntries) const = 0;
  virtual std::vector<LockInfo> queuedRequests(Lifetime lifetime, std::size_t maxEntries) const = 0;
  virtual std::vector<LockInfo> locksOn(Oid target) const = 0;
  virtual std::vector<LockInfo> locksOf(LockerId locker, Lifetime lifetime) const = 0;
  /// Such locks a page at a time. More or fewer than `most` may come at once: `next` says whether
  /// there are others.
  virtual LockPage listLocks(Lifetime lifetime, const LockQuery& query, const LockCursor& after,
                             std::size_t most) const = 0;
  virtual LockStatistics lockStatistics(Lifetime lifetime) const = 0;
  /// The last ones, newest first.
  virtual std::vector<DeadlockRecord> deadlocks(Lifetime lifetime,
                                                std::size_t maxEntries) const = 0;

  // --- Contention statistics, of persistent objects --------------------------------------------

  virtual bool beginContentionStats(LockerId starter, std::size_t tableSize) = 0;
  virtual bool clearContentionStats(LockerId locker) = 0;
  virtual bool endContentionStats(LockerId locker) = 0;
  virtual LockContentionState contentionState() const = 0;
  virtual std::vector<LockContentionInfo> contentionStats(std::size_t maxEntries,
                                                          std::uint64_t minContentions) const = 0;
  virtual LockContentionInfo contentionOf(Oid target) const = 0;

  // --- Operating: by force, for people who know what they do -------------------------------------

  /// Releases what `locker` holds on `target`, in any state. False when it held nothing. A commit
  /// of a change to it is then refused, with LockLost. While a commit of `locker` is being written
  /// its locks stay, and this one goes when that has ended.
  virtual bool breakLock(LockerId locker, Oid target, const Operator& by) = 0;
  /// Signs a process off as if it had ended. False when it is not signed on.
  virtual bool forceSignOff(LockerId locker, const Operator& by) = 0;

  virtual const Clock& clock() const = 0;
};

}  // namespace nephrite

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/collection.h"
#include "runtime/errors/process_info.h"

namespace nephrite {

/// One lock or one waiting request, for people (JADE's class Lock).
struct Lock {
  Oid target;
  std::string targetName;             ///< "Order/2048.7".
  LockType type = LockType::Share;    ///< The first waiter of an object shows as Get.
  LockType wanted = LockType::Share;  ///< What a waiter wants; equal to `type` when held.
  LockDuration duration = LockDuration::Transaction;
  bool waiting = false;
  ProcessInfo requestedBy;  ///< Holder, or waiter.
  ProcessInfo lockedBy;     ///< A waiter's obstacle; its `locker` is null when there is none.
  WallTime requestTime{};
  Duration elapsed{0};  ///< Held, or waited, so far.
  LockTimeout waitTime = LockTimeout::serverDefined();
  FencingToken token;
  LeaseTerms lease = {};  ///< None: it does not lapse.
  Duration leaseLeft{0};  ///< Of a held lock with a lease.
  ProcessInfo parent;     ///< Of `requestedBy`; its `locker` is null when there is none.
  LockScope scope = LockScope::Node;  ///< Held, or wanted.
  LockType below = LockType::Get;     ///< Held with scope Subtree: of all that is below.
  /// Of a waiter: what it wants is below the target, where it waits for a lock with scope Subtree.
  bool isMark = false;
  bool isMomentary = false;  ///< Held by a write through a face, with which it ends.
  /// Held on this object above the target, with scope Subtree. Null: on the target itself.
  Oid lockedAt;
};

/// Contention of one persistent object (JADE's class LockContentionInfo).
struct LockContention {
  Oid target;  ///< Null for the entry that gathers what the table had no room for.
  std::string targetName;
  std::uint64_t totalContentions = 0;  ///< Requests queued or rejected.
  Duration totalWaitTime{0};
  Duration maxWaitTime{0};
};

struct LockContentionReport {
  std::vector<LockContention> entries;
  WallTime startTime{};  ///< When they were begun or cleared; the epoch when they do not run.
};

struct LockContentionQuery {
  bool active = false;
  ProcessInfo startingProcess;
  std::size_t maxEntries = 0;
  WallTime startTime{};
};

/// Counters of persistent locks since the database was opened, and of transactions ended by
/// processes of this node since it signed on.
struct RequestStatistics {
  std::uint64_t lockObjects = 0;
  std::uint64_t unlockObjects = 0;
  std::uint64_t queuedLocks = 0;
  std::uint64_t lockTimeouts = 0;
  std::uint64_t deadlocks = 0;
  Duration totalLockQueueWaitTime{0};
  std::uint64_t committedTransactions = 0;
  std::uint64_t abortedTransactions = 0;
};

/// The database as one process sees it: its nodes, and which process locks what.
///
/// Errors:  UsageException when another process runs the contention statistics (1131).
/// Threads: those of its process; the look-only methods any.
/// Source:  JADE manual, "System class".
class System {
 public:
  explicit System(std::shared_ptr<ProcessCore> process);

  Object object() const;     ///< The System object itself.
  Dictionary nodes() const;  ///< system.nodes: Node objects by name. Lockable as any object;
                             ///< while it is locked no node can sign on or off.
  Dictionary processesOf(const Object& node) const;  ///< node.processes: by name.
  std::vector<NodeInfo> nodeInfos() const;
  std::vector<ProcessInfo> processInfos() const;

  // --- Locks on persistent objects -----------------------------------------------------------

  std::vector<Lock> getLocks(std::size_t maxEntries = SIZE_MAX) const;
  std::vector<Lock> getQueuedLocks(std::size_t maxEntries = SIZE_MAX) const;
  std::vector<ProcessInfo> getObjectLockProcesses(const Object& target,
                                                  std::size_t maxEntries = SIZE_MAX) const;
  /// Holders in the order of their grants, then those of objects above with scope Subtree, which
  /// cover it (Lock::lockedAt), then the queue; of shared transients too.
  std::vector<Lock> getLocksOn(const Lockable& target) const;
  std::vector<Lock> getLocksOf(const ProcessInfo& process) const;

  // --- Contention statistics -----------------------------------------------------------------

  void beginLockContentionStats(std::size_t tableSize);
  void clearLockContentionStats();
  void endLockContentionStats();
  LockContentionReport getLockContentionStats(std::size_t maxEntries = SIZE_MAX,
                                              std::uint64_t minContentions = 0) const;
  LockContention getLockContentionInfo(const Object& target) const;
  LockContentionQuery queryLockContentionStats() const;

  RequestStatistics getRequestStats() const;

 private:
  std::shared_ptr<ProcessCore> process_;
};

}  // namespace nephrite

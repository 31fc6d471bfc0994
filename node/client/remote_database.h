#pragma once

// Private to node.

#include <atomic>
#include <boost/unordered/unordered_flat_set.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/mutex.h"
#include "node/client/client_session.h"
#include "node/client/held_locks.h"
#include "node/client/known_names.h"
#include "objects/record_cache.h"
#include "runtime/database/database.h"
#include "runtime/database/family_changes.h"
#include "runtime/database/lock_timer.h"
#include "runtime/database/locker_port.h"

namespace nephrite {

/// The database at the other end of a wire.
///
/// Shape:   persistent objects and their locks are at the server. What this node has read of them
///          is in a cache that the server invalidates, what it holds in a table of its own. Shared
///          transients and their locks belong to this node alone, and live here.
/// Losing:  when the session with the server is lost, all nodes and processes of it are gone (they
///          are told ConnectionLost), the cache is empty, and a new session is begun: the next
///          process that signs on is in it.
/// Threads: as Database says. A call that waits for the server must not come from a callback, which
///          runs on the thread that would bring the answer; that is checked.
class RemoteDatabase final : public Database {
 public:
  struct Options {
    ClientSession::Options session;
    std::chrono::milliseconds backgroundTimeout{30'000};  ///< Of [JadeClient].
    std::uint64_t cacheBytes = 80ull << 20;
    bool coherent = true;  ///< Keep what was read; else only locks answer from memory.
    bool threads = true;   ///< Else the owner of the clock calls expireNext().
    /// Called after a message that nobody asked for, or the loss of the session. Must not wait.
    std::function<void()> noticed = {};
  };

  /// `carrier` and `clock` must outlive this.
  RemoteDatabase(Carrier& carrier, const Clock& clock, const Options& options);
  ~RemoteDatabase() override;

  bool isConnected() { return session_->isUp(); }
  /// Waits until there is one. ConnectionException after Options::connectTimeout.
  void awaitConnection();
  /// Ends the session: what is still asked for fails, and what is asked later.
  void close() { session_->close(); }
  /// How the server is doing.
  wire::Status serverStatus() const;
  /// For requests made from now on.
  void setBackgroundTimeout(std::chrono::milliseconds timeout);

  /// Threads off: of shared transients.
  std::optional<Instant> nextDeadline() const { return shared_->nextDeadline(); }
  bool expireNext(Instant now) { return shared_->expireNext(now); }

  void signOnNode(const NodeSignOn& who, std::function<void(const NodeReply&)> done) override;
  void signOffNode(Oid node) override;
  void signOnProcess(const ProcessSignOn& who,
                     std::function<void(const ProcessReply&)> done) override;
  void signOffProcess(LockerId locker) override;
  std::shared_ptr<LockerPort> port(LockerId locker) override;
  void resource(const std::string& name, std::function<void(const ResourceReply&)> done) override;
  std::string show(Oid target) const override;
  ProcessInfo describe(LockerId locker) const override;
  std::vector<NodeInfo> nodes() const override;
  std::vector<ProcessInfo> processes() const override;
  Oid system() const override;
  Oid systemNodes() const override;

  AnswerSource* answers() override { return carrier_.answers(); }

  std::shared_ptr<const Schema> schema() const override;
  std::shared_ptr<const Schema> latestSchema() const override;
  std::shared_ptr<const ClassDef> defineClass(const ClassDef& wanted) override;
  Oid newOid(Lifetime lifetime, Oid::ClassNumber classNumber) override;
  RecordPtr fetch(Oid oid) const override;
  std::vector<Oid> instances(Oid::ClassNumber classNumber, Oid after,
                             std::size_t maxEntries) const override;
  CommitOutcome commitOutcome(const CommitId& commit) override;

  std::vector<LockInfo> locksHeld(Lifetime lifetime, std::size_t maxEntries) const override;
  std::vector<LockInfo> queuedRequests(Lifetime lifetime, std::size_t maxEntries) const override;
  std::vector<LockInfo> locksOn(Oid target) const override;
  std::vector<LockInfo> locksOf(LockerId locker, Lifetime lifetime) const override;
  LockPage listLocks(Lifetime lifetime, const LockQuery& query, const LockCursor& after,
                     std::size_t most) const override;
  LockStatistics lockStatistics(Lifetime lifetime) const override;
  std::vector<DeadlockRecord> deadlocks(Lifetime lifetime, std::size_t maxEntries) const override;

  bool beginContentionStats(LockerId starter, std::size_t tableSize) override;
  bool clearContentionStats(LockerId locker) override;
  bool endContentionStats(LockerId locker) override;
  LockContentionState contentionState() const override;
  std::vector<LockContentionInfo> contentionStats(std::size_t maxEntries,
                                                  std::uint64_t minContentions) const override;
  LockContentionInfo contentionOf(Oid target) const override;

  bool breakLock(LockerId locker, Oid target, const Operator& by) override;
  bool forceSignOff(LockerId locker, const Operator& by) override;

  const Clock& clock() const override { return clock_; }

  // What a process asks through its port: as LockerPort says.
  void lock(const ObjectLockRequest& order, LockReplyDone done);
  void lockAll(ObjectLockBatch orders, LockAllDone done);
  void cancel(LockerId locker, std::uint64_t requestId);
  bool unlock(LockerId locker, Oid target);
  void releaseTransactionLocks(LockerId locker, Lifetime lifetime);
  void releaseLevel(LockerId locker, Lifetime lifetime, std::uint16_t level);
  /// Asks the server when it is not sure what is held, as after a request without an answer.
  std::optional<LockInfo> lockStatus(LockerId locker, Oid target) const;
  /// What is surely held; null also when that is not sure. Does not wait.
  std::optional<LockInfo> lockKnown(LockerId locker, Oid target) const;
  LockType typeHeld(LockerId locker, Oid target) const;
  std::vector<bool> mayHold(LockerId locker, std::span<const Oid> targets) const;
  bool renew(LockerId locker, Oid target, Renewal by);
  std::uint64_t lapses(Lifetime lifetime) const;
  std::optional<RequestFailure> lapsedSince(LockerId locker, Oid target,
                                            std::uint64_t lapses) const;
  void forgetLapses(LockerId locker);
  void whenLapsed(LockerId locker, LapseWatch::Told told);
  void checkReach(LockerId locker) const NEPHRITE_EXCLUDES(mutex_);
  void commit(CommitRequest request, CommitDone done);
  void signOffToParent(LockerId locker, Heritage heritage);

 private:
  class Port;
  // Locks: remote_locks.cpp.
  bool isHeldAsAsked(LockerId locker, Oid target, LockTerms terms) const;
  class PendingLock;
  class PendingLocks;
  struct Known;
  struct LockOfCall;
  void fillIn(LockRequest& request) const;
  /// Fill in what is missing.
  Known lookUp(wire::KnownRequest& order) const;
  void lookUp(wire::LockAll& message) const;
  std::optional<LockReply> answerFromCache(const ObjectLockRequest& order,
                                           const Known& known) const;
  LockReply onReply(const wire::KnownRequest& order, const Known& known,
                    const wire::LockReply& reply, const Arrived& arrived);
  LockReply onReply(const wire::KnownRequest& order, const Known& known,
                    const wire::LockAnswered& all, const Arrived& arrived);
  /// `targets`: those of `asked`.
  LockAllReply onReply(const wire::LockAll& asked, std::span<const Oid> targets,
                       const wire::LockAnswered& all, const Arrived& arrived);
  /// Was anything granted lately to a request that had given up?
  bool heardLate() const { return lateGrantCount_.load(std::memory_order_relaxed) != 0; }
  void callEnded(const LockRequest& request, bool granted) NEPHRITE_EXCLUDES(lateMutex_);
  void onLateReply(const wire::LockAnswered& all, const Arrived& arrived,
                   FunctionRef<LockOfCall(std::size_t)> askedAt) NEPHRITE_EXCLUDES(lateMutex_);
  bool unlockUnlessAsked(const LockRequest& request);
  void forgetLateGrants(FunctionRef<bool(LockerId)> isOf) NEPHRITE_EXCLUDES(lateMutex_);
  /// Over a request's own timeout, until its caller is told that there is no answer.
  static constexpr std::chrono::milliseconds kSlack{1'000};
  std::chrono::milliseconds waitOf(const LockRequest& request) const;
  std::optional<LockReply> refusal(const LockRequest& request) const NEPHRITE_EXCLUDES(mutex_);
  /// The same, also when there is no session now, so that what is asked for in vain never leaves.
  std::optional<LockReply> refusalNow(const LockRequest& request) const NEPHRITE_EXCLUDES(mutex_);
  LockReply withLoss(LockReply reply) const;
  /// It has signed on. False when its parent has signed off by now: then it is signed off, too.
  bool takeIn(LockerId locker, Oid node, LockerId parent) NEPHRITE_EXCLUDES(mutex_);
  void signOff(LockerId locker, std::optional<std::uint16_t> level) NEPHRITE_EXCLUDES(mutex_);
  void forget(LockerId locker);
  void forgetLocks(LockerId locker);
  void loses(LockerId locker, const RequestFailure& why) NEPHRITE_EXCLUDES(mutex_);

  // Asking and waiting.
  /// Throws what a failure stands for.
  wire::FromServer ask(std::function<wire::FromClient(wire::RequestId)> message) const;
  template <typename Reply>
  Reply call(std::function<wire::FromClient(wire::RequestId)> message) const {
    wire::FromServer answer = ask(std::move(message));
    if (auto* const reply = std::get_if<Reply>(&answer)) return std::move(*reply);
    throwNonsense();
  }
  static RequestFailure nonsense();
  [[noreturn]] static void throwNonsense();
  ClientAnswer await(ClientSession::Request request) const;
  LockPage listed(wire::Look look) const;
  wire::ContentionReply contention(wire::ContentionVerb verb, LockerId locker, std::size_t size,
                                   std::uint64_t least, Oid oid) const;

  // Events of the session.
  void began(const wire::Welcome& welcome) NEPHRITE_EXCLUDES(mutex_);
  void lost(const RequestFailure& why) NEPHRITE_EXCLUDES(mutex_);
  void pushed(wire::FromServer& message, const Arrived& arrived);
  void lapsed(const wire::LockLapsed& told) NEPHRITE_EXCLUDES(lateMutex_);
  void inherited(const wire::LocksInherited& left, const Arrived& arrived);
  void takeClasses(const std::vector<ClassDef>& classes, bool all) NEPHRITE_EXCLUDES(mutex_);

  // Commits: remote_commit.cpp.
  class PendingCommit;
  void finishCommit(const CommitRequest& request, nephrite::CommitReply reply,
                    const CommitDone& done);
  void cacheCommit(const CommitRequest& request, const nephrite::CommitReply& reply);
  /// What relatives of the committer hold is older than that.
  void noteCommit(const CommitRequest& request) NEPHRITE_EXCLUDES(mutex_);

  std::chrono::milliseconds backgroundTimeout() const;

  Carrier& carrier_;
  const Clock& clock_;
  const Options options_;
  std::atomic<std::size_t> mostObjectBytes_{SIZE_MAX};  // That the server takes.
  std::atomic<bool> coherent_{false};  // We keep what we read, and are told what has changed.
  std::atomic<std::int64_t> backgroundTimeout_;  // Milliseconds.
  mutable RecordCache cache_;
  mutable HeldLocks held_;
  mutable KnownNames names_;
  LapsedLocks lapsed_;
  FamilyChanges families_;
  LapseWatch lapseWatch_;
  std::unique_ptr<LockedStore> shared_;

  mutable Mutex mutex_;  // A leaf.
  std::shared_ptr<const Schema> schema_ NEPHRITE_GUARDED_BY(mutex_);
  Oid system_ NEPHRITE_GUARDED_BY(mutex_);
  Oid systemNodes_ NEPHRITE_GUARDED_BY(mutex_);
  struct Locker {
    Oid node;
    std::optional<RequestFailure> lost;  // With its session; it has not signed off yet.
  };
  std::unordered_map<std::uint64_t, Locker> lockers_ NEPHRITE_GUARDED_BY(mutex_);
  std::atomic<std::size_t> lostLockers_{0};  // Of these; changes under the mutex.
  std::unordered_map<Oid::ClassNumber, std::deque<Oid>> oids_ NEPHRITE_GUARDED_BY(mutex_);

  // By process and object: granted when their asker had given up, and kept for earlier requests.
  Mutex lateMutex_;  // Before the session's.
  boost::unordered_flat_set<std::pair<std::uint64_t, std::uint64_t>> lateGrants_
      NEPHRITE_GUARDED_BY(lateMutex_);
  std::atomic<std::size_t> lateGrantCount_{0};  // Looked at without the mutex.
  // Last: they end first.
  std::unique_ptr<LockTimer> timer_;
  std::unique_ptr<ClientSession> session_;
};

}  // namespace nephrite

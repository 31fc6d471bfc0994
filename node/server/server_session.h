#pragma once

// Private to node.

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node/server/server_sessions.h"

namespace nephrite {

/// What clients may name is lockable: all else is their own.
inline bool isPersistent(Oid oid) {
  return !oid.isNull() && oid.lifetime() == Lifetime::Persistent;
}
inline bool isResource(Oid oid) { return oid.lifetime() == Lifetime::Resource; }
inline bool isLockable(Oid oid) { return isPersistent(oid) || isResource(oid); }

/// One session of a client node: its nodes and processes, and what it has asked for.
///
/// Answers come back through callbacks of the database, perhaps when the session is over: each
/// holds the session weakly, and an answer to no session is dropped (onStrand(); what it granted
/// went with the session's nodes). Threads: the strand of ServerSessions.
class ServerSession : public std::enable_shared_from_this<ServerSession> {
 public:
  ServerSession(ServerSessions& all, std::uint64_t number, const wire::SessionKey& key,
                const wire::Hello& hello);

  std::uint64_t number() const { return number_; }
  const wire::SessionKey& key() const { return key_; }
  std::uint16_t version() const { return version_; }  ///< That both sides speak.
  static std::uint16_t versionFor(const wire::Hello& hello);
  wire::SessionStream& stream() { return stream_; }
  std::size_t nodeCount() const { return nodes_.size(); }
  bool hasNode(Oid node) const { return nodes_.contains(node); }

  const std::shared_ptr<ServerConnection>& connection() const { return connection_; }
  void attach(std::shared_ptr<ServerConnection> connection);
  void detach();

  /// Does what `message` of so many bytes asks, after what came before it. False when no client of
  /// ours could have sent it.
  bool handle(wire::FromClient& message, std::size_t bytes);
  /// Is nothing read from its client for now, however often it says that it is there?
  bool isTooFarAhead() const { return waitingBytes_ > kMostWaiting; }

  /// Soon, in the order of calls; not before its client has taken most of what came before.
  void send(const wire::FromServer& message);
  /// The same of a message whose bytes are known: `encoded`.
  void send(const wire::FromServer& message, std::string_view encoded);
  /// Sends what had to wait, as far as there is room now.
  void sendDeferred();
  /// Bytes that its client has not taken yet, with those of messages that are not encoded yet,
  /// about.
  std::size_t bytesUnsent() const;
  /// An operator has signed it off: a process, or a node with its processes.
  void forget(LockerId locker);
  void forget(Oid node);
  void tellLapsed(const LockAnswer& lapsed);
  /// Signs everything off.
  void end();
  bool isOver() const { return over_; }
  static wire::Stale staleBy(const ObjectChange& change) {
    const bool deleted = change.kind == ChangeKind::Delete;
    return {change.record->oid, deleted ? 0 : change.basedOn + 1};
  }
  /// Objects that it has have changed; and of what is being read for it an older edition may come.
  void tellStale(std::span<const wire::Stale> objects);
  /// A commit of its own is over, and not answered yet.
  void committed(ChangeSet changes) { ownCommits_.push_back(std::move(changes)); }

 private:
  bool doIt(wire::FromClient& message);
  bool handle(const wire::Hello&) { return false; }
  bool handle(const wire::Ping&);
  bool handle(const wire::Goodbye&);
  bool handle(const wire::SignOnNode& message);
  bool handle(const wire::SignOffNode& message);
  bool handle(const wire::SignOnProcess& message);
  bool handle(const wire::SignOffProcess& message);
  bool handle(const wire::Lock& message);
  bool handle(wire::LockAll& message);
  bool handle(const wire::Cancel& message);
  bool handle(const wire::Unlock& message);
  bool handle(const wire::ReleaseTransaction& message);
  bool handle(const wire::ReleaseLevel& message);
  bool handle(const wire::Fetch& message);
  bool handle(const wire::Instances& message);
  bool handle(const wire::NewOids& message);
  bool handle(const wire::DefineClass& message);
  bool handle(wire::Commit& message);
  bool handle(const wire::AskOutcome& message);
  bool handle(const wire::Look& message);
  bool handle(const wire::AskContention& message);
  bool handle(const wire::Force& message);
  bool handle(const wire::Renew& message);
  bool handle(const wire::AskResource& message);
  bool handle(const wire::DropResource& message);
  void forceOff(const wire::Force& message, AuditEntry& entry);

  /// A process, all that it asks of the database, and what it has committed.
  struct OwnedProcess {
    Oid node;
    std::shared_ptr<LockerPort> port;
    LockerId parent = {};
    bool needsReplies = false;  // It has asked for a lease, or for scope Subtree.
    std::size_t commitsUnderWay = 0;
    std::uint64_t lastCommitReply = 0;  // Its number in the stream; 0: there is none.
    bool takesGrants() const { return !needsReplies && commitsUnderWay == 0; }
  };
  bool knowsItsCommits(const OwnedProcess& process) const;
  /// Those of `node`, or of any node when it is null, that have heard of all they committed.
  std::vector<LockerId> knowAllTheirCommits(Oid node) const;
  void forgetCommits(std::vector<LockerId> lockers);
  bool owns(LockerId locker) const { return processes_.contains(locker.value); }
  OwnedProcess* ownedBy(LockerId locker);  // Null when it is not ours.
  /// `locker`, behind its descendants.
  std::vector<LockerId> familyOf(LockerId locker) const;
  void tellInherited(LockerId heir, const std::vector<Oid>& left);
  bool mayAsk(wire::RequestId id);
  /// Else it is refused: a lease that is too long, a resource that is not its own or has a scope.
  bool mayLock(wire::RequestId id, const LockRequest& request, Oid target);
  bool maySignOn(wire::RequestId id, std::size_t here, const char* what);
  /// To be called, from any thread, when the store could not sign on one of those that `coming`
  /// counts.
  std::function<void(const RequestFailure&)> signOnFailed(wire::RequestId id,
                                                          std::size_t ServerSession::*coming);
  bool mayCommit(const wire::Commit& message);
  void fail(wire::RequestId id, ErrorCode code, const std::string& what);
  /// Must what is sent now wait for what was sent before?
  bool defers() const;
  void defer(const wire::FromServer& message);
  void sendNow(std::string_view encoded, std::uint64_t acknowledged);
  /// `list` as messages of bounded length, the last but one of which say that there is more.
  static std::vector<wire::FromServer> inParts(wire::FromServer list);
  /// Runs `work` on the blocking pool; what it returns, or the failure it throws, is sent.
  void asideMany(wire::RequestId id, std::function<std::vector<wire::FromServer>()> work);
  void onBlockingPool(wire::RequestId id, std::function<wire::FromServer()> work);
  /// Runs `answer` on the strand unless the session is over by then.
  template <typename Answer>
  auto onStrand(Answer answer);
  /// Before anything is said of a lock that was granted: tells of all commits that are over. The
  /// answers to its own, which would tell it, are on their way, and come too late. True when there
  /// was one.
  bool tellCommitted();
  /// Locks what can be locked at once, in order, and notes the answers in `answered_`; how many.
  std::size_t lockAtOnce(LockerPort& port, const LockRequest& request,
                         std::span<const wire::KnownTarget> targets);
  static constexpr std::size_t kMostOfAnswer = std::size_t{4} << 20;  // Of its records: bytes.
  /// Has `record` its place in an answer with `bytes` of others? Then they are counted.
  bool fits(const ObjectRecord& record, std::size_t& bytes) const;
  /// A lock was granted whose object the client will fetch by itself: it must not think that what
  /// it has is the latest.
  void leaveOut(const wire::KnownTarget& known);
  void sendAnswered(wire::RequestId id);
  /// What the database told, for a client that knows `knownEdition`.
  wire::LockReply replyFrom(const LockReply& told, std::uint32_t knownEdition);
  void answerLock(wire::RequestId id, const wire::LockReply& reply);
  void answerLocks(const wire::LockAll& message, const LockAllReply& told);
  /// The same when all that was granted has been read, if need be elsewhere.
  void readAndAnswer(const std::shared_ptr<const wire::LockAll>& message, const LockAllReply& told);
  void isInterestedIn(Oid oid);
  /// Reads `oid`, of which the client is told, elsewhere.
  void fetchAside(wire::RequestId id, Oid oid);
  void answerFetch(wire::RequestId id, const RecordPtr& record);
  bool isInMemory(std::span<const wire::KnownTarget> targets) const;
  /// Runs `work`, which may wait for the disk, elsewhere. What the client says next waits until it
  /// has been done, so that it takes effect in its turn.
  void inTurnAside(std::function<void()> work);
  void waitInTurn(wire::FromClient message, std::size_t bytes);
  void goOn();
  /// The last message of the client that has taken effect: with what is said now it is told that
  /// the server has seen all up to that one, and no more.
  std::uint64_t tookEffect() const {
    return waiting_.empty() ? stream_.lastReceived() : waiting_.front().number - 1;
  }
  /// The object, when it is in memory, or was read for this answer; null when the store cannot say.
  RecordPtr recordOf(Oid oid) const;
  wire::FromServer look(const wire::Look& message) const;
  wire::ContentionReply contention(const wire::AskContention& message) const;
  /// Of the resources among `targets`, for a client that is told.
  wire::Names namesOf(std::vector<std::uint64_t> targets) const;
  wire::Names namesOf(const LockAnswer& answer) const;
  wire::ProcessInfos peopleOf(const LockAnswer& answer) const;
  wire::ProcessInfos peopleOf(const std::vector<LockInfo>& locks) const;

  ServerSessions& all_;
  const std::uint64_t number_;
  const wire::SessionKey key_;
  const NodeOrigin origin_;  // But for the address.
  const bool takesGrants_, takesShort_, takesParts_;
  const std::uint16_t version_;
  std::shared_ptr<ServerConnection> connection_;
  wire::SessionStream stream_;
  std::set<Oid> nodes_;
  std::map<std::uint64_t, OwnedProcess> processes_;
  // That the client uses, and how often it was told of each.
  std::map<Oid, std::pair<std::shared_ptr<const NamedResource>, std::uint64_t>> resources_;
  // Commits that have perhaps not begun, by locker and request: set when they are cancelled.
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::shared_ptr<std::atomic<bool>>> commits_;
  std::vector<ChangeSet> ownCommits_;  // Those that are over and not answered, nor told otherwise.
  /// Being read elsewhere, by the object: set when it may be outdated by then.
  std::multimap<Oid, std::shared_ptr<bool>> fetches_;
  /// What came while something was done on the blocking pool in its turn.
  struct Waiting {
    std::uint64_t number = 0;     // In the stream.
    std::uint64_t heardUpTo = 0;  // What its sender had received when it sent it.
    std::size_t bytes = 0;        // About.
    wire::FromClient message;
  };
  static constexpr std::size_t kMostWaiting = std::size_t{1} << 20;  // Bytes.
  std::deque<Waiting> waiting_;
  std::size_t waitingBytes_ = 0;
  bool isAside_ = false;
  std::uint64_t heardUpTo_ = 0;  // What the client had received when it sent the present message.
  std::map<Oid, RecordPtr> readFor_;  // The present answer.
  std::size_t unanswered_ = 0;
  std::size_t nodesComing_ = 0, processesComing_ = 0;  // Sign-ons that are not answered.
  /// What there was no room for, as it was when it was said.
  struct Deferred {
    std::uint64_t acknowledged = 0;
    std::size_t bytes = 0;  // About.
    wire::FromServer message;
  };
  std::deque<Deferred> deferred_;
  std::size_t deferredBytes_ = 0;
  bool over_ = false;
  wire::LockAnswered answered_;  // Kept for its memory.
};

template <typename Answer>
auto ServerSession::onStrand(Answer answer) {
  return [weak = weak_from_this(), run = all_.hooks().run,
          answer = std::move(answer)](const auto& reply) {
    run([weak, answer, reply] {
      const auto session = weak.lock();
      if (session && !session->over_) answer(*session, reply);
    });
  };
}

}  // namespace nephrite

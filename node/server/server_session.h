#pragma once

// Private to node.

#include <atomic>
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

/// What clients may name: all else is their own.
inline bool isPersistent(Oid oid) {
  return !oid.isNull() && oid.lifetime() == Lifetime::Persistent;
}

/// One session of a client node: its nodes and processes, and what it has asked for.
///
/// Answers come back through callbacks of the database, perhaps when the session is over: each
/// holds the session weakly, and an answer to nobody is dropped (what it granted went with the
/// session's nodes).
/// Threads: the strand of ServerSessions.
class ServerSession : public std::enable_shared_from_this<ServerSession> {
 public:
  ServerSession(ServerSessions& all, std::uint64_t number, const wire::SessionKey& key,
                const wire::Hello& hello);

  std::uint64_t number() const { return number_; }
  const wire::SessionKey& key() const { return key_; }
  wire::SessionStream& stream() { return stream_; }
  std::size_t nodeCount() const { return nodes_.size(); }
  bool hasNode(Oid node) const { return nodes_.contains(node); }

  const std::shared_ptr<ServerConnection>& connection() const { return connection_; }
  void attach(std::shared_ptr<ServerConnection> connection);
  void detach() { connection_ = nullptr; }

  /// Does what `message` asks. False when no client of ours could have sent it.
  bool handle(wire::FromClient& message);

  void send(const wire::FromServer& message);
  void sendEncoded(std::string_view message);
  /// An operator has signed it off: a process, or a node with its processes.
  void forget(LockerId locker);
  void forget(Oid node);
  /// Signs everything off.
  void end();
  bool isOver() const { return over_; }

 private:
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

  void forceOff(const wire::Force& message, AuditEntry& entry);

  /// A process, and its short way to its locks.
  struct Signed {
    Oid node;
    std::shared_ptr<QuickLocks> quick;  // Null when the database has none.
  };
  bool owns(LockerId locker) const { return processes_.contains(locker.value); }
  /// Null when it is not ours, or has no short way.
  QuickLocks* quickOf(LockerId locker) const;
  bool mayAsk(wire::RequestId id);
  bool maySignOn(wire::RequestId id);
  void fail(wire::RequestId id, ErrorCode code, const std::string& what);
  /// Runs `work` aside; what it returns, or the failure it throws, is sent.
  void aside(wire::RequestId id, std::function<wire::FromServer()> work);
  /// Runs `answer` on the strand if the session is still there then.
  template <typename Answer>
  auto later(Answer answer);
  /// Locks what can be locked at once, in order, and notes the answers in `answered_`; how many.
  std::size_t lockAtOnce(QuickLocks& quick, const LockRequest& request,
                         std::span<const wire::KnownTarget> targets);
  void sendAnswered(wire::RequestId id);
  /// What the database told, for who knows `knownEdition`.
  wire::LockReply replyFrom(const LockReply& told, std::uint32_t knownEdition);
  void answerLock(wire::RequestId id, const wire::LockReply& reply);
  void answerLocks(const wire::LockAll& message, const LockAllReply& told);
  void isInterestedIn(Oid oid);
  wire::FromServer look(const wire::Look& message) const;
  wire::ContentionReply contention(const wire::AskContention& message) const;
  wire::People peopleOf(const LockAnswer& answer) const;
  wire::People peopleOf(const std::vector<LockInfo>& locks) const;

  ServerSessions& all_;
  const std::uint64_t number_;
  const wire::SessionKey key_;
  const NodeOrigin origin_;  // But for the address.
  const bool takesGrants_, takesShort_;
  std::shared_ptr<ServerConnection> connection_;
  wire::SessionStream stream_;
  std::set<Oid> nodes_;
  std::map<std::uint64_t, Signed> processes_;
  // Commits that have perhaps not begun, by locker and request: set when they are cancelled.
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::shared_ptr<std::atomic<bool>>> commits_;
  std::size_t unanswered_ = 0;
  bool warnedSlow_ = false;
  bool over_ = false;
  wire::LockAnswered answered_;  // Kept for its memory.
};

template <typename Answer>
auto ServerSession::later(Answer answer) {
  return [weak = weak_from_this(), run = all_.hooks().run,
          answer = std::move(answer)](const auto& reply) {
    run([weak, answer, reply] {
      const auto session = weak.lock();
      if (session) answer(*session, reply);
    });
  };
}

}  // namespace nephrite

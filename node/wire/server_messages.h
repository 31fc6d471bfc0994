#pragma once

// Private to node: what a server node says to a client node, as values. The schema is wire.fbs,
// which see for what each message means; docs/wire.md for the order of things.

#include <boost/container/small_vector.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "locking/deadlock_record.h"
#include "node/wire/client_messages.h"
#include "objects/class_def.h"
#include "runtime/database/database.h"

namespace nephrite::wire {

/// The processes that a reply names: a name for each locker in it.
using ProcessInfos = std::vector<ProcessInfo>;
/// How a resource is shown: "resource nightly run".
struct ResourceName {
  Oid oid;
  std::string shown;
};
/// Of the resources that a message names.
using Names = std::vector<ResourceName>;

struct Welcome {
  std::uint16_t version = kVersion;
  std::string server;  ///< Version of the program.
  SessionKey session{};
  std::uint64_t epoch = 0;
  bool resumed = false;
  std::chrono::milliseconds keepAlive{};
  std::chrono::milliseconds grace{};
  std::chrono::milliseconds serverTimeout{};
  std::uint32_t maxFrame = 0;
  bool coherent = true;  ///< [JadeServer] AutomaticCacheCoherency...
  Oid system;
  Oid systemNodes;
  std::vector<ClassDef> classes;
  bool takesShort = false;  ///< Reads short messages (messages.h).
};
struct Refusal {
  RequestFailure failure;
  bool sessionGone = false;  ///< The session to be gone on with is over.
};
struct NodeReply {
  RequestId id = 0;
  nephrite::NodeReply reply;
  ProcessInfos people;
};
struct ProcessReply {
  RequestId id = 0;
  nephrite::ProcessReply reply;
  ProcessInfos people;
};
struct LockReply {
  nephrite::LockReply reply;  ///< `reply.lock.request` has target and type only.
  bool unchanged = false;     ///< `knownEdition` is the latest; no record.
  /// Now, whatever the answer: type, session, level, token, since, lease.
  std::optional<LockInfo> held;
};
/// An answer that has nothing else to say: granted at once, and the client needs no object.
struct LockGrant {
  FencingToken token;
  Instant since{};
  std::uint32_t place = 0;  ///< Of its order in the request.
  std::uint16_t level = 0;
  LockType type = LockType::Share;   ///< Held now.
  LockType session = LockType::Get;  ///< Held now.
};
struct LockAnswered {
  RequestId id = 0;
  std::vector<LockReply> replies;  ///< Of the places that `grants` leave out, in order.
  ProcessInfos people;
  /// Their places rise. Most often there is one, which needs no memory of its own.
  boost::container::small_vector<LockGrant, 1> grants;
  Names names = {};

  std::size_t count() const { return replies.size() + grants.size(); }
};
struct CommitReply {
  RequestId id = 0;
  nephrite::CommitReply reply;  ///< Never Unknown.
  ProcessInfos people;
  Names names = {};
};
struct ObjectReply {
  RequestId id = 0;
  RecordPtr record;
};
struct OidsReply {
  RequestId id = 0;
  std::vector<Oid> oids;
};
struct ClassReply {
  RequestId id = 0;
  ClassDef definition;
};
struct YesNo {
  RequestId id = 0;
  bool yes = false;
};
struct LocksReply {
  RequestId id = 0;
  std::vector<LockInfo> locks;  ///< `elapsed` is the age; `duration` of those held from `session`.
  ProcessInfos people;
  bool more = false;  ///< Here and below: the next message of this `id` goes on with the list.
  Names names = {};
  std::optional<LockCursor> next = {};  ///< Of a page: it is not the last one.
};
struct NodesReply {
  RequestId id = 0;
  std::vector<NodeInfo> nodes;
  bool more = false;
};
struct ProcessesReply {
  RequestId id = 0;
  ProcessInfos processes;
  bool more = false;
};
struct StatisticsReply {
  RequestId id = 0;
  LockStatistics statistics;
};
struct ContentionReply {
  RequestId id = 0;
  bool accepted = false;
  LockContentionState state;
  std::vector<LockContentionInfo> entries;
  ProcessInfos people;
  Names names = {};
};
struct DeadlocksReply {
  RequestId id = 0;
  std::vector<DeadlockRecord> records;
  ProcessInfos people;
  bool more = false;
  Names names = {};
};
/// How a server node is doing.
struct Status {
  std::string version;
  std::uint32_t pid = 0;
  WallTime started{};
  std::uint32_t sessions = 0;
  std::uint32_t nodes = 0;
  std::uint32_t processes = 0;
  std::uint64_t locksHeld = 0;
  std::uint64_t requestsWaiting = 0;
  bool draining = false;
  std::uint64_t committed = 0;
  std::uint64_t epoch = 0;
  std::uint64_t lostSessions = 0;
  std::uint64_t bytesQueued = 0;  ///< Not yet taken by clients.
  std::uint64_t framesIn = 0;
  std::uint64_t framesOut = 0;
  std::uint64_t logLinesDropped = 0;
  std::string trouble;  ///< Why the server cannot do its work, and what to do; empty: it can.
};
struct StatusReply {
  RequestId id = 0;
  Status status;
};
struct FailureReply {
  RequestId id = 0;
  RequestFailure failure;
};
struct Stale {
  Oid oid;
  std::uint32_t edition = 0;  ///< The latest; 0: deleted.
};
struct Invalidate {
  std::vector<Stale> objects;
  bool all = false;
};
struct ClassesChanged {
  std::vector<ClassDef> classes;
};
struct LockBroken {
  LockerId locker;
  Oid target;
};
struct SignedOff {
  LockerId locker;
  std::string reason;
};
struct Notice {
  std::string what;
  std::optional<std::chrono::milliseconds> serverTimeout = {};  ///< When it has changed.
};
struct ResourceReply {
  RequestId id = 0;
  Oid oid;
};
struct LockLapsed {
  LockRequest lock;  ///< Locker, target, type, duration and lease.
  FencingToken token;
  Names name = {};  ///< Of a resource: one.
};
/// What a process holds since a child of it left it its locks.
struct LocksInherited {
  LockerId locker;
  std::vector<LockInfo> locks;  ///< Target and what LockReply::held says; Get: nothing is held.
};

using FromServer =
    std::variant<Welcome, Refusal, Ping, NodeReply, ProcessReply, LockAnswered, CommitReply,
                 ObjectReply, OidsReply, ClassReply, YesNo, LocksReply, NodesReply, ProcessesReply,
                 StatisticsReply, ContentionReply, DeadlocksReply, StatusReply, FailureReply,
                 Invalidate, ClassesChanged, LockBroken, SignedOff, Notice, ResourceReply,
                 LockLapsed, LocksInherited>;

}  // namespace nephrite::wire

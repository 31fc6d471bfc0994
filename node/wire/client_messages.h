#pragma once

// Private to node: what a client node says to a server node, as values. The schema is wire.fbs,
// which see for what each message means; docs/wire.md for the order of things.

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "locking/lock_page.h"
#include "objects/class_def.h"
#include "runtime/database/database.h"

namespace nephrite::wire {

inline constexpr std::uint16_t kVersion = 3;
inline constexpr std::uint16_t kLeastVersion = 1;  ///< Both sides still speak it.
inline constexpr std::uint16_t kScopeVersion = 3;  ///< Since which a lock has a scope.

/// Names a session, and proves that its sender is the session's client: 128 random bits.
using SessionKey = std::array<std::uint8_t, 16>;
using RequestId = std::uint64_t;

struct Hello {
  std::uint16_t versionLow = kLeastVersion;
  std::uint16_t versionHigh = kVersion;
  std::string host;
  std::string program;
  std::uint32_t pid = 0;
  std::optional<SessionKey> session;  ///< To go on with.
  std::uint64_t epoch = 0;            ///< Of the server that gave `session`.
  std::optional<SessionKey> replaces;
  bool takesGrants = false;  ///< Reads `grants` of LockAnswered.
  bool takesShort = false;   ///< Reads short messages (messages.h).
  bool takesParts = false;   ///< Reads lists in parts: `more` of a reply.
};
struct Ping {};
struct Goodbye {};
struct SignOnNode {
  RequestId id = 0;
  std::string name;
  std::optional<std::chrono::milliseconds> backgroundTimeout;
  Face face = Face::Jade;
  std::string faceOwner = {};
};
struct SignOffNode {
  Oid node;
};
struct SignOnProcess {
  RequestId id = 0;
  ProcessSignOn who;
};
struct SignOffProcess {
  LockerId locker;
  bool inherit = false;     ///< Its locks go to its parent ...
  std::uint16_t level = 0;  ///< ... which has so many load and lock states open.
};
struct KnownRequest {
  ObjectLockRequest order;
  std::uint32_t knownEdition = 0;  ///< In the client's cache; 0: none.
};
struct Lock {
  RequestId id = 0;
  KnownRequest order;
};
struct KnownTarget {
  Oid oid;
  std::uint32_t knownEdition = 0;
  Existence existence = Existence::Required;
};
/// ObjectLockBatch, of at least one target.
struct LockAll {
  RequestId id = 0;
  LockRequest request;  ///< Its target does not count.
  std::vector<KnownTarget> targets;

  KnownRequest at(std::size_t place) const {
    const KnownTarget& target = targets[place];
    KnownRequest one{{request, target.existence}, target.knownEdition};
    one.order.request.target = {target.oid.bits()};
    return one;
  }
};
struct Cancel {
  LockerId locker;
  std::uint64_t request = 0;
};
struct Unlock {
  LockerId locker;
  Oid target;
};
struct ReleaseTransaction {
  LockerId locker;
};
struct ReleaseLevel {
  LockerId locker;
  std::uint16_t level = 0;
};
struct Fetch {
  RequestId id = 0;
  Oid oid;
};
struct Instances {
  RequestId id = 0;
  Oid::ClassNumber classNumber = 0;
  Oid after;
  std::uint64_t maxEntries = 0;
};
struct NewOids {
  RequestId id = 0;
  Oid::ClassNumber classNumber = 0;
  std::uint32_t count = 0;
};
struct DefineClass {
  RequestId id = 0;
  ClassDef definition;
};
struct Commit {
  RequestId id = 0;
  CommitRequest request;  ///< Persistent; `changes.id.process` is the locker of `upgrade`.
};
struct AskOutcome {
  RequestId id = 0;
  CommitId commit;
};
enum class Subject : std::uint8_t {
  LocksHeld,
  QueuedRequests,
  LocksOn,  ///< `oid`
  LocksOf,  ///< `locker`
  Nodes,
  Processes,
  Describe,  ///< `locker`; a ProcessesReply of one or none.
  Statistics,
  Deadlocks,
  Status,
};
struct Look {
  RequestId id = 0;
  Subject subject = Subject::LocksHeld;
  Oid oid;
  LockerId locker;
  std::uint64_t maxEntries = 0;
  std::uint64_t page = 0;  ///< Of locks: so many after `after`; 0: at most `maxEntries`.
  LockCursor after = {};
};
enum class ContentionVerb : std::uint8_t { Begin, Clear, End, State, List, Of };
struct AskContention {
  RequestId id = 0;
  ContentionVerb verb = ContentionVerb::State;
  LockerId locker;
  std::uint64_t size = 0;   ///< Begin: of the table. List: at most so many.
  std::uint64_t least = 0;  ///< List: contentions.
  Oid oid;
};
/// Breaks the lock of `locker` on `target`; with a null target signs `locker` off.
struct Force {
  RequestId id = 0;
  LockerId locker;
  Oid target;
  Operator by;
};

/// As Database::renew(). `id` 0: no answer is wanted.
struct Renew {
  RequestId id = 0;
  LockerId locker;
  Oid target;
  Renewal by = Renewal::Request;
};
struct AskResource {
  RequestId id = 0;
  std::string name;  ///< Any bytes.
};
/// The client does not use it any more, having been told of it so many times.
struct DropResource {
  Oid oid;
  std::uint64_t times = 0;
};

using FromClient =
    std::variant<Hello, Ping, Goodbye, SignOnNode, SignOffNode, SignOnProcess, SignOffProcess, Lock,
                 LockAll, Cancel, Unlock, ReleaseTransaction, ReleaseLevel, Fetch, Instances,
                 NewOids, DefineClass, Commit, AskOutcome, Look, AskContention, Force, Renew,
                 AskResource, DropResource>;

/// The version since which a message can be said as it is.
std::uint16_t versionOf(const FromClient& message);

}  // namespace nephrite::wire

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "locking/lock_request.h"
#include "objects/oid.h"

namespace nephrite {

/// Where a node runs. Empty fields are not known.
struct NodeOrigin {
  std::string address;  ///< "127.0.0.1:40112", "unix"; "local" in the server's own program.
  std::string host;
  std::string program;
  std::uint32_t pid = 0;
};

/// Through what a process came: what its owner speaks. Source: docs/locking.md, section 15.
enum class Face : std::uint8_t {
  Jade,  ///< An application, through runtime/nephrite.h.
  Rest,
  Clasp,
  Robot,
  Locks,  ///< `nephrite lock`.
};
/// "jade", "rest", "clasp", "robot", "locks".
std::string_view nameOf(Face face);

/// What people ask of a process at three in the morning: readable after it is gone.
struct ProcessInfo {
  LockerId locker;   ///< Null when unknown: it has signed off long ago.
  Oid oid;           ///< Its Process object, "Process/187.n".
  std::string name;  ///< What it calls itself.
  std::string user;
  std::string node;     ///< Name of its node.
  std::string address;  ///< Of its node (NodeOrigin).
  bool background = false;
  WallTime signedOn{};
  LockerId parent;  ///< Null: none. See docs/locking.md, section 8.
  Face face = Face::Jade;
  std::string faceOwner;  ///< What the face calls the owner: a user, an address, an agent.

  /// "rest", "rest mia at 10.0.0.7"; empty: an application, of which there is no more to say.
  std::string through() const;
};

/// One node of the database: a program that holds processes.
struct NodeInfo {
  Oid oid;  ///< "Node/186.n".
  std::string name;
  Oid processes;    ///< Its dictionary of processes, lockable.
  LockerId locker;  ///< Its housekeeping process: a background process.
  NodeOrigin origin;
  /// Of server-defined waits of its background processes; empty: the database's own default.
  std::optional<std::chrono::milliseconds> backgroundTimeout;
  WallTime signedOn{};
};

struct NodeSignOn {
  std::string name;
  NodeOrigin origin = {"local", {}, {}, 0};
  std::optional<std::chrono::milliseconds> backgroundTimeout = {};
  /// Of its processes, unless they say otherwise: see ProcessInfo.
  Face face = Face::Jade;
  std::string faceOwner = {};
};

/// What became of a commit whose answer was lost. Only asked of processes that are gone.
enum class CommitOutcome : std::uint8_t { NotCommitted, Committed };

}  // namespace nephrite

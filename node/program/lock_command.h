#pragma once

// Private to node.

#include <chrono>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "locking/lock_timeout.h"
#include "locking/lock_type.h"
#include "node/program/operator_commands.h"

namespace nephrite {

struct LockCommand {
  OperatorOptions where;  ///< The server.
  std::string resource;
  LockType type = LockType::Exclusive;
  LockTimeout timeout = LockTimeout::serverDefined();
  std::optional<std::chrono::milliseconds> ttl{};  ///< The lease; empty: as long as the session.
  std::chrono::milliseconds grace{5'000};          ///< Between SIGTERM and SIGKILL.
  std::vector<std::string> command;
};

/// `nephrite lock`: runs a command while this program holds the lock on a resource. Returns the
/// command's exit status; 128 and the number of the signal that ended it, or that came before it
/// was started; 126 or 127 when it cannot be executed or found; 75 (EX_TEMPFAIL) when the lock is
/// not to be had, or was lost before the command had ended, which is ended then; 2 for wrong use.
/// `err` says why. To be called before the program has opened a file or started a thread.
int lockCommand(const LockCommand& command, std::ostream& err);

}  // namespace nephrite

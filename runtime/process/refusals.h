#pragma once

// Private to runtime: from the values of refused steps to exceptions that name names.

#include "runtime/database.h"
#include "runtime/exceptions.h"
#include "runtime/process/session.h"

namespace nephrite {

/// The facts of a lock that was not granted. `asked` is the timeout as the caller put it.
LockFacts factsOf(const Database& database, const LockAnswer& answer, LockTimeout asked);

/// Throws what `result` stands for; it is not Done. `target` is what the step was about.
[[noreturn]] void throwRefusal(const Database& database, const StepResult& result, Oid target,
                               LockTimeout asked);

/// Throws the exception of `code` about `target`.
[[noreturn]] void throwError(const Database& database, ErrorCode code, Oid target,
                             const std::string& failure = {});

}  // namespace nephrite

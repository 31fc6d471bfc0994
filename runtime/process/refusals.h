#pragma once

// Private to runtime: from the values of refused steps to exceptions that name names.

#include <exception>
#include <string>

#include "base/function_ref.h"
#include "runtime/database/database.h"
#include "runtime/errors/exceptions.h"
#include "runtime/process/process_machine.h"

namespace nephrite {

/// The facts of a lock that was not granted. `asked` is the timeout as the caller put it.
LockFacts factsOf(const Database& database, const LockAnswer& answer, LockTimeout asked);

/// Throws what `result` stands for; it is not Done. `target` is what the step was about.
[[noreturn]] void throwRefusal(const Database& database, const StepResult& result, Oid target,
                               LockTimeout asked);

/// Throws the exception of `code` about `target`.
[[noreturn]] void throwError(const Database& database, ErrorCode code, Oid target,
                             const std::string& failure = {});

/// What the exception says of itself.
std::string describe(const std::exception_ptr& exception);

/// Runs `action` for a destructor: what it throws is logged as `event` of `subject`, and goes no
/// further.
void logFailure(std::string_view event, std::string_view subject,
                FunctionRef<void()> action) noexcept;

}  // namespace nephrite

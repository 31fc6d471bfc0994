#pragma once

namespace nephrite {

/// Reports a broken invariant (what, where) on standard error and aborts.
[[noreturn]] void checkFailed(const char* expression, const char* file, int line) noexcept;

}  // namespace nephrite

/// Stops the process when `expression` is false, in every build: a node that goes on
/// with a broken lock table corrupts data. For our own mistakes only; what users or the
/// world get wrong is an exception or a refused request.
#define NEPHRITE_CHECK(expression) \
  ((expression) ? static_cast<void>(0) : ::nephrite::checkFailed(#expression, __FILE__, __LINE__))

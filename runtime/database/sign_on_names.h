#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "runtime/database/database.h"

namespace nephrite {

/// Names of nodes, processes and users, and where nodes run, are at most this long: each is kept as
/// long as the process is known, and is repeated in every refusal and listing that names it.
inline constexpr std::size_t kMostNameBytes = 255;
/// What a face calls the owner of a process.
inline constexpr std::size_t kMostFaceOwnerBytes = 200;
/// The reason that an operator gives.
inline constexpr std::size_t kMostReasonBytes = 1'023;

/// Why `text` cannot be what `what` is called ("the name of a process"); empty when it can: it is
/// UTF-8 and not longer than `most` bytes.
std::optional<RequestFailure> faultOfName(std::string_view what, std::string_view text,
                                          std::size_t most = kMostNameBytes);
std::optional<RequestFailure> faultOfNames(const NodeSignOn& who);
std::optional<RequestFailure> faultOfNames(const ProcessSignOn& who);
std::optional<RequestFailure> faultOfNames(const Operator& who);
/// Why no resource can have this name; empty: it can.
std::optional<RequestFailure> faultOfResource(std::string_view name);

}  // namespace nephrite

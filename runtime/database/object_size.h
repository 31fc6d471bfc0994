#pragma once

#include <cstddef>
#include <optional>

#include "objects/class_def.h"
#include "objects/object_record.h"
#include "runtime/database/object_lock_request.h"

namespace nephrite {

/// What limits how large an object may be: it must fit into one message between nodes.
inline constexpr const char* kObjectSizeParameter = "[NephriteServer] MaxFrameSize";

/// The size of an object as limits count it: the bytes that it takes in a message between nodes, at
/// most.
std::size_t sizeOf(const ObjectRecord& record);

/// Why `record` may not be stored or sent where `most` bytes are allowed; empty when it may.
std::optional<RequestFailure> faultOfSize(const ObjectRecord& record, std::size_t most,
                                          const Schema& schema);

}  // namespace nephrite

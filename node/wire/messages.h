#pragma once

// Private to node: what a client node and a server node say to each other, as values and as bytes.

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "node/wire/client_messages.h"
#include "node/wire/server_messages.h"

namespace nephrite::wire {

/// The bytes are no message: what is wrong with them, for the log.
class WireError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The bytes of a message, without its frame (frame.h). `now`: the sender's clock, to which the
/// message's ages are relative.
std::string encode(const FromClient& message, Instant now);
std::string encode(const FromServer& message, Instant now);
/// The same without a copy: the bytes stay until this thread encodes the next message.
std::string_view encodeInPlace(const FromClient& message, Instant now);
std::string_view encodeInPlace(const FromServer& message, Instant now);
std::string_view encodeInPlace(const LockAnswered& message, Instant now);
std::string_view encodeInPlace(const Lock& message, Instant now);
std::string_view encodeInPlace(const LockAll& message, Instant now);

/// The same as short messages, structs in a row, for a receiver that takes them (`takesShort`):
/// they stay as long.
std::string_view encodeShort(const Lock& message);
std::string_view encodeShort(const Unlock& message);
/// Null unless its objects are close to each other.
std::optional<std::string_view> encodeShort(const LockAll& message);
/// Null unless `message` is grants of one kind, close to each other, and nothing else.
std::optional<std::string_view> encodeShort(const LockAnswered& message, Instant now);

/// `now`: the receiver's clock. Whatever the bytes, ends in a message whose every enum and length
/// is valid, or in WireError; allocates in proportion to their number. What only the receiver can
/// judge (whose locker it is, whether an Oid is persistent) is left to it.
FromClient decodeFromClient(std::span<const std::uint8_t> bytes, Instant now);
FromServer decodeFromServer(std::span<const std::uint8_t> bytes, Instant now);

}  // namespace nephrite::wire

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "node/wire/messages.h"
#include "tests/wire/every_field.h"

namespace nephrite::wire {

/// The clock of whoever encodes and decodes here.
inline constexpr Instant kNow{std::chrono::hours(1)};

inline std::span<const std::uint8_t> bytesOf(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// What decoding these bytes says is wrong with them, or "no error".
std::string errorOfClient(std::string_view bytes);
std::string errorOfServer(std::string_view bytes);

/// One of each message, in the order of its union, with every field that is sent set to a value of
/// its own.
std::vector<FromClient> fullMessagesOfClient();
std::vector<FromServer> fullMessagesOfServer();

/// The worked example of docs/wire.md.
Lock exampleLock();
Hello exampleHello();
/// Its answer: one grant and nothing else.
LockAnswered exampleGrant();
/// Two locks that are asked for together, and their answer.
LockAll exampleLocks();
LockAnswered exampleGrants();

/// One of each type; a Decimal of 38 digits, text of more than one byte a character.
std::vector<Value> someValues();

// Not sent, because it goes without saying: of a refusal which object, of a reply's request all but
// target and type, of a lock that is held what the answer says, and that commits are of persistent
// objects.
template <>
Refusal withUnsentFields(Refusal refusal);
template <>
LockAnswer withUnsentFields(LockAnswer answer);
// No client node asks for a scope yet.
// What only faces ask for a client node does not.
template <>
LockRequest withUnsentFields(LockRequest request);
template <>
LockAll withUnsentFields(LockAll many);
template <>
LockReply withUnsentFields(LockReply reply);
template <>
LockLapsed withUnsentFields(LockLapsed lapsed);
template <>
LocksInherited withUnsentFields(LocksInherited left);
template <>
CommitRequest withUnsentFields(CommitRequest request);

}  // namespace nephrite::wire

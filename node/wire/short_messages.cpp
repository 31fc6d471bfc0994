// The messages that come all the time, each in one struct.

#include <array>
#include <cstring>
#include <type_traits>

#include "node/wire/reader.h"
#include "node/wire/writer.h"

namespace nephrite::wire {
namespace {

using fb::ShortKind;

// The offset of a table is less than the length of any message.
constexpr std::uint32_t kLeastKind = 0x8000'0000;

std::uint32_t numberOf(ShortKind kind) { return static_cast<std::uint32_t>(kind); }

template <class Short>
std::string_view bytesOf(const Short& message) {
  static_assert(std::is_trivially_copyable_v<Short> && sizeof(Short) % sizeof(std::uint64_t) == 0);
  thread_local std::array<char, 64> bytes;
  static_assert(sizeof(Short) <= sizeof(bytes));
  std::memcpy(bytes.data(), &message, sizeof(Short));
  return {bytes.data(), sizeof(Short)};
}

template <class Short>
Short structOf(std::span<const std::uint8_t> bytes) {
  Short message;
  if (bytes.size() != sizeof(Short)) {
    throw WireError("a short message has " + std::to_string(bytes.size()) + " bytes instead of " +
                    std::to_string(sizeof(Short)));
  }
  std::memcpy(&message, bytes.data(), sizeof(Short));
  return message;
}

[[noreturn]] void throwUnknown(const char* who, ShortKind kind) {
  throw WireError(std::string(who) + " says nothing short of kind " +
                  std::to_string(numberOf(kind) - kLeastKind));
}

}  // namespace

std::optional<ShortKind> shortKindOf(std::span<const std::uint8_t> bytes) {
  std::uint32_t first = 0;
  if (bytes.size() < sizeof(first)) return std::nullopt;
  std::memcpy(&first, bytes.data(), sizeof(first));
  first = flatbuffers::EndianScalar(first);
  return first < kLeastKind ? std::nullopt : std::optional(static_cast<ShortKind>(first));
}

std::string_view encodeShort(const Lock& message) {
  return bytesOf(
      fb::ShortLock(numberOf(ShortKind::Lock), message.id, pack(writer({}), message.order)));
}

std::string_view encodeShort(const Unlock& message) {
  return bytesOf(
      fb::ShortUnlock(numberOf(ShortKind::Unlock), message.locker.value, message.target.bits()));
}

std::optional<std::string_view> encodeShort(const LockAnswered& message, Instant now) {
  const bool isGrant = message.grants.size() == 1 && message.count() == 1;
  if (!isGrant || !message.people.empty()) return std::nullopt;
  return bytesOf(fb::ShortGrant(numberOf(ShortKind::Grant), message.id,
                                pack(writer(now), message.grants.front())));
}

FromClient unpackShortFromClient(ShortKind kind, std::span<const std::uint8_t> bytes) {
  Reader in(bytes.size(), {});
  switch (kind) {
    case ShortKind::Lock: {
      const auto wish = structOf<fb::ShortLock>(bytes);
      return Lock{wish.id(), unpack(in, wish.order())};
    }
    case ShortKind::Unlock: {
      const auto wish = structOf<fb::ShortUnlock>(bytes);
      return Unlock{{wish.locker()}, Oid::fromBits(wish.target())};
    }
    default: throwUnknown("a client", kind);
  }
}

FromServer unpackShortFromServer(ShortKind kind, std::span<const std::uint8_t> bytes, Instant now) {
  if (kind != ShortKind::Grant) throwUnknown("a server", kind);
  const auto grant = structOf<fb::ShortGrant>(bytes);
  Reader in(bytes.size(), now);
  FromServer told(std::in_place_type<LockAnswered>);
  LockAnswered& answered = std::get<LockAnswered>(told);
  answered.id = grant.id();
  answered.grants.push_back(unpack(in, grant.grant()));
  if (answered.grants.front().place != 0) throw WireError("a grant is out of place");
  return told;
}

}  // namespace nephrite::wire

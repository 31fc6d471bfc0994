// The messages that come all the time, as structs in a row.

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

#include "node/wire/reader.h"
#include "node/wire/writer.h"

namespace nephrite::wire {
namespace {

using fb::ShortKind;

// The offset of a table is less than the length of any message.
constexpr std::uint32_t kLeastKind = 0x8000'0000;

std::uint32_t numberOf(ShortKind kind) { return static_cast<std::uint32_t>(kind); }

/// This thread's, empty.
std::string& bytes() {
  constexpr std::size_t kKept = std::size_t{256} * 1024;  // What was large once is not kept.
  thread_local std::string mine;
  if (mine.capacity() > kKept) mine = {};
  mine.clear();
  return mine;
}

template <class Short>
void append(std::string& to, const Short& part) {
  static_assert(std::is_trivially_copyable_v<Short> && sizeof(Short) % sizeof(std::uint64_t) == 0);
  to.append(reinterpret_cast<const char*>(&part), sizeof(Short));
}

template <class Short>
std::string_view bytesOf(const Short& message) {
  static_assert(std::is_trivially_copyable_v<Short> && sizeof(Short) % sizeof(std::uint64_t) == 0);
  thread_local std::array<char, 64> mine;
  static_assert(sizeof(Short) <= sizeof(mine));
  std::memcpy(mine.data(), &message, sizeof(Short));
  return {mine.data(), sizeof(Short)};
}

void needSize(std::span<const std::uint8_t> bytes, std::uint64_t size) {
  if (bytes.size() == size) return;
  throw WireError("a short message has " + std::to_string(bytes.size()) + " bytes instead of " +
                  std::to_string(size));
}

template <class Short>
Short structAt(std::span<const std::uint8_t> bytes, std::size_t at) {
  Short part;
  std::memcpy(&part, bytes.data() + at, sizeof(Short));
  return part;
}

template <class Short>
Short structOf(std::span<const std::uint8_t> bytes) {
  needSize(bytes, sizeof(Short));
  return structAt<Short>(bytes, 0);
}

/// What begins with `Head`, and has as many times `Part` behind it as that says.
template <class Head, class Part>
class Row {
 public:
  explicit Row(std::span<const std::uint8_t> bytes) : bytes_(bytes) {
    if (bytes.size() < sizeof(Head)) needSize(bytes, sizeof(Head));
    head_ = structAt<Head>(bytes, 0);
    needSize(bytes, sizeof(Head) + std::uint64_t{head_.count()} * sizeof(Part));
  }

  const Head& head() const { return head_; }
  std::uint32_t count() const { return head_.count(); }
  Part part(std::size_t index) const {
    return structAt<Part>(bytes_, sizeof(Head) + index * sizeof(Part));
  }

 private:
  const std::span<const std::uint8_t> bytes_;
  Head head_;
};

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

std::optional<std::string_view> encodeShort(const LockAll& message) {
  if (message.targets.empty()) return std::nullopt;
  const std::uint64_t first = message.targets.front().oid.bits();
  KnownRequest order{{message.request}};
  order.order.request.target = {first};
  std::string& to = bytes();
  to.reserve(sizeof(fb::ShortLockAll) + message.targets.size() * sizeof(fb::ShortTarget));
  append(to, fb::ShortLockAll(numberOf(ShortKind::LockAll),
                              static_cast<std::uint32_t>(message.targets.size()), message.id,
                              pack(writer({}), order)));
  for (const KnownTarget& one : message.targets) {
    const std::uint64_t further = one.oid.bits() - first;
    if (further > UINT32_MAX || one.existence != Existence::Required) return std::nullopt;
    append(to, fb::ShortTarget(static_cast<std::uint32_t>(further), one.knownEdition));
  }
  return to;
}

namespace {

std::optional<std::string_view> grants(const LockAnswered& message, Instant now) {
  const LockGrant& first = message.grants.front();
  std::string& to = bytes();
  to.reserve(sizeof(fb::ShortGrants) + message.grants.size() * sizeof(fb::ShortToken));
  append(to, fb::ShortGrants(numberOf(ShortKind::Grants),
                             static_cast<std::uint32_t>(message.grants.size()), message.id,
                             pack(writer(now), first)));
  for (const LockGrant& grant : message.grants) {
    const std::uint64_t further = grant.token.value - first.token.value;
    const auto younger = static_cast<std::uint64_t>((grant.since - first.since).count());
    const bool isClose = further <= UINT32_MAX && younger <= UINT32_MAX;
    const bool isAlike =
        grant.level == first.level && grant.type == first.type && grant.session == first.session;
    if (!isClose || !isAlike) return std::nullopt;
    append(to, fb::ShortToken(static_cast<std::uint32_t>(further),
                              static_cast<std::uint32_t>(younger)));
  }
  return to;
}

}  // namespace

std::optional<std::string_view> encodeShort(const LockAnswered& message, Instant now) {
  if (message.grants.empty() || !message.replies.empty() || !message.people.empty()) return {};
  if (message.grants.size() > 1) return grants(message, now);
  return bytesOf(fb::ShortGrant(numberOf(ShortKind::Grant), message.id,
                                pack(writer(now), message.grants.front())));
}

namespace {

LockAll unpackLockAll(Reader& in, const Row<fb::ShortLockAll, fb::ShortTarget>& row) {
  LockAll all{row.head().id(), unpack(in, row.head().order()).order.request, {}};
  const std::uint64_t first = std::exchange(all.request.target, {}).value;
  all.targets.reserve(row.count());
  for (std::size_t i = 0; i < row.count(); ++i) {
    const fb::ShortTarget part = row.part(i);
    all.targets.push_back({Oid::fromBits(first + part.further()), part.known_edition()});
  }
  return all;
}

void unpackGrants(Reader& in, const Row<fb::ShortGrants, fb::ShortToken>& row, LockAnswered& all) {
  all.id = row.head().id();
  LockGrant grant = unpack(in, row.head().grant());
  const std::uint64_t first = grant.token.value;
  const std::int64_t age = std::max<std::int64_t>(row.head().grant().age(), 0);
  all.grants.reserve(row.count());
  for (grant.place = 0; grant.place < row.count(); ++grant.place) {
    const fb::ShortToken part = row.part(grant.place);
    grant.token = {first + part.further()};
    grant.since = in.instant(age - std::int64_t{part.younger()});
    all.grants.push_back(grant);
  }
}

}  // namespace

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
    case ShortKind::LockAll:
      return unpackLockAll(in, Row<fb::ShortLockAll, fb::ShortTarget>(bytes));
    default: throwUnknown("a client", kind);
  }
}

FromServer unpackShortFromServer(ShortKind kind, std::span<const std::uint8_t> bytes, Instant now) {
  Reader in(bytes.size(), now);
  FromServer told(std::in_place_type<LockAnswered>);
  LockAnswered& answered = std::get<LockAnswered>(told);
  if (kind == ShortKind::Grants) {
    unpackGrants(in, Row<fb::ShortGrants, fb::ShortToken>(bytes), answered);
  } else if (kind == ShortKind::Grant) {
    const auto grant = structOf<fb::ShortGrant>(bytes);
    answered.id = grant.id();
    answered.grants.push_back(unpack(in, grant.grant()));
    if (answered.grants.front().place != 0) throw WireError("a grant is out of place");
  } else {
    throwUnknown("a server", kind);
  }
  return told;
}

}  // namespace nephrite::wire

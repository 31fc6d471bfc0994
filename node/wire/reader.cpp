#include "node/wire/reader.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "objects/text.h"

namespace nephrite::wire {

void Reader::charge(std::size_t bytes) {
  if (bytes > left_) throw WireError("the message says the same thing over and over");
  left_ -= bytes;
}

std::string Reader::text(const flatbuffers::String* text, const char* what) {
  if (text == nullptr) return {};
  charge(text->size());
  const std::string_view bytes(text->c_str(), text->size());
  if (const auto bad = findInvalidUtf8(bytes)) {
    throw WireError(std::string(what) + " is not UTF-8 at byte " + std::to_string(*bad));
  }
  return std::string(bytes);
}

std::string Reader::prose(const flatbuffers::String* text) {
  if (text == nullptr) return {};
  charge(text->size());
  std::string bytes(text->c_str(), text->size());
  for (std::size_t at = 0; const auto bad = findInvalidUtf8(std::string_view(bytes).substr(at));) {
    at += *bad;
    bytes[at++] = '?';
  }
  return bytes;
}

Instant Reader::instant(std::int64_t age) const {
  constexpr std::int64_t kLongAgo = std::int64_t{1} << 61;  // 73 years.
  return now_ + -Duration(std::clamp<std::int64_t>(age, 0, kLongAgo));
}

std::span<const std::uint8_t> aligned(std::span<const std::uint8_t> bytes,
                                      std::vector<std::uint64_t>& keep) {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % kWord == 0) return bytes;
  keep.resize(bytes.size() / kWord + 1);
  std::memcpy(keep.data(), bytes.data(), bytes.size());
  return {reinterpret_cast<const std::uint8_t*>(keep.data()), bytes.size()};
}

LockTimeout timeoutOf(std::int32_t number) {
  if (number < LockTimeout::kImmediate) {
    throw WireError("there is no timeout " + std::to_string(number));
  }
  return LockTimeout::ofMilliseconds(number);
}

LeaseTerms leaseOf(std::int64_t milliseconds, fb::Renewal renewedBy) {
  return {std::chrono::milliseconds(milliseconds),
          inRange<Renewal>(renewedBy, "way to renew a lease")};
}

std::chrono::milliseconds waitOf(std::int32_t number, const char* what) {
  if (number < 0) throw WireError(std::string(what) + " is " + std::to_string(number) + " ms");
  return std::chrono::milliseconds(number);
}

std::optional<std::chrono::milliseconds> optionalWaitOf(std::int32_t number, const char* what) {
  if (number == -1) return std::nullopt;
  return waitOf(number, what);
}

Duration durationOf(std::int64_t nanoseconds) {
  return Duration(std::max<std::int64_t>(nanoseconds, 0));
}

WallTime wallTimeOf(std::int64_t microseconds) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 1000;
  if (microseconds < -kMost || microseconds > kMost) throw WireError("a time is not in our era");
  return WallTime(std::chrono::microseconds(microseconds));
}

}  // namespace nephrite::wire

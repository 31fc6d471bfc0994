#include "objects/text.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <stdexcept>

namespace nephrite {
namespace {

bool isAscii(std::string_view text) {
  constexpr std::uint64_t kBeyondAscii = 0x8080808080808080ull;
  std::array<std::uint64_t, 4> many{};
  for (; text.size() >= sizeof(many); text.remove_prefix(sizeof(many))) {
    std::memcpy(many.data(), text.data(), sizeof(many));
    if (((many[0] | many[1] | many[2] | many[3]) & kBeyondAscii) != 0) return false;
  }
  std::uint64_t eight = 0;
  for (; text.size() >= sizeof(eight); text.remove_prefix(sizeof(eight))) {
    std::memcpy(&eight, text.data(), sizeof(eight));
    if ((eight & kBeyondAscii) != 0) return false;
  }
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// The code point at `at`, and `at` moved behind it; negative when the bytes are no UTF-8.
UChar32 nextCodePoint(std::string_view text, std::size_t& at) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  UChar32 codePoint = 0;
  U8_NEXT(bytes, at, text.size(), codePoint);
  return codePoint;
}

[[noreturn]] void throwIcu(UErrorCode code) {
  throw std::runtime_error(std::string("ICU could not normalise text: ") + u_errorName(code) +
                           "; is the ICU data file installed?");
}

}  // namespace

std::optional<std::size_t> findInvalidUtf8(std::string_view text) {
  if (isAscii(text)) return std::nullopt;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    if (nextCodePoint(text, at) < 0) return start;
  }
  return std::nullopt;
}

std::string normalizeText(std::string_view utf8) {
  if (isAscii(utf8)) return std::string(utf8);
  if (const auto bad = findInvalidUtf8(utf8)) {
    throw std::invalid_argument("text is not valid UTF-8 at byte offset " + std::to_string(*bad) +
                                " of " + std::to_string(utf8.size()));
  }
  if (utf8.size() > INT32_MAX) {
    throw std::invalid_argument("text of " + std::to_string(utf8.size()) +
                                " bytes is too long; at most 2147483647 bytes");
  }
  UErrorCode code = U_ZERO_ERROR;
  const icu::Normalizer2* nfc = icu::Normalizer2::getNFCInstance(code);
  if (U_FAILURE(code)) throwIcu(code);
  const icu::StringPiece piece(utf8.data(), static_cast<std::int32_t>(utf8.size()));
  if (nfc->isNormalizedUTF8(piece, code) && U_SUCCESS(code)) return std::string(utf8);

  std::string normal;
  icu::StringByteSink<std::string> sink(&normal, piece.length());
  code = U_ZERO_ERROR;
  nfc->normalizeUTF8(0, piece, sink, nullptr, code);
  if (U_FAILURE(code)) throwIcu(code);
  return normal;
}

void normalizeInPlace(std::string& utf8) {
  if (!isAscii(utf8)) utf8 = normalizeText(utf8);
}

std::string normalizeName(std::string_view name, std::string_view what) {
  std::string normal = normalizeText(name);
  const std::string prefix = std::string(what) + " \"" + normal + "\" ";
  std::size_t count = 0;
  for (std::size_t at = 0; at < normal.size(); ++count) {
    const std::size_t start = at;
    const UChar32 codePoint = nextCodePoint(normal, at);
    const auto property = start == 0 ? UCHAR_XID_START : UCHAR_XID_CONTINUE;
    if (codePoint == '_' || u_hasBinaryProperty(codePoint, property)) continue;
    throw std::invalid_argument(prefix + "may not have the character at byte offset " +
                                std::to_string(start) +
                                "; use a letter or _ first, then letters, digits and _");
  }
  if (count == 0) throw std::invalid_argument(std::string(what) + " is empty; give it a name");
  if (count > kMaxNameCodePoints) {
    throw std::invalid_argument(prefix + "is " + std::to_string(count) +
                                " characters long; at most " + std::to_string(kMaxNameCodePoints));
  }
  return normal;
}

}  // namespace nephrite

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace nephrite {

// Text is UTF-8 in Unicode normalisation form C (NFC), so that what looks the same is the same
// bytes, and byte order is code point order. Threads: any. Source: Unicode 15 through ICU 72.

/// Names of classes and properties are at most this many code points long.
inline constexpr std::size_t kMaxNameCodePoints = 100;

/// Offset of the first byte that cannot stand where it stands in UTF-8; empty when all is well.
std::optional<std::size_t> findInvalidUtf8(std::string_view text);

/// `utf8` in NFC. std::invalid_argument names the offset of the first byte that is no UTF-8.
std::string normalizeText(std::string_view utf8);
/// The same where it stands; when it throws, nothing has changed.
void normalizeInPlace(std::string& utf8);

/// `name` in NFC, when it is a Unicode identifier (UAX 31: a letter or `_`, then letters, digits,
/// marks, `_`) of 1 to kMaxNameCodePoints. Otherwise std::invalid_argument, in which `what` says
/// what was to be named: "class name".
std::string normalizeName(std::string_view name, std::string_view what);

}  // namespace nephrite

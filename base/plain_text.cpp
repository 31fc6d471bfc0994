#include "base/plain_text.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <iterator>

namespace nephrite {
namespace {

/// What stands at the front of a text.
struct Character {
  char32_t code = 0;
  std::size_t bytes = 0;  // 0: no UTF-8.
};

Character firstOf(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {};
  char32_t code = lead & (0x7Fu >> bytes);
  for (std::size_t at = 1; at < bytes; ++at) {
    if ((byte(at) & 0xC0) != 0x80) return {};
    code = code << 6 | (byte(at) & 0x3Fu);
  }
  constexpr std::array<char32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < kLeast[bytes] || code > 0x10FFFF || surrogate) return {};
  return {code, bytes};
}

struct Range {
  char32_t first;
  char32_t last;
};

// Joiners (U+200C, U+200D) are part of how some scripts and emoji are written.
constexpr Range kHidden[] = {
    {0x00, 0x1F},        // Control characters,
    {0x7F, 0x9F},        // DEL and those of the second half.
    {0xAD, 0xAD},        // Soft hyphen.
    {0x61C, 0x61C},      // Marks of direction,
    {0x200B, 0x200B},    //
    {0x200E, 0x200F},    //
    {0x2028, 0x202E},    // ends of lines and paragraphs, embeddings and overrides of direction,
    {0x2060, 0x206F},    // isolates, and what has no width.
    {0xFEFF, 0xFEFF},    // Byte order mark.
    {0xFFF9, 0xFFFB},    // Annotations.
    {0xE0000, 0xE0FFF},  // Tags and variants.
};

bool isHidden(char32_t code) {
  for (const Range& range : kHidden) {
    if (code < range.first) return false;
    if (code <= range.last) return true;
  }
  return false;
}

void appendEscape(std::string& line, char32_t code) {
  switch (code) {
    case '\n': line += "\\n"; return;
    case '\r': line += "\\r"; return;
    case '\t': line += "\\t"; return;
    default: break;
  }
  const auto number = static_cast<std::uint32_t>(code);
  const auto at = std::back_inserter(line);
  if (number < 0x80) {
    fmt::format_to(at, "\\x{:02x}", number);
  } else if (number < 0x10000) {
    fmt::format_to(at, "\\u{:04x}", number);
  } else {
    fmt::format_to(at, "\\U{:08x}", number);
  }
}

}  // namespace

void appendPlainText(std::string& line, std::string_view text, std::string_view alsoEscaped) {
  while (!text.empty()) {
    const Character next = firstOf(text);
    if (next.bytes == 0) {
      const auto byte = static_cast<unsigned char>(text.front());
      fmt::format_to(std::back_inserter(line), "\\x{:02x}", static_cast<unsigned>(byte));
      text.remove_prefix(1);
      continue;
    }
    if (isHidden(next.code)) {
      appendEscape(line, next.code);
    } else {
      if (next.bytes == 1 && alsoEscaped.find(text.front()) != std::string_view::npos) line += '\\';
      line += text.substr(0, next.bytes);
    }
    text.remove_prefix(next.bytes);
  }
}

std::optional<std::size_t> notUtf8At(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = firstOf(text.substr(at)).bytes;
    if (bytes == 0) return at;
    at += bytes;
  }
  return std::nullopt;
}

std::string plainText(std::string_view text) {
  std::string plain;
  appendPlainText(plain, text);
  return plain;
}

bool isPlainText(std::string_view text) {
  while (!text.empty()) {
    const Character next = firstOf(text);
    if (next.bytes == 0 || isHidden(next.code)) return false;
    text.remove_prefix(next.bytes);
  }
  return true;
}

}  // namespace nephrite

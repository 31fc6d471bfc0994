#include "objects/oid.h"

#include <charconv>

namespace nephrite {
namespace {

/// The whole of `text` as a number from 1 to `highest`; no sign, no leading zero.
std::optional<std::uint64_t> readNumber(std::string_view text, std::uint64_t highest) {
  if (text.empty() || text.front() == '0') return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (number > highest) return std::nullopt;
  return number;
}

}  // namespace

std::string Oid::toString() const {
  std::string text = std::to_string(classNumber()) + "." + std::to_string(instance());
  if (lifetime() == Lifetime::SharedTransient) text += " (shared transient)";
  if (lifetime() == Lifetime::Transient) text += " (transient)";
  return text;
}

std::optional<Oid> Oid::parse(std::string_view text) {
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos) return std::nullopt;
  const auto classNumber = readNumber(text.substr(0, point), UINT16_MAX);
  const auto instance = readNumber(text.substr(point + 1), kMaxInstance);
  if (!classNumber || !instance) return std::nullopt;
  return Oid(Lifetime::Persistent, static_cast<ClassNumber>(*classNumber), *instance);
}

}  // namespace nephrite

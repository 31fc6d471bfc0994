#include "ini/ini_value.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "ini/ini_parser.h"

namespace nephrite {
namespace {

constexpr std::string_view kUnits = "kmgtp";
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

}  // namespace

std::optional<IniNumber> parseIniNumber(std::string_view text, bool units) {
  if (foldCase(text) == "max_integer") return IniNumber{std::numeric_limits<std::int32_t>::max()};
  const bool hex = text.starts_with('#');
  if (hex) text.remove_prefix(1);
  if (hex && text.starts_with('-')) return std::nullopt;

  IniNumber number;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number.value, hex ? 16 : 10);
  if (error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc::result_out_of_range)
    number.value = text.front() == '-' ? std::numeric_limits<std::int64_t>::min() : kMost;
  std::string_view rest(stop, static_cast<std::size_t>(end - stop));
  if (rest.empty()) return number;
  if (hex) return std::nullopt;

  if (rest.front() == '.') {
    number.fractionDropped = true;
    rest.remove_prefix(1);
    rest.remove_prefix(std::min(rest.find_first_not_of("0123456789"), rest.size()));
    if (rest.empty()) return number;
  }
  const auto unit =
      units && rest.size() == 1 ? kUnits.find(foldCase(rest)) : std::string_view::npos;
  if (unit == std::string_view::npos) return std::nullopt;
  if (number.fractionDropped) return number;
  for (std::size_t step = 0; step <= unit; ++step)
    if (__builtin_mul_overflow(number.value, std::int64_t{1024}, &number.value))
      return IniNumber{text.front() == '-' ? std::numeric_limits<std::int64_t>::min() : kMost};
  return number;
}

std::optional<std::size_t> foreignRemarkAt(std::string_view value) {
  for (std::size_t at = 1; at < value.size(); ++at) {
    const bool afterBlank = value[at - 1] == ' ' || value[at - 1] == '\t';
    if (afterBlank && (value[at] == '#' || value.substr(at).starts_with("//"))) return at;
  }
  return std::nullopt;
}

bool meansDefault(std::string_view text) { return foldCase(text) == "<default>"; }

std::string sizeText(std::int64_t bytes) {
  std::size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  const std::string number = std::to_string(bytes);
  return unit == 0 ? number : number + "KMGTP"[unit - 1];
}

}  // namespace nephrite

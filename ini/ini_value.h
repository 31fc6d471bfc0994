#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nephrite {

struct IniNumber {
  std::int64_t value = 0;
  bool fractionDropped = false;  ///< "1.5M" is read as 1: the unit goes with the fraction.
};

/// A whole number: decimal, `#hex` or Max_Integer (2147483647). `units` allows K, M, G, T and P,
/// powers of 1024. What is too large for 64 bits is the largest number. Empty: not a number.
std::optional<IniNumber> parseIniNumber(std::string_view text, bool units);

/// `<default>` in any letter case.
bool meansDefault(std::string_view text);

/// Where a remark begins that is not one here: a blank, then `//` or `#`. Empty when there is none.
std::optional<std::size_t> foreignRemarkAt(std::string_view value);

/// "3M" for 3145728: the largest unit that divides it.
std::string sizeText(std::int64_t bytes);

}  // namespace nephrite

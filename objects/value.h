#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "objects/oid.h"

namespace nephrite {

/// What a property may hold. The numbers are stored and sent: they never change.
enum class ValueType : std::uint8_t {
  Null = 0,
  Boolean = 1,
  Integer = 2,    ///< 32 bits, signed.
  Integer64 = 3,  ///< 64 bits, signed.
  Real = 4,       ///< IEEE 754 double.
  Decimal = 5,
  String = 6,  ///< UTF-8, valid and in Unicode normalisation form C; held so by the runtime.
  Binary = 7,
  Date = 8,
  Time = 9,
  TimeStamp = 10,
  Reference = 11,  ///< Oid of another object; may be null.
};

/// An exact decimal number: sign, at most 38 digits, and how many of them stand after the
/// point (scale, 0 to 38). Equal and ordered by amount: 1.50 equals 1.5.
class Decimal {
 public:
  constexpr Decimal() = default;
  /// Reads "-12.50". Empty when it is no decimal number or has more than 38 digits.
  static std::optional<Decimal> parse(std::string_view text);
  static Decimal ofInteger(std::int64_t number);
  std::string toString() const;
  unsigned scale() const { return scale_; }

  /// Coefficient (times 10 to the minus scale) as two's complement 128 bits.
  std::int64_t coefficientHigh() const { return high_; }
  std::uint64_t coefficientLow() const { return low_; }
  static Decimal fromParts(std::int64_t high, std::uint64_t low, unsigned scale);

  friend bool operator==(const Decimal& a, const Decimal& b);
  friend std::strong_ordering operator<=>(const Decimal& a, const Decimal& b);

 private:
  std::int64_t high_ = 0;
  std::uint64_t low_ = 0;
  std::uint8_t scale_ = 0;
};

using Binary = std::vector<std::byte>;
using Date = std::chrono::year_month_day;

/// Time of day, milliseconds since midnight: 0 to 86,399,999.
struct TimeOfDay {
  std::chrono::milliseconds sinceMidnight{0};
  friend auto operator<=>(const TimeOfDay&, const TimeOfDay&) = default;
};

/// A calendar moment, UTC, to the millisecond.
using TimeStamp = std::chrono::sys_time<std::chrono::milliseconds>;

std::string_view nameOf(ValueType type);

/// What a property can hold. The alternatives stand in the order of ValueType.
using Value = std::variant<std::monostate, bool, std::int32_t, std::int64_t, double, Decimal,
                           std::string, Binary, Date, TimeOfDay, TimeStamp, Oid>;

inline ValueType typeOf(const Value& value) { return static_cast<ValueType>(value.index()); }

/// For people: "42", "\"text\"", "2026-11-23", "187.5", "null".
std::string toString(const Value& value);

/// Order of dictionary keys: by type, then by amount; strings by Unicode code point.
std::strong_ordering compareKeys(const Value& a, const Value& b);

}  // namespace nephrite

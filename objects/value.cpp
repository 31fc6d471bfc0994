#include "objects/value.h"

#include <array>
#include <charconv>

namespace nephrite {
namespace {

constexpr std::size_t kBinaryBytesShown = 32;

std::string padded(long long number, std::size_t width) {
  std::string digits = std::to_string(number < 0 ? -number : number);
  if (digits.size() < width) digits.insert(0, width - digits.size(), '0');
  return number < 0 ? "-" + digits : digits;
}

std::string show(std::monostate) { return "null"; }
std::string show(bool flag) { return flag ? "true" : "false"; }
std::string show(std::int32_t number) { return std::to_string(number); }
std::string show(std::int64_t number) { return std::to_string(number); }
std::string show(const Decimal& number) { return number.toString(); }
std::string show(Oid oid) { return oid.isNull() ? "null" : oid.toString(); }

std::string show(double number) {
  std::array<char, 32> text{};  // The shortest form that reads back as the same number.
  const auto result = std::to_chars(text.data(), text.data() + text.size(), number);
  return std::string(text.data(), result.ptr);
}

std::string show(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (c == '\n') {
      quoted += "\\n";
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string show(const Binary& bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text = "0x";
  for (std::size_t i = 0; i < bytes.size() && i < kBinaryBytesShown; ++i) {
    text += kHex[std::to_integer<unsigned>(bytes[i]) >> 4];
    text += kHex[std::to_integer<unsigned>(bytes[i]) & 15];
  }
  if (bytes.size() > kBinaryBytesShown) text += "... (" + std::to_string(bytes.size()) + " bytes)";
  return text;
}

std::string show(const Date& date) {
  return padded(static_cast<int>(date.year()), 4) + "-" +
         padded(static_cast<unsigned>(date.month()), 2) + "-" +
         padded(static_cast<unsigned>(date.day()), 2);
}

std::string show(const TimeOfDay& time) {
  const long long ms = time.sinceMidnight.count();
  return padded(ms / 3'600'000, 2) + ":" + padded(ms / 60'000 % 60, 2) + ":" +
         padded(ms / 1000 % 60, 2) + "." + padded(ms % 1000, 3);
}

std::string show(const TimeStamp& moment) {
  const auto midnight = std::chrono::floor<std::chrono::days>(moment);
  return show(Date(midnight)) + "T" + show(TimeOfDay{moment - midnight}) + "Z";
}

template <typename T>
std::strong_ordering compareAmounts(const T& a, const T& b) {
  if (a < b) return std::strong_ordering::less;
  return b < a ? std::strong_ordering::greater : std::strong_ordering::equal;
}

std::strong_ordering compareAmounts(std::monostate, std::monostate) {
  return std::strong_ordering::equal;
}

/// NaN is no amount; it stands after all numbers so that there is an order at all.
std::strong_ordering compareAmounts(double a, double b) {
  if (a < b) return std::strong_ordering::less;
  if (a > b) return std::strong_ordering::greater;
  return (a != a) <=> (b != b);
}

}  // namespace

std::string_view nameOf(ValueType type) {
  switch (type) {
    case ValueType::Null: return "Null";
    case ValueType::Boolean: return "Boolean";
    case ValueType::Integer: return "Integer";
    case ValueType::Integer64: return "Integer64";
    case ValueType::Real: return "Real";
    case ValueType::Decimal: return "Decimal";
    case ValueType::String: return "String";
    case ValueType::Binary: return "Binary";
    case ValueType::Date: return "Date";
    case ValueType::Time: return "Time";
    case ValueType::TimeStamp: return "TimeStamp";
    case ValueType::Reference: return "Reference";
  }
  return "?";
}

std::string toString(const Value& value) {
  return std::visit([](const auto& held) { return show(held); }, value);
}

std::strong_ordering compareKeys(const Value& a, const Value& b) {
  if (a.index() != b.index()) return a.index() <=> b.index();
  // Strings: char_traits compares bytes as unsigned, and UTF-8 bytes order as code points do.
  return std::visit(
      [&b](const auto& left) {
        return compareAmounts(left, std::get<std::decay_t<decltype(left)>>(b));
      },
      a);
}

}  // namespace nephrite

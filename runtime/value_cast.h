#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "objects/value.h"

namespace nephrite {

/// An integer that is a number: bool and characters are none.
template <class T>
concept PropertyInteger = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> &&
                          !std::same_as<T, wchar_t> && !std::same_as<T, char8_t> &&
                          !std::same_as<T, char16_t> && !std::same_as<T, char32_t>;

/// One of the types that a Value is made of: Decimal, Binary, Date, TimeOfDay, TimeStamp, Oid, and
/// bool, std::int32_t, std::int64_t, double, std::string.
template <class T>
concept PropertyType = []<class... Held>(const std::variant<Held...>*) {
  return (std::same_as<T, Held> || ...);
}(static_cast<const Value*>(nullptr));

/// What Object::get<T>() can give.
template <class T>
concept ReadableAs =
    PropertyType<T> || PropertyInteger<T> || std::floating_point<T> || std::same_as<T, Value>;

/// What Object::set() takes, besides another Object.
template <class T>
concept WritableFrom = ReadableAs<T> || std::same_as<T, std::nullopt_t> ||
    std::convertible_to<const T&, std::string_view>;

/// How C++ types and property values meet.
///
/// Into a Value: bool; any integer (Integer when it fits 32 bits, else Integer64); float and
/// double; text; Decimal, Binary, Date, TimeOfDay, TimeStamp, Oid; nullopt for null. Whether the
/// property can hold it is for Object::set() to say.
template <class T>
Value toValue(const T& from) {
  static_assert(WritableFrom<T>,
                "a property is set from bool, an integer, float, double, text (std::string, "
                "std::string_view, const char*), Decimal, Binary, Date, TimeOfDay, TimeStamp, Oid, "
                "Value, std::nullopt or another Object");
  if constexpr (std::is_same_v<T, Value> || std::is_same_v<T, bool>) {
    return from;
  } else if constexpr (PropertyInteger<T>) {
    static_assert(sizeof(T) < 8 || std::is_signed_v<T>,
                  "an integer property has 64 bits with a sign: cast to std::int64_t");
    const auto wide = static_cast<std::int64_t>(from);
    const auto narrow = static_cast<std::int32_t>(wide);
    return narrow == wide ? Value(narrow) : Value(wide);
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<double>(from);
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return std::string(std::string_view(from));
  } else if constexpr (std::is_same_v<T, std::nullopt_t>) {
    return std::monostate();
  } else {
    return Value(from);
  }
}

/// Out of a Value: empty when it does not fit. A null gives T(), as in JADE, where the null of an
/// Integer is 0. An integer is read as any integer type that has room for its amount, and as float
/// or double; a Real as float or double.
template <class T>
std::optional<T> valueAs(const Value& value) {
  static_assert(ReadableAs<T>,
                "a property is read as bool, an integer, float, double, std::string, Decimal, "
                "Binary, Date, TimeOfDay, TimeStamp, Oid, Value or Object; text is read as "
                "std::string, for a view would outlive what it looks at");
  if (std::holds_alternative<std::monostate>(value)) return T();
  const auto* const narrow = std::get_if<std::int32_t>(&value);
  const auto* const wide = std::get_if<std::int64_t>(&value);
  if constexpr (PropertyInteger<T>) {
    if (narrow != nullptr && std::in_range<T>(*narrow)) return static_cast<T>(*narrow);
    if (wide != nullptr && std::in_range<T>(*wide)) return static_cast<T>(*wide);
  } else if constexpr (std::is_floating_point_v<T>) {
    if (narrow != nullptr) return static_cast<T>(*narrow);
    if (wide != nullptr) return static_cast<T>(*wide);
    if (const auto* const real = std::get_if<double>(&value)) return static_cast<T>(*real);
  } else if constexpr (std::is_same_v<T, Value>) {
    return value;
  } else {
    if (const auto* const held = std::get_if<T>(&value)) return *held;
  }
  return std::nullopt;
}

}  // namespace nephrite

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "objects/value.h"

namespace nephrite {

/// How C++ types and property values meet.
///
/// Into a Value: bool; any integer (Integer when it fits 32 bits, else Integer64); double and
/// float; text; Decimal, Binary, Date, TimeOfDay, TimeStamp, Oid; nullopt for null. Whether the
/// property can hold it is for Object::set() to say.
template <class T>
Value toValue(const T& from) {
  if constexpr (std::is_same_v<T, Value>) {
    return from;
  } else if constexpr (std::is_same_v<T, bool>) {
    return from;
  } else if constexpr (std::is_integral_v<T>) {
    static_assert(sizeof(T) < 8 || std::is_signed_v<T>, "a 64 bit property value is signed");
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

/// Out of a Value: empty when it holds another type. A null gives T(), as in JADE, where the
/// null of an Integer is 0; an Integer is also read as std::int64_t or double.
template <class T>
std::optional<T> valueAs(const Value& value) {
  if (std::holds_alternative<std::monostate>(value)) return T();
  if constexpr (std::is_same_v<T, std::int64_t>) {
    if (const auto* narrow = std::get_if<std::int32_t>(&value)) return *narrow;
  }
  if constexpr (std::is_same_v<T, double>) {
    if (const auto* narrow = std::get_if<std::int32_t>(&value)) return *narrow;
    if (const auto* wide = std::get_if<std::int64_t>(&value)) return static_cast<double>(*wide);
  }
  if (const auto* held = std::get_if<T>(&value)) return *held;
  return std::nullopt;
}

}  // namespace nephrite

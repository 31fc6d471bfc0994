#include "runtime/process/value_fit.h"

#include <stdexcept>

#include "objects/text.h"
#include "runtime/errors/exceptions.h"

namespace nephrite {
namespace {

[[noreturn]] void refuse(const Subject& subject, const Value& value, const std::string& why) {
  throw UsageException(ErrorCode::WrongValueType,
                       subject() + " cannot hold " + toString(value) + ": " + why);
}

std::optional<std::int64_t> integerIn(const Value& value) {
  if (const auto* narrow = std::get_if<std::int32_t>(&value)) return *narrow;
  if (const auto* wide = std::get_if<std::int64_t>(&value)) return *wide;
  return std::nullopt;
}

void widen(Value& value, ValueType wanted) {
  const std::optional<std::int64_t> integer = integerIn(value);
  if (!integer) return;
  switch (wanted) {
    case ValueType::Integer64: value = *integer; break;
    case ValueType::Real: value = static_cast<double>(*integer); break;
    case ValueType::Decimal: value = Decimal::ofInteger(*integer); break;
    case ValueType::Integer:
      if (*integer == static_cast<std::int32_t>(*integer)) {
        value = static_cast<std::int32_t>(*integer);
      }
      break;
    default: break;
  }
}

}  // namespace

void fit(Value& value, ValueType wanted, const Subject& subject) {
  if (std::holds_alternative<std::monostate>(value)) return;
  widen(value, wanted);
  if (typeOf(value) != wanted) {
    refuse(subject, value,
           "it is a value of type " + std::string(nameOf(typeOf(value))) + ", not " +
               std::string(nameOf(wanted)));
  }
  if (auto* const text = std::get_if<std::string>(&value)) {
    try {
      normalizeInPlace(*text);
    } catch (const std::invalid_argument& invalid) {
      throw UsageException(ErrorCode::WrongValueType,
                           subject() + " cannot hold that text: " + invalid.what());
    }
  } else if (const auto* const date = std::get_if<Date>(&value)) {
    if (!date->ok()) refuse(subject, value, "it is no date in the calendar");
  } else if (const auto* const time = std::get_if<TimeOfDay>(&value)) {
    const auto since = time->sinceMidnight;
    if (since < since.zero() || since >= std::chrono::days(1)) {
      refuse(subject, value, "it is not from 0 to 86399999 ms since midnight");
    }
  } else if (const auto* const oid = std::get_if<Oid>(&value)) {
    if (oid->isNull()) value = std::monostate();
  }
}

void checkOutlives(Oid holder, Oid member, const Subject& subject) {
  if (member.isNull() || member.lifetime() <= holder.lifetime()) return;
  throw UsageException(ErrorCode::WrongValueType,
                       subject() + " cannot refer to " + member.toString() +
                           ", which it would outlive; copy what is needed into an object that "
                           "lives as long");
}

}  // namespace nephrite

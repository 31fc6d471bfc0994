// Values, objects, classes and changes as bytes, and back.

#include <chrono>

#include "node/wire/reader.h"
#include "node/wire/writer.h"

namespace nephrite::wire {
namespace {

/// The fields of a value's table, but for what is beneath it.
struct Fields {
  std::int64_t number = 0;
  std::uint64_t low = 0;
  std::uint8_t scale = 0;
  flatbuffers::Optional<double> real = flatbuffers::nullopt;
};

Fields fieldsOf(std::monostate) { return {}; }
Fields fieldsOf(bool flag) { return {flag ? 1 : 0}; }
Fields fieldsOf(std::int32_t number) { return {number}; }
Fields fieldsOf(std::int64_t number) { return {number}; }
Fields fieldsOf(double number) { return {0, 0, 0, number}; }
Fields fieldsOf(const Decimal& number) {
  return {number.coefficientHigh(), number.coefficientLow(),
          static_cast<std::uint8_t>(number.scale())};
}
Fields fieldsOf(const std::string&) { return {}; }
Fields fieldsOf(const Binary&) { return {}; }
Fields fieldsOf(const Date& date) {
  return {std::chrono::sys_days(date).time_since_epoch().count()};
}
Fields fieldsOf(const TimeOfDay& time) { return {time.sinceMidnight.count()}; }
Fields fieldsOf(const TimeStamp& moment) { return {moment.time_since_epoch().count()}; }
Fields fieldsOf(Oid oid) { return {static_cast<std::int64_t>(oid.bits())}; }

/// `number`, which is from `least` to `most`.
std::int64_t within(std::int64_t number, std::int64_t least, std::int64_t most, const char* what) {
  if (number < least || number > most) {
    throw WireError(std::string(what) + " cannot be " + std::to_string(number));
  }
  return number;
}

Decimal decimalOf(const fb::Value& value) {
  try {
    return Decimal::fromParts(value.number(), value.low(), value.scale());
  } catch (const std::invalid_argument& error) {
    throw WireError(error.what());
  }
}

Binary binaryOf(Reader& in, const flatbuffers::Vector<std::uint8_t>* bytes) {
  if (bytes == nullptr) return {};
  in.charge(bytes->size());
  const auto* const first = reinterpret_cast<const std::byte*>(bytes->data());
  return Binary(first, first + bytes->size());
}

Date dateOf(std::int64_t number) {
  using std::chrono::sys_days;
  constexpr std::int64_t kFirst =
      sys_days(std::chrono::year::min() / std::chrono::January / 1).time_since_epoch().count();
  constexpr std::int64_t kLast =
      sys_days(std::chrono::year::max() / std::chrono::December / 31).time_since_epoch().count();
  return Date(sys_days(std::chrono::days(within(number, kFirst, kLast, "a Date"))));
}

TimeOfDay timeOf(std::int64_t number) {
  return {std::chrono::milliseconds(within(number, 0, 86'399'999, "a Time"))};
}

ObjectRecord unpackRecord(Reader& in, const fb::Record& record) {
  return {Oid::fromBits(record.oid()), record.edition(),
          unpackAll<Value, ValueList>(in, record.values()),
          unpackAll<CollectionMember>(in, record.members())};
}

}  // namespace

At<fb::Value> pack(Writer& w, const Value& value) {
  At<flatbuffers::String> text;
  ListAt<std::uint8_t> bytes;
  if (const auto* string = std::get_if<std::string>(&value)) text = packText(w, *string);
  if (const auto* binary = std::get_if<Binary>(&value); binary != nullptr && !binary->empty()) {
    const auto* const first = reinterpret_cast<const std::uint8_t*>(binary->data());
    bytes = w.builder.CreateVector(first, binary->size());
  }
  const Fields fields = std::visit([](const auto& held) { return fieldsOf(held); }, value);
  return fb::CreateValue(w.builder, as<fb::ValueType>(typeOf(value)), fields.number, fields.low,
                         fields.scale, fields.real, text, bytes);
}

At<fb::Member> pack(Writer& w, const CollectionMember& entry) {
  At<fb::Value> key;
  if (typeOf(entry.key) != ValueType::Null) key = pack(w, entry.key);
  return fb::CreateMember(w.builder, key, entry.member.bits());
}

At<fb::Property> pack(Writer& w, const PropertyDef& property) {
  const auto name = packName(w, property.name, "the name of a property");
  return fb::CreateProperty(w.builder, name, as<fb::ValueType>(property.type));
}

At<fb::Record> pack(Writer& w, const ObjectRecord& record) {
  const auto values = packAll(w, record.values);
  const auto members = packAll(w, record.members);
  return fb::CreateRecord(w.builder, record.oid.bits(), record.edition, values, members);
}

At<fb::ClassDef> pack(Writer& w, const ClassDef& definition) {
  const auto name = packName(w, definition.name, "the name of a class");
  const auto properties = packAll(w, definition.properties);
  return fb::CreateClassDef(w.builder, definition.number, name, as<fb::ClassKind>(definition.kind),
                            as<fb::ValueType>(definition.keyType), properties);
}

At<fb::Change> pack(Writer& w, const ObjectChange& change) {
  const auto record = pack(w, *change.record);
  return fb::CreateChange(w.builder, as<fb::ChangeKind>(change.kind), record);
}

Value unpack(Reader& in, const fb::Value& value) {
  const std::int64_t number = value.number();
  switch (inRange<ValueType>(value.type(), "type of value")) {
    case ValueType::Null: return std::monostate();
    case ValueType::Boolean: return within(number, 0, 1, "a Boolean") == 1;
    case ValueType::Integer:
      return static_cast<std::int32_t>(within(number, INT32_MIN, INT32_MAX, "an Integer"));
    case ValueType::Integer64: return number;
    case ValueType::Real: return value.real().value_or(0.0);
    case ValueType::Decimal: return decimalOf(value);
    case ValueType::String: return in.text(value.text(), "a String");
    case ValueType::Binary: return binaryOf(in, value.bytes());
    case ValueType::Date: return dateOf(number);
    case ValueType::Time: return timeOf(number);
    case ValueType::TimeStamp: return TimeStamp(std::chrono::milliseconds(number));
    case ValueType::Reference: return Oid::fromBits(static_cast<std::uint64_t>(number));
  }
  throw WireError("unknown type of value");
}

CollectionMember unpack(Reader& in, const fb::Member& entry) {
  const Oid member = Oid::fromBits(entry.member());
  if (entry.key() == nullptr) return {std::monostate(), member};
  return {unpack(in, *entry.key()), member};
}

PropertyDef unpack(Reader& in, const fb::Property& property) {
  return {in.text(property.name(), "the name of a property"),
          inRange<ValueType>(property.type(), "type of value")};
}

RecordPtr unpack(Reader& in, const fb::Record& record) {
  in.charge(sizeof(ObjectRecord));
  if (record.edition() == 0) throw WireError("a record has no edition");
  return std::make_shared<const ObjectRecord>(unpackRecord(in, record));
}

ClassDef unpack(Reader& in, const fb::ClassDef& definition) {
  return {definition.number(), in.text(definition.name(), "the name of a class"),
          inRange<ClassKind>(definition.kind(), "kind of class"),
          inRange<ValueType>(definition.key_type(), "type of value"),
          unpackAll<PropertyDef>(in, definition.properties())};
}

ObjectChange unpack(Reader& in, const fb::Change& change) {
  return {inRange<ChangeKind>(change.kind(), "kind of change"),
          unpackRecord(in, need(change.record(), "record in a change"))};
}

}  // namespace nephrite::wire

#include "objects/disk/record_codec.h"

#include <bit>

#include "objects/disk/byte_stream.h"
#include "objects/text.h"

namespace nephrite {
namespace {

constexpr std::uint8_t kRecordFormat = 1;
constexpr std::uint8_t kClassFormat = 1;

void write(ByteWriter&, std::monostate) {}
void write(ByteWriter& out, bool flag) { out.byte(flag ? 1 : 0); }
void write(ByteWriter& out, std::int32_t number) { out.signedVarint(number); }
void write(ByteWriter& out, std::int64_t number) { out.signedVarint(number); }
void write(ByteWriter& out, double number) { out.fixed64(std::bit_cast<std::uint64_t>(number)); }
void write(ByteWriter& out, const std::string& text) { out.text(text); }
void write(ByteWriter& out, Oid oid) { out.fixed64(oid.bits()); }

void write(ByteWriter& out, const Decimal& number) {
  out.byte(static_cast<std::uint8_t>(number.scale()));
  out.fixed64(number.coefficientLow());
  out.fixed64(static_cast<std::uint64_t>(number.coefficientHigh()));
}

void write(ByteWriter& out, const Binary& bytes) {
  out.text(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void write(ByteWriter& out, const Date& date) {
  out.signedVarint(static_cast<int>(date.year()));
  out.byte(static_cast<std::uint8_t>(static_cast<unsigned>(date.month())));
  out.byte(static_cast<std::uint8_t>(static_cast<unsigned>(date.day())));
}

void write(ByteWriter& out, const TimeOfDay& time) {
  out.varint(static_cast<std::uint64_t>(time.sinceMidnight.count()));
}

void write(ByteWriter& out, const TimeStamp& moment) {
  out.signedVarint(moment.time_since_epoch().count());
}

void writeValue(ByteWriter& out, const Value& value) {
  out.byte(static_cast<std::uint8_t>(typeOf(value)));
  std::visit([&out](const auto& held) { write(out, held); }, value);
}

std::int32_t readInteger(ByteReader& in) {
  const std::int64_t number = in.signedVarint();
  if (number < INT32_MIN || number > INT32_MAX) in.fail("an Integer has more than 32 bits");
  return static_cast<std::int32_t>(number);
}

bool readBoolean(ByteReader& in) {
  const std::uint8_t flag = in.byte();
  if (flag > 1) in.fail("a Boolean is neither 0 nor 1");
  return flag == 1;
}

Decimal readDecimal(ByteReader& in) {
  const unsigned scale = in.byte();
  const std::uint64_t low = in.fixed64();
  const auto high = static_cast<std::int64_t>(in.fixed64());
  try {
    return Decimal::fromParts(high, low, scale);
  } catch (const std::invalid_argument& error) {
    in.fail(error.what());
  }
}

std::string readText(ByteReader& in) {
  const std::string_view text = in.text();
  if (findInvalidUtf8(text)) in.fail("text is not valid UTF-8");
  return std::string(text);
}

Binary readBinary(ByteReader& in) {
  const std::string_view text = in.text();
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  return Binary(bytes, bytes + text.size());
}

Date readDate(ByteReader& in) {
  const std::int64_t year = in.signedVarint();
  const std::uint8_t month = in.byte();
  const std::uint8_t day = in.byte();
  if (year < -32767 || year > 32767) in.fail("a year is out of range");
  const Date date(std::chrono::year(static_cast<int>(year)), std::chrono::month(month),
                  std::chrono::day(day));
  if (!date.ok()) in.fail("a Date is not in the calendar");
  return date;
}

TimeOfDay readTime(ByteReader& in) {
  const std::uint64_t sinceMidnight = in.varint();
  if (sinceMidnight >= 86'400'000) in.fail("a Time is beyond midnight");
  return TimeOfDay{std::chrono::milliseconds(sinceMidnight)};
}

ValueType readType(ByteReader& in) {
  const std::uint8_t type = in.byte();
  if (type > static_cast<std::uint8_t>(ValueType::Reference)) in.fail("unknown type of value");
  return static_cast<ValueType>(type);
}

Value readValue(ByteReader& in) {
  switch (readType(in)) {
    case ValueType::Null: return std::monostate();
    case ValueType::Boolean: return readBoolean(in);
    case ValueType::Integer: return readInteger(in);
    case ValueType::Integer64: return in.signedVarint();
    case ValueType::Real: return std::bit_cast<double>(in.fixed64());
    case ValueType::Decimal: return readDecimal(in);
    case ValueType::String: return readText(in);
    case ValueType::Binary: return readBinary(in);
    case ValueType::Date: return readDate(in);
    case ValueType::Time: return readTime(in);
    case ValueType::TimeStamp: return TimeStamp(std::chrono::milliseconds(in.signedVarint()));
    case ValueType::Reference: return Oid::fromBits(in.fixed64());
  }
  in.fail("unknown type of value");
}

void expectFormat(ByteReader& in, std::uint8_t expected) {
  const unsigned found = in.byte();
  if (found != expected) {
    in.fail("format " + std::to_string(found) + " found, " + std::to_string(expected) + " known");
  }
}

std::uint32_t readEdition(ByteReader& in) {
  const std::uint64_t edition = in.varint();
  if (edition == 0 || edition > UINT32_MAX) in.fail("an edition is out of range");
  return static_cast<std::uint32_t>(edition);
}

}  // namespace

std::string encodeRecord(const ObjectRecord& record) {
  std::string bytes;
  encodeRecord(record, record.edition, bytes);
  return bytes;
}

void encodeRecord(const ObjectRecord& record, std::uint32_t edition, std::string& bytes) {
  ByteWriter out(std::move(bytes));
  out.byte(kRecordFormat);
  out.varint(edition);
  out.varint(record.values.size());
  for (const Value& value : record.values) writeValue(out, value);
  out.varint(record.members.size());
  for (const CollectionMember& entry : record.members) {
    writeValue(out, entry.key);
    out.fixed64(entry.member.bits());
  }
  bytes = out.take();
}

std::shared_ptr<ObjectRecord> decodeRecord(Oid oid, std::string_view bytes) {
  ByteReader in(bytes);
  expectFormat(in, kRecordFormat);
  const std::uint32_t edition = readEdition(in);
  const std::size_t values = in.count(1);
  auto record = makeRecord(values);
  record->oid = oid;
  record->edition = edition;
  for (std::size_t i = 0; i < values; ++i) record->values.push_back(readValue(in));
  const std::size_t members = in.count(9);
  record->members.reserve(members);
  for (std::size_t i = 0; i < members; ++i) {
    Value key = readValue(in);
    record->members.push_back({std::move(key), Oid::fromBits(in.fixed64())});
  }
  in.expectEnd();
  return record;
}

std::string encodeClass(const ClassDef& definition) {
  ByteWriter out;
  out.byte(kClassFormat);
  out.varint(definition.number);
  out.text(definition.name);
  out.byte(static_cast<std::uint8_t>(definition.kind));
  out.byte(static_cast<std::uint8_t>(definition.keyType));
  out.varint(definition.properties.size());
  for (const PropertyDef& property : definition.properties) {
    out.text(property.name);
    out.byte(static_cast<std::uint8_t>(property.type));
  }
  return out.take();
}

ClassDef decodeClass(std::string_view bytes) {
  ByteReader in(bytes);
  expectFormat(in, kClassFormat);
  ClassDef definition;
  const std::uint64_t number = in.varint();
  if (number == 0 || number > UINT16_MAX) in.fail("a class number is out of range");
  definition.number = static_cast<Oid::ClassNumber>(number);
  definition.name = readText(in);
  const std::uint8_t kind = in.byte();
  if (kind > static_cast<std::uint8_t>(ClassKind::Dictionary)) in.fail("unknown kind of class");
  definition.kind = static_cast<ClassKind>(kind);
  definition.keyType = readType(in);
  const std::size_t properties = in.count(2);
  for (std::size_t i = 0; i < properties; ++i) {
    std::string name = readText(in);
    definition.properties.push_back({std::move(name), readType(in)});
  }
  in.expectEnd();
  return definition;
}

std::string encodeOid(Oid oid) {
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(oid.bits() >> (56 - 8 * i));
  return bytes;
}

Oid decodeOid(std::string_view bytes) {
  if (bytes.size() != 8) {
    throw DecodeError("a key has " + std::to_string(bytes.size()) + " bytes instead of 8");
  }
  std::uint64_t bits = 0;
  for (const char c : bytes) bits = bits << 8 | static_cast<unsigned char>(c);
  return Oid::fromBits(bits);
}

}  // namespace nephrite

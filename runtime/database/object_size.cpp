#include "runtime/database/object_size.h"

#include <string>

namespace nephrite {
namespace {

// As FlatBuffers writes them (node/wire/wire.fbs): a table's own bytes with what it is aligned by,
// and the offset that leads to it. tests/wire compares this with what is sent.
constexpr std::size_t kRecord = 64;
constexpr std::size_t kValue = 48;
constexpr std::size_t kMember = 32;

std::size_t sizeOf(const Value& value) {
  if (const auto* const text = std::get_if<std::string>(&value)) return kValue + text->size();
  if (const auto* const bytes = std::get_if<Binary>(&value)) return kValue + bytes->size();
  return kValue;
}

}  // namespace

std::size_t sizeOf(const ObjectRecord& record) {
  std::size_t size = kRecord;
  for (const Value& value : record.values) size += sizeOf(value);
  for (const CollectionMember& member : record.members) {
    size += kMember;
    if (typeOf(member.key) != ValueType::Null) size += sizeOf(member.key);
  }
  return size;
}

std::optional<RequestFailure> faultOfSize(const ObjectRecord& record, std::size_t most,
                                          const Schema& schema) {
  const std::size_t size = sizeOf(record);
  if (size <= most) return std::nullopt;
  return RequestFailure{ErrorCode::TooLarge,
                        schema.show(record.oid) + " is too large: it takes " +
                            std::to_string(size) + " bytes in a message, and at most " +
                            std::to_string(most) + " are allowed (" + kObjectSizeParameter +
                            ", less what a message needs besides); divide it into several "
                            "objects, or raise the parameter"};
}

}  // namespace nephrite

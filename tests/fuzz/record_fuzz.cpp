// Any bytes are a record, a class and an Oid, or a DecodeError. What they become takes memory in
// proportion to them, and is the same when it is written and read again.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "objects/disk/decode_error.h"
#include "objects/disk/record_codec.h"
#include "objects/record_cache.h"

namespace {

using namespace nephrite;

// A null value takes most: its one byte becomes a whole Value.
constexpr std::uint64_t kMostMemoryPerByte = sizeof(Value);
constexpr std::uint64_t kMemoryOfAnEmptyRecord = 256;

const Oid kOid(Lifetime::Persistent, 2048, 5);

bool decodes(const std::function<void()>& decode) {
  try {
    decode();
    return true;
  } catch (const DecodeError&) {
    return false;
  }
}

// Numbers may be written longer than need be; so what is written again may be shorter than `bytes`.
void checkRecord(std::string_view bytes) {
  ObjectRecord record;
  if (!decodes([&] { record = *decodeRecord(kOid, bytes); })) return;
  NEPHRITE_CHECK(bytesOf(record) <= kMemoryOfAnEmptyRecord + kMostMemoryPerByte * bytes.size());
  const std::string again = encodeRecord(record);
  NEPHRITE_CHECK(again.size() <= bytes.size());
  NEPHRITE_CHECK(encodeRecord(*decodeRecord(kOid, again)) == again);
}

void checkClass(std::string_view bytes) {
  ClassDef definition;
  if (!decodes([&] { definition = decodeClass(bytes); })) return;
  const std::string again = encodeClass(definition);
  NEPHRITE_CHECK(again.size() <= bytes.size());
  NEPHRITE_CHECK(decodeClass(again) == definition);
}

void checkOid(std::string_view bytes) {
  Oid oid;
  if (!decodes([&] { oid = decodeOid(bytes); })) return;
  NEPHRITE_CHECK(encodeOid(oid) == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  checkRecord(bytes);
  checkClass(bytes);
  checkOid(bytes);
  return 0;
}

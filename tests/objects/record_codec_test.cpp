#include "objects/disk/record_codec.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

#include "objects/disk/decode_error.h"

namespace nephrite {
namespace {

const Oid kOid(Lifetime::Persistent, 2048, 5);

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

// The worked example of docs/store.md: bytes on disk must never change their meaning.
TEST(RecordCodec, WritesTheBytesThatTheDocumentationShows) {
  const ObjectRecord record{kOid, 3, {"Änne", -12, Value(), true}, {}};
  EXPECT_EQ(hex(encodeOid(kOid)), "0200000000000005");
  EXPECT_EQ(hex(encodeRecord(record)),
            "0103040605c3846e6e650217000101"
            "00");
}

TEST(RecordCodec, WritesMembersWithTheirKeys) {
  const ObjectRecord record{kOid, 1, {}, {{"k", Oid(Lifetime::Persistent, 1, 2)}}};
  EXPECT_EQ(hex(encodeRecord(record)), "0101000106016b0200000000400000");
}

TEST(RecordCodec, WritesClasses) {
  const ClassDef definition{
      .number = 2048, .name = "Order", .properties = {{"total", ValueType::Integer}}};
  EXPECT_EQ(hex(encodeClass(definition)),
            "018010054f72646572000001"
            "05746f74616c02");
  EXPECT_EQ(decodeClass(encodeClass(definition)), definition);
}

TEST(RecordCodec, KeepsKeysInTheOrderOfOids) {
  const Oid small(Lifetime::Persistent, 1, 256);
  const Oid large(Lifetime::Persistent, 2, 1);
  EXPECT_LT(encodeOid(small), encodeOid(large));
  EXPECT_EQ(decodeOid(encodeOid(large)), large);
  EXPECT_THROW(decodeOid("short"), DecodeError);
}

/// Any value of any type, extremes included.
Value randomValue(std::mt19937_64& random) {
  const auto bits = random() >> random() % 64;
  const auto number = static_cast<std::int64_t>(bits);
  switch (random() % 12) {
    case 1: return random() % 2 == 0;
    case 2: return static_cast<std::int32_t>(number);
    case 3: return number;
    case 4: return std::bit_cast<double>(random());
    case 5: return Decimal::fromParts(number >> 4, random(), random() % 39);
    case 6: return std::string(random() % 200, 'x') + "\u00E4\U0001F600";
    case 7: return Binary(random() % 300, std::byte(random() % 256));
    case 8:
      return Date(std::chrono::sys_days(std::chrono::days(static_cast<int>(number % 10'000'000))));
    case 9: return TimeOfDay{std::chrono::milliseconds(random() % 86'400'000)};
    case 10: return TimeStamp(std::chrono::milliseconds(number));
    case 11: return Oid::fromBits(random());
    default: return std::monostate();
  }
}

ObjectRecord randomRecord(std::mt19937_64& random) {
  ObjectRecord record;
  record.oid = kOid;
  record.edition = 1 + static_cast<std::uint32_t>(random()) % UINT32_MAX;
  for (auto count = random() % 20; count > 0; --count) record.values.push_back(randomValue(random));
  for (auto count = random() % 9; count > 0; --count) {
    record.members.push_back({randomValue(random), Oid::fromBits(random())});
  }
  return record;
}

/// Equal, and NaN equals itself bit by bit: compared as bytes.
void expectSame(const ObjectRecord& a, const ObjectRecord& b) {
  EXPECT_EQ(a.oid, b.oid);
  EXPECT_EQ(a.edition, b.edition);
  ASSERT_EQ(a.values.size(), b.values.size());
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    EXPECT_EQ(compareKeys(a.values[i], b.values[i]), std::strong_ordering::equal);
  }
  ASSERT_EQ(a.members.size(), b.members.size());
  for (std::size_t i = 0; i < a.members.size(); ++i) {
    EXPECT_EQ(compareKeys(a.members[i].key, b.members[i].key), std::strong_ordering::equal);
    EXPECT_EQ(a.members[i].member, b.members[i].member);
  }
  EXPECT_EQ(encodeRecord(a), encodeRecord(b));
}

TEST(RecordCodec, ReadsBackWhatItWrote) {
  std::mt19937_64 random(4711);
  for (int i = 0; i < 3000; ++i) {
    SCOPED_TRACE(i);
    const ObjectRecord record = randomRecord(random);
    expectSame(*decodeRecord(kOid, encodeRecord(record)), record);
    if (testing::Test::HasFailure()) return;
  }
}

TEST(RecordCodec, RefusesEveryRecordThatIsCutShortOrTooLong) {
  std::mt19937_64 random(4712);
  for (int i = 0; i < 100; ++i) {
    const std::string whole = encodeRecord(randomRecord(random));
    for (std::size_t size = 0; size < whole.size(); ++size) {
      ASSERT_THROW(decodeRecord(kOid, whole.substr(0, size)), DecodeError) << size;
    }
    ASSERT_THROW(decodeRecord(kOid, whole + '\0'), DecodeError);
  }
}

std::string mutated(std::string bytes, std::mt19937_64& random) {
  for (auto changes = 1 + random() % 4; changes > 0 && !bytes.empty(); --changes) {
    const std::size_t at = random() % bytes.size();
    switch (random() % 3) {
      case 0: bytes[at] = static_cast<char>(random()); break;
      case 1: bytes.erase(at, 1 + random() % 4); break;
      default: bytes.insert(at, 1 + random() % 4, static_cast<char>(random())); break;
    }
  }
  return bytes;
}

// Bytes that were tampered with are refused, or are a record like any other.
TEST(RecordCodec, EndsInAValidRecordOrAnErrorWhateverTheBytes) {
  std::mt19937_64 random(4713);
  int refused = 0;
  int accepted = 0;
  for (int i = 0; i < 30'000; ++i) {
    SCOPED_TRACE(i);
    const std::string bytes = mutated(encodeRecord(randomRecord(random)), random);
    try {
      const ObjectRecord record = *decodeRecord(kOid, bytes);
      expectSame(*decodeRecord(kOid, encodeRecord(record)), record);
      ++accepted;
    } catch (const DecodeError& error) {
      EXPECT_NE(std::string(error.what()).find("at byte"), std::string::npos) << error.what();
      ++refused;
    }
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(refused, 1000);
  EXPECT_GT(accepted, 1000);
}

TEST(RecordCodec, EndsInAValidClassOrAnErrorWhateverTheBytes) {
  std::mt19937_64 random(4714);
  const std::string whole =
      encodeClass({.number = 3000,
                   .name = "K\u00E4se",
                   .kind = ClassKind::Dictionary,
                   .keyType = ValueType::String,
                   .properties = {{"a", ValueType::Real}, {"b", ValueType::Binary}}});
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    try {
      const ClassDef definition = decodeClass(mutated(whole, random));
      EXPECT_EQ(decodeClass(encodeClass(definition)), definition);
    } catch (const DecodeError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(RecordCodec, RefusesCountsOfMoreThanFollowsBeforeMakingRoomForIt) {
  const std::string most = "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01";
  EXPECT_THROW(decodeRecord(kOid, "\x01\x01" + most), DecodeError) << "values";
  EXPECT_THROW(decodeRecord(kOid, "\x01\x01\x01\x06" + most), DecodeError) << "a text";
  EXPECT_THROW(decodeRecord(kOid, std::string("\x01\x01\x00", 3) + most), DecodeError) << "members";
  EXPECT_THROW(decodeClass("\x01\x01" + most), DecodeError) << "a name";
  EXPECT_THROW(decodeClass(std::string("\x01\x01\x00\x00\x00", 5) + most), DecodeError)
      << "properties";
}

TEST(RecordCodec, RefusesFormatsItDoesNotKnow) {
  std::string bytes = encodeRecord({kOid, 1, {}, {}});
  bytes[0] = 2;
  try {
    decodeRecord(kOid, bytes);
    FAIL() << "format 2 was read";
  } catch (const DecodeError& error) {
    EXPECT_NE(std::string(error.what()).find("format 2 found, 1 known"), std::string::npos);
  }
}

}  // namespace
}  // namespace nephrite

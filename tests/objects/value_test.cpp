#include "objects/value.h"
#include "objects/object_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "objects/oid.h"

namespace nephrite {
namespace {

using namespace std::chrono;

TEST(Value, IsShownForPeople) {
  const TimeStamp moment = sys_days(year(2026) / 11 / 23) + hours(13) + milliseconds(5);
  EXPECT_EQ(toString(Value()), "null");
  EXPECT_EQ(toString(Value(true)), "true");
  EXPECT_EQ(toString(Value(42)), "42");
  EXPECT_EQ(toString(Value(std::int64_t{-5'000'000'000})), "-5000000000");
  EXPECT_EQ(toString(Value(0.1)), "0.1");
  EXPECT_EQ(toString(Value(*Decimal::parse("12.50"))), "12.50");
  EXPECT_EQ(toString(Value("say \"Käse\"\n")), "\"say \\\"Käse\\\"\\n\"");
  EXPECT_EQ(toString(Value(Binary{std::byte{0x0A}, std::byte{0xFF}})), "0x0aff");
  EXPECT_EQ(toString(Value(Date(year(2026), month(11), day(3)))), "2026-11-03");
  EXPECT_EQ(toString(Value(TimeOfDay{milliseconds(86'399'999)})), "23:59:59.999");
  EXPECT_EQ(toString(Value(moment)), "2026-11-23T13:00:00.005Z");
  EXPECT_EQ(toString(Value(TimeStamp(milliseconds(-1)))), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(toString(Value(Oid(Lifetime::Persistent, 187, 5))), "187.5");
  EXPECT_EQ(toString(Value(Oid())), "null");
}

TEST(Value, ShowsTheBeginningOfLongBinaries) {
  const std::string shown = toString(Value(Binary(1000, std::byte{1})));
  EXPECT_LT(shown.size(), 100u);
  EXPECT_NE(shown.find("(1000 bytes)"), std::string::npos);
}

TEST(Value, HasItsAlternativesInTheOrderOfTheirTypes) {
  EXPECT_EQ(typeOf(Value(1.5)), ValueType::Real);
  EXPECT_EQ(typeOf(Value("text")), ValueType::String);
  EXPECT_EQ(typeOf(Value(TimeStamp())), ValueType::TimeStamp);
  EXPECT_EQ(typeOf(Value(Oid())), ValueType::Reference);
  EXPECT_EQ(nameOf(ValueType::Integer64), "Integer64");
}

TEST(Value, IsOrderedAsAKeyByTypeThenAmount) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  // Each before the next. The strings: by code point, not by UTF-16 unit, in which the last two
  // would be the other way round.
  const std::vector<Value> ordered{
      Value(),          Value(false),     Value(true),     Value(-1),
      Value(7),         Value(INT64_MIN), Value(-1.0),     Value(1e300),
      Value(nan),       Value(""),        Value("B"),      Value("a"),
      Value("a\u00E4"), Value("\u00E4"),  Value("\uFFFD"), Value("\U0001F600")};
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    for (std::size_t j = 0; j < ordered.size(); ++j) {
      EXPECT_EQ(compareKeys(ordered[i], ordered[j]), i <=> j)
          << toString(ordered[i]) << " and " << toString(ordered[j]);
    }
  }
}

TEST(Oid, IsShownAndReadAsClassAndInstance) {
  const Oid oid(Lifetime::Persistent, 186, 1);
  EXPECT_EQ(oid.toString(), "186.1");
  EXPECT_EQ(Oid::parse("186.1"), oid);
  EXPECT_EQ(Oid(Lifetime::SharedTransient, 2048, 7).toString(), "2048.7 (shared transient)");
  EXPECT_EQ(Oid(Lifetime::Transient, 2048, 7).toString(), "2048.7 (transient)");
  const Oid last(Lifetime::Persistent, 65535, Oid::kMaxInstance);
  EXPECT_EQ(Oid::parse(last.toString()), last);
}

TEST(Oid, IsNotReadFromAnythingElse) {
  for (const std::string text :
       {"", ".", "1", "1.", ".1", "0.1", "1.0", "65536.1", "-1.1", "1.-1", "1.1.1", "01.1", "1.01",
        " 1.1", "1.1 ", "Node/186.1", "1.70368744177664", "1.99999999999999999999"}) {
    EXPECT_FALSE(Oid::parse(text)) << text;
  }
}

TEST(Oid, IsOrderedByLifetimeThenClassThenInstance) {
  EXPECT_LT(Oid(), Oid(Lifetime::Persistent, 1, 1));
  EXPECT_LT(Oid(Lifetime::Persistent, 1, Oid::kMaxInstance), Oid(Lifetime::Persistent, 2, 1));
  EXPECT_LT(Oid(Lifetime::Persistent, 65535, 1), Oid(Lifetime::SharedTransient, 1, 1));
  EXPECT_EQ(Oid::fromBits(Oid(Lifetime::Transient, 3, 4).bits()), Oid(Lifetime::Transient, 3, 4));
}

// --- Values as a record has them -----------------------------------------------------------------

using testing::ElementsAre;

const std::string kLong(100, 'x');

/// Is `value` in the block of memory that begins with `record`?
bool isWithin(const ObjectRecord& record, const Value& value) {
  const auto* const begin = reinterpret_cast<const std::byte*>(&record);
  const auto* const at = reinterpret_cast<const std::byte*>(&value);
  return at >= begin && at < begin + sizeof(record) + 8 * sizeof(Value);
}

TEST(ARecord, HasRoomForItsValuesBesideItself) {
  const auto record = makeRecord(3);
  record->values.push_back(kLong);
  record->values.emplace_back(std::int32_t{12});
  record->values.resize(3);

  EXPECT_THAT(record->values, ElementsAre(Value(kLong), Value(12), Value()));
  EXPECT_EQ(record->values.capacity(), 3u);
  for (const Value& value : record->values) EXPECT_TRUE(isWithin(*record, value));
}

TEST(ARecord, WhenItGetsMoreValuesThanItHasRoomForThenTheyAreElsewhere) {
  const auto record = makeRecord(1);
  record->values.push_back(kLong);
  record->values.push_back(record->values.front());

  EXPECT_THAT(record->values, ElementsAre(Value(kLong), Value(kLong)));
  EXPECT_FALSE(isWithin(*record, record->values.front()));
}

TEST(ARecord, WhenItIsMovedElsewhereThenItsValuesGoWithIt) {
  ObjectRecord moved;
  moved.values = {true, kLong, 1.5};
  {
    const auto record = makeRecord(2);
    record->values = {kLong, std::int32_t{12}};
    moved = std::move(*record);
  }
  EXPECT_THAT(moved.values, ElementsAre(Value(kLong), Value(12)));

  ObjectRecord next = std::move(moved);
  EXPECT_THAT(next.values, ElementsAre(Value(kLong), Value(12)));
  next.values = ValueList{kLong};
  EXPECT_THAT(next.values, ElementsAre(Value(kLong)));
}

TEST(ARecord, WhenItIsCopiedThenAllOfItIs) {
  const ObjectRecord record{Oid(Lifetime::Persistent, 2048, 5), 3, {kLong, 12}, {{1.5, Oid()}}};
  const auto copy = copyOf(record);

  EXPECT_EQ(copy->oid, record.oid);
  EXPECT_EQ(copy->edition, 3u);
  EXPECT_EQ(copy->values, record.values);
  EXPECT_EQ(copy->members, record.members);
  EXPECT_TRUE(isWithin(*copy, copy->values.back()));
}

TEST(ARecord, WhenItIsCopiedButForAValueThenThatIsNullAndHasRoom) {
  const ObjectRecord record{Oid(), 1, {kLong, 12}};

  EXPECT_THAT(copyOf(record, 0)->values, ElementsAre(Value(), Value(12)));
  const auto longer = copyOf(record, 2);
  EXPECT_THAT(longer->values, ElementsAre(Value(kLong), Value(12)));
  longer->values.resize(3);
  EXPECT_TRUE(isWithin(*longer, longer->values.back()));
}

TEST(ARecord, SaysWhichValueIsNotThere) {
  EXPECT_THROW(makeRecord(1)->values.at(0), std::out_of_range);
}

}  // namespace
}  // namespace nephrite

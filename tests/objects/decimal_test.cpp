#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <stdexcept>
#include <string>

#include "objects/value.h"

namespace nephrite {
namespace {

Decimal decimal(std::string_view text) {
  const auto number = Decimal::parse(text);
  if (!number) throw std::invalid_argument("no decimal number: " + std::string(text));
  return *number;
}

TEST(Decimal, PrintsWhatItRead) {
  for (const std::string text :
       {"0", "7", "-12.50", "0.05", "-0.001", "99999999999999999999999999999999999999",
        "-99999999999999999999999999999999999999", "0.99999999999999999999999999999999999999",
        "1234567890123456789.0123456789012345678"}) {
    EXPECT_EQ(decimal(text).toString(), text);
  }
}

TEST(Decimal, ReadsSignsAndLeadingZeros) {
  EXPECT_EQ(decimal("+1.5").toString(), "1.5");
  EXPECT_EQ(decimal("007").toString(), "7");
  EXPECT_EQ(decimal("-0").toString(), "0");
  EXPECT_EQ(decimal("-0.00").toString(), "0.00");
  EXPECT_EQ(decimal(std::string(60, '0') + "1").toString(), "1");
}

TEST(Decimal, RefusesWhatIsNoDecimalNumber) {
  for (const std::string text : {"", "-", "+", ".", ".5", "5.", "1.2.3", "1e5", " 1", "1 ", "0x1",
                                 "--1", "1,5", "NaN", "१"}) {
    EXPECT_FALSE(Decimal::parse(text)) << text;
  }
  EXPECT_FALSE(Decimal::parse("1" + std::string(38, '0'))) << "39 digits";
  EXPECT_FALSE(Decimal::parse("0." + std::string(38, '0') + "1")) << "scale 39";
  EXPECT_FALSE(Decimal::parse("10.1234567890123456789012345678901234567")) << "39 digits";
}

TEST(Decimal, IsEqualByAmount) {
  EXPECT_EQ(decimal("1.50"), decimal("1.5"));
  EXPECT_EQ(decimal("0.000"), decimal("0"));
  EXPECT_NE(decimal("1.5"), decimal("-1.5"));
  EXPECT_LT(decimal("-2"), decimal("-1.99"));
  EXPECT_LT(decimal("0.99999999999999999999999999999999999999"), decimal("1"));
  EXPECT_GT(decimal("99999999999999999999999999999999999999"),
            decimal("0.99999999999999999999999999999999999999"));
}

TEST(Decimal, IsMadeOfIntegers) {
  EXPECT_EQ(Decimal::ofInteger(-42).toString(), "-42");
  EXPECT_EQ(Decimal::ofInteger(INT64_MIN).toString(), "-9223372036854775808");
  EXPECT_EQ(Decimal::ofInteger(INT64_MAX).toString(), "9223372036854775807");
}

TEST(Decimal, RefusesPartsOutOfRange) {
  EXPECT_EQ(Decimal::fromParts(-1, UINT64_MAX, 2).toString(), "-0.01");
  EXPECT_THROW(Decimal::fromParts(0, 1, 39), std::invalid_argument);
  EXPECT_THROW(Decimal::fromParts(INT64_MAX, 0, 0), std::invalid_argument);
  EXPECT_THROW(Decimal::fromParts(INT64_MIN, 0, 0), std::invalid_argument);
}

/// A number as it is written; compared digit by digit, slowly and obviously.
struct Written {
  bool negative = false;
  std::string whole;     // 38 digits.
  std::string fraction;  // 38 digits.

  static Written of(std::string text) {
    Written number;
    number.negative = text.front() == '-';
    if (number.negative) text.erase(0, 1);
    const std::size_t point = std::min(text.find('.'), text.size());
    number.whole = text.substr(0, point);
    number.fraction = point < text.size() ? text.substr(point + 1) : "";
    number.whole.insert(0, 38 - number.whole.size(), '0');
    number.fraction.resize(38, '0');
    if ((number.whole + number.fraction).find_first_not_of('0') == std::string::npos) {
      number.negative = false;
    }
    return number;
  }

  static int compare(const Written& a, const Written& b) {
    if (a.negative != b.negative) return a.negative ? -1 : 1;
    const int magnitudes = (a.whole + a.fraction).compare(b.whole + b.fraction);
    const int sign = magnitudes < 0 ? -1 : magnitudes > 0 ? 1 : 0;
    return a.negative ? -sign : sign;
  }
};

std::string randomNumber(std::mt19937& random) {
  const std::size_t digits = 1 + random() % 38;
  const std::size_t scale = random() % digits;
  std::string text;
  // Few different digits, so that equal beginnings are common.
  for (std::size_t i = 0; i < digits; ++i) text += "0019"[random() % 4];
  while (text.size() > scale + 1 && text.front() == '0') text.erase(0, 1);
  if (scale > 0) text.insert(text.size() - scale, ".");
  return random() % 2 ? text : "-" + text;
}

TEST(Decimal, AgreesWithComparingDigitByDigit) {
  std::mt19937 random(4711);
  for (int i = 0; i < 20'000; ++i) {
    const std::string a = randomNumber(random);
    const std::string b =
        random() % 4 ? randomNumber(random) : a + (a.find('.') < a.size() ? "" : ".0");
    const auto left = Decimal::parse(a);
    const auto right = Decimal::parse(b);
    ASSERT_TRUE(left) << a;
    if (!right) continue;  // a had 38 digits already.
    const int expected = Written::compare(Written::of(a), Written::of(b));
    ASSERT_EQ(*left < *right, expected < 0) << a << " and " << b;
    ASSERT_EQ(*left == *right, expected == 0) << a << " and " << b;
    ASSERT_EQ(*left > *right, expected > 0) << a << " and " << b;
    ASSERT_EQ(Decimal::parse(left->toString()), left) << a;
    ASSERT_EQ(left->toString().size() - (left->toString()[0] == '-'), a.size() - (a[0] == '-'));
    ASSERT_EQ(Decimal::fromParts(left->coefficientHigh(), left->coefficientLow(), left->scale()),
              *left);
  }
}

}  // namespace
}  // namespace nephrite

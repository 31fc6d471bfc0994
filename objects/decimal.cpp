#include <algorithm>
#include <array>
#include <stdexcept>

#include "objects/value.h"

namespace nephrite {
namespace {

using Int128 = __int128;
using Uint128 = unsigned __int128;

constexpr unsigned kMaxDigits = 38;

constexpr std::array<Uint128, kMaxDigits + 1> powersOfTen() {
  std::array<Uint128, kMaxDigits + 1> powers{};
  powers[0] = 1;
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}
constexpr auto kPowerOfTen = powersOfTen();

Int128 coefficientOf(const Decimal& number) {
  const auto high = static_cast<Uint128>(static_cast<std::uint64_t>(number.coefficientHigh()));
  return static_cast<Int128>((high << 64) | number.coefficientLow());
}

Uint128 magnitude(Int128 number) {
  return number < 0 ? -static_cast<Uint128>(number) : static_cast<Uint128>(number);
}

Decimal make(Int128 coefficient, unsigned scale) {
  const auto bits = static_cast<Uint128>(coefficient);
  return Decimal::fromParts(static_cast<std::int64_t>(bits >> 64), static_cast<std::uint64_t>(bits),
                            scale);
}

/// Orders |a| and |b|. The whole parts are compared first; the fractions are then brought to
/// 38 places, where each is below 10^38. So nothing is ever multiplied beyond 128 bits.
std::strong_ordering compareMagnitudes(Uint128 a, unsigned scaleA, Uint128 b, unsigned scaleB) {
  const Uint128 wholeA = a / kPowerOfTen[scaleA];
  const Uint128 wholeB = b / kPowerOfTen[scaleB];
  if (wholeA != wholeB)
    return wholeA < wholeB ? std::strong_ordering::less : std::strong_ordering::greater;
  const Uint128 fractionA = a % kPowerOfTen[scaleA] * kPowerOfTen[kMaxDigits - scaleA];
  const Uint128 fractionB = b % kPowerOfTen[scaleB] * kPowerOfTen[kMaxDigits - scaleB];
  if (fractionA == fractionB) return std::strong_ordering::equal;
  return fractionA < fractionB ? std::strong_ordering::less : std::strong_ordering::greater;
}

}  // namespace

std::optional<Decimal> Decimal::parse(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view fraction =
      point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  if (whole.empty() || (point != std::string_view::npos && fraction.empty())) return std::nullopt;
  if (fraction.size() > kMaxDigits) return std::nullopt;

  Uint128 coefficient = 0;
  unsigned digits = 0;  // Leading zeros do not count.
  for (const std::string_view part : {whole, fraction}) {
    for (const char c : part) {
      if (c < '0' || c > '9') return std::nullopt;
      if (coefficient != 0 || c != '0') ++digits;
      if (digits > kMaxDigits) return std::nullopt;
      coefficient = coefficient * 10 + static_cast<unsigned>(c - '0');
    }
  }
  const auto signedCoefficient = static_cast<Int128>(coefficient);
  return make(negative ? -signedCoefficient : signedCoefficient,
              static_cast<unsigned>(fraction.size()));
}

Decimal Decimal::ofInteger(std::int64_t number) { return make(number, 0); }

Decimal Decimal::fromParts(std::int64_t high, std::uint64_t low, unsigned scale) {
  if (scale > kMaxDigits) {
    throw std::invalid_argument("a decimal number has at most 38 places after the point, not " +
                                std::to_string(scale));
  }
  Decimal number;
  number.high_ = high;
  number.low_ = low;
  number.scale_ = static_cast<std::uint8_t>(scale);
  if (magnitude(coefficientOf(number)) >= kPowerOfTen[kMaxDigits]) {
    throw std::invalid_argument("a decimal number has at most 38 digits");
  }
  return number;
}

std::string Decimal::toString() const {
  const Int128 coefficient = coefficientOf(*this);
  std::string reversed;
  for (Uint128 rest = magnitude(coefficient); rest != 0 || reversed.size() <= scale_; rest /= 10) {
    reversed += static_cast<char>('0' + static_cast<int>(rest % 10));
  }
  std::string text(reversed.rbegin(), reversed.rend());
  if (scale_ > 0) text.insert(text.size() - scale_, 1, '.');
  if (coefficient < 0) text.insert(0, 1, '-');
  return text;
}

bool operator==(const Decimal& a, const Decimal& b) {
  return (a <=> b) == std::strong_ordering::equal;
}

std::strong_ordering operator<=>(const Decimal& a, const Decimal& b) {
  const Int128 left = coefficientOf(a);
  const Int128 right = coefficientOf(b);
  if ((left < 0) != (right < 0)) {
    return left < 0 ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  if (left < 0) return compareMagnitudes(magnitude(right), b.scale_, magnitude(left), a.scale_);
  return compareMagnitudes(magnitude(left), a.scale_, magnitude(right), b.scale_);
}

}  // namespace nephrite

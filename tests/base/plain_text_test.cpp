// What a stranger chose, on a line that people read.

#include "base/plain_text.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace nephrite {
namespace {

struct Shown {
  std::string text;
  std::string shown;
};

class PlainText : public testing::TestWithParam<Shown> {};

TEST_P(PlainText, WhenItIsShownThenNothingOfItActsOnTheTerminalOrHides) {
  const Shown& given = GetParam();

  EXPECT_EQ(plainText(given.text), given.shown);
  EXPECT_EQ(isPlainText(given.text), given.text == given.shown);
  EXPECT_TRUE(isPlainText(plainText(given.text)));
}

INSTANTIATE_TEST_SUITE_P(AsItIs, PlainText,
                         testing::Values(Shown{"", ""}, Shown{"billing 7", "billing 7"},
                                         Shown{"M\u00FCller", "M\u00FCller"},
                                         Shown{"\u05D0\u05E0\u05D4", "\u05D0\u05E0\u05D4"},
                                         Shown{"\u0645\u06CC\u200C\u0634\u0648\u062F",
                                               "\u0645\u06CC\u200C\u0634\u0648\u062F"},
                                         Shown{"\U0001F48E", "\U0001F48E"},
                                         Shown{R"(C:\dir)", R"(C:\dir)"}));

INSTANTIATE_TEST_SUITE_P(
    Escaped, PlainText,
    testing::Values(Shown{"a\nb", R"(a\nb)"}, Shown{"a\rb", R"(a\rb)"}, Shown{"a\tb", R"(a\tb)"},
                    Shown{"\x1b[2J", R"(\x1b[2J)"}, Shown{std::string("a\0b", 3), R"(a\x00b)"},
                    Shown{"\x7f", R"(\x7f)"}, Shown{"\u009B2J", R"(\u009b2J)"},
                    Shown{"ab\u202Edc", R"(ab\u202edc)"},
                    Shown{"\u2066x\u2069", R"(\u2066x\u2069)"}, Shown{"a\u2028b", R"(a\u2028b)"},
                    Shown{"an\u200Bna", R"(an\u200bna)"}, Shown{"\uFEFFanna", R"(\ufeffanna)"},
                    Shown{"\U000E0041", R"(\U000e0041)"}));

INSTANTIATE_TEST_SUITE_P(NoUtf8, PlainText,
                         testing::Values(Shown{"M\xfcller", R"(M\xfcller)"},
                                         Shown{"\xc3", R"(\xc3)"}, Shown{"\x80", R"(\x80)"},
                                         Shown{"\xc0\x8a", R"(\xc0\x8a)"},
                                         Shown{"\xe0\x80\x8a", R"(\xe0\x80\x8a)"},
                                         Shown{"\xed\xa0\x80", R"(\xed\xa0\x80)"},
                                         Shown{"\xf5\x80\x80\x80", R"(\xf5\x80\x80\x80)"},
                                         Shown{"\xf0\x9f\x92x", R"(\xf0\x9f\x92x)"}));

TEST(PlainText, WhenTheLineHasMarksOfItsOwnThenTheTextCannotForgeThem) {
  std::string line = "\"";
  appendPlainText(line, R"(say "no" \o/)", "\"\\");

  EXPECT_EQ(line, R"("say \"no\" \\o/)");
}

struct Spelling {
  const char* bytes;
  std::optional<std::size_t> wrongAt;
};

TEST(PlainText, WhenBytesAreNoUtf8ThenTheFirstWrongOneIsFound) {
  constexpr std::nullopt_t kNone = std::nullopt;
  const Spelling spellings[] = {
      {"", kNone},
      {"plain", kNone},
      {"\xC2\x80", kNone},
      {"\xE0\xA0\x80", kNone},
      {"\xED\x9F\xBF", kNone},
      {"\xF0\x90\x80\x80", kNone},
      {"\xF4\x8F\xBF\xBF", kNone},
      {"a\x80", 1u},             // A continuation without a beginning.
      {"ab\xC3", 2u},            // Cut off.
      {"\xC0\x80", 0u},          // Longer than need be.
      {"\xE0\x9F\xBF", 0u},      // The same.
      {"\xF0\x8F\xBF\xBF", 0u},  // The same.
      {"\xED\xA0\x80", 0u},      // A surrogate.
      {"\xF4\x90\x80\x80", 0u},  // Beyond the last character.
      {"\xF5\x80\x80\x80", 0u},
      {"\xE2\x82z", 0u},
  };
  for (const Spelling& spelling : spellings)
    EXPECT_EQ(notUtf8At(spelling.bytes), spelling.wrongAt) << plainText(spelling.bytes);
}

}  // namespace
}  // namespace nephrite

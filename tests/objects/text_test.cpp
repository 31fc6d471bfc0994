#include "objects/text.h"

#include <gmock/gmock.h>

#include <functional>
#include <stdexcept>

namespace nephrite {
namespace {

using testing::HasSubstr;

std::string messageOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Text, IsBroughtIntoNormalFormC) {
  EXPECT_EQ(normalizeText("plain"), "plain");
  EXPECT_EQ(normalizeText(""), "");
  EXPECT_EQ(normalizeText("a\u0308"), "\u00E4") << "letter and mark become one";
  EXPECT_EQ(normalizeText("\u00E4"), "\u00E4");
  EXPECT_EQ(normalizeText("\u212B"), "\u00C5") << "Ångström sign";
  EXPECT_EQ(normalizeText("\u1112\u1161\u11AB"), "\uD55C") << "Hangul";
  EXPECT_EQ(normalizeText("a\u0323\u0307"), normalizeText("a\u0307\u0323")) << "order of marks";
  EXPECT_EQ(normalizeText("\U0001F600"), "\U0001F600");
  EXPECT_EQ(normalizeText(std::string("a\0b", 3)), std::string("a\0b", 3));
}

TEST(Text, NamesTheFirstByteThatIsNoUtf8) {
  const std::pair<std::string, std::size_t> bad[] = {
      {"\x80", 0},                  // A continuation without beginning.
      {"abc\xFF", 3},               // Never in UTF-8.
      {"ok \xC3", 3},               // Cut short.
      {"\xC0\xAF", 0},              // Overlong.
      {"ab\xED\xA0\x80", 2},        // A surrogate.
      {"\xF4\x90\x80\x80", 0},      // Beyond U+10FFFF.
      {"\u00E4\u00F6\xE2\x82", 4},  // Cut short, after good ones.
  };
  for (const auto& [text, offset] : bad) {
    EXPECT_EQ(findInvalidUtf8(text), offset);
    EXPECT_THAT(messageOf([&, &t = text] { normalizeText(t); }),
                HasSubstr("byte offset " + std::to_string(offset)));
  }
  EXPECT_FALSE(findInvalidUtf8("Käse \U0001F600"));
}

TEST(Name, IsAUnicodeIdentifierInNormalFormC) {
  EXPECT_EQ(normalizeName("Order", "class name"), "Order");
  EXPECT_EQ(normalizeName("_x1", "class name"), "_x1");
  EXPECT_EQ(normalizeName("Stra\u00DFe", "class name"), "Stra\u00DFe");
  EXPECT_EQ(normalizeName("Ka\u0308se", "class name"), "K\u00E4se");
  EXPECT_EQ(normalizeName("注文", "class name"), "注文");
  EXPECT_EQ(normalizeName("Заказ2", "class name"), "Заказ2");
}

TEST(Name, IsRefusedWithTheReason) {
  const auto refusal = [](const std::string& name) {
    return messageOf([&] { normalizeName(name, "class name"); });
  };
  EXPECT_THAT(refusal(""), HasSubstr("class name is empty"));
  EXPECT_THAT(refusal("1st"), HasSubstr("byte offset 0"));
  EXPECT_THAT(refusal("two words"), HasSubstr("byte offset 3"));
  EXPECT_THAT(refusal("a/b"), HasSubstr("\"a/b\""));
  EXPECT_THAT(refusal("\U0001F600"), HasSubstr("byte offset 0"));
  EXPECT_THAT(refusal("bad\xFF"), HasSubstr("UTF-8"));
}

TEST(Name, IsAtMost100CodePointsLong) {
  std::string longest;
  for (int i = 0; i < 100; ++i) longest += "\u00E4";
  EXPECT_EQ(normalizeName(longest, "class name"), longest);
  EXPECT_THROW(normalizeName(longest + "x", "class name"), std::invalid_argument);
}

}  // namespace
}  // namespace nephrite

// Files are named after what they hold, and say the same first line.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <regex>

#include "tests/tidy/source_tree.h"

namespace nephrite::tidy {
namespace {

TEST(Names, SayWhatIsInside) {
  constexpr std::array kSayNothing{"util",   "utils",   "common",  "misc",
                                   "helper", "helpers", "manager2"};
  static const std::regex word("[^_/.]+");
  for (const TextFile& file : code()) {
    for (std::sregex_iterator it(file.path.begin(), file.path.end(), word), end; it != end; ++it) {
      EXPECT_EQ(std::count(kSayNothing.begin(), kSayNothing.end(), it->str()), 0)
          << file.path << ": '" << it->str() << "' holds anything. Name it after the one thing it "
          << "holds.";
    }
  }
}

TEST(Names, AreWrittenInSnakeCase) {
  static const std::regex snake("[a-z0-9_]+");
  for (const TextFile& file : code()) {
    EXPECT_TRUE(std::regex_match(file.stem(), snake)) << file.path << ": write it in snake_case.";
  }
}

TEST(Names, OfTestsEndInTestWhereTestsAre) {
  static const std::regex test(R"(^(TEST|TEST_F|TEST_P|TYPED_TEST)\(.*)");
  for (const TextFile& file : code()) {
    if (file.top() != "tests" || !file.isSource()) continue;
    const bool holdsTests =
        std::any_of(file.lines.begin(), file.lines.end(),
                    [](const std::string& line) { return std::regex_match(line, test); });
    const bool named = file.stem().size() > 5 && file.stem().ends_with("_test");
    EXPECT_EQ(holdsTests, named) << file.path << ": files of tests, and only those, are called "
                                 << "<what is tested>_test.cpp.";
  }
}

TEST(Headers, BeginWithPragmaOnce) {
  for (const TextFile& file : code()) {
    if (!file.isHeader()) continue;
    ASSERT_FALSE(file.lines.empty()) << file.path << " is empty: take it away.";
    EXPECT_EQ(file.lines.front(), "#pragma once") << file.path << ": make this the first line.";
  }
}

TEST(Todos, ForNowAreDoneNow) {
  const std::string mark = std::string("TODO") + "(now)";
  for (const TextFile& file : code()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      EXPECT_EQ(file.lines[i].find(mark), std::string::npos)
          << at(file, i + 1) << ": do it before this is merged.";
    }
  }
}

}  // namespace
}  // namespace nephrite::tidy

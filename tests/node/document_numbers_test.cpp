// No number in a document that the code does not say: limits and defaults are compared with the
// constants and the table of parameters that they come from. docs/ini.md is compared as a whole
// elsewhere, and so are the bytes that docs/wire.md and docs/store.md show.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include "ini/ini_value.h"
#include "ini/parameter_table.h"
#include "locking/lock_timeout.h"
#include "node/schedule/schedule.h"
#include "node/wire/frame.h"
#include "objects/object_store.h"
#include "objects/oid.h"
#include "runtime/process/handler_stack.h"

namespace nephrite {
namespace {

struct Claim {
  std::string document;
  std::string words;  ///< That stand there, with the number that is true.
};

/// "10,000".
std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), ",");
  }
  return text;
}

const Parameter& parameter(std::string_view section, std::string_view name) {
  const Parameter* const row = findParameter(section, name);
  EXPECT_NE(row, nullptr) << section << "." << name;
  return *row;
}

std::int64_t defaultOf(std::string_view section, std::string_view name) {
  return parseIniNumber(parameter(section, name).defaultText, true)->value;
}

std::vector<Claim> claims() {
  const auto ms = [](std::string_view section, std::string_view name) {
    return grouped(defaultOf(section, name));
  };
  const auto outcomes =
      std::chrono::duration_cast<std::chrono::days>(ObjectStore::Options{}.keepOutcomes);
  const double infiniteDays = LockTimeout::kInfinite / 86'400'000.0;
  return {
      {"docs/locking.md", "of [JadeServer], " + ms("JadeServer", "ServerTimeout") + "."},
      {"docs/locking.md", ms("JadeServer", "BackgroundProcessServerTimeout") + ". A node's own"},
      {"docs/locking.md",
       fmt::format("| {} LockTimeout_Infinite | that many ms (about {:.1f} days)",
                   LockTimeout::kInfinite, infiniteDays)},
      {"docs/errors.md", fmt::format("At most {} at one level", HandlerStack::kMaxAtOneLevel)},
      {"docs/operating.md",
       fmt::format("`Node::commitOutcome()` tells the truth for {} days", outcomes.count())},
      {"docs/store.md", fmt::format("`keepOutcomes`, {} days by default", outcomes.count())},
      {"docs/schedule.md",
       fmt::format("the clock of a schedule ends at {} ms", ScheduleReader::kLastInstant)},
      {"docs/schedule.md", fmt::format("| `ServerTimeout` | ms, at least {} | {} |",
                                       parameter("JadeServer", "ServerTimeout").range.least,
                                       defaultOf("JadeServer", "ServerTimeout"))},
      {"docs/wire.md", fmt::format("A frame is a header of {} bytes", wire::FrameHeader::kBytes)},
  };
}

std::string textOf(const std::string& document) {
  std::ifstream in(NEPHRITE_SOURCE_DIR "/" + document);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(DocumentNumbers, WhenALimitIsAConstantThenTheDocumentHasItsValue) {
  for (const auto& [document, words] : claims()) {
    EXPECT_NE(textOf(document).find(words), std::string::npos)
        << document << " does not say: " << words;
  }
}

/// The parameters of that name, which may stand in several sections.
std::vector<const Parameter*> parametersNamed(const std::string& name) {
  std::vector<const Parameter*> found;
  for (const Parameter& row : parameterTable()) {
    if (row.name == name && row.effect) found.push_back(&row);
  }
  return found;
}

/// "15 s", "16 MiB" and "1,000" as the number that an INI file would have.
std::int64_t numberOf(std::string digits, const std::string& unit) {
  std::erase(digits, ',');
  const std::int64_t number = std::stoll(digits);
  if (unit == "s") return number * 1'000;
  if (unit == "KiB") return number << 10;
  if (unit == "MiB") return number << 20;
  return number;
}

const std::string kDocuments[] = {
    "docs/operating.md", "docs/errors.md",    "docs/locking.md",
    "docs/schedule.md",  "docs/wire.md",      "docs/store.md",
    "README.md",         "runtime/README.md", "node/service/README.md"};

/// `Parameter` (8 s), and the rows "what | 16 MiB | Parameter" of a table of limits.
TEST(DocumentNumbers, WhenADefaultStandsBesideItsParameterThenItIsThatOfTheTable) {
  const std::regex forms[] = {
      std::regex(R"(`?()([A-Z][A-Za-z]+)`? \(([0-9][0-9,]*) ?(ms|s|KiB|MiB)?\))"),
      std::regex(R"(\| ()(?:[^|]*) \| ([0-9][0-9,]*) ?(ms|s|KiB|MiB)? \| ([A-Z][A-Za-z]+))")};
  int compared = 0;
  for (const std::string& document : kDocuments) {
    const std::string text = textOf(document);
    ASSERT_FALSE(text.empty()) << document;
    for (std::size_t form = 0; form < std::size(forms); ++form) {
      for (std::sregex_iterator it(text.begin(), text.end(), forms[form]), end; it != end; ++it) {
        const std::string name = (*it)[form == 0 ? 2 : 4];
        const std::int64_t said = numberOf((*it)[form == 0 ? 3 : 2], (*it)[form == 0 ? 4 : 3]);
        for (const Parameter* const row : parametersNamed(name)) {
          const auto number = parseIniNumber(row->defaultText, true);
          ASSERT_TRUE(number) << document << ": " << it->str();
          EXPECT_EQ(said, number->value) << document << ": " << it->str();
          ++compared;
        }
      }
    }
  }
  EXPECT_GE(compared, 6);
}

}  // namespace
}  // namespace nephrite

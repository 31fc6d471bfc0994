// No number in a document that the code does not say: limits, times, sizes and defaults are
// compared with the constants and the table of parameters that they come from, and what is compared
// with nothing is found.

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "tests/documents/claims.h"
#include "tests/documents/constants.h"

namespace nephrite::documents {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Those that users and colleagues read. What bench/ and tests/ say of themselves is left out.
const std::map<std::string, WrittenDocument>& allDocuments() {
  static const auto all = [] {
    namespace fs = std::filesystem;
    const fs::path top = NEPHRITE_SOURCE_DIR;
    std::map<std::string, WrittenDocument> found;
    const auto add = [&](const fs::path& file) {
      const std::string name = fs::relative(file, top).generic_string();
      found.emplace(name, WrittenDocument::read(name));
    };
    for (const char* const file : {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"}) add(top / file);
    for (const char* const folder :
         {"docs", "base", "locking", "objects", "ini", "runtime", "node"}) {
      for (const auto& entry : fs::recursive_directory_iterator(top / folder)) {
        if (entry.path().extension() == ".md") add(entry.path());
      }
    }
    return found;
  }();
  return all;
}

const std::vector<Claim>& claims() {
  static const auto all = [] {
    std::vector<Claim> both = claimsOfDocuments();
    std::ranges::move(claimsOfDecisions(), std::back_inserter(both));
    return both;
  }();
  return all;
}

/// Where the document says what the code does.
std::vector<Range> placesOf(const WrittenDocument& document, const Claim& claim) {
  std::vector<Range> places;
  for (const Range words : document.find(claim.words)) {
    for (const Range value : claim.values) {
      places.push_back({words.begin + value.begin, words.begin + value.end});
    }
  }
  return places;
}

std::vector<Range> placesOf(const WrittenDocument& document, const Exempt& exempt) {
  if (!exempt.words.ends_with("...")) return document.find(exempt.words);
  const Range part = document.part(exempt.words.substr(0, exempt.words.size() - 3));
  return part.end == 0 ? std::vector<Range>{} : std::vector<Range>{part};
}

// --- Defaults ------------------------------------------------------------------------------------

/// "15 s", "16 MiB" and "1,000" as the number that an INI file would have.
std::int64_t numberOf(std::string digits, const std::string& unit) {
  std::erase(digits, ',');
  const std::int64_t number = std::stoll(digits);
  if (unit == "s") return number * 1'000;
  if (unit == "KiB") return number << 10;
  if (unit == "MiB") return number << 20;
  return number;
}

struct Default {
  Range number;
  std::int64_t said = 0;
  std::vector<const Parameter*> parameters;  ///< Of that name, in whatever section.
};

/// `Parameter` (8 s), and the rows "what | 16 MiB | Parameter" of a table of limits.
std::vector<Default> defaultsIn(const WrittenDocument& document) {
  struct Form {
    std::regex words;
    std::size_t name, number, unit;
  };
  static const Form forms[] = {
      {std::regex(R"(`?([A-Z][A-Za-z]+)`? \(([0-9][0-9,]*) ?(ms|s|KiB|MiB)?\))"), 1, 2, 3},
      {std::regex(R"(\| ([0-9][0-9,]*) ?(ms|s|KiB|MiB)? \| ([A-Z][A-Za-z]+))"), 3, 1, 2}};
  std::vector<Default> found;
  const std::string& text = document.text();
  for (const Form& form : forms) {
    for (std::sregex_iterator it(text.begin(), text.end(), form.words), end; it != end; ++it) {
      const auto begin = static_cast<std::size_t>(it->position(form.number));
      Default one{{begin, begin + static_cast<std::size_t>(it->length(form.number))},
                  numberOf((*it)[form.number], (*it)[form.unit]),
                  {}};
      for (const Parameter& row : parameterTable()) {
        if (row.name == it->str(form.name) && row.effect) one.parameters.push_back(&row);
      }
      if (!one.parameters.empty()) found.push_back(one);
    }
  }
  return found;
}

TEST(DocumentNumbers, WhenADefaultStandsBesideItsParameterThenItIsThatOfTheTable) {
  std::size_t compared = 0;
  for (const auto& [name, document] : allDocuments()) {
    for (const Default& found : defaultsIn(document)) {
      for (const Parameter* const row : found.parameters) {
        EXPECT_EQ(found.said, defaultOf(row->section, row->name)) << document.show(found.number);
        ++compared;
      }
    }
  }
  EXPECT_GE(compared, 6u);
}

// --- Constants -----------------------------------------------------------------------------------

TEST(DocumentNumbers, WhenALimitIsAConstantThenTheDocumentHasItsValue) {
  for (const Claim& claim : claims()) {
    EXPECT_THAT(allDocuments().at(claim.document).find(claim.words), testing::Not(IsEmpty()))
        << claim.document << " does not say: " << claim.words;
  }
}

// --- Error codes ---------------------------------------------------------------------------------

bool isErrorCode(const std::string& number) {
  static const auto codes = [] {
    std::set<std::string> all;
    const std::string text = textOf("runtime/errors/error_code.h");
    const std::regex form(R"( = (\d{4,5}),)");
    for (std::sregex_iterator it(text.begin(), text.end(), form), end; it != end; ++it) {
      all.insert((*it)[1]);
    }
    return all;
  }();
  EXPECT_GT(codes.size(), 30u);
  return codes.contains(number);
}

// --- All others ----------------------------------------------------------------------------------

/// Where the document's numbers are those of the code.
std::vector<Range> heldIn(const WrittenDocument& document) {
  std::vector<Range> held;
  for (const Default& one : defaultsIn(document)) held.push_back(one.number);
  for (const Claim& claim : claims()) {
    if (claim.document != document.name()) continue;
    std::ranges::copy(placesOf(document, claim), std::back_inserter(held));
  }
  return held;
}

bool isIn(const std::vector<Range>& places, Range number) {
  return std::ranges::any_of(places, [&](Range place) { return place.holds(number); });
}

std::vector<Range> numbersThatNothingHolds(const WrittenDocument& document) {
  const std::vector<Range> held = heldIn(document);
  std::vector<Range> left = document.numbers();
  std::erase_if(left, [&](Range number) {
    return isIn(held, number) || isErrorCode(document.textOf(number));
  });
  return left;
}

TEST(DocumentNumbers, WhenOnePromisesSomethingThenTheCodeHoldsItOrThereIsAReasonWhyNot) {
  for (const auto& [name, document] : allDocuments()) {
    std::vector<Range> excused;
    for (const Exempt& exempt : exempts()) {
      if (exempt.document != name) continue;
      std::ranges::copy(placesOf(document, exempt), std::back_inserter(excused));
    }
    for (const Range number : numbersThatNothingHolds(document)) {
      EXPECT_TRUE(isIn(excused, number))
          << document.show(number) << "\n  Nothing holds '" << document.textOf(number)
          << "': give it a claim (tests/documents/claims_of_*.cpp) with the constant that it comes "
             "from, leave it out of the document, or say why it cannot have one (exempts.cpp).";
    }
  }
}

TEST(DocumentNumbers, WhenAReasonExcusesNoNumberAnyMoreThenItGoes) {
  for (const Exempt& exempt : exempts()) {
    const WrittenDocument& document = allDocuments().at(exempt.document);
    const std::vector<Range> places = placesOf(document, exempt);
    EXPECT_TRUE(std::ranges::any_of(numbersThatNothingHolds(document),
                                    [&](Range number) { return isIn(places, number); }))
        << exempt.document << ": " << exempt.words;
    EXPECT_FALSE(exempt.reason.empty());
  }
}

// --- What counts as a number that promises something ---------------------------------------------

std::vector<std::string> numbersOf(const std::string& text) {
  const WrittenDocument document("it.md", text);
  std::vector<std::string> all;
  for (const Range number : document.numbers()) all.push_back(document.textOf(number));
  return all;
}

TEST(NumbersOfADocument, WhenTheyHaveAUnitOrABoundOrManyDigitsThenTheyAreSeen) {
  EXPECT_THAT(numbersOf("It waits for 32 ms, and keeps 4 KiB or\n16 MiB of it."),
              ElementsAre("32", "4", "16"));
  EXPECT_THAT(numbersOf("At most 7 stand there; up to\n  12 wait, no more than 3."),
              ElementsAre("7", "12", "3"));
  EXPECT_THAT(numbersOf("There may be 100,000 (of 20000)."), ElementsAre("100,000", "20000"));
  EXPECT_THAT(numbersOf("| what | limit |\n|---|---|\n| depth 3 | 8 each |\n"), ElementsAre("8"));
}

TEST(NumbersOfADocument, WhenTheyAreWordsThenTheyAreSeen) {
  EXPECT_THAT(numbersOf("It ends a second after that, or one a second."),
              ElementsAre("a second", "a second"));
  EXPECT_THAT(numbersOf("After two thirds of it, and a third of that, four bytes follow."),
              ElementsAre("two thirds", "a third", "four"));
  EXPECT_THAT(numbersOf("A hundred at once."), ElementsAre("hundred"));
}

TEST(NumbersOfADocument, WhenTheyPromiseNothingThenTheyAreLeftAlone) {
  EXPECT_THAT(numbersOf("See section 2.4 of 7, step 3. Boost 1.81, object 2048.5, a second one."),
              IsEmpty());
  EXPECT_THAT(numbersOf("`kMost` is `1024 bytes`: [so](decisions/0012-x.md).\n```\n4711 ms\n```\n"),
              IsEmpty());
}

TEST(PartsOfADocument, WhenTheyBeginWithTheseWordsThenTheyEndWhereTheNextBegins) {
  const WrittenDocument document(
      "it.md", "# Top\n\n## One\n\nFirst is\nhere.\n\nSecond.\n\n## Two\n\nEnd.\n");
  const auto part = [&](const char* words) { return document.textOf(document.part(words)); };
  EXPECT_EQ(part("First"), "First is here. ");
  EXPECT_EQ(part("## One"), "## One First is here. Second. ");
  EXPECT_EQ(part("## Two"), "## Two End. ");
  EXPECT_EQ(document.part("here").end, 0u) << "in the middle of a paragraph";
}

}  // namespace
}  // namespace nephrite::documents

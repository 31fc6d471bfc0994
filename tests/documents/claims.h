#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/documents/written_document.h"

namespace nephrite::documents {

/// Words of a document that have numbers of the code in them.
struct Claim {
  std::string document;
  std::string words;          ///< With the numbers that are true.
  std::vector<Range> values;  ///< Where in the words these are.
};

/// `words` have "{}" where the values stand.
template <class... Values>
Claim says(const char* document, std::string_view words, const Values&... values) {
  const std::vector<std::string> numbers{fmt::format("{}", values)...};
  Claim claim{document, "", {}};
  std::size_t next = 0;
  for (std::size_t at; (at = words.find("{}")) != std::string_view::npos; ++next) {
    claim.words += words.substr(0, at);
    const std::size_t begin = claim.words.size();
    claim.words += next < numbers.size() ? numbers[next] : "{}";
    claim.values.push_back({begin, claim.words.size()});
    words.remove_prefix(at + 2);
  }
  EXPECT_EQ(next, numbers.size()) << claim.words;
  claim.words += words;
  return claim;
}

/// What docs/*.md, README.md and the READMEs of folders say.
std::vector<Claim> claimsOfDocuments();
/// What docs/decisions say.
std::vector<Claim> claimsOfDecisions();

/// Numbers that no constant of the code stands behind, and why.
struct Exempt {
  std::string document;
  /// The words with the number; or, with "..." behind them, the first words of a paragraph, a table
  /// or, from its "#", a section.
  std::string words;
  std::string reason;
};
const std::vector<Exempt>& exempts();

}  // namespace nephrite::documents

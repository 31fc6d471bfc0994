#include "tests/documents/written_document.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace nephrite::documents {
namespace {

const std::set<std::string_view> kUnits{
    "ms",       "s",        "us",        "ns",        "milliseconds", "nanoseconds", "microseconds",
    "second",   "seconds",  "minute",    "minutes",   "hour",         "hours",       "day",
    "days",     "week",     "weeks",     "year",      "years",        "KiB",         "MiB",
    "GiB",      "mebibyte", "mebibytes", "megabytes", "byte",         "bytes",       "B",
    "bit",      "bits",     "line",      "lines",     "columns",      "characters",  "files",
    "tables",   "times",    "x",         "%",         "instructions", "processors",  "places",
    "releases", "segments", "chunks",    "others",    "readers"};

const std::set<std::string_view> kNumerals{
    "half", "quarter", "third", "thirds", "one", "two",     "three",   "four",     "five",
    "six",  "seven",   "eight", "nine",   "ten", "sixteen", "hundred", "thousand", "million"};

// Of a time, not of an order: "a second after it", not "a second opening".
const std::set<std::string_view> kBehindASecond{"after", "for", "with", "before", "of", "and"};

struct Word {
  Range range;
  std::string_view text;  ///< Without the punctuation around it.
  char behind = ' ';      ///< Punctuation, if there is some.
};

std::vector<Word> wordsOf(std::string_view prose) {
  constexpr std::string_view kAround = "()[]{}|*\"':;,.!?";
  std::vector<Word> words;
  for (std::size_t at = 0; at < prose.size();) {
    const std::size_t end = std::min(prose.find(' ', at), prose.size());
    std::size_t from = at, to = end;
    while (from < to && kAround.find(prose[from]) != std::string_view::npos) ++from;
    while (to > from && kAround.find(prose[to - 1]) != std::string_view::npos) --to;
    words.push_back({{from, to}, prose.substr(from, to - from), to < end ? prose[to] : ' '});
    at = end + 1;
  }
  return words;
}

bool isDigits(std::string_view text) {
  static const std::regex form(R"([0-9][0-9,]*(\.[0-9]+)?)");
  return std::regex_match(text.begin(), text.end(), form);
}
bool isDigitsAndUnit(std::string_view text) {
  static const std::regex form(
      R"([0-9][0-9,]*(\.[0-9]+)?(ms|s|us|ns|KiB|MiB|GiB|-bit|-byte|rd|th))");
  return std::regex_match(text.begin(), text.end(), form);
}

/// Reads words one after the other: which of them are numbers that promise something?
class Reading {
 public:
  explicit Reading(const std::vector<Word>& words) : words_(words) {}

  /// The place of the number that words[i] ends, if that promises something; else empty.
  Range promise(std::size_t i) const {
    const Word& word = words_[i];
    if (isDigitsAndUnit(word.text)) return word.range;
    if (isDigits(word.text)) {
      return hasUnit(i) || isBounded(i) || isLarge(word.text) ? word.range : Range{};
    }
    if (word.text == "second" && i > 0 && isOneOf(i - 1, {"a", "one", "each", "once"})) {
      const bool isTime = std::string_view(".;:)|").find(word.behind) != std::string_view::npos ||
                          (word.behind == ' ' && kBehindASecond.contains(at(i + 1)));
      return isTime ? Range{words_[i - 1].range.begin, word.range.end} : Range{};
    }
    if ((word.text == "third" || word.text == "thirds" || word.text == "half") &&
        at(i + 1) == "of") {
      return i > 0 && isOneOf(i - 1, {"a", "two"})
                 ? Range{words_[i - 1].range.begin, word.range.end}
                 : word.range;
    }
    const bool isNumeral = kNumerals.contains(word.text);
    return isNumeral && word.text != "one" && (hasUnit(i) || isBounded(i)) ? word.range : Range{};
  }

 private:
  std::string_view at(std::size_t i) const { return i < words_.size() ? words_[i].text : ""; }
  bool isOneOf(std::size_t i, std::initializer_list<std::string_view> these) const {
    return std::find(these.begin(), these.end(), words_[i].text) != these.end();
  }
  bool hasUnit(std::size_t i) const {
    const bool isAtOnce = at(i + 1) == "at" && at(i + 2) == "once";
    return words_[i].behind == ' ' && (kUnits.contains(at(i + 1)) || isAtOnce);
  }
  bool isBounded(std::size_t i) const {
    static const std::set<std::string> bounds{"at most",   "at least",  "up to",    "more than",
                                              "less than", "blocks of", "powers of"};
    if (i > 0 && isOneOf(i - 1, {"within", "past", "under"})) return true;
    if (i < 2 || words_[i - 2].behind != ' ' || words_[i - 1].behind != ' ') return false;
    std::string before = std::string(at(i - 2)) + " " + std::string(at(i - 1));
    before[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(before[0])));
    return bounds.contains(before);
  }
  static bool isLarge(std::string_view number) {
    return number.find('.') == std::string_view::npos &&
           std::count_if(number.begin(), number.end(), [](char c) { return c != ','; }) >= 3;
  }

  const std::vector<Word>& words_;
};

std::string withoutRowsOfBlanks(std::string_view text) {
  std::string all;
  for (const char c : text) {
    if (c != ' ' && c != '\t') {
      all += c;
    } else if (!all.empty() && all.back() != ' ') {
      all += ' ';
    }
  }
  return all;
}

std::string withoutCode(std::string line) {
  static const std::regex code(R"(`[^`]*`|\]\([^)]*\)|https?://\S+)");
  const std::string all = line;
  for (std::sregex_iterator it(all.begin(), all.end(), code), end; it != end; ++it) {
    for (auto at = it->position(); at < it->position() + it->length(); ++at) {
      char& c = line[static_cast<std::size_t>(at)];
      if (c != ' ') c = '`';
    }
  }
  return line;
}

}  // namespace

WrittenDocument WrittenDocument::read(const std::string& name) {
  std::ifstream in(NEPHRITE_SOURCE_DIR "/" + name);
  if (!in) throw std::runtime_error("cannot read " + name);
  return {name, {std::istreambuf_iterator<char>(in), {}}};
}

WrittenDocument::WrittenDocument(std::string name, const std::string& text)
    : name_(std::move(name)) {
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) addLine(line);
}

void WrittenDocument::addLine(const std::string& line) {
  const std::string plain = withoutRowsOfBlanks(line) + " ";
  const std::size_t first = plain.find_first_not_of(' ');
  const std::string said = first == std::string::npos ? "" : plain.substr(first);
  const bool isFence = said.starts_with("```");
  const std::size_t level = isCode_ ? 0 : std::min(line.find_first_not_of('#'), line.size());

  lines_.push_back({text_.size(), !said.empty() && (wasBlank_ || level > 0), level});
  if (said.starts_with("|")) addLimits(said, text_.size());
  text_ += said;
  prose_ += isCode_ || isFence ? std::string(said.size(), ' ') : withoutCode(said);

  isCode_ ^= isFence;
  wasBlank_ = said.empty() || level > 0;
  if (!said.starts_with("|")) limitColumn_ = -1;
}

void WrittenDocument::addLimits(std::string_view row, std::size_t begin) {
  const bool isHeader = lines_.back().opensPart;
  std::size_t from = 1;
  int column = 0;
  for (std::size_t to; (to = row.find('|', from)) != std::string_view::npos; from = to + 1) {
    if (isHeader && row.substr(from, to - from) == " limit ") limitColumn_ = column;
    if (!isHeader && column == limitColumn_) limits_.push_back({begin + from, begin + to});
    ++column;
  }
}

std::string WrittenDocument::show(Range range) const {
  const auto after = std::find_if(lines_.begin(), lines_.end(),
                                  [&](const Line& line) { return line.begin > range.begin; });
  const std::size_t from = range.begin < 50 ? 0 : range.begin - 50;
  return name_ + ":" + std::to_string(after - lines_.begin()) + ": ..." +
         text_.substr(from, range.end + 30 - from) + "...";
}

std::vector<Range> WrittenDocument::find(std::string_view words) const {
  std::vector<Range> places;
  for (auto at = text_.find(words); at != std::string::npos; at = text_.find(words, at + 1)) {
    places.push_back({at, at + words.size()});
  }
  return places;
}

Range WrittenDocument::part(std::string_view words) const {
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    const Line& first = lines_[i];
    if (!first.opensPart || text_.compare(first.begin, words.size(), words) != 0) continue;
    for (std::size_t next = i + 1; next < lines_.size(); ++next) {
      const Line& line = lines_[next];
      const bool ends =
          first.heading > 0 ? line.heading > 0 && line.heading <= first.heading : line.opensPart;
      if (ends) return {first.begin, line.begin};
    }
    return {first.begin, text_.size()};
  }
  return {};
}

std::vector<Range> WrittenDocument::numbers() const {
  const std::vector<Word> words = wordsOf(prose_);
  const Reading reading(words);
  std::vector<Range> found;
  for (std::size_t i = 0; i < words.size(); ++i) {
    Range number = reading.promise(i);
    const bool isLimit = isDigits(words[i].text) &&
                         std::any_of(limits_.begin(), limits_.end(),
                                     [&](Range cell) { return cell.holds(words[i].range); });
    if (isLimit) number = words[i].range;
    if (number.end > 0) found.push_back(number);
  }
  return found;
}

}  // namespace nephrite::documents

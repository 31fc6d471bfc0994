#include "ini/ini_parser.h"

#include <ini.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "base/check.h"

namespace nephrite {
namespace {

constexpr std::string_view kBlanks = " \t\v\f";
constexpr std::size_t kMaxIdLength = 100;

// Lets inih read lines of any length. inih cuts lines at 200 bytes and names at 50, joins
// indented lines to the line above, takes `a:b` for an entry and `a;b` for a value. So it is
// handed each line with its structure ('[', ']', '=', ';') as it stands and a number in the place
// of each stretch of text; the number is the index of that stretch in kept_. inih then decides
// what is a section, an entry or neither.
//
//  1. At most one line is open: handed over, and not yet accounted for.
//  2. A section header is followed by a probe entry: inih calls back for entries only, and the
//     section it names then tells whether it took the header.
class InihSession {
 public:
  InihSession(std::string_view text, const std::string& shownAs) : text_(text), shownAs_(shownAs) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  }

  ParsedIni run() {
    if (text_.starts_with("\xFF\xFE") || text_.starts_with("\xFE\xFF")) {
      line_ = 1;
      error("the text is UTF-16; save it as UTF-8");
      return std::move(result_);
    }
    ini_parse_stream(&InihSession::nextLine, this, &InihSession::takeEntry, this);
    endOpenLine();
    return std::move(result_);
  }

 private:
  enum class Open { Nothing, Entry, Section, Probe };

  // Both are called from C: noexcept, since nothing may be thrown across it.
  static char* nextLine(char* out, int size, void* session) noexcept {
    std::string line;
    if (!static_cast<InihSession*>(session)->produce(line)) return nullptr;
    NEPHRITE_CHECK(line.size() < static_cast<std::size_t>(size));
    std::memcpy(out, line.c_str(), line.size() + 1);
    return out;
  }

  static int takeEntry(void* session, const char* section, const char* name,
                       const char* value) noexcept {
    static_cast<InihSession*>(session)->accept(section, name, value);
    return 1;
  }

  bool produce(std::string& out) {
    if (open_ == Open::Section) {
      open_ = Open::Probe;
      out = "probe=";
      return true;
    }
    if (endOpenLine()) {
      out = "[]";  // inih still stands in the section before the broken header: leave it.
      return true;
    }
    if (at_ >= text_.size()) return false;
    ++line_;
    out = shorten(cutLine());
    return true;
  }

  // Line ends are LF, CRLF and a lone CR.
  std::string_view cutLine() {
    lineBegin_ = at_;
    const auto end = std::min(text_.find_first_of("\r\n", at_), text_.size());
    at_ = std::min(end + 1, text_.size());
    if (end < text_.size() && text_[end] == '\r' && at_ < text_.size() && text_[at_] == '\n') ++at_;
    return text_.substr(lineBegin_, end - lineBegin_);
  }

  std::string shorten(std::string_view line) {
    const auto first = line.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return "";
    if (line[first] == ';') return ";";
    if (line[first] == '#') {
      warning("the line is ignored; a comment begins with ';', not with '#'");
      return ";";
    }
    if (line.substr(0, line.find(';')).find('\0') != std::string_view::npos) {
      error("the line holds a zero byte; is this a text file in UTF-8?");
      return ";";
    }
    if (line[first] != '[') return shortenEntry(line);
    if (first == 0) return shortenSection(line);
    error("a '[' begins a section only in column 1; remove the blanks before it");
    return ";";
  }

  std::string shortenSection(std::string_view line) {
    open_ = Open::Section;
    const auto end = std::min(line.find_first_of("];", 1), line.size());
    sectionToken_ = token(trimmedBlanks(line.substr(1, end - 1)));
    std::string out = "[" + sectionToken_;
    if (end == line.size() || line[end] == ';') return out;
    const auto rest = trimmedBlanks(line.substr(end + 1));
    if (!rest.empty() && rest.front() != ';') warning("what stands after the ']' is ignored");
    return out + "]";
  }

  std::string shortenEntry(std::string_view line) {
    const auto end = std::min(line.find_first_of("=;"), line.size());
    std::string out = token(trimmedBlanks(line.substr(0, end)));
    open_ = Open::Entry;
    if (end == line.size() || line[end] == ';') return out;

    const auto from = std::min(line.find_first_not_of(kBlanks, end + 1), line.size());
    const std::size_t to = std::min(line.find(';', from), line.size());
    std::string_view value = trimmedBlanks(line.substr(from, to - from));
    std::size_t length = value.size();
    quoted_ = false;
    if (from < line.size() && line[from] == '"') {
      const auto close = line.find('"', from + 1);
      const auto after = close == std::string_view::npos ? std::string_view()
                                                         : trimmedBlanks(line.substr(close + 1));
      if (close == std::string_view::npos || (!after.empty() && after.front() != ';')) {
        open_ = Open::Nothing;
        error(close == std::string_view::npos ? "the quote is not closed"
                                              : "only a comment may follow the closing quote");
        return ";";
      }
      value = line.substr(from + 1, close - from - 1);
      length = value.size() + 2;
      quoted_ = true;
    }
    valueBegin_ = lineBegin_ + from;
    valueEnd_ = valueBegin_ + length;
    return out + "=" + token(value);
  }

  void accept(const std::string& section, const std::string& name, const std::string& value) {
    if (open_ == Open::Probe) {
      if (section != sectionToken_) return;  // endOpenLine() tells.
      open_ = Open::Nothing;
      takeSection(textOf(section));
      return;
    }
    open_ = Open::Nothing;
    if (textOf(name).empty()) return error("there is no key before the '='");
    if (textOf(section).empty())
      return error("the line belongs to no section; add [Section] above");
    result_.entries.push_back({std::string(textOf(section)), std::string(textOf(name)),
                               std::string(textOf(value)), line_, valueBegin_, valueEnd_, quoted_});
  }

  void takeSection(std::string_view name) {
    if (name.empty()) return error("the section has no name");
    const auto dot = name.find('.');
    if (dot != std::string_view::npos) {
      if (dot == 0 || dot + 1 == name.size() || name[dot + 1] == '.')
        error("a two-level section is [Id.Section], neither of them empty");
      if (dot > kMaxIdLength) error("the Id of a two-level section has at most 100 characters");
    }
    result_.sections.push_back({std::string(name), line_, at_});
  }

  // True when a section header was not taken.
  bool endOpenLine() {
    const Open was = std::exchange(open_, Open::Nothing);
    if (was == Open::Entry) error("this is neither [Section] nor Parameter=value");
    if (was == Open::Probe) error("the section's closing ']' is missing");
    return was == Open::Probe;
  }

  std::string token(std::string_view text) {
    if (text.empty()) return {};
    kept_.push_back(text);
    return std::to_string(kept_.size() - 1);
  }

  std::string_view textOf(const std::string& token) const {
    return token.empty() ? std::string_view() : kept_[std::stoul(token)];
  }

  void report(IniProblem::Severity severity, const std::string& message) {
    result_.problems.push_back({severity, shownAs_ + ":" + std::to_string(line_), message});
  }
  void error(const std::string& message) { report(IniProblem::Severity::Error, message); }
  void warning(const std::string& message) { report(IniProblem::Severity::Warning, message); }

  const std::string_view text_;
  const std::string& shownAs_;
  ParsedIni result_;
  std::vector<std::string_view> kept_;

  std::size_t at_ = 0;  // Of text_: what is not yet handed over.
  std::size_t lineBegin_ = 0;
  int line_ = 0;
  Open open_ = Open::Nothing;
  std::string sectionToken_;
  std::size_t valueBegin_ = 0;
  std::size_t valueEnd_ = 0;
  bool quoted_ = false;
};

void reportDuplicates(ParsedIni& parsed, const std::string& shownAs) {
  std::map<std::pair<std::string, std::string>, int> firstLines;
  for (const IniEntry& entry : parsed.entries) {
    const auto [first, isFirst] =
        firstLines.try_emplace({foldSection(entry.section), foldCase(entry.key)}, entry.line);
    if (isFirst) continue;
    parsed.problems.push_back({IniProblem::Severity::Warning,
                               shownAs + ":" + std::to_string(entry.line),
                               "[" + entry.section + "] " + entry.key + " stands in line " +
                                   std::to_string(first->second) + " already, which counts; line " +
                                   std::to_string(entry.line) + " is ignored"});
  }
}

}  // namespace

ParsedIni parseIni(std::string_view text, const std::string& shownAs) {
  ParsedIni parsed = InihSession(text, shownAs).run();
  reportDuplicates(parsed, shownAs);
  return parsed;
}

std::string_view trimmedBlanks(std::string_view text) {
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string foldCase(std::string_view name) {
  std::string folded(name);
  for (char& c : folded)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return folded;
}

std::string foldSection(std::string_view section) {
  const auto dot = section.find('.');
  if (dot == std::string_view::npos) return foldCase(section);
  return std::string(section.substr(0, dot + 1)) + foldCase(section.substr(dot + 1));
}

}  // namespace nephrite

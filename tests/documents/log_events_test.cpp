// docs/log.md has every event that the code logs, with its level and its fields, and no other.

#include <gmock/gmock.h>

#include <cctype>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

#include "tests/documents/constants.h"

namespace nephrite::documents {
namespace {

using testing::IsSubsetOf;
using testing::UnorderedElementsAreArray;

/// One line of the log: "lock.broken, warning: object process".
struct Event {
  std::string name;
  std::set<std::string> levels;
  std::vector<std::string> fields;

  std::string describe() const {
    std::string text = name + ",";
    for (const std::string& level : levels) text += " " + level;
    text += ":";
    for (const std::string& field : fields) text += " " + field;
    return text;
  }
};

/// What the first bracket of each match holds, in order.
std::vector<std::string> allIn(const std::string& text, const std::regex& form) {
  std::vector<std::string> all;
  for (std::sregex_iterator it(text.begin(), text.end(), form), end; it != end; ++it) {
    all.push_back((*it)[1]);
  }
  return all;
}

// --- The code ------------------------------------------------------------------------------------

const std::regex kName("\"([a-z]+\\.[a-z_]+)\""), kLevel("LogLevel::(\\w+)"),
    kField("\\{\\s*\"([a-z_]+)\",");

/// The arguments of a call whose "(" is at `open`.
std::string argumentsAt(const std::string& text, std::size_t open) {
  std::size_t at = open;
  int depth = 0;
  do {
    if (text[at] == '(') ++depth;
    if (text[at] == ')') --depth;
  } while (++at < text.size() && depth > 0);
  return text.substr(open + 1, at - open - 2);
}

std::set<std::string> inSmallLetters(const std::vector<std::string>& levels) {
  std::set<std::string> all;
  for (std::string level : levels) {
    level[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(level[0])));
    all.insert(level);
  }
  return all;
}

/// Of log(level, "event", {{"key", value}, ...}); where each of two events has a level of its own,
/// they stand in the same order.
void addLogged(const std::string& arguments, std::vector<Event>& events) {
  const std::vector<std::string> names = allIn(arguments, kName);
  const std::vector<std::string> levels = allIn(arguments, kLevel);
  const std::vector<std::string> fields = allIn(arguments, kField);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool hasItsOwn = names.size() > 1 && names.size() == levels.size();
    events.push_back({names[i],
                      inSmallLetters(hasItsOwn ? std::vector<std::string>{levels[i]} : levels),
                      fields});
  }
}

/// Calls of logFailure("event", ...) log what it logs.
void addFailures(const std::string& text, const Event& failure, std::vector<Event>& events) {
  static const std::regex call(R"|(logFailure\("([a-z]+\.[a-z_]+)")|");
  for (const std::string& name : allIn(text, call)) {
    events.push_back({name, failure.levels, failure.fields});
  }
}

/// The log's own lines: lineOf(LogLevel::Warning, fmt::format("event key={}", ...)).
void addOwn(const std::string& text, std::vector<Event>& events) {
  static const std::regex own(
      R"|(lineOf\(LogLevel::(\w+), fmt::format\("([a-z_.]+)((?: \w+=\{\})*))|");
  for (std::sregex_iterator it(text.begin(), text.end(), own), end; it != end; ++it) {
    events.push_back(
        {(*it)[2], inSmallLetters({(*it)[1]}), allIn((*it)[3], std::regex(R"( (\w+)=)"))});
  }
}

std::vector<std::string> sources() {
  namespace fs = std::filesystem;
  const fs::path top = NEPHRITE_SOURCE_DIR;
  std::vector<std::string> all;
  for (const char* const room : {"base", "locking", "objects", "ini", "runtime", "node"}) {
    for (const auto& entry : fs::recursive_directory_iterator(top / room)) {
      const auto kind = entry.path().extension();
      if (kind == ".cpp" || kind == ".h") all.push_back(fs::relative(entry.path(), top).string());
    }
  }
  return all;
}

std::vector<Event> eventsOfTheCode() {
  static const std::regex call("\\blog\\((?=[^)]*LogLevel::|level)");
  const std::string refusals = textOf("runtime/process/refusals.cpp");
  const std::string inLogFailure =
      argumentsAt(refusals, refusals.find("log(LogLevel::Error, event,") + 3);
  const Event failure{"", inSmallLetters(allIn(inLogFailure, kLevel)), allIn(inLogFailure, kField)};

  std::vector<Event> events;
  for (const std::string& source : sources()) {
    const std::string text = textOf(source);
    for (std::sregex_iterator it(text.begin(), text.end(), call), end; it != end; ++it) {
      const auto open = static_cast<std::size_t>(it->position() + it->length() - 1);
      const std::string arguments = argumentsAt(text, open);
      const std::size_t before = events.size();
      addLogged(arguments, events);
      const bool isDeclared = arguments.find("std::string_view event") != std::string::npos;
      const bool isLogFailure = arguments == inLogFailure;
      EXPECT_TRUE(events.size() > before || isDeclared || isLogFailure)
          << source << ": no event is named in log(" << arguments << ")";
    }
    addFailures(text, failure, events);
    addOwn(text, events);
  }
  return events;
}

// --- The document --------------------------------------------------------------------------------

std::vector<Event> eventsOfTheDocument() {
  static const std::regex row(R"(\| `([a-z]+\.[a-z_]+)` \| ([^|]*) \| ([^|]*)\|.*)");
  static const std::regex level("(debug|info|warning|error)"), field("`([a-z_]+)`");
  std::vector<Event> events;
  std::istringstream in(textOf("docs/log.md"));
  for (std::string line; std::getline(in, line);) {
    std::smatch found;
    if (!std::regex_match(line, found, row)) continue;
    const auto levels = allIn(found[2], level);
    events.push_back({found[1], {levels.begin(), levels.end()}, allIn(found[3], field)});
  }
  return events;
}

std::set<std::string> described(const std::vector<Event>& events) {
  std::set<std::string> all;
  for (const Event& event : events) all.insert(event.describe());
  return all;
}

std::set<std::string> namesOf(const std::vector<Event>& events) {
  std::set<std::string> all;
  for (const Event& event : events) all.insert(event.name);
  return all;
}

// --- Both ----------------------------------------------------------------------------------------

TEST(LogDocument, HasEveryEventOfTheCodeWithItsLevelAndItsFields) {
  const std::vector<Event> written = eventsOfTheDocument();
  EXPECT_EQ(described(written).size(), written.size()) << "one stands there twice";
  EXPECT_THAT(described(written), UnorderedElementsAreArray(described(eventsOfTheCode())));
}

TEST(LogDocument, IsNotContradictedByThePageForOperators) {
  static const std::regex named("`([a-z]+\\.[a-z_]+)`");
  const std::string page = textOf("docs/operating.md");
  const std::string alerts = page.substr(page.find("## What the log says"));
  const auto said = allIn(alerts, named);
  EXPECT_GE(said.size(), 10u);
  EXPECT_THAT(std::set(said.begin(), said.end()), IsSubsetOf(namesOf(eventsOfTheCode())));
}

}  // namespace
}  // namespace nephrite::documents

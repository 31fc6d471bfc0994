// Every line that is neither blank nor a comment becomes an entry, a section or a problem, and an
// entry's bytes in the text hold its value. A server node's specification reads back as itself.

#include <cstddef>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/check.h"
#include "ini/ini_parser.h"
#include "ini/ini_value.h"
#include "ini/server_node_specification.h"

namespace {

bool saysSomething(std::string_view line) {
  const auto first = line.find_first_not_of(" \t\v\f");
  return first != std::string_view::npos && line[first] != ';';
}

void tryServerNode(const std::string& value) {
  using namespace nephrite;
  try {
    const auto server = parseServerNodeSpecification(value, "/");
    NEPHRITE_CHECK(parseServerNodeSpecification(server.toString(), "/") == server);
  } catch (const std::invalid_argument&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nephrite;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const ParsedIni parsed = parseIni(text, "f");
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    NEPHRITE_CHECK(parsed.problems.size() == 1);
    return 0;
  }

  std::set<int> accounted;
  for (const IniSection& section : parsed.sections) accounted.insert(section.line);
  for (const IniProblem& problem : parsed.problems)
    accounted.insert(std::stoi(problem.where.substr(2)));
  for (const IniEntry& entry : parsed.entries) {
    accounted.insert(entry.line);
    const auto held = text.substr(entry.valueBegin, entry.valueEnd - entry.valueBegin);
    NEPHRITE_CHECK(held == entry.value || held == '"' + entry.value + '"');
    parseIniNumber(entry.value, true);
    tryServerNode(entry.value);
  }

  std::size_t at = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  for (int line = 1; at < text.size(); ++line) {
    std::size_t end = at;
    while (end < text.size() && text[end] != '\r' && text[end] != '\n') ++end;
    NEPHRITE_CHECK(accounted.contains(line) == saysSomething(text.substr(at, end - at)));
    at = text.substr(end).starts_with("\r\n") ? end + 2 : end + 1;
  }
  return 0;
}

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ini/ini_problem.h"

namespace nephrite {

/// One `key=value` line.
struct IniEntry {
  std::string section;
  std::string key;
  std::string value;           ///< Without quotes, comment and surrounding blanks.
  int line = 0;                ///< From 1, as an editor counts.
  std::size_t valueBegin = 0;  ///< Bytes of the text that hold the value, quotes included.
  std::size_t valueEnd = 0;
  bool quoted = false;
};

struct IniSection {
  std::string name;
  int line = 0;
  std::size_t end = 0;  ///< First byte after the header's line, its line end included.
};

struct ParsedIni {
  std::vector<IniSection> sections;
  std::vector<IniEntry> entries;  ///< In the file's order, duplicates included.
  std::vector<IniProblem> problems;
};

/// Reads INI text: every line that is neither blank nor a comment becomes an entry, a section or
/// a problem with its true line number, however long it is. `shownAs` names the text in problems.
/// Threads: any. Source: JADE manual, Initialization File Reference, "format".
ParsedIni parseIni(std::string_view text, const std::string& shownAs);

/// Without blanks at both ends.
std::string_view trimmedBlanks(std::string_view text);

/// What two spellings of one name have in common: letter case set aside (ASCII), except in the
/// Id of a two-level section.
std::string foldCase(std::string_view name);
std::string foldSection(std::string_view section);

}  // namespace nephrite

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ini/settings.h"

namespace nephrite {

enum class ParameterType {
  Number,
  Milliseconds,
  Microseconds,
  Size,       ///< Bytes; out of range is an error, as for any number.
  CacheSize,  ///< Bytes; out of range is brought into it. Its upper end is the machine's.
  Boolean,
  Choice,
  Address,  ///< That a server node can listen at.
  Path,     ///< A relative one starts at the INI file's folder.
  ServerNode,
  Unread
};

/// What a value may be: the check and docs/ini.md both read it off here.
struct ParameterRange {
  std::int64_t least = 0;
  std::int64_t most = 0;        ///< Of a Path: its bytes; 0 for as many as it likes.
  std::string_view words = {};  ///< Of a Choice, parted by blanks; of a Path, the word for none.
};

/// One row of the table: all that Nephrite knows of one parameter. Settings, checks and
/// docs/ini.md come from it.
struct Parameter {
  std::string_view section;
  std::string_view name;  ///< "ServerApplication<n>" and "<selector>" stand for any such name.
  ParameterType type;
  std::string_view defaultText;
  ParameterRange range;
  bool dynamic;              ///< A reload takes it over.
  bool effect;               ///< False: JADE's, known here, and without effect so far.
  std::string_view meaning;  ///< Of an Unread one: what to use instead, or nothing.
  void (*store)(Settings&, const ParameterValue&);  ///< Null for Unread.
};

std::span<const Parameter> parameterTable();

/// The row for a plain section (no Id) and key, in any letter case; null when unknown.
const Parameter* findParameter(std::string_view section, std::string_view key);
bool isKnownSection(std::string_view section);

/// The known name most like `name`, to propose when a name was mistyped; empty when none is like
/// it: more than one letter in six, and one, would have to change.
std::string nearestSection(std::string_view name);
std::string nearestParameter(std::string_view section, std::string_view name);
/// The section in which `name` is a parameter that works; empty when there is none.
std::string_view sectionOf(std::string_view name);

/// "milliseconds", "bytes", "true or false"...
std::string_view typeText(ParameterType type);

/// The range in words: "1 to 2147483647"; empty when anything of the type goes.
std::string rangeText(const Parameter& parameter);

}  // namespace nephrite

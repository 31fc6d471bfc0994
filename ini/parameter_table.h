#pragma once

#include <span>
#include <string>
#include <string_view>

#include "ini/settings.h"

namespace nephrite {

enum class ParameterType { Milliseconds, Size, Boolean, Choice, Text, Unread };

/// One row of the table: all that Nephrite knows of one parameter. Settings, checks and
/// docs/ini.md come from it.
struct Parameter {
  std::string_view section;
  std::string_view name;  ///< "ServerApplication<n>" and "<selector>" stand for any such name.
  ParameterType type;
  std::string_view defaultText;
  std::string_view range;  ///< For people; of a Choice, its words parted by blanks.
  bool dynamic;            ///< A reload takes it over.
  bool effect;             ///< False: JADE's, known here, and without effect so far.
  std::string_view meaning;
  void (*store)(Settings&, const ParameterValue&);  ///< Null for Unread.
};

std::span<const Parameter> parameterTable();

/// The row for a plain section (no Id) and key, in any letter case; null when unknown.
const Parameter* findParameter(std::string_view section, std::string_view key);
bool isKnownSection(std::string_view section);

/// The known name most like `name` (fewest letters to change), to propose to whoever mistyped it.
std::string nearestSection(std::string_view name);
std::string nearestParameter(std::string_view section, std::string_view name);

/// "ms", "bytes", "true or false"...
std::string_view typeText(ParameterType type);

}  // namespace nephrite

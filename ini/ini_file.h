#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ini/ini_parser.h"

namespace nephrite {

/// What the command line says about settings.
struct IniArguments {
  std::string name;                    ///< `name=Id`: [Id.Section] counts before [Section].
  std::vector<std::string> overrides;  ///< `Section.Parameter=value`.
};

/// Where an effective value comes from.
struct IniOrigin {
  enum class Kind { Default, File, QualifiedSection, CommandLineSection, CommandLine };

  Kind kind = Kind::Default;
  std::string where;  ///< "file:line"; empty for a default.
  std::string describe() const;
};

struct IniFound {
  std::string value;
  IniOrigin origin;
  std::size_t entry = 0;  ///< Index in entries() when it comes from the file.
  bool quoted = false;
};

/// `Section.Parameter=value` of the command line or of [JadeCommandLine].
struct IniOverride {
  std::string section;
  std::string key;
  std::string value;  ///< Without quotes, as in the file.
  IniOrigin origin;
  bool quoted = false;
};

/// A JADE initialization file together with the command line that overrides it.
///
/// Shape:   the file's text, its entries in order, and the overrides. Section and key names
///          match in any letter case; the Id of [Id.Section] does not.
/// Errors:  IniFileMissing, IniError when the file cannot be read or written; what is wrong
///          inside is collected in problems().
/// Threads: one at a time.
/// Source:  JADE manual, Initialization File Reference.
class IniFile {
 public:
  static IniFile read(const std::filesystem::path& path, IniArguments arguments = {});
  /// No file at all: every value is the table's, or the command line's.
  static IniFile none(IniArguments arguments = {});

  const std::filesystem::path& path() const { return path_; }
  const IniArguments& arguments() const { return arguments_; }
  const std::vector<IniEntry>& entries() const { return parsed_.entries; }
  const std::vector<IniSection>& sections() const { return parsed_.sections; }
  const std::vector<IniProblem>& problems() const { return parsed_.problems; }
  const std::vector<IniOverride>& overrides() const { return overrides_; }
  std::string whereIs(int line) const;

  /// The value that counts: command line, [JadeCommandLine], [Id.Section], [Section].
  std::optional<IniFound> find(std::string_view section, std::string_view key) const;

  /// Changes one value where it counts, or adds it to [section]; every other byte of the file
  /// stays. Reads the file afresh first, so that an editor's changes are kept. The file is
  /// replaced in one step and keeps its permissions. False, and nothing done, when the command
  /// line gives the parameter. std::invalid_argument for what a line cannot hold.
  bool set(std::string_view section, std::string_view key, std::string_view value);

 private:
  IniFile(std::filesystem::path path, IniArguments arguments, std::string text);

  std::optional<std::size_t> entryOf(std::string_view section, std::string_view key) const;
  void takeOverrides();
  void takeArgument(const std::string& argument);
  void takeOverride(IniOverride given);
  std::string textWith(std::string_view section, std::string_view key,
                       const std::string& written) const;

  std::filesystem::path path_;
  IniArguments arguments_;
  std::string text_;
  ParsedIni parsed_;
  std::vector<IniOverride> overrides_;
};

/// JADE's rule for where the file is: the `ini=` argument, else jade.ini in the directory of
/// `path=`, else jade.ini in the working directory. An argument that was not given is empty.
std::filesystem::path locateIniFile(const std::filesystem::path& iniArgument,
                                    const std::filesystem::path& pathArgument);

}  // namespace nephrite

#pragma once

#include <filesystem>
#include <iosfwd>
#include <span>
#include <string>

namespace nephrite {

/// `nephrite ini check FILE`: problems on `err`, one line that sums up on `out`. Changes nothing.
/// Returns the exit code: 0 (warnings included), 1 for errors in the file or none to read,
/// 2 for a wrong override or name (use). `overrides` are `Section.Parameter=value`; `name` may be
/// empty.
int iniCheck(const std::filesystem::path& file, std::span<const std::string> overrides,
             const std::string& name, std::ostream& out, std::ostream& err);

/// `nephrite ini show`: every parameter, its value and where it comes from. Same exit codes.
int iniShow(const std::filesystem::path& file, std::span<const std::string> overrides,
            const std::string& name, std::ostream& out, std::ostream& err);

/// The text of docs/ini.md.
int iniDocs(std::ostream& out);

}  // namespace nephrite

#pragma once

// Private to node.

#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "ini/settings.h"

namespace nephrite {

/// Why no unix socket can be made at `path`, seen from what is there now: another user could enter
/// its folder, or a file stands in its place. Empty when nothing is in the way.
std::string refusalOfSocket(const std::filesystem::path& path);

/// What would keep a server node from starting with these settings although each value is right by
/// itself: files and folders that they name. Looks, and changes nothing.
std::vector<IniProblem> startProblems(const Resolution& resolution);
/// IniError when there are any.
void checkStart(const Resolution& resolution);

/// Ends the start of a node that could not do `what`: IniError when that stays so until the
/// settings or the machine are mended, else, an address is in use, say, std::system_error.
[[noreturn]] void refuseStart(const std::string& what, const std::error_code& why);

}  // namespace nephrite

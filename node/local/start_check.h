#pragma once

// Private to node.

#include <filesystem>
#include <string>
#include <vector>

#include "ini/settings.h"

namespace nephrite {

/// Why no unix socket can be made at `path`, seen from what is there now: somebody else could enter
/// its folder, or a file stands in its place. Empty when nothing is in the way.
std::string refusalOfSocket(const std::filesystem::path& path);

/// What would keep a server node from starting with these settings although each value is right by
/// itself: files and folders that they name. Looks, and changes nothing.
std::vector<IniProblem> startProblems(const Resolution& resolution);

}  // namespace nephrite

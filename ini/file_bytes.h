#pragma once

#include <filesystem>
#include <string>

namespace nephrite {

// Private to this folder and its tests.

/// The whole file. IniFileMissing when there is none; IniError when it cannot be read or is
/// larger than 16 MiB, which no INI file is.
std::string readFileBytes(const std::filesystem::path& path);

/// Puts `bytes` in the place of the file in one step: temporary file beside it, fsync, rename,
/// fsync of the directory. Permissions stay, and owner and group as far as we may. A symbolic
/// link stays; what it points to is replaced. IniError, and the old file intact, when it fails.
void replaceFileBytes(const std::filesystem::path& path, const std::string& bytes);

}  // namespace nephrite

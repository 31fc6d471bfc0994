#pragma once

#include <filesystem>
#include <string>
#include <vector>

/// One package as Debian's package database describes it.
struct DebianPackage {
  std::string name;
  std::string version;
  std::string section;
  std::string architecture;
  int installedSize = 0;             ///< KiB.
  std::vector<std::string> depends;  ///< Names only; of alternatives the first.
};

/// Reads a dpkg status file: paragraphs of `Field: value`. Only installed packages; of a name
/// installed for several architectures the first. Throws std::runtime_error when it cannot be
/// read or holds no package.
std::vector<DebianPackage> readDpkgStatus(const std::filesystem::path& file);

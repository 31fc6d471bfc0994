#include "dpkg_status.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string_view>

namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// "libc6 (>= 2.34), default-mta | mail-transport-agent, python3:any" to three names.
std::vector<std::string> dependencyNames(std::string_view list) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  while (!list.empty()) {
    const auto comma = list.find(',');
    const std::string_view clause = trimmed(list.substr(0, comma));
    const std::string_view name = clause.substr(0, clause.find_first_of(" (|:"));
    if (!name.empty() && seen.emplace(name).second) names.emplace_back(name);
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  return names;
}

void takeField(DebianPackage& package, bool& installed, std::string_view field,
               std::string_view value) {
  if (field == "Package") package.name = value;
  if (field == "Version") package.version = value;
  if (field == "Section") package.section = value;
  if (field == "Architecture") package.architecture = value;
  if (field == "Status") installed = value.ends_with(" installed");
  if (field == "Installed-Size") package.installedSize = std::atoi(std::string(value).c_str());
  if (field == "Depends" || field == "Pre-Depends") {
    for (std::string& name : dependencyNames(value)) package.depends.push_back(std::move(name));
  }
}

}  // namespace

std::vector<DebianPackage> readDpkgStatus(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) {
    throw std::runtime_error("cannot read the package database " + file.string() + ": " +
                             std::strerror(errno) + "; name another file as argument");
  }
  std::vector<DebianPackage> packages;
  std::set<std::string> names;
  DebianPackage package;
  bool installed = false;
  const auto endParagraph = [&] {
    if (installed && !package.name.empty() && names.insert(package.name).second) {
      if (package.section.empty()) package.section = "unknown";
      packages.push_back(std::move(package));
    }
    package = {};
    installed = false;
  };

  for (std::string line; std::getline(in, line);) {
    if (trimmed(line).empty()) {
      endParagraph();
    } else if (line[0] != ' ' && line[0] != '\t') {  // A continuation says nothing we need.
      const auto colon = line.find(':');
      if (colon == std::string::npos) continue;
      takeField(package, installed, std::string_view(line).substr(0, colon),
                trimmed(std::string_view(line).substr(colon + 1)));
    }
  }
  endParagraph();
  if (packages.empty()) {
    throw std::runtime_error(file.string() +
                             " holds no installed package; is it a dpkg status file?");
  }
  return packages;
}

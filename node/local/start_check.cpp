#include "node/local/start_check.h"

#include <sys/stat.h>

#include <string_view>
#include <utility>
#include <variant>

#include "ini/parameter_table.h"

namespace nephrite {
namespace {

namespace fs = std::filesystem;

// Empty: the working directory.
std::string refusalOfFolder(const fs::path& folder) {
  std::error_code none;
  if (folder.empty() || fs::is_directory(folder, none)) return "";
  return fs::exists(folder, none) ? folder.string() + " is no directory"
                                  : "the directory " + folder.string() + " does not exist; make it";
}

std::string refusalOfStore(const fs::path& path) {
  std::error_code none;
  if (!fs::exists(path, none) || fs::is_directory(path, none)) return "";
  return path.string() + " is there and no directory";
}

std::string refusalOfAuditLog(const fs::path& path) {
  std::error_code none;
  if (fs::is_directory(path, none)) return path.string() + " is a directory; name a file";
  return refusalOfFolder(path.parent_path());
}

struct Check {
  std::string_view section, name;
  std::string (*refusal)(const fs::path&);
};
constexpr Check kChecks[] = {{"NephriteServer", "UnixSocket", refusalOfSocket},
                             {"NephriteServer", "AuditLog", refusalOfAuditLog},
                             {"PersistentDb", "SystemFileDirectory", refusalOfStore}};

}  // namespace

std::string refusalOfSocket(const fs::path& path) {
  if (path.empty()) return "";
  const fs::path folder = path.parent_path();
  struct stat found {};
  // A user that may enter the directory may connect: it must be the server's user alone.
  if (::stat(folder.c_str(), &found) != 0) return refusalOfFolder(folder.parent_path());
  if ((found.st_mode & 077) != 0) {
    return "the directory " + folder.string() +
           " of the unix socket can be entered by other users: chmod 0700 it, or name another one "
           "(whoever can connect can do everything, until clients can authenticate themselves)";
  }
  std::error_code none;
  if (!fs::exists(path, none) || fs::is_socket(path, none)) return "";
  return path.string() + " is there and no socket";
}

std::vector<IniProblem> startProblems(const Resolution& resolution) {
  std::vector<IniProblem> problems;
  for (const EffectiveValue& value : resolution.values) {
    for (const Check& check : kChecks) {
      if (check.section != value.parameter->section || check.name != value.parameter->name)
        continue;
      const std::string why = check.refusal(std::get<fs::path>(value.value));
      if (why.empty()) continue;
      const bool given = value.origin.kind != IniOrigin::Kind::Default;
      problems.push_back({IniProblem::Severity::Error, given ? value.origin.where : "default",
                          "[" + std::string(check.section) + "] " + std::string(check.name) + "=" +
                              value.text + ": " + why});
    }
  }
  return problems;
}

void checkStart(const Resolution& resolution) {
  std::vector<IniProblem> problems = startProblems(resolution);
  if (!problems.empty()) throw IniError(std::move(problems));
}

void refuseStart(const std::string& what, const std::error_code& why) {
  using enum std::errc;
  constexpr std::errc kLasting[] = {permission_denied,     operation_not_permitted,
                                    read_only_file_system, no_such_file_or_directory,
                                    not_a_directory,       is_a_directory,
                                    filename_too_long,     too_many_symbolic_link_levels,
                                    address_not_available, address_family_not_supported};
  for (const std::errc lasting : kLasting)
    if (why == lasting) throw IniError(what + ": " + why.message());
  throw std::system_error(why, what);
}

}  // namespace nephrite

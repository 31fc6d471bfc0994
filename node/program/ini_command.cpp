#include "node/program/ini_command.h"

#include <algorithm>
#include <iomanip>
#include <optional>
#include <ostream>

#include "ini/parameter_docs.h"
#include "ini/parameter_table.h"
#include "ini/settings.h"
#include "node/local/start_check.h"

namespace nephrite {
namespace {

using Overrides = std::span<const std::string>;

// Empty when the file could not be read; `err` says why. `start`: what a server node would
// meet too.
std::optional<Resolution> examine(const std::filesystem::path& file, Overrides overrides,
                                  const std::string& name, bool start, std::ostream& err) {
  try {
    const IniArguments arguments{name, {overrides.begin(), overrides.end()}};
    Resolution resolution = resolveSettings(IniFile::read(file, arguments));
    if (start) {
      for (IniProblem& problem : startProblems(resolution))
        resolution.problems.push_back(std::move(problem));
    }
    for (const IniProblem& problem : resolution.problems) err << problem.describe() << "\n";
    return resolution;
  } catch (const IniError& error) {
    err << error.what() << "\n";
    return std::nullopt;
  }
}

int exitCode(const Resolution& resolution) {
  bool use = false;
  for (const IniProblem& problem : resolution.problems)
    use |= problem.severity == IniProblem::Severity::Error && problem.where == "command line";
  if (use) return 2;
  return resolution.hasErrors() ? 1 : 0;
}

}  // namespace

int iniCheck(const std::filesystem::path& file, Overrides overrides, const std::string& name,
             std::ostream& out, std::ostream& err) {
  const auto resolution = examine(file, overrides, name, true, err);
  if (!resolution) return 1;
  const auto errors =
      std::count_if(resolution->problems.begin(), resolution->problems.end(),
                    [](const auto& p) { return p.severity == IniProblem::Severity::Error; });
  out << file.string() << ": " << errors << " errors, "
      << static_cast<std::ptrdiff_t>(resolution->problems.size()) - errors << " warnings\n";
  return exitCode(*resolution);
}

int iniShow(const std::filesystem::path& file, Overrides overrides, const std::string& name,
            std::ostream& out, std::ostream& err) {
  const auto resolution = examine(file, overrides, name, false, err);
  if (!resolution) return 1;
  std::size_t nameWidth = 0;
  std::size_t valueWidth = 0;
  for (const EffectiveValue& value : resolution->values) {
    nameWidth =
        std::max(nameWidth, value.parameter->section.size() + value.parameter->name.size() + 1);
    valueWidth = std::max(valueWidth, value.text.size());
  }
  for (const EffectiveValue& value : resolution->values) {
    const std::string shown =
        std::string(value.parameter->section) + "." + std::string(value.parameter->name);
    out << std::left << std::setw(static_cast<int>(nameWidth)) << shown << " = "
        << std::setw(static_cast<int>(valueWidth)) << value.text << "  " << value.origin.describe()
        << (value.parameter->effect ? "" : "  (known, no effect)") << "\n";
  }
  return exitCode(*resolution);
}

int iniDocs(std::ostream& out) {
  writeParameterDocs(out);
  return 0;
}

}  // namespace nephrite

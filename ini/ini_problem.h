#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace nephrite {

/// Something wrong in an INI file or on the command line: what, where, what to do about it.
struct IniProblem {
  enum class Severity { Warning, Error };

  Severity severity = Severity::Error;
  std::string where;  ///< "file:line", or "command line".
  std::string message;

  /// "where: error: message", as compilers write it.
  std::string describe() const {
    return where + (severity == Severity::Error ? ": error: " : ": warning: ") + message;
  }
};

/// The INI file cannot be read, cannot be written, or says something impossible: a value, or what
/// it names on this machine. A program that ends for it ends best with 78 (EX_CONFIG, sysexits.h),
/// so that no supervisor starts it again before it is mended.
class IniError : public std::runtime_error {
 public:
  explicit IniError(const std::string& message) : std::runtime_error(message) {}
  explicit IniError(std::vector<IniProblem> errors)
      : std::runtime_error(linesOf(errors)), problems_(std::move(errors)) {}

  /// Every error found, not only the first. Empty when the file could not be read or written.
  const std::vector<IniProblem>& problems() const noexcept { return problems_; }

 private:
  static std::string linesOf(const std::vector<IniProblem>& problems) {
    std::string lines;
    for (const IniProblem& problem : problems)
      lines += (lines.empty() ? "" : "\n") + problem.describe();
    return lines;
  }

  std::vector<IniProblem> problems_;
};

/// There is no such file: JADE's error 125.
class IniFileMissing : public IniError {
 public:
  using IniError::IniError;
  static constexpr int kErrorCode = 125;
};

}  // namespace nephrite

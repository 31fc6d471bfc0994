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

/// The INI file cannot be read, cannot be written, or says something impossible.
class IniError : public std::runtime_error {
 public:
  explicit IniError(const std::string& message, std::vector<IniProblem> problems = {})
      : std::runtime_error(message), problems_(std::move(problems)) {}

  /// Every error found, not only the first. Empty when the file could not be read or written.
  const std::vector<IniProblem>& problems() const noexcept { return problems_; }

 private:
  std::vector<IniProblem> problems_;
};

/// There is no such file: JADE's error 125.
class IniFileMissing : public IniError {
 public:
  using IniError::IniError;
  static constexpr int kErrorCode = 125;
};

}  // namespace nephrite

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace nephrite::tidy {

/// One text file of this repository.
struct TextFile {
  std::string path;  ///< From the top, with slashes: "locking/lock_type.h".
  std::vector<std::string> lines;

  /// The folder at the top: "runtime" of "runtime/database/lock_timer.h"; empty for files at the
  /// top.
  std::string top() const;
  /// The folder it stands in: "runtime/database".
  std::string folder() const;
  /// "lock_timer.h".
  std::string name() const;
  /// "lock_timer".
  std::string stem() const;
  bool isHeader() const;
  bool isSource() const;
  bool isCode() const { return isHeader() || isSource(); }
  /// Headers only: a comment begins with "Private to", so that other folders leave it alone.
  bool isPrivate() const { return !privateTo().empty(); }
  /// What follows "Private to" there: "this folder", or the path of a folder. Else empty.
  std::string privateTo() const;
};

/// One `#include` line.
struct Include {
  std::string what;     ///< Without quotes or brackets.
  bool quoted = false;  ///< "...", not <...>.
  std::size_t line = 0;
};
std::vector<Include> includesOf(const TextFile& file);

/// "path:line", as editors understand it.
std::string at(const TextFile& file, std::size_t line);

/// Every .h and .cpp of the rooms (tests/tidy/rooms.h), samples, tests and bench.
const std::vector<TextFile>& code();

/// Every .md file, CMake file and script of the repository.
const std::vector<TextFile>& documents();
const std::vector<TextFile>& scripts();

/// Null when there is no such code file.
const TextFile* findCode(std::string_view path);

/// Is there such a file or folder?
bool exists(std::string_view path);

}  // namespace nephrite::tidy

#include "tests/tidy/source_tree.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <regex>
#include <stdexcept>

namespace nephrite::tidy {
namespace {

namespace fs = std::filesystem;

const fs::path kTop = NEPHRITE_SOURCE_DIR;

TextFile read(const fs::path& path) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  TextFile file;
  file.path = fs::relative(path, kTop).generic_string();
  for (std::string line; std::getline(in, line);) file.lines.push_back(line);
  return file;
}

/// All files below the top that `wanted` names, but for what is built, fetched or hidden.
std::vector<TextFile> collect(const std::function<bool(const fs::path&)>& wanted) {
  std::vector<TextFile> files;
  for (auto it = fs::recursive_directory_iterator(kTop); it != fs::end(it); ++it) {
    const std::string name = it->path().filename().string();
    const bool skipped = name[0] == '.' || name == "node_modules" ||
                         (it.depth() == 0 && name.rfind("build", 0) == 0);
    if (it->is_directory()) {
      if (skipped) it.disable_recursion_pending();
      continue;
    }
    if (!skipped && wanted(it->path())) files.push_back(read(it->path()));
  }
  std::sort(files.begin(), files.end(),
            [](const TextFile& a, const TextFile& b) { return a.path < b.path; });
  return files;
}

}  // namespace

std::string TextFile::top() const {
  const auto slash = path.find('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::string TextFile::folder() const { return fs::path(path).parent_path().generic_string(); }
std::string TextFile::name() const { return fs::path(path).filename().string(); }
std::string TextFile::stem() const { return fs::path(path).stem().string(); }
bool TextFile::isHeader() const { return fs::path(path).extension() == ".h"; }
bool TextFile::isSource() const { return fs::path(path).extension() == ".cpp"; }

std::string TextFile::privateTo() const {
  static const std::regex says("^ *///? Private to (this folder|[a-z_/]+).*");
  if (!isHeader()) return "";
  std::smatch match;
  for (const std::string& line : lines) {
    if (std::regex_match(line, match, says)) return match[1];
  }
  return "";
}

std::vector<Include> includesOf(const TextFile& file) {
  static const std::regex directive(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"].*)");
  std::vector<Include> includes;
  std::smatch match;
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    if (std::regex_match(file.lines[i], match, directive)) {
      includes.push_back({match[2], match[1] == "\"", i + 1});
    }
  }
  return includes;
}

std::string at(const TextFile& file, std::size_t line) {
  return file.path + ":" + std::to_string(line);
}

const std::vector<TextFile>& code() {
  static const std::vector<TextFile> files = collect(
      [](const fs::path& path) { return path.extension() == ".h" || path.extension() == ".cpp"; });
  return files;
}

const std::vector<TextFile>& documents() {
  static const std::vector<TextFile> files =
      collect([](const fs::path& path) { return path.extension() == ".md"; });
  return files;
}

const std::vector<TextFile>& scripts() {
  static const std::vector<TextFile> files = collect([](const fs::path& path) {
    const std::string name = path.filename().string();
    return path.extension() == ".cmake" || path.extension() == ".sh" || name == "CMakeLists.txt" ||
           name == "installed_headers.txt" || name == "quickstart" ||
           (name == "test" && path.parent_path() == kTop);
  });
  return files;
}

const TextFile* findCode(std::string_view path) {
  const auto& files = code();
  const auto found = std::find_if(files.begin(), files.end(),
                                  [path](const TextFile& file) { return file.path == path; });
  return found == files.end() ? nullptr : &*found;
}

bool exists(std::string_view path) { return fs::exists(kTop / path); }

}  // namespace nephrite::tidy

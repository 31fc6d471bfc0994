// What a stranger reads is there, and leads somewhere.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <regex>

#include "tests/tidy/rooms.h"
#include "tests/tidy/source_tree.h"

namespace nephrite::tidy {
namespace {

TEST(Documents, AStrangerNeedsAreThere) {
  for (const char* path :
       {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "docs/README.md",
        "docs/ARCHITECTURE.md", "docs/STYLE.md", "docs/glossary.md", "docs/decisions"}) {
    EXPECT_TRUE(exists(path)) << path << " is gone: README.md and CONTRIBUTING.md lead there.";
  }
}

TEST(Documents, EveryFolderAtTheTopHasAReadme) {
  std::vector<std::string> folders(foldersWithRooms().begin(), foldersWithRooms().end());
  folders.insert(folders.end(), {"samples", "tests", "bench", "clients", "docs", "cmake"});
  for (const std::string& folder : folders) {
    EXPECT_TRUE(exists(folder + "/README.md"))
        << folder << "/README.md: say what the folder is, three things to know, how to change it.";
  }
}

TEST(Documents, OfSamplesStandBesideThem) {
  for (const TextFile& file : code()) {
    if (file.top() != "samples" || file.name() != "main.cpp") continue;
    EXPECT_TRUE(exists(file.folder() + "/README.md"))
        << file.folder() << "/README.md: say what the sample shows and how to run it.";
  }
}

/// Each match in a line of a document that stands in no block of code.
void forEachMatch(
    const std::regex& wanted,
    const std::function<void(const TextFile&, std::size_t line, const std::smatch&)>& look) {
  for (const TextFile& file : documents()) {
    bool quoted = false;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      if (line.rfind("```", 0) == 0) quoted = !quoted;
      if (quoted) continue;
      for (std::sregex_iterator it(line.begin(), line.end(), wanted), end; it != end; ++it) {
        look(file, i + 1, *it);
      }
    }
  }
}

TEST(Documents, LinkToWhatIsThere) {
  static const std::regex link(R"(\]\(([^)#\s]+)(#[^)]*)?\))");
  forEachMatch(link, [](const TextFile& file, std::size_t line, const std::smatch& found) {
    const std::string target = found[1];
    if (target.find(':') != std::string::npos) return;  // https:, mailto:
    const auto path = (std::filesystem::path(file.folder()) / target).lexically_normal();
    EXPECT_TRUE(exists(path.generic_string()))
        << at(file, line) << ": there is no " << path.generic_string()
        << ". Mend the link, or write what it promises.";
  });
}

/// Is there a file or folder of that name, in which * stands for any letters?
bool existsLike(const std::string& path) {
  if (path.find('*') == std::string::npos) return exists(path);
  const std::filesystem::path wanted(path);
  if (!exists(wanted.parent_path().generic_string())) return false;
  std::string pattern;
  for (const char c : wanted.filename().string()) {
    pattern += c == '*' ? ".*" : std::string(c == '.' ? "\\" : "") + c;
  }
  const std::regex like(pattern);
  const std::filesystem::path top(NEPHRITE_SOURCE_DIR);
  for (const auto& entry : std::filesystem::directory_iterator(top / wanted.parent_path())) {
    if (std::regex_match(entry.path().filename().string(), like)) return true;
  }
  return false;
}

/// `locking/domain/lock_table.cpp`, from the top or from the document's folder, and with a * in it.
TEST(Documents, NameFilesThatAreThere) {
  static const std::regex named(R"(`([A-Za-z0-9_.+-]+)/([A-Za-z0-9_./*+-]+)`)");
  forEachMatch(named, [](const TextFile& file, std::size_t line, const std::smatch& found) {
    const std::string first = found[1], path = first + "/" + std::string(found[2]);
    const std::string here = file.folder().empty() ? path : file.folder() + "/" + path;
    const bool ofTop = exists(first);
    const bool ofFolder = exists(file.folder() + "/" + first);
    if (first == "." || first == "build" || (!ofTop && !ofFolder)) return;  // Of another tree.
    EXPECT_TRUE((ofTop && existsLike(path)) || (ofFolder && existsLike(here)))
        << at(file, line) << ": there is no " << path << ". Name the file that there is.";
  });
}

/// The columns of a row of a table; empty for other lines.
std::vector<std::string> cellsOf(const std::string& line) {
  std::vector<std::string> cells;
  if (line.rfind("| ", 0) != 0) return cells;
  std::size_t from = 1;
  for (std::size_t to; (to = line.find('|', from)) != std::string::npos; from = to + 1) {
    const auto first = line.find_first_not_of(' ', from);
    const auto last = line.find_last_not_of(' ', to - 1);
    cells.push_back(first >= to ? "" : line.substr(first, last - first + 1));
  }
  return cells;
}

TEST(Documents, TheFiguresOfTheReadmeAreThoseOfTheLastRun) {
  std::vector<std::vector<std::string>> measured;
  for (const TextFile& file : documents()) {
    if (file.path != "bench/RESULTS.md") continue;
    for (const std::string& line : file.lines) {
      if (auto cells = cellsOf(line); cells.size() == 7) measured.push_back(std::move(cells));
    }
  }
  std::size_t shown = 0;
  bool figures = false;
  for (const TextFile& file : documents()) {
    if (file.path != "README.md") continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const auto cells = cellsOf(file.lines[i]);
      if (cells.size() != 3) {
        figures = figures && file.lines[i].rfind("|---", 0) == 0;
        continue;
      }
      if (cells[1] == "Nephrite") figures = true;
      if (!figures || cells[1] == "Nephrite") continue;
      ++shown;
      const bool found = std::any_of(measured.begin(), measured.end(), [&](const auto& row) {
        return row[1] == cells[0] && row[3] == cells[1] && row[4] == cells[2];
      });
      EXPECT_TRUE(found) << at(file, i + 1) << ": bench/RESULTS.md has other figures for \""
                         << cells[0] << "\". Copy what, measured and against from there.";
    }
  }
  EXPECT_GE(shown, 5u) << "README.md shows how fast it is in a table with a column 'Nephrite'.";
}

/// The lines from "int main" to the closing brace.
std::vector<std::string> programIn(const TextFile& file) {
  std::vector<std::string> program;
  bool inside = false;
  for (const std::string& line : file.lines) {
    inside |= line.rfind("int main", 0) == 0;
    if (inside) program.push_back(line);
    if (line == "}") inside = false;
  }
  return program;
}

TEST(Documents, TheProgramOfTheReadmeIsTheOneThatIsBuilt) {
  const TextFile* built = findCode("tests/package/consumer/main.cpp");
  ASSERT_NE(built, nullptr);
  for (const TextFile& file : documents()) {
    if (file.path != "README.md") continue;
    EXPECT_EQ(programIn(file), programIn(*built))
        << "README.md shows another program than " << built->path << ": copy main() from there.";
  }
}

TEST(Documents, TheChangelogSpeaksOfTheVersionThatIsBuilt) {
  std::string version;
  std::smatch match;
  for (const TextFile& file : scripts()) {
    if (file.path != "CMakeLists.txt") continue;
    for (const std::string& line : file.lines) {
      if (std::regex_search(line, match, std::regex(R"(VERSION (\d+\.\d+\.\d+) LANGUAGES)"))) {
        version = match[1];
      }
    }
  }
  ASSERT_FALSE(version.empty()) << "CMakeLists.txt: project(Nephrite VERSION x.y.z LANGUAGES ...)";

  bool found = false;
  for (const TextFile& file : documents()) {
    if (file.path != "CHANGELOG.md") continue;
    for (const std::string& line : file.lines) {
      found |= line.rfind("## ", 0) == 0 && line.find(version) != std::string::npos;
    }
  }
  EXPECT_TRUE(found) << "CHANGELOG.md: there is no heading '## " << version << "'.";
}

}  // namespace
}  // namespace nephrite::tidy

// What a stranger reads is there, and leads somewhere.

#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

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
  std::vector<std::string> folders = rooms();
  folders.insert(folders.end(), {"samples", "tests", "bench", "clients", "docs", "cmake"});
  for (const std::string& folder : folders) {
    EXPECT_TRUE(exists(folder + "/README.md"))
        << folder << "/README.md: say what the folder is, three things to know, how to change it.";
  }
}

TEST(Documents, OfSamplesStandBesideThem) {
  for (const TextFile& file : code()) {
    if (file.room() != "samples" || file.name() != "main.cpp") continue;
    EXPECT_TRUE(exists(file.folder() + "/README.md"))
        << file.folder() << "/README.md: say what the sample shows and how to run it.";
  }
}

TEST(Documents, LinkToWhatIsThere) {
  static const std::regex link(R"(\]\(([^)#\s]+)(#[^)]*)?\))");
  for (const TextFile& file : documents()) {
    bool quoted = false;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      if (line.rfind("```", 0) == 0) quoted = !quoted;
      if (quoted) continue;
      for (std::sregex_iterator it(line.begin(), line.end(), link), end; it != end; ++it) {
        const std::string target = (*it)[1];
        if (target.find(':') != std::string::npos) continue;  // https:, mailto:
        const auto path = (std::filesystem::path(file.folder()) / target).lexically_normal();
        EXPECT_TRUE(exists(path.generic_string()))
            << at(file, i + 1) << ": there is no " << path.generic_string()
            << ". Mend the link, or write what it promises.";
      }
    }
  }
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

// Small things stay small. What is past its budget is listed here with the reason, and may only
// shrink: an entry that is no longer needed fails too.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/tidy/source_tree.h"

namespace nephrite::tidy {
namespace {

constexpr std::size_t kSourceLines = 600;
constexpr std::size_t kHeaderLines = 250;
constexpr std::size_t kFilesInFolder = 15;  // A header and its source count as one.
constexpr std::size_t kColumns = 100;
constexpr std::size_t kReadmeLines = 60;

struct Accepted {
  std::size_t most;
  std::string reason;
};

/// Files that may be longer.
const std::map<std::string, Accepted> kLongFiles{};

/// Folders that may hold more.
const std::map<std::string, Accepted> kFullFolders{};

/// Holds `size` against its budget, or against the accepted exception named `path`.
void expectWithin(const std::map<std::string, Accepted>& exceptions, const std::string& path,
                  std::size_t size, std::size_t budget, const std::string& advice) {
  const auto accepted = exceptions.find(path);
  if (accepted == exceptions.end()) {
    EXPECT_LE(size, budget) << path << ": " << advice;
    return;
  }
  EXPECT_LE(size, accepted->second.most)
      << path << " was let grow to that because " << accepted->second.reason << "; " << advice;
  EXPECT_GT(size, budget) << path << " is within its budget again: take it off the list here.";
}

/// Characters, not bytes: UTF-8 continuation bytes do not count.
std::size_t columnsOf(const std::string& line) {
  return static_cast<std::size_t>(
      std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

TEST(Sizes, FilesStayShortEnoughToReadInOneGo) {
  for (const TextFile& file : code()) {
    expectWithin(kLongFiles, file.path, file.lines.size(),
                 file.isHeader() ? kHeaderLines : kSourceLines,
                 "give the part that can stand alone a file of its own.");
  }
}

TEST(Sizes, FoldersHoldNoMoreThanOneCanOverlook) {
  std::map<std::string, std::set<std::string>> things;
  for (const TextFile& file : code()) things[file.folder()].insert(file.stem());
  for (const auto& [folder, stems] : things) {
    expectWithin(kFullFolders, folder, stems.size(), kFilesInFolder,
                 "it is asking for another room: move what belongs together into a folder of its "
                 "own.");
  }
}

TEST(Sizes, EveryAcceptedExceptionIsStillThere) {
  for (const auto& [path, accepted] : kLongFiles) EXPECT_TRUE(exists(path)) << path;
  for (const auto& [path, accepted] : kFullFolders) EXPECT_TRUE(exists(path)) << path;
}

/// Tables keep their columns, as long as they stand between the marks that clang-format obeys; a
/// raw string is one piece.
TEST(Sizes, LinesFitBesideEachOther) {
  for (const auto* files : {&code(), &scripts()}) {
    for (const TextFile& file : *files) {
      bool table = false;
      for (std::size_t i = 0; i < file.lines.size(); ++i) {
        if (file.lines[i].ends_with("// clang-format off")) table = true;
        if (file.lines[i].ends_with("// clang-format on")) table = false;
        if (table || file.lines[i].find("R\"(") != std::string::npos) continue;
        EXPECT_LE(columnsOf(file.lines[i]), kColumns)
            << at(file, i + 1) << ": break the line (clang-format -i does it for code).";
      }
    }
  }
}

/// `// --- Locks ---------`, on one line: clang-format breaks a longer one in two.
TEST(Sizes, RulersStandOnOneLine) {
  for (const TextFile& file : code()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      const auto text = line.find_first_not_of(' ');
      if (text == std::string::npos || line.compare(text, 6, "// ---") != 0) continue;
      EXPECT_NE(line.find_first_not_of('-', text + 3), std::string::npos)
          << at(file, i + 1) << ": the ruler of the line before was broken off; make it shorter.";
    }
  }
}

TEST(Sizes, FolderReadmesFitOnOnePage) {
  for (const TextFile& file : documents()) {
    if (file.name() != "README.md" || file.folder().empty()) continue;
    EXPECT_LE(file.lines.size(), kReadmeLines)
        << file.path << ": say what it is, three things to know, how to change it; the rest "
        << "belongs into docs/.";
  }
}

}  // namespace
}  // namespace nephrite::tidy

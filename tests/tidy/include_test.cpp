// Who may include whom: the picture in docs/ARCHITECTURE.md, read off every #include.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>

#include "tests/tidy/source_tree.h"

namespace nephrite::tidy {
namespace {

struct Rule {
  std::set<std::string> ours;       ///< Folders at the top.
  std::vector<std::string> others;  ///< How the paths of other people's headers begin.
};

const std::map<std::string, Rule>& rules() {
  // clang-format off
  static const std::map<std::string, Rule> table{
    {"base",    {{"base"},
                 {"fmt/"}}},
    {"locking", {{"base", "locking"},
                 {"boost/container/", "boost/unordered/", "boost/intrusive/"}}},
    {"objects", {{"base", "objects"},
                 {"unicode/", "rocksdb/", "boost/container/", "boost/unordered/", "boost/crc.hpp",
                  "fmt/"}}},
    {"ini",     {{"base", "ini"},
                 {"ini.h", "fmt/"}}},
    {"runtime", {{"base", "locking", "objects", "runtime"},
                 {"fmt/"}}},
    {"node",    {{"base", "locking", "objects", "ini", "runtime", "node"},
                 {"boost/", "flatbuffers/", "openssl/", "CLI/", "systemd/", "fmt/"}}},
    {"samples", {{"samples", "runtime", "node", "ini"},
                 {}}},
  };
  // clang-format on
  return table;
}

/// <vector>, <cstdint>; <unistd.h>, <sys/stat.h>: part of the language or of the system.
bool isStandard(const std::string& include) {
  static const std::regex cpp("[a-z_0-9]+");
  static const std::set<std::string> posix{
      "unistd.h",  "fcntl.h",    "signal.h",      "dirent.h",           "pwd.h",      "poll.h",
      "pthread.h", "sysexits.h", "linux/futex.h", "linux/membarrier.h", "arpa/inet.h"};
  return std::regex_match(include, cpp) || posix.contains(include) || include.rfind("sys/", 0) == 0;
}

bool beginsWithOneOf(const std::string& include, const std::vector<std::string>& beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(), [&](const std::string& beginning) {
    return include.rfind(beginning, 0) == 0;
  });
}

std::string roomOf(const std::string& include) { return include.substr(0, include.find('/')); }

/// A sample stands alone, as a stranger's program does: its files name each other without folder.
bool isBesideIt(const TextFile& file, const std::string& include) {
  return file.room() == "samples" && findCode(file.folder() + "/" + include) != nullptr;
}

/// Made by flatc in the build tree (nephrite_flatbuffers() in cmake/NephriteTargets.cmake).
bool isGenerated(const std::string& include) {
  constexpr std::string_view kEnd = "_generated.h";
  if (!include.ends_with(kEnd)) return false;
  return exists(include.substr(0, include.size() - kEnd.size()) + ".fbs");
}

class IncludeTest : public testing::TestWithParam<std::string> {};

TEST_P(IncludeTest, GoesDownThePictureOnly) {
  const Rule& rule = rules().at(GetParam());
  for (const TextFile& file : code()) {
    if (file.room() != GetParam()) continue;
    for (const Include& include : includesOf(file)) {
      if (!include.quoted || isBesideIt(file, include.what)) continue;
      EXPECT_TRUE(rule.ours.contains(roomOf(include.what)))
          << at(file, include.line) << ": " << GetParam() << " may not include \"" << include.what
          << "\". Move what is needed down the picture in docs/ARCHITECTURE.md, or pass it in.";
    }
  }
}

TEST_P(IncludeTest, LeansOnTheLibrariesOfItsRoomOnly) {
  const Rule& rule = rules().at(GetParam());
  for (const TextFile& file : code()) {
    if (file.room() != GetParam()) continue;
    for (const Include& include : includesOf(file)) {
      if (include.quoted || isStandard(include.what)) continue;
      EXPECT_TRUE(beginsWithOneOf(include.what, rule.others))
          << at(file, include.line) << ": <" << include.what << "> is not among the libraries that "
          << GetParam() << " leans on (docs/ARCHITECTURE.md, and rules() in this test).";
    }
  }
}

TEST_P(IncludeTest, PrivateHeadersOfOtherRoomsAreLeftAlone) {
  for (const TextFile& file : code()) {
    if (file.room() != GetParam()) continue;
    for (const Include& include : includesOf(file)) {
      const TextFile* header = include.quoted ? findCode(include.what) : nullptr;
      if (header == nullptr || header->room() == GetParam()) continue;
      EXPECT_FALSE(header->isPrivate())
          << at(file, include.line) << ": " << include.what << " is private to " << header->room()
          << ". Use a public header of that room, or make what you need public there.";
    }
  }
}

TEST_P(IncludeTest, PublicHeadersShowNothingPrivateAndNobodyElsesTypes) {
  for (const TextFile& file : code()) {
    if (file.room() != GetParam() || !file.isHeader() || file.isPrivate()) continue;
    for (const Include& include : includesOf(file)) {
      const TextFile* header = include.quoted ? findCode(include.what) : nullptr;
      EXPECT_FALSE(header != nullptr && header->isPrivate())
          << at(file, include.line) << ": a public header includes the private " << include.what
          << ", which is not installed. Hide it behind a pointer, or say 'Private to this folder'.";
      EXPECT_TRUE(include.quoted || isStandard(include.what))
          << at(file, include.line) << ": a public header includes <" << include.what
          << ">. Keep other people's types in .cpp files and private headers.";
    }
  }
}

TEST(InstalledHeaders, AreThereAndShowNothingThatIsNotInstalled) {
  for (const TextFile& list : scripts()) {
    if (list.path != "cmake/installed_headers.txt") continue;
    const std::set<std::string> installed(list.lines.begin(), list.lines.end());
    for (std::size_t i = 0; i < list.lines.size(); ++i) {
      if (list.lines[i].rfind("#", 0) == 0) continue;
      const TextFile* const header = findCode(list.lines[i]);
      ASSERT_NE(header, nullptr) << at(list, i + 1) << ": there is no " << list.lines[i];
      EXPECT_FALSE(header->isPrivate()) << at(list, i + 1) << ": it says that it is private";
      for (const Include& include : includesOf(*header)) {
        EXPECT_TRUE(!include.quoted || installed.contains(include.what))
            << at(*header, include.line) << ": an application would need " << include.what
            << ", which is not installed. Name it in " << list.path
            << ", or better: hide it behind a pointer.";
      }
    }
    return;
  }
  FAIL() << "cmake/installed_headers.txt is not among the scripts.";
}

INSTANTIATE_TEST_SUITE_P(Room, IncludeTest,
                         testing::Values("base", "locking", "objects", "ini", "runtime", "node",
                                         "samples"),
                         [](const auto& room) { return room.param; });

TEST(Includes, NameAFolderAndAFileThatIsThere) {
  for (const TextFile& file : code()) {
    if (file.path.rfind("tests/package/", 0) == 0) continue;  // Reads what is installed.
    for (const Include& include : includesOf(file)) {
      if (!include.quoted || isBesideIt(file, include.what)) continue;
      EXPECT_TRUE(findCode(include.what) != nullptr || isGenerated(include.what))
          << at(file, include.line) << ": there is no " << include.what
          << ". Write \"folder/file.h\", from the top of the repository.";
    }
  }
}

TEST(LockCore, NeitherBlocksNorSleepsNorStartsThreadsNorReadsTheTime) {
  static const std::regex forbidden(
      R"(std::j?thread|sleep_|CondVar|_clock::now|wait_for|<thread>)");
  for (const TextFile& file : code()) {
    if (file.room() != "locking") continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      EXPECT_FALSE(std::regex_search(file.lines[i], forbidden))
          << at(file, i + 1) << ": the lock core decides or queues. Whoever waits, waits outside: "
          << "return the answer, take the time from the Clock.";
    }
  }
}

TEST(Time, IsReadThroughClockOnly) {
  static const std::regex forbidden("(steady|system|high_resolution)_clock::now|gettimeofday");
  for (const TextFile& file : code()) {
    const auto& ours = rooms();
    if (std::find(ours.begin(), ours.end(), file.room()) == ours.end()) continue;
    if (file.path == "base/clock.cpp") continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      EXPECT_FALSE(std::regex_search(file.lines[i], forbidden))
          << at(file, i + 1) << ": take a Clock (base/clock.h), so that tests can own the time.";
    }
  }
}

TEST(Mutexes, AreTheAnnotatedOnes) {
  static const std::regex forbidden(
      R"(std::(recursive_|shared_|timed_)*mutex\b[^_]|std::lock_guard)");
  for (const TextFile& file : code()) {
    const auto& ours = rooms();
    if (std::find(ours.begin(), ours.end(), file.room()) == ours.end()) continue;
    if (file.path == "base/mutex.h" || file.path == "base/threads.h") continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      EXPECT_FALSE(std::regex_search(file.lines[i], forbidden))
          << at(file, i + 1) << ": use Mutex and MutexLock (base/mutex.h), which clang checks.";
    }
  }
}

}  // namespace
}  // namespace nephrite::tidy

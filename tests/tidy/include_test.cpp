// Who may include whom: the lines of CMakeLists.txt that make our libraries, held against every
// #include and against the picture in docs/ARCHITECTURE.md.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <stdexcept>

#include "tests/tidy/rooms.h"
#include "tests/tidy/source_tree.h"

namespace nephrite::tidy {
namespace {

/// How the paths of the headers begin that a library of other people's has.
const std::vector<std::string>& headersOf(const std::string& target) {
  // clang-format off
  static const std::map<std::string, std::vector<std::string>> table{
    {"Boost::container", {"boost/container/", "boost/intrusive/", "boost/unordered/"}},
    {"Boost::headers",   {"boost/asio.hpp", "boost/container/", "boost/crc.hpp", "boost/endian/",
                          "boost/unordered/"}},
    {"Boost::json",      {"boost/json/"}},
    {"CLI11::CLI11",     {"CLI/"}},
    {"ICU::i18n",        {"unicode/"}},
    {"ICU::uc",          {"unicode/"}},
    {"PkgConfig::inih",  {"ini.h"}},
    {"PkgConfig::systemd", {"systemd/"}},
    {"RocksDB::rocksdb", {"rocksdb/"}},
    {"Threads::Threads", {}},
    {"fmt::fmt",         {"fmt/"}},
    {"node_wire_wire_generated", {"flatbuffers/"}},
  };
  // clang-format on
  const auto found = table.find(target);
  if (found == table.end()) {
    throw std::runtime_error("say in headersOf() which headers " + target + " has");
  }
  return found->second;
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

/// A sample stands alone, as a stranger's program does: its files name each other without folder.
bool isBesideIt(const TextFile& file, const std::string& include) {
  return file.top() == "samples" && findCode(file.folder() + "/" + include) != nullptr;
}

/// Made by flatc in the build tree (nephrite_flatbuffers() in cmake/NephriteTargets.cmake).
bool isGenerated(const std::string& include) {
  constexpr std::string_view kEnd = "_generated.h";
  if (!include.ends_with(kEnd)) return false;
  return exists(include.substr(0, include.size() - kEnd.size()) + ".fbs");
}

/// May `file` include `header`, which is private? Its comment says to which folder.
bool isLetInto(const TextFile& file, const TextFile& header) {
  const std::string scope = header.privateTo();
  if (scope == "this folder") return roomOf(file.path) == roomOf(header.path);
  return file.path.rfind(scope + "/", 0) == 0;
}

class IncludeTest : public testing::TestWithParam<Room> {
 protected:
  /// Calls `look(file, include)` for every #include of the room.
  template <typename Look>
  void forEachInclude(Look look) const {
    for (const TextFile& file : code()) {
      const Room* const room = roomOf(file.path);
      if (room == nullptr || room->name != GetParam().name) continue;
      for (const Include& include : includesOf(file)) look(file, include);
    }
  }
};

TEST_P(IncludeTest, GoesDownThePictureOnly) {
  forEachInclude([&](const TextFile& file, const Include& include) {
    if (!include.quoted) return;
    const Room* const room = roomOf(include.what);
    EXPECT_TRUE(room != nullptr && GetParam().reach.contains(room->name))
        << at(file, include.line) << ": " << GetParam().name << " may not include \""
        << include.what << "\". Move what is needed down the picture in docs/ARCHITECTURE.md, or "
        << "pass it in; CMakeLists.txt says what a room may use.";
  });
}

TEST_P(IncludeTest, LeansOnTheLibrariesOfItsRoomOnly) {
  std::vector<std::string> beginnings;
  for (const std::string& target : GetParam().leansOn) {
    const std::vector<std::string>& headers = headersOf(target);
    beginnings.insert(beginnings.end(), headers.begin(), headers.end());
  }
  forEachInclude([&](const TextFile& file, const Include& include) {
    if (include.quoted || isStandard(include.what)) return;
    EXPECT_TRUE(beginsWithOneOf(include.what, beginnings))
        << at(file, include.line) << ": <" << include.what << "> is not among the libraries that "
        << GetParam().name << " leans on (its line in CMakeLists.txt, headersOf() in this test).";
  });
}

TEST_P(IncludeTest, PrivateHeadersOfOthersAreLeftAlone) {
  forEachInclude([&](const TextFile& file, const Include& include) {
    const TextFile* const header = include.quoted ? findCode(include.what) : nullptr;
    if (header == nullptr || !header->isPrivate()) return;
    EXPECT_TRUE(isLetInto(file, *header))
        << at(file, include.line) << ": " << include.what << " is private to "
        << header->privateTo() << ". Use another header of that folder, or make what you need "
        << "internal there.";
  });
}

TEST_P(IncludeTest, PublicHeadersShowNothingPrivateAndNobodyElsesTypes) {
  forEachInclude([&](const TextFile& file, const Include& include) {
    if (!file.isHeader() || file.isPrivate()) return;
    const TextFile* const header = include.quoted ? findCode(include.what) : nullptr;
    EXPECT_FALSE(header != nullptr && header->isPrivate())
        << at(file, include.line) << ": a public header includes the private " << include.what
        << ", which is not installed. Hide it behind a pointer, or say 'Private to this folder'.";
    EXPECT_TRUE(include.quoted || isStandard(include.what))
        << at(file, include.line) << ": a public header includes <" << include.what
        << ">. Keep other people's types in .cpp files and private headers.";
  });
}

TEST(Rooms, HoldEveryFileOfTheFoldersThatHaveRooms) {
  for (const TextFile& file : code()) {
    if (!foldersWithRooms().contains(file.top())) continue;
    EXPECT_NE(roomOf(file.path), nullptr)
        << file.path << ": no line of CMakeLists.txt makes a library of " << file.folder() << ".";
  }
}

/// The table in docs/ARCHITECTURE.md: "| `locking`, `locking/table` | `base` | ... |".
TEST(Rooms, AreInThePictureAsCMakeListsHasThem) {
  static const std::regex row(R"(^\| (`[^|]*) \| ([^|]*) \| [^|]* \|$)");
  static const std::regex quoted("`([^`]+)`");
  const auto namesIn = [](const std::string& cell) {
    std::vector<std::string> names;
    for (std::sregex_iterator it(cell.begin(), cell.end(), quoted), end; it != end; ++it) {
      names.push_back((*it)[1]);
    }
    return names;
  };
  std::map<std::string, std::size_t> shown;  // Rows for each room.
  for (const TextFile& file : documents()) {
    if (file.path != "docs/ARCHITECTURE.md") continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch cells;
      if (!std::regex_match(file.lines[i], cells, row)) continue;
      const std::vector<std::string> folders = namesIn(cells[1]);
      const Room* const room = roomOf(folders.front() + "/");
      if (room == nullptr || room->name != folders.front()) continue;  // Of another table.
      ++shown[room->name];
      EXPECT_EQ(folders, room->folders) << at(file, i + 1);
      const std::vector<std::string> uses = namesIn(cells[2]);
      EXPECT_EQ(std::set(uses.begin(), uses.end()), room->uses) << at(file, i + 1);
    }
  }
  for (const Room& room : rooms()) {
    EXPECT_EQ(shown[room.name], 1u) << room.name << ": the table of rooms in docs/ARCHITECTURE.md.";
  }
}

/// A sample is an application, and sees no more than one.
TEST(Samples, IncludeOnlyWhatIsInstalled) {
  const TextFile* installed = nullptr;
  for (const TextFile& list : scripts()) {
    if (list.path == "cmake/installed_headers.txt") installed = &list;
  }
  ASSERT_NE(installed, nullptr);
  for (const TextFile& file : code()) {
    if (file.top() != "samples") continue;
    for (const Include& include : includesOf(file)) {
      const auto& lines = installed->lines;
      EXPECT_TRUE(include.quoted ? isBesideIt(file, include.what) ||
                                       std::count(lines.begin(), lines.end(), include.what) != 0
                                 : isStandard(include.what))
          << at(file, include.line) << ": an application could not include " << include.what << ".";
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

INSTANTIATE_TEST_SUITE_P(Each, IncludeTest, testing::ValuesIn(rooms()), [](const auto& room) {
  std::string name = room.param.name;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
});

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
    if (file.top() != "locking") continue;
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
    if (!foldersWithRooms().contains(file.top())) continue;
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
    if (!foldersWithRooms().contains(file.top())) continue;
    if (file.path == "base/mutex.h" || file.path == "base/threads.h") continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      EXPECT_FALSE(std::regex_search(file.lines[i], forbidden))
          << at(file, i + 1) << ": use Mutex and MutexLock (base/mutex.h), which clang checks.";
    }
  }
}

}  // namespace
}  // namespace nephrite::tidy

#include "tests/tidy/rooms.h"

#include <algorithm>
#include <regex>
#include <stdexcept>

#include "tests/tidy/source_tree.h"

namespace nephrite::tidy {
namespace {

/// CMakeLists.txt at the top, without its comments, on one line.
std::string topCMakeFile() {
  for (const TextFile& file : scripts()) {
    if (file.path != "CMakeLists.txt") continue;
    std::string all;
    for (const std::string& line : file.lines) all += line.substr(0, line.find('#')) + ' ';
    return all;
  }
  throw std::runtime_error("there is no CMakeLists.txt at the top");
}

/// "$<BUILD_INTERFACE:name>" is "name".
std::string targetOf(const std::string& word) {
  static const std::regex wrapped(R"(\$<BUILD_INTERFACE:(.*)>)");
  std::smatch match;
  return std::regex_match(word, match, wrapped) ? match[1].str() : word;
}

Room roomFrom(const std::string& arguments, const std::vector<Room>& before) {
  static const std::regex word(R"(\S+)");
  Room room;
  std::string keyword;
  for (std::sregex_iterator it(arguments.begin(), arguments.end(), word), end; it != end; ++it) {
    const std::string said = it->str();
    if (room.name.empty()) {
      room.name = said;
      room.folders = {said};
    } else if (said == "WITH" || said == "USES" || said == "PRIVATE") {
      keyword = said;
    } else if (keyword == "WITH") {
      room.folders.push_back(room.name + "/" + said);
    } else if (keyword == "USES") {
      room.uses.insert(said);
    } else if (keyword == "PRIVATE") {
      room.leansOn.push_back(targetOf(said));
    } else {
      throw std::runtime_error("nephrite_library(" + arguments + "): what is " + said + "?");
    }
  }
  room.reach = {room.name};
  for (const std::string& used : room.uses) {
    const auto below = std::find_if(before.begin(), before.end(),
                                    [&](const Room& other) { return other.name == used; });
    if (below == before.end()) {
      throw std::runtime_error(room.name + " uses " + used + ", which no line before it makes");
    }
    room.reach.insert(below->reach.begin(), below->reach.end());
  }
  return room;
}

std::vector<Room> readRooms() {
  static const std::regex line(R"(nephrite_library\(([^)]*)\))");
  const std::string all = topCMakeFile();
  std::vector<Room> found;
  for (std::sregex_iterator it(all.begin(), all.end(), line), end; it != end; ++it) {
    found.push_back(roomFrom((*it)[1], found));
  }
  return found;
}

}  // namespace

const std::vector<Room>& rooms() {
  static const std::vector<Room> read = readRooms();
  return read;
}

const Room* roomOf(std::string_view path) {
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return nullptr;
  const std::string_view folder = path.substr(0, slash);
  for (const Room& room : rooms()) {
    if (std::count(room.folders.begin(), room.folders.end(), folder) != 0) return &room;
  }
  return nullptr;
}

const std::set<std::string>& foldersWithRooms() {
  static const std::set<std::string> tops = [] {
    std::set<std::string> found;
    for (const Room& room : rooms()) found.insert(room.name.substr(0, room.name.find('/')));
    return found;
  }();
  return tops;
}

}  // namespace nephrite::tidy

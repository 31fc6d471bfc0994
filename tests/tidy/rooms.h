#pragma once

#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace nephrite::tidy {

/// One library of ours, as a `nephrite_library(...)` line of CMakeLists.txt describes it.
struct Room {
  std::string name;                  ///< Its folder: "node/client".
  std::vector<std::string> folders;  ///< That folder, and those named after WITH.
  std::set<std::string> uses;        ///< Rooms, as written.
  std::set<std::string> reach;       ///< Itself, what it uses, and what those use.
  std::vector<std::string> leansOn;  ///< Targets of other people's libraries.

  friend void PrintTo(const Room& room, std::ostream* out) { *out << room.name; }
};

/// In the order of CMakeLists.txt, in which a room stands after those that it uses.
const std::vector<Room>& rooms();

/// The room whose folder holds the file at `path`; null when there is none.
const Room* roomOf(std::string_view path);

/// The folders at the top that hold rooms.
const std::set<std::string>& foldersWithRooms();

}  // namespace nephrite::tidy

#include "node/program/view_parts.h"

#include <fmt/format.h>

#include <chrono>

#include "node/program/named_things.h"

namespace nephrite {

std::int64_t wholeMilliseconds(Duration span) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(span).count();
}

std::string orDash(const std::string& text) { return text.empty() ? "-" : text; }

std::string whereText(const ProcessInfo& process) {
  const std::string through = process.through();
  return orDash(process.user) + " at " + process.node + " (" + orDash(process.address) + ")" +
         (through.empty() ? "" : " through " + through);
}

// An application's face is not named.
boost::json::object processJson(const ProcessInfo& process) {
  boost::json::object made{{"process", process.locker.value},
                           {"name", process.name},
                           {"user", process.user},
                           {"node", process.node},
                           {"address", process.address},
                           {"background", process.background}};
  if (process.through().empty()) return made;
  made["face"] = nameOf(process.face);
  if (!process.faceOwner.empty()) made["faceOwner"] = process.faceOwner;
  return made;
}

bool isWanted(const ProcessInfo& process, const Selection& selection) {
  return isProcess(process, selection.process) &&
         (selection.user.empty() || process.user == selection.user);
}

std::string objectText(const RemoteDatabase& database, LockTarget target) {
  return database.show(Oid::fromBits(target.value));
}

std::string moreText(std::size_t all, std::size_t most) {
  return all > most
             ? fmt::format("... and {}{} more (--max)", all - most, all >= kMostListed ? "+" : "")
             : "";
}

}  // namespace nephrite

#pragma once

// Private to node: what several views say in the same words.

#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

#include "node/client/remote_database.h"
#include "node/program/server_views.h"

namespace nephrite {

inline constexpr std::size_t kMostListed = 100'000;  ///< More is not sent in one reply.

std::int64_t wholeMilliseconds(Duration span);
std::string orDash(const std::string& text);
/// "anna at shop (127.0.0.1:40112)", and through what, unless it is an application.
std::string whereText(const ProcessInfo& process);
boost::json::object processJson(const ProcessInfo& process);
bool isWanted(const ProcessInfo& process, const Selection& selection);
std::string objectText(const RemoteDatabase& database, LockTarget target);
/// "... and 12 more (--max)"; empty: that was all.
std::string moreText(std::size_t all, std::size_t most);

}  // namespace nephrite

#pragma once

// Private to node: what the commands that look at a server node show.

#include <boost/json/object.hpp>
#include <string>

#include "node/client/remote_database.h"
#include "node/program/named_things.h"
#include "node/program/table.h"

namespace nephrite {

/// Which locks, requests and processes are wanted. What is empty does not choose.
struct Selection {
  std::string object;   ///< "Order/2048.7", "2048.7", "resource nightly run".
  std::string process;  ///< A name, a number, "Process/187.5" or "187.5".
  std::string user;
  std::size_t most = 1'000;
};

/// One answer, for people and for programs.
struct View {
  boost::json::object json;
  Table table;
  std::string whenEmpty;  ///< Said instead of a table without rows.
  std::string below{};    ///< A line after it; empty: none.
};

View processesView(RemoteDatabase& database, const Selection& selection);
View nodesView(RemoteDatabase& database, const Selection& selection);
View deadlocksView(RemoteDatabase& database, const Selection& selection);
View contentionView(RemoteDatabase& database, const Selection& selection);
View statsView(RemoteDatabase& database, const Selection& selection);

/// Deadlock `number` as a schedule. std::runtime_error when it is not kept.
std::string deadlockSchedule(RemoteDatabase& database, std::uint64_t number);

}  // namespace nephrite

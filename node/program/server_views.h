#pragma once

// Private to node: what the commands that look at a server node show.

#include <boost/json/object.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "node/client/remote_database.h"
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

/// The words of the command line were not understood: what, and what would be.
class WrongUse : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What people name on the command line. A resource keeps its Oid as long as this is there.
struct NamedTarget {
  Oid oid;
  std::shared_ptr<const NamedResource> resource;  ///< Null: it is an object.
};
/// Reads "Order/2048.7" or "2048.7", or a resource as listings show it: "resource nightly run".
/// WrongUse.
NamedTarget objectNamed(RemoteDatabase& database, const std::string& text);
/// The process, or the node's housekeeping process, that `text` names; of several that one which
/// alone holds `held`, when that is not null. std::runtime_error when there is none, or more.
LockerId lockerNamed(RemoteDatabase& database, const std::string& text, Oid held);
/// "12 billing", as people name a process.
std::string whoText(const RemoteDatabase& database, LockerId locker);

/// Held locks; with `object`, and then the requests that wait for it.
View locksView(RemoteDatabase& database, const Selection& selection);
/// Requests that wait, longest first, the locker each waits for, and how many wait in a row.
View queueView(RemoteDatabase& database, const Selection& selection);
View processesView(RemoteDatabase& database, const Selection& selection);
View nodesView(RemoteDatabase& database, const Selection& selection);
View deadlocksView(RemoteDatabase& database, const Selection& selection);
View contentionView(RemoteDatabase& database, const Selection& selection);
View statsView(RemoteDatabase& database, const Selection& selection);

/// Deadlock `number` as a schedule. std::runtime_error when it is not kept.
std::string deadlockSchedule(RemoteDatabase& database, std::uint64_t number);

}  // namespace nephrite

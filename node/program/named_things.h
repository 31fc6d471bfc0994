#pragma once

// Private to node: what people name on the command line, and how it is named to them.

#include <memory>
#include <stdexcept>
#include <string>

#include "node/client/remote_database.h"

namespace nephrite {

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
std::string whoText(const ProcessInfo& process);
std::string whoText(const RemoteDatabase& database, LockerId locker);
/// Does `wanted`, a name, a number or an Oid, name it? What is empty names all.
bool isProcess(const ProcessInfo& process, const std::string& wanted);

}  // namespace nephrite

#pragma once

#include <chrono>
#include <string>

#include "runtime/node.h"

namespace nephrite {

struct ConnectOptions {
  std::string nodeName = "client";  ///< For people: what listings call this program.
  std::chrono::milliseconds connectTimeout{10'000};
};

/// Signs a node on to the database of a server node (`nephrite server`):
///
///     Node shop = nephrite::connect("127.0.0.1:6005");
///     Process anna = shop.signOn({.user = "anna"});
///
/// From there on everything is as with open(). What a lost connection means is said at ClientNode,
/// which is for programs whose settings come from an INI file.
///
/// Server:  "host:port", "[::1]:6005", or "host", whose port is 6005; a path with a slash in it is
///          that of a unix socket, "/run/nephrite/nephrite.sock".
/// Lasts:   the connection ends with the Node, or with Node::close().
/// Errors:  ConnectionException: the server cannot be reached in time, or refuses; or `server` is
///          no address.
Node connect(const std::string& server, const ConnectOptions& options = {});

}  // namespace nephrite

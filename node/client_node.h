#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "node/embedded_node.h"
#include "runtime/nephrite.h"

namespace nephrite {

/// A client node: a program that works on the database of a server node, over TCP or a unix socket.
/// The same application code runs on it as on an EmbeddedNode.
///
///     ClientNode client({.iniFile = "jade.ini", .nodeName = "billing"});
///     Process process = client.node().signOn({.user = "anna"});
///
/// Server:  [JadeClient] ServerNodeSpecifications of the INI file.
/// Caches:  what was read is kept, up to [JadeClient] ObjectCacheSizeLimit, and dropped when the
///          server tells that it has changed; a lock always shows the latest edition.
/// Losing:  when the connection is lost, or nothing was heard for the keep-alive time, the server
///          frees all that this node's processes hold, and their calls end in ConnectionException
///          (64014), a commit under way in CommitUnknownException (64015). The node reconnects by
///          itself: sign new processes on to node().
/// Errors:  as EmbeddedNode for the INI file; ConnectionException when the server cannot be reached
///          within [NephriteClient] ConnectTimeout, or refuses.
/// Threads: node() and reload() from any; one thread of its own listens to the server.
class ClientNode {
 public:
  struct Options {
    /// The INI file; empty: jade.ini in the working directory.
    std::filesystem::path iniFile = {};
    std::string iniName = {};
    std::vector<std::string> iniOverrides = {};
    std::string nodeName = "client";
  };

  /// Does the INI file or the command line name a server, rather than leave it to the default?
  static bool namesServer(const Options& options);

  explicit ClientNode(const Options& options);
  ~ClientNode();  ///< Signs everybody off and says goodbye.
  ClientNode(const ClientNode&) = delete;
  ClientNode& operator=(const ClientNode&) = delete;

  Node& node();
  std::shared_ptr<Database> database() const;
  /// For people: "127.0.0.1:6005".
  const std::string& server() const;
  bool isConnected() const;

  using ReloadReport = EmbeddedNode::ReloadReport;
  /// Reads the INI file again and takes over what is dynamic. Never throws for what it says.
  ReloadReport reload();

  /// From now on SIGHUP reloads, and what changed is logged. One node of a program at a time; ends
  /// with it. A second call does nothing.
  void reloadOnHangup();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace nephrite

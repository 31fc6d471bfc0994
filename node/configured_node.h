#pragma once

#include <optional>

#include "node/client_node.h"
#include "node/embedded_node.h"

namespace nephrite {

/// A node of the kind that the INI file (or the command line) asks for: a client node when
/// [JadeClient] ServerNodeSpecifications names a server, else a whole database in this program. So
/// a deployer decides where the database is, and the program does not change.
///
///     ConfiguredNode database({.iniFile = "jade.ini"});
///     Process process = database.node().signOn({.user = "anna"});
///
/// Errors, threads: as EmbeddedNode and ClientNode, which see.
class ConfiguredNode {
 public:
  using Options = EmbeddedNode::Options;

  explicit ConfiguredNode(const Options& options) {
    const ClientNode::Options client{options.iniFile, options.iniName, options.iniOverrides,
                                     options.nodeName};
    if (ClientNode::namesServer(client)) {
      client_.emplace(client);
    } else {
      embedded_.emplace(options);
    }
  }

  Node& node() { return client_ ? client_->node() : embedded_->node(); }
  std::shared_ptr<Database> database() const {
    return client_ ? client_->database() : embedded_->database();
  }
  EmbeddedNode::ReloadReport reload() { return client_ ? client_->reload() : embedded_->reload(); }
  void reloadOnHangup() { client_ ? client_->reloadOnHangup() : embedded_->reloadOnHangup(); }
  bool isClient() const { return client_.has_value(); }

 private:
  std::optional<EmbeddedNode> embedded_;
  std::optional<ClientNode> client_;
};

}  // namespace nephrite

#include "node/embedded_node.h"

#include "base/log.h"
#include "node/local/configured_database.h"
#include "node/local/hangup_listener.h"

namespace nephrite {

struct EmbeddedNode::Parts {
  explicit Parts(const Options& options)
      : configured({options.iniFile, {options.iniName, options.iniOverrides}}),
        storeDirectory(configured.settings().store.systemFileDirectory),
        node(Node::signOn(configured.database(), options.nodeName)) {
    log(LogLevel::Info, "node.started",
        {{"node", options.nodeName},
         {"ini", configured.iniFile().string()},
         {"store", storeDirectory.string()}});
  }

  ConfiguredDatabase configured;
  const std::filesystem::path storeDirectory;
  Node node;
  std::unique_ptr<HangupListener> hangup;  // Last: ends first.
};

EmbeddedNode::EmbeddedNode(const Options& options) : parts_(std::make_unique<Parts>(options)) {}

EmbeddedNode::~EmbeddedNode() = default;

Node& EmbeddedNode::node() { return parts_->node; }

std::shared_ptr<Database> EmbeddedNode::database() const { return parts_->configured.database(); }

const std::filesystem::path& EmbeddedNode::storeDirectory() const { return parts_->storeDirectory; }

EmbeddedNode::ReloadReport EmbeddedNode::reload() {
  const ConfiguredDatabase::Report report = parts_->configured.reload();
  return {report.changed, report.problems};
}

void EmbeddedNode::reloadOnHangup() {
  if (parts_->hangup) return;
  parts_->hangup = std::make_unique<HangupListener>(
      [parts = parts_.get()] { parts->configured.log(parts->configured.reload()); });
}

}  // namespace nephrite

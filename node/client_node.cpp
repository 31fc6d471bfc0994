#include "node/client_node.h"

#include "base/log.h"
#include "ini/ini_file.h"
#include "ini/ini_value.h"
#include "node/client/connected_database.h"
#include "node/local/hangup_listener.h"
#include "node/local/running_settings.h"

namespace nephrite {

namespace {

IniArguments argumentsOf(const ClientNode::Options& options) {
  return {options.iniName, options.iniOverrides};
}

}  // namespace

struct ClientNode::Parts {
  explicit Parts(const Options& options)
      : running(options.iniFile, argumentsOf(options)),
        connected(std::make_shared<ConnectedDatabase>(running.now())) {
    NodeSignOn who;
    who.name = options.nodeName;
    who.backgroundTimeout = running.now().client.backgroundProcessServerTimeout;
    node = Node::signOn(ConnectedDatabase::asDatabase(connected), who);
    log(LogLevel::Info, "node.started",
        {{"node", options.nodeName}, {"server", connected->server()}});
  }

  RunningSettings::Report reload() {
    RunningSettings::Report report = running.reload();
    connected->database().setBackgroundTimeout(
        report.settings.client.backgroundProcessServerTimeout);
    return report;
  }

  RunningSettings running;
  const std::shared_ptr<ConnectedDatabase> connected;
  Node node;
  std::unique_ptr<HangupListener> hangup;
};

bool ClientNode::namesServer(const Options& options) {
  const auto path = locateIniFile(options.iniFile, {});
  const auto found =
      IniFile::read(path, argumentsOf(options)).find("JadeClient", "ServerNodeSpecifications");
  return found && !meansDefault(found->value);
}

ClientNode::ClientNode(const Options& options) : parts_(std::make_unique<Parts>(options)) {}

// A request that still waits holds on to its process, and that to the database: it is answered
// here, not on the thread that the database would have to join.
ClientNode::~ClientNode() {
  parts_->hangup.reset();
  parts_->node.close();
  parts_->connected->close();
}

Node& ClientNode::node() { return parts_->node; }
std::shared_ptr<Database> ClientNode::database() const {
  return ConnectedDatabase::asDatabase(parts_->connected);
}
const std::string& ClientNode::server() const { return parts_->connected->server(); }
bool ClientNode::isConnected() const { return parts_->connected->database().isConnected(); }

ClientNode::ReloadReport ClientNode::reload() {
  const RunningSettings::Report report = parts_->reload();
  return {report.changed, report.problems};
}

void ClientNode::reloadOnHangup() {
  if (parts_->hangup) return;
  parts_->hangup = std::make_unique<HangupListener>(
      [parts = parts_.get()] { parts->running.log(parts->reload()); });
}

}  // namespace nephrite

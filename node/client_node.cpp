#include "node/client_node.h"

#include "base/log.h"
#include "ini/ini_file.h"
#include "ini/ini_value.h"
#include "ini/settings.h"
#include "node/client/connected_database.h"

namespace nephrite {

namespace {

IniArguments argumentsOf(const ClientNode::Options& options) {
  return {options.iniName, options.iniOverrides};
}

}  // namespace

struct ClientNode::Parts {
  explicit Parts(const Options& options)
      : settings(loadSettings(locateIniFile(options.iniFile, {}), argumentsOf(options)).settings),
        connected(std::make_shared<ConnectedDatabase>(settings)) {
    setLogLevel(settings.logLevel);
    node = Node::signOn(
        ConnectedDatabase::asDatabase(connected),
        NodeSignOn{.name = options.nodeName,
                   .backgroundTimeout = settings.client.backgroundProcessServerTimeout});
    log(LogLevel::Info, "node.started",
        {{"node", options.nodeName}, {"server", connected->server()}});
  }

  const Settings settings;
  const std::shared_ptr<ConnectedDatabase> connected;
  Node node;
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
  parts_->node.close();
  parts_->connected->close();
}

Node& ClientNode::node() { return parts_->node; }
std::shared_ptr<Database> ClientNode::database() const {
  return ConnectedDatabase::asDatabase(parts_->connected);
}
const std::string& ClientNode::server() const { return parts_->connected->server(); }
bool ClientNode::isConnected() const { return parts_->connected->database().isConnected(); }

}  // namespace nephrite

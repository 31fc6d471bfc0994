#include "node/connect.h"

#include <charconv>
#include <memory>
#include <string_view>
#include <utility>

#include "ini/settings.h"
#include "node/client/connected_database.h"
#include "runtime/errors/exceptions.h"

namespace nephrite {
namespace {

[[noreturn]] void refuse(const std::string& server, const std::string& what) {
  throw ConnectionException(ErrorCode::ConnectionLost,
                            "cannot connect to \"" + server + "\": " + what +
                                "; write \"host:port\", \"host\", or the path of a unix socket");
}

std::uint16_t portIn(const std::string& server, std::string_view text) {
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc() || stop != end || port == 0) {
    refuse(server, "\"" + std::string(text) + "\" is no port from 1 to 65535");
  }
  return port;
}

/// `server` with `usual` for the port that it does not name.
ServerNodeSpecification specificationOf(const std::string& server, std::uint16_t usual) {
  ServerNodeSpecification found;
  if (server.find('/') != std::string::npos) {
    found.transport = ServerNodeSpecification::Transport::Unix;
    found.socket = server;
    return found;
  }
  std::string_view rest = server;
  if (rest.starts_with('[')) {
    const auto close = rest.find(']');
    if (close == std::string_view::npos) refuse(server, "its bracket is not closed");
    found.host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
    if (!rest.empty() && !rest.starts_with(':')) refuse(server, "a port comes after a colon");
  } else {
    const auto colon = rest.find(':');
    if (colon != std::string_view::npos && rest.find(':', colon + 1) != std::string_view::npos) {
      refuse(server, "an IPv6 address stands in brackets");
    }
    found.host = rest.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon);
  }
  if (found.host.empty()) refuse(server, "it names no host");
  found.port = rest.empty() ? usual : portIn(server, rest.substr(1));
  return found;
}

}  // namespace

Node connect(const std::string& server, const ConnectOptions& options) {
  Settings settings = resolveSettings(IniFile::none()).settings;
  settings.connection.server = specificationOf(server, settings.connection.server.port);
  settings.connection.connectTimeout = options.connectTimeout;
  const auto connected = std::make_shared<ConnectedDatabase>(settings);
  // The node's end closes the connection: a request that still waits would else hold on to it, and
  // might be the last to do so, on the very thread that the connection waits for at its end.
  return Node::signOn(ConnectedDatabase::asDatabase(connected),
                      NodeSignOn{.name = options.nodeName}, [connected] { connected->close(); });
}

}  // namespace nephrite

#include "node/client/connected_database.h"

#include <unistd.h>

#include <array>
#include <filesystem>
#include <random>
#include <utility>

namespace nephrite {
namespace {

AsioCarrier::Options carrierOptions(const Settings& settings) {
  AsioCarrier::Options options;
  options.server = settings.connection.server;
  options.connectTimeout = settings.connection.connectTimeout;
  options.spin = settings.connection.spinTime;
  return options;
}

RemoteDatabase::Options databaseOptions(const Settings& settings, std::function<void()> noticed) {
  const NetworkClientSettings& connection = settings.connection;
  RemoteDatabase::Options options;
  options.session.keepAlive = connection.keepAliveTimeout;
  options.session.connectTimeout = connection.connectTimeout;
  options.session.firstPause =
      std::min(connection.reconnectFirstPause, connection.reconnectLongestPause);
  options.session.longestPause = connection.reconnectLongestPause;
  options.session.origin = thisProgram();
  options.session.seed = std::random_device{}();
  options.backgroundTimeout = settings.client.backgroundProcessServerTimeout;
  options.cacheBytes = settings.client.objectCacheSizeLimit;
  options.coherent = settings.client.automaticCacheCoherency != CacheCoherency::Off;
  options.noticed = std::move(noticed);
  return options;
}

}  // namespace

NodeOrigin thisProgram() {
  NodeOrigin origin;
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) == 0) origin.host = host.data();
  std::error_code none;
  origin.program = std::filesystem::read_symlink("/proc/self/exe", none).filename().string();
  origin.pid = static_cast<std::uint32_t>(::getpid());
  return origin;
}

ConnectedDatabase::ConnectedDatabase(const Settings& settings, std::function<void()> noticed)
    : carrier_(carrierOptions(settings)),
      database_(carrier_, SystemClock::instance(), databaseOptions(settings, std::move(noticed))) {}

void ConnectedDatabase::close() {
  database_.close();
  carrier_.stop();
}

std::shared_ptr<Database> ConnectedDatabase::asDatabase(
    const std::shared_ptr<ConnectedDatabase>& connected) {
  return {connected, &connected->database_};
}

}  // namespace nephrite

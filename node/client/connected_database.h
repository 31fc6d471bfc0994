#pragma once

// Private to node.

#include <functional>
#include <memory>
#include <string>

#include "ini/settings.h"
#include "node/client/asio_carrier.h"
#include "node/client/remote_database.h"

namespace nephrite {

/// A RemoteDatabase with the socket that it speaks through. What ClientNode and the commands that
/// ask a server stand on.
class ConnectedDatabase {
 public:
  /// `noticed`: see RemoteDatabase::Options.
  explicit ConnectedDatabase(const Settings& settings, std::function<void()> noticed = {});

  RemoteDatabase& database() { return database_; }
  /// Says goodbye: what is still asked for fails, and what is asked later. Nothing comes from the
  /// server's thread any more when this returns, so that no callback is the last to let go of it.
  void close();
  const std::string& server() const { return carrier_.server(); }

  /// `database()` that keeps `connected` alive.
  static std::shared_ptr<Database> asDatabase(const std::shared_ptr<ConnectedDatabase>& connected);

 private:
  AsioCarrier carrier_;
  RemoteDatabase database_;
};

/// This program, as other people see it at the server.
NodeOrigin thisProgram();

}  // namespace nephrite

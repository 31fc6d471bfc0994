#pragma once

// Private to node.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "node/server/server_sessions.h"

namespace nephrite {

/// The sockets of a server node and the one thread that serves them: what comes in is given to
/// ServerSessions, and what goes out is sent together at the end of each turn.
///
/// Waits:   for sockets and deadlines only; with a spin time, it polls that long before it sleeps.
/// Errors:  IniError or std::system_error when an address cannot be listened on (refuseStart()).
/// Threads: constructor, stop() and destructor one at a time; run() and post from any.
class SocketServer {
 public:
  struct Options {
    std::string listenAddress = "127.0.0.1";
    std::uint16_t port = 0;            ///< 0: any that is free.
    std::filesystem::path unixSocket;  ///< Empty: none.
    std::uint32_t maxFrame = 16u << 20;
    std::chrono::microseconds spin{0};
    unsigned blockingThreads = 8;
  };

  explicit SocketServer(Options options);
  ~SocketServer();
  SocketServer(const SocketServer&) = delete;
  SocketServer& operator=(const SocketServer&) = delete;

  std::uint16_t port() const;
  /// `run`, `block` and `newKey`. They may outlive this, and do nothing any more after stop().
  ServerSessions::Hooks hooks();

  /// Begins to serve. `sessions` outlives stop().
  void start(ServerSessions& sessions);
  /// Runs `work` on the serving thread and waits for it. Not from that thread. After stop() it does
  /// nothing.
  void run(const std::function<void()>& work);
  /// Calls `work` on the serving thread, soon.
  void post(std::function<void()> work);
  /// Accepts no new connection.
  void stopAccepting();
  /// Ends the blocking threads, what is left to send, and the serving thread. Idempotent.
  void stop();

  void setSpin(std::chrono::microseconds spin);

 private:
  struct Parts;
  class Connection;
  const std::shared_ptr<Parts> parts_;  // The hooks have it, too.
};

}  // namespace nephrite

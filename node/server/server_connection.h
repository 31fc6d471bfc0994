#pragma once

// Private to node.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "node/wire/frame.h"

namespace nephrite {

/// One connection as the sessions see it: bytes go out, frames come in at ServerSessions.
/// Threads: that of the sessions.
class ServerConnection {
 public:
  virtual ~ServerConnection() = default;

  /// Sends soon, in this order. Harmless when closed.
  virtual void send(std::string frame) = 0;
  /// The same of a message that has no frame yet.
  virtual void sendFramed(const wire::FrameHeader& header, std::string_view message) {
    send(wire::frameBytes(header, message));
  }
  /// Sends what is queued, if the other side takes it at once, and hangs up. No frame comes from it
  /// any more.
  virtual void close() = 0;
  /// Gives no frames to the sessions for a while; they wait here and in the system.
  virtual void pauseReading(bool) {}
  /// What the other side has not taken yet.
  virtual std::size_t bytesQueued() const = 0;
  /// What it has taken so far.
  virtual std::uint64_t bytesTaken() const { return 0; }
  /// The client's: "127.0.0.1:40112".
  virtual const std::string& address() const = 0;
};

}  // namespace nephrite

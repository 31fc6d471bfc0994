#pragma once

// Private to node.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/answer_wait.h"
#include "base/clock.h"
#include "node/wire/frame.h"

namespace nephrite {

/// What a client session is told by its carrier, one call at a time and in order.
class CarrierListener {
 public:
  virtual ~CarrierListener() = default;
  virtual void connected() = 0;
  virtual void received(const wire::FrameView& frame) = 0;
  /// The attempt failed, or the connection is over. Not called after disconnect().
  virtual void disconnected(const std::string& why) = 0;
  /// The moment of wakeAt() has come.
  virtual void tick() = 0;
};

/// Carries frames to one server and back, over one connection at a time.
/// Threads: any; the listener is called on the carrier's own thread, or on one that waits for an
///          answer, with no mutex of the carrier held.
class Carrier {
 public:
  virtual ~Carrier() = default;

  /// From now on `listener` is called; it outlives stop().
  virtual void start(CarrierListener& listener) = 0;
  /// When it returns, the listener is called no more. Not from the listener.
  virtual void stop() = 0;

  /// Tries to connect; tells connected() or disconnected().
  virtual void connect() = 0;
  virtual void disconnect() = 0;
  /// Sends in this order, soon. Harmless without a connection. Calls no listener back.
  virtual void send(std::string frame) = 0;
  /// The same of a message that has no frame yet.
  virtual void sendFramed(const wire::FrameHeader& header, std::string_view message) {
    send(wire::frameBytes(header, message));
  }
  /// Frames of at most so many bytes come from now on. From the listener.
  virtual void takeFramesOf(std::uint32_t /*bytes*/) {}
  /// Calls tick() at `at` or soon after, not from here; replaces an earlier wish.
  virtual void wakeAt(Instant at) = 0;

  /// For a thread that waits for an answer: does some of the carrier's work, when there is no
  /// thread that does. False: just sleep.
  virtual bool pump() { return false; }
  /// Where threads wait for answers that they fetch by themselves; null: just sleep.
  virtual AnswerSource* answers() { return nullptr; }
  /// The calling thread asks for something. True: it will wait there for the answer.
  virtual bool callerAsks() { return false; }
  /// So many requests are on their way that no thread waits for there.
  virtual void setUnattended(std::size_t) {}
  /// Is this a thread that calls the listener just now, or the one that does nothing else?
  virtual bool isOwnThread() const = 0;
  /// For people: "127.0.0.1:6005".
  virtual const std::string& server() const = 0;
};

}  // namespace nephrite

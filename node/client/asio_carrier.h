#pragma once

// Private to node.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "ini/server_node_specification.h"
#include "node/client/carrier.h"

namespace nephrite {

/// A TCP or unix socket to one server node. A thread that waits for an answer sends and reads by
/// itself; the carrier's thread connects, keeps the time, and reads while no thread waits
/// (docs/decisions/0014).
///
/// Threads: as Carrier says. Mutexes: one of what is sent, one of the turn to read; leaves.
class AsioCarrier final : public Carrier, private AnswerSource {
 public:
  struct Options {
    ServerNodeSpecification server;
    std::chrono::milliseconds connectTimeout{10'000};  ///< Of one attempt.
    std::chrono::microseconds spin{0};                 ///< Before the thread sleeps.
    /// From the server, in bytes; it may ask for more (takeFramesOf()).
    std::uint32_t maxFrame = wire::kLeastClientFrame;
  };

  explicit AsioCarrier(Options options);
  ~AsioCarrier() override;

  void start(CarrierListener& listener) override;
  void stop() override;
  void connect() override;
  void disconnect() override;
  void send(std::string frame) override;
  void sendFramed(const wire::FrameHeader& header, std::string_view message) override;
  void takeFramesOf(std::uint32_t bytes) override;
  void wakeAt(Instant at) override;
  AnswerSource* answers() override;
  bool callerAsks() override;
  void setUnattended(std::size_t requests) override;
  bool isOwnThread() const override;
  const std::string& server() const override;

 private:
  // AnswerSource.
  bool begin() override;
  void await(Awaited& answer) override;
  void end() override;

  struct Parts;
  const std::unique_ptr<Parts> parts_;
};

}  // namespace nephrite

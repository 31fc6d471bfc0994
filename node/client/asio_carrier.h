#pragma once

// Private to node.

#include <chrono>
#include <memory>
#include <string>

#include "ini/server_node_specification.h"
#include "node/client/carrier.h"

namespace nephrite {

/// A TCP or unix socket to one server node, and the thread that listens to it. Sending is done by
/// whoever sends, as far as the socket takes it at once.
///
/// Threads: as Carrier says. Mutex: one, a leaf.
class AsioCarrier final : public Carrier {
 public:
  struct Options {
    ServerNodeSpecification server;
    std::chrono::milliseconds connectTimeout{10'000};  ///< Of one attempt.
    std::chrono::microseconds spin{0};                 ///< Before the thread sleeps.
    std::uint32_t maxFrame = 64u << 20;                ///< From the server; bytes.
  };

  explicit AsioCarrier(Options options);
  ~AsioCarrier() override;

  void start(CarrierListener& listener) override;
  void stop() override;
  void connect() override;
  void disconnect() override;
  void send(std::string frame) override;
  void wakeAt(Instant at) override;
  bool isOwnThread() const override;
  const std::string& server() const override;

 private:
  struct Parts;
  const std::unique_ptr<Parts> parts_;
};

}  // namespace nephrite

#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/client/carrier.h"
#include "node/server/server_connection.h"
#include "tests/network/record.h"

namespace nephrite {

class SimCarrier;
class SimLink;

/// What the server's end of a connection tells, each as an event of the server's.
class SimListener {
 public:
  virtual ~SimListener() = default;
  virtual bool isListening() const = 0;
  virtual std::uint64_t incarnation() const = 0;
  virtual void opened(const std::shared_ptr<SimLink>& link) = 0;
  virtual void arrived(SimLink& link, const std::string& bytes) = 0;
  virtual void hungUp(SimLink& link) = 0;
  /// Something is left for the client: what it takes at once is sent at the end of the turn.
  virtual void leftSome(SimLink& link) = 0;
  /// The client has taken something, and takes more.
  virtual void tookSome(SimLink& link) = 0;
  /// The locks of `client` as they are now.
  virtual std::vector<LockInfo> locksOf(int client) const = 0;
};

/// How it was at the server when that sent a message.
struct HeardOf {
  std::vector<LockInfo> held;  ///< By the client.
  Duration at{};               ///< For so long had the server been running.
  Duration began{};            ///< The same, when it said the first on this connection.
};

/// Between client nodes and the server: delays, and what a seed lets go wrong.
struct SimNetwork {
  Agenda& agenda;
  Random& random;
  Report& report;
  SimListener* server = nullptr;
  int mostDelay = 5;                  // Milliseconds.
  int burstOneIn = 0;                 // Pieces that are late, and all behind them; 0: none.
  int refuseOneIn = 0;                // Attempts to connect.
  bool losesEnds = false;             // An end of a connection may never hear of its end.
  std::size_t mostUnread = SIZE_MAX;  // With more, the server says nothing else; bytes.
  std::function<void()> pump = {};
  bool waiting = false;  // Somebody waits, and runs the world.

  Duration delay();
};

/// One connection. Bytes each way arrive whole and in order, or from some moment on not at all.
class SimLink final : public ServerConnection, public std::enable_shared_from_this<SimLink> {
 public:
  SimLink(SimNetwork& network, SimCarrier& carrier, int client);

  // The server's end.
  void send(std::string frame) override;
  void sendFramed(const wire::FrameHeader& header, std::string_view message) override;
  void close() override;
  std::size_t bytesQueued() const override { return queued_; }
  std::uint64_t bytesTaken() const override { return taken_; }
  const std::string& address() const override { return address_; }
  /// Sends as much of what is queued as the client takes.
  void flush();
  bool leavesSome = false;  ///< What was flushed last.
  bool framesWait = false;  ///< In atServer, for the client to take what there is for it.

  // The client's end.
  void open();
  void sendToServer(std::string bytes);
  void hangUp();

  // What goes wrong.
  void cut();
  void deafen(bool towardsServer);
  /// The client loses it, and the server is not told: what is under way still arrives.
  void abandon();
  /// For `time` the client takes so many bytes at once, and as many more each `pause`.
  void readSlowly(Duration time, std::size_t bytes, Duration pause);
  bool isOver() const { return !serverOpen_ || !clientOpen_; }

  wire::FrameReader atServer{1u << 20};
  wire::FrameReader atClient{1u << 20};

 private:
  using Held = std::shared_ptr<const HeardOf>;
  /// Of a frame.
  struct Unread {
    std::string bytes;
    Held held;  // When it was sent.
  };
  void give(std::string bytes, bool isLast, const Held& held);
  struct Direction {
    bool dead = false;
    bool lost = false;  // What is under way, too.
    Instant last{};
  };
  /// What is under way is work of the other end, in order; unless it is lost.
  template <typename Work>
  void deliver(Direction& direction, int owner, Work work);
  void readMore(Instant end, std::size_t bytes, Duration pause);
  /// The same of bytes in pieces: `work(piece, isLast)`.
  template <typename Work>
  void deliverBytes(Direction& direction, int owner, std::string bytes, const Work& work);

  SimNetwork& network_;
  SimCarrier& carrier_;
  const int client_;
  const std::uint64_t incarnation_;
  const std::string address_;
  bool serverOpen_ = true;
  bool clientOpen_ = true;
  bool silent_ = false;
  std::size_t room_ = SIZE_MAX;  // What the client takes now; SIZE_MAX: all.
  std::deque<Unread> unread_;
  std::size_t queued_ = 0;  // Bytes, of these.
  std::uint64_t taken_ = 0;
  std::optional<Duration> saidFirst_;
  Direction toServer_;
  Direction toClient_;
};

/// A client's carrier over such connections.
class SimCarrier final : public Carrier {
 public:
  SimCarrier(SimNetwork& network, int client) : network_(network), client_(client) {}

  void start(CarrierListener& listener) override { listener_ = &listener; }
  void stop() override { listener_ = nullptr; }
  void connect() override;
  void disconnect() override;
  void send(std::string frame) override;
  void wakeAt(Instant at) override;
  bool pump() override;
  bool isOwnThread() const override { return calling_ > 0; }
  const std::string& server() const override { return name_; }

  // From the link.
  void opened(SimLink& link);
  void arrived(SimLink& link, const std::string& bytes);
  void lost(SimLink& link);

  const std::shared_ptr<SimLink>& link() const { return link_; }
  /// Called when a message has been dealt with.
  std::function<void(const HeardOf&)> received;

 private:
  template <typename Call>
  void call(Call call);

  SimNetwork& network_;
  const int client_;
  const std::string name_ = "server";
  CarrierListener* listener_ = nullptr;
  std::uint64_t attempt_ = 0;
  std::shared_ptr<SimLink> link_;
  bool open_ = false;
  int calling_ = 0;
  std::optional<Instant> wake_;
};

}  // namespace nephrite

#pragma once

#include <string>
#include <variant>
#include <vector>

#include "node/client/remote_database.h"

namespace nephrite {

/// A server that says what it is told to.
class SpokenCarrier final : public Carrier {
 public:
  void start(CarrierListener& listener) override { listener_ = &listener; }
  void stop() override {}
  void connect() override {}
  void disconnect() override {}
  void send(std::string frame) override {
    reader_.append({reinterpret_cast<const std::uint8_t*>(frame.data()), frame.size()});
    while (const auto one = reader_.next()) {
      stream_.received(one->header);
      heard.push_back(wire::decodeFromClient(one->message, Instant{}));
    }
  }
  void wakeAt(Instant) override {}
  /// Whoever fetches an object is given what is `stored`, who wants new Oids is given `fresh`, and
  /// who looks at locks is given `listed`.
  bool pump() override {
    if (const auto* const wanted = std::get_if<wire::NewOids>(&heard.back())) {
      say(wire::OidsReply{wanted->id, {fresh}});
      return true;
    }
    if (const auto* const look = std::get_if<wire::Look>(&heard.back())) {
      listed.id = look->id;
      say(listed);
      return true;
    }
    const auto* const fetch = std::get_if<wire::Fetch>(&heard.back());
    if (fetch == nullptr) return false;
    say(wire::ObjectReply{fetch->id, stored});
    return true;
  }
  bool isOwnThread() const override { return false; }
  const std::string& server() const override { return name_; }

  void welcome(const wire::Welcome& welcome) {
    welcome_ = welcome;
    listener_->connected();
    sayUnnumbered(welcome);
  }
  void sayUnnumbered(const wire::FromServer& message) {
    const std::string bytes = wire::encode(message, Instant{});
    listener_->received(framed(stream_.unnumbered(), bytes));
  }
  /// On a new connection, to a new session.
  void welcomeAgain() {
    stream_ = wire::SessionStream(0);
    wire::Welcome another = welcome_;
    ++another.session[0];
    welcome(another);
  }
  void say(const wire::FromServer& message) {
    const std::string bytes = wire::encode(message, Instant{});
    listener_->received(framed(stream_.number(bytes), bytes));
  }
  /// The same, decided when the server had seen the client's messages up to `number` only.
  void sayHavingSeen(std::uint64_t number, const wire::FromServer& message) {
    const std::string bytes = wire::encode(message, Instant{});
    wire::FrameHeader header = stream_.number(bytes);
    header.acknowledged = number;
    listener_->received(framed(header, bytes));
  }
  /// The number of the client's last message.
  std::uint64_t lastReceived() const { return stream_.lastReceived(); }
  /// The server is there.
  void ping() {
    const std::string bytes = wire::encode(wire::FromServer(wire::Ping{}), Instant{});
    listener_->received(framed(stream_.unnumbered(), bytes));
  }
  void tick() { listener_->tick(); }
  /// The id of the last request.
  wire::RequestId lastId() const {
    return std::visit(
        [](const auto& message) -> wire::RequestId {
          if constexpr (requires { message.id; }) {
            return message.id;
          } else {
            return 0;
          }
        },
        heard.back());
  }

  std::vector<wire::FromClient> heard;
  RecordPtr stored;
  Oid fresh;
  wire::LocksReply listed;

 private:
  static wire::Frame framed(const wire::FrameHeader& header, const std::string& bytes) {
    return {header, {bytes.begin(), bytes.end()}};
  }

  CarrierListener* listener_ = nullptr;
  wire::Welcome welcome_;
  wire::SessionStream stream_{0};
  wire::FrameReader reader_{UINT32_MAX};
  const std::string name_ = "spoken:1";
};

}  // namespace nephrite

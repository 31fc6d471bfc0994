#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "node/wire/frame.h"
#include "node/wire/messages.h"
#include "tests/support/child_process.h"

namespace nephrite {

/// A client that says what it is told to say, right or wrong.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* const at = reinterpret_cast<const sockaddr*>(&address);
    EXPECT_EQ(::connect(socket_, at, sizeof(address)), 0);
  }
  ~RawClient() { ::close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void write(const std::string& bytes) const {
    ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  void say(const wire::FromClient& message, std::uint64_t sequence) const {
    write(bytesOf(message, sequence));
  }
  static std::string bytesOf(const wire::FromClient& message, std::uint64_t sequence) {
    const std::string encoded = wire::encode(message, Instant{});
    wire::FrameHeader header;
    header.length = static_cast<std::uint32_t>(encoded.size());
    header.sequence = sequence;
    return wire::frameBytes(header, encoded);
  }
  bool hearsSomething() const {
    pollfd polled{socket_, POLLIN, 0};
    char chunk[4096];
    return ::poll(&polled, 1, 60'000) == 1 && ::recv(socket_, chunk, sizeof(chunk), 0) > 0;
  }
  bool isHungUpOn() const {
    return eventually([&] {
      char chunk[4096];
      const auto got = ::recv(socket_, chunk, sizeof(chunk), MSG_DONTWAIT);
      return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    });
  }

 private:
  int socket_;
};

}  // namespace nephrite

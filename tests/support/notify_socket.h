#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string>

#include "tests/support/child_process.h"

namespace nephrite {

/// What systemd would hear.
class NotifySocket {
 public:
  explicit NotifySocket(const std::filesystem::path& path)
      : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.string().copy(address.sun_path, sizeof(address.sun_path) - 1);
    const auto* const at = reinterpret_cast<const sockaddr*>(&address);
    EXPECT_EQ(::bind(socket_, at, sizeof(address)), 0);
  }
  ~NotifySocket() { ::close(socket_); }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  bool hears(const std::string& what) {
    return eventually([&] {
      std::array<char, 4096> chunk;
      for (;;) {
        const auto got = ::recv(socket_, chunk.data(), chunk.size(), 0);
        if (got <= 0) break;
        heard_.append(chunk.data(), static_cast<std::size_t>(got)).append("\n");
      }
      return heard_.find(what) != std::string::npos;
    });
  }

 private:
  int socket_;
  std::string heard_;
};

}  // namespace nephrite

// Whoever connects and speaks something else, and ten thousand who connect and say little.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <iostream>

#include "node/wire/frame.h"
#include "node/wire/messages.h"
#include "tests/remote/server_program.h"

namespace nephrite {
namespace {

using wire::FrameHeader;

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
    FrameHeader header;
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

class HostileClients : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(server.start()) << server.log(); }
  std::size_t violationsLogged() const {
    const std::string log = server.log();
    const std::string event = "connection.violated";
    std::size_t lines = 0;
    for (auto at = log.find(event); at != std::string::npos; at = log.find(event, at + 1)) ++lines;
    return lines;
  }
  ServerProgram server{"KeepAliveTimeout=600000\n"};
};

TEST_F(HostileClients, WhenTheySpeakSomethingElseThenTheyAreRefusedAndOthersUnharmed) {
  const auto other = server.clientHere("other", server.bySocket());
  std::string wrongMagic = RawClient::bytesOf(wire::Hello{}, 0);
  wrongMagic[4] = 'X';
  std::string tooLong = RawClient::bytesOf(wire::Hello{}, 0);
  tooLong[3] = '\x7f';
  const std::string hello = RawClient::bytesOf(wire::Hello{}, 0);
  const std::vector<std::string> wrong{
      std::string(1000, '\xa5'), wrongMagic, tooLong, RawClient::bytesOf(wire::Ping{}, 0),
      hello + RawClient::bytesOf(wire::SignOnNode{1, "n", {}}, 5)};  // 1 to 4 are missing.
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    RawClient client(server.port());
    client.write(wrong[i]);
    EXPECT_TRUE(client.isHungUpOn()) << i;
    EXPECT_TRUE(eventually([&] { return violationsLogged() == i + 1; })) << server.log();
  }
  EXPECT_TRUE(other->node().signOn({.user = "anna"}).isSignedOn());
}

TEST_F(HostileClients, WhenTenThousandAreConnectedThenTheServerStaysResponsive) {
  const auto count = static_cast<std::size_t>(cycles(10'000));
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max < count + 1000) GTEST_SKIP() << "too few file descriptors";
  server.program().kill();
  ASSERT_TRUE(server.start()) << server.log();  // With the new limit, which it inherits.
  const std::size_t before = server.program().residentBytes();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.port()));
    clients.back()->say(wire::Hello{}, 0);
    ASSERT_TRUE(clients.back()->hearsSomething()) << "Welcome " << i;
  }
  const std::size_t each = (server.program().residentBytes() - before) / count;
  std::cout << each << " bytes for each of " << count << " idle sessions\n";
  EXPECT_LT(each, 64u << 10);

  for (int round = 0; round < 5; ++round) {
    for (std::size_t i = 0; i < count / 10; ++i) clients[i]->say(wire::Ping{}, 0);
    for (std::size_t i = 0; i < count / 10; ++i) ASSERT_TRUE(clients[i]->hearsSomething()) << i;
  }
  const auto began = std::chrono::steady_clock::now();
  const auto other = server.clientHere("other", server.bySocket());
  EXPECT_TRUE(other->node().signOn({.user = "anna"}).isSignedOn());
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

}  // namespace
}  // namespace nephrite

// Whoever connects and speaks something else, and ten thousand who connect and say little.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <iostream>

#include "tests/remote/server_program.h"
#include "tests/support/raw_client.h"

namespace nephrite {
namespace {

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
  const auto other = server.clientHere("other", server.bySocket());
  EXPECT_TRUE(other->node().signOn({.user = "anna"}).isSignedOn());
}

}  // namespace
}  // namespace nephrite

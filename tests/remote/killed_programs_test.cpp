// Clients and the server are killed (SIGKILL) again and again while clients count; a journal that
// is no part of the system says what was acknowledged, and is compared with the store.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <iostream>
#include <map>
#include <random>

#include "runtime/database/database.h"
#include "tests/remote/server_program.h"

namespace nephrite {
namespace {

constexpr std::size_t kClients = 4;
constexpr int kKills = 50;

/// Given: a server, a counter, and clients that count it up, each with a journal.
class KilledPrograms : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server.start()) << server.log();
    auto maker = server.clientProgram("maker", server.bySocket());
    ASSERT_THAT(maker->ask("signon"), testing::StartsWith("ok "));
    counter = okOf(maker->ask("create"));
    ASSERT_FALSE(counter.empty());
    for (std::size_t i = 0; i < kClients; ++i) startClient(i);
  }

  static std::string nameOf(std::size_t i) { return "counter" + std::to_string(i); }
  std::filesystem::path journalOf(std::size_t i) const {
    return server.folder() / (nameOf(i) + ".journal");
  }
  void startClient(std::size_t i) {
    clients[i] = server.clientProgram(nameOf(i), server.bySocket());
    EXPECT_TRUE(eventually([&] { return !okOf(clients[i]->ask("signon")).empty(); }));
    clients[i]->say("count " + counter + " " + nameOf(i) + " " + journalOf(i).string());
  }
  std::size_t written(std::size_t i) const {
    std::error_code none;
    const auto size = std::filesystem::file_size(journalOf(i), none);
    return none ? 0 : size;
  }
  /// Each client has had a commit acknowledged, or learnt its outcome, since this was called.
  bool everybodyGoesOn() {
    std::array<std::size_t, kClients> before{};
    for (std::size_t i = 0; i < kClients; ++i) before[i] = written(i);
    return eventually([&] {
      for (std::size_t i = 0; i < kClients; ++i) {
        if (written(i) <= before[i]) return false;
      }
      return true;
    });
  }

  ServerProgram server{""};
  std::string counter;
  std::array<std::unique_ptr<ChildProcess>, kClients> clients;
};

TEST_F(KilledPrograms, WhenAnyIsKilledAtAnyTimeThenTheStoreHoldsWhatWasAcknowledged) {
  std::mt19937 random(20);  // NOLINT: the same victims each time.
  for (int kill = 0; kill < cycles(kKills); ++kill) {
    const bool all = kill % 10 == 9;  // Server and clients together.
    if (kill % 2 == 0 || all) {
      server.program().kill();
      ASSERT_TRUE(server.start()) << server.log();
    }
    if (kill % 2 == 1) {
      const std::size_t victim = random() % kClients;
      clients[victim]->kill();
      startClient(victim);
    }
    ASSERT_TRUE(everybodyGoesOn()) << "after kill " << kill << "\n" << server.log();
  }
  for (auto& client : clients) client->kill();
  server.program().kill();
  ASSERT_TRUE(server.start()) << server.log();

  const auto node = server.clientHere("reader", server.bySocket());
  EXPECT_THAT(node->database()->locksHeld(Lifetime::Persistent, 10), testing::IsEmpty());
  EXPECT_THAT(node->database()->queuedRequests(Lifetime::Persistent, 10), testing::IsEmpty());
  Process reader = node->node().signOn({.user = "reader"});
  std::map<std::string, int> stored;
  int entries = 0;
  for (const Object& entry : reader.instances("Entry")) {
    ++stored[entry.get<std::string>("text")];
    ++entries;
  }
  EXPECT_EQ(reader.object(Oid::fromBits(std::stoull(counter))).get<std::int32_t>("value"), entries)
      << "a transaction is there whole or not at all";
  for (const auto& [text, times] : stored) EXPECT_EQ(times, 1) << text;

  std::map<std::string, int> said;
  for (std::size_t i = 0; i < kClients; ++i) {
    std::ifstream journal(journalOf(i));
    std::string verdict;
    std::string text;
    while (journal >> verdict >> text) {
      ++said[verdict];
      EXPECT_EQ(stored.contains(text), verdict != "not-committed") << verdict << " " << text;
    }
  }
  EXPECT_GT(said["acknowledged"], 0);
  std::cout << entries << " entries; acknowledged " << said["acknowledged"]
            << ", unknown and committed " << said["committed"] << ", unknown and not committed "
            << said["not-committed"] << "\n";
}

}  // namespace
}  // namespace nephrite

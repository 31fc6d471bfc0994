// A client program that is stopped (SIGSTOP) for longer than its session lives, and goes on as if
// nothing had happened: whatever it asks for then is refused, and nothing of it takes effect.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <thread>

#include "tests/remote/server_program.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;
using testing::AnyOf;
using testing::StartsWith;

constexpr int kPaused = 4;
constexpr int kPauses = 50;  // Of each client.
constexpr std::int32_t kLate = -1;

/// One stopped client and its rival, which does not stop.
struct Pair {
  std::unique_ptr<ChildProcess> victim;
  Process rival;
  std::string oid;
  std::int32_t value = 0;  // As the rival committed it last.
};

class PausedClients : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server.start()) << server.log();
    rivals = server.clientHere("rivals", server.bySocket());
    for (int i = 0; i < kPaused; ++i) {
      Pair& pair = pairs[static_cast<std::size_t>(i)];
      pair.victim = server.clientProgram("victim" + std::to_string(i), server.bySocket());
      ASSERT_TRUE(untilOk([&] {
        pair.victim->ask("signon");
        pair.oid = okOf(pair.victim->ask("create"));
        return !pair.oid.empty();
      }));
    }
  }
  static bool untilOk(const std::function<bool()>& step) { return eventually(step, kGenerous); }

  /// The victim holds the object and has changed it. A busy machine may cost it its session on the
  /// way: then once more.
  static bool takes(Pair& pair, const std::string& duration) {
    ChildProcess& victim = *pair.victim;
    return untilOk([&] {
      if (okOf(victim.ask("signon")).empty() || victim.ask("begin") != "ok") return false;
      if (victim.ask("lock " + pair.oid + " exclusive 5000" + duration) != "ok") return false;
      return victim.ask("set " + pair.oid + " " + std::to_string(kLate)) == "ok";
    });
  }

  /// The rival gets the lock, which the victim has lost, and commits another value.
  bool overtakes(Pair& pair) {
    return untilOk([&] {
      try {
        pair.rival = rivals->node().signOn({.user = "rival"});
        Object object = pair.rival.object(Oid::fromBits(std::stoull(pair.oid)));
        Transaction work(pair.rival);
        object.exclusiveLock(10s);
        object.set("value", pair.value + 1);
        work.commit();
        ++pair.value;
        return true;
      } catch (const SystemException&) {
        return false;
      }
    });
  }
  std::int32_t committed(Pair& pair) {
    std::int32_t value = kLate;
    untilOk([&] {
      try {
        Process reader = rivals->node().signOn({.user = "reader"});
        Object object = reader.object(Oid::fromBits(std::stoull(pair.oid)));
        object.sharedLock(10s);
        value = object.get<std::int32_t>("value");
        return true;
      } catch (const SystemException&) {
        return false;
      }
    });
    return value;
  }

  ServerProgram server{"KeepAliveTimeout=150\n"};
  std::unique_ptr<ClientNode> rivals;
  std::array<Pair, kPaused> pairs;
};

TEST_F(PausedClients, WhenTheyGoOnAfterTheirSessionThenNothingLateTakesEffect) {
  const std::array<std::string, 3> late{"commit", "lock OID exclusive 0", "lock OID share 0"};
  const auto pauses = [&](Pair& pair) {
    for (int round = 0; round < cycles(kPauses); ++round) {
      const bool session = round % 2 == 1;
      ASSERT_TRUE(takes(pair, session ? " session" : ""));

      pair.victim->pause();
      ASSERT_TRUE(overtakes(pair));
      std::string verb = late[static_cast<std::size_t>(round) % late.size()];
      if (const auto at = verb.find("OID"); at != std::string::npos) verb.replace(at, 3, pair.oid);
      pair.victim->say(verb);
      pair.victim->resume();

      const std::string answer = pair.victim->heard();
      ASSERT_THAT(answer, AnyOf(StartsWith("error 6401"), StartsWith("error 64005"),
                                StartsWith("error 64006"), StartsWith("unknown ")))
          << verb << ", round " << round;
      if (answer.starts_with("unknown ")) {
        ASSERT_TRUE(untilOk([&] {
          const std::string outcome = pair.victim->ask("outcome " + answer.substr(8));
          EXPECT_NE(outcome, "committed");
          return outcome == "not-committed" || outcome == "committed";
        }));
      }
      ASSERT_EQ(committed(pair), pair.value) << verb << ", round " << round;
    }
  };
  std::vector<std::thread> threads;
  for (Pair& pair : pairs) threads.emplace_back([&pauses, &pair] { pauses(pair); });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(PausedClients, WhenTheServerWasStartedAnewMeanwhileThenTheirCommitIsRefused) {
  Pair& pair = pairs[0];
  for (int round = 0; round < cycles(10); ++round) {
    ASSERT_TRUE(takes(pair, ""));
    pair.victim->pause();
    server.program().kill();
    ASSERT_TRUE(server.start()) << server.log();
    ASSERT_TRUE(overtakes(pair));
    pair.victim->say("commit");
    pair.victim->resume();

    EXPECT_THAT(pair.victim->heard(), AnyOf(StartsWith("error "), StartsWith("unknown ")));
    EXPECT_EQ(committed(pair), pair.value);
  }
}

}  // namespace
}  // namespace nephrite

// Each parameter that docs/ini.md says works does something: a row of the table without a test here
// fails. Those that a reload takes over are tried both ways.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <map>
#include <set>
#include <string>

#include "ini/parameter_table.h"
#include "runtime/database/local_database.h"
#include "runtime/database/locker_port.h"
#include "tests/node/given_ini_effects.h"

namespace nephrite {
namespace {

using testing::AllOf;
using testing::Ge;
using testing::HasSubstr;
using testing::Lt;
using namespace std::chrono_literals;
using Given = GivenIniEffects;

// --- [JadeServer] --------------------------------------------------------------------------------

void serverTimeout(Given& given) {
  const auto node = given.embedded("[JadeServer]\nServerTimeout=40\n");
  EXPECT_THAT(given.waitOf(node->node(), false), AllOf(Ge(40ms), Lt(10'000ms)));
}

void backgroundServerTimeout(Given& given) {
  const auto node = given.embedded("[JadeServer]\nBackgroundProcessServerTimeout=40\n");
  EXPECT_THAT(given.waitOf(node->node(), true), AllOf(Ge(40ms), Lt(30'000ms)));
}

void doubleDeadlock(Given& given) {
  const auto refused = [&](const std::string& lines) {
    return given.refusedByDeadlock(given.embedded(lines)->node());
  };
  EXPECT_EQ(refused("[JadeServer]\nDoubleDeadlockException=true\n"), 2);
  EXPECT_EQ(refused(""), 1) << "the default";
}

void storeCache(Given& given) {
  EXPECT_LT(given.cachedOf10M(*given.embedded("[JadeServer]\nObjectCacheSizeLimit=3M\n")), 40u);
  EXPECT_EQ(given.cachedOf10M(*given.embedded("")), 100u) << "the default";
}

void coherencyDefault(Given& given) {
  const auto server = given.server("[JadeServer]\nAutomaticCacheCoherencyDefault=false\n");
  EXPECT_GE(given.askedFor100Reads(*given.client()), 100u);
}

void serverCoherency(Given& given) {
  const auto server = given.server("[JadeServer]\nAutomaticCacheCoherency=false\n");
  EXPECT_GE(given.askedFor100Reads(*given.client()), 100u);
}

// --- [JadeClient] --------------------------------------------------------------------------------

void serverNode(Given& given) {
  const auto server = given.server("");
  given.write("[JadeClient]\nServerNodeSpecifications=TcpIPv4, 127.0.0.1, " +
              std::to_string(server->port()) + "\n");
  EXPECT_TRUE(ClientNode({.iniFile = given.iniFile()}).isConnected());
}

void backgroundClientTimeout(Given& given) {
  const auto server = given.server("");
  const auto client = given.client("[JadeClient]\nBackgroundProcessServerTimeout=40\n");
  EXPECT_THAT(given.waitOf(client->node(), true), AllOf(Ge(40ms), Lt(30'000ms)));
}

void clientCache(Given& given) {
  const auto server = given.server("");
  EXPECT_GT(given.askedToRead10MAgain(*given.client("[JadeClient]\nObjectCacheSizeLimit=3M\n")),
            60u);
  EXPECT_LT(given.askedToRead10MAgain(*given.client("")), 40u) << "the default";
}

void clientCoherency(Given& given) {
  const auto server = given.server("");
  EXPECT_GE(given.askedFor100Reads(*given.client("[JadeClient]\nAutomaticCacheCoherency=false\n")),
            100u);
  EXPECT_LT(given.askedFor100Reads(*given.client("")), 100u) << "the default";
}

// --- [NephriteServer] ----------------------------------------------------------------------------

void listenAddress(Given& given) {
  const auto server = given.server("[NephriteServer]\nListenAddress=127.0.0.2\n");
  EXPECT_TRUE(RawPeer::canConnect("127.0.0.2", server->port()));
  EXPECT_FALSE(RawPeer::canConnect("127.0.0.1", server->port())) << "the default";
}

void port(Given& given) {
  const std::uint16_t free = RawPeer::freePort();
  const auto server = given.server("[NephriteServer]\nPort=" + std::to_string(free) + "\n");
  EXPECT_TRUE(RawPeer::canConnect("127.0.0.1", free));
}

void unixSocket(Given& given) {
  const auto server = given.server("[NephriteServer]\nUnixSocket=run/other\n");
  RawPeer peer(given.folder() / "run/other");
  peer.say(wire::Hello{});
  EXPECT_TRUE(peer.hearsSomething());
}

void serverKeepAlive(Given& given) {
  const auto server = given.server("[NephriteServer]\nKeepAliveTimeout=50\n");
  RawPeer peer(given.folder() / "run/n");
  peer.say(wire::Hello{});
  EXPECT_TRUE(peer.isHungUpOn(10s)) << "by default after 15 s";
}

void graceTime(Given& given) {
  const auto server = given.server("[NephriteServer]\nSessionGraceTime=3600000\n");
  given.loseASession();
  const auto looker = given.client();
  EXPECT_EQ(given.statusOf(*looker).sessions, 2u) << "by default the lost one is over";
}

void maxSessions(Given& given) {
  const auto server = given.server("[NephriteServer]\nMaxSessions=1\n");
  const auto first = given.client();
  EXPECT_THAT(given.refusal([&] { given.client(); }), HasSubstr("MaxSessions"));
}

void maxProcesses(Given& given) {
  const auto server = given.server("[NephriteServer]\nMaxProcessesPerSession=1\n");
  const auto client = given.client();
  const Process first = client->node().signOn({.user = "anna"});
  EXPECT_THAT(given.refusal([&] { client->node().signOn({.user = "ben"}); }),
              HasSubstr("MaxProcessesPerSession"));
}

void maxFrame(Given& given) {
  const auto server = given.server("[NephriteServer]\nMaxFrameSize=64K\n");
  const auto client = given.client();
  Process anna = client->node().signOn({.user = "anna"});
  EXPECT_THAT(given.refusal([&] { given.newOrder(anna, 100'000); }), HasSubstr("MaxFrameSize"));
}

void slowReaderWarning(Given& given) {
  const auto server = given.server(
      "[NephriteServer]\nSlowReaderWarning=64K\nKeepAliveTimeout=300\n[NephriteLog]\n"
      "Level=Warning\n");
  EXPECT_TRUE(given.logged("session.slow", [&] {
    // Half a megabyte: less than the default, and more than a unix socket takes.
    const auto peer = given.readerOfNothing(*server, 1);
    EXPECT_TRUE(peer->hearsSomething());
    EXPECT_TRUE(eventually([&] { return server->sessionCount() == 0; }));
  }));
}

void slowReaderLimit(Given& given) {
  const auto server = given.server(
      "[NephriteServer]\nSlowReaderWarning=64K\nSlowReaderLimit=64K\nKeepAliveTimeout=300\n"
      "[NephriteLog]\nLevel=Warning\n");
  EXPECT_TRUE(given.logged("session.too_slow", [&] {
    const auto peer = given.readerOfNothing(*server, 8);
    EXPECT_TRUE(peer->hearsSomething());
    EXPECT_TRUE(eventually([&] { return server->sessionCount() == 0; }));
  })) << "the default is 32M";
}

// What SIGTERM does with it: tests/remote/server_program_test.cpp.
void drainTime(Given& given) {
  EXPECT_EQ(given.server("[NephriteServer]\nDrainTime=1234\n")->drainTime(), 1'234ms);
}

void commitThreads(Given& given) {
  given.server("").reset();  // RocksDB starts threads that stay.
  const auto before = Given::threads();
  const auto server = given.server("[NephriteServer]\nCommitThreads=60\n");
  EXPECT_GE(Given::threads(), before + 60);
}

void serverSpin(Given& given) {
  const auto looks = [&](const std::string& lines) {
    const auto server = given.server(lines);
    const auto before = SystemCalls::epollsWithoutWaiting();
    for (int i = 0; i < 10; ++i) server->touch();
    return SystemCalls::epollsWithoutWaiting() - before;
  };
  EXPECT_GT(looks("[NephriteServer]\nSpinTime=1000\n"), 0u);
  EXPECT_EQ(looks(""), 0u) << "the default";
}

void auditLog(Given& given) {
  const auto server = given.server("[NephriteServer]\nAuditLog=who.log\n");
  const auto client = given.client();
  Process anna = client->node().signOn({.user = "anna"});
  client->database()->forceSignOff(anna.info().locker, {.user = "ben", .reason = "a test"});
  EXPECT_TRUE(eventually([&] {  // A thread of its own writes it.
    return Given::contentOf(given.folder() / "who.log").find("a test") != std::string::npos;
  }));
}

void keptDeadlocks(Given& given) {
  const auto kept = [&](const std::string& lines) {
    const auto node = given.embedded(lines);
    for (int i = 0; i < 3; ++i) given.refusedByDeadlock(node->node());
    return node->database()->deadlocks(Lifetime::Persistent, 10).size();
  };
  EXPECT_EQ(kept("[NephriteServer]\nKeptDeadlocks=1\n"), 1u);
  EXPECT_EQ(kept(""), 3u) << "the default keeps more";
}

// --- [NephriteLocks] -----------------------------------------------------------------------------

void maxLockers(Given& given) {
  const auto node = given.embedded("[NephriteLocks]\nMaxLockers=2\n");
  Process anna = node->node().signOn();
  Process ben = node->node().signOn();
  EXPECT_THAT(Given::refusal([&] { node->node().signOn(); }), HasSubstr("MaxLockers=2"));
  ben.signOff();
  EXPECT_TRUE(node->node().signOn().isSignedOn()) << "one more is possible";
}

int locksGranted(Node& node, bool sameObject) {
  Process anna = node.signOn();
  Process ben = node.signOn();
  int granted = 0;
  try {
    for (int i = 0; i < 4; ++i) {
      Process& who = i % 2 == 0 ? anna : ben;
      const std::string name = sameObject ? "r" + std::to_string(i / 2) : "r" + std::to_string(i);
      who.resource(name).lock({.type = LockType::Share, .duration = LockDuration::Session});
      ++granted;
    }
  } catch (const UsageException&) {
  }
  return granted;
}

void maxLocks(Given& given) {
  EXPECT_EQ(locksGranted(given.embedded("[NephriteLocks]\nMaxLocks=3\n")->node(), true), 3);
  EXPECT_EQ(locksGranted(given.embedded("")->node(), true), 4) << "the default";
}

void maxLockedObjects(Given& given) {
  const std::string lines = "[NephriteLocks]\nMaxLockedObjects=2\n";
  EXPECT_EQ(locksGranted(given.embedded(lines)->node(), true), 4) << "two objects, twice each";
  EXPECT_EQ(locksGranted(given.embedded(lines)->node(), false), 2);
}

void writePatience(Given& given) {
  const auto refused = [&](const std::string& lines) {
    const auto node = given.embedded("[NephriteLocks]\n" + lines);
    Process anna = node->node().signOn(), ben = node->node().signOn();
    const LockTarget target{anna.resource("r").oid().bits()};
    std::promise<LockOutcome> told;
    for (Process* const who : {&anna, &ben}) {
      LockRequest request;
      request.locker = who->info().locker;
      request.target = target;
      request.type = LockType::Exclusive;
      request.timeout = LockTimeout::immediate();
      request.access = LockAccess::Write;
      node->database()
          ->port(request.locker)
          ->lock({request, Existence::CreatedByLocker}, [&, who](const LockReply& reply) {
            if (who == &ben) told.set_value(reply.lock.outcome);
          });
    }
    return told.get_future().get();
  };
  EXPECT_EQ(refused("WritePatience=40\n"), LockOutcome::TimedOut);
  EXPECT_EQ(refused("WritePatience=0\n"), LockOutcome::Refused);
}

void limitWarning(Given& given) {
  const auto warns = [&](const std::string& lines) {
    const auto node =
        given.embedded("[NephriteLog]\nLevel=Warning\n[NephriteLocks]\nMaxLocks=4\n" + lines);
    Process anna = node->node().signOn();
    return Given::logged("locks.near_limit", [&] {
      for (const char* const name : {"a", "b", "c"}) anna.resource(name).exclusiveLock();
    });
  };
  EXPECT_TRUE(warns("LimitWarning=50\n"));
  EXPECT_FALSE(warns("")) << "the default is 90";
}

/// Anna, the older one, waits for Ben; Ben closes the circle. Is it Anna who is refused?
bool annaGivesWay(Node& node) {
  Process anna = node.signOn({.name = "anna"});
  Process ben = node.signOn({.name = "ben"});
  constexpr LockDuration kSession = LockDuration::Session;
  anna.resource("a").lock(LockType::Exclusive, kSession, LockTimeout::immediate());
  ben.resource("b").lock(LockType::Exclusive, kSession, LockTimeout::immediate());
  std::promise<bool> annaWasRefused;
  anna.lockAsync(anna.resource("b"), {.duration = kSession},
                 [&](const LockResult& result) { annaWasRefused.set_value(!result.granted()); });
  const LockOutcome ofBen = ben.resource("a").requestLock({.duration = kSession, .timeout = 20ms});
  ben.resource("b").unlock();
  const bool anns = annaWasRefused.get_future().get();
  EXPECT_NE(anns, ofBen == LockOutcome::Deadlock) << "one of them gives way";
  return anns;
}

void deadlockVictim(Given& given) {
  EXPECT_TRUE(annaGivesWay(given.embedded("[NephriteLocks]\nDeadlockVictim=Oldest\n")->node()));
  EXPECT_FALSE(annaGivesWay(given.embedded("")->node())) << "the requester by default";
}

void deadlockSeed(Given& given) {
  const auto isAnna = [&](int seed) {
    return annaGivesWay(given
                            .embedded("[NephriteLocks]\nDeadlockVictim=Random\nDeadlockSeed=" +
                                      std::to_string(seed) + "\n")
                            ->node());
  };
  std::set<bool> refused;
  for (int seed = 0; seed < 12; ++seed) refused.insert(isAnna(seed));
  EXPECT_EQ(refused.size(), 2u) << "one seed refuses Anna, another Ben";
  EXPECT_EQ(isAnna(3), isAnna(3));
}

void keptEvents(Given& given) {
  const auto kept = [&](const std::string& lines) {
    const auto node = given.embedded(lines);
    const auto& database = dynamic_cast<const LocalDatabase&>(*node->database());
    database.lockEventsAfter(Lifetime::Persistent, 0, 0);  // From here on there are events.
    given.refusedByDeadlock(node->node());
    return database.lockEventsAfter(Lifetime::Persistent, 0, 100);
  };
  const LockEvents few = kept("[NephriteLocks]\nKeptEvents=2\n");
  EXPECT_EQ(few.events.size(), 2u);
  EXPECT_GT(few.lost, 0u);
  EXPECT_EQ(kept("").lost, 0u) << "the default keeps more";
}

// --- [NephriteClient] ----------------------------------------------------------------------------

void clientKeepAlive(Given& given) {
  SilentServer server(SilentServer::Welcomes::Yes);
  const auto client = given.connecting("[NephriteClient]\nKeepAliveTimeout=50\n", server.port());
  EXPECT_TRUE(server.hasAccepted(2, 10s)) << "by default it hears of the silence after 15 s";
}

void connectTimeout(Given& given) {
  SilentServer server(SilentServer::Welcomes::No);
  const auto client = given.connecting("[NephriteClient]\nConnectTimeout=60\n", server.port());
  const auto waited = Given::timeOf(
      [&] { EXPECT_THROW(client->database().awaitConnection(), ConnectionException); });
  EXPECT_THAT(waited, AllOf(Ge(60ms), Lt(10'000ms)));
}

void reconnectFirstPause(Given& given) {
  SilentServer server(SilentServer::Welcomes::HangsUp);
  const auto client =
      given.connecting("[NephriteClient]\nReconnectFirstPause=600\n", server.port());
  EXPECT_GE(Given::timeOf([&] { EXPECT_TRUE(server.hasAccepted(2, kGenerous)); }), 250ms)
      << "by default 100 ms at most";
}

void reconnectLongestPause(Given& given) {
  SilentServer server(SilentServer::Welcomes::HangsUp);
  const auto client =
      given.connecting("[NephriteClient]\nReconnectLongestPause=1\n", server.port());
  EXPECT_TRUE(server.hasAccepted(9, 10s)) << "by default the pauses before are 12 s at least";
}

void clientSpin(Given& given) {
  const auto server = given.server("");
  const auto looks = [&](const std::string& lines) {
    const auto client = given.client(lines);
    const auto before = SystemCalls::pollsWithoutWaiting();
    for (int i = 0; i < 10; ++i) given.statusOf(*client);
    return SystemCalls::pollsWithoutWaiting() - before;
  };
  EXPECT_GT(looks("[NephriteClient]\nSpinTime=1000\n"), 0u);
  EXPECT_EQ(looks(""), 0u) << "the default";
}

// --- Store and log -------------------------------------------------------------------------------

void storeDirectory(Given& given) {
  const auto node = given.embedded("[PersistentDb]\nSystemFileDirectory=elsewhere\n");
  EXPECT_TRUE(std::filesystem::exists(given.folder() / "elsewhere" / "NEPHRITE"));
}

void syncCommits(Given& given) {
  const auto syncs = [&](const std::string& lines) {
    const auto node = given.embedded(lines);
    Process anna = node->node().signOn({.user = "anna"});
    given.newOrder(anna);
    const auto before = SystemCalls::syncs();
    given.newOrder(anna);
    return SystemCalls::syncs() - before;
  };
  EXPECT_EQ(syncs("[NephriteStore]\nSyncCommits=false\n"), 0u);
  EXPECT_GT(syncs(""), 0u) << "the default";
}

void verifyOnOpen(Given& given) {
  given.damageTheStore();
  EXPECT_NO_THROW(given.embedded("[NephriteStore]\nVerifyOnOpen=false\n"));
  EXPECT_THROW(given.embedded("[NephriteStore]\nVerifyOnOpen=true\n"), StoreException);
}

void logLevel(Given& given) {
  const auto node = given.embedded("[NephriteLog]\nLevel=Debug\n");
  EXPECT_TRUE(given.logged("a.detail", [] { log(LogLevel::Debug, "a.detail"); }));
}

const std::map<std::string, void (*)(Given&)> kEffects = {
    {"JadeServer.ServerTimeout", serverTimeout},
    {"JadeServer.BackgroundProcessServerTimeout", backgroundServerTimeout},
    {"JadeServer.DoubleDeadlockException", doubleDeadlock},
    {"JadeServer.ObjectCacheSizeLimit", storeCache},
    {"JadeServer.AutomaticCacheCoherencyDefault", coherencyDefault},
    {"JadeServer.AutomaticCacheCoherency", serverCoherency},
    {"JadeClient.ServerNodeSpecifications", serverNode},
    {"JadeClient.BackgroundProcessServerTimeout", backgroundClientTimeout},
    {"JadeClient.ObjectCacheSizeLimit", clientCache},
    {"JadeClient.AutomaticCacheCoherency", clientCoherency},
    {"NephriteServer.ListenAddress", listenAddress},
    {"NephriteServer.Port", port},
    {"NephriteServer.UnixSocket", unixSocket},
    {"NephriteServer.KeepAliveTimeout", serverKeepAlive},
    {"NephriteServer.SessionGraceTime", graceTime},
    {"NephriteServer.MaxSessions", maxSessions},
    {"NephriteServer.MaxProcessesPerSession", maxProcesses},
    {"NephriteServer.MaxFrameSize", maxFrame},
    {"NephriteServer.SlowReaderWarning", slowReaderWarning},
    {"NephriteServer.SlowReaderLimit", slowReaderLimit},
    {"NephriteServer.DrainTime", drainTime},
    {"NephriteServer.CommitThreads", commitThreads},
    {"NephriteServer.SpinTime", serverSpin},
    {"NephriteServer.AuditLog", auditLog},
    {"NephriteServer.KeptDeadlocks", keptDeadlocks},
    {"NephriteLocks.MaxLockers", maxLockers},
    {"NephriteLocks.MaxLocks", maxLocks},
    {"NephriteLocks.MaxLockedObjects", maxLockedObjects},
    {"NephriteLocks.LimitWarning", limitWarning},
    {"NephriteLocks.WritePatience", writePatience},
    {"NephriteLocks.DeadlockVictim", deadlockVictim},
    {"NephriteLocks.DeadlockSeed", deadlockSeed},
    {"NephriteLocks.KeptEvents", keptEvents},
    {"NephriteClient.KeepAliveTimeout", clientKeepAlive},
    {"NephriteClient.ConnectTimeout", connectTimeout},
    {"NephriteClient.ReconnectFirstPause", reconnectFirstPause},
    {"NephriteClient.ReconnectLongestPause", reconnectLongestPause},
    {"NephriteClient.SpinTime", clientSpin},
    {"PersistentDb.SystemFileDirectory", storeDirectory},
    {"NephriteStore.SyncCommits", syncCommits},
    {"NephriteStore.VerifyOnOpen", verifyOnOpen},
    {"NephriteLog.Level", logLevel},
};

struct Row {
  const Parameter* parameter = nullptr;
  Given::Taken taken = Given::Taken::AtStart;

  std::string name() const {
    return std::string(parameter->section) + "." + std::string(parameter->name);
  }
};

std::vector<Row> rowsThatWork() {
  std::vector<Row> rows;
  for (const Parameter& parameter : parameterTable()) {
    if (!parameter.effect) continue;
    rows.push_back({&parameter, Given::Taken::AtStart});
    if (parameter.dynamic) rows.push_back({&parameter, Given::Taken::ByReload});
  }
  return rows;
}

class AParameterThatWorks : public testing::TestWithParam<Row> {};

TEST_P(AParameterThatWorks, WhenItIsChangedThenSomethingElseHappens) {
  const auto effect = kEffects.find(GetParam().name());
  ASSERT_NE(effect, kEffects.end())
      << "[" << GetParam().parameter->section << "] " << GetParam().parameter->name
      << " is said to work, and no test sees what it does: add one to kEffects";
  Given given(GetParam().taken);
  effect->second(given);
}

std::string nameOf(const testing::TestParamInfo<Row>& row) {
  std::string name = row.param.name();
  std::replace(name.begin(), name.end(), '.', '_');
  return name + (row.param.taken == Given::Taken::ByReload ? "_Reloaded" : "_AtStart");
}

INSTANTIATE_TEST_SUITE_P(, AParameterThatWorks, testing::ValuesIn(rowsThatWork()), nameOf);

TEST(TheTableOfEffects, WhenItHasARowThenTheParameterIsKnownAndSaidToWork) {
  for (const auto& [name, effect] : kEffects) {
    const auto dot = name.find('.');
    const Parameter* const row = findParameter(name.substr(0, dot), name.substr(dot + 1));
    ASSERT_NE(row, nullptr) << name;
    EXPECT_TRUE(row->effect) << name;
  }
}

}  // namespace
}  // namespace nephrite

#include "ini/settings.h"

#include <gmock/gmock.h>

#include <sstream>

#include "ini/ini_value.h"
#include "ini/parameter_docs.h"
#include "ini/parameter_table.h"
#include "tests/ini/ini_folder.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

class GivenSettings : public GivenAFolder {
 protected:
  std::string timeoutProblem(const std::string& value) const {
    return problems(resolve("[JadeServer]\nServerTimeout=" + value + "\n"));
  }
};

TEST_F(GivenSettings, WhenTheFileIsEmptyThenTheDefaultsOfTheTableCount) {
  const auto read = resolve("");
  EXPECT_EQ(read.settings.server.backgroundProcessServerTimeout, 30000ms);
  EXPECT_EQ(read.settings.client.backgroundProcessServerTimeout, 30000ms);
  EXPECT_EQ(read.settings.client.transientCacheSizeLimit, 40u << 20);
  EXPECT_TRUE(read.settings.server.automaticCacheCoherencyDefault);
  EXPECT_TRUE(read.settings.store.syncCommits);
  EXPECT_TRUE(read.settings.store.verifyOnOpen);
  EXPECT_EQ(problems(read), "");
  for (const EffectiveValue& value : read.values) {
    EXPECT_EQ(value.text, value.parameter->defaultText);
    EXPECT_EQ(value.origin.describe(), "default");
  }
}

TEST_F(GivenSettings, WhenATimeoutIsNotAWholeNumberInRangeThenFileLineAndRangeAreNamed) {
  for (const char* bad : {"12abc", "", "abc", "10K", "1 2", "#", "#xyz", "true"})
    EXPECT_THAT(timeoutProblem(bad), HasSubstr("jade.ini:2: error: [JadeServer] ServerTimeout="))
        << bad;
  for (const char* bad : {"0", "-1", "2147483648", "99999999999999999999"})
    EXPECT_THAT(timeoutProblem(bad), HasSubstr("out of range: 1 to 2147483647")) << bad;
  EXPECT_EQ(timeoutProblem("1"), "");
  EXPECT_EQ(timeoutProblem("#7FFFFFFF"), "");
  EXPECT_EQ(timeoutProblem("Max_Integer"), "");
  EXPECT_THAT(timeoutProblem("1.5"), HasSubstr("warning: [JadeServer] ServerTimeout=1.5 is read"));
  EXPECT_THROW(loadSettings((timeoutProblem("0"), path), {}), IniError);
}

TEST_F(GivenSettings, WhenNodesAreToldNothingThenTheyListenAndConnectOnThisMachine) {
  const Settings settings = resolve("").settings;
  EXPECT_EQ(settings.network.listenAddress, "127.0.0.1");
  EXPECT_EQ(settings.network.port, 6005);
  EXPECT_EQ(settings.network.unixSocket, "") << "none";
  EXPECT_EQ(settings.network.sessionGraceTime, 0ms);
  EXPECT_EQ(settings.network.maxFrameSize, 16u << 20);
  EXPECT_EQ(settings.network.spinTime, 0us);
  EXPECT_EQ(settings.network.auditLog, folder / "audit.log");
  EXPECT_EQ(settings.connection.reconnectLongestPause, 10000ms);
}

TEST_F(GivenSettings, WhenANumberIsAtTheEndsOfItsRowsRangeThenItCountsAndBeyondItIsRefused) {
  const auto read = [&](const Parameter& row, std::int64_t value) {
    return problems(resolve("[" + std::string(row.section) + "]\n" + std::string(row.name) + "=" +
                            std::to_string(value) + "\n"));
  };
  int rows = 0;
  for (const Parameter& row : parameterTable()) {
    const bool number = row.type == ParameterType::Number || row.type == ParameterType::Size ||
                        row.type == ParameterType::Milliseconds ||
                        row.type == ParameterType::Microseconds;
    if (!number) continue;
    SCOPED_TRACE(row.name);
    ++rows;
    EXPECT_THAT(read(row, row.range.least), Not(HasSubstr("error")));
    EXPECT_THAT(read(row, row.range.most), Not(HasSubstr("error")));
    for (const std::int64_t beyond : {row.range.least - 1, row.range.most + 1})
      EXPECT_THAT(read(row, beyond), HasSubstr("is out of range: " + rangeText(row)));
  }
  EXPECT_GE(rows, 20);
}

TEST_F(GivenSettings, WhenASocketIsNamedThenItStartsAtTheFolderOfTheFileAndHasToFit) {
  const auto socket = [&](const std::string& value) {
    return resolve("[NephriteServer]\nUnixSocket=" + value + "\n");
  };
  EXPECT_EQ(socket("a.sock").settings.network.unixSocket, folder / "a.sock");
  EXPECT_EQ(socket("/run/a.sock").settings.network.unixSocket, "/run/a.sock");
  EXPECT_EQ(socket("NONE").settings.network.unixSocket, "");
  EXPECT_EQ(socket("./none").settings.network.unixSocket, folder / "./none");
  EXPECT_THAT(problems(socket("")), HasSubstr("is empty; give a path or <default>"));
  EXPECT_THAT(problems(socket("/" + std::string(107, 'x'))), HasSubstr("at most 107 bytes"));
  EXPECT_EQ(problems(socket("/" + std::string(106, 'x'))), "");
}

TEST_F(GivenSettings, WhenTwoNumbersAreInTheWrongOrderThenAWarningNamesBoth) {
  EXPECT_THAT(problems(resolve("[NephriteServer]\nSlowReaderWarning=33M\n")),
              HasSubstr("jade.ini:2: warning: [NephriteServer] SlowReaderWarning=33M is more than "
                        "SlowReaderLimit=32M"));
  EXPECT_THAT(problems(resolve("[NephriteClient]\n\nReconnectLongestPause=99\n")),
              HasSubstr("jade.ini:3: warning: [NephriteClient] ReconnectFirstPause=100 is more"));
}

TEST_F(GivenSettings, WhenJadeHasAnotherNameForItThenTheWarningSaysWhatToUse) {
  EXPECT_THAT(problems(resolve("[JadeServer]\nNetworkSpecification1=TcpIP,enabled,6005\n")),
              HasSubstr("has no effect in this version; use ListenAddress, Port and UnixSocket"));
}

TEST_F(GivenSettings, WhenNamesAreUnknownThenTheNearestIsProposed) {
  const std::string all =
      problems(resolve("[JadeServr]\nx=1\n[JadeServer]\nServerTimeot=5\nMaxWaitAppStart=1\n"
                       "[JadeLog]\nAny=1\n[JadeAppServer]\nServerApplication12=x\n"));
  EXPECT_THAT(all, HasSubstr(":1: warning: section [JadeServr] is unknown; nearest: [JadeServer]"));
  EXPECT_THAT(all, HasSubstr(":4: warning: [JadeServer] ServerTimeot is unknown; nearest: "
                             "ServerTimeout"));
  for (const char* line : {":5:", ":7:", ":9:"}) EXPECT_THAT(all, HasSubstr(line));
  EXPECT_THAT(all, HasSubstr("MaxWaitAppStart is known and has no effect"));
}

TEST_F(GivenSettings, WhenNoKnownNameIsNearThenNoneIsProposed) {
  const std::string all =
      problems(resolve("[JadeReportWriter]\na=1\n[JadeServer]\nInitialPassword=x\nPort=6006\n"));
  EXPECT_EQ(all,
            "jade.ini:1: warning: section [JadeReportWriter] is unknown, and nothing in it counts\n"
            "jade.ini:4: warning: [JadeServer] InitialPassword is unknown\n"
            "jade.ini:5: warning: [JadeServer] Port is unknown; it belongs to [NephriteServer]\n");
}

TEST_F(GivenSettings, WhenWhatIsUnknownOrHasNoEffectIsLeftAtItsDefaultThenThatIsNoNews) {
  EXPECT_EQ(problems(resolve("[JadeReportWriter]\na=<default>\nb=<Default>\n"
                             "[JadeServer]\nMaxWaitAppStart=<default>\nOdd=<default>\n",
                             {"", {"JadeOdd.X=<default>"}})),
            "");
}

TEST_F(GivenSettings, WhenTheListenAddressIsNotOfThisMachineThenFileAndLineAreNamed) {
  const auto of = [&](const std::string& address) {
    return problems(resolve("[NephriteServer]\nListenAddress=" + address + "\n"));
  };
  for (const char* good : {"127.0.0.1", "127.1.2.3", "::1", "localhost", "\"::1\""})
    EXPECT_EQ(of(good), "") << good;
  for (const char* other : {"0.0.0.0", "::", "10.0.0.7", "128.0.0.1"})
    EXPECT_THAT(of(other), HasSubstr("jade.ini:2: error: [NephriteServer] ListenAddress=" +
                                     std::string(other) + " is refused: clients cannot"));
  for (const char* none : {"nephrite.example", "127.0.0.1:6005", "1.2.3"})
    EXPECT_THAT(of(none), HasSubstr("is no IP address")) << none;
  EXPECT_THAT(of(""), HasSubstr("is empty"));
}

TEST_F(GivenSettings, WhenTheCommandLineGivesAClampedSizeThenTheFileStays) {
  write("[JadeServer]\nObjectCacheSizeLimit=5M\n");
  const auto read = loadSettings(path, {"", {"JadeServer.ObjectCacheSizeLimit=1"}}, kMemory);
  EXPECT_EQ(read.settings.server.objectCacheSizeLimit, 3u << 20);
  EXPECT_EQ(bytes(), "[JadeServer]\nObjectCacheSizeLimit=5M\n");
}

TEST_F(GivenSettings, WhenReloadedThenDynamicOnesChangeAndOthersWaitForTheNextStart) {
  const auto running = resolve("[JadeServer]\nServerTimeout=5\n");
  write("[JadeServer]\nServerTimeout=6\nObjectCacheSizeLimit=9M\n[NephriteLog]\nlevel=debug\n");

  const auto reload = reloadSettings(running, path, {}, kMemory);

  ASSERT_EQ(reload.changed.size(), 2u);
  EXPECT_EQ(reload.changed[0].text, "6");
  EXPECT_EQ(reload.now.settings.server.serverTimeout, 6ms);
  EXPECT_EQ(reload.now.settings.logLevel, LogLevel::Debug);
  EXPECT_EQ(reload.now.settings.server.objectCacheSizeLimit, 80u << 20);
  ASSERT_EQ(reload.problems.size(), 1u);
  EXPECT_THAT(reload.problems[0].message, HasSubstr("from 80M to 9M; it counts from the next"));
}

TEST_F(GivenSettings, WhenTheReloadedFileIsWrongOrGoneThenNothingChanges) {
  const auto running = resolve("[JadeServer]\nServerTimeout=5\n");
  write("[JadeServer]\nServerTimeout=6\nDoubleDeadlockException=maybe\n");
  const auto wrong = reloadSettings(running, path, {}, kMemory);
  EXPECT_EQ(wrong.now.settings.server.serverTimeout, 5ms);
  EXPECT_FALSE(wrong.problems.empty());
  std::filesystem::remove(path);
  const auto gone = reloadSettings(running, path, {}, kMemory);
  EXPECT_EQ(gone.now.settings.server.serverTimeout, 5ms);
  ASSERT_EQ(gone.problems.size(), 1u);
  EXPECT_THAT(gone.problems[0].message, HasSubstr("125"));
}

TEST(IniValue, ReadsSizesInPowersOf1024) {
  EXPECT_EQ(parseIniNumber("2k", true)->value, 2048);
  EXPECT_EQ(parseIniNumber("1P", true)->value, std::int64_t{1} << 50);
  EXPECT_EQ(parseIniNumber("9999999P", true)->value, std::numeric_limits<std::int64_t>::max());
  EXPECT_FALSE(parseIniNumber("1MB", true));
  EXPECT_FALSE(parseIniNumber("1 M", true));
  EXPECT_EQ(sizeText(std::int64_t{3} << 20), "3M");
  EXPECT_EQ(sizeText(1025), "1025");
}

TEST(ParameterDocs, AreWhatTheTableSays) {
  std::ostringstream generated;
  writeParameterDocs(generated);
  std::ifstream file(NEPHRITE_SOURCE_DIR "/docs/ini.md");
  const std::string stored{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(stored, generated.str()) << "docs/ini.md is not what writeParameterDocs() writes";
}

}  // namespace
}  // namespace nephrite

// INI files as other programs and other people write them: remarks of another kind, other
// encodings, and quotes wherever a value is given.

#include <gmock/gmock.h>

#include <regex>

#include "tests/ini/ini_folder.h"

namespace nephrite {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class GivenAForeignFile : public GivenAFolder {
 protected:
  /// What `value` makes of the directory of the store.
  Resolution directory(const std::string& value) const {
    return resolve("[PersistentDb]\nSystemFileDirectory=" + value + "\n");
  }
};

TEST_F(GivenAForeignFile, WhenARemarkOfAnotherKindFollowsAPathThenItDoesNotBecomePartOfIt) {
  EXPECT_EQ(problems(directory("data // where it is")),
            "jade.ini:2: error: [PersistentDb] SystemFileDirectory=data // where it is has a '//' "
            "behind a blank: if a remark begins there, begin it with ';'; if not, put the value "
            "into double quotes\n");
  EXPECT_THAT(problems(directory("data\t# where it is")), HasSubstr("has a '#' behind a blank"));
  EXPECT_THAT(problems(directory("data //")), HasSubstr("error"));
}

TEST_F(GivenAForeignFile, WhenItIsQuotedOrNoRemarkThenItIsPartOfThePath) {
  for (const char* whole :
       {"\"data // where\"", "\"data # where\"", "//server/share", "a//b", "#a"})
    EXPECT_EQ(problems(directory(whole)), "") << whole;
  EXPECT_EQ(directory("\"data // x\"").settings.store.systemFileDirectory, folder / "data // x");
}

TEST_F(GivenAForeignFile, WhenAParameterThatIsNotReadHasARemarkThenItIsNotAnError) {
  EXPECT_THAT(problems(resolve("[JadeServer]\nMaxWaitAppStart=5 // seconds\n")),
              testing::Not(HasSubstr("error")));
}

TEST_F(GivenAForeignFile, WhenAValueIsLatin1ThenLineByteAndMendAreNamed) {
  EXPECT_EQ(problems(directory("/srv/caf\xE9")),
            "jade.ini:2: error: [PersistentDb] SystemFileDirectory=/srv/caf\\xe9 is not UTF-8: its "
            "byte 9 is 0xe9, as in Latin-1 or Windows-1252; save the file as UTF-8\n");
  EXPECT_EQ(problems(directory("/srv/caf\xC3\xA9")), "") << "the same in UTF-8";
}

TEST_F(GivenAForeignFile, WhenOnlyRemarksAndWhatIsNotReadAreLatin1ThenTheFileIsRead) {
  EXPECT_EQ(problems(resolve("; caf\xE9\n[JadeServer]\nServerTimeout=5 ; \x96 short\n"
                             "MaxWaitAppStart=\xE9\n")),
            "jade.ini:4: warning: [JadeServer] MaxWaitAppStart is known and has no effect in this "
            "version\n");
  EXPECT_THAT(problems(resolve("[Caf\xE9]\nx=1\n[JadeServer]\nCaf\xE9=1\n")),
              testing::AllOf(HasSubstr("section [Caf\\xe9] is unknown"),
                             HasSubstr("[JadeServer] Caf\\xe9 is unknown")));
}

TEST_F(GivenAForeignFile, WhenItIsUtf16ThenItIsToldSoAtOnce) {
  const std::string bytes("\xFF\xFE[\0J\0]\0\n\0", 10);
  EXPECT_EQ(problems(resolve(bytes)), "jade.ini:1: error: the text is UTF-16; save it as UTF-8\n");
  EXPECT_THAT(problems(resolve(bytes.substr(2))), HasSubstr("is this a text file in UTF-8?"));
}

TEST_F(GivenAForeignFile, WhenAValueIsQuotedOnTheCommandLineThenTheQuotesCountAsInTheFile) {
  const auto given = [&](const std::string& value) {
    return resolve("", {"", {"PersistentDb.SystemFileDirectory=" + value}});
  };
  EXPECT_EQ(given("\"a b\"").settings.store.systemFileDirectory, folder / "a b");
  EXPECT_EQ(given(" \" a // b\" ").settings.store.systemFileDirectory, folder / " a // b");
  EXPECT_EQ(given("a;b").settings.store.systemFileDirectory, folder / "a;b");
  EXPECT_EQ(problems(given("\"a")),
            "command line: error: PersistentDb.SystemFileDirectory: the quote is not closed\n");
  EXPECT_THAT(problems(given("\"a\" b")), HasSubstr("nothing may follow the closing quote"));
  EXPECT_THAT(problems(given("a // b")), HasSubstr("command line: error: "));
  EXPECT_THAT(problems(given("caf\xE9")), HasSubstr("give the value in UTF-8"));
}

/// What a file of JADE's own names and leaves as it is, in sections that are known or not, is no
/// news; nor is a section in which nothing stands. What somebody has set is.
TEST_F(GivenAForeignFile, WhenItIsAWholeSystemsOfJadeThenOnlyWhatDiffersIsReported) {
  std::ifstream in(NEPHRITE_SOURCE_DIR "/tests/fuzz/ini_corpus/jade_system.ini");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::regex setting("\n\\w+ *=[^\n]*"), atDefault("\n\\w+ *= *<default>", std::regex::icase);
  const auto count = [&](const std::regex& what) {
    return std::distance(std::sregex_iterator(text.begin(), text.end(), what), {});
  };
  ASSERT_EQ(count(setting), 78);
  ASSERT_EQ(count(atDefault), 62);

  const Resolution read = resolve(text);

  std::vector<std::string> reported;
  for (const IniProblem& problem : read.problems) {
    EXPECT_EQ(problem.severity, IniProblem::Severity::Warning) << problem.describe();
    reported.push_back(problem.message);
  }
  EXPECT_THAT(reported,
              ElementsAre(HasSubstr("section [Connections] is unknown"),
                          HasSubstr("section [NoEncrypt] is unknown"),
                          HasSubstr("section [FaultHandling] is unknown"),
                          HasSubstr("section [JadeMonitor] is unknown"),
                          HasSubstr("EnableArchivalRecovery is known and has no effect"),
                          HasSubstr("NetworkSpecification1 is known and has no effect"),
                          HasSubstr("MaxWaitAppStop is known and has no effect"),
                          HasSubstr("TerminateProcessOnDisconnect is known and has no effect"),
                          HasSubstr("AppServerPort is unknown"),
                          HasSubstr("ServerApplication1 is known and has no effect")));
  EXPECT_EQ(read.settings.server.backgroundProcessServerTimeout, std::chrono::seconds(45));
  EXPECT_EQ(read.settings.server.objectCacheSizeLimit, std::uint64_t{256} << 20);
  EXPECT_EQ(read.settings.connection.server.toString(), "TcpIPv4, localhost, 6005");
}

}  // namespace
}  // namespace nephrite

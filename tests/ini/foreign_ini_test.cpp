// INI files as other programs and other people write them: remarks of another kind, other
// encodings, and quotes wherever a value is given.

#include <gmock/gmock.h>

#include "tests/ini/ini_folder.h"

namespace nephrite {
namespace {

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

}  // namespace
}  // namespace nephrite

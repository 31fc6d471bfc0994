#include "ini/ini_file.h"

#include <gmock/gmock.h>

#include "tests/ini/ini_folder.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class GivenAnIniFile : public GivenAFolder {
 protected:
  std::string valueOf(const std::string& text, const std::string& key) const {
    write(text);
    const auto found = IniFile::read(path).find("S", key);
    return found ? found->value : "(none)";
  }
};

TEST_F(GivenAnIniFile, WhenNamesAndLinesAreLongThenNothingIsCut) {
  const std::string value(5000, 'v'), key(300, 'k');
  write("[S]\n" + key + "=" + value + "\nnext\n");
  const IniFile file = IniFile::read(path);
  EXPECT_EQ(file.find("S", key)->value, value);
  ASSERT_EQ(file.problems().size(), 1u);
  EXPECT_EQ(file.problems()[0].where, path.string() + ":3") << "the true line";
  write("[" + key + "]\nk=1\n");
  EXPECT_EQ(IniFile::read(path).find(key, "k")->value, "1");
}

TEST_F(GivenAnIniFile, WhenItHasABomCrlfOrIndentedLinesThenTheyReadAsAnyOther) {
  EXPECT_EQ(valueOf("\xEF\xBB\xBF[S]\r\n  A = 1 \r\n\tB=2\r\n", "A"), "1");
  EXPECT_EQ(valueOf("\xEF\xBB\xBF[S]\r\n  A = 1 \r\n\tB=2\r\n", "b"), "2");
  EXPECT_EQ(valueOf("[S]\rA=1\rB=2", "B"), "2");
}

TEST_F(GivenAnIniFile, WhenASemicolonStandsInAValueThenQuotesDecide) {
  EXPECT_EQ(valueOf("[S]\nA=x;y\n", "A"), "x");
  EXPECT_EQ(valueOf("[S]\nA=\" x;y \" ; c\n", "A"), " x;y ");
  EXPECT_EQ(valueOf("[S]\nA=b=c:d#e\n", "A"), "b=c:d#e");
}

TEST_F(GivenAnIniFile, WhenAKeyStandsTwiceThenTheFirstCountsAndBothLinesAreNamed) {
  EXPECT_EQ(valueOf("[S]\nA=1\n[s]\na=2\n", "A"), "1");
  const IniFile file = IniFile::read(path);
  ASSERT_EQ(file.problems().size(), 1u);
  EXPECT_EQ(file.problems()[0].severity, IniProblem::Severity::Warning);
  EXPECT_THAT(file.problems()[0].message, HasSubstr("line 2 already, which counts; line 4"));
}

TEST_F(GivenAnIniFile, WhenLinesAreWrongThenEachIsReportedWithItsLine) {
  const auto read = resolve(
      "a=1\n[JadeServer]\nw:3\n=4\n[]\n[Open\nServerTimeout=1\n[JadeServer]\nq=\"x\n#z\n[.X]\n");
  const std::string all = problems(read);
  for (const char* part :
       {"jade.ini:1: error: the line belongs to no section", "jade.ini:3: error: this is neither",
        "jade.ini:4: error: there is no key", "jade.ini:5: error: the section has no name",
        "jade.ini:6: error: the section's closing ']'",
        "jade.ini:7: error: the line belongs to no section",
        "jade.ini:9: error: the quote is not closed", "jade.ini:10: warning: the line is ignored",
        "jade.ini:11: error: a two-level section"})
    EXPECT_THAT(all, HasSubstr(part));
  EXPECT_EQ(read.settings.server.serverTimeout, 10000ms) << "not taken from under [Open";
}

TEST_F(GivenAnIniFile, WhenTheTextIsUtf16ThenItSaysSo) {
  EXPECT_THAT(problems(resolve(std::string("\xFF\xFE[\0", 4))), HasSubstr("UTF-16"));
}

TEST_F(GivenAnIniFile, WhenAValueIsSetThenItReadsBackAndTheRestStays) {
  write("[S]\r\nA=1\r\n; end");
  IniFile file = IniFile::read(path);
  EXPECT_TRUE(file.set("s", "B", "x;y"));
  EXPECT_TRUE(file.set("T", "C", "3"));
  EXPECT_EQ(bytes(), "[S]\r\nB=\"x;y\"\r\nA=1\r\n; end\r\n[T]\r\nC=3\r\n");
  EXPECT_EQ(IniFile::read(path).find("S", "B")->value, "x;y");
  EXPECT_THROW(file.set("S", "A", "two\nlines"), std::invalid_argument);
  EXPECT_THROW(file.set("S", "A", "\";"), std::invalid_argument);
  EXPECT_THROW(file.set("S", "A=B", "1"), std::invalid_argument);
  EXPECT_THROW(file.set("", "A", "1"), std::invalid_argument);
}

TEST_F(GivenAnIniFile, WhenSomebodyEditedItSinceThenSettingKeepsTheEdit) {
  write("[S]\nA=1\n");
  IniFile file = IniFile::read(path);
  write("; new\n[S]\nA=1\nB=2\n");
  EXPECT_TRUE(file.set("S", "A", "9"));
  EXPECT_EQ(bytes(), "; new\n[S]\nA=9\nB=2\n");
}

TEST_F(GivenAnIniFile, WhenItIsALinkThenTheLinkStays) {
  write("[S]\nA=1\n");
  std::filesystem::rename(path, folder / "real.ini");
  std::filesystem::create_symlink("real.ini", path);
  IniFile file = IniFile::read(path);
  EXPECT_TRUE(file.set("S", "A", "2"));
  EXPECT_TRUE(std::filesystem::is_symlink(path));
  EXPECT_EQ(bytes(), "[S]\nA=2\n");
}

TEST_F(GivenAnIniFile, WhenItIsADirectoryThenReadingSaysSo) {
  EXPECT_THROW(IniFile::read(folder), IniError);
}

TEST_F(GivenAnIniFile, WhenJadeCommandLineSpeaksThenItBeatsTheFileButNotTheCommandLine) {
  const std::string text =
      "[JadeServer]\nServerTimeout=1\n"
      "[JadeCommandLine]\nname=A\nJadeServer.ServerTimeout=2\n[A.JadeServer]\nServerTimeout=3\n";
  const auto read = resolve(text);
  EXPECT_EQ(read.settings.server.serverTimeout, 2ms) << "and its name is ignored";
  EXPECT_THAT(problems(read), HasSubstr("jade.ini:4: warning: [JadeCommandLine] name has no"));
  EXPECT_EQ(resolve(text, {"", {"jadeserver.servertimeout=4"}}).settings.server.serverTimeout, 4ms);
}

TEST_F(GivenAnIniFile, WhenAnOverrideIsMalformedThenItIsAnErrorOfTheCommandLine) {
  EXPECT_THAT(problems(resolve("", {"", {"ServerTimeout=5", "JadeServer.X"}})),
              HasSubstr("command line: error: 'JadeServer.X' is not Section.Parameter=value"));
}

TEST(LocateIniFile, TakesIniThenPathThenTheWorkingDirectory) {
  EXPECT_EQ(locateIniFile("a/b.ini", "c"), "a/b.ini");
  EXPECT_EQ(locateIniFile("", "c"), "c/jade.ini");
  EXPECT_EQ(locateIniFile("", ""), "jade.ini");
}

}  // namespace
}  // namespace nephrite

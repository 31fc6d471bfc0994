// The statements on the INI file that a JADE user relies on, by number.

#include <gmock/gmock.h>

#include "tests/ini/ini_folder.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class JadeStatement : public GivenAFolder {};

TEST_F(JadeStatement, S093_DefaultInAngleBracketsGivesTheBuiltInDefault) {
  const auto read = resolve("[JadeServer]\nServerTimeout=<DEFAULT>\n");
  EXPECT_EQ(read.settings.server.serverTimeout, 10000ms);
  EXPECT_EQ(problems(read), "");
  // For every type.
  const auto all = resolve(
      "[JadeServer]\nDoubleDeadlockException=<default>\nObjectCacheSizeLimit=<Default>\n"
      "[NephriteLog]\nLevel=<default>\n[PersistentDb]\nSystemFileDirectory=<default>\n");
  EXPECT_FALSE(all.settings.server.doubleDeadlockException);
  EXPECT_EQ(all.settings.server.objectCacheSizeLimit, 80u << 20);
  EXPECT_EQ(all.settings.logLevel, LogLevel::Info);
  EXPECT_EQ(all.settings.store.systemFileDirectory, folder / "system");
  EXPECT_EQ(problems(all), "");
}

TEST_F(JadeStatement, S094_AFractionalCacheSizeIsReadAsOneClampedAndRewritten) {
  const std::string before = "\xEF\xBB\xBF; mine\r\n[jadeserver]\r\n\r\nObjectCacheSizeLimit = ";
  const std::string after = " ; small\r\nServerTimeout=7\r\n; end";
  write(before + "1.5M" + after);
  std::filesystem::permissions(path, std::filesystem::perms(0640));

  const auto read = loadSettings(path, {}, kMemory);

  EXPECT_EQ(read.settings.server.objectCacheSizeLimit, 3u << 20);
  EXPECT_THAT(problems(read), HasSubstr("jade.ini:4: warning: [JadeServer] "
                                        "ObjectCacheSizeLimit=1.5M is read as 1"));
  EXPECT_EQ(bytes(), before + "3M" + after) << "and every other byte stays";
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0640));
  EXPECT_EQ(problems(loadSettings(path, {}, kMemory)), "") << "the rewritten file is in order";
}

TEST_F(JadeStatement, S094_ATooLargeCacheSizeBecomesTwoThirdsOfMemory) {
  write("[JadeServer]\nObjectCacheSizeLimit=10G\n");
  const auto read = loadSettings(path, {}, kMemory);
  EXPECT_EQ(read.settings.server.objectCacheSizeLimit, std::uint64_t{4} << 30);
  EXPECT_EQ(bytes(), "[JadeServer]\nObjectCacheSizeLimit=4G\n");
}

TEST_F(JadeStatement, S095_ABracketNotInColumnOneStartsNoSection) {
  const auto read = resolve("[JadeServer]\n [NephriteLog]\nServerTimeout=5\n");
  EXPECT_EQ(read.settings.server.serverTimeout, 5ms) << "the line still belongs to [JadeServer]";
  EXPECT_THAT(problems(read), HasSubstr("jade.ini:2: error: a '[' begins a section only in"));
}

TEST_F(JadeStatement, S096_TheQualifiedSectionWinsForItsExactIdOnly) {
  const std::string text = "[JadeServer]\nServerTimeout=5\n[A.jadeserver]\nServerTimeout=6\n";
  EXPECT_EQ(resolve(text, {"A", {}}).settings.server.serverTimeout, 6ms);
  EXPECT_EQ(resolve(text).settings.server.serverTimeout, 5ms);

  const auto otherCase = resolve(text, {"a", {}});
  EXPECT_EQ(otherCase.settings.server.serverTimeout, 5ms);
  EXPECT_THAT(problems(otherCase), HasSubstr("no section is qualified with name=a"));
}

TEST_F(JadeStatement, S097_TheCommandLineBeatsTheFileAndCannotBeSet) {
  write("[JadeServer]\nServerTimeout=9\nDoubleDeadlockException=false ; c\n");
  IniFile file = IniFile::read(path, {"", {"JadeServer.ServerTimeout=5"}});
  EXPECT_EQ(resolveSettings(file, kMemory).settings.server.serverTimeout, 5ms);

  EXPECT_FALSE(file.set("JadeServer", "ServerTimeout", "8"));
  EXPECT_TRUE(file.set("JadeServer", "DoubleDeadlockException", "true"));
  EXPECT_EQ(bytes(), "[JadeServer]\nServerTimeout=9\nDoubleDeadlockException=true ; c\n");
}

TEST_F(JadeStatement, S098_AMissingFileIsError125AndAnEmptyOneStarts) {
  try {
    loadSettings(path, {});
    FAIL() << "there is no file";
  } catch (const IniFileMissing& missing) {
    EXPECT_EQ(missing.kErrorCode, 125);
    EXPECT_THAT(missing.what(), HasSubstr(path.string()));
  }
  write("");
  EXPECT_EQ(loadSettings(path, {}).settings.server.serverTimeout, 10000ms);
  EXPECT_EQ(bytes(), "");
}

}  // namespace
}  // namespace nephrite

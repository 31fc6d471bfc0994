// The nephrite program as people call it.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/node/called_program.h"

namespace nephrite {
namespace {

/// Given: a directory for files.
class Program : public testing::Test {
 protected:
  Program() {
    std::string pattern = testing::TempDir() + "nephrite-program-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~Program() override { std::filesystem::remove_all(directory_); }

  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name) << text;
    return (directory_ / name).string();
  }

  std::filesystem::path directory_;
};

TEST_F(Program, WhenAskedForHelpThenItTeachesByExample) {
  const Ran help = nephrite("--help");
  EXPECT_EQ(help.status, 0);
  for (const char* taught : {"replay", "ini", "Examples:", "docs/schedule.md"}) {
    EXPECT_NE(help.output.find(taught), std::string::npos) << taught;
  }
  EXPECT_NE(nephrite("replay --help").output.find("exclusiveLock"), std::string::npos);
}

TEST_F(Program, WhenCalledWronglyThenItSaysSoWithStatus2) {
  EXPECT_EQ(nephrite("").status, 2);
  EXPECT_EQ(nephrite("frobnicate").status, 2);
  EXPECT_EQ(nephrite("replay").status, 2);
  const std::pair<const char*, const char*> cases[] = {
      {"frobnicate", "nephrite: 'frobnicate' is no verb; there are server, replay, ini"},
      {"", "nephrite: a verb is missing; there are server,"},
      {"ini",
       "nephrite ini: a verb is missing; there are check, show, docs\n"
       "More with: nephrite ini --help"},
      {"ini chek", "nephrite ini: 'chek' is no verb; there are check, show, docs"},
      {"ping --count many", "nephrite ping: Could not convert: --count = many, which is no number"},
      {"locks --max many", "nephrite locks: --max: Value many not in range 1 to 1000000000"},
      {"locks --max -3", "nephrite locks: --max: Value -3 not in range 1 to"},
      {"unlock", "nephrite unlock: OBJECT is required"},
      {"ping --cuont 3", "nephrite ping: "},
      {"contention maybe", "nephrite contention: VERB: maybe not in {on,off,clear}"},
  };
  for (const auto& [arguments, words] : cases) {
    const Ran wrong = nephrite(arguments);
    EXPECT_EQ(wrong.status, 2) << arguments;
    EXPECT_NE(wrong.output.find(words), std::string::npos) << wrong.output;
  }
  const Ran missing = nephrite("replay " + (directory_ / "none.sched").string());
  EXPECT_EQ(missing.status, 2);
  EXPECT_NE(missing.output.find("none.sched: No such file"), std::string::npos) << missing.output;
}

TEST_F(Program, WhenAScheduleIsReplayedThenEventsAreOnStandardOutput) {
  const std::string schedule = file("a.sched", "process A\nobject X\nA sharedLock X\nA read X\n");
  const Ran played = nephrite("replay " + schedule);
  EXPECT_EQ(played.status, 0);
  EXPECT_EQ(played.output,
            "{\"line\":3,\"time\":0,\"process\":\"A\",\"verb\":\"sharedLock\",\"object\":\"X\","
            "\"outcome\":\"granted\"}\n"
            "{\"line\":4,\"time\":0,\"process\":\"A\",\"verb\":\"read\",\"object\":\"X\","
            "\"outcome\":\"read\",\"edition\":1}\n");
  EXPECT_EQ(nephrite("replay - < " + schedule).output, played.output);
  EXPECT_EQ(nephrite("replay " + file("b.sched", "A begin\n")).status, 2);
}

TEST_F(Program, WhenAnIniFileIsCheckedThenEachMistakeHasItsPlaceAndItsMend) {
  const std::string good = file("good.ini", "[JadeServer]\nServerTimeout=5000\n");
  EXPECT_EQ(nephrite("ini check " + good).status, 0);

  const std::string wrong = file("wrong.ini", "[JadeServer]\nServerTimeout=soon\nServerTimout=1\n");
  const Ran checked = nephrite("ini check " + wrong);
  EXPECT_EQ(checked.status, 1);
  EXPECT_NE(checked.output.find("wrong.ini:2: error"), std::string::npos) << checked.output;
  EXPECT_NE(checked.output.find("wrong.ini:3: warning"), std::string::npos) << checked.output;
  EXPECT_NE(checked.output.find("ServerTimeout"), std::string::npos) << "the nearest name";

  EXPECT_EQ(nephrite("ini check " + (directory_ / "none.ini").string()).status, 1);
}

TEST_F(Program, WhenTheServerWouldRefuseAnIniFileThenTheCheckDoesWithTheSameWords) {
  std::filesystem::create_directories(directory_ / "open");
  std::filesystem::permissions(directory_ / "open", std::filesystem::perms(0755));
  file("taken", "not a directory, nor a socket");
  const std::pair<const char*, const char*> cases[] = {
      {"[NephriteServer]\nListenAddress=0.0.0.0\n", "forward the port with ssh -L"},
      {"[NephriteServer]\nListenAddress=nephrite.example\n", "is no IP address"},
      {"[NephriteServer]\nUnixSocket=open/node\n", "can be entered by other users: chmod 0700"},
      {"[NephriteServer]\nUnixSocket=missing/run/node\n", "missing"},
      {"[NephriteServer]\nAuditLog=missing/audit.log\n", "missing"},
      {"[NephriteServer]\nAuditLog=open\n", "is a directory; name a file"},
      {"[PersistentDb]\nSystemFileDirectory=taken\n", "taken"},
      {"[PersistentDb]\nSystemFileDirectory=data // here\n", "begin it with ';'"},
      {"[PersistentDb]\nSystemFileDirectory=caf\xE9\n", "save the file as UTF-8"},
  };
  for (const auto& [text, why] : cases) {
    const std::string ini = file("refused.ini", std::string(text) + "[NephriteServer]\nPort=0\n");

    const Ran checked = nephrite("ini check " + ini);
    const Ran served = nephrite("server --ini " + ini);

    EXPECT_EQ(checked.status, 1) << text << checked.output;
    EXPECT_NE(checked.output.find("refused.ini:2: error: "), std::string::npos) << checked.output;
    EXPECT_NE(checked.output.find(why), std::string::npos) << checked.output;
    EXPECT_EQ(served.status, 78) << text << served.output;
    EXPECT_NE(served.output.find(why), std::string::npos) << served.output;
  }
  EXPECT_EQ(std::filesystem::exists(directory_ / "data // here"), false);
}

TEST_F(Program, WhenAValueIsQuotedOnTheCommandLineThenTheQuotesAreNoPartOfIt) {
  const std::string ini = file("jade.ini", "");
  const Ran shown =
      nephrite("ini show " + ini + " --set 'PersistentDb.SystemFileDirectory=\"my data\"'");
  EXPECT_NE(shown.output.find(" = my data "), std::string::npos) << shown.output;
}

TEST_F(Program, WhenSettingsAreShownThenEachSaysWhereItComesFrom) {
  const std::string ini = file("jade.ini", "[JadeServer]\nServerTimeout=5000\n");
  const Ran shown = nephrite("ini show " + ini + " --set JadeServer.DoubleDeadlockException=true");
  EXPECT_EQ(shown.status, 0);
  EXPECT_NE(shown.output.find("jade.ini:2"), std::string::npos) << shown.output;
  EXPECT_NE(shown.output.find("command line"), std::string::npos);
  EXPECT_NE(shown.output.find("default"), std::string::npos);
}

}  // namespace
}  // namespace nephrite

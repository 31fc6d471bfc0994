// What is installed beside the program knows the program: man page and shell completion.

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/node/called_program.h"

namespace nephrite {
namespace {

const std::string kService = NEPHRITE_SOURCE_DIR "/node/service/";

std::string textOf(const std::string& name) {
  std::ifstream in(kService + name);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The man page as roff has it, its hyphens written plainly.
std::string manPage() {
  return std::regex_replace(textOf("nephrite.1"), std::regex(R"(\\-)"), "-");
}

/// The first words of the lines under "Subcommands:".
std::vector<std::string> verbsIn(const std::string& help) {
  std::vector<std::string> verbs;
  static const std::regex line(R"(\n  ([a-z][a-z-]*) )");
  const std::string part = help.substr(std::min(help.find("Subcommands:"), help.size()));
  const std::string before = part.substr(0, part.find("\n\n"));
  for (std::sregex_iterator it(before.begin(), before.end(), line), end; it != end; ++it) {
    verbs.push_back((*it)[1]);
  }
  return verbs;
}

/// "--json", "--max"... of a help text, wherever they stand.
std::set<std::string> optionsIn(const std::string& help) {
  std::set<std::string> options;
  static const std::regex option(R"(--[a-z][a-z-]*)");
  for (std::sregex_iterator it(help.begin(), help.end(), option), end; it != end; ++it) {
    options.insert(it->str());
  }
  return options;
}

bool hasWord(const std::string& text, const std::string& word) {
  return std::regex_search(text, std::regex("(^|[^a-z-])" + word + "($|[^a-z-])"));
}

/// Given: man page and completion, and the program's own help.
class GivenTheHelpOfTheProgram : public testing::Test {
 protected:
  void expectKnown(const std::string& word, const std::string& where) const {
    EXPECT_TRUE(hasWord(man, word)) << where << " has " << word << ", nephrite.1 has not";
    for (const char* shell : {"nephrite.bash", "nephrite.zsh", "nephrite.fish"}) {
      // fish writes -l json for --json.
      const std::string text =
          std::regex_replace(textOf(shell), std::regex(" -l ([a-z]+)"), " --$1");
      EXPECT_TRUE(hasWord(text, word)) << where << " has " << word << ", " << shell << " has not";
    }
  }

  const std::string help = nephrite("--help").output;
  const std::string man = manPage();
};

TEST_F(GivenTheHelpOfTheProgram, WhenItNamesAVerbThenManPageAndCompletionDoToo) {
  const auto verbs = verbsIn(help);
  ASSERT_THAT(verbs, testing::IsSupersetOf({"replay", "ini"})) << help;
  for (const std::string& verb : verbs) expectKnown(verb, "nephrite --help");
  for (const std::string& verb : verbsIn(nephrite("ini --help").output)) {
    expectKnown(verb, "nephrite ini --help");
  }
}

TEST_F(GivenTheHelpOfTheProgram, WhenAVerbTakesAnOptionThenManPageAndCompletionKnowIt) {
  std::vector<std::string> calls{""};
  for (const std::string& verb : verbsIn(help)) calls.push_back(verb + " ");
  for (const std::string& verb : verbsIn(nephrite("ini --help").output)) {
    calls.push_back("ini " + verb + " ");
  }
  for (const std::string& call : calls) {
    for (const std::string& option : optionsIn(nephrite(call + "--help").output)) {
      expectKnown(option, "nephrite " + call + "--help");
    }
  }
}

TEST_F(GivenTheHelpOfTheProgram, WhenAVerbIsAskedForHelpThenItTeachesByAnExampleOfItself) {
  std::vector<std::string> calls = verbsIn(help);
  for (const std::string& verb : verbsIn(nephrite("ini --help").output)) {
    calls.push_back("ini " + verb);
  }
  ASSERT_GE(calls.size(), 15u);
  for (const std::string& call : calls) {
    const std::string text = nephrite(call + " --help").output;
    const auto examples = text.find("\nExample");
    ASSERT_NE(examples, std::string::npos) << call << "\n" << text;
    EXPECT_NE(text.find("  nephrite " + call, examples), std::string::npos) << text;
  }
}

// --- Units ---------------------------------------------------------------------------------------

/// The exit statuses after which systemd leaves a program alone.
std::set<int> leftAlone(const std::string& unit) {
  const std::string text = textOf(unit);
  EXPECT_THAT(text, testing::HasSubstr("\nRestart=on-failure\n")) << unit;
  std::smatch found;
  if (!std::regex_search(text, found, std::regex("\nRestartPreventExitStatus=(.*)\n"))) return {};
  std::istringstream numbers(found[1]);
  return {std::istream_iterator<int>(numbers), {}};
}

struct Start {
  const char* unit;
  std::string program;
  const char* arguments;
};

TEST(Units, WhenWhatTheyStartEndsForWhatSomebodyHasToMendThenTheyDoNotStartItAgain) {
  const std::string wrong = NEPHRITE_BINARY_DIR "/service_test_wrong.ini";
  std::ofstream(wrong) << "[JadeClient]\nServerNodeSpecifications=Pigeon\n";
  const std::string missing = NEPHRITE_BINARY_DIR "/service_test_missing.ini";
  const std::string build = NEPHRITE_BINARY_DIR;
  const Start starts[] = {
      {"nephrite.service.in", build + "/nephrite", " server --ini "},
      {"nephrite.service.in", build + "/nephrite", " server --no-such-option --ini "},
      {"nephrite-worker@.service.in", build + "/sample_worker_process", " "},
  };
  for (const Start& start : starts) {
    const std::set<int> left = leftAlone(start.unit);
    EXPECT_THAT(left, testing::Not(testing::Contains(1))) << "a server that is not there yet";
    if (!std::filesystem::exists(start.program)) continue;  // A build without samples.
    for (const std::string& ini : {wrong, missing}) {
      const Ran ran = called(start.program + start.arguments + ini);
      EXPECT_THAT(left, testing::Contains(ran.status)) << start.program << ini << ran.output;
    }
  }
  std::filesystem::remove(wrong);
}

TEST(ManPage, RendersWithoutAWarning) {
  if (called("command -v groff").status != 0) GTEST_SKIP() << "groff is not installed";
  const Ran rendered = called("groff -man -Tutf8 -ww -z " + kService + "nephrite.1");
  EXPECT_EQ(rendered.status, 0);
  EXPECT_EQ(rendered.output, "");
}

struct Completed {
  const char* typed;     ///< Words of a command line; the last one is completed.
  const char* proposed;  ///< The words that bash proposes.
};

TEST(Completion, WhenTabIsPressedInBashThenItProposesWhatFits) {
  constexpr Completed kPlays[] = {
      {"nephrite lo", "locks lock"},
      {"nephrite ini ''", "check show docs --help"},
      {"nephrite locks --connect U", "Unix,"},
      {"nephrite contention o", "on off"},
      {"nephrite unlock --r", "--reason"},
      {"nephrite deadlocks --s", "--schedule"},
      {"nephrite locks --max ''", ""},
      {"nephrite lock nightly --ti", "--timeout"},
      {"nephrite lock nightly --type u", "update"},
      {"nephrite lock nightly -- cat " NEPHRITE_SOURCE_DIR "/node/service/j",
       NEPHRITE_SOURCE_DIR "/node/service/jade.ini"},
      {"nephrite server --ini " NEPHRITE_SOURCE_DIR "/node/service/j",
       NEPHRITE_SOURCE_DIR "/node/service/jade.ini"},
  };
  for (const Completed& play : kPlays) {
    // compopt works under a Tab only.
    const std::string script = "source " + kService +
                               "nephrite.bash; compopt() { :; }; COMP_WORDS=(" + play.typed +
                               "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _nephrite; "
                               "echo \"${COMPREPLY[*]}\"";
    const std::string path = testing::TempDir() + "nephrite-completion.bash";
    std::ofstream(path) << script;
    EXPECT_EQ(called("bash " + path).output, std::string(play.proposed) + "\n") << play.typed;
    std::filesystem::remove(path);
  }
}

}  // namespace
}  // namespace nephrite

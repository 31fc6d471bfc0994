// node/service/jade.ini, which is installed as the example.

#include <gmock/gmock.h>

#include <sstream>
#include <string>
#include <vector>

#include "ini/parameter_table.h"
#include "tests/ini/ini_folder.h"

namespace nephrite {
namespace {

using testing::HasSubstr;

constexpr const char* kExample = NEPHRITE_SOURCE_DIR "/node/service/jade.ini";

/// Given: the example, and the same file with every default that it shows switched on.
class GivenTheExample : public GivenAFolder {
 protected:
  GivenTheExample() {
    std::ifstream in(kExample);
    for (std::string line; std::getline(in, line);) {
      asItIs += line + "\n";
      // Prose begins with a blank after the semicolon, a default with its name.
      const bool shownDefault = line.size() > 1 && line[0] == ';' && line[1] != ' ';
      switchedOn += (shownDefault ? line.substr(1) : line) + "\n";
    }
  }

  std::string asItIs;
  std::string switchedOn;
};

TEST_F(GivenTheExample, WhenItIsReadThenNothingIsWrongWithIt) {
  EXPECT_EQ(problems(resolve(asItIs)), "");
  EXPECT_EQ(problems(resolve(switchedOn)), "");
}

TEST_F(GivenTheExample, WhenItGivesOrShowsAValueThenThatIsTheDefaultOrADirectoryOfTheSystem) {
  for (const EffectiveValue& value : resolve(switchedOn).values) {
    const std::string name(value.parameter->name);
    if (value.text == value.parameter->defaultText) continue;
    EXPECT_THAT(value.text, testing::MatchesRegex("/(run|var/lib)/nephrite/.*")) << name;
    EXPECT_THAT(asItIs, HasSubstr("Default: " + std::string(value.parameter->defaultText))) << name;
  }
}

TEST_F(GivenTheExample, WhenAParameterHasAnEffectThenItIsShown) {
  for (const EffectiveValue& value : resolve(switchedOn).values) {
    if (!value.parameter->effect) continue;
    EXPECT_NE(value.origin.kind, IniOrigin::Kind::Default)
        << kExample << " does not show [" << value.parameter->section << "] "
        << value.parameter->name;
  }
}

TEST_F(GivenTheExample, WhenAReloadTakesAParameterOverThenItSaysSoAndOtherwiseNot) {
  const Resolution read = resolve(switchedOn);
  std::istringstream in(asItIs);
  std::vector<std::string> lines{""};  // From 1, as an editor counts.
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  for (const EffectiveValue& value : read.values) {
    if (value.origin.kind == IniOrigin::Kind::Default) continue;
    // The prose above the entry, up to the blank line.
    std::string prose;
    auto at = std::stoul(value.origin.where.substr(value.origin.where.rfind(':') + 1));
    while (!lines[at].empty()) prose = lines[at--] + "\n" + prose;
    EXPECT_EQ(prose.find("(reload)") != std::string::npos, value.parameter->dynamic) << prose;
  }
}

}  // namespace
}  // namespace nephrite

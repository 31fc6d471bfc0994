#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace nephrite {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

/// Given: a log at its default level, Info.
class GivenTheLog : public testing::Test {
 protected:
  ~GivenTheLog() override { setLogLevel(LogLevel::Info); }

  /// What `action` writes to standard error.
  static std::string written(const std::function<void()>& action) {
    testing::internal::CaptureStderr();
    action();
    EXPECT_TRUE(flushLog(std::chrono::seconds(60)));
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(GivenTheLog, WhenSomethingHappensThenOneLineSaysWhenHowBadAndWhat) {
  const std::string line = written([] {
    log(LogLevel::Warning, "store.slow", {{"path", "/data"}, {"ms", "250"}});
  });

  EXPECT_THAT(line, MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\\.[0-9]+Z warning "
                                 "store\\.slow path=/data ms=250\n"));
}

TEST_F(GivenTheLog, WhenALineIsBelowTheLevelThenItIsDropped) {
  EXPECT_THAT(written([] { log(LogLevel::Debug, "lock.granted"); }), IsEmpty());
}

TEST_F(GivenTheLog, WhenTheLevelIsLoweredThenDebugLinesAreWritten) {
  setLogLevel(LogLevel::Debug);

  EXPECT_THAT(written([] { log(LogLevel::Debug, "lock.granted"); }),
              EndsWith(" debug lock.granted\n"));
}

TEST_F(GivenTheLog, WhenTheLevelIsErrorThenWarningsAreDropped) {
  setLogLevel(LogLevel::Error);

  const std::string lines = written([] {
    log(LogLevel::Warning, "store.slow");
    log(LogLevel::Error, "store.failed");
  });

  EXPECT_THAT(lines, EndsWith(" error store.failed\n"));
  EXPECT_THAT(lines, testing::Not(HasSubstr("store.slow")));
}

TEST_F(GivenTheLog, WhenAValueIsVeryLongThenTheLineIsCut) {
  const std::string line = written([] {
    log(LogLevel::Info, "event", {{"name", std::string(1'000'000, 'x')}});
  });

  EXPECT_LT(line.size(), 100'000u);
  EXPECT_THAT(line, EndsWith("xxx...\n"));
}

struct Quoting {
  std::string value;
  std::string written;
};

class LogQuoting : public testing::TestWithParam<Quoting> {};

TEST_P(LogQuoting, KeepsEveryValueOnItsLineAndReadable) {
  testing::internal::CaptureStderr();
  log(LogLevel::Info, "event", {{"key", GetParam().value}});
  EXPECT_TRUE(flushLog(std::chrono::seconds(60)));
  const std::string line = testing::internal::GetCapturedStderr();

  EXPECT_THAT(line, EndsWith(" info event key=" + GetParam().written + "\n"));
}

INSTANTIATE_TEST_SUITE_P(
    Values, LogQuoting,
    testing::Values(Quoting{"plain", "plain"}, Quoting{"", R"("")"},
                    Quoting{"two words", R"("two words")"}, Quoting{"a=b", R"("a=b")"},
                    Quoting{R"(say "no")", R"("say \"no\"")"},
                    Quoting{"first\nsecond", R"("first\nsecond")"},
                    Quoting{R"(C:\dir a)", R"("C:\\dir a")"},
                    Quoting{"anna\rroot", R"("anna\rroot")"}, Quoting{"\x1b[2J", R"("\x1b[2J")"},
                    Quoting{"a\u202Eb", R"("a\u202eb")"}, Quoting{"M\u00FCller", "M\u00FCller"},
                    Quoting{"{}", "{}"}));

}  // namespace
}  // namespace nephrite

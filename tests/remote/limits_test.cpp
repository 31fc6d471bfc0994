// How many may come: [NephriteServer] MaxSessions and MaxProcessesPerSession.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/remote/server_program.h"

namespace nephrite {
namespace {

TEST(Limits, WhenThereAreTooManySessionsOrProcessesThenTheParameterIsNamed) {
  ServerProgram server("MaxSessions=1\nMaxProcessesPerSession=2\n");
  ASSERT_TRUE(server.start()) << server.log();
  const auto first = server.clientHere("first", server.bySocket());
  const Process one = first->node().signOn({.user = "one"});
  Process two = first->node().signOn({.user = "two"});
  const auto refusal = [](const std::function<void()>& action) -> std::string {
    try {
      action();
    } catch (const SystemException& refused) {
      return std::to_string(refused.errorCode()) + " " + refused.what();
    }
    return "not refused";
  };

  EXPECT_THAT(refusal([&] { first->node().signOn({.user = "three"}); }),
              testing::AllOf(testing::StartsWith("64017"),
                             testing::HasSubstr("MaxProcessesPerSession")));
  EXPECT_THAT(refusal([&] { server.clientHere("second", server.bySocket()); }),
              testing::AllOf(testing::StartsWith("64017"), testing::HasSubstr("MaxSessions")));
  two.signOff();
  EXPECT_TRUE(first->node().signOn({.user = "three"}).isSignedOn());
}

}  // namespace
}  // namespace nephrite

// How many may come, and how large what they say may be: [NephriteServer] MaxSessions,
// MaxProcessesPerSession, MaxFrameSize.

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

  EXPECT_THAT(
      refusal([&] { first->node().signOn({.user = "three"}); }),
      testing::AllOf(testing::StartsWith("64017"), testing::HasSubstr("MaxProcessesPerSession")));
  EXPECT_THAT(refusal([&] { server.clientHere("second", server.bySocket()); }),
              testing::AllOf(testing::StartsWith("64017"), testing::HasSubstr("MaxSessions")));
  two.signOff();
  EXPECT_TRUE(first->node().signOn({.user = "three"}).isSignedOn());
}

/// Given: a server with its default limits, and two clients.
class DefaultLimits : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server.start()) << server.log();
    annas = server.clientHere("annas", server.bySocket());
    bens = server.clientHere("bens", server.bySocket());
    anna = annas->node().signOn({.user = "anna"});
    ben = bens->node().signOn({.user = "ben"});
    anna.defineClass({.name = "Picture", .properties = {{"bits", ValueType::String}}});
  }
  Object newPicture(std::size_t bytes) {
    Transaction work(anna);
    Object picture = anna.create("Picture");
    picture.set("bits", std::string(bytes, 'x'));
    work.commit();
    return picture;
  }

  ServerProgram server{""};
  std::unique_ptr<ClientNode> annas, bens;
  Process anna, ben;
};

TEST_F(DefaultLimits, WhenTwelveObjectsOfFourMegabytesAreLockedThenAllAreAndNobodyIsSlow) {
  std::vector<Object> pictures;
  for (int i = 0; i < 12; ++i) {
    pictures.push_back(ben.object(newPicture(std::size_t{4} << 20).oid()));
  }

  Transaction work(ben);
  ben.lockAll(pictures, LockType::Exclusive);

  for (const Object& picture : pictures)
    EXPECT_EQ(picture.get<std::string>("bits").size(), std::size_t{4} << 20);
  EXPECT_TRUE(ben.isSignedOn());
  EXPECT_THAT(server.log(), testing::Not(testing::HasSubstr("session.")));
}

TEST_F(DefaultLimits, WhenAnObjectIsAsLargeAsCanBeCommittedThenOthersCanReadIt) {
  const std::size_t most = (std::size_t{16} << 20) - 8'192;
  const Object largest = newPicture(most);
  EXPECT_EQ(ben.object(largest.oid()).get<std::string>("bits").size(), most);

  Transaction work(anna);
  Object tooLarge = anna.create("Picture");
  tooLarge.set("bits", std::string(std::size_t{16} << 20, 'x'));
  try {
    work.commit();
    ADD_FAILURE() << "not refused";
  } catch (const UsageException& refused) {
    EXPECT_EQ(refused.errorCode(), 64027);
    EXPECT_THAT(refused.what(), testing::AllOf(testing::HasSubstr(tooLarge.toString()),
                                               testing::HasSubstr("MaxFrameSize")));
  }
}

}  // namespace
}  // namespace nephrite

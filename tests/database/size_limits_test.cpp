// What is too large is refused, in both forms alike, with a sentence that says how large it is and
// what limits it.

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// Given: a database whose objects have at most 50,000 bytes, and two processes.
class SizeLimits : public testing::TestWithParam<Form> {
 protected:
  SizeLimits() {
    ObjectStore::Options inMemory;
    inMemory.inMemory = true;
    LocalDatabase::Options options;
    options.threads = false;
    options.mostObjectBytes = 50'000;
    form = std::make_unique<DatabaseForm>(GetParam(), ObjectStore::open(inMemory), clock,
                                          DatabaseForm::Options{.local = options});
    node = Node::signOn(form->database(), "main");
    anna = node.signOn({.name = "anna"});
    ben = node.signOn({.name = "ben"});
    ClassDef order;
    order.name = "Order";
    order.properties = {{"note", ValueType::String}};
    anna.defineClass(order);
  }

  ManualClock clock;
  std::unique_ptr<DatabaseForm> form;
  Node node;
  Process anna, ben;
};

TEST_P(SizeLimits, WhenAnObjectIsTooLargeThenItsCommitNamesItAndTheTransactionGoesOn) {
  Transaction work(anna);
  Object order = anna.create("Order");
  order.set("note", std::string(50'000, 'x'));

  const auto refusal = thrownBy<UsageException>([&] { work.commit(); });

  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code(), ErrorCode::TooLarge);
  EXPECT_THAT(refusal->what(),
              AllOf(HasSubstr(order.toString()), HasSubstr("50112 bytes"), HasSubstr("50000"),
                    HasSubstr("[NephriteServer] MaxFrameSize")));
  order.set("note", std::string(49'000, 'x'));
  work.commit();
  EXPECT_EQ(ben.object(order.oid()).get<std::string>("note").size(), 49'000u);
}

TEST_P(SizeLimits, WhenANameIsTooLongOrNoTextThenSigningOnSaysSo) {
  const std::string longest(255, 'n'), tooLong(256, 'n');
  EXPECT_TRUE(node.signOn({.user = longest, .name = longest}).isSignedOn());
  for (const ProcessOptions& options : {ProcessOptions{.name = tooLong}, {.user = tooLong}}) {
    const auto refusal = thrownBy<UsageException>([&] { node.signOn(options); });
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->code(), ErrorCode::TooLarge);
    EXPECT_THAT(refusal->what(), AllOf(HasSubstr("256 bytes"), HasSubstr("255")));
  }
  EXPECT_EQ(codeOf([&] { Node::signOn(form->database(), tooLong); }), 64027);
  EXPECT_EQ(codeOf([&] { node.signOn({.name = "\xff"}); }), 64010);
  EXPECT_TRUE(anna.isSignedOn()) << "nothing else has happened";
}

TEST_P(SizeLimits, WhenANameTurnsTheDirectionOfReadingThenARefusalShowsItAsAnEscape) {
  Process cleo = node.signOn({.name = "\xE2\x80\xAE"
                                      "oelc"});
  Transaction work(anna);
  const Object order = anna.create("Order");
  work.commit();
  cleo.object(order.oid()).lock(Exclusive, kSession, LockTimeout::immediate());

  const auto refusal = thrownBy<LockException>(
      [&] { ben.object(order.oid()).lock(Share, kSession, LockTimeout::immediate()); });

  ASSERT_TRUE(refusal);
  EXPECT_THAT(refusal->what(), HasSubstr("\\u202eoelc"));
}

NEPHRITE_ON_BOTH_FORMS(SizeLimits);

}  // namespace
}  // namespace nephrite

// Frames in a stream of bytes, and a session's stream over several connections.

#include "node/wire/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/wire/messages.h"
#include "tests/wire/full_messages.h"

namespace nephrite::wire {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;

std::string textOf(const Frame& frame) { return {frame.message.begin(), frame.message.end()}; }

template <class Action>
std::string errorOf(Action action) {
  try {
    action();
  } catch (const WireError& error) {
    return error.what();
  }
  return "no error";
}

// --- FrameReader ---------------------------------------------------------------------------------

/// Given: three frames behind each other, one of them empty.
class GivenThreeFrames : public testing::Test {
 protected:
  std::vector<std::string> everythingRead() {
    std::vector<std::string> messages;
    while (const auto frame = reader.next()) {
      EXPECT_EQ(frame->header.sequence, 0x1234'5678'9ABC'DEF0 + messages.size());
      EXPECT_EQ(frame->header.acknowledged, 0xFEDC'BA98'7654'3210);
      EXPECT_EQ(frame->header.length, frame->message.size());
      messages.push_back(textOf(*frame));
    }
    return messages;
  }

  /// They come in two parts, cut at each place in turn; `next` reads one of what has come.
  template <class Next>
  void cutAnywhere(const Next& next) {
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
      reader = FrameReader(1000);
      std::vector<std::string> messages;
      for (const std::string_view part :
           {std::string_view(bytes).substr(0, cut), std::string_view(bytes).substr(cut)}) {
        reader.append(bytesOf(part));
        while (const auto frame = next()) {
          messages.emplace_back(frame->message.begin(), frame->message.end());
        }
      }
      EXPECT_THAT(messages, ElementsAre("first", "", std::string(300, 'x'))) << cut;
      EXPECT_EQ(reader.bytesHeld(), 0u);
    }
  }

  static FrameHeader header(std::uint64_t index) {
    return {0, 0x1234'5678'9ABC'DEF0 + index, 0xFEDC'BA98'7654'3210};
  }

  const std::string bytes = frameBytes(header(0), "first") + frameBytes(header(1), "") +
                            frameBytes(header(2), std::string(300, 'x'));
  FrameReader reader{1000};
};

TEST_F(GivenThreeFrames, WhenTheyComeAtOnceThenAllAreRead) {
  reader.append(bytesOf(bytes));

  EXPECT_THAT(everythingRead(), ElementsAre("first", "", std::string(300, 'x')));
  EXPECT_EQ(reader.bytesHeld(), 0u);
}

TEST_F(GivenThreeFrames, WhenTheyAreReadInPlaceThenEachStaysUntilTheNext) {
  cutAnywhere([&] { return reader.nextInPlace(); });
}

TEST_F(GivenThreeFrames, WhenTheyAreSplitAnywhereThenAllAreRead) {
  cutAnywhere([&] { return reader.next(); });
}

TEST_F(GivenThreeFrames, WhenTheyComeByteByByteThenAllAreRead) {
  std::vector<std::string> messages;
  for (const char byte : bytes) {
    reader.append(bytesOf(std::string_view(&byte, 1)));
    while (const auto frame = reader.next()) messages.push_back(textOf(*frame));
  }

  EXPECT_THAT(messages, ElementsAre("first", "", std::string(300, 'x')));
}

TEST_F(GivenThreeFrames, WhenOneIsTooLongThenItIsRefusedBeforeItHasCome) {
  reader.setMaxLength(299);
  reader.append(bytesOf(std::string_view(bytes).substr(0, bytes.size() - 300)));

  EXPECT_EQ(textOf(*reader.next()), "first");
  EXPECT_EQ(textOf(*reader.next()), "");
  EXPECT_THAT(errorOf([&] { reader.next(); }),
              HasSubstr("a message of 300 bytes is longer than the limit of 299"));
}

TEST(FrameReader, RefusesWhoSpeaksSomethingElse) {
  FrameReader reader(1000);
  reader.append(bytesOf("GET /index.html HTTP/1.1\r\n\r\n"));

  EXPECT_THAT(errorOf([&] { reader.next(); }), HasSubstr("wrong magic"));
}

TEST(FrameReader, WaitsForAWholeHeader) {
  FrameReader reader(1000);
  reader.append(bytesOf("GET /index.html HTTP/1."));

  EXPECT_FALSE(reader.next().has_value());
}

// --- SessionStream -------------------------------------------------------------------------------

/// The only frame in `bytes`.
Frame frameIn(const std::string& bytes) {
  FrameReader reader(1'000'000);
  reader.append(bytesOf(bytes));
  return reader.next().value();
}

std::optional<std::vector<std::string>> messagesIn(
    const std::optional<std::vector<std::string>>& frames) {
  if (!frames) return std::nullopt;
  std::vector<std::string> messages;
  for (const std::string& bytes : *frames) messages.push_back(textOf(frameIn(bytes)));
  return messages;
}

using Arrival = SessionStream::Arrival;

/// Given: both sides of a session; Anna has sent three messages, of which Ben has received one.
class GivenASessionWhoseConnectionBroke : public testing::Test {
 protected:
  GivenASessionWhoseConnectionBroke() {
    EXPECT_EQ(ben.received(frameIn(anna.send("one")).header), Arrival::New);
    lost = {anna.send("two"), anna.send("three")};
  }

  SessionStream anna{1000};
  SessionStream ben{1000};
  std::vector<std::string> lost;
};

TEST_F(GivenASessionWhoseConnectionBroke, WhenItGoesOnThenOnlyWhatIsMissingIsSentAgain) {
  const auto frames = anna.missingAfter(ben.lastReceived());

  EXPECT_THAT(frames, Optional(lost));
  for (const std::string& bytes : *frames) {
    EXPECT_EQ(ben.received(frameIn(bytes).header), Arrival::New);
  }
  EXPECT_EQ(ben.lastReceived(), 3u);
}

TEST_F(GivenASessionWhoseConnectionBroke, WhenSomethingComesTwiceThenItIsADuplicate) {
  ASSERT_EQ(ben.received(frameIn(lost[0]).header), Arrival::New);

  EXPECT_EQ(ben.received(frameIn(lost[0]).header), Arrival::Duplicate);
  EXPECT_EQ(ben.lastReceived(), 2u);
}

TEST_F(GivenASessionWhoseConnectionBroke, WhenSomethingIsLeftOutThenItIsAGap) {
  EXPECT_EQ(ben.received(frameIn(lost[1]).header), Arrival::Gap);
  EXPECT_EQ(ben.lastReceived(), 1u);
}

TEST_F(GivenASessionWhoseConnectionBroke, WhenBenAcknowledgesThenItIsNotKeptAnyMore) {
  ASSERT_EQ(ben.received(frameIn(lost[0]).header), Arrival::New);

  EXPECT_EQ(anna.received(frameIn(ben.sendUnnumbered("ping")).header), Arrival::New);

  EXPECT_EQ(anna.missingAfter(1), std::nullopt) << "she has let go of the second";
  EXPECT_THAT(messagesIn(anna.missingAfter(2)), Optional(ElementsAre("three")));
  EXPECT_THAT(anna.missingAfter(3), Optional(IsEmpty()));
}

TEST_F(GivenASessionWhoseConnectionBroke, WhenMoreIsAcknowledgedThanWasSentThenItIsAGap) {
  EXPECT_EQ(anna.missingAfter(4), std::nullopt);
  EXPECT_EQ(anna.received({0, 1, 4}), Arrival::Gap);
  EXPECT_EQ(anna.lastReceived(), 0u);
  EXPECT_THAT(anna.missingAfter(1), Optional(lost)) << "nothing was let go of";
}

TEST_F(GivenASessionWhoseConnectionBroke, WhenItSendsAgainThenItSaysWhatItHadSeenTheFirstTime) {
  ASSERT_EQ(anna.received(frameIn(ben.send("an answer")).header), Arrival::New);

  const auto frames = anna.missingAfter(2);

  ASSERT_TRUE(frames);
  EXPECT_EQ(frameIn(frames->front()).header.acknowledged, 0u)
      << "an answer that was made before a message came must not look as if it knew of it";
  EXPECT_EQ(frameIn(frames->front()).header.sequence, 3u);
}

TEST(SessionStream, WhenTooMuchWouldHaveToBeKeptThenNothingIs) {
  SessionStream anna(1000);
  anna.send(std::string(600, 'x'));
  EXPECT_TRUE(anna.keepsAll());

  anna.send(std::string(600, 'y'));

  EXPECT_FALSE(anna.keepsAll());
  EXPECT_EQ(anna.missingAfter(1), std::nullopt);
  EXPECT_THAT(anna.missingAfter(2), Optional(IsEmpty())) << "nothing is missing";
}

TEST(SessionStream, WhenWhatWasTooMuchToKeepHasArrivedThenTheOtherSideCouldGoOnAgain) {
  SessionStream anna(1000), ben(1000);
  ben.received(frameIn(anna.send(std::string(1200, 'x'))).header);
  anna.send("small");
  EXPECT_FALSE(anna.keepsAll());

  anna.received(frameIn(ben.send("thanks")).header);

  EXPECT_TRUE(anna.keepsAll());
  EXPECT_THAT(anna.missingAfter(1), Optional(testing::SizeIs(1))) << "the small one";
}

TEST(SessionStream, WhenNothingIsToBeKeptThenNothingIs) {
  SessionStream anna(0);
  anna.send("one");

  EXPECT_EQ(anna.missingAfter(0), std::nullopt);
  EXPECT_THAT(anna.missingAfter(1), Optional(IsEmpty()));
}

TEST(SessionStream, DoesNotNumberWhatConcernsAConnectionAlone) {
  SessionStream anna(1000);
  SessionStream ben(1000);

  EXPECT_EQ(frameIn(anna.sendUnnumbered("hello")).header.sequence, 0u);
  EXPECT_EQ(ben.received(frameIn(anna.sendUnnumbered("hello")).header), Arrival::New);
  EXPECT_EQ(ben.lastReceived(), 0u);
  EXPECT_EQ(frameIn(anna.send("one")).header.sequence, 1u);
}

}  // namespace
}  // namespace nephrite::wire

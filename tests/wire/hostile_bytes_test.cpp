// Whatever the bytes, a message that makes sense comes out of them, or a WireError.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "node/wire/messages.h"
#include "node/wire/wire_generated.h"
#include "tests/wire/full_messages.h"

namespace nephrite::wire {
namespace {

using Builder = flatbuffers::FlatBufferBuilder;
template <class Table>
using At = flatbuffers::Offset<Table>;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

std::string taken(const Builder& b) {
  return {reinterpret_cast<const char*>(b.GetBufferPointer()), b.GetSize()};
}

template <class Table>
std::string ofClient(Builder& b, flatbuffers::Offset<Table> body) {
  b.Finish(fb::CreateClientMessage(b, fb::FromClientTraits<Table>::enum_value, body.Union()));
  return taken(b);
}
template <class Table>
std::string ofServer(Builder& b, flatbuffers::Offset<Table> body) {
  b.Finish(fb::CreateServerMessage(b, fb::FromServerTraits<Table>::enum_value, body.Union()));
  return taken(b);
}

// --- One thing wrong -----------------------------------------------------------------------------

struct Wrong {
  std::function<std::string(Builder&)> bytes;
  std::string error;
};

template <class Enum>
Enum bad(int number) {
  return static_cast<Enum>(number);
}

std::string lockOf(Builder& b, fb::LockType type, fb::LockDuration duration, std::int32_t timeout) {
  const fb::ObjectLockRequest order(1, 2, 3, 0, 0, timeout, 0, type, duration, false, false, false);
  return ofClient(b, fb::CreateLock(b, 1, &order));
}

/// A list of one lock, of that scope.
std::string listOf(Builder& b, std::uint32_t place, fb::LockScope scope) {
  const std::vector<fb::LockInfo> locks{{1, 2, 0, 3, 0, 0, 0, 0, fb::LockType::Share,
                                         fb::LockType::Share, fb::LockType::Get,
                                         fb::LockDuration::Transaction, false}};
  const std::vector<fb::LockReach> reaches{
      {place, scope, fb::LockType::Get, fb::LockType::Get, false, false}};
  const auto listed = b.CreateVectorOfStructs(locks);
  const auto list = b.CreateVectorOfStructs(reaches);
  return ofServer(b, fb::CreateLocksReply(b, 1, listed, 0, false, 0, 0, list));
}

/// Of two locks, one of them asked for a level deeper.
std::string locksInTwoWays(Builder& b) {
  const auto of = [](std::uint64_t target, std::uint16_t level) {
    return fb::ObjectLockRequest(1, target, 3, 0, 0, 0, level, fb::LockType::Share,
                                 fb::LockDuration::Session, false, false, false);
  };
  const std::vector<fb::ObjectLockRequest> orders{of(2, 0), of(4, 1)};
  return ofClient(b, fb::CreateLockAll(b, 1, b.CreateVectorOfStructs(orders)));
}

/// Of grants alone, in these places.
At<fb::LockAnswered> answeredAt(Builder& b, const std::vector<std::uint32_t>& places) {
  std::vector<fb::LockGrant> grants;
  for (const std::uint32_t place : places) {
    grants.emplace_back(1, 0, place, 0, fb::LockType::Share, fb::LockType::Get);
  }
  const auto list = b.CreateVectorOfStructs(grants);
  return fb::CreateLockAnswered(b, 1, 0, 0, list);
}

TEST(HostileBytes, OfAClientWithOneThingWrongAreRefused) {
  using fb::LockDuration;
  using fb::LockType;
  const std::vector<std::uint8_t> shortKey(15);
  const std::vector<Wrong> table{
      {[](Builder& b) { return lockOf(b, LockType::Get, LockDuration::Session, 0); },
       "Get is not a lock"},
      {locksInTwoWays, "the locks of one request are asked for in different ways"},
      {[](Builder& b) { return lockOf(b, bad<LockType>(5), LockDuration::Session, 0); },
       "there is no lock type 5"},
      {[](Builder& b) { return lockOf(b, LockType::Share, bad<LockDuration>(2), 0); },
       "there is no lock duration 2"},
      {[](Builder& b) { return lockOf(b, LockType::Share, LockDuration::Session, -2); },
       "there is no timeout -2"},
      {[](Builder& b) { return ofClient(b, fb::CreateLock(b, 1)); }, "there is no order"},
      {[](Builder& b) { return ofClient(b, fb::CreateCommit(b, 1)); }, "there is no upgrade"},
      {[](Builder& b) { return ofClient(b, fb::CreateDefineClass(b, 1)); }, "there is no class"},
      {[](Builder& b) {
         b.Finish(fb::CreateClientMessage(b));
         return taken(b);
       },
       "says nothing of kind 0"},
      {[](Builder& b) {
         b.Finish(fb::CreateClientMessage(b, fb::FromClient::Ping));
         return taken(b);
       },
       "there is no body"},
      {[](Builder& b) {
         const auto body = fb::CreatePing(b).Union();
         b.Finish(fb::CreateClientMessage(b, bad<fb::FromClient>(200), body));
         return taken(b);
       },
       "says nothing of kind 200"},
      {[&](Builder& b) {
         const auto key = b.CreateVector(shortKey);
         return ofClient(b, fb::CreateHello(b, 1, 1, 0, 0, 0, key));
       },
       "a session's key has 16 bytes"},
      {[](Builder& b) { return ofClient(b, fb::CreateSignOnNode(b, 1, 0, -2)); },
       "a background timeout is -2 ms"},
      {[](Builder& b) {
         const auto name = b.CreateString("a\xC3(");
         return ofClient(b, fb::CreateSignOnNode(b, 1, name));
       },
       "the name of a node is not UTF-8 at byte 1"},
      {[](Builder& b) { return ofClient(b, fb::CreateLook(b, 1, bad<fb::Subject>(10))); },
       "there is no subject to look at 10"},
      {[](Builder& b) {
         return ofClient(b, fb::CreateAskContention(b, 1, bad<fb::ContentionVerb>(6)));
       },
       "there is no verb of contention 6"},
      {[](Builder& b) {
         const auto definition = fb::CreateClassDef(b, 1, 0, bad<fb::ClassKind>(4));
         return ofClient(b, fb::CreateDefineClass(b, 1, definition));
       },
       "there is no kind of class 4"},
  };
  for (const Wrong& wrong : table) {
    Builder b;
    EXPECT_THAT(errorOfClient(wrong.bytes(b)), HasSubstr(wrong.error));
  }
}

TEST(HostileBytes, OfAServerWithOneThingWrongAreRefused) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const std::vector<Wrong> table{
      {[](Builder& b) {
         const auto answer = fb::CreateAnswer(b, fb::LockOutcome::Granted, 1, fb::LockType::Share);
         return ofServer(b, fb::CreateCommitReply(b, 1, bad<fb::CommitResult>(3), answer));
       },
       "there is no result of a commit 3"},
      {[](Builder& b) {
         const auto answer = fb::CreateAnswer(b, bad<fb::LockOutcome>(6), 1, fb::LockType::Share);
         return ofServer(b, fb::CreateNodeReply(b, 1, 0, answer));
       },
       "there is no outcome of a request 6"},
      {[](Builder& b) {
         const std::vector replies{fb::CreateLockReply(b)};
         return ofServer(b, fb::CreateLockAnswered(b, 1, b.CreateVector(replies)));
       },
       "there is no answer in a lock's reply"},
      {[](Builder& b) { return ofServer(b, answeredAt(b, {1})); }, "a grant is out of place"},
      {[](Builder& b) {
         return ofServer(b, answeredAt(b, {1, 0}));
       },
       "a grant is out of place"},
      {[](Builder& b) {
         return ofServer(b, answeredAt(b, {0, 0}));
       },
       "a grant is out of place"},
      {[](Builder& b) { return ofServer(b, fb::CreateWelcome(b, 1)); }, "there is no session"},
      {[](Builder& b) {
         const auto key = b.CreateVector(std::vector<std::uint8_t>(16));
         return ofServer(b, fb::CreateWelcome(b, 1, 0, key, 0, false, -1));
       },
       "the time to keep alive is -1 ms"},
      {[](Builder& b) { return ofServer(b, fb::CreateObjectReply(b, 1, fb::CreateRecord(b, 1))); },
       "a record has no edition"},
      {[&](Builder& b) { return ofServer(b, fb::CreateStatusReply(b, 1, 0, 0, kMost)); },
       "a time is not in our era"},
      {[&](Builder& b) { return ofServer(b, fb::CreateStatusReply(b, 1, 0, 0, -kMost)); },
       "a time is not in our era"},
      {[](Builder& b) {
         const std::vector<fb::LockDetail> details{{0, fb::Renewal::Change, 1, 1, 1}};
         const auto list = b.CreateVectorOfStructs(details);
         return ofServer(b, fb::CreateLocksReply(b, 1, 0, 0, false, list));
       },
       "a detail of a lock is out of place"},
      {[](Builder& b) { return listOf(b, 1, fb::LockScope::Subtree); },
       "the scope of a lock is out of place"},
      {[](Builder& b) {
         const std::vector<fb::LockCover> covers{{0, 1}};
         const auto list = b.CreateVectorOfStructs(covers);
         return ofServer(b, fb::CreateLocksReply(b, 1, 0, 0, false, 0, 0, 0, list));
       },
       "a lock from above is out of place"},
      {[](Builder& b) {
         const fb::LockCursor next(1, 2, 3, bad<fb::LockCursorKind>(4));
         return ofServer(b, fb::CreateLocksReply(b, 1, 0, 0, false, 0, 0, 0, 0, &next));
       },
       "there is no kind of place in a list 4"},
      {[](Builder& b) {
         const std::vector<fb::WayThen> ways{{0, fb::LockScope::Subtree, 1}};
         const auto list = b.CreateVectorOfStructs(ways);
         const std::vector records{
             fb::CreateDeadlockRecord(b, 1, 0, false, false, 1, 0, 0, 0, 0, 0, list)};
         return ofServer(b, fb::CreateDeadlocksReply(b, 1, b.CreateVector(records)));
       },
       "a detail of a deadlock is out of place"},
      {[](Builder& b) { return listOf(b, 0, bad<fb::LockScope>(2)); }, "there is no lock scope 2"},
      {[](Builder& b) {
         const auto targets = b.CreateVector(std::vector<std::uint64_t>{1});
         return ofServer(b, fb::CreateLocksInherited(b, 1, targets));
       },
       "inherited locks have no targets"},
      {[](Builder& b) {
         const auto lapsed = fb::CreateLockLapsed(
             b, 1, 2, 3, fb::LockType::Share, fb::LockDuration::Session, 4, bad<fb::Renewal>(3));
         return ofServer(b, lapsed);
       },
       "there is no way to renew a lease 3"},
      {[](Builder& b) { return ofServer(b, fb::CreateStatisticsReply(b, 1)); },
       "there is no counters"},
  };
  for (const Wrong& wrong : table) {
    Builder b;
    EXPECT_THAT(errorOfServer(wrong.bytes(b)), HasSubstr(wrong.error));
  }
}

struct WrongValue {
  fb::ValueType type;
  std::int64_t number;
  std::uint64_t low;
  std::uint8_t scale;
  std::string text;
  std::string error;
};

std::string recordWith(const WrongValue& wrong) {
  Builder b;
  const auto text = b.CreateString(wrong.text);
  const std::vector values{
      fb::CreateValue(b, wrong.type, wrong.number, wrong.low, wrong.scale, {}, text)};
  const auto record = fb::CreateRecord(b, 1, 1, b.CreateVector(values));
  return ofServer(b, fb::CreateObjectReply(b, 1, record));
}

TEST(HostileBytes, WithAValueThatItsTypeDoesNotHoldAreRefused) {
  using Type = fb::ValueType;
  constexpr std::int64_t kLast = 11'248'737;  // 32767-12-31 in days since 1970.
  const std::vector<WrongValue> table{
      {bad<Type>(12), 0, 0, 0, "", "there is no type of value 12"},
      {Type::Boolean, 2, 0, 0, "", "a Boolean cannot be 2"},
      {Type::Integer, 2'147'483'648, 0, 0, "", "an Integer cannot be 2147483648"},
      {Type::Integer, -2'147'483'649, 0, 0, "", "an Integer cannot be -2147483649"},
      {Type::Decimal, 0, 1, 39, "", "at most 38 places after the point, not 39"},
      {Type::Decimal, INT64_MAX, 0, 0, "", "at most 38 digits"},
      {Type::String, 0, 0, 0, "\xFF", "a String is not UTF-8 at byte 0"},
      {Type::Date, kLast + 1, 0, 0, "", "a Date cannot be 11248738"},
      {Type::Date, std::numeric_limits<std::int64_t>::min(), 0, 0, "", "a Date cannot be"},
      {Type::Time, 86'400'000, 0, 0, "", "a Time cannot be 86400000"},
      {Type::Time, -1, 0, 0, "", "a Time cannot be -1"},
      {Type::Time, 86'399'999, 0, 0, "", "no error"},
      {Type::Date, kLast, 0, 0, "", "no error"},
      {Type::Decimal, -1, 1, 38, "", "no error"},
  };
  for (const WrongValue& wrong : table) {
    EXPECT_THAT(errorOfServer(recordWith(wrong)), HasSubstr(wrong.error));
  }
}

// --- What is mended ------------------------------------------------------------------------------

TEST(HostileBytes, WithProseThatIsNotUtf8AreReadWithQuestionMarks) {
  Builder b;
  const auto what = b.CreateString("/data/\xFF\xFEkasse\xC3");
  const std::string bytes = ofServer(b, fb::CreateNotice(b, what));

  EXPECT_EQ(std::get<Notice>(decodeFromServer(bytesOf(bytes), kNow)).what, "/data/??kasse?");
}

TEST(HostileBytes, WithAnErrorThatOnlyANewerServerKnowsAreARefusalThatNamesIt) {
  for (const std::int32_t number : {64'999, 1, 0, -5}) {
    Builder b;
    const std::string bytes = ofServer(b, fb::CreateRefusal(b, number, b.CreateString("wait")));
    const auto refusal = std::get<Refusal>(decodeFromServer(bytesOf(bytes), kNow));
    EXPECT_EQ(refusal.failure.code, ErrorCode::ServerRefused);
    EXPECT_THAT(
        refusal.failure.what,
        testing::AllOf(HasSubstr("error " + std::to_string(number) + ","), HasSubstr("wait")));
  }
}

TEST(HostileBytes, WithAbsurdAgesDoNotOverflow) {
  using Limits = std::numeric_limits<std::int64_t>;
  for (const std::int64_t age : {Limits::min(), std::int64_t{-1}, std::int64_t{0}, Limits::max()}) {
    Builder b;
    const auto answer =
        fb::CreateAnswer(b, fb::LockOutcome::Refused, 1, fb::LockType::Share, 0, false, age, false,
                         /*locked_by=*/9, age);
    const std::string bytes = ofServer(b, fb::CreateNodeReply(b, 1, 0, answer));

    const auto reply = std::get<NodeReply>(decodeFromServer(bytesOf(bytes), kNow)).reply;

    EXPECT_GE(reply.lock.waited, Duration::zero());
    EXPECT_LE(reply.lock.lockedSince, kNow);
    EXPECT_GE(kNow - reply.lock.lockedSince, Duration::zero());
  }
}

TEST(Values, KeepTheSignOfZero) {
  const ObjectReply reply{1, std::make_shared<const ObjectRecord>(ObjectRecord{{}, 1, {-0.0}})};

  const std::string bytes = encode(FromServer(reply), kNow);
  const auto decoded = std::get<ObjectReply>(decodeFromServer(bytesOf(bytes), kNow));

  EXPECT_TRUE(std::signbit(std::get<double>(decoded.record->values.at(0))));
}

// --- Any bytes -----------------------------------------------------------------------------------

/// Must return: with a message or with a WireError.
void tryBoth(const std::string& bytes) {
  errorOfClient(bytes);
  errorOfServer(bytes);
}

std::vector<std::string> someMessages() {
  std::vector<std::string> messages;
  for (const FromClient& message : fullMessagesOfClient())
    messages.push_back(encode(message, kNow));
  for (const FromServer& message : fullMessagesOfServer())
    messages.push_back(encode(message, kNow));
  return messages;
}

TEST(AnyBytes, CutShortAreRefused) {
  for (const FromServer& message : fullMessagesOfServer()) {
    const std::string bytes = encode(message, kNow);
    for (std::size_t length = 0; length < bytes.size(); length += 1 + length / 64) {
      tryBoth(bytes.substr(0, length));
    }
    EXPECT_EQ(errorOfServer(bytes.substr(0, 4)), "the message is damaged");
  }
}

TEST(AnyBytes, WithSomeChangedEndInAMessageOrAWireError) {
  std::mt19937 random(1);
  for (const std::string& message : someMessages()) {
    for (int round = 0; round < 500; ++round) {
      std::string bytes = message;
      for (unsigned changes = random() % 4; changes-- > 0;) {
        bytes[random() % bytes.size()] = static_cast<char>(random());
      }
      tryBoth(bytes);
    }
  }
}

TEST(AnyBytes, NeedNotBeAligned) {
  for (const FromServer& message : fullMessagesOfServer()) {
    const std::string bytes = encode(message, kNow);
    for (std::size_t shift = 1; shift < 8; ++shift) {
      const std::string shifted = std::string(shift, ' ') + bytes;
      EXPECT_EQ(encode(decodeFromServer(bytesOf(shifted).subspan(shift), kNow), kNow), bytes);
    }
  }
}

TEST(AnyBytes, MayNotHoldAListOfNumbersWhereNoneMayStand) {
  std::vector<std::string> errors;
  for (const bool shifted : {false, true}) {
    Builder b;
    if (shifted) b.PushElement(std::uint32_t{0});
    b.StartVector(2, sizeof(std::uint32_t));  // Aligned for numbers half as long.
    for (std::uint32_t half = 0; half < 2; ++half) b.PushElement(half);
    const flatbuffers::Offset<flatbuffers::Vector<std::uint64_t>> oids(b.EndVector(1));
    errors.push_back(errorOfServer(ofServer(b, fb::CreateOidsReply(b, 1, oids))));
  }

  EXPECT_THAT(errors, UnorderedElementsAre("no error", HasSubstr("a list is not aligned")));
}

// --- A few bytes that say a lot ------------------------------------------------------------------

TEST(Amplification, OfOneTextThatManyNameIsRefused) {
  Builder b;
  const auto name = b.CreateString(std::string(100'000, 'x'));
  std::vector<flatbuffers::Offset<fb::Process>> people;
  for (int i = 0; i < 1000; ++i) people.push_back(fb::CreateProcess(b, 1, 2, name));
  const std::string bytes = ofServer(b, fb::CreateProcessesReply(b, 1, b.CreateVector(people)));

  EXPECT_EQ(errorOfServer(bytes), "the message says the same thing over and over");
}

TEST(Amplification, OfOneTableThatManyNameIsRefused) {
  Builder b;
  const std::vector people(100'000, fb::CreateProcess(b, 1));
  const std::string bytes = ofServer(b, fb::CreateProcessesReply(b, 1, b.CreateVector(people)));

  EXPECT_EQ(errorOfServer(bytes), "the message is damaged");
}

TEST(Amplification, IsNotSeenWhereThereIsNone) {
  LockAnswered answered;
  answered.replies.resize(10'000);
  ProcessInfo person;
  person.locker = {1};
  ProcessesReply people;
  people.processes.resize(10'000, person);
  ObjectRecord record;
  record.values.resize(10'000);
  record.members.resize(10'000);
  const ObjectReply object{1, std::make_shared<const ObjectRecord>(record)};

  for (const FromServer& message : {FromServer(answered), FromServer(people), FromServer(object)}) {
    EXPECT_EQ(errorOfServer(encode(message, kNow)), "no error") << message.index();
  }
}

}  // namespace
}  // namespace nephrite::wire

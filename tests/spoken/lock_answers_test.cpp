// What a server says to those who ask for locks: a grant in few words where there is nothing else
// to say, a whole reply where there is.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "node/server/server_sessions.h"
#include "objects/object_store.h"
#include "runtime/local/local_database.h"

namespace nephrite {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::uint32_t> placesOf(const wire::LockAnswered& answered) {
  std::vector<std::uint32_t> places;
  for (const wire::LockGrant& grant : answered.grants) places.push_back(grant.place);
  return places;
}

std::vector<LockOutcome> outcomesOf(const wire::LockAnswered& answered) {
  std::vector<LockOutcome> outcomes;
  for (const wire::LockReply& reply : answered.replies) {
    outcomes.push_back(reply.reply.lock.outcome);
  }
  return outcomes;
}

/// A client node that says and hears messages.
class SpokenConnection final : public ServerConnection {
 public:
  explicit SpokenConnection(ServerSessions& sessions) : sessions_(sessions) {}

  void send(std::string frame) override {
    reader_.append({reinterpret_cast<const std::uint8_t*>(frame.data()), frame.size()});
    while (const auto one = reader_.next()) {
      stream.received(one->header);
      heard.push_back(wire::decodeFromServer(one->message, Instant{}));
    }
  }
  void close() override {}
  std::size_t bytesQueued() const override { return 0; }
  const std::string& address() const override { return address_; }

  void say(const wire::FromClient& message) {
    heard.clear();
    const bool first = std::holds_alternative<wire::Hello>(message);
    const std::string bytes = wire::encode(message, Instant{});
    wire::FrameReader reader(UINT32_MAX);
    const std::string frame = first ? stream.sendUnnumbered(bytes) : stream.send(bytes);
    reader.append({reinterpret_cast<const std::uint8_t*>(frame.data()), frame.size()});
    sessions_.received(*this, *reader.nextInPlace());
  }
  /// The last message heard.
  template <class Message>
  Message last() const {
    const Message* const found = heard.empty() ? nullptr : std::get_if<Message>(&heard.back());
    EXPECT_NE(found, nullptr) << heard.size();
    return found == nullptr ? Message() : *found;
  }

  wire::SessionStream stream{0};
  std::vector<wire::FromServer> heard;

 private:
  ServerSessions& sessions_;
  wire::FrameReader reader_{UINT32_MAX};
  const std::string address_ = "here";
};

/// Given: a server with four objects in their first edition, and two client nodes with a process
/// each: Anna, and Ben, who holds the last object exclusively. Anna's takes grants, or not.
class LockAnswers : public testing::TestWithParam<bool> {
 protected:
  LockAnswers() {
    anna = signOn(annas, GetParam());
    ben = signOn(bens, true);
    ClassDef order;
    order.name = "Order";
    annas->say(wire::DefineClass{1, order});
    const auto number = annas->last<wire::ClassReply>().definition.number;
    CommitRequest made;
    made.upgrade.locker = anna;
    made.changes.id = {anna.value, 1};
    for (int i = 0; i < 4; ++i) {
      const Oid oid = database.newOid(Lifetime::Persistent, number);
      objects.push_back(oid);
      LockRequest request = exclusive(anna, oid);
      annas->say(wire::Lock{2, {{request, Existence::CreatedByLocker}, 0}});
      made.changes.changes.emplace_back(ChangeKind::Create, ObjectRecord{oid, 1, {}, {}});
    }
    annas->say(wire::Commit{3, made});
    EXPECT_EQ(annas->last<wire::CommitReply>().reply.outcome, CommitReply::Outcome::Committed);
    bens->say(wire::Lock{1, {{exclusive(ben, objects[3])}, 0}});
  }

  LockerId signOn(std::shared_ptr<SpokenConnection>& connection, bool takesGrants) {
    connection = std::make_shared<SpokenConnection>(sessions);
    sessions.opened(connection);
    wire::Hello hello;
    hello.takesGrants = takesGrants;
    connection->say(hello);
    connection->say(wire::SignOnNode{1, "node", {}});
    const auto node = connection->last<wire::NodeReply>().reply.node;
    connection->say(wire::SignOnProcess{2, {node->oid, "desk", "somebody", false}});
    return connection->last<wire::ProcessReply>().reply.process->locker;
  }

  static LockRequest exclusive(LockerId locker, Oid oid) {
    LockRequest request;
    request.locker = locker;
    request.target = {oid.bits()};
    request.type = LockType::Exclusive;
    request.inState = true;
    request.id = 77;
    return request;
  }

  static ServerSessions::Hooks hooks() {
    ServerSessions::Hooks made;
    made.run = [](const std::function<void()>& work) { work(); };
    made.block = [](const std::function<void()>& work) { work(); };
    made.audit = [](const AuditEntry&) {};
    made.newKey = [last = std::uint8_t{0}]() mutable {
      wire::SessionKey key{};
      key[0] = ++last;
      return key;
    };
    return made;
  }

  /// What happens, happens on the test's thread.
  static LocalDatabase::Options withoutThreads() {
    LocalDatabase::Options options;
    options.threads = false;
    return options;
  }
  static std::shared_ptr<ObjectStore> storeInMemory() {
    ObjectStore::Options options;
    options.inMemory = true;
    return ObjectStore::open(options);
  }

  wire::LockAll all(const std::vector<std::uint32_t>& editions) const {
    wire::LockAll message{9, exclusive(anna, Oid()), {}};
    for (std::size_t i = 0; i < editions.size(); ++i) {
      message.targets.push_back({objects[i], editions[i]});
    }
    return message;
  }

  ManualClock clock;
  LocalDatabase database{storeInMemory(), clock, withoutThreads()};
  ServerSessions sessions{database, clock, {}, hooks()};
  std::shared_ptr<SpokenConnection> annas, bens;
  LockerId anna, ben;
  std::vector<Oid> objects;
};

TEST_P(LockAnswers, WhenTheLatestEditionIsKnownThenAGrantSaysAllThereIs) {
  annas->say(wire::Lock{9, {{exclusive(anna, objects[0])}, 1}});

  const auto answered = annas->last<wire::LockAnswered>();
  const auto held = database.lockStatus(anna, objects[0]);
  ASSERT_TRUE(held);
  if (GetParam()) {
    ASSERT_THAT(answered.grants, SizeIs(1));
    const wire::LockGrant& grant = answered.grants[0];
    EXPECT_THAT(answered.replies, IsEmpty());
    EXPECT_EQ(grant.token, held->token);
    EXPECT_EQ(grant.type, LockType::Exclusive);
    EXPECT_EQ(grant.session, LockType::Get);
  } else {
    ASSERT_THAT(answered.replies, SizeIs(1));
    EXPECT_THAT(answered.grants, IsEmpty());
    EXPECT_EQ(answered.replies[0].reply.lock.token, held->token);
    EXPECT_TRUE(answered.replies[0].unchanged);
  }
}

TEST_P(LockAnswers, WhenAnotherEditionIsKnownThenTheReplyBringsTheObject) {
  annas->say(wire::Lock{9, {{exclusive(anna, objects[0])}, 7}});

  const auto answered = annas->last<wire::LockAnswered>();
  EXPECT_THAT(answered.grants, IsEmpty());
  ASSERT_THAT(answered.replies, SizeIs(1));
  ASSERT_NE(answered.replies[0].reply.record, nullptr);
  EXPECT_EQ(answered.replies[0].reply.record->edition, 1u);
  ASSERT_TRUE(answered.replies[0].held);
  EXPECT_EQ(answered.replies[0].held->type, LockType::Exclusive);
}

TEST_P(LockAnswers, WhenSomeObjectsAreMissedThenOnlyTheseHaveReplies) {
  annas->say(all({1, 0, 1}));

  const auto answered = annas->last<wire::LockAnswered>();
  EXPECT_EQ(answered.count(), 3u);
  if (GetParam()) {
    EXPECT_THAT(placesOf(answered), ElementsAre(0u, 2u));
    ASSERT_THAT(answered.replies, SizeIs(1));
    EXPECT_EQ(answered.replies[0].reply.record->oid, objects[1]);
  } else {
    EXPECT_THAT(answered.replies, SizeIs(3));
  }
}

TEST_P(LockAnswers, WhenTheLastHasToWaitThenAllAreAnsweredInOrderWhenItIsGranted) {
  annas->say(all({1, 0, 1, 1}));
  EXPECT_THAT(annas->heard, IsEmpty());

  bens->say(wire::Unlock{ben, objects[3]});

  const auto answered = annas->last<wire::LockAnswered>();
  EXPECT_THAT(placesOf(answered), IsEmpty());
  EXPECT_THAT(outcomesOf(answered), ElementsAre(LockOutcome::Granted, LockOutcome::Granted,
                                                LockOutcome::Granted, LockOutcome::Granted));
  EXPECT_TRUE(answered.replies[0].unchanged);
  EXPECT_EQ(answered.replies[1].reply.record->oid, objects[1]);
  EXPECT_NE(answered.replies[0].reply.lock.token, FencingToken());
  EXPECT_NE(answered.replies[3].reply.lock.token, FencingToken());
}

TEST_P(LockAnswers, WhenOneIsLetGoWhileTheLastWaitsThenItsReplySaysThatNothingIsHeld) {
  annas->say(all({1, 1, 1, 1}));
  annas->say(wire::Unlock{anna, objects[0]});

  bens->say(wire::Unlock{ben, objects[3]});

  const auto answered = annas->last<wire::LockAnswered>();
  ASSERT_THAT(answered.replies, SizeIs(4));
  EXPECT_FALSE(answered.replies[0].held);
  EXPECT_TRUE(answered.replies[1].held);
}

TEST_P(LockAnswers, WhenTheWaitForTheLastIsCancelledThenTheOthersStayGranted) {
  annas->say(all({1, 1, 1, 1}));
  annas->say(wire::Cancel{anna, 77});

  const auto answered = annas->last<wire::LockAnswered>();
  EXPECT_THAT(outcomesOf(answered), ElementsAre(LockOutcome::Granted, LockOutcome::Granted,
                                                LockOutcome::Granted, LockOutcome::Cancelled));
  EXPECT_TRUE(database.lockStatus(anna, objects[0]));
}

TEST_P(LockAnswers, WhenSomebodyElseLocksThenAnUnlockServesThem) {
  annas->say(wire::Lock{9, {{exclusive(anna, objects[0])}, 1}});
  bens->say(wire::Lock{5, {{exclusive(ben, objects[0])}, 1}});
  EXPECT_THAT(bens->heard, IsEmpty());

  annas->say(wire::Unlock{anna, objects[0]});

  EXPECT_EQ(bens->last<wire::LockAnswered>().id, 5u);
  EXPECT_FALSE(database.lockStatus(anna, objects[0]));
}

TEST_P(LockAnswers, WhenThereIsNoSuchObjectThenThatIsSaidAndNothingIsHeld) {
  const Oid none(Lifetime::Persistent, objects[0].classNumber(), 4711);
  annas->say(wire::Lock{9, {{exclusive(anna, none)}, 0}});

  const auto answered = annas->last<wire::LockAnswered>();
  ASSERT_THAT(answered.replies, SizeIs(1));
  EXPECT_TRUE(answered.replies[0].reply.missing);
  EXPECT_FALSE(database.lockStatus(anna, none));
}

INSTANTIATE_TEST_SUITE_P(Client, LockAnswers, testing::Bool(), [](const auto& takesGrants) {
  return takesGrants.param ? "TakesGrants" : "TakesRepliesOnly";
});

}  // namespace
}  // namespace nephrite

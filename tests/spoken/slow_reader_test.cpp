// A client that reads slowly, and one whose answers are large: the first is ended, and costs nobody
// else anything; the second is not the first.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "runtime/database/locker_port.h"
#include "runtime/database/object_size.h"
#include "tests/spoken/spoken_server.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::size_t kWarning = 10'000, kLimit = 100'000;

ServerLimits smallLimits() {
  ServerLimits limits;
  limits.keepAlive = 3s;
  limits.slowReaderWarning = kWarning;
  limits.slowReaderLimit = kLimit;
  return limits;
}

/// Given: a server that is patient for three seconds, Anna at one client node, Ben at another, an
/// order that is larger than what may be left unsent, and a small one.
class SlowReaders : public testing::Test, protected SpokenServer {
 protected:
  SlowReaders() : SpokenServer(smallLimits()), annas(connect()), bens(connect()) {
    anna = signOn(annas);
    ben = signOn(bens);
  }

  void pingFor(std::chrono::milliseconds time) {
    for (auto passed = 0ms; passed < time; passed += 500ms) {
      pass(500ms);
      if (!annas->isClosed) annas->say(wire::Ping{});
      bens->say(wire::Ping{});
    }
  }
  /// Anna's session; Ben's goes on.
  bool isEnded() {
    bens->say(wire::Ping{});
    EXPECT_FALSE(bens->isClosed);
    return annas->isClosed;
  }

  const std::shared_ptr<SpokenConnection> annas, bens;
  LockerId anna, ben;
  const Oid large = newOrder(3 * kLimit), small = newOrder(5'000);
};

TEST_F(SlowReaders, WhenOneAnswerIsLargerThanTheLimitThenItIsTakenAndNobodyIsCalledSlow) {
  annas->reads = false;
  annas->say(wire::Fetch{5, large});
  annas->flushed();
  EXPECT_GT(annas->bytesQueued(), kLimit);

  annas->takeAll();
  EXPECT_EQ(annas->last<wire::ObjectReply>().record->oid, large);
  pingFor(10s);

  EXPECT_FALSE(isEnded());
  EXPECT_THAT(annas->all<wire::Notice>(), IsEmpty());
}

TEST_F(SlowReaders, WhenItTakesADropNowAndThenThenItIsWarnedAndEndedAndItsLocksAreFree) {
  annas->say(wire::Lock{5, {{asks(anna, small)}, 0}});
  annas->reads = false;
  annas->say(wire::Fetch{6, large});
  annas->flushed();
  const auto taken = [&] {
    annas->take(10);
    return annas->bytesQueued();
  };

  pass(900ms);
  EXPECT_GT(taken(), kLimit);
  pass(200ms);  // A third of the server's patience: it is warned, behind what it has not read.
  EXPECT_GT(taken(), kLimit);
  EXPECT_FALSE(isEnded());
  bens->say(wire::Lock{7, {{asks(ben, small)}, 0}});
  EXPECT_THAT(bens->heard, IsEmpty());
  bens->say(wire::Fetch{8, small});
  EXPECT_NE(bens->last<wire::ObjectReply>().record, nullptr) << "others are served as ever";
  bens->heard.clear();

  pass(1s);

  EXPECT_TRUE(annas->isClosed);
  ASSERT_THAT(bens->heard, SizeIs(1));
  EXPECT_EQ(bens->last<wire::LockAnswered>().count(), 1u);
  EXPECT_EQ(database.port(ben)->lockStatus(small)->type, LockType::Exclusive);
}

TEST_F(SlowReaders, WhenItTakesAsMuchAsTheLimitInTimeThenItStays) {
  annas->reads = false;
  for (int i = 0; i < 20; ++i) annas->say(wire::Fetch{static_cast<wire::RequestId>(i), large});
  annas->flushed();
  for (int second = 0; second < 30; ++second) {
    for (int part = 0; part < 3; ++part) annas->take(60'000);
    pass(1s);
    ASSERT_FALSE(isEnded()) << second;
  }
}

TEST_F(SlowReaders, WhenItIsWarnedThenOnceUntilItHasCaughtUp) {
  annas->reads = false;
  annas->say(wire::Fetch{5, large});
  annas->flushed();
  pass(1100ms);
  annas->takeAll();
  EXPECT_THAT(annas->all<wire::Notice>(), SizeIs(1));
  EXPECT_THAT(annas->all<wire::Notice>().front().what, HasSubstr("too slowly"));

  annas->say(wire::Fetch{6, large});
  annas->flushed();
  pass(1100ms);
  annas->takeAll();
  EXPECT_THAT(annas->all<wire::Notice>(), SizeIs(1)) << "again, for it was slow again";
}

TEST_F(SlowReaders, WhenManyAnswersAreAskedForThenOnlyAsManyAreMadeAsThereIsRoomFor) {
  annas->reads = false;
  for (int i = 0; i < 1'000; ++i) annas->say(wire::Fetch{static_cast<wire::RequestId>(i), small});
  EXPECT_LT(annas->mostUnsent, kWarning + sizeOf(*database.fetch(small)) + 1'000);

  annas->heard.clear();
  annas->takeAll();
  EXPECT_LT(annas->mostUnsent, kWarning + sizeOf(*database.fetch(small)) + 1'000);
  const auto replies = annas->all<wire::ObjectReply>();
  ASSERT_THAT(replies, SizeIs(1'000));
  for (std::size_t i = 0; i < replies.size(); ++i) ASSERT_EQ(replies[i].id, i);
}

// The client keeps what it holds in a table: an answer that seems to know of an unlock that it did
// not know of would make it believe that it still holds the lock.
TEST_F(SlowReaders, WhenAnAnswerHadToWaitThenItAcknowledgesWhatWasHeardWhenItWasMade) {
  annas->reads = false;
  annas->say(wire::Fetch{5, large});
  annas->say(wire::Lock{6, {{asks(anna, small)}, 0}});
  const std::uint64_t asked = annas->stream.lastSent();
  annas->say(wire::Unlock{anna, small});

  annas->takeAll();

  ASSERT_EQ(annas->last<wire::LockAnswered>().id, 6u);
  EXPECT_EQ(annas->acknowledged.back(), asked);
}

TEST_F(SlowReaders, WhenTheLimitsAreReloadedThenTheyHoldForThoseWhoAreHere) {
  annas->reads = false;
  ServerLimits limits = smallLimits();
  limits.slowReaderLimit = 10 * kLimit;
  sessions.setLimits(limits, 10s);
  annas->say(wire::Fetch{5, large});
  annas->flushed();
  for (int i = 0; i < 5; ++i) {
    pass(1s);
    annas->take(10);
    EXPECT_FALSE(isEnded());
  }

  sessions.setLimits(smallLimits(), 10s);
  annas->take(10);
  pass(2s);
  EXPECT_TRUE(isEnded());
}

TEST_F(SlowReaders, WhenItIsEndedWhileMuchWaitsThenNothingOfItStays) {
  annas->reads = false;
  for (int i = 0; i < 100; ++i) annas->say(wire::Fetch{static_cast<wire::RequestId>(i), large});
  annas->flushed();
  annas->take(10);
  pass(2s);
  EXPECT_TRUE(isEnded());
  EXPECT_EQ(sessions.status().bytesQueued, 0u);
}

/// Given: besides, that a lost connection may be gone on with for ten seconds.
class ResumedReaders : public testing::Test, protected SpokenServer {
 protected:
  static ServerLimits patient() {
    ServerLimits limits = smallLimits();
    limits.grace = 10s;
    return limits;
  }
  ResumedReaders() : SpokenServer(patient()), annas(connect()) {
    session = annas->last<wire::Welcome>().session;
    signOn(annas);
    annas->reads = false;
    for (int i = 0; i < 10; ++i) annas->say(wire::Fetch{static_cast<wire::RequestId>(i), small});
    EXPECT_LT(annas->bytesQueued(), kWarning + 6'000) << "the rest waits";
  }
  /// The same client by another connection, and all that it hears there.
  std::vector<wire::ObjectReply> comeBack() {
    annas->isClosed = true;
    sessions.closed(*annas);
    const auto again = std::make_shared<SpokenConnection>(sessions);
    again->stream = annas->stream;
    sessions.opened(again);
    wire::Hello hello;
    hello.session = session;
    hello.epoch = 1;
    again->say(hello);
    EXPECT_TRUE(std::get<wire::Welcome>(again->heard.front()).resumed);
    again->flushed();
    return again->all<wire::ObjectReply>();
  }

  const Oid small = newOrder(5'000);
  const std::shared_ptr<SpokenConnection> annas;
  wire::SessionKey session{};
};

TEST_F(ResumedReaders, WhenMuchWaitedThenAllOfItComesByTheNextConnectionInOrder) {
  const auto replies = comeBack();
  ASSERT_THAT(replies, SizeIs(10));
  for (std::size_t i = 0; i < replies.size(); ++i) EXPECT_EQ(replies[i].id, i);
}

TEST_F(ResumedReaders, WhenAPartWasTakenThenTheRestComes) {
  annas->take(11'000);
  const std::size_t heard = annas->all<wire::ObjectReply>().size();
  EXPECT_GT(heard, 0u);
  EXPECT_THAT(comeBack(), SizeIs(10 - heard));
}

// --- Large answers -------------------------------------------------------------------------------

/// Given: besides, that what a lock brings along is a few megabytes at most in one answer.
class LargeAnswers : public testing::TestWithParam<bool>, protected SpokenServer {
 protected:
  LargeAnswers() : annas(connect(GetParam())) {
    anna = signOn(annas);
    for (int i = 0; i < 12; ++i) orders.push_back(newOrder(std::size_t{1} << 20));
  }
  wire::LockAll all(std::uint32_t known) const {
    wire::LockAll message{9, asks(anna, Oid()), {}};
    for (const Oid order : orders) message.targets.push_back({order, known});
    return message;
  }
  static std::size_t recordsIn(const wire::LockAnswered& answered) {
    std::size_t records = 0;
    for (const wire::LockReply& reply : answered.replies) records += reply.reply.record ? 1 : 0;
    return records;
  }

  const std::shared_ptr<SpokenConnection> annas;
  LockerId anna;
  std::vector<Oid> orders;
};

TEST_P(LargeAnswers, WhenManyObjectsAreLockedThenAllAreGrantedAndTheRestIsFetchedOneByOne) {
  annas->say(all(0));

  const auto answered = annas->last<wire::LockAnswered>();
  EXPECT_EQ(answered.count(), 12u);
  EXPECT_EQ(recordsIn(answered), 3u) << "four megabytes hold three of them";
  for (const Oid order : orders) {
    EXPECT_EQ(database.port(anna)->lockStatus(order)->type, LockType::Exclusive);
    annas->say(wire::Fetch{10, order});
    EXPECT_EQ(annas->last<wire::ObjectReply>().record->oid, order);
  }
}

TEST_P(LargeAnswers, WhenALeftOutObjectIsKnownInAnOlderEditionThenTheClientIsToldFirst) {
  for (const Oid order : orders) {
    ChangeSet change;
    change.changes.emplace_back(ChangeKind::Update,
                                ObjectRecord{order, 1, {Value(std::string(1u << 20, 'y'))}, {}});
    store->commit(change);
  }

  annas->say(all(1));

  const auto stale = annas->all<wire::Invalidate>();
  EXPECT_THAT(stale, SizeIs(9));
  EXPECT_EQ(annas->last<wire::LockAnswered>().count(), 12u) << "the last that it hears";
}

TEST_P(LargeAnswers, WhenALockWaitedForThemThenTheyAreLeftOutLikewise) {
  const auto bens = connect();
  const LockerId ben = signOn(bens);
  bens->say(wire::Lock{1, {{asks(ben, orders[6])}, 1}});
  annas->say(all(0));
  EXPECT_THAT(annas->heard, IsEmpty());

  bens->say(wire::Unlock{ben, orders[6]});

  const auto answered = annas->last<wire::LockAnswered>();
  EXPECT_EQ(answered.count(), 12u);
  EXPECT_EQ(recordsIn(answered), 3u);
}

INSTANTIATE_TEST_SUITE_P(Client, LargeAnswers, testing::Bool(), [](const auto& takesGrants) {
  return takesGrants.param ? "TakesGrants" : "TakesReplies";
});

/// Given: a store with an order that is larger than any message, written when other limits held.
class TooLarge : public testing::Test, protected SpokenServer {
 protected:
  TooLarge() : annas(connect()) { anna = signOn(annas); }

  const std::shared_ptr<SpokenConnection> annas;
  LockerId anna;
  const Oid huge = newOrder(std::size_t{65} << 20);
};

TEST_F(TooLarge, WhenItIsReadThenTheRefusalNamesItAndTheParameterAndTheSessionGoesOn) {
  const auto names = AllOf(HasSubstr(database.schema()->show(huge)), HasSubstr("MaxFrameSize"));
  annas->say(wire::Fetch{5, huge});
  const auto failure = annas->last<wire::FailureReply>().failure;
  EXPECT_EQ(failure.code, ErrorCode::TooLarge);
  EXPECT_THAT(failure.what, names);

  annas->say(wire::Lock{6, {{asks(anna, huge)}, 0}});
  const auto answered = annas->last<wire::LockAnswered>();
  ASSERT_THAT(answered.replies, SizeIs(1));
  ASSERT_TRUE(answered.replies[0].reply.failure);
  EXPECT_THAT(answered.replies[0].reply.failure->what, names);
  EXPECT_TRUE(answered.replies[0].held) << "it is locked, for it is there";
}

// --- Lists ---------------------------------------------------------------------------------------

class LongLists : public testing::TestWithParam<bool>, protected SpokenServer {};

TEST_P(LongLists, WhenThereAreManyLocksThenTheyComeInPartsToWhoTakesParts) {
  const auto annas = connect(true, GetParam());
  const LockerId anna = signOn(annas);
  const Oid::ClassNumber number = defineOrder();
  wire::LockAll wish{9, asks(anna, Oid()), {}};
  for (int i = 0; i < 9'000; ++i)
    wish.targets.push_back({store->newOid(number), 0, Existence::CreatedByLocker});
  annas->say(wish);

  annas->say(wire::Look{10, wire::Subject::LocksOf, Oid(), anna, SIZE_MAX});

  const auto parts = annas->all<wire::LocksReply>();
  ASSERT_THAT(parts, SizeIs(GetParam() ? 3 : 1));
  std::size_t locks = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    locks += parts[i].locks.size();
    EXPECT_EQ(parts[i].id, 10u);
    EXPECT_EQ(parts[i].more, i + 1 < parts.size());
    EXPECT_THAT(parts[i].people, SizeIs(1)) << "each part says who is named in it";
  }
  EXPECT_EQ(locks, 9'000u);
}

TEST_P(LongLists, WhenThereAreManyLocksThenTheyComeInPagesToWhoAsksForPages) {
  const auto annas = connect(true, GetParam());
  const LockerId anna = signOn(annas);
  const Oid::ClassNumber number = defineOrder();
  wire::LockAll wish{9, asks(anna, Oid()), {}};
  for (int i = 0; i < 25'000; ++i)
    wish.targets.push_back({store->newOid(number), 0, Existence::CreatedByLocker});
  annas->say(wish);

  std::set<LockTarget> seen;
  wire::Look look{10, wire::Subject::LocksHeld, Oid(), LockerId(), SIZE_MAX, UINT64_MAX};
  for (int pages = 1;; ++pages, ++look.id) {
    annas->say(look);
    const auto parts = annas->all<wire::LocksReply>();
    ASSERT_FALSE(parts.empty());
    std::size_t locks = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      for (const LockInfo& lock : parts[i].locks) EXPECT_TRUE(seen.insert(lock.target).second);
      locks += parts[i].locks.size();
      EXPECT_EQ(parts[i].more, i + 1 < parts.size());
      EXPECT_FALSE(parts[i].more && parts[i].next);
    }
    EXPECT_LE(locks, 10'000u) << "more than that is no page";
    if (!parts.back().next) break;
    ASSERT_LT(pages, 4);
    look.after = *parts.back().next;
  }
  EXPECT_EQ(seen.size(), 25'000u);
}

TEST_P(LongLists, WhenAPageIsOfWhatHasNoneThenTheRefusalSaysSo) {
  const auto annas = connect(true, GetParam());
  for (const wire::Subject subject :
       {wire::Subject::Nodes, wire::Subject::Processes, wire::Subject::Deadlocks}) {
    annas->say(wire::Look{10, subject, Oid(), LockerId(), SIZE_MAX, 1});
    EXPECT_THAT(annas->last<wire::FailureReply>().failure.what, HasSubstr("pages"));
  }
}

TEST_P(LongLists, WhenACursorIsMadeUpThenAPageComesAllTheSame) {
  const auto annas = connect(true, GetParam());
  const LockerId anna = signOn(annas);
  const Oid::ClassNumber number = defineOrder();
  wire::LockAll wish{9, asks(anna, Oid()), {}};
  for (int i = 0; i < 100; ++i)
    wish.targets.push_back({store->newOid(number), 0, Existence::CreatedByLocker});
  annas->say(wish);
  using Kind = LockCursor::Kind;

  for (const wire::Subject subject : {wire::Subject::LocksHeld, wire::Subject::QueuedRequests,
                                      wire::Subject::LocksOn, wire::Subject::LocksOf}) {
    for (const Kind kind : {Kind::Beginning, Kind::Held, Kind::Newcomer, Kind::Upgrade}) {
      for (const std::uint64_t made : {std::uint64_t{0}, std::uint64_t{1}, UINT64_MAX}) {
        annas->say(wire::Look{10,
                              subject,
                              wish.targets[0].oid,
                              anna,
                              0,
                              made == 0 ? 1 : made,
                              {{made}, made, {made}, kind}});
        EXPECT_LE(annas->last<wire::LocksReply>().locks.size(), 100u);
      }
    }
  }
  EXPECT_FALSE(annas->isClosed);
}

INSTANTIATE_TEST_SUITE_P(Client, LongLists, testing::Bool(), [](const auto& takesParts) {
  return takesParts.param ? "TakesParts" : "TakesWholes";
});

}  // namespace
}  // namespace nephrite

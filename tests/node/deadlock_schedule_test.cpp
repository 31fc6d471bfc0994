// How a deadlock is written down. That it plays to the same end, whatever it was, is held by
// tests/simulation.

#include "node/schedule/deadlock_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "node/schedule/replay.h"

namespace nephrite {
namespace {

using testing::HasSubstr;
using testing::Not;
using enum LockType;

constexpr LockerId kAnna{1}, kBen{2}, kCleo{3};
constexpr LockTarget kOrder{100}, kStock{200};

/// The schedules of the deadlocks in `schedule`.
std::vector<std::string> written(const std::string& schedule) {
  std::vector<std::string> texts;
  std::istringstream in(schedule);
  std::ostringstream events;
  std::ostringstream errors;
  const auto write = [&](const DeadlockRecord& record, const DeadlockNames& names) {
    texts.push_back(scheduleOf(record, names));
  };
  EXPECT_EQ(replay(in, events, errors, true, write), 0) << errors.str();
  return texts;
}

std::string eventsOf(const std::string& schedule) {
  std::istringstream in(schedule);
  std::ostringstream events;
  std::ostringstream errors;
  EXPECT_EQ(replay(in, events, errors), 0) << errors.str() << schedule;
  return events.str();
}

/// Given: Anna holds the order and waits for the stock; Ben holds the stock and asks for the order.
class WrittenDeadlock : public testing::Test {
 protected:
  WrittenDeadlock() {
    record.number = 7;
    record.at = WallTime(std::chrono::milliseconds(1'700'000'000'123));
    record.requester = kBen;
    record.victims = {kBen};
    record.cycle = {{kBen, kOrder, Exclusive}, {kAnna, kStock, Share}};
    record.holds = {{.target = kOrder, .locker = kAnna, .type = Exclusive, .acquired = 1},
                    {.target = kStock, .locker = kBen, .type = Exclusive, .acquired = 2}};
    record.holds[0].age = std::chrono::milliseconds(1500);
    record.waits = {{.target = kOrder, .locker = kBen, .wanted = Exclusive, .asked = 2},
                    {.target = kStock, .locker = kAnna, .wanted = Share, .asked = 1}};
    record.waits[0].timeout = LockTimeout::ofMilliseconds(5000);
    record.waits[1].age = std::chrono::milliseconds(20);
  }

  std::string write() const {
    return scheduleOf(record, {[this](LockerId locker) { return processes.at(locker); },
                               [this](LockTarget target) { return objects.at(target); }});
  }

  DeadlockRecord record;
  std::map<LockerId, std::string> processes{{kAnna, "anna"}, {kBen, "ben"}, {kCleo, "cleo"}};
  std::map<LockTarget, std::string> objects{{kOrder, "Order/2049.1"}, {kStock, "Stock/2050.1"}};
};

TEST_F(WrittenDeadlock, WhenTwoWaitForEachOtherThenItReadsLikeThis) {
  EXPECT_EQ(write(),
            R"(# Deadlock 7, 2023-11-14T22:13:20.123Z, to be played by: nephrite replay FILE
# The last line closes the circle. Refused with 1081: ben
#
# Each waited for the next, the last for the first:
#   ben wanted Order/2049.1 exclusive
#   anna wanted Stock/2050.1 share

process ben
process anna
object Order/2049.1
object Stock/2050.1

ben begin
anna begin
anna exclusiveLock Order/2049.1  # held for 1500 ms
ben exclusiveLock Stock/2050.1  # held for 0 ms
anna lock Stock/2050.1 share transaction 0  # waited for 20 ms
ben lock Order/2049.1 exclusive transaction 5000  # closes the circle
)");
}

TEST_F(WrittenDeadlock, WhenItIsPlayedThenTheSameOneIsRefused) {
  const std::string events = eventsOf(write());

  EXPECT_THAT(events, HasSubstr(R"("process":"ben","verb":"lock","object":"Order/2049.1",)"
                                R"("outcome":"deadlock","code":1081)"));
  EXPECT_THAT(events, Not(HasSubstr(R"("process":"anna","verb":"lock","object":"Stock/2050.1",)"
                                    R"("outcome":"deadlock")")));
}

TEST_F(WrittenDeadlock, WhenNamesCannotStandInAScheduleThenTheyAreMadeToAndToldInComments) {
  processes = {{kAnna, "Anna #1 \xff"}, {kBen, "process"}};
  objects = {{kOrder, "an\torder"}, {kStock, ""}};

  const std::string text = write();

  EXPECT_THAT(text, HasSubstr("process Anna__1__  # Anna #1 ?\n"));
  EXPECT_THAT(text, HasSubstr("process process~2  # process\n"));
  EXPECT_THAT(text, HasSubstr("object an_order  # an?order\n"));
  EXPECT_THAT(text, HasSubstr("object _  # \n"));
  EXPECT_THAT(eventsOf(text), HasSubstr(R"("process":"process~2","verb":"lock")"));
}

TEST_F(WrittenDeadlock, WhenTwoAreCalledTheSameThenOneGetsANumber) {
  processes = {{kAnna, "worker"}, {kBen, "worker"}};

  const std::string text = write();

  EXPECT_THAT(text, HasSubstr("process worker\nprocess worker~2  # worker\n"));
  EXPECT_THAT(eventsOf(text), HasSubstr(R"("outcome":"deadlock")"));
}

TEST_F(WrittenDeadlock, WhenTheRecordWasTruncatedThenItSaysSo) {
  EXPECT_THAT(write(), Not(HasSubstr("Truncated")));

  record.truncated = true;

  EXPECT_THAT(write(), HasSubstr("# Truncated: more processes or objects were involved"));
}

TEST_F(WrittenDeadlock, WhenOneWaitedForSeveralLocksThenTheOneOnTheCircleIsWritten) {
  objects[{300}] = "Bill/2051.1";
  record.holds.push_back({.target = {300}, .locker = kCleo, .type = Exclusive, .acquired = 3});
  record.waits.insert(record.waits.begin(),
                      {.target = {300}, .locker = kAnna, .wanted = Share, .asked = 1});

  const std::string text = write();

  EXPECT_THAT(text, HasSubstr("# anna waited for other locks at the same time"));
  EXPECT_THAT(text, Not(HasSubstr("anna lock Bill")));
  EXPECT_THAT(eventsOf(text), HasSubstr(R"("outcome":"deadlock")"));
}

TEST(DeadlockSchedule, WhenASessionTypeIsWeakerThanTheLockThenBothAreAskedFor) {
  const auto texts = written(
      "process A\nprocess B\nobject X\nobject Y\nA lock X reserve session 0\nA exclusiveLock X\n"
      "B exclusiveLock Y\nB sharedLock X\nA sharedLock Y\n");

  ASSERT_EQ(texts.size(), 1u);
  EXPECT_THAT(texts[0], HasSubstr("A lock X reserve session 0  # held for 0 ms\nA exclusiveLock X\n"
                                  "B exclusiveLock Y  # held"));
}

TEST(DeadlockSchedule, WhenOneHasLockedMuchBeforeThenWhatIsHeldLongestStillComesFirst) {
  std::string schedule = "process A\nprocess B\nobject X\nobject Y\nobject Z\n";
  for (int i = 0; i < 40; ++i) schedule += "A exclusiveLock Z\nA unlock Z\n";
  const auto texts = written(schedule +
                             "A exclusiveLock X\nadvance 5\nB exclusiveLock Y\n"
                             "B sharedLock X\nA sharedLock Y\n");

  ASSERT_EQ(texts.size(), 1u);
  EXPECT_THAT(texts[0], HasSubstr("A exclusiveLock X  # held for 5 ms\n"
                                  "B exclusiveLock Y  # held for 0 ms\n"));
}

TEST(DeadlockSchedule, WhenTwoAcquiredAtTheSameTimeThenEachFollowsItsOwnOrder) {
  const auto texts = written(
      "process A\nprocess B\nprocess C\nobject X\nobject Y\n"
      "B sharedLock Y\nB sharedLock X\nA sharedLock X\nC exclusiveLock Y\n"
      "A exclusiveLock X\nB exclusiveLock X\n");

  ASSERT_EQ(texts.size(), 1u);
  const std::string& text = texts[0];
  EXPECT_LT(text.find("B sharedLock X"), text.find("A sharedLock X")) << text;
}

TEST(DeadlockSchedule, WhenACommitWaitsThenItChangesItsObjectsAndCommits) {
  const auto texts = written(
      "setting DoubleDeadlockException=true\nprocess A updateLocks timeout=70\nprocess B\n"
      "object X\nobject Y\nA begin\nA update X\nA update Y\nB sharedLock Y\nadvance 60\n"
      "A commit\nB exclusiveLock X\n");

  ASSERT_EQ(texts.size(), 1u);
  EXPECT_THAT(texts[0], HasSubstr("setting DoubleDeadlockException=true\n"));
  EXPECT_THAT(texts[0], HasSubstr("process A timeout=70\n"));
  EXPECT_THAT(texts[0], HasSubstr("A updateLock X  # held for 60 ms\nA update X\n"));
  EXPECT_THAT(texts[0], HasSubstr("A updateLock Y  # held for 60 ms\nA update Y\n"));
  EXPECT_THAT(texts[0], HasSubstr("A commit  # waited for 0 ms\n"
                                  "B lock X exclusive transaction 0  # closes the circle\n"));
}

// C stands before A's upgrade in time and behind it in the queue, and nobody who holds X is in its
// way: only when A has asked first does it queue again.
TEST(DeadlockSchedule, WhenALaterUpgradeIsAllThatKeepsANewcomerWaitingThenItIsWrittenFirst) {
  const auto texts = written(
      "process A priority=5\nprocess B priority=-5\nprocess C priority=5\nprocess D\n"
      "object X\nobject Y\n"
      "A sharedLock X\nB sharedLock X\nC exclusiveLock Y\nB exclusiveLock X\nC sharedLock X\n"
      "A exclusiveLock X\n"
      "B sharedLock Y\n");

  ASSERT_EQ(texts.size(), 2u) << "B lost its upgrade to A, then asks for what C holds";
  const std::string& text = texts[1];
  EXPECT_LT(text.find("A lock X exclusive"), text.find("C lock X share"));
  EXPECT_THAT(eventsOf(text), HasSubstr(R"("process":"B","verb":"lock","object":"Y",)"
                                        R"("outcome":"deadlock")"));
}

TEST(DeadlockSchedule, WhenFarTooManyTookPartThenItStillEndsWithTheFirstVictim) {
  std::string crowd =
      "process A\nprocess B priority=-1\nobject X\nobject Y\n"
      "A exclusiveLock X\nB exclusiveLock Y\n";
  for (int i = 0; i < 200; ++i) {
    const std::string name = "P" + std::to_string(i);
    crowd += "process " + name + "\n" + name + " sharedLock X\n";
  }
  crowd += "B sharedLock X\nA sharedLock Y\n";

  const auto texts = written(crowd);

  ASSERT_EQ(texts.size(), 1u);
  EXPECT_THAT(texts[0], HasSubstr("# Truncated"));
  EXPECT_THAT(texts[0], Not(HasSubstr("process P199")));
  EXPECT_THAT(eventsOf(texts[0]), HasSubstr(R"("process":"B","verb":"lock","object":"X",)"
                                            R"("outcome":"deadlock")"));
}

// --- In a tree -----------------------------------------------------------------------------------

TEST(DeadlockSchedule, WhenALockAboveIsPartOfItThenThePlacesAreWrittenAndItEndsTheSame) {
  const auto texts = written(
      "process A\nprocess B\nobject room at /room\nobject order at /room/order\nobject stock\n"
      "A begin\nB begin\nA exclusiveLock room subtree\nB exclusiveLock stock\n"
      "A sharedLock stock\nB sharedLock order\n");

  ASSERT_EQ(texts.size(), 1u);
  EXPECT_THAT(texts[0], HasSubstr("#   B wanted order share, and waited at room\n"));
  EXPECT_THAT(texts[0], HasSubstr("object room at /room\nobject order at /room/order\n"));
  EXPECT_THAT(texts[0], HasSubstr("\nobject stock\n"));
  EXPECT_THAT(texts[0], HasSubstr("A exclusiveLock room subtree  # held for 0 ms\n"));
  EXPECT_THAT(texts[0], HasSubstr("B lock order share transaction 0  # closes the circle\n"));
  EXPECT_THAT(eventsOf(texts[0]), HasSubstr(R"("process":"B","verb":"lock","object":"order",)"
                                            R"("outcome":"deadlock")"));
}

// Asked for at once, Update would let the Share go first, with what that has below.
TEST(DeadlockSchedule, WhenLessIsHeldBelowAnUpdateThenItIsWrittenByWayOfReserve) {
  const auto texts = written(
      "process A\nprocess B\nobject room at /room\nobject order at /room/order\nobject stock\n"
      "A begin\nB begin\nA sharedLock room subtree\nA reserveLock room\nA updateLock room\n"
      "B exclusiveLock stock\nA sharedLock stock\nB exclusiveLock order\n");

  ASSERT_EQ(texts.size(), 1u);
  EXPECT_THAT(texts[0], HasSubstr("A sharedLock room subtree  # held for 0 ms\n"
                                  "A reserveLock room\nA updateLock room\n"));
  EXPECT_THAT(eventsOf(texts[0]), HasSubstr(R"("process":"B","verb":"lock","object":"order",)"
                                            R"("outcome":"deadlock")"));
}

TEST(DeadlockSchedule, WhenALockBelowIsPartOfItThenItIsWrittenAndItEndsTheSame) {
  const auto texts = written(
      "process A priority=1\nprocess B\nobject room at /room\nobject order at /room/order\n"
      "object stock\nA begin\nB begin\nB sharedLock order\nA exclusiveLock stock\n"
      "B lock stock share transaction 5000\nA lock / exclusive session 5000 subtree\n");

  ASSERT_EQ(texts.size(), 1u);
  EXPECT_THAT(texts[0], HasSubstr("B sharedLock order  # held for 0 ms\n"));
  EXPECT_THAT(texts[0],
              HasSubstr("A lock / exclusive session 5000 subtree  # closes the circle\n"));
  EXPECT_THAT(eventsOf(texts[0]), HasSubstr(R"("process":"B","verb":"lock","object":"stock",)"
                                            R"("outcome":"deadlock")"));
}

TEST(DeadlockSchedule, WhenMoreIsHeldOfTheRoomThanBelowThenBothAreWritten) {
  const auto texts = written(
      "process A\nprocess B\nobject room at /room\nobject order at /room/order\nobject stock\n"
      "A begin\nB begin\nA lock room share session 0 subtree\n"
      "A reserveLock room subtree\nA exclusiveLock room\nB exclusiveLock stock\nA sharedLock "
      "stock\n"
      "B exclusiveLock order\n");

  ASSERT_EQ(texts.size(), 1u);
  EXPECT_THAT(texts[0], HasSubstr("A lock room share session 0 subtree  # held for 0 ms\n"
                                  "A reserveLock room subtree\nA exclusiveLock room\n"));
  EXPECT_THAT(eventsOf(texts[0]), HasSubstr(R"("process":"B","verb":"lock","object":"order",)"
                                            R"("outcome":"deadlock")"));
}

TEST_F(WrittenDeadlock, WhenThereAreSeveralRootsThenTheyStandBelowTheOneOfTheSchedule) {
  constexpr LockTarget kRoom{300}, kHall{400};
  objects[kRoom] = "Room/2051.1";
  objects[kHall] = "..";
  record.places = {{kOrder, kRoom}, {kStock, kHall}};

  const std::string text = write();

  EXPECT_THAT(text, HasSubstr("object Room/2051.1 at /Room_2051.1\nobject .. at /_\n"
                              "object Order/2049.1 at /Room_2051.1/Order_2049.1\n"
                              "object Stock/2050.1 at /_/Stock_2050.1\n"));
  EXPECT_THAT(eventsOf(text), HasSubstr(R"("process":"ben","verb":"lock","object":"Order/2049.1",)"
                                        R"("outcome":"deadlock","code":1081)"));
}

}  // namespace
}  // namespace nephrite

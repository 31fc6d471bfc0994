#include "runtime/errors/exceptions.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

using testing::HasSubstr;

class Exceptions : public GivenProcesses {};

TEST_P(Exceptions, ARefusedLockNamesObjectHolderAndTimes) {
  pass(3s);
  ASSERT_TRUE(gets(p1, o, Exclusive));
  pass(200ms);
  const auto asked = start(p2, [&] { as(p2, o).sharedLock(3s); });
  pass(3s);

  const auto thrown = thrownBy<LockException>([&] { asked->end(); });

  ASSERT_TRUE(thrown.has_value());
  EXPECT_EQ(std::string(thrown->what()),
            o.toString() + " is locked: process " + std::to_string(p1.info().locker.value) +
                " (\"one\", user anna, node main) holds exclusive since 00:00:03 UTC (3.2 s); "
                "asked share, waited 3000 ms");
}

TEST_P(Exceptions, WhoWaitsAheadInTheQueueIsNamedToo) {
  ASSERT_TRUE(gets(p1, o, Share));
  const auto ahead = start(p2, [&] { as(p2, o).exclusiveLock(); });
  ASSERT_TRUE(ahead->isWaiting());

  const auto thrown =
      thrownBy<LockException>([&] { as(p3, o).sharedLock(LockTimeout::immediate()); });

  ASSERT_TRUE(thrown.has_value());
  EXPECT_THAT(thrown->what(),
              HasSubstr("(\"two\", user ben, node main) waits for it ahead in the queue since"));
  EXPECT_EQ(thrown->facts().lockedType, Get);
  as(p1, o).unlock();
  ahead->end();
}

TEST_P(Exceptions, ALockThatIsMetAboveItsObjectNamesThatTooAndItsScope) {
  ASSERT_EQ(form.local().setPlace(o2.oid(), o.oid()), LockManager::Placing::Done);
  as(p1, o).lock({.type = Exclusive, .duration = kSession, .scope = LockScope::Subtree});

  const auto thrown =
      thrownBy<LockException>([&] { as(p2, o2).sharedLock(LockTimeout::immediate()); });

  ASSERT_TRUE(thrown.has_value());
  EXPECT_EQ(thrown->lockTarget(), o2.oid());
  EXPECT_EQ(thrown->facts().lockedAt, o.oid());
  EXPECT_THAT(thrown->what(), HasSubstr(o2.toString() + " is locked: process "));
  EXPECT_THAT(thrown->what(), HasSubstr("holds exclusive on " + o.toString() + " and all below"));
  as(p1, o).unlock();
  as(p2, o2).sharedLock(LockTimeout::immediate());
}

TEST_P(Exceptions, ALockThatIsMetBelowItsObjectNamesWhatIsLockedThere) {
  ASSERT_EQ(form.local().setPlace(o2.oid(), o.oid()), LockManager::Placing::Done);
  ASSERT_TRUE(gets(p1, o2, Exclusive));

  const auto thrown = thrownBy<LockException>([&] {
    as(p2, o).lock(
        {.type = Share, .timeout = LockTimeout::immediate(), .scope = LockScope::Subtree});
  });

  ASSERT_TRUE(thrown.has_value());
  EXPECT_TRUE(thrown->facts().lockedBelow);
  EXPECT_EQ(thrown->facts().lockedAt, o2.oid());
  EXPECT_THAT(thrown->what(), HasSubstr(o.toString() + " is locked: process "));
  EXPECT_THAT(thrown->what(),
              HasSubstr("holds exclusive below it, on " + o2.toString() + ", since"));
}

TEST_P(Exceptions, WhoWaitsBelowAnObjectIsNamedToo) {
  ASSERT_EQ(form.local().setPlace(o2.oid(), o.oid()), LockManager::Placing::Done);
  ASSERT_TRUE(gets(p1, o2, Share));
  const auto below = start(p2, [&] { as(p2, o2).exclusiveLock(); });
  ASSERT_TRUE(below->isWaiting());

  const auto thrown = thrownBy<LockException>([&] {
    as(p3, o).lock(
        {.type = Share, .timeout = LockTimeout::immediate(), .scope = LockScope::Subtree});
  });

  ASSERT_TRUE(thrown.has_value());
  EXPECT_THAT(thrown->what(), HasSubstr("waits below it, for " + o2.toString() + ", since"));
  as(p1, o2).unlock();
  below->end();
}

TEST_P(Exceptions, ALockThatCoversAnObjectFromAboveIsListedWithIt) {
  ASSERT_EQ(form.local().setPlace(o2.oid(), o.oid()), LockManager::Placing::Done);
  as(p1, o).lock({.type = Exclusive, .duration = kSession, .scope = LockScope::Subtree});

  const std::vector<Lock> listed = p2.system().getLocksOn(as(p2, o2));
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].target, o2.oid());
  EXPECT_EQ(listed[0].lockedAt, o.oid());
  EXPECT_EQ(listed[0].requestedBy.locker, p1.info().locker);
  const auto holders = p2.system().getObjectLockProcesses(as(p2, o2));
  ASSERT_EQ(holders.size(), 1u);
  EXPECT_EQ(holders[0].locker, p1.info().locker);
  EXPECT_EQ(as(p1, o2).lockStatus().type, Get) << "it holds the one above";
  as(p1, o).unlock();
}

TEST_P(Exceptions, ARefusalSaysThroughWhatTheHolderCame) {
  Process phone = node.signOn(
      {.user = "mia", .name = "phone", .face = Face::Rest, .faceOwner = "mia at 10.0.0.7"});
  ASSERT_TRUE(gets(phone, o, Exclusive));

  const auto thrown =
      thrownBy<LockException>([&] { as(p2, o).sharedLock(LockTimeout::immediate()); });

  ASSERT_TRUE(thrown.has_value());
  EXPECT_EQ(thrown->targetLockedBy().face, Face::Rest);
  EXPECT_THAT(thrown->what(), HasSubstr("(\"phone\", user mia, node main, through rest mia at "
                                        "10.0.0.7) holds exclusive"));
}

TEST_P(Exceptions, WhatAFaceCallsItsOwnerIsShort) {
  const auto signOn = [&](std::size_t bytes) {
    node.signOn({.name = "phone", .face = Face::Rest, .faceOwner = std::string(bytes, 'm')});
  };
  signOn(200);
  const auto thrown = thrownBy<UsageException>([&] { signOn(201); });
  ASSERT_TRUE(thrown.has_value());
  EXPECT_EQ(thrown->code(), ErrorCode::TooLarge);
  EXPECT_THAT(thrown->what(), HasSubstr("what a face calls its owner has 201 bytes"));
}

TEST_P(Exceptions, AProcessThatSaysNoFaceHasThatOfItsNode) {
  Node door = Node::signOn(database,
                           NodeSignOn{.name = "door", .face = Face::Clasp, .faceOwner = "hall 4"});
  EXPECT_EQ(door.signOn({.name = "one"}).info().through(), "clasp hall 4");
  EXPECT_EQ(door.signOn({.name = "two", .faceOwner = "hall 5"}).info().through(), "clasp hall 5");
  EXPECT_EQ(door.signOn({.name = "three", .face = Face::Jade}).info().through(), "");
  EXPECT_EQ(database->describe(door.info().locker).through(), "clasp hall 4");
}

TEST_P(Exceptions, ADeadlockSaysWhatWeHoldThatTheOtherWants) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  ASSERT_TRUE(gets(p2, o2, Exclusive));
  const auto first = start(p1, [&] { as(p1, o2).exclusiveLock(); });
  ASSERT_TRUE(first->isWaiting());

  const auto thrown = thrownBy<DeadlockException>([&] { as(p2, o).exclusiveLock(); });

  ASSERT_TRUE(thrown.has_value());
  EXPECT_THAT(thrown->what(), HasSubstr("deadlock on " + o.toString() + ": process "));
  EXPECT_THAT(thrown->what(), HasSubstr("that one wants " + o2.toString() + " held by us"));
  EXPECT_THAT(thrown->what(), HasSubstr("abort the transaction"));
  p2.abortTransaction();
  first->end();
}

TEST_P(Exceptions, AHolderThatHasGoneIsStillNamed) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  auto thrown = thrownBy<LockException>([&] { as(p2, o).sharedLock(LockTimeout::immediate()); });
  p1.signOff();
  ASSERT_TRUE(thrown.has_value());
  EXPECT_EQ(thrown->targetLockedBy().name, "one");
  EXPECT_EQ(database->describe(thrown->targetLockedBy().locker).name, "one");
  EXPECT_THAT(thrown->what(), HasSubstr("(\"one\", user anna, node main) holds exclusive since"));
}

TEST_P(Exceptions, ADeadlockIsToldTheSameWhenAllAreGone) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  ASSERT_TRUE(gets(p2, o2, Exclusive));
  const auto first = start(p1, [&] { as(p1, o2).exclusiveLock(); });
  const auto thrown = thrownBy<DeadlockException>([&] { as(p2, o).exclusiveLock(); });
  p2.abortTransaction();
  first->end();
  ASSERT_TRUE(thrown.has_value());
  const DeadlockException copy = *thrown;
  const std::string holder = "process " + std::to_string(p1.info().locker.value);

  for (Process* const process : {&p1, &p2, &p3}) process->signOff();

  EXPECT_THAT(thrown->what(), testing::StartsWith("deadlock on Order/"));
  EXPECT_THAT(thrown->what(), HasSubstr(holder + " (\"one\", user anna, node main) holds"));
  EXPECT_THAT(thrown->what(), HasSubstr("held by us; asked exclusive, waited 0 ms"));
  EXPECT_STREQ(copy.what(), thrown->what());
}

TEST_P(Exceptions, WhatIsDeletedCannotBeChangedAndLeavesNoLock) {
  p1.beginTransaction();
  as(p1, o).deleteObject();
  p1.commitTransaction();

  p2.beginTransaction();
  EXPECT_EQ(codeOf([&] { as(p2, o).set("total", 1); }), 1072);
  EXPECT_THAT(p3.system().getLocksOn(o), testing::IsEmpty());
  p2.abortTransaction();
}

TEST_P(Exceptions, ADeadlockIsNoLockException) {
  EXPECT_FALSE((std::is_base_of_v<LockException, DeadlockException>));
  EXPECT_FALSE((std::is_base_of_v<std::exception, ActionAborted>));
}

TEST_P(Exceptions, UseThatMakesNoSenseSaysWhatToDo) {
  const auto says = [](const std::function<void()>& action) {
    const auto thrown = thrownBy<UsageException>(action);
    return thrown ? std::to_string(thrown->errorCode()) + " " + thrown->what() : "";
  };
  p1.beginTransaction();
  EXPECT_THAT(says([&] { p1.beginTransaction(); }), HasSubstr("64001 "));
  EXPECT_THAT(says([&] { as(p1, o).lock(Share, LockDuration::Persistent, 1s); }),
              HasSubstr("64003 " + o.toString() + ": Persistent duration is reserved"));
  EXPECT_THAT(says([&] { as(p1, o).set("totals", 1); }),
              HasSubstr("64009 " + o.toString() + ": class Order has no property \"totals\""));
  EXPECT_THAT(says([&] { as(p1, o).set("total", "many"); }),
              HasSubstr(".total cannot hold \"many\": it is a value of type String, not Integer"));
  EXPECT_THAT(says([&] { as(p1, o).set("note", "\xff"); }), HasSubstr("64010 "));
  EXPECT_THAT(says([&] { as(p1, o).get<std::string>("total"); }), testing::IsEmpty())
      << "null is every type's";
  as(p1, o).set("total", 1);
  EXPECT_THAT(says([&] { as(p1, o).get<std::string>("total"); }), HasSubstr("64010 "));
  EXPECT_THAT(says([&] { p1.create("Ordr"); }), HasSubstr("64008 there is no class \"Ordr\""));
  EXPECT_THAT(says([&] { Set(as(p1, o)); }), HasSubstr("64011 "));
  EXPECT_THAT(says([&] { Object().sharedLock(); }), HasSubstr("1090 "));
  EXPECT_THAT(says([&] { p2.endLock(); }), HasSubstr("64002 "));
  EXPECT_THAT(says([&] { p2.commitTransaction(); }), HasSubstr("1026 "));
  p3.signOff();
  EXPECT_THAT(says([&] { as(p3, o).sharedLock(); }),
              HasSubstr("64006 process \"three\" has signed off"));
}

TEST_P(Exceptions, WhatWasDeletedIsSaidSo) {
  p1.beginTransaction();
  as(p1, o).deleteObject();
  EXPECT_FALSE(as(p1, o).exists());
  EXPECT_TRUE(as(p2, o).exists());
  EXPECT_EQ(codeOf([&] { as(p1, o).get<int>("total"); }), 1072);
  const auto waits = start(p2, [&] { as(p2, o).sharedLock(); });
  ASSERT_TRUE(waits->isWaiting());

  p1.commitTransaction();

  EXPECT_THROW(waits->end(), ObjectDeletedException);
  EXPECT_EQ(codeOf([&] { as(p3, o).sharedLock(); }), 1072);
  EXPECT_THAT(p3.system().getLocksOn(o), testing::IsEmpty());
}

// Whoever has locked it before knows that it was there.
TEST_P(Exceptions, WhatWasLockedBeforeAndThenDeletedIsSaidSo) {
  for (Process* const process : {&p1, &p2}) {
    for (int again = 0; again < 2; ++again) {
      as(*process, o).exclusiveLock();
      as(*process, o).unlock();
    }
  }
  p1.beginTransaction();
  as(p1, o).deleteObject();
  EXPECT_EQ(codeOf([&] { as(p1, o).exclusiveLock(); }), 1072);
  p1.commitTransaction();

  EXPECT_EQ(codeOf([&] { as(p1, o).sharedLock(); }), 1072);
  EXPECT_EQ(codeOf([&] { as(p2, o).sharedLock(); }), 1072);
  EXPECT_THAT(p3.system().getLocksOn(o), testing::IsEmpty());
}

/// The numbers that enumerators of runtime/errors/error_code.h stand for: "  Name = 1026,".
std::set<int> codesInSource() {
  std::ifstream header(NEPHRITE_SOURCE_DIR "/runtime/errors/error_code.h");
  std::set<int> numbers;
  for (std::string word, before; header >> word; before = word) {
    if (before == "=") numbers.insert(std::atoi(word.c_str()));
  }
  return numbers;
}

// docs/errors.md has one row "| code | name | ... |" for each code, and no other.
TEST(ErrorCodes, StandInTheDocumentationWithTheirNames) {
  const std::set<int> codes = codesInSource();
  ASSERT_GT(codes.size(), 20u);
  std::ifstream document(NEPHRITE_SOURCE_DIR "/docs/errors.md");
  std::set<int> documented;
  for (std::string line; std::getline(document, line);) {
    int number = 0;
    if (std::sscanf(line.c_str(), "| %d |", &number) != 1) continue;
    EXPECT_TRUE(documented.insert(number).second) << "twice: " << line;
    const std::string row = "| " + std::to_string(number) + " | " +
                            std::string(nameOf(static_cast<ErrorCode>(number))) + " | ";
    EXPECT_THAT(line, testing::StartsWith(row));
  }
  EXPECT_EQ(documented, codes);
}

NEPHRITE_ON_BOTH_FORMS(Exceptions);

}  // namespace
}  // namespace nephrite

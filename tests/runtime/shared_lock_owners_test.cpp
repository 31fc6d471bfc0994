// Families, leases and resources as an application meets them: docs/locking.md, sections 8, 10, 11.

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

class Owners : public testing::Test {
 protected:
  Owners() {
    ObjectStore::Options options;
    options.inMemory = true;
    database =
        std::make_shared<LocalDatabase>(std::shared_ptr<ObjectStore>(ObjectStore::open(options)),
                                        SystemClock::instance(), LocalDatabase::Options{});
    node = Node::signOn(database, "owners");
    anna = node.signOn({.name = "anna"});
    ben = node.signOn({.name = "ben"});
    anna.defineClass({.name = "Order", .properties = {{"total", ValueType::Integer64}}});
    anna.beginTransaction();
    order = anna.create("Order");
    anna.commitTransaction();
  }

  Object of(Process& process) const { return process.object(order.oid()); }

  std::shared_ptr<LocalDatabase> database;
  Node node;
  Process anna, ben;
  Object order;
};

// --- Resources -----------------------------------------------------------------------------------

TEST_F(Owners, GivenAResourceThatAnnaHasLockedWhenBenAsksForItThenHeLearnsWhatAndWhoByName) {
  anna.resource("nightly run").lock({.duration = kSession});

  try {
    ben.resource("nightly run").lock({.duration = kSession, .timeout = LockTimeout::immediate()});
    FAIL() << "granted to both";
  } catch (const LockException& refused) {
    EXPECT_NE(std::string(refused.what()).find("resource nightly run"), std::string::npos)
        << refused.what();
    EXPECT_EQ(refused.targetLockedBy().name, "anna");
  }
  EXPECT_TRUE(ben.resource("nightly ruN").tryLock(LockType::Exclusive)) << "another name";
}

TEST_F(Owners, GivenAResourceAndAnObjectWhenEachIsAskedForByTheOthersHolderThenItIsADeadlock) {
  anna.beginTransaction();
  ben.beginTransaction();
  of(anna).exclusiveLock();
  ben.resource("r").exclusiveLock();
  std::promise<bool> granted;
  anna.lockAsync(anna.resource("r"), {},
                 [&](const LockResult& r) { granted.set_value(r.granted()); });

  try {
    of(ben).exclusiveLock(10s);
    FAIL() << "no deadlock";
  } catch (const DeadlockException& deadlock) {
    ASSERT_EQ(deadlock.cycle().size(), 2u);
    EXPECT_EQ(deadlock.cycle()[1].targetName, "resource r");
  }
  ben.abortTransaction();
  EXPECT_TRUE(granted.get_future().get());
}

TEST_F(Owners, WhenAHandleIsGoneThenTheLockStaysAndTheNameIsTheSameAgain) {
  const Oid before = anna.resource("kept").oid();
  anna.resource("kept").lock({.duration = kSession});
  for (int i = 0; i < 5'000; ++i) ben.resource("passing " + std::to_string(i));

  EXPECT_EQ(ben.resource("kept").oid(), before);
  EXPECT_FALSE(ben.resource("kept").tryLock(LockType::Share));
}

TEST_F(Owners, GivenNamesThatCannotBeThenEachIsRefusedWithAReason) {
  const auto refusal = [&](const std::string& name) -> std::string {
    try {
      anna.resource(name);
    } catch (const UsageException& refused) {
      return std::to_string(refused.errorCode()) + " " + refused.what();
    }
    return "";
  };
  EXPECT_EQ(refusal("").substr(0, 5), "64023");
  EXPECT_NE(refusal(std::string(1'025, 'x')).find("1025"), std::string::npos);
  EXPECT_EQ(refusal(std::string(1'024, '\0')), "") << "any bytes";
  EXPECT_EQ(anna.resource(std::string("a\n\"b", 4)).toString(), "resource \"a\\x0a\\\"b\"");
}

TEST_F(Owners, WhenAResourceIsReadOrChangedThenItIsRefusedWithAReason) {
  anna.beginTransaction();
  const Object impossible = anna.object(anna.resource("r").oid());
  EXPECT_THROW(impossible.set("total", 1), UsageException);
  EXPECT_FALSE(impossible.exists());
}

// --- Leases --------------------------------------------------------------------------------------

TEST_F(Owners, GivenALeaseThatIsNotRenewedThenTheOwnerIsToldAndAWaiterIsGranted) {
  std::promise<LapsedLock> told;
  Process cleo = node.signOn(
      {.name = "cleo", .lockLapsed = [&](const LapsedLock& lapsed) { told.set_value(lapsed); }});
  cleo.resource("r").lock({.duration = kSession, .lease = 30ms});

  ben.resource("r").lock({.duration = kSession, .timeout = 10s});

  const LapsedLock lapsed = told.get_future().get();
  EXPECT_EQ(lapsed.targetName, "resource r");
  EXPECT_EQ(lapsed.type, LockType::Exclusive);
  EXPECT_EQ(lapsed.lease.length, 30ms);
  EXPECT_FALSE(cleo.resource("r").isLockedByMe());
  EXPECT_FALSE(cleo.resource("r").renew());
}

TEST_F(Owners, GivenAChangeUnderALockThatHasLapsedThenTheCommitIsRefusedAndNothingIsVisible) {
  anna.beginTransaction();
  of(anna).lock({.lease = 20ms});
  of(anna).set("total", 7);
  of(ben).lock(LockType::Exclusive, kSession, 10s);  // Until it lapses.
  of(ben).unlock();
  of(anna).exclusiveLock();  // Taken again: the change is lost all the same.

  try {
    anna.commitTransaction();
    FAIL() << "committed";
  } catch (const LockLostException& refused) {
    EXPECT_EQ(refused.errorCode(), 64021) << refused.what();
    EXPECT_EQ(refused.lockTarget(), order.oid());
  }
  anna.abortTransaction();
  EXPECT_EQ(of(ben).get<int>("total"), 0);
}

TEST_F(Owners, GivenAnEarlierLapseWhenAnOperatorTakesALockFromACommitThatWaitsThenThatIsSaid) {
  anna.beginTransaction();
  const Object other = anna.create("Order");
  anna.commitTransaction();
  anna.beginTransaction();
  of(anna).lock({.type = Update, .lease = 1ms});
  of(ben).lock(Exclusive, kSession, 10s);  // Until it lapses.
  of(ben).unlock();
  of(anna).updateLock();
  of(anna).set("total", 1);
  anna.object(other.oid()).updateLock();
  anna.object(other.oid()).set("total", 1);
  ben.object(other.oid()).sharedLock();
  Pending commit(*database, anna, [this] { anna.commitTransaction(); });

  ASSERT_TRUE(database->breakLock(anna.info().locker, other.oid(), {"operator", "test"}));

  const auto lost = thrownBy<LockLostException>([&] { commit.end(); });
  ASSERT_TRUE(lost.has_value());
  EXPECT_EQ(lost->code(), ErrorCode::LockLost) << lost->what();
}

TEST_F(Owners, GivenALapseOnANewObjectWhenAnOperatorTakesALockFromItsCommitThenThatIsSaid) {
  anna.beginTransaction();
  const Object made = anna.create("Order");
  made.lock({.type = Share, .lease = 1ms});
  anna.resource("r").lock({.type = Share, .duration = kSession, .lease = 1ms});
  of(ben).unlock();
  ben.resource("r").exclusiveLock(10s);  // Until the one that was made later has lapsed, too.
  of(anna).updateLock();
  of(anna).set("total", 1);
  of(ben).sharedLock();
  Pending commit(*database, anna, [this] { anna.commitTransaction(); });

  ASSERT_TRUE(database->breakLock(anna.info().locker, order.oid(), {"operator", "test"}));

  const auto lost = thrownBy<LockLostException>([&] { commit.end(); });
  ASSERT_TRUE(lost.has_value());
  EXPECT_EQ(lost->code(), ErrorCode::LockLost) << lost->what();
}

TEST_F(Owners, GivenALeaseThatIsNoLengthOfTimeThenItIsRefusedAndNothingIsLocked) {
  for (const auto length : {0ms, -5ms, std::chrono::milliseconds(25 * 24h)}) {
    try {
      anna.resource("r").lock({.lease = length});
      ADD_FAILURE() << length.count();
    } catch (const UsageException& refused) {
      EXPECT_EQ(refused.errorCode(), 64023) << refused.what();
    }
  }
  EXPECT_FALSE(anna.resource("r").isLockedByMe());
}

TEST_F(Owners, GivenALeaseThenListingsSayWhatIsLeftOfIt) {
  anna.resource("r").lock({.duration = kSession, .lease = 1h});

  const auto locks = anna.system().getLocksOn(anna.resource("r"));

  ASSERT_EQ(locks.size(), 1u);
  EXPECT_EQ(locks[0].lease.length, 1h);
  EXPECT_GT(locks[0].leaseLeft, 59min);
  EXPECT_LE(locks[0].leaseLeft, 1h);
}

// --- Families ------------------------------------------------------------------------------------

TEST_F(Owners, GivenAParentsLockWhenTheChildAsksThenItIsGrantedAndWhenASiblingDoesItIsNot) {
  Process child = node.signOn({.name = "child", .parent = &anna});
  Process sibling = node.signOn({.name = "sibling", .parent = &anna});
  anna.resource("r").lock({.duration = kSession});

  EXPECT_TRUE(child.resource("r").tryLock(LockType::Exclusive, kSession));
  EXPECT_FALSE(sibling.resource("r").tryLock(LockType::Share, kSession));
  EXPECT_FALSE(ben.resource("r").tryLock(LockType::Share, kSession));
  child.resource("r").unlock();
  EXPECT_TRUE(anna.resource("r").isLockedByMe());
  EXPECT_EQ(anna.system().getLocksOn(anna.resource("r")).size(), 1u);
}

TEST_F(Owners, WhenAChildSignsOffToItsParentThenTheParentHasItsLocks) {
  Process child = node.signOn({.name = "child", .parent = &anna});
  child.resource("r").lock({.duration = kSession});

  child.signOffToParent();

  EXPECT_EQ(anna.resource("r").lockStatus().type, LockType::Exclusive);
  EXPECT_EQ(anna.resource("r").lockStatus().duration, kSession);
  EXPECT_FALSE(ben.resource("r").tryLock(LockType::Share));
}

TEST_F(Owners, GivenAnObjectThatIsNotCommittedWhenItsMakerSignsOffThenNobodyInheritsALockOnIt) {
  Process child = node.signOn({.name = "child", .parent = &anna});
  child.beginTransaction();
  const Object made = child.create("Order");
  ASSERT_TRUE(made.tryLock(LockType::Share, kSession));
  child.resource("r").lock({.duration = kSession});

  child.signOffToParent();

  EXPECT_TRUE(database->locksOn(made.oid()).empty());
  EXPECT_TRUE(anna.resource("r").isLockedByMe());
}

TEST_F(Owners, GivenALockOfTheParentWhenTheChildDeletesTheObjectThenItEndsAndWaitersAreTold) {
  Process child = node.signOn({.name = "child", .parent = &anna});
  ASSERT_TRUE(of(anna).tryLock(Share, kSession));
  Pending waits(*database, ben, [this] { of(ben).exclusiveLock(60s); });

  child.beginTransaction();
  of(child).deleteObject();
  child.commitTransaction();

  EXPECT_THROW(waits.end(), ObjectDeletedException);
  EXPECT_FALSE(of(anna).isLockedByMe());
}

TEST_F(Owners, WhenAParentSignsOffThenSoDoItsDescendants) {
  Process child = node.signOn({.name = "child", .parent = &anna});
  Process grandchild = node.signOn({.name = "grandchild", .parent = &child});
  grandchild.resource("r").lock({.duration = kSession});

  anna.signOff();

  EXPECT_FALSE(child.isSignedOn());
  EXPECT_FALSE(grandchild.isSignedOn());
  EXPECT_THROW(grandchild.resource("r"), UsageException);
  EXPECT_TRUE(ben.resource("r").tryLock(LockType::Exclusive));
}

TEST_F(Owners, WhenAnObjectIsChangedThatTheParentHasChangedThenItIsRefusedAndSaysWho) {
  anna.beginTransaction();
  of(anna).set("total", 1);  // Before there is a child.
  Process child = node.signOn({.name = "child", .parent = &anna});
  child.beginTransaction();

  try {
    of(child).set("total", 2);
    FAIL() << "changed by both";
  } catch (const UsageException& refused) {
    EXPECT_EQ(refused.errorCode(), 64022);
    EXPECT_NE(std::string(refused.what()).find("\"anna\""), std::string::npos) << refused.what();
  }
  anna.commitTransaction();
  of(child).set("total", 3);
  child.commitTransaction();
  EXPECT_EQ(of(ben).get<int>("total"), 3);
}

TEST_F(Owners, GivenAParentThatCannotBeThenTheSignOnIsRefusedWithAReason) {
  Node other = Node::signOn(database, "another");
  EXPECT_EQ(codeOf([&] { other.signOn({.parent = &anna}); }), 64023) << "of another node";
  ben.signOff();
  EXPECT_EQ(codeOf([&] { node.signOn({.parent = &ben}); }), 64006) << "signed off";

  std::vector<Process> family;
  family.reserve(8);  // Parents stay where they are.
  const Process* parent = &anna;
  for (int generation = 2; generation <= 8; ++generation) {
    family.push_back(node.signOn({.parent = parent}));
    parent = &family.back();
  }
  EXPECT_EQ(codeOf([&] { node.signOn({.parent = parent}); }), 64023) << "a ninth generation";
}

}  // namespace
}  // namespace nephrite

#include <stdexcept>
#include <system_error>

#include "tests/database/store_with_hooks.h"
#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

/// Given: two processes and a committed order in a store that works so far. A client keeps nothing
/// that was read, for that needs no store.
class StoreFailures : public testing::TestWithParam<Form> {
 protected:
  StoreFailures() {
    ObjectStore::Options inMemory;
    inMemory.inMemory = true;
    store = std::make_shared<StoreWithHooks>(ObjectStore::open(inMemory));
    LocalDatabase::Options options;
    options.threads = false;
    form = std::make_unique<DatabaseForm>(
        GetParam(), store, clock, DatabaseForm::Options{.local = options, .coherent = false});
    database = form->database();
    node = Node::signOn(database, "main");
    p1 = node.signOn({.name = "one"});
    p2 = node.signOn({.name = "two"});
    ClassDef order;
    order.name = "Order";
    order.properties = {{"total", ValueType::Integer}};
    p1.defineClass(order);
    Transaction transaction(p1);
    o = p1.create("Order");
    transaction.commit();
  }

  ManualClock clock;
  std::shared_ptr<StoreWithHooks> store;
  std::unique_ptr<DatabaseForm> form;
  std::shared_ptr<Database> database;
  Node node;
  Process p1, p2;
  Object o;
};

TEST_P(StoreFailures, ACommitThatCannotBeWrittenChangesNothingAndMayBeCalledAgain) {
  p1.beginTransaction();
  o.set("total", 5);
  store->commitsFail = true;

  const auto thrown = thrownBy<StoreFailure>([&] { p1.commitTransaction(); });

  ASSERT_TRUE(thrown.has_value());
  EXPECT_EQ(thrown->errorCode(), 64007);
  EXPECT_THAT(thrown->what(), testing::HasSubstr("no space left on /data"));
  EXPECT_TRUE(p1.isInTransactionState());
  EXPECT_EQ(o.lockStatus().type, Exclusive);
  EXPECT_EQ(p2.object(o.oid()).get<int>("total"), 0);

  store->commitsFail = false;
  p1.commitTransaction();
  EXPECT_EQ(p2.object(o.oid()).get<int>("total"), 5);
}

TEST_P(StoreFailures, AChangeOfAnObjectThatCannotBeReadMayBeCommittedWhenItCan) {
  p1.beginTransaction();
  o.set("total", 5);
  store->fetchesFail = true;
  const int refused = codeOf([&] { p1.commitTransaction(); });
  store->fetchesFail = false;

  if (GetParam() == Form::Local) {  // The object was in memory, and is looked at only now.
    EXPECT_EQ(refused, 64007);
    EXPECT_EQ(o.lockStatus().type, Exclusive);
    p1.commitTransaction();
  } else {
    EXPECT_EQ(refused, 0) << "it came with its lock";
  }
  EXPECT_EQ(p2.object(o.oid()).get<int>("total"), 5);
}

TEST_P(StoreFailures, AReadThatFailsIsAStoreFailureToo) {
  store->fetchesFail = true;
  EXPECT_THROW(o.get<int>("total"), StoreFailure);
  EXPECT_THROW(o.sharedLock(), StoreFailure);
  store->fetchesFail = false;
  EXPECT_EQ(o.get<int>("total"), 0);
}

TEST_P(StoreFailures, AGrantWhoseObjectCannotBeReadEndsWithTheLockHeld) {
  p1.object(o.oid()).exclusiveLock();
  Pending asked(*database, p2, [&] { p2.object(o.oid()).exclusiveLock(); });
  ASSERT_TRUE(asked.isWaiting());
  store->fetchesFail = true;

  p1.object(o.oid()).unlock();

  EXPECT_THROW(asked.end(), StoreFailure);
  EXPECT_TRUE(p2.object(o.oid()).isLockedByMe());
}

TEST_P(StoreFailures, HandlersAreAskedAboutThem) {
  int code = 0;
  const auto armed = p1.armExceptionHandler([&](const SystemException& exception) {
    code = exception.errorCode();
    return HandlerAction::PassBack;
  });
  store->fetchesFail = true;
  EXPECT_THROW(o.get<int>("total"), StoreFailure);
  EXPECT_EQ(code, 64007);
}

// --- What is no StoreException -------------------------------------------------------------------

TEST_P(StoreFailures, NumbersThatHaveRunOutAreOneToo) {
  p1.defineClass({.name = "Invoice"});
  p1.beginTransaction();
  store->beforeNewOid = [] { throw std::overflow_error("class Invoice has no number left"); };

  const auto thrown = thrownBy<StoreFailure>([&] { p1.create("Invoice"); });

  ASSERT_TRUE(thrown.has_value());
  EXPECT_EQ(thrown->errorCode(), 64007);
  EXPECT_THAT(thrown->what(), testing::HasSubstr("no number left"));
  EXPECT_TRUE(p1.isInTransactionState());
  EXPECT_THROW(node.signOn({.name = "three"}), StoreFailure);
  EXPECT_THROW(Node::signOn(database, "another"), StoreFailure);
  store->beforeNewOid = [] {};
  p1.create("Invoice");
  p1.commitTransaction();
}

TEST_P(StoreFailures, WhateverElseACommitThrowsIsOneToo) {
  p1.beginTransaction();
  o.set("total", 5);
  const std::function<void()> kThrown[] = {
      [] { throw std::overflow_error("its edition is the highest"); },
      [] { throw std::length_error("its edition is the highest"); },
      [] { throw std::runtime_error("its edition is the highest"); },
      [] {
        throw std::system_error(ENOMEM, std::generic_category(), "its edition is the highest");
      },
  };
  for (const auto& thrown : kThrown) {
    store->beforeCommit = thrown;
    const auto refused = thrownBy<StoreFailure>([&] { p1.commitTransaction(); });
    ASSERT_TRUE(refused.has_value());
    EXPECT_EQ(refused->errorCode(), 64007);
    EXPECT_THAT(refused->what(), testing::HasSubstr("its edition is the highest"));
    EXPECT_TRUE(p1.isInTransactionState());
  }
  store->beforeCommit = [] {};
  p1.commitTransaction();
  EXPECT_EQ(p2.object(o.oid()).get<int>("total"), 5);
}

NEPHRITE_ON_BOTH_FORMS(StoreFailures);

}  // namespace
}  // namespace nephrite

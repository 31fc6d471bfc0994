#include <gmock/gmock.h>

#include <stdexcept>

#include "tests/objects/store_fixture.h"

namespace nephrite {
namespace {

using Reason = StoreException::Reason;
using testing::ElementsAre;

/// Given: a home of shared transients beside a persistent store that knows Orders.
class GivenATransientStore : public testing::Test {
 protected:
  GivenATransientStore() { persistent->defineClass(orderClass()); }

  std::shared_ptr<ObjectStore> persistent = ObjectStore::open({.inMemory = true});
  std::unique_ptr<ObjectStore> store = makeTransientStore(
      {.schema = [this] { return persistent->schema(); },
       .defineClass = [this](const ClassDef& it) { return persistent->defineClass(it); }});
};

TEST_F(GivenATransientStore, WhenAnOrderIsMadeThenItLivesHereAlone) {
  const Oid oid = createOrder(*store, "Anna", 1);
  EXPECT_EQ(oid.lifetime(), Lifetime::SharedTransient);
  EXPECT_EQ(store->schema()->show(oid), "Order/2048.1 (shared transient)");
  EXPECT_EQ(totalOf(*store->fetch(oid)), 1);
  EXPECT_FALSE(persistent->fetch(oid));
  EXPECT_THAT(persistent->instances(2048), ElementsAre());
  EXPECT_THAT(store->instances(2048), ElementsAre(oid));
}

TEST_F(GivenATransientStore, WhenItIsUpdatedThenEditionsRiseAndStaleChangesAreRefused) {
  const Oid oid = createOrder(*store, "Anna", 1);
  updateOrder(*store, oid, 1, 2);
  EXPECT_EQ(store->fetch(oid)->edition, 2u);
  EXPECT_EQ(failureOf([&] { updateOrder(*store, oid, 1, 3); }).reason(), Reason::StaleEdition);
  EXPECT_EQ(totalOf(*store->fetch(oid)), 2);
}

TEST_F(GivenATransientStore, WhenOneChangeIsRefusedThenNoneHappens) {
  const Oid oid = createOrder(*store, "Anna", 1);
  ChangeSet changes;
  changes.changes.push_back({ChangeKind::Update, {oid, 1, {"Anna", 2}, {}}});
  changes.changes.push_back({ChangeKind::Delete, {store->newOid(2048), 1, {}, {}}});
  EXPECT_EQ(failureOf([&] { store->commit(changes); }).reason(), Reason::NoSuchObject);
  EXPECT_EQ(totalOf(*store->fetch(oid)), 1);
  EXPECT_EQ(store->statistics().commits, 1u);
}

TEST_F(GivenATransientStore, WhenObjectsGoThenTheirMemoryGoes) {
  const Oid first = createOrder(*store, "Anna", 1);
  const Oid second = createOrder(*store, "Ben", 2);
  store->commit(changeSet(ChangeKind::Delete, {first, 1, {}, {}}));
  EXPECT_FALSE(store->fetch(first));
  EXPECT_THAT(store->instances(2048, first, 10), ElementsAre(second));
  EXPECT_GT(store->statistics().cacheBytes, 0u);
  store->commit(changeSet(ChangeKind::Delete, {second, 1, {}, {}}));
  EXPECT_EQ(store->statistics().cacheBytes, 0u);
  EXPECT_NE(store->newOid(2048), first) << "Oids are never used again";
}

TEST_F(GivenATransientStore, WhenAPersistentObjectComesThenItIsRefused) {
  const Oid oid = persistent->newOid(2048);
  const auto changes = changeSet(ChangeKind::Create, {oid, 1, {"Anna", 1}, {}});
  EXPECT_THROW(store->commit(changes), std::invalid_argument);
}

TEST_F(GivenATransientStore, WhenInstancesAreListedThenTheyComeInPages) {
  persistent->defineClass({.name = "Neighbour"});
  std::vector<Oid> all;
  for (int i = 0; i < 5; ++i) all.push_back(createOrder(*store, "x", i));
  store->commit(changeSet(ChangeKind::Create, {store->newOid(2049), 1, {}, {}}));
  EXPECT_EQ(store->instances(2048), all);
  EXPECT_THAT(store->instances(2048, all[1], 2), ElementsAre(all[2], all[3]));
}

TEST_F(GivenATransientStore, WhenAClassIsDefinedThenThePersistentStoreHasIt) {
  const auto defined = store->defineClass({.name = "Other"});
  EXPECT_EQ(persistent->schema()->find("Other"), defined);
}

TEST_F(GivenATransientStore, WhenACommitHasAnIdThenItIsNotRecorded) {
  ChangeSet changes = changeSet(ChangeKind::Create, {store->newOid(2048), 1, {"Anna", 1}, {}});
  changes.id = {1, 1};
  store->commit(changes);
  EXPECT_EQ(store->lastCommitOf(1), 0u);
  store->forgetCommits(1);
}

TEST_F(GivenATransientStore, WhenNumbersAreReservedThenNoneComesTwice) {
  EXPECT_EQ(store->reserveNumbers("n", 2), 1u);
  EXPECT_EQ(store->reserveNumbers("n", 1), 3u);
  EXPECT_THROW(store->reserveNumbers("n", 0), std::invalid_argument);
  EXPECT_THROW(store->reserveNumbers("n", UINT64_MAX - 3), std::overflow_error);
}

}  // namespace
}  // namespace nephrite

#include <gmock/gmock.h>

#include <stdexcept>

#include "tests/objects/store_fixture.h"

namespace nephrite {
namespace {

using Reason = StoreException::Reason;
using testing::ElementsAre;
using testing::HasSubstr;

ObjectStore::Options inMemory() {
  ObjectStore::Options options;
  options.inMemory = true;
  return options;
}

/// Given: a store that knows Orders, and Dictionaries of them.
class GivenAStoreOfOrders : public testing::Test {
 protected:
  GivenAStoreOfOrders() : order(store->defineClass(orderClass())->number) {}

  std::unique_ptr<ObjectStore> store = ObjectStore::open(inMemory());
  Oid::ClassNumber order;
};

TEST_F(GivenAStoreOfOrders, WhenAnOrderIsCreatedThenItIsFoundInEdition1) {
  const Oid oid = createOrder(*store, "Anna", 12);

  const RecordPtr found = store->fetch(oid);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->oid, oid);
  EXPECT_EQ(found->edition, 1u);
  EXPECT_THAT(found->values, ElementsAre(Value("Anna"), Value(12)));
}

// JADE manual: the edition is 1 at creation and rises by exactly 1 per updating transaction.
TEST_F(GivenAStoreOfOrders, WhenAnOrderIsUpdatedThenItsEditionRisesByOne) {
  const Oid oid = createOrder(*store, "Anna", 0);
  for (std::uint32_t edition = 1; edition <= 5; ++edition) {
    EXPECT_EQ(store->fetch(oid)->edition, edition);
    updateOrder(*store, oid, edition, static_cast<std::int32_t>(edition));
  }
  EXPECT_EQ(store->fetch(oid)->edition, 6u);
  EXPECT_EQ(totalOf(*store->fetch(oid)), 5);
}

TEST_F(GivenAStoreOfOrders, WhenAChangeIsBasedOnAnOldEditionThenNothingIsChanged) {
  const Oid stale = createOrder(*store, "Anna", 1);
  const Oid other = createOrder(*store, "Ben", 1);
  updateOrder(*store, stale, 1, 2);

  ChangeSet changes;
  changes.changes.push_back({ChangeKind::Update, {other, 1, {"Ben", 99}, {}}});
  changes.changes.push_back({ChangeKind::Update, {stale, 1, {"Anna", 99}, {}}});
  const StoreException refused = failureOf([&] { store->commit(changes); });

  EXPECT_EQ(refused.reason(), Reason::StaleEdition);
  EXPECT_THAT(refused.what(), HasSubstr("Order/2048.1"));
  EXPECT_EQ(totalOf(*store->fetch(stale)), 2);
  EXPECT_EQ(totalOf(*store->fetch(other)), 1);
}

TEST_F(GivenAStoreOfOrders, WhenAnOrderIsDeletedThenItIsGoneAndCannotBeChanged) {
  const Oid oid = createOrder(*store, "Anna", 1);
  store->commit(changeSet(ChangeKind::Delete, {oid, 1, {}, {}}));

  EXPECT_FALSE(store->fetch(oid));
  EXPECT_THAT(store->instances(order), ElementsAre());
  const auto update = changeSet(ChangeKind::Update, {oid, 1, {"Anna", 2}, {}});
  EXPECT_EQ(failureOf([&] { store->commit(update); }).reason(), Reason::NoSuchObject);
  const auto deletion = changeSet(ChangeKind::Delete, {oid, 1, {}, {}});
  EXPECT_EQ(failureOf([&] { store->commit(deletion); }).reason(), Reason::NoSuchObject);
}

TEST_F(GivenAStoreOfOrders, WhenAnObjectThatExistsIsCreatedThenItIsRefused) {
  const Oid oid = createOrder(*store, "Anna", 1);
  const auto again = changeSet(ChangeKind::Create, {oid, 1, {"Ben", 2}, {}});
  EXPECT_EQ(failureOf([&] { store->commit(again); }).reason(), Reason::StaleEdition);
  EXPECT_EQ(totalOf(*store->fetch(oid)), 1);
}

TEST_F(GivenAStoreOfOrders, WhenAValueHasAnotherTypeThenBothTypesAreNamed) {
  const Oid oid = store->newOid(order);
  const auto wrong = changeSet(ChangeKind::Create, {oid, 1, {"Anna", "twelve"}, {}});
  const StoreException refused = failureOf([&] { store->commit(wrong); });
  EXPECT_EQ(refused.reason(), Reason::SchemaConflict);
  EXPECT_THAT(refused.what(), HasSubstr("\"total\""));
  EXPECT_THAT(refused.what(), HasSubstr("Integer"));
  EXPECT_THAT(refused.what(), HasSubstr("String"));
}

TEST_F(GivenAStoreOfOrders, WhenAChangeMakesNoSenseThenItIsRefused) {
  const Oid oid = store->newOid(order);
  const auto commit = [&](ObjectRecord record) {
    store->commit(changeSet(ChangeKind::Create, std::move(record)));
  };
  EXPECT_THROW(commit({oid, 1, {"bad \xFF text"}, {}}), std::invalid_argument);
  EXPECT_THROW(commit({oid, 1, {}, {{Value(), oid}}}), std::invalid_argument) << "no collection";
  EXPECT_THROW(commit({Oid(Lifetime::Transient, order, 1), 1, {}, {}}), std::invalid_argument);
  EXPECT_THROW(commit({Oid(Lifetime::Persistent, order, 0), 1, {}, {}}), std::invalid_argument);
  EXPECT_EQ(failureOf([&] {
              commit({oid, 1, {"Anna", 1, 2}, {}});
            }).reason(),
            Reason::SchemaConflict)
      << "more values than properties";
  EXPECT_EQ(failureOf([&] {
              commit({Oid(Lifetime::Persistent, 9999, 1), 1, {}, {}});
            }).reason(),
            Reason::SchemaConflict)
      << "unknown class";

  ChangeSet twice = changeSet(ChangeKind::Create, {oid, 1, {"Anna", 1}, {}});
  twice.changes.push_back(twice.changes.front());
  EXPECT_THROW(store->commit(twice), std::invalid_argument);
  EXPECT_THAT(store->instances(order), ElementsAre());
}

TEST_F(GivenAStoreOfOrders, WhenDatesAndTimesAreOutOfRangeThenTheyAreRefused) {
  const auto times = store->defineClass(
      {.name = "Times", .properties = {{"day", ValueType::Date}, {"time", ValueType::Time}}});
  const Oid oid = store->newOid(times->number);
  using namespace std::chrono;
  const Date never(year(2026), month(2), day(30));
  const TimeOfDay midnight{milliseconds(86'400'000)};
  const auto first = changeSet(ChangeKind::Create, {oid, 1, {never}, {}});
  const auto second = changeSet(ChangeKind::Create, {oid, 1, {Value(), midnight}, {}});
  EXPECT_THROW(store->commit(first), std::invalid_argument);
  EXPECT_THROW(store->commit(second), std::invalid_argument);
}

TEST_F(GivenAStoreOfOrders, WhenCollectionsAreStoredThenTheirOrderIsChecked) {
  const auto set = store->defineClass({.name = "Orders", .kind = ClassKind::Set});
  const auto byName = store->defineClass(
      {.name = "ByName", .kind = ClassKind::Dictionary, .keyType = ValueType::String});
  const Oid a = createOrder(*store, "a", 1);
  const Oid b = createOrder(*store, "b", 2);
  const auto create = [&](Oid oid, std::vector<CollectionMember> members) {
    store->commit(changeSet(ChangeKind::Create, {oid, 1, {}, std::move(members)}));
    return store->fetch(oid)->members;
  };
  const auto setOid = [&] { return store->newOid(set->number); };
  const auto dictionaryOid = [&] { return store->newOid(byName->number); };

  EXPECT_EQ(create(setOid(), {{Value(), a}, {Value(), b}}).size(), 2u);
  EXPECT_EQ(create(dictionaryOid(), {{"a", b}, {"b", a}})[0].member, b);
  EXPECT_THROW(create(setOid(), {{Value(), b}, {Value(), a}}), std::invalid_argument);
  EXPECT_THROW(create(setOid(), {{Value(), a}, {Value(), a}}), std::invalid_argument);
  EXPECT_THROW(create(dictionaryOid(), {{"b", a}, {"a", b}}), std::invalid_argument);
  EXPECT_THROW(create(dictionaryOid(), {{7, a}}), std::invalid_argument) << "Integer key";
}

TEST_F(GivenAStoreOfOrders, WhenInstancesAreListedThenTheyComeInOidOrderAndInPages) {
  store->defineClass({.name = "Neighbour"});
  std::vector<Oid> all;
  for (int i = 0; i < 25; ++i) all.push_back(createOrder(*store, "x", i));
  const Oid neighbour = store->newOid(store->schema()->find("Neighbour")->number);
  store->commit(changeSet(ChangeKind::Create, {neighbour, 1, {}, {}}));

  EXPECT_EQ(store->instances(order), all);
  std::vector<Oid> paged;
  for (auto page = store->instances(order, Oid(), 10); !page.empty();
       page = store->instances(order, page.back(), 10)) {
    EXPECT_LE(page.size(), 10u);
    paged.insert(paged.end(), page.begin(), page.end());
  }
  EXPECT_EQ(paged, all);
  EXPECT_THAT(store->instances(order, neighbour), ElementsAre());
  EXPECT_THAT(store->instances(order, Oid(), 0), ElementsAre());
}

TEST_F(GivenAStoreOfOrders, WhenNumbersAreReservedThenNoneComesTwice) {
  EXPECT_EQ(store->reserveNumbers("processes", 10), 1u);
  EXPECT_EQ(store->reserveNumbers("processes", 1), 11u);
  EXPECT_EQ(store->reserveNumbers("nodes", 1), 1u);
  EXPECT_THROW(store->reserveNumbers("nodes", 0), std::invalid_argument);
  EXPECT_THROW(store->reserveNumbers("nodes", UINT64_MAX - 1), std::overflow_error);
  EXPECT_EQ(store->reserveNumbers("nodes", 1), 2u) << "a refused one takes nothing";
}

TEST_F(GivenAStoreOfOrders, WhenObjectsAreReadAgainThenTheyComeFromMemory) {
  const Oid oid = createOrder(*store, "Anna", 1);
  const auto before = store->statistics();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(store->fetch(oid));
  const auto after = store->statistics();
  EXPECT_EQ(after.fetches - before.fetches, 10u);
  EXPECT_EQ(after.cacheHits - before.cacheHits, 10u);
  EXPECT_EQ(after.commits, 1u);
  EXPECT_GT(after.cacheBytes, 0u);
}

TEST_F(GivenAStoreOfOrders, WhenAnOidIsNotOfTheStoreThenNothingIsFound) {
  EXPECT_FALSE(store->fetch(Oid()));
  EXPECT_FALSE(store->fetch(Oid(Lifetime::SharedTransient, order, 1)));
  EXPECT_FALSE(store->fetch(Oid(Lifetime::Persistent, order, 4711)));
}

TEST_F(GivenAStoreOfOrders, WhenAnEmptyChangeSetIsCommittedThenNothingHappens) {
  store->commit({});
  EXPECT_EQ(store->statistics().commits, 0u);
}

TEST(ObjectStore, WhenManyStoresAreInMemoryThenEachIsItsOwn) {
  std::vector<std::unique_ptr<ObjectStore>> stores;
  for (int i = 0; i < 20; ++i) {
    stores.push_back(ObjectStore::open(inMemory()));
    stores.back()->defineClass(orderClass());
    createOrder(*stores.back(), "x", i);
  }
  for (int i = 0; i < 20; ++i) {
    const auto number = stores[i]->schema()->find("Order")->number;
    const auto found = stores[i]->instances(number);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(totalOf(*stores[i]->fetch(found[0])), i);
  }
}

/// Given: a store on disk.
class GivenAStoreOnDisk : public testing::Test {
 protected:
  void reopen() {
    store.reset();
    store = ObjectStore::open(options);
  }

  TempDirectory directory;
  ObjectStore::Options options{.directory = directory / "made" / "when missing"};
  std::unique_ptr<ObjectStore> store = ObjectStore::open(options);
};

TEST_F(GivenAStoreOnDisk, WhenItIsReopenedThenAllIsThere) {
  store->defineClass(orderClass());
  const Oid anna = createOrder(*store, "Änne", 12);
  const Oid ben = createOrder(*store, "Ben", 1);
  updateOrder(*store, anna, 1, 13);
  store->commit(changeSet(ChangeKind::Delete, {ben, 1, {}, {}}));

  reopen();

  EXPECT_EQ(store->schema()->show(anna), "Order/2048.1");
  EXPECT_EQ(store->fetch(anna)->edition, 2u);
  EXPECT_THAT(store->fetch(anna)->values, ElementsAre(Value("Änne"), Value(13)));
  EXPECT_FALSE(store->fetch(ben));
  EXPECT_THAT(store->instances(2048), ElementsAre(anna));
}

TEST_F(GivenAStoreOnDisk, WhenItIsReopenedThenNumbersGoOnWithoutGap) {
  const auto number = store->defineClass(orderClass())->number;
  EXPECT_EQ(store->newOid(number).instance(), 1u);
  EXPECT_EQ(store->newOid(number).instance(), 2u);
  EXPECT_EQ(store->reserveNumbers("nodes", 5), 1u);

  reopen();

  EXPECT_EQ(store->newOid(number).instance(), 3u);
  EXPECT_EQ(store->reserveNumbers("nodes", 5), 6u);
}

TEST_F(GivenAStoreOnDisk, WhenItIsOpenedTwiceThenTheSecondIsToldSo) {
  const StoreException refused = failureOf([&] { ObjectStore::open(options); });
  EXPECT_EQ(refused.reason(), Reason::InUse);
  EXPECT_THAT(refused.what(), HasSubstr(options.directory.string()));
}

TEST_F(GivenAStoreOnDisk, WhenTheCacheIsTinyThenAllIsStillFound) {
  store.reset();
  options.cacheBytes = 0;
  store = ObjectStore::open(options);
  store->defineClass(orderClass());
  const Oid oid = createOrder(*store, "Anna", 1);
  updateOrder(*store, oid, 1, 2);
  EXPECT_EQ(totalOf(*store->fetch(oid)), 2);
  EXPECT_EQ(store->statistics().cacheBytes, 0u);
  EXPECT_EQ(store->statistics().cacheHits, 0u);
}

TEST_F(GivenAStoreOnDisk, WhenObjectsAreLargeThenTheyComeBackWhole) {
  const auto blob = store->defineClass({.name = "Blob", .properties = {{"b", ValueType::Binary}}});
  const Oid oid = store->newOid(blob->number);
  const Binary bytes(9'000'000, std::byte{0x5A});
  store->commit(changeSet(ChangeKind::Create, {oid, 1, {bytes}, {}}));
  reopen();
  EXPECT_EQ(store->fetch(oid)->values.at(0), Value(bytes));
}

}  // namespace
}  // namespace nephrite

#include <gmock/gmock.h>

#include <iterator>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/objects/store_fixture.h"

namespace nephrite {
namespace {

using Reason = StoreException::Reason;
using testing::ElementsAre;
using testing::HasSubstr;

/// Given: a store on disk with a class Order (customer: String, total: Integer).
class GivenAClassInAStore : public testing::Test {
 protected:
  void reopen() {
    store.reset();
    store = ObjectStore::open(options);
  }

  StoreException refusalOf(const ClassDef& wanted) {
    return failureOf([&] { store->defineClass(wanted); });
  }

  TempDirectory directory;
  ObjectStore::Options options{.directory = directory / "store"};
  std::unique_ptr<ObjectStore> store = ObjectStore::open(options);
  std::shared_ptr<const ClassDef> order = store->defineClass(orderClass());
};

TEST_F(GivenAClassInAStore, WhenItIsLookedForThenItIsFoundByNameAndNumber) {
  EXPECT_EQ(order->number, 2048);
  EXPECT_EQ(store->schema()->find("Order"), order);
  EXPECT_EQ(store->schema()->find(Oid::ClassNumber{2048}), order);
  EXPECT_FALSE(store->schema()->find("order"));
  EXPECT_FALSE(store->schema()->find(Oid::ClassNumber{2049}));
  EXPECT_EQ(order->indexOf("total"), 1u);
  EXPECT_FALSE(order->indexOf("Total"));
}

TEST_F(GivenAClassInAStore, WhenItIsDefinedAgainThenNothingChanges) {
  const auto before = store->schema();
  EXPECT_EQ(store->defineClass(orderClass()), order);
  EXPECT_EQ(store->defineClass({.name = "Order"}), order) << "fewer properties take none away";
  EXPECT_EQ(store->schema(), before);
}

TEST_F(GivenAClassInAStore, WhenPropertiesAreAddedThenOldObjectsStayReadable) {
  const Oid oid = createOrder(*store, "Anna", 12);
  const auto before = store->schema();

  const auto grown = store->defineClass(
      {.name = "Order", .properties = {{"due", ValueType::Date}, {"total", ValueType::Integer}}});

  EXPECT_THAT(grown->properties, ElementsAre(PropertyDef{"customer", ValueType::String},
                                             PropertyDef{"total", ValueType::Integer},
                                             PropertyDef{"due", ValueType::Date}));
  EXPECT_EQ(before->find("Order")->properties.size(), 2u) << "who holds a schema keeps it";
  EXPECT_THAT(store->fetch(oid)->values, ElementsAre(Value("Anna"), Value(12)));
  reopen();
  EXPECT_EQ(*store->schema()->find("Order"), *grown);
  EXPECT_THAT(store->fetch(oid)->values, ElementsAre(Value("Anna"), Value(12)));
  const Date due(std::chrono::year(2026), std::chrono::month(12), std::chrono::day(24));
  store->commit(changeSet(ChangeKind::Update, {oid, 1, {"Anna", 12, due}, {}}));
  EXPECT_THAT(store->fetch(oid)->values, ElementsAre(Value("Anna"), Value(12), Value(due)));
}

TEST_F(GivenAClassInAStore, WhenATypeIsChangedThenBothTypesAreNamed) {
  const StoreException refused =
      refusalOf({.name = "Order", .properties = {{"total", ValueType::Decimal}}});
  EXPECT_EQ(refused.reason(), Reason::SchemaConflict);
  EXPECT_THAT(refused.what(), HasSubstr("stored as Integer"));
  EXPECT_THAT(refused.what(), HasSubstr("become Decimal"));
  EXPECT_EQ(store->schema()->find("Order"), order);
}

TEST_F(GivenAClassInAStore, WhenKindNumberOrKeysAreChangedThenItIsRefused) {
  store->defineClass(
      {.name = "ByName", .kind = ClassKind::Dictionary, .keyType = ValueType::String});
  EXPECT_THAT(refusalOf({.name = "Order", .kind = ClassKind::Set}).what(),
              HasSubstr("stored as Object and cannot become Set"));
  EXPECT_THAT(refusalOf({.number = 3000, .name = "Order"}).what(), HasSubstr("2048, not 3000"));
  EXPECT_THAT(refusalOf({.number = 2048, .name = "Other"}).what(), HasSubstr("\"Order\""));
  EXPECT_THAT(
      refusalOf({.name = "ByName", .kind = ClassKind::Dictionary, .keyType = ValueType::Integer})
          .what(),
      HasSubstr("keys of type String"));
}

TEST_F(GivenAClassInAStore, WhenADefinitionMakesNoSenseThenItIsRefused) {
  const auto define = [&](ClassDef wanted) { store->defineClass(wanted); };
  EXPECT_THROW(define({.name = ""}), std::invalid_argument);
  EXPECT_THROW(define({.name = "two words"}), std::invalid_argument);
  EXPECT_THROW(define({.name = "A", .properties = {{"1", ValueType::Integer}}}),
               std::invalid_argument);
  EXPECT_THROW(define({.name = "A", .properties = {{"x", ValueType::Null}}}),
               std::invalid_argument);
  EXPECT_THROW(
      define({.name = "A", .properties = {{"x", ValueType::Date}, {"x", ValueType::Date}}}),
      std::invalid_argument);
  EXPECT_THROW(define({.name = "A", .keyType = ValueType::String}), std::invalid_argument);
  EXPECT_THROW(define({.name = "A", .kind = ClassKind::Dictionary, .keyType = ValueType::Real}),
               std::invalid_argument);
  EXPECT_THAT(store->schema()->classes(), ElementsAre(order));
}

TEST_F(GivenAClassInAStore, WhenSystemClassesAreDefinedThenTheyKeepTheirNumbers) {
  EXPECT_EQ(store->defineClass({.number = 186, .name = "Node"})->number, 186);
  EXPECT_EQ(store->defineClass({.name = "Next"})->number, 2049);
  reopen();
  EXPECT_EQ(store->defineClass({.number = 186, .name = "Node"})->number, 186);
  EXPECT_EQ(store->schema()->show(Oid(Lifetime::Persistent, 186, 1)), "Node/186.1");
  EXPECT_EQ(store->schema()->show(Oid(Lifetime::Persistent, 99, 1)), "?/99.1");
  EXPECT_EQ(store->schema()->show(Oid(Lifetime::SharedTransient, 186, 2)),
            "Node/186.2 (shared transient)");
  EXPECT_EQ(store->schema()->show(Oid()), "null");
}

TEST_F(GivenAClassInAStore, WhenNamesAreWrittenInAnotherNormalFormThenTheyAreTheSame) {
  const auto cheese = store->defineClass(
      {.name = "K\u00E4se", .properties = {{"gr\u00F6\u00DFe", ValueType::Integer}}});
  EXPECT_EQ(store->defineClass({.name = "Ka\u0308se"}), cheese);
  EXPECT_EQ(store->schema()->find("Ka\u0308se"), cheese);
  EXPECT_EQ(cheese->indexOf("gro\u0308\u00DFe"), 0u);
  EXPECT_FALSE(store->schema()->find("bad \xFF"));
}

TEST_F(GivenAClassInAStore, WhenAllNumbersAreTakenThenItSaysSo) {
  store->defineClass({.number = 65535, .name = "Last"});
  EXPECT_THAT(refusalOf({.name = "OneMore"}).what(), HasSubstr("65535"));
}

TEST_F(GivenAClassInAStore, WhenManyThreadsDefineThenEachPropertyIsThereOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      for (int j = 0; j < 10; ++j) {
        store->defineClass(
            {.name = "Shared",
             .properties = {{"p" + std::to_string((i + j) % 10), ValueType::Integer}}});
        EXPECT_TRUE(store->schema()->find("Shared"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store->schema()->find("Shared")->properties.size(), 10u);
  reopen();
  EXPECT_EQ(store->schema()->find("Shared")->properties.size(), 10u);
}

// Compared with an ordinary map, as classes come in any order and grow again and again.
TEST(ASchema, WhenClassesAreAddedInAnyOrderThenEachIsFoundAsItLastWas) {
  std::mt19937 random(4711);
  auto schema = std::make_shared<const Schema>(std::vector<Schema::ClassPtr>{});
  std::map<Oid::ClassNumber, Schema::ClassPtr> expected;
  for (int i = 0; i < 2'000; ++i) {
    ClassDef wanted;
    wanted.number = static_cast<Oid::ClassNumber>(1 + random() % 700);
    wanted.name = "Class" + std::to_string(wanted.number);
    wanted.properties.resize(static_cast<std::size_t>(i % 5));
    const auto made = std::make_shared<const ClassDef>(wanted);
    const auto before = schema;
    const auto known = before->find(made->number);
    schema = schema->with(made);
    EXPECT_EQ(before->find(made->number), known) << "a schema does not change";
    expected[made->number] = made;

    EXPECT_EQ(schema->size(), expected.size());
    EXPECT_EQ(schema->highestNumber(), expected.rbegin()->first);
    const auto& [number, any] = *std::next(expected.begin(), random() % expected.size());
    ASSERT_EQ(schema->find(number), any) << i;
    ASSERT_EQ(schema->find(any->name), any) << i;
  }
  std::vector<Schema::ClassPtr> inOrder;
  for (const auto& [number, known] : expected) inOrder.push_back(known);
  EXPECT_EQ(schema->classes(), inOrder);
  EXPECT_EQ(Schema(inOrder).classes(), inOrder);
  EXPECT_EQ(schema->find("Class701"), nullptr);
}

}  // namespace
}  // namespace nephrite

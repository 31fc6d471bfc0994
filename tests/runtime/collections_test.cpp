#include "runtime/collection.h"

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

using testing::ElementsAre;

class Collections : public GivenProcesses {
 protected:
  Collections() { p1.beginTransaction(); }
};

TEST_P(Collections, AnArrayKeepsItsOrderAndItsDuplicates) {
  Array array(p1.create("OrderArray"));
  array.add(o2);
  array.add(o);
  array.add(o2);
  p1.commitTransaction();

  EXPECT_THAT(Array(as(p2, array)).clone(), ElementsAre(o2, o, o2));
  EXPECT_EQ(array.at(1), o);
  EXPECT_EQ(codeOf([&] { array.at(3); }), 1300);

  p1.beginTransaction();
  array.remove(o2);
  EXPECT_THAT(array.clone(), ElementsAre(o, o2)) << "the first of them";
  array.removeAt(0);
  EXPECT_THAT(array.clone(), ElementsAre(o2));
  EXPECT_EQ(codeOf([&] { array.remove(o); }), 1301);
  EXPECT_EQ(codeOf([&] { array.removeAt(1); }), 1300);
}

TEST_P(Collections, ASetHasEachMemberOnce) {
  Set set(p1.create("OrderSet"));
  set.add(o2);
  set.add(o);
  EXPECT_FALSE(set.tryAdd(o));
  EXPECT_EQ(codeOf([&] { set.add(o); }), 1309);
  p1.commitTransaction();

  EXPECT_THAT(set.clone(), ElementsAre(o, o2));
  EXPECT_TRUE(set.includes(o2));
  p1.beginTransaction();
  set.remove(o2);
  EXPECT_FALSE(set.includes(o2));
  EXPECT_EQ(codeOf([&] { set.remove(o2); }), 1301);
}

TEST_P(Collections, ADictionaryFindsByKeyInNormalForm) {
  Dictionary dictionary(p1.create("OrderDict"));
  dictionary.put("zwei", o2);
  dictionary.put("Zo\xc3\xab", o);  // e with diaeresis, composed
  EXPECT_EQ(codeOf([&] { dictionary.put("Zoe\xcc\x88", o2); }), 1310) << "the same, decomposed";
  p1.commitTransaction();

  EXPECT_EQ(dictionary.getAtKey("Zoe\xcc\x88"), o);
  EXPECT_TRUE(dictionary.getAtKey("drei").isNull());
  EXPECT_TRUE(dictionary.includesKey("zwei"));
  EXPECT_EQ(codeOf([&] { dictionary.getAtKey(1); }), 64010);
  p1.beginTransaction();
  dictionary.removeKey("zwei");
  EXPECT_EQ(codeOf([&] { dictionary.removeKey("zwei"); }), 1301);
  EXPECT_EQ(dictionary.size(), 1u);
  dictionary.clear();
  EXPECT_EQ(dictionary.size(), 0u);
}

TEST_P(Collections, WhatChangesNothingLeavesTheEdition) {
  Set set(p1.create("OrderSet"));
  set.add(o);
  p1.commitTransaction();
  p1.beginTransaction();
  EXPECT_FALSE(set.tryAdd(o));
  EXPECT_EQ(codeOf([&] { set.remove(o2); }), 1301);
  p1.commitTransaction();
  EXPECT_EQ(set.edition(), 1u);
}

TEST_P(Collections, NoMemberMayLiveShorterThanItsCollection) {
  Array array(p1.create("OrderArray"));
  const Object own = p1.create("Order", Lifetime::Transient);
  EXPECT_EQ(codeOf([&] { array.add(own); }), 64010);
  EXPECT_EQ(codeOf([&] { array.add(Object()); }), 1090);
  EXPECT_EQ(codeOf([&] { as(p1, o).set("next", own); }), 64010);
  Array ownArray(p1.create("OrderArray", Lifetime::Transient));
  EXPECT_NO_THROW(ownArray.add(o));
}

TEST_P(Collections, ALoopEndsWhenTheVisitorSaysSo) {
  Array array(p1.create("OrderArray"));
  array.add(o);
  array.add(o2);
  int visited = 0;
  array.forEach([&](const Object&) { return ++visited < 1; });
  EXPECT_EQ(visited, 1);
}

TEST_P(Collections, AThrowingVisitorLetsTheCollectionGo) {
  Array array(p1.create("OrderArray"));
  array.add(o);
  p1.commitTransaction();
  EXPECT_THROW(array.forEach([](const Object&) -> bool { throw std::runtime_error("enough"); }),
               std::runtime_error);
  EXPECT_EQ(held(p1, array), Get);
}

TEST_P(Collections, ADiscreteLoopMissesAndRepeatsNobodyWhileOthersChangeTheSet) {
  Set set(p1.create("OrderSet"));
  for (int i = 0; i < 200; ++i) set.add(p1.create("Order"));
  p1.commitTransaction();
  const std::vector<Object> before = set.clone();
  std::vector<Object> seen;

  set.forEach(
      [&](const Object& member) {
        if (seen.size() == 70) {  // In the second batch: one that was seen leaves.
          Transaction transaction(p2);
          Set(as(p2, set)).remove(before[0]);
          transaction.commit();
        }
        seen.push_back(member);
        return true;
      },
      Collection::Iteration::Discrete);

  EXPECT_EQ(seen, before);
}

// By place, the one behind a batch would move to a place that was seen.
TEST_P(Collections, ADiscreteLoopMissesAndRepeatsNobodyWhileOthersChangeTheArray) {
  Array array(p1.create("OrderArray"));
  for (int i = 0; i < 200; ++i) array.add(p1.create("Order"));
  const Object twice = array.at(100);
  array.add(twice);
  p1.commitTransaction();
  const std::vector<Object> before = array.clone();
  std::vector<Object> seen;

  array.forEach(
      [&](const Object& member) {
        if (seen.size() == 70) {  // In the second batch: some that were seen leave, one comes.
          Transaction transaction(p2);
          Array others(as(p2, array));
          for (int i = 0; i < 3; ++i) others.remove(as(p2, before[static_cast<std::size_t>(i)]));
          others.add(as(p2, o));
          transaction.commit();
        }
        seen.push_back(member);
        return true;
      },
      Collection::Iteration::Discrete);

  std::vector<Object> expected = before;
  expected.push_back(o);
  EXPECT_EQ(seen, expected);
}

TEST_P(Collections, ADiscreteLoopOverAnArrayThatItsOwnTransactionEmptiesSeesEachMemberOnce) {
  Array array(p1.create("OrderArray"));
  for (int i = 0; i < 200; ++i) array.add(p1.create("Order"));
  const std::vector<Object> before = array.clone();
  std::vector<Object> seen;

  array.forEach(
      [&](const Object& member) {
        seen.push_back(member);
        array.remove(member);
        return true;
      },
      Collection::Iteration::Discrete);

  EXPECT_EQ(seen, before);
  EXPECT_EQ(array.size(), 0u);
}

// --- Lifetimes -----------------------------------------------------------------------------------

class Lifetimes : public GivenProcesses {};

TEST_P(Lifetimes, SharedTransientsAreSeenByAllProcessesAfterTheirOwnCommit) {
  EXPECT_EQ(codeOf([&] { p1.create("Order", Lifetime::SharedTransient); }), 1026);
  p1.beginTransientTransaction();
  Object shared = p1.create("Order", Lifetime::SharedTransient);
  shared.set("total", 1);
  EXPECT_FALSE(as(p2, shared).exists());
  p1.commitTransientTransaction();
  EXPECT_EQ(as(p2, shared).get<int>("total"), 1);
  EXPECT_EQ(codeOf([&] { shared.set("total", 2); }), 1026);
}

TEST_P(Lifetimes, TheTwoTransactionsKnowNothingOfEachOther) {
  Object shared = sharedTransient();
  p1.beginTransaction();
  p1.beginTransientTransaction();
  as(p1, o).set("total", 1);
  shared.set("total", 1);
  p1.abortTransaction();
  EXPECT_TRUE(p1.isInTransientTransactionState());
  EXPECT_EQ(held(p1, shared), Exclusive);
  EXPECT_EQ(held(p1, o), Get);
  p1.commitTransientTransaction();
  EXPECT_EQ(as(p2, shared).get<int>("total"), 1);
  EXPECT_EQ(as(p2, o).get<int>("total"), 0);
}

TEST_P(Lifetimes, SharedTransientsAreLockedInTheNodesOwnTable) {
  Object shared = sharedTransient();
  shared.exclusiveLock();
  EXPECT_THAT(node.getLocks(), testing::SizeIs(1));
  EXPECT_THAT(p1.system().getLocks(), testing::IsEmpty());
  const auto asked = start(p2, [&] { as(p2, shared).sharedLock(); });
  ASSERT_TRUE(asked->isWaiting());
  EXPECT_THAT(node.getQueuedLocks(), testing::SizeIs(1));
  shared.unlock();
  asked->end();
}

TEST_P(Lifetimes, TransientsNeedNoTransactionAndGoWhenRemoved) {
  Object own = p1.create("Order", Lifetime::Transient);
  own.set("note", "mine");
  EXPECT_EQ(own.get<std::string>("note"), "mine");
  own.deleteObject();
  EXPECT_FALSE(own.exists());
  EXPECT_EQ(codeOf([&] { own.get<std::string>("note"); }), 1072);
}

TEST_P(Lifetimes, PropertiesTakeWhatFitsThem) {
  Object own = p1.create("Order", Lifetime::Transient);
  own.set("weight", 3);
  EXPECT_EQ(own.get<double>("weight"), 3.0);
  own.set("total", std::int64_t{7});
  EXPECT_EQ(own.get<std::int64_t>("total"), 7);
  EXPECT_EQ(codeOf([&] { own.set("total", std::int64_t{1} << 40); }), 64010);
  own.set("total", std::nullopt);
  EXPECT_EQ(own.value("total"), Value());
  own.set("next", o);
  EXPECT_EQ(own.reference("next"), o);
  EXPECT_EQ(own.get<Object>("next").get<int>("total"), 0);
  own.set("next", Object());
  EXPECT_TRUE(own.reference("next").isNull());
}

TEST_P(Lifetimes, AValueThatIsReplacedLeavesTheOthersAsTheyWere) {
  p1.beginTransaction();
  as(p1, o).set("total", 1);
  as(p1, o).set("note", "a");
  as(p1, o).set("next", o2);
  p1.commitTransaction();

  p2.beginTransaction();
  as(p2, o).set("note", "b");
  EXPECT_EQ(as(p1, o).get<std::string>("note"), "a") << "until it is committed";
  EXPECT_EQ(as(p2, o).get<int>("total"), 1);
  p2.commitTransaction();

  EXPECT_EQ(as(p1, o).get<std::string>("note"), "b");
  EXPECT_EQ(as(p1, o).get<int>("total"), 1);
  EXPECT_EQ(as(p1, o).reference("next"), o2);
}

TEST_P(Lifetimes, APropertyIsFoundByWhoKnewItsClassBefore) {
  // The store is that of all tests: each form grows a class of its own.
  const std::string name = "Parcel" + std::to_string(static_cast<int>(GetParam()));
  ClassDef parcel = classNamed(name, ClassKind::Object, {{"weight", ValueType::Real}});
  p1.defineClass(parcel);
  Object own = p1.create(name, Lifetime::Transient);
  own.set("weight", 1);
  EXPECT_EQ(codeOf([&] { own.set("sender", "anna"); }), 64009);

  parcel.properties.push_back({"sender", ValueType::String});
  p2.defineClass(parcel);

  own.set("sender", "anna");
  EXPECT_EQ(own.get<std::string>("sender"), "anna");
  EXPECT_EQ(own.get<double>("weight"), 1.0);
}

// --- Loops over members --------------------------------------------------------------------------

TEST_P(Collections, ALoopOverMembersHoldsShareUntilItsEnd) {
  const Array lines = transact(p3, [&] {
    const Array made(p3.create("OrderArray"));
    for (int i = 0; i < 300; ++i) made.add(i % 2 == 0 ? o : o2);
    return made;
  });
  std::size_t seen = 0;
  for (const Object& line : lines.members()) {
    EXPECT_EQ(line, seen % 2 == 0 ? o : o2);
    if (seen++ == 0) {
      EXPECT_FALSE(gets(p2, lines, Exclusive)) << "p3 is looping";
    }
  }
  EXPECT_EQ(seen, 300u);
  EXPECT_EQ(held(p3, lines), Get);

  for (const Object& line : lines.members()) {
    EXPECT_EQ(line, o);
    break;
  }
  EXPECT_EQ(held(p3, lines), Get) << "the range is gone";
}

// --- What the end of a loop cannot do is logged, and ends nothing else ---------------------------

TEST_P(Collections, ALoopInWhichItsProcessEndsTerminatesNothing) {
  Array array(p1.create("OrderArray"));
  array.add(o);
  p1.commitTransaction();

  const auto signsOffAndThrows = [&](const Object&) -> bool {
    EXPECT_FALSE(gets(p2, array, Exclusive)) << "p1 is looping";
    p1.signOff();
    throw std::runtime_error("enough");
  };
  EXPECT_THROW(array.forEach(signsOffAndThrows), std::runtime_error);

  EXPECT_TRUE(gets(p2, array, Exclusive));
}

TEST_P(Collections, ALoopThatIsLeftWhileItsProcessIsBusyTerminatesNothing) {
  Array array(p1.create("OrderArray"));
  array.add(o);
  p1.commitTransaction();
  ASSERT_TRUE(gets(p2, o2, Exclusive));
  std::unique_ptr<Pending> asked;

  const auto throwsWhileBusy = [&](const Object&) -> bool {
    asked = start(p1, [&] { as(p1, o2).sharedLock(10s); });
    throw std::runtime_error("enough");
  };
  EXPECT_THROW(array.forEach(throwsWhileBusy), std::runtime_error);

  ASSERT_TRUE(asked->isWaiting());
  as(p2, o2).unlock();
  asked->end();
  EXPECT_EQ(held(p1, array), Share) << "another thread was inside the process";
}

TEST_P(Collections, ALoopOverMembersOutlivesItsProcessHarmlessly) {
  Array array(p1.create("OrderArray"));
  array.add(o);
  p1.commitTransaction();
  std::optional<ObjectRange> members(array.members());
  EXPECT_EQ(*members->begin(), o);

  p1 = Process();
  array = Array(as(p2, array));
  members.reset();

  EXPECT_TRUE(gets(p2, array, Exclusive));
}

// --- All instances of a class --------------------------------------------------------------------

TEST_P(Collections, InstancesComeInPagesThatAreThereWhole) {
  p1.defineClass(classNamed("Paged", ClassKind::Object, {}));
  transact(p3, [&] {
    for (int i = 0; i < 600; ++i) p3.create("Paged");
  });
  const std::vector<Object> all = p1.instances("Paged");

  std::vector<Object> looped;
  for (const Object& object : p2.eachInstance("Paged")) looped.push_back(object);
  std::vector<Object> paged;
  for (auto page = p2.instances("Paged", 250); !page.empty();
       page = p2.instances("Paged", 250, page.back())) {
    EXPECT_LE(page.size(), 250u);
    paged.insert(paged.end(), page.begin(), page.end());
  }

  EXPECT_GE(all.size(), 600u);
  EXPECT_EQ(looped, all);
  EXPECT_EQ(paged, all);
}

TEST_P(Collections, ALoopOverInstancesMayEndEarlyAndMeetsNobodyInAnEmptyClass) {
  for (const Object& object : p1.eachInstance("Order")) {
    EXPECT_EQ(object.className(), "Order");
    break;
  }
  p1.defineClass(classNamed("Unused", ClassKind::Object, {}));
  for (const Object& object : p1.eachInstance("Unused")) FAIL() << object.toString();
  EXPECT_EQ(codeOf([&] { p1.eachInstance("Ordr").begin(); }), 64008);
  static_assert(std::ranges::input_range<ObjectRange>);
}

NEPHRITE_ON_BOTH_FORMS(Collections);

NEPHRITE_ON_BOTH_FORMS(Lifetimes);

}  // namespace
}  // namespace nephrite

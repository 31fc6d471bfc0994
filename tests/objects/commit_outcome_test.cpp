#include <gtest/gtest.h>

#include <chrono>

#include "base/clock.h"
#include "tests/objects/store_fixture.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kAnna = 7, kBen = 256;

/// Given: a store on disk that knows Orders, on a clock that is ours.
class GivenAStoreThatRecordsCommits : public testing::Test {
 protected:
  GivenAStoreThatRecordsCommits() { store->defineClass(orderClass()); }

  void reopen() {
    store.reset();
    store = ObjectStore::open(options);
  }

  void commitNothing(std::uint64_t process, std::uint64_t number) {
    store->commit({.changes = {}, .id = {process, number}});
  }

  ManualClock clock;
  TempDirectory directory;
  ObjectStore::Options options{.directory = directory / "store", .clock = &clock};
  std::unique_ptr<ObjectStore> store = ObjectStore::open(options);
};

TEST_F(GivenAStoreThatRecordsCommits, WhenCommitsHaveNumbersThenTheLastIsKnownAlsoAfterwards) {
  const Oid oid = store->newOid(2048);
  ChangeSet create = changeSet(ChangeKind::Create, {oid, 1, {"Anna", 1}, {}});
  create.id = {kAnna, 1};
  ChangeSet update = changeSet(ChangeKind::Update, {oid, 1, {"Anna", 2}, {}});
  update.id = {kAnna, 2};

  EXPECT_EQ(store->lastCommitOf(kAnna), 0u);
  store->commit(create);
  EXPECT_EQ(store->lastCommitOf(kAnna), 1u);
  store->commit(update);
  EXPECT_EQ(store->lastCommitOf(kAnna), 2u);
  EXPECT_EQ(store->lastCommitOf(kBen), 0u);

  reopen();

  EXPECT_EQ(store->lastCommitOf(kAnna), 2u);
  EXPECT_EQ(totalOf(*store->fetch(oid)), 2);
}

TEST_F(GivenAStoreThatRecordsCommits, WhenACommitIsRefusedThenItIsNotRecorded) {
  commitNothing(kAnna, 1);
  ChangeSet impossible = changeSet(ChangeKind::Delete, {store->newOid(2048), 1, {}, {}});
  impossible.id = {kAnna, 2};
  EXPECT_EQ(failureOf([&] { store->commit(impossible); }).reason(),
            StoreException::Reason::NoSuchObject);
  EXPECT_EQ(store->lastCommitOf(kAnna), 1u);
}

TEST_F(GivenAStoreThatRecordsCommits, WhenACommitHasNoNumberThenItLeavesTheRecordAlone) {
  commitNothing(kAnna, 1);
  const auto commits = store->statistics().commits;
  createOrder(*store, "nobody's", 1);
  store->commit({});
  EXPECT_EQ(store->lastCommitOf(kAnna), 1u);
  EXPECT_EQ(store->lastCommitOf(0), 0u);
  EXPECT_EQ(store->statistics().commits, commits + 1) << "the empty one is none";
}

TEST_F(GivenAStoreThatRecordsCommits, WhenACommitChangesNothingThenItIsRecordedAllTheSame) {
  commitNothing(kAnna, 1);
  reopen();
  EXPECT_EQ(store->lastCommitOf(kAnna), 1u);
}

TEST_F(GivenAStoreThatRecordsCommits, WhenNumbersAreLargeThenEachProcessStillHasItsOwn) {
  commitNothing(UINT64_MAX, UINT64_MAX);
  commitNothing(UINT64_MAX - 1, 3);
  EXPECT_EQ(store->reserveNumbers("p", 1), 1u) << "sequences are something else";
  reopen();
  EXPECT_EQ(store->lastCommitOf(UINT64_MAX), UINT64_MAX);
  EXPECT_EQ(store->lastCommitOf(UINT64_MAX - 1), 3u);
}

TEST_F(GivenAStoreThatRecordsCommits, WhenAProcessIsForgottenThenTheOthersAreNot) {
  commitNothing(kAnna, 1);
  commitNothing(kBen, 1);
  store->forgetCommits(kAnna);
  store->forgetCommits(kAnna);  // Harmless.
  store->forgetCommits(4711);

  reopen();

  EXPECT_EQ(store->lastCommitOf(kAnna), 0u);
  EXPECT_EQ(store->lastCommitOf(kBen), 1u);
}

TEST_F(GivenAStoreThatRecordsCommits, WhenRecordsAreOldThenOpeningForgetsThem) {
  options.keepOutcomes = 48h;
  commitNothing(kAnna, 1);
  clock.advance(24h);
  commitNothing(kBen, 1);

  clock.advance(24h - 1s);
  reopen();
  EXPECT_EQ(store->lastCommitOf(kAnna), 1u) << "a second is missing";

  clock.advance(1s);
  EXPECT_EQ(store->lastCommitOf(kAnna), 1u) << "only opening forgets";
  reopen();
  EXPECT_EQ(store->lastCommitOf(kAnna), 0u);
  EXPECT_EQ(store->lastCommitOf(kBen), 1u);
}

TEST_F(GivenAStoreThatRecordsCommits, WhenAProcessCommitsAgainThenItsRecordIsYoungAgain) {
  commitNothing(kAnna, 1);
  clock.advance(options.keepOutcomes);
  commitNothing(kAnna, 2);
  reopen();
  EXPECT_EQ(store->lastCommitOf(kAnna), 2u);
}

TEST_F(GivenAStoreThatRecordsCommits, WhenTheClockWasSetBackThenNothingIsForgotten) {
  clock.advance(24h);
  commitNothing(kAnna, 1);
  const ManualClock earlier;
  options.clock = &earlier;
  options.keepOutcomes = 0h;
  reopen();
  EXPECT_EQ(store->lastCommitOf(kAnna), 1u);
  options.clock = &clock;
  reopen();
  EXPECT_EQ(store->lastCommitOf(kAnna), 0u) << "nothing is kept for 0 hours";
}

}  // namespace
}  // namespace nephrite

// What a face reads and writes, on a real database: docs/locking.md, section 12.

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "runtime/database/local_database.h"
#include "runtime/database/locker_port.h"
#include "runtime/process/process_machine.h"

namespace nephrite {
namespace {

/// Given: a database with its threads, and an order.
class FaceAccess : public testing::Test {
 protected:
  FaceAccess() {
    database.signOnNode({.name = "faces"},
                        [&](const NodeReply& reply) { node = reply.node.value(); });
    ClassDef definition;
    definition.name = "Order";
    definition.properties.push_back({"total", ValueType::Integer64});
    const auto number = database.defineClass(definition)->number;
    const auto maker = session("maker");
    std::optional<ErrorCode> error;
    maker->begin(Lifetime::Persistent);
    order = maker->create(Lifetime::Persistent, number, error, 1);
    ValueList& values = maker->changeable(order)->values;
    values.resize(1);
    values[0] = std::int64_t{0};
    EXPECT_TRUE(wait([&](StepDone done) { maker->commit(Lifetime::Persistent, done); }).isDone());
  }

  static std::shared_ptr<ObjectStore> openInMemory() {
    ObjectStore::Options options;
    options.inMemory = true;
    return ObjectStore::open(options);
  }
  std::unique_ptr<ProcessMachine> session(const std::string& name) {
    std::promise<ProcessInfo> info;
    database.signOnProcess({node.oid, name, name, false},
                           [&](const ProcessReply& reply) { info.set_value(*reply.process); });
    return std::make_unique<ProcessMachine>(database, info.get_future().get());
  }
  static StepResult wait(const std::function<void(StepDone)>& begin) {
    std::promise<StepResult> told;
    begin([&](const StepResult& result) { told.set_value(result); });
    return told.get_future().get();
  }
  StepResult write(ProcessMachine& who) const {
    const auto edit = [](ObjectRecord& record) {
      record.values[0] = std::get<std::int64_t>(record.values[0]) + 1;
    };
    return wait([&](StepDone done) { who.write(order, edit, done); });
  }
  StepResult read(ProcessMachine& who) const {
    return wait([&](StepDone done) { who.gatedRead(order, done); });
  }
  StepResult lock(ProcessMachine& who, LockType type) const {
    ProcessMachine::Wish wish;
    wish.target = order;
    wish.type = type;
    wish.duration = LockDuration::Session;
    return wait([&](StepDone done) { who.lock(wish, done); });
  }
  std::int64_t total() const { return std::get<std::int64_t>(database.fetch(order)->values[0]); }

  LocalDatabase database{openInMemory(), SystemClock::instance(), {}};
  NodeInfo node;
  Oid order;
};

TEST_F(FaceAccess, N22WhenTwoSessionsWriteAgainAndAgainFromTwoThreadsThenNeitherIsEverRefused) {
  constexpr int kWrites = 500;
  const auto writes = [&](const std::string& name) {
    const auto who = session(name);
    for (int i = 0; i < kWrites; ++i) {
      const StepResult result = write(*who);
      ASSERT_TRUE(result.isDone()) << name << ": " << numberOf(result.code);
    }
    who->signOff();
  };
  std::thread other(writes, "ben");
  writes("anna");
  other.join();
  EXPECT_EQ(total(), 2 * kWrites);
  EXPECT_TRUE(database.locksOn(order).empty());
}

TEST_F(FaceAccess, WhenSomebodyHasLockedItThenAWriteIsRefusedWithWhoAndNothingIsChanged) {
  const auto anna = session("anna"), ben = session("ben");
  ASSERT_TRUE(lock(*ben, LockType::Reserve).isDone());

  const StepResult refused = write(*anna);

  EXPECT_EQ(refused.outcome, StepResult::Outcome::Refused);
  EXPECT_EQ(refused.lock.lockedBy, ben->process().locker);
  EXPECT_EQ(total(), 0);
  EXPECT_FALSE(anna->isInTransaction(Lifetime::Persistent));
  EXPECT_TRUE(read(*anna).isDone()) << "Reserve keeps writers out, not readers";
  ben->unlock(order);
  EXPECT_TRUE(write(*anna).isDone());
  EXPECT_EQ(read(*ben).record->edition, 2u);
}

TEST_F(FaceAccess, WhenItHasLockedItItselfThenItWritesAndKeepsTheLock) {
  const auto anna = session("anna"), ben = session("ben");
  lock(*anna, LockType::Reserve);

  EXPECT_TRUE(write(*anna).isDone());

  EXPECT_EQ(anna->port().held(order), LockType::Reserve);
  EXPECT_EQ(write(*ben).outcome, StepResult::Outcome::Refused);
  lock(*anna, LockType::Exclusive);
  EXPECT_TRUE(read(*anna).isDone());
  EXPECT_EQ(read(*ben).outcome, StepResult::Outcome::Refused);
  EXPECT_NE(database.fetch(order), nullptr) << "a JADE read asks for no lock";
}

TEST_F(FaceAccess, WhenTheObjectIsGoneOrOneIsInATransactionThenThatIsSaid) {
  const auto anna = session("anna");
  anna->begin(Lifetime::Persistent);
  EXPECT_EQ(write(*anna).code, ErrorCode::AlreadyInTransaction);
  wait([&](StepDone done) { anna->remove(order, done); });
  wait([&](StepDone done) { anna->commit(Lifetime::Persistent, done); });
  EXPECT_EQ(write(*anna).code, ErrorCode::ObjectDeleted);
  EXPECT_EQ(read(*anna).code, ErrorCode::ObjectDeleted);
  anna->beginState(StateKind::Load);
  EXPECT_EQ(write(*anna).code, ErrorCode::StateMismatch);
  EXPECT_TRUE(database.locksOf(anna->process().locker, Lifetime::Persistent).empty());
}

}  // namespace
}  // namespace nephrite

#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "runtime/nephrite.h"
#include "tests/support/database_form.h"

namespace nephrite {

using std::chrono::milliseconds;
using namespace std::chrono_literals;
using enum LockType;

inline constexpr LockDuration kTransaction = LockDuration::Transaction;
inline constexpr LockDuration kSession = LockDuration::Session;

/// The exception of type E that `action` throws; empty when it throws none.
template <class E>
std::optional<E> thrownBy(const std::function<void()>& action) {
  try {
    action();
  } catch (const E& exception) {
    return exception;
  }
  return std::nullopt;
}

/// The error code of what `action` throws; 0 when it throws nothing.
inline int codeOf(const std::function<void()>& action) {
  const auto thrown = thrownBy<SystemException>(action);
  return thrown ? thrown->errorCode() : 0;
}

/// A call on a thread of its own, which has come to stand in a queue (or has ended) when the
/// constructor returns. Nobody sleeps: the queue itself is looked at.
class Pending {
 public:
  Pending(Database& database, Process& process, std::function<void()> call)
      : database_(database), process_(process), locker_(process.info().locker) {
    thread_ = std::thread([this, call = std::move(call)] {
      try {
        call();
      } catch (...) {
        failure_ = std::current_exception();
      }
      over_ = true;
    });
    while (!over_ && !isWaiting()) std::this_thread::yield();
  }
  ~Pending() {
    if (!thread_.joinable()) return;
    process_.signOff();  // A test that failed midway leaves nobody waiting.
    thread_.join();
  }

  bool isWaiting() const {
    for (const Lifetime lifetime : {Lifetime::Persistent, Lifetime::SharedTransient}) {
      for (const LockInfo& lock : database_.locksOf(locker_, lifetime)) {
        if (lock.waiting) return true;
      }
    }
    return false;
  }

  /// Waits for its end; throws what the call threw.
  void end() {
    thread_.join();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  Database& database_;
  Process& process_;
  const LockerId locker_;
  std::atomic<bool> over_{false};
  std::exception_ptr failure_;
  std::thread thread_;
};

/// Given: a database in memory whose clock stands still, a node, three processes that have nothing
/// locked, and two committed orders.
class GivenProcesses : public testing::TestWithParam<Form> {
 protected:
  GivenProcesses() : GivenProcesses(plain()) {}
  explicit GivenProcesses(const LocalDatabase::Options& options)
      : form(GetParam(), storeInMemory(), clock, {.local = options}),
        database(form.database()),
        node(Node::signOn(database, "main")),
        p1(node.signOn({.user = "anna", .name = "one"})),
        p2(node.signOn({.user = "ben", .name = "two"})),
        p3(node.signOn({.user = "cleo", .name = "three"})) {
    p1.defineClass(classNamed("Order", ClassKind::Object,
                              {{"total", ValueType::Integer},
                               {"note", ValueType::String},
                               {"weight", ValueType::Real},
                               {"next", ValueType::Reference},
                               {"lines", ValueType::Reference}}));
    p1.defineClass(classNamed("OrderArray", ClassKind::Array, {}));
    p1.defineClass(classNamed("OrderSet", ClassKind::Set, {}));
    ClassDef byName = classNamed("OrderDict", ClassKind::Dictionary, {});
    byName.keyType = ValueType::String;
    p1.defineClass(byName);
    o = committed("Order");
    o2 = committed("Order");
  }

  /// Without threads: what happens, happens on the test's.
  static LocalDatabase::Options plain() {
    LocalDatabase::Options options;
    options.threads = false;
    return options;
  }

  static std::shared_ptr<ObjectStore> storeInMemory() {
    static const std::shared_ptr<ObjectStore> store = [] {
      ObjectStore::Options options;
      options.inMemory = true;
      return std::shared_ptr<ObjectStore>(ObjectStore::open(options));
    }();
    return store;
  }

  static ClassDef classNamed(const std::string& name, ClassKind kind,
                             std::vector<PropertyDef> properties) {
    ClassDef wanted;
    wanted.name = name;
    wanted.kind = kind;
    wanted.properties = std::move(properties);
    return wanted;
  }

  /// A new object of that class, committed by p1, which is in no transaction.
  Object committed(const std::string& className) {
    p1.beginTransaction();
    const Object made = p1.create(className);
    p1.commitTransaction();
    return made;
  }
  Object sharedTransient() {
    p1.beginTransientTransaction();
    const Object made = p1.create("Order", Lifetime::SharedTransient);
    p1.commitTransientTransaction();
    return made;
  }

  static Object as(Process& process, const Object& object) { return process.object(object.oid()); }

  /// Asks with Transaction duration; true when granted at once, nothing queued otherwise.
  static bool gets(Process& process, const Object& object, LockType type,
                   LockDuration duration = kTransaction) {
    return as(process, object).tryLock(type, duration, LockTimeout::immediate());
  }

  /// What the process holds on the object; Get for nothing.
  static LockType held(Process& process, const Object& object) {
    return as(process, object).lockStatus().type;
  }

  /// Moves the clock; what runs out by then ends.
  void pass(milliseconds time) {
    form.settle();  // What was asked before is asked before.
    clock.advance(time);
    while (form.expireNext(clock.now())) {
    }
  }

  std::unique_ptr<Pending> start(Process& process, std::function<void()> call) {
    return std::make_unique<Pending>(*database, process, std::move(call));
  }

  /// "Blocks": queues, and ends with 1027 when the default timeout is over.
  void expectBlocks(Process& process, const Object& object, LockType type) {
    const auto asked = start(process, [&] {
      as(process, object).lock(type, kTransaction, LockTimeout::processDefined());
    });
    ASSERT_TRUE(asked->isWaiting());
    pass(9'999ms);
    EXPECT_TRUE(asked->isWaiting());
    pass(1ms);
    EXPECT_THROW(asked->end(), LockException);
  }

  std::vector<std::string> queued() {
    std::vector<std::string> names;
    for (const Lock& lock : p1.system().getQueuedLocks()) names.push_back(lock.requestedBy.name);
    return names;
  }

  ManualClock clock;
  DatabaseForm form;
  std::shared_ptr<Database> database;
  Node node;
  Process p1, p2, p3;
  Object o, o2;
};

/// A statement of the JADE manuals that a JADE user may rely on; the tests
/// are named by number and by what is so.
class JadeStatement : public GivenProcesses {
 protected:
  using GivenProcesses::GivenProcesses;
};

}  // namespace nephrite

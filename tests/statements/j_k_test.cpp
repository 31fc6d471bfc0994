// What a JADE user relies on, statement by statement: looking and statistics (J), nodes (K).

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// --- J. Looking and statistics -------------------------------------------------------------------

TEST_P(JadeStatement, S086_QueuedLocksAreTheWaitersOnly) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  const auto asked = start(p2, [&] { as(p2, o).sharedLock(); });
  ASSERT_TRUE(asked->isWaiting());

  const auto waiting = p1.system().getQueuedLocks();

  ASSERT_THAT(waiting, SizeIs(1));
  EXPECT_EQ(waiting[0].requestedBy.name, "two");
  EXPECT_EQ(waiting[0].lockedBy.name, "one");
  EXPECT_EQ(waiting[0].target, o.oid());
  EXPECT_EQ(waiting[0].targetName, o.toString());
  EXPECT_EQ(waiting[0].type, Get) << "the first waiter lets nobody pass";
  EXPECT_EQ(waiting[0].wanted, Share);
  EXPECT_TRUE(waiting[0].waiting);
  as(p1, o).unlock();
  asked->end();
  EXPECT_THAT(p1.system().getQueuedLocks(), IsEmpty());
}

TEST_P(JadeStatement, S087_MaxEntriesCapsTheList) {
  ASSERT_TRUE(gets(p1, o, Share));
  ASSERT_TRUE(gets(p2, o, Share));
  ASSERT_TRUE(gets(p1, o2, Share));
  EXPECT_THAT(p1.system().getLocks(), SizeIs(3));
  EXPECT_THAT(p1.system().getLocks(2), SizeIs(2));
  EXPECT_THAT(p1.system().getObjectLockProcesses(o, 1), SizeIs(1));
}

TEST_P(JadeStatement, S088_AllSharersAreNamed) {
  ASSERT_TRUE(gets(p1, o, Share));
  ASSERT_TRUE(gets(p3, o, Share));
  std::vector<std::string> names;
  for (const ProcessInfo& process : p2.system().getObjectLockProcesses(as(p2, o))) {
    names.push_back(process.name);
  }
  EXPECT_THAT(names, ElementsAre("one", "three"));
}

TEST_P(JadeStatement, S089_ASecondProcessCannotStartContentionStatistics) {
  p1.system().beginLockContentionStats(10);

  EXPECT_EQ(codeOf([&] { p2.system().beginLockContentionStats(10); }), 1131);
  EXPECT_EQ(codeOf([&] { p2.system().clearLockContentionStats(); }), 1131);

  const auto query = p2.system().queryLockContentionStats();
  EXPECT_TRUE(query.active);
  EXPECT_EQ(query.startingProcess.name, "one");
  EXPECT_EQ(query.maxEntries, 10u);
  p1.system().endLockContentionStats();
  EXPECT_FALSE(p2.system().queryLockContentionStats().active);
}

TEST_P(JadeStatement, S090_WhatTheContentionTableHasNoRoomForGoesIntoOneEntry) {
  p1.system().beginLockContentionStats(1);
  const Object o3 = committed("Order");
  for (const Object& object : {o, o2, o3}) {
    ASSERT_TRUE(gets(p1, object, Exclusive));
    ASSERT_FALSE(gets(p2, object, Share));
  }

  const auto report = p1.system().getLockContentionStats();

  ASSERT_THAT(report.entries, SizeIs(2));
  EXPECT_EQ(report.entries[0].totalContentions + report.entries[1].totalContentions, 3u);
  const bool othersFirst = report.entries[0].target.isNull();
  EXPECT_TRUE(report.entries[othersFirst ? 0 : 1].target.isNull());
  EXPECT_EQ(report.entries[othersFirst ? 0 : 1].totalContentions, 2u);
  EXPECT_EQ(p1.system().getLockContentionInfo(o).totalContentions, 1u);
  EXPECT_EQ(p1.system().getLockContentionInfo(o3).totalContentions, 0u);
}

TEST_P(JadeStatement, S091_LockStatusIsOfTheCallersOwnLock) {
  ASSERT_TRUE(gets(p1, o, Exclusive, kSession));
  EXPECT_EQ(as(p2, o).lockStatus().type, Get);
  EXPECT_FALSE(as(p2, o).isLockedByMe());
  EXPECT_EQ(as(p1, o).lockStatus().type, Exclusive);
  EXPECT_EQ(as(p1, o).lockStatus().duration, kSession);
}

TEST_P(JadeStatement, S092_QueuedLocksAndTotalQueueWaitTimeRiseAfterAWait) {
  ASSERT_TRUE(gets(p1, o, Exclusive));
  const RequestStatistics before = p1.system().getRequestStats();
  const auto asked = start(p2, [&] { as(p2, o).sharedLock(); });
  pass(700ms);
  as(p1, o).unlock();
  asked->end();

  const RequestStatistics after = p1.system().getRequestStats();

  EXPECT_EQ(after.queuedLocks, before.queuedLocks + 1);
  EXPECT_EQ(after.totalLockQueueWaitTime - before.totalLockQueueWaitTime, Duration(700ms));
}

// --- K. Nodes ------------------------------------------------------------------------------------

/// Given also: p1 looks at system.nodes.
class JadeStatementOnNodes : public JadeStatement {
 protected:
  /// A node that asks to sign on, on a thread of its own; its request stands in the queue.
  class SigningOn {
   public:
    explicit SigningOn(JadeStatementOnNodes& test) : test_(test) {
      thread_ = std::thread([this] {
        try {
          node = Node::signOn(test_.database, "second");
        } catch (...) {
          failure_ = std::current_exception();
        }
        over_ = true;
      });
      while (!over_ && test_.waiters() == 0) std::this_thread::yield();
    }
    ~SigningOn() {
      if (thread_.joinable()) thread_.join();
    }
    void end() {
      thread_.join();
      if (failure_) std::rethrow_exception(failure_);
    }
    Node node;

   private:
    JadeStatementOnNodes& test_;
    std::atomic<bool> over_{false};
    std::exception_ptr failure_;
    std::thread thread_;
  };

  std::size_t waiters() const {
    return database->queuedRequests(Lifetime::Persistent, SIZE_MAX).size();
  }
};

TEST_P(JadeStatementOnNodes, S099_WhileSystemNodesIsLockedNoNodeSignsOn) {
  p1.system().nodes().sharedLock();
  SigningOn second(*this);
  ASSERT_EQ(waiters(), 1u);
  pass(29'999ms);
  ASSERT_EQ(waiters(), 1u) << "BackgroundProcessServerTimeout is 30 s";

  pass(1ms);

  const auto thrown = thrownBy<SignOnException>([&] { second.end(); });
  ASSERT_TRUE(thrown.has_value());
  EXPECT_EQ(thrown->errorCode(), 1027);
  EXPECT_EQ(thrown->targetLockedBy().name, "one");
  const std::string what = thrown->what();
  EXPECT_THAT(what, testing::HasSubstr("node \"second\" cannot sign on: NodeDict/188.1 is locked"));
  EXPECT_THAT(what, testing::HasSubstr("(\"one\", user anna, node main) holds share since "));
  EXPECT_THAT(what, testing::HasSubstr("waited 30000 ms"));
  EXPECT_THAT(database->nodes(), SizeIs(1));
}

TEST_P(JadeStatementOnNodes, S099_ItSucceedsWhenItIsUnlockedInTime) {
  p1.system().nodes().sharedLock();
  SigningOn second(*this);
  pass(29s);

  p1.system().nodes().unlock();

  EXPECT_NO_THROW(second.end());
  EXPECT_THAT(p1.system().nodes().keys(), ElementsAre(Value("main"), Value("second")));
}

TEST_P(JadeStatementOnNodes, S099_ALoopOverSystemNodesIsSuchALock) {
  int visited = 0;
  std::unique_ptr<SigningOn> second;
  p1.system().nodes().forEach([&](const Object&) {
    ++visited;
    second = std::make_unique<SigningOn>(*this);
    EXPECT_EQ(waiters(), 1u);
    return true;
  });
  EXPECT_EQ(visited, 1);
  EXPECT_NO_THROW(second->end()) << "the loop has ended";
}

TEST_P(JadeStatementOnNodes, S100_ALoopOverACloneDoesNotBlockSignOn) {
  int visited = 0;
  for (const Object& known : p1.system().nodes().clone()) {
    ++visited;
    Node second = Node::signOn(database, "second");
    EXPECT_EQ(known.get<std::string>("name"), "main");
  }
  EXPECT_EQ(visited, 1);
}

TEST_P(JadeStatementOnNodes, K_ProcessesStandInTheirNodesDictionary) {
  const Dictionary nodes = p1.system().nodes();
  const Dictionary processes = p1.system().processesOf(nodes.getAtKey("main"));
  EXPECT_THAT(processes.keys(), ElementsAre(Value("one"), Value("three"), Value("two")));
  EXPECT_EQ(processes.getAtKey("two").get<std::string>("userCode"), "ben");

  p2.signOff();
  EXPECT_THAT(processes.keys(), ElementsAre(Value("one"), Value("three")));
}

TEST_P(JadeStatementOnNodes, K_WhileNodeProcessesIsLockedNoProcessSignsOn) {
  const Dictionary nodes = p1.system().nodes();
  p1.system().processesOf(nodes.getAtKey("main")).exclusiveLock();
  std::atomic<bool> over{false};
  std::string what;
  std::thread newcomer([&] {
    const auto thrown = thrownBy<SignOnException>([&] { node.signOn({.name = "late"}); });
    if (thrown) what = thrown->what();
    over = true;
  });
  while (!over && waiters() == 0) std::this_thread::yield();

  pass(30s);

  newcomer.join();
  EXPECT_THAT(what, testing::HasSubstr("process \"late\" cannot sign on: ProcessDict/189."));
}

TEST_P(JadeStatementOnNodes, K_SystemObjectsCanBeReadAndLockedNotChanged) {
  p1.beginTransaction();
  Dictionary nodes = p1.system().nodes();
  EXPECT_EQ(codeOf([&] { nodes.put("mine", o); }), numberOf(ErrorCode::SystemObject));
  EXPECT_EQ(codeOf([&] { p1.create("Node"); }), numberOf(ErrorCode::SystemObject));
}

NEPHRITE_ON_BOTH_FORMS(JadeStatementOnNodes);

}  // namespace
}  // namespace nephrite

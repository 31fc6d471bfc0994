// Leases that are renewed by anything that their owner does: docs/locking.md, section 10.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;

/// Given: p1 holds o with a lease of 100 ms that activity renews.
class ActivityLeases : public GivenProcesses {
 protected:
  ActivityLeases() { lease(p1, Renewal::Activity); }

  void lease(Process& process, Renewal renewedBy) {
    as(process, o).lock({.duration = kSession, .lease = LeaseTerms(100ms, renewedBy)});
  }
  /// The lease has just begun, and `action` comes after more than half of it.
  bool isRenewedBy(const std::function<void()>& action) {
    EXPECT_TRUE(as(p1, o).renew());
    pass(60ms);
    action();
    pass(60ms);
    return held(p1, o) != Get;
  }
};

TEST_P(ActivityLeases, WhenItsOwnerDoesNothingThenItLapses) {
  pass(99ms);
  EXPECT_EQ(held(p1, o), Exclusive);
  pass(1ms);
  EXPECT_EQ(held(p1, o), Get);
}

TEST_P(ActivityLeases, WhateverItsOwnerAsksForThenTheLeaseIsRenewed) {
  const Object shared = sharedTransient(), taken = committed("Order");
  const Object other = as(p1, o2);
  const std::vector<Object> both{other, shared};
  as(p2, taken).exclusiveLock();
  const std::vector<std::pair<std::string, std::function<void()>>> activities{
      {"a lock", [&] { other.exclusiveLock(); }},
      {"a lock that it holds", [&] { other.exclusiveLock(); }},
      {"a lock that it is refused", [&] { EXPECT_FALSE(gets(p1, taken, Exclusive)); }},
      {"a release", [&] { other.unlock(); }},
      {"a release of nothing", [&] { p1.abortTransaction(); }},
      {"a read", [&] { other.get<int>("total"); }},
      {"a read of what it has read", [&] { other.get<int>("total"); }},
      {"a shared transient", [&] { shared.exclusiveLock(); }},
      {"the release of one", [&] { shared.unlock(); }},
      {"several locks", [&] { p1.lockAll(both, Share); }},
      {"a change",
       [&] {
         p1.beginTransaction();
         other.set("total", 1);
       }},
      {"another change", [&] { other.set("total", 2); }},
      {"a commit", [&] { p1.commitTransaction(); }},
      {"its renewal", [&] { EXPECT_TRUE(as(p1, o).renew()); }},
  };
  for (const auto& [what, action] : activities) {
    ASSERT_TRUE(isRenewedBy(action)) << what;
  }
}

TEST_P(ActivityLeases, WhenItsOwnerOnlyLooksThenTheLeaseIsNotRenewed) {
  EXPECT_FALSE(isRenewedBy([&] { EXPECT_EQ(held(p1, o), Exclusive); }));
}

TEST_P(ActivityLeases, WhenAnotherProcessDoesSomethingThenTheLeaseIsNotRenewed) {
  EXPECT_FALSE(isRenewedBy([&] {
    as(p2, o2).exclusiveLock();
    as(p2, o2).unlock();
  }));
}

TEST_P(ActivityLeases, WhenALeaseIsRenewedByChangesOnlyThenActivityDoesNotRenewIt) {
  as(p1, o).unlock();
  lease(p1, Renewal::Change);
  EXPECT_FALSE(isRenewedBy([&] { as(p1, o2).exclusiveLock(); }));
}

TEST_P(ActivityLeases, WhenAChildLeavesItToItsParentThenWhatTheParentDoesRenewsIt) {
  as(p1, o).unlock();
  Process parent = node.signOn({.name = "parent"});
  Process child = node.signOn({.name = "child", .parent = &parent});
  lease(child, Renewal::Activity);
  child.signOffToParent();

  for (int i = 0; i < 2; ++i) {
    pass(60ms);
    as(parent, o2).exclusiveLock();
  }
  pass(60ms);

  EXPECT_EQ(held(parent, o), Exclusive);
}

NEPHRITE_ON_BOTH_FORMS(ActivityLeases);

}  // namespace
}  // namespace nephrite

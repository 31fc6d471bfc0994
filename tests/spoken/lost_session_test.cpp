// A client node has lost its session while one of its processes reads what is in the node's cache:
// it is told so as if it wrote.

#include <gtest/gtest.h>

#include "runtime/errors/exceptions.h"
#include "runtime/process/process_machine.h"
#include "tests/spoken/spoken_node.h"

namespace nephrite {
namespace {

using namespace std::chrono_literals;

/// Given: Anna, who has read an order that is now in the cache of her node.
class LostSession : public SpokenNode<> {
 protected:
  LostSession() {
    carrier.stored = std::make_shared<const ObjectRecord>(ObjectRecord{order, 1, {}, {}});
    EXPECT_NE(anna.peek(order), nullptr);
    EXPECT_NE(anna.peek(order), nullptr) << "from the cache";
    heardBefore = carrier.heard.size();
  }
  static ProcessInfo infoOf(LockerId locker) {
    ProcessInfo info;
    info.locker = locker;
    return info;
  }

  const Oid order{Lifetime::Persistent, 2048, 5};
  ProcessMachine anna{database, infoOf(kAnna)};
  std::size_t heardBefore = 0;
};

TEST_F(LostSession, WhenTheServerIsSilentForTooLongThenTheCacheIsNotReadAnyMore) {
  clock.advance(4s);
  EXPECT_NE(anna.peek(order), nullptr) << "it has been silent for less than the keep-alive time";
  clock.advance(2s);
  EXPECT_THROW(anna.peek(order), ConnectionException);
  EXPECT_THROW(anna.read(order, [](const StepResult&) {}), ConnectionException);
  EXPECT_EQ(carrier.heard.size(), heardBefore);
}

// Another process may read there; her locks are gone, and she would not know.
TEST_F(LostSession, WhenTheNodeHasANewSessionThenSheIsStillToldThatHersIsOver) {
  clock.advance(6s);
  carrier.tick();
  clock.advance(1s);
  carrier.tick();
  carrier.welcomeAgain();

  EXPECT_THROW(anna.peek(order), ConnectionException);
  EXPECT_NE(database.fetch(order), nullptr) << "for those who sign on anew";

  anna.signOff();
}

}  // namespace
}  // namespace nephrite

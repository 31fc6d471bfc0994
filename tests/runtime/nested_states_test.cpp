// Very many load and lock states, one in the other, on both forms of the database.

#include "tests/runtime/given_processes.h"

namespace nephrite {
namespace {

class NestedStates : public GivenProcesses {
 protected:
  void open(int states) {
    for (int i = 0; i < states; ++i) p1.beginLoad();
  }
  void end(int states) {
    for (int i = 0; i < states; ++i) p1.endLoad();
  }
};

TEST_P(NestedStates,
       WhenALockIsAcquiredDeeperThanLevelsAreKeptThenItIsFreeWhenTheKeptOnesHaveEnded) {
  open(1'100);
  ASSERT_TRUE(gets(p1, o, Exclusive));
  end(50);
  EXPECT_EQ(held(p1, o), Exclusive) << "late, never early";

  end(1'100 - 50 - 1'022);
  EXPECT_EQ(held(p1, o), Get);
  EXPECT_TRUE(gets(p2, o, Exclusive));
  EXPECT_FALSE(as(p1, o).tryLock(Share)) << "it does not believe that it still holds it";
  end(1'022);
}

TEST_P(NestedStates, WhenMoreStatesAreOpenThanANumberOf16BitsCountsThenItIsStillAState) {
  open(65'536);
  ASSERT_TRUE(gets(p1, o, Exclusive));

  as(p1, o).unlock();

  EXPECT_EQ(held(p1, o), Exclusive) << "unlock is ignored in load state";
  end(65'536);
  EXPECT_EQ(held(p1, o), Get);
}

NEPHRITE_ON_BOTH_FORMS(NestedStates);

}  // namespace
}  // namespace nephrite

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <ostream>
#include <string>
#include <vector>

#include "tests/simulation/comparison.h"
#include "tests/simulation/lock_model.h"
#include "tests/simulation/schedule_generator.h"
#include "tests/support/child_process.h"

namespace nephrite {
namespace {

constexpr std::size_t kProcesses = 3;
constexpr std::size_t kSteps = 4;
using Program = std::array<const char*, kSteps>;

struct Meeting {
  const char* name;
  const char* start;  // Settings; and the options of each process.
  std::array<const char*, kProcesses> options;
  std::array<Program, kProcesses> programs;
};

void PrintTo(const Meeting& meeting, std::ostream* out) { *out << meeting.name; }

constexpr Program kShareThenExclusive{"begin", "sharedLock X", "exclusiveLock X", "commit"};
constexpr Program kReserveThenExclusive{"begin", "reserveLock X", "exclusiveLock X", "commit"};
constexpr Program kChange{"begin", "update X", "commit", "read X"};
constexpr Program kShareThenChange{"begin", "sharedLock X", "update X", "commit"};
constexpr Program kShareYChangeX{"begin", "sharedLock Y", "update X", "commit"};
constexpr Program kShareXChangeY{"begin", "sharedLock X", "update Y", "commit"};
constexpr Program kShareBoth{"sharedLock X", "sharedLock Y", "unlock X", "unlock Y"};
constexpr Program kXThenY{"exclusiveLock X", "exclusiveLock Y", "unlock X", "abort"};
constexpr Program kYThenX{"exclusiveLock Y", "exclusiveLock X", "unlock Y", "abort"};
constexpr Program kChangeBoth{"begin", "update X", "update Y", "commit"};
constexpr Program kLoad{"beginLoad", "lock X share session 0", "exclusiveLock X", "endLoad"};
constexpr Program kLoadLowers{"beginLoad", "exclusiveLock X", "lock X share session 0", "endLoad"};
constexpr Program kLockState{"beginLock", "read X", "read Y", "endLock"};
constexpr Program kImmediate{"lock X exclusive session -1", "lock X share session -1",
                             "tryLock Y update transaction -1", "unlock X"};
constexpr Program kShort{"lock X reserve transaction 30", "lock Y share transaction 20",
                         "exclusiveLock X", "signOff"};

constexpr Program kShareYOverX{"sharedLock X", "exclusiveLock Y", "sharedLock Y",
                               "signOff inherit"};
constexpr Program kShareThenInherit{"begin", "sharedLock X", "exclusiveLock Y", "signOff inherit"};
constexpr Program kSignOff{"exclusiveLock X", "unlock X", "sharedLock Y", "signOff"};
constexpr Program kLeaseRenewed{"lock X share session 50 lease=20", "advance 10",
                                "exclusiveLock X lease=30", "renew X"};
constexpr Program kLeaseOfAChange{"begin", "updateLock X lease=10", "update X", "commit"};
constexpr Program kWaitsAWhile{"sharedLock X", "advance 10", "unlock X", "exclusiveLock X"};
constexpr Program kShareLease{"sharedLock X lease=20", "exclusiveLock Y lease=10", "advance 10",
                              "signOff inherit"};
constexpr Program kResourceThenX{"exclusiveLock r", "exclusiveLock X", "unlock r", "unlock X"};
constexpr Program kXThenResource{"begin", "update X", "exclusiveLock r", "commit"};
constexpr Program kResourceLease{"sharedLock r lease=10", "sharedLock X", "advance 10", "renew r"};

constexpr const char* kTree =
    "object T at /t\n"
    "object V at /t/v\n"
    "object W at /t/w\n";
constexpr Program kSubtree{"sharedLock T subtree", "exclusiveLock T subtree", "unlock T",
                           "sharedLock V"};
constexpr Program kBelow{"exclusiveLock V", "sharedLock W", "exclusiveLock W", "abort"};
constexpr Program kBelowOtherwise{"sharedLock W", "exclusiveLock V", "unlock W", "abort"};
constexpr Program kWiderAndBack{"begin", "lock T share session 0", "exclusiveLock T subtree",
                                "commit"};
constexpr Program kChangeBelow{"begin", "update V", "commit", "sharedLock T"};
constexpr Program kInheritedSubtree{"lock T share session 0 subtree", "update V", "exclusiveLock W",
                                    "signOff inherit"};
constexpr Program kSubtreeLease{"lock T reserve session 30 subtree lease=20", "advance 10",
                                "sharedLock V", "exclusiveLock T subtree"};

constexpr std::array kMeetings{
    Meeting{"ShareUpgradesMeetReserve",
            "",
            {"", "", ""},
            {kShareThenExclusive, kShareThenExclusive, kReserveThenExclusive}},
    Meeting{"ShareUpgradesWithPriorities",
            "",
            {"priority=-1", "priority=1", "priority=-2"},
            {kShareThenExclusive, kShareThenExclusive, kReserveThenExclusive}},
    Meeting{"OppositeOrders", "", {"", "", ""}, {kXThenY, kYThenX, kShareBoth}},
    Meeting{"OppositeOrdersDoubleDeadlock",
            "setting DoubleDeadlockException=true\n",
            {"", "", "priority=-1"},
            {kXThenY, kYThenX, kShareThenExclusive}},
    Meeting{"CommitsUnderUpdateWithSharer",
            "",
            {"updateLocks", "updateLocks", ""},
            {kShareYChangeX, kShareXChangeY, kShareBoth}},
    Meeting{"CommitsUnderUpdateWithPriorities",
            "",
            {"updateLocks priority=-1", "updateLocks timeout=20", "priority=-3"},
            {kChangeBoth, kShareXChangeY, kShareBoth}},
    Meeting{"ShareIsReleasedForUpdate",
            "",
            {"updateLocks", "updateLocks", ""},
            {kShareThenChange, kShareThenChange, kChange}},
    Meeting{"LoadStateWithSessionLocks", "", {"", "", ""}, {kLoad, kLoadLowers, kShareBoth}},
    Meeting{
        "LockStateAmongWriters", "", {"", "updateLocks", ""}, {kLockState, kChangeBoth, kYThenX}},
    Meeting{"ImmediateTimeouts",
            "",
            {"", "timeout=-1", "updateLocks timeout=-1"},
            {kImmediate, kShareThenExclusive, kShareThenChange}},
    Meeting{"ShortTimeouts", "", {"", "", "timeout=30"}, {kShort, kShareThenChange, kXThenY}},
    Meeting{"ParentAndChildUpgradeBesideAStranger",
            "",
            {"", "parent=C", ""},
            {kShareThenExclusive, kShareThenExclusive, kReserveThenExclusive}},
    Meeting{"ChildrenOfOneParentUpgrade",
            "",
            {"", "parent=C", "parent=C priority=-1"},
            {kShareThenExclusive, kShareThenExclusive, kReserveThenExclusive}},
    Meeting{"ParentWaitsAndInherits",
            "",
            {"", "parent=C", ""},
            {kShareXChangeY, kShareYOverX, kXThenY}},
    Meeting{"ParentCommitsUnderUpdateAndInherits",
            "",
            {"updateLocks", "parent=C", "updateLocks"},
            {kChangeBoth, kShareThenInherit, kShareYChangeX}},
    Meeting{"ParentSignsOffBeforeItsChild",
            "",
            {"", "parent=C", ""},
            {kSignOff, kShareThenExclusive, kYThenX}},
    Meeting{"ThreeGenerationsChange",
            "",
            {"updateLocks", "parent=C", "parent=A"},
            {kShareThenChange, kChange, kChangeBoth}},
    Meeting{"LeasesAmongACommitAndASharer",
            "",
            {"", "", ""},
            {kLeaseRenewed, kLeaseOfAChange, kWaitsAWhile}},
    Meeting{
        "LeasesOfAFamily", "", {"", "parent=C", ""}, {kLeaseRenewed, kShareLease, kWaitsAWhile}},
    Meeting{"ResourceAmongObjects",
            "resource r\n",
            {"", "", "parent=C"},
            {kResourceThenX, kXThenResource, kResourceLease}},
    Meeting{"YoungestGivesWay",
            "setting DeadlockVictim=Youngest\n",
            {"", "parent=C", ""},
            {kShareThenExclusive, kXThenY, kYThenX}},
    Meeting{"FewLocksToHave",
            "setting MaxLocks=3\nsetting MaxLockedObjects=2\nresource r\n",
            {"", "parent=C", ""},
            {kShareThenChange, kYThenX, kResourceThenX}},
    Meeting{"SubtreeAmongThoseBelow", kTree, {"", "", ""}, {kSubtree, kBelow, kBelowOtherwise}},
    Meeting{"CommitBelowAScopeThatRises",
            kTree,
            {"", "updateLocks", "priority=-1"},
            {kWiderAndBack, kChangeBelow, kBelow}},
    Meeting{"FamilyBelowAWaitingSubtree",
            kTree,
            {"", "parent=C", ""},
            {kBelow, kBelowOtherwise, kSubtree}},
    Meeting{"SubtreesOfAFamily",
            kTree,
            {"", "parent=C", "timeout=20"},
            {kSubtreeLease, kInheritedSubtree, kBelowOtherwise}},
};

/// Plays every order of the steps; skips a process that waits or has signed off with its parent;
/// when all that have steps left wait, lets time pass. Each complete order is compared.
class Interleavings {
 public:
  explicit Interleavings(const Meeting& meeting) : meeting_(meeting) {
    std::string text = meeting.start;
    for (std::size_t p = 0; p < kProcesses; ++p) {
      text += "process " + nameOf(p) + " " + meeting.options.at(p) + "\n";
    }
    start_ = linesOf(text + "object X\nobject Y\n");
  }

  int play() {
    LockModel model;
    for (const ScheduleLine& line : start_) model.run(line);
    playFrom(start_, model, {0, 0, 0});
    return orders_;
  }

 private:
  /// Under sanitizers a part of the orders is played: of all that begin alike, each n-th.
  bool isLeftOut(const std::array<std::size_t, kProcesses>& done) {
    if (std::accumulate(done.begin(), done.end(), std::size_t{0}) != kProcesses * kSteps / 2) {
      return false;
    }
    return ++halves_ % strideOfCycles() != 0;
  }

  static std::string nameOf(std::size_t process) { return std::string(1, "CAB"[process]); }

  static void add(const std::string& text, std::vector<ScheduleLine>& lines, LockModel& model) {
    ScheduleLine line = linesOf(text).front();
    line.number = static_cast<int>(lines.size()) + 1;
    model.run(line);
    lines.push_back(line);
  }

  void playFrom(const std::vector<ScheduleLine>& lines, const LockModel& model,
                const std::array<std::size_t, kProcesses>& done) {
    if (testing::Test::HasFailure() || isLeftOut(done)) return;
    bool stepsLeft = false;
    bool played = false;
    for (std::size_t p = 0; p < kProcesses; ++p) {
      if (done.at(p) == kSteps || model.hasSignedOff(nameOf(p))) continue;
      stepsLeft = true;
      if (model.isWaiting(nameOf(p))) continue;
      auto nextLines = lines;
      auto nextModel = model;
      auto nextDone = done;
      const std::string step = meeting_.programs.at(p).at(nextDone.at(p)++);
      const bool isOfNoProcess = step.starts_with("advance");
      add(isOfNoProcess ? step : nameOf(p) + " " + step, nextLines, nextModel);
      playFrom(nextLines, nextModel, nextDone);
      played = true;
    }
    if (played) return;

    auto nextLines = lines;
    auto nextModel = model;
    add("advance 10000", nextLines, nextModel);
    if (stepsLeft) return playFrom(nextLines, nextModel, done);
    ++orders_;
    const std::string found = difference(nextLines, nextModel.events());
    EXPECT_TRUE(found.empty()) << meeting_.name << "\n" << found;
  }

  const Meeting& meeting_;
  std::vector<ScheduleLine> start_;
  int halves_ = 0;
  int orders_ = 0;
};

class ThreeProcessesOfFourSteps : public testing::TestWithParam<Meeting> {};

TEST_P(ThreeProcessesOfFourSteps, WhenPlayedInEveryOrderThenReplayPrintsWhatTheModelPrints) {
  EXPECT_GT(Interleavings(GetParam()).play(), 100);
}

INSTANTIATE_TEST_SUITE_P(Exhaustive, ThreeProcessesOfFourSteps, testing::ValuesIn(kMeetings),
                         [](const auto& meeting) { return std::string(meeting.param.name); });

}  // namespace
}  // namespace nephrite

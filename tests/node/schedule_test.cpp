#include "node/schedule/schedule.h"

#include <gtest/gtest.h>

#include <sstream>

namespace nephrite {
namespace {

/// The only line of `text` that says something.
ScheduleLine only(const std::string& text) {
  std::istringstream in(text);
  const Schedule schedule = parseSchedule(in);
  EXPECT_EQ(schedule.lines.size(), 1U) << text;
  return schedule.lines.at(0);
}

template <typename Line>
Line onlyAs(const std::string& text) {
  return std::get<Line>(only(text).content);
}

/// What is said of the first bad line of `text`; empty when there is none.
std::string complaint(const std::string& text) {
  std::istringstream in(text);
  try {
    parseSchedule(in);
  } catch (const ScheduleError& error) {
    return error.what();
  }
  return "";
}

TEST(Schedule, WhenAProcessHasNoOptionsThenItHasTheDefaults) {
  const auto line = onlyAs<ProcessLine>("process A");

  EXPECT_EQ(line.name, "A");
  EXPECT_FALSE(line.background);
  EXPECT_EQ(line.priority, 0);
  EXPECT_EQ(line.timeout, std::nullopt);
  EXPECT_FALSE(line.updateLocks);
  EXPECT_EQ(line.parent, "");
}

TEST(Schedule, WhenAProcessHasAllOptionsThenTheirOrderDoesNotMatter) {
  const auto line = onlyAs<ProcessLine>(
      "process B updateLocks timeout=-2 background parent=A priority=-2147483648");

  EXPECT_TRUE(line.background);
  EXPECT_EQ(line.priority, -2147483648);
  EXPECT_EQ(line.timeout, -2);
  EXPECT_TRUE(line.updateLocks);
  EXPECT_EQ(line.parent, "A");
}

TEST(Schedule, WhenDirectivesAreReadThenTheirValuesAreTyped) {
  EXPECT_EQ(onlyAs<ObjectLine>("object Order-1").name, "Order-1");
  EXPECT_EQ(onlyAs<AdvanceLine>("advance 9000000000000").milliseconds, 9000000000000);

  const auto timeout = onlyAs<SettingLine>("setting BackgroundProcessServerTimeout=2147483647");
  EXPECT_EQ(timeout.key, ScheduleSetting::BackgroundProcessServerTimeout);
  EXPECT_EQ(timeout.value, 2147483647);

  const auto doubled = onlyAs<SettingLine>("setting DoubleDeadlockException=true");
  EXPECT_EQ(doubled.key, ScheduleSetting::DoubleDeadlockException);
  EXPECT_EQ(doubled.value, 1);

  const auto victim = onlyAs<SettingLine>("setting DeadlockVictim=MostWriteLocks");
  EXPECT_EQ(victim.key, ScheduleSetting::DeadlockVictim);
  EXPECT_EQ(victim.value, static_cast<std::int32_t>(ScheduleVictim::MostWriteLocks));

  const auto seed = onlyAs<SettingLine>("setting DeadlockSeed=0");
  EXPECT_EQ(seed.key, ScheduleSetting::DeadlockSeed);
  EXPECT_EQ(seed.value, 0);

  const auto limit = onlyAs<SettingLine>("setting MaxLockedObjects=2147483647");
  EXPECT_EQ(limit.key, ScheduleSetting::MaxLockedObjects);
  EXPECT_EQ(limit.value, 2147483647);

  EXPECT_EQ(onlyAs<ResourceLine>("resource nightly-run").name, "nightly-run");
}

TEST(Schedule, WhenAVictimIsWrittenThenItIsReadBackAsItself) {
  for (int i = 0; i <= static_cast<int>(ScheduleVictim::Random); ++i) {
    const std::string word(scheduleWord(static_cast<ScheduleVictim>(i)));
    EXPECT_EQ(onlyAs<SettingLine>("setting DeadlockVictim=" + word).value, i) << word;
  }
}

TEST(Schedule, WhenALockVerbEndsWithALeaseThenTheLineHasIt) {
  for (const char* text :
       {"A sharedLock X lease=1", "A reserveLock X lease=1", "A updateLock X lease=1",
        "A exclusiveLock X lease=1", "A lock X share session 5 lease=1",
        "A tryLock X share session 5 lease=1"}) {
    const auto line = onlyAs<StepLine>(text);
    EXPECT_EQ(line.lease, 1) << text;
    EXPECT_EQ(line.object, "X") << text;
    EXPECT_TRUE(isLockVerb(line.verb)) << text;
  }
  EXPECT_EQ(onlyAs<StepLine>("A sharedLock X lease=2147483647").lease, 2147483647);
  EXPECT_EQ(onlyAs<StepLine>("A sharedLock X").lease, std::nullopt);
  EXPECT_FALSE(isLockVerb(ScheduleVerb::Renew));
}

TEST(Schedule, WhenAnObjectHasAPlaceThenTheLineSaysWhereAndBelowWhat) {
  const auto fader = onlyAs<ObjectLine>("object fader at /mixer/fader");
  EXPECT_EQ(fader.name, "fader");
  EXPECT_EQ(fader.path, "/mixer/fader");
  EXPECT_EQ(fader.parentPath(), "/mixer");
  EXPECT_EQ(onlyAs<ObjectLine>("object mixer at /mixer").parentPath(), kScheduleRoot);
  EXPECT_EQ(onlyAs<ObjectLine>("object at").path, "");

  std::string deepest;
  for (int i = 0; i < 64; ++i) deepest += "/x";
  EXPECT_EQ(onlyAs<ObjectLine>("object X at " + deepest).path, deepest);
  EXPECT_NE(complaint("object X at " + deepest + "/x"), "");
}

TEST(Schedule, WhenALockIsOnASubtreeThenTheLineSaysSo) {
  const auto line = onlyAs<StepLine>("A lock /a/b share session 5 subtree lease=7");
  EXPECT_TRUE(line.subtree);
  EXPECT_EQ(line.lease, 7);
  EXPECT_EQ(line.object, "/a/b");
  EXPECT_TRUE(onlyAs<StepLine>("A sharedLock / subtree").subtree);
  EXPECT_FALSE(onlyAs<StepLine>("A sharedLock /").subtree);
}

TEST(Schedule, WhenASignOffHandsOnItsLocksThenTheLineSaysSo) {
  EXPECT_TRUE(onlyAs<StepLine>("A signOff inherit").inherit);
  EXPECT_FALSE(onlyAs<StepLine>("A signOff").inherit);
}

TEST(Schedule, WhenALockIsAskedForThenAllFourArgumentsAreTyped) {
  const auto line = onlyAs<StepLine>("A tryLock X reserve session -7");

  EXPECT_EQ(line.process, "A");
  EXPECT_EQ(line.verb, ScheduleVerb::TryLock);
  EXPECT_EQ(line.object, "X");
  EXPECT_EQ(line.type, ScheduleLockType::Reserve);
  EXPECT_EQ(line.duration, ScheduleDuration::Session);
  EXPECT_EQ(line.timeout, -7);
}

TEST(Schedule, WhenAnyVerbIsWrittenThenItIsReadBackAsItself) {
  for (int i = 0; i <= static_cast<int>(ScheduleVerb::Locks); ++i) {
    const auto verb = static_cast<ScheduleVerb>(i);
    std::string text = "A " + std::string(scheduleWord(verb));
    if (hasObject(verb)) text += " X";
    if (verb == ScheduleVerb::Lock || verb == ScheduleVerb::TryLock) text += " share session 5";
    if (verb == ScheduleVerb::SetDefaultLockTimeout) text += " 5";

    const auto line = onlyAs<StepLine>(text);

    EXPECT_EQ(line.verb, verb) << text;
    EXPECT_EQ(line.object, hasObject(verb) ? "X" : "") << text;
  }
}

TEST(Schedule, WhenLinesAreBlankOrCommentThenTheyAreOnlyCounted) {
  const ScheduleLine line = only("# title\n\n  \t\r\n\tA\tbegin  # why \r\n#end");

  EXPECT_EQ(line.number, 4);
  EXPECT_EQ(std::get<StepLine>(line.content).verb, ScheduleVerb::Begin);
}

TEST(Schedule, WhenACommentTouchesAWordThenItStillEndsIt) {
  EXPECT_EQ(onlyAs<StepLine>("A read X# really").object, "X");
}

TEST(Schedule, WhenALineIsBadThenTheLinesBeforeItAreStillHandedOut) {
  std::istringstream in("object X\n\nA jump\n");
  ScheduleReader reader(in);

  EXPECT_EQ(reader.next()->number, 1);
  try {
    reader.next();
    FAIL() << "'jump' is no verb";
  } catch (const ScheduleError& error) {
    EXPECT_EQ(error.line(), 3);
  }
}

TEST(Schedule, WhenTheFileEndsThenSoDoTheLines) {
  std::istringstream in("object X");
  ScheduleReader reader(in);

  EXPECT_TRUE(reader.next().has_value());
  EXPECT_FALSE(reader.next().has_value());
}

TEST(Schedule, WhenItBeginsWithAByteOrderMarkThenThatIsNoPartOfItsFirstWord) {
  EXPECT_EQ(onlyAs<ObjectLine>("\xEF\xBB\xBFobject X\r\n").name, "X");
}

TEST(Schedule, WhenItIsNoTextInUtf8ThenThatIsSaidOfItsFirstLine) {
  const auto wide = [](std::string_view text, bool bigEndian) {
    std::string bytes;
    for (const char c : text) bytes += bigEndian ? std::string{'\0', c} : std::string{c, '\0'};
    return bytes;
  };
  EXPECT_EQ(complaint("\xFF\xFE" + wide("object X\n", false)),
            "line 1: the schedule is UTF-16; save it as UTF-8");
  EXPECT_EQ(complaint("\xFE\xFF" + wide("object X\n", true)),
            "line 1: the schedule is UTF-16; save it as UTF-8");
  EXPECT_EQ(complaint(wide("object X\n", true)),
            "line 1: the line holds a zero byte; is this a text file in UTF-8?");
  EXPECT_EQ(
      complaint("object X\robject Y\r"),
      "line 1: the line holds a CR that does not end it; save the file with lines that end in "
      "LF or CR LF");
}

TEST(Schedule, WhenALineIsMalformedThenTheMessageSaysWhereAndWhatWasExpected) {
  const std::pair<std::string, const char*> cases[] = {
      {"\nprocess", "line 2: too short; expected 'process NAME"},
      {"process A quickly", "'quickly' is not an option of a process; expected background"},
      {"process A background background", "'background' is given twice"},
      {"process A priority=1 priority=2", "'priority' is given twice"},
      {"process A priority=2147483648", "'2147483648' is not a deadlock priority"},
      {"process A parent=", "'parent=' names no process"},
      {"process A parent=B parent=B", "'parent' is given twice"},
      {"process A parent=\xff", "is not a name; expected UTF-8"},
      {"process A timeout=", "'' is not a timeout in ms"},
      {"process A timeout=1s", "'1s' is not a timeout in ms"},
      {"process object", "'object' begins a line of its own"},
      {"process A\xff", "is not a name; expected UTF-8"},
      {"object", "too short; expected 'object NAME [at PATH]'"},
      {"object X Y", "'Y' is too much; expected 'object NAME [at PATH]'"},
      {"object X at", "too short; expected 'object NAME [at PATH]'"},
      {"object X at /x y", "'y' is too much; expected 'object NAME [at PATH]'"},
      {"object X at x", "'x' is not a path; expected '/NAME/NAME'"},
      {"object X at /", "'' in the path '/' names nothing"},
      {"object X at /x/", "'' in the path '/x/' names nothing"},
      {"object X at //x", "'' in the path '//x' names nothing"},
      {"object X at /./x", "'.' in the path '/./x' names nothing"},
      {"object X at /x/..", "'..' in the path '/x/..' names nothing"},
      {"object X at /" + std::string(256, 'x'), "names nothing; expected 1 to 255 bytes"},
      {"object /", "'/' is the root, which is there already"},
      {"resource /", "'/' is the root, which is there already"},
      {"process resource", "'resource' begins a line of its own"},
      {"resource", "too short; expected 'resource NAME'"},
      {"resource r s", "'s' is too much; expected 'resource NAME'"},
      {"setting DeadlockVictim=youngest",
       "'youngest' says of no victim; expected one of Requester"},
      {"setting DeadlockSeed=-1", "'-1' is not a seed; expected a whole number from 0"},
      {"setting MaxLockers=-1", "'-1' is not a limit; expected a whole number from 0"},
      {"setting MaxLocks=", "'' is not a limit"},
      {"setting MaxLockedObjects=2147483648", "'2147483648' is not a limit"},
      {"setting ServerTimeout", "has no value; expected 'setting KEY=VALUE'"},
      {"setting Timeout=5", "unknown setting 'Timeout'; expected one of ServerTimeout"},
      {"setting ServerTimeout=0",
       "'0' is not a default timeout in ms; expected a whole number "
       "from 1 to 2147483647"},
      {"setting DoubleDeadlockException=yes", "'yes' is neither true nor false"},
      {"advance -1", "'-1' is not a number of ms; expected a whole number from 0"},
      {"advance 9223372036854775808", "'9223372036854775808' is not a number of ms"},
      {"advance 9000000000000\nadvance 1", "line 2: the clock of a schedule ends at 9000000000000"},
      {"A", "no verb; expected 'NAME verb arguments'"},
      {"A grab X", "unknown verb 'grab'; expected one of sharedLock"},
      {"A sharedLock", "too short; expected 'NAME sharedLock OBJECT [subtree]"},
      {"A begin now", "'now' is too much; expected 'NAME begin'"},
      {"A lock X share session", "too short; expected 'NAME lock OBJECT share|reserve"},
      {"A lock X shared session 1", "'shared' is not a lock type; expected one of share, reserve"},
      {"A lock X share persistent 1", "'persistent' is not a lock duration; expected one of"},
      {"A lock X share session -2147483649", "'-2147483649' is not a timeout in ms"},
      {"A sharedLock X lease=0", "'0' is not a lease in ms; expected a whole number from 1"},
      {"A lock X share session 5 lease=", "'' is not a lease in ms"},
      {"A lock X share session lease=5", "'lease=5' is not a timeout in ms"},
      {"A sharedLock X lease=5 lease=5", "'lease=5' is too much"},
      {"A unlock X lease=5", "'lease=5' is too much; expected 'NAME unlock OBJECT'"},
      {"A sharedLock X inherit", "'inherit' is too much"},
      {"A sharedLock X subtree subtree", "'subtree' is too much"},
      {"A sharedLock X lease=5 subtree", "'subtree' is too much"},
      {"A unlock X subtree", "'subtree' is too much; expected 'NAME unlock OBJECT'"},
      {"A signOff inherit inherit", "'inherit' is too much"},
      {"A renew", "too short; expected 'NAME renew OBJECT'"},
      {"A signOff now", "'now' is too much; expected 'NAME signOff [inherit]'"},
      {"A setDefaultLockTimeout +5", "'+5' is not a timeout in ms"},
      {"A read \x1b[2J", "'?[2J' is not a name"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_NE(complaint(text).find(message), std::string::npos)
        << text << "\nsaid: " << complaint(text) << "\nnot:  " << message;
  }
}

}  // namespace
}  // namespace nephrite

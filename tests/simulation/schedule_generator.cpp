#include "tests/simulation/schedule_generator.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "locking/lock_limits.h"

namespace nephrite {

std::uint64_t Random::next() {
  state_ += 0x9e3779b97f4a7c15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

std::string textOf(const ScheduleLine& line) {
  std::string text;
  if (const auto* process = std::get_if<ProcessLine>(&line.content)) {
    text = "process " + process->name;
    if (process->background) text += " background";
    if (process->priority != 0) text += " priority=" + std::to_string(process->priority);
    if (process->timeout) text += " timeout=" + std::to_string(*process->timeout);
    if (process->updateLocks) text += " updateLocks";
    if (!process->parent.empty()) text += " parent=" + process->parent;
  } else if (const auto* object = std::get_if<ObjectLine>(&line.content)) {
    text = "object " + object->name;
    if (!object->path.empty()) text += " at " + object->path;
  } else if (const auto* resource = std::get_if<ResourceLine>(&line.content)) {
    text = "resource " + resource->name;
  } else if (const auto* setting = std::get_if<SettingLine>(&line.content)) {
    text = "setting " + std::string(scheduleWord(setting->key)) + "=";
    if (setting->key == ScheduleSetting::DoubleDeadlockException) {
      text += setting->value != 0 ? "true" : "false";
    } else if (setting->key == ScheduleSetting::DeadlockVictim) {
      text += scheduleWord(static_cast<ScheduleVictim>(setting->value));
    } else {
      text += std::to_string(setting->value);
    }
  } else if (const auto* by = std::get_if<AdvanceLine>(&line.content)) {
    text = "advance " + std::to_string(by->milliseconds);
  } else if (const auto* step = std::get_if<StepLine>(&line.content)) {
    text = step->process + " " + std::string(scheduleWord(step->verb));
    if (hasObject(step->verb)) text += " " + step->object;
    if (step->verb == ScheduleVerb::Lock || step->verb == ScheduleVerb::TryLock) {
      text += " " + std::string(scheduleWord(step->type)) + " " +
              std::string(scheduleWord(step->duration)) + " " + std::to_string(step->timeout);
    }
    if (step->verb == ScheduleVerb::SetDefaultLockTimeout) {
      text += " " + std::to_string(step->timeout);
    }
    if (step->subtree) text += " subtree";
    if (step->lease) text += " lease=" + std::to_string(*step->lease);
    if (step->inherit) text += " inherit";
  }
  return text;
}

std::string textOf(const std::vector<ScheduleLine>& lines) {
  std::string text;
  for (const ScheduleLine& line : lines) text += textOf(line) + "\n";
  return text;
}

std::vector<ScheduleLine> linesOf(const std::string& text) {
  std::istringstream in(text);
  return parseSchedule(in).lines;
}

namespace {

// Whether it speaks of places or of what is below something.
bool isAboutPlaces(const ScheduleLine& line) {
  if (const auto* object = std::get_if<ObjectLine>(&line.content)) return !object->path.empty();
  const auto* step = std::get_if<StepLine>(&line.content);
  return step && (step->subtree || step->object == kScheduleRoot);
}

// Only a program that has the database reads and writes for faces.
bool isOfFaces(ScheduleVerb verb) {
  return verb == ScheduleVerb::Write || verb == ScheduleVerb::GatedRead;
}

bool isOfFaces(const ScheduleLine& line) {
  const auto* const step = std::get_if<StepLine>(&line.content);
  return step && isOfFaces(step->verb);
}

}  // namespace

bool fitTheWire(const std::vector<ScheduleLine>& lines) {
  return std::none_of(lines.begin(), lines.end(), [](const ScheduleLine& line) {
    if (isOfFaces(line)) return true;
    const auto* const setting = std::get_if<SettingLine>(&line.content);
    if (setting == nullptr || setting->key != ScheduleSetting::DeadlockVictim) return false;
    const auto policy = static_cast<DeadlockVictim>(setting->value);
    return policy == DeadlockVictim::Youngest || policy == DeadlockVictim::Oldest;
  });
}

bool haveNoPlaces(const std::vector<ScheduleLine>& lines) {
  return std::none_of(lines.begin(), lines.end(), isAboutPlaces);
}

bool arePlain(const std::vector<ScheduleLine>& lines) {
  return std::none_of(lines.begin(), lines.end(), [](const ScheduleLine& line) {
    if (std::holds_alternative<ResourceLine>(line.content)) return true;
    if (const auto* process = std::get_if<ProcessLine>(&line.content)) {
      return !process->parent.empty();
    }
    if (const auto* setting = std::get_if<SettingLine>(&line.content)) {
      return setting->key >= ScheduleSetting::DeadlockVictim;
    }
    const auto* step = std::get_if<StepLine>(&line.content);
    return step && (step->lease || step->inherit || step->verb == ScheduleVerb::Renew ||
                    isOfFaces(step->verb));
  });
}

namespace {

using enum ScheduleVerb;

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed), trees_(~seed), faces_(seed ^ 0xface) {}

  GeneratedSchedule generate() {
    temper();
    population();
    const int steps = 10 + random_.below(51);
    for (int i = 0; i < steps; ++i) oneStep();
    out_.fitsTheWire = fitTheWire(out_.lines);
    out_.isPlainTree = arePlain(out_.lines) && !haveNoPlaces(out_.lines);
    out_.isPlain = arePlain(out_.lines) && haveNoPlaces(out_.lines);
    return std::move(out_);
  }

 private:
  using Content = decltype(ScheduleLine::content);

  void add(Content content) {
    const ScheduleLine line{static_cast<int>(out_.lines.size()) + 1, std::move(content)};
    out_.lines.push_back(line);
    out_.model.run(line);
  }

  /// How often each verb is chosen here; every schedule bends the usual weights a little.
  void temper() {
    if (!random_.oneIn(3)) {
      families_ = !random_.oneIn(3);
      resources_ = random_.oneIn(3);
      victims_ = random_.oneIn(3);
      limits_ = random_.oneIn(5);
      if (random_.oneIn(2)) leaseOneIn_ = 1 + random_.below(4);
    }
    if (trees_.oneIn(3)) subtreeOneIn_ = 1 + trees_.below(4);
    if (faces_.oneIn(6)) faceOneIn_ = 2 + faces_.below(6);
    weights_ = {{SharedLock, 12},
                {ReserveLock, 4},
                {UpdateLock, 7},
                {ExclusiveLock, 8},
                {Lock, 16},
                {TryLock, 4},
                {Unlock, 8},
                {Update, 12},
                {Read, 4},
                {Begin, 14},
                {Commit, 9},
                {Abort, 4},
                {BeginLoad, 2},
                {EndLoad, 3},
                {BeginLock, 2},
                {EndLock, 3},
                {Locks, 3},
                {SignOff, 1},
                {SetDefaultLockTimeout, 1}};
    for (auto& [verb, weight] : weights_) {
      if (random_.oneIn(6)) weight *= 4;
      if (random_.oneIn(8)) weight = 0;
    }
    updateLocksOneIn_ = 1 + random_.below(4);
    if (random_.oneIn(3)) {
      // Commits that find sharers of what they changed.
      for (auto& [verb, weight] : weights_) {
        if (verb == Update || verb == SharedLock || verb == Commit) weight = 20;
        if (verb == Abort || verb == ExclusiveLock || verb == ReserveLock) weight = 1;
      }
      updateLocksOneIn_ = 1;
      if (leaseOneIn_ != 0) {
        leaseOneIn_ = 1;
        weights_.emplace_back(UpdateLock, 20);
      }
    }
    if (random_.oneIn(6)) {
      // Readers in lock state.
      for (auto& [verb, weight] : weights_) {
        if (verb == Read || verb == BeginLock) weight = 16;
      }
    }
    if (families_) {
      weights_.emplace_back(SignOff, 1 + random_.below(12));
      if (random_.oneIn(2)) weights_.emplace_back(Update, 20);
    }
    if (leaseOneIn_ != 0) weights_.emplace_back(Renew, 6);
    weights_.emplace_back(Locks, 1);
    sessionOneIn_ = 2 + random_.below(4);
    advanceOneIn_ = (leaseOneIn_ != 0 ? 3 : 5) + random_.below(leaseOneIn_ != 0 ? 10 : 20);
  }

  void population() {
    if (random_.oneIn(4)) add(SettingLine{ScheduleSetting::DoubleDeadlockException, 1});
    if (random_.oneIn(4)) add(SettingLine{ScheduleSetting::ServerTimeout, timeoutValue()});
    if (victims_) setVictim();
    if (limits_ && random_.oneIn(2)) add(SettingLine{ScheduleSetting::MaxLockers, limit(6)});
    if (limits_ && random_.oneIn(2)) add(SettingLine{ScheduleSetting::MaxLocks, limit(8)});
    if (limits_ && random_.oneIn(2)) add(SettingLine{ScheduleSetting::MaxLockedObjects, limit(4)});
    // Names that do not sort in the order of signing on.
    constexpr std::array kObjects{"X", "Y", "Z", "W"};
    const int processes = 2 + random_.below(5);
    const int objects = 1 + random_.below(4);
    priorities_ = random_.oneIn(2);
    for (int p = 0; p < processes; ++p) signOn();
    for (int o = 0; o < objects; ++o) {
      objects_.emplace_back(kObjects.at(static_cast<std::size_t>(o)));
      add(ObjectLine{objects_.back()});
    }
    if (subtreeOneIn_ != 0) plantTree();
    lockable_ = objects_;
    if (!resources_) return;
    for (const char* const name : {"r", "s"}) {
      lockable_.emplace_back(name);
      add(ResourceLine{name});
      if (random_.oneIn(2)) return;
    }
  }

  /// 3 to 7 objects with places take the place of most that have none; what is below the root is
  /// locked oftener than the root. Steps call some by their paths.
  void plantTree() {
    objects_.resize(trees_.oneIn(3) ? 1 : 0);
    std::vector<std::string> paths{""};
    std::vector<std::string> places;
    const int count = 3 + trees_.below(5);
    for (int o = 0; o < count; ++o) {
      // At most three levels; and names of which one begins as another.
      std::string above = oneOf(paths, trees_);
      if (std::count(above.begin(), above.end(), '/') > 2) above.clear();
      std::string path = above + "/a";
      while (std::find(paths.begin(), paths.end(), path) != paths.end()) path += "b";
      paths.push_back(path);
      const std::string name = "T" + std::to_string(o);
      add(ObjectLine{name, path});
      places.push_back(trees_.oneIn(8) ? path : name);
    }
    objects_.insert(objects_.end(), places.begin(), places.end());
    if (!trees_.oneIn(3)) objects_.emplace_back(kScheduleRoot);
    // Few that are met often.
    if (trees_.oneIn(2)) objects_.insert(objects_.end(), 3, oneOf(places, trees_));
  }

  void signOn() {
    constexpr std::array kProcesses{"D", "B", "A", "F", "C", "E", "H", "G", "J"};
    const auto isNew = [&](const std::string& name) { return !out_.model.hasSignedOn(name); };
    const auto name = std::find_if(kProcesses.begin(), kProcesses.end(), isNew);
    if (name == kProcesses.end()) return;
    ProcessLine line;
    line.name = *name;
    line.background = random_.oneIn(6);
    if (priorities_) line.priority = random_.below(4) - 2;
    if (random_.oneIn(3)) line.timeout = timeout();
    line.updateLocks = random_.oneIn(updateLocksOneIn_);
    if (families_ && !processes_.empty() && !random_.oneIn(3)) {
      const std::string& parent = oneOf(processes_);
      if (!out_.model.hasSignedOff(parent)) line.parent = parent;
    }
    add(line);
    if (out_.model.hasSignedOn(line.name)) processes_.push_back(line.name);
  }

  const std::string& oneOf(const std::vector<std::string>& names) { return oneOf(names, random_); }
  static const std::string& oneOf(const std::vector<std::string>& names, Random& random) {
    const int which = random.below(static_cast<int>(names.size()));
    return names.at(static_cast<std::size_t>(which));
  }

  std::int32_t limit(int most) { return random_.below(most + 1); }

  void setVictim() {
    if (random_.oneIn(3)) add(SettingLine{ScheduleSetting::DeadlockSeed, random_.below(1000)});
    add(SettingLine{ScheduleSetting::DeadlockVictim, random_.below(8)});
  }

  std::int32_t timeoutValue() {
    constexpr std::array<std::int32_t, 6> kValues{1, 20, 20, 50, 100, 10'000};
    return kValues.at(static_cast<std::size_t>(random_.below(6)));
  }

  std::int32_t timeout() {
    constexpr std::array<std::int32_t, 10> kSpecial{-1, -1, -2, 0, 0, -7, 2147483647, 0, -2, -2};
    if (random_.oneIn(2)) return timeoutValue();
    return kSpecial.at(static_cast<std::size_t>(random_.below(10)));
  }

  void oneStep() {
    if (random_.oneIn(advanceOneIn_)) return moveClock();
    if (random_.oneIn(50)) return changeSetting();
    const bool isPlain = !families_ && !limits_ && leaseOneIn_ == 0;
    if (!isPlain && random_.oneIn(12)) return signOn();

    std::vector<std::string> ready;
    for (const std::string& name : processes_) {
      if (!out_.model.isWaiting(name) && !out_.model.hasSignedOff(name)) ready.push_back(name);
    }
    if (ready.empty()) return moveClock();
    add(stepOf(oneOf(ready)));
  }

  void moveClock() {
    constexpr std::array<std::int64_t, 8> kSteps{0, 1, 10, 20, 30, 100, 10'000, 3'000'000'000};
    add(AdvanceLine{kSteps.at(static_cast<std::size_t>(random_.below(8)))});
  }

  void changeSetting() {
    const int which = random_.below(victims_ ? 6 : 3);
    if (which > 2) return setVictim();
    if (which == 0) add(SettingLine{ScheduleSetting::ServerTimeout, timeoutValue()});
    if (which == 1) {
      add(SettingLine{ScheduleSetting::BackgroundProcessServerTimeout, timeoutValue()});
    }
    if (which == 2) add(SettingLine{ScheduleSetting::DoubleDeadlockException, random_.below(2)});
  }

  StepLine stepOf(const std::string& process) {
    StepLine line;
    line.process = process;
    line.verb = sensible(process, verb());
    if (faceOneIn_ != 0 && faces_.oneIn(faceOneIn_)) line.verb = faceVerb(process);
    const bool isObjects = line.verb == Update || line.verb == Read || isOfFaces(line.verb);
    const std::string& object = oneOf(isObjects ? objects_ : lockable_);
    if (hasObject(line.verb)) line.object = object;
    if (leaseOneIn_ != 0 && isLockVerb(line.verb) && random_.oneIn(leaseOneIn_)) {
      constexpr std::array<std::int32_t, 8> kLeases{1, 10, 20, 20, 30, 50, 100, 2147483647};
      line.lease = kLeases.at(static_cast<std::size_t>(random_.below(8)));
    }
    const bool isResource = line.object == "r" || line.object == "s";
    if (subtreeOneIn_ != 0 && isLockVerb(line.verb) && !isResource) {
      line.subtree = trees_.oneIn(subtreeOneIn_);
    }
    if (line.verb == SignOff && families_) line.inherit = !random_.oneIn(3);
    if (line.verb == Lock || line.verb == TryLock) {
      line.type = static_cast<ScheduleLockType>(random_.below(4));
      line.duration =
          random_.oneIn(sessionOneIn_) ? ScheduleDuration::Session : ScheduleDuration::Transaction;
      line.timeout = timeout();
    }
    if (line.verb == SetDefaultLockTimeout) line.timeout = timeout();
    return line;
  }

  /// Errors of use now and then: a write in a transaction or a state.
  ScheduleVerb faceVerb(const std::string& process) {
    const bool isOutside =
        !out_.model.isInTransaction(process) && out_.model.levels(process).empty();
    return faces_.oneIn(2) && (isOutside || faces_.oneIn(8)) ? Write : GatedRead;
  }

  ScheduleVerb verb() {
    int all = 0;
    for (const auto& [verb, weight] : weights_) all += weight;
    int chosen = random_.below(all);
    for (const auto& [verb, weight] : weights_) {
      if (chosen < weight) return verb;
      chosen -= weight;
    }
    return Locks;
  }

  /// Errors of use are legal, but one in eight of the chances is enough for them.
  ScheduleVerb sensible(const std::string& process, ScheduleVerb verb) {
    if (random_.oneIn(8)) return verb;
    const bool inTransaction = out_.model.isInTransaction(process);
    const std::string& levels = out_.model.levels(process);
    if (verb == Begin && inTransaction) return Commit;
    if ((verb == Update || verb == UpdateLock || verb == Commit) && !inTransaction) return Begin;
    if ((verb == EndLoad || verb == EndLock) && levels.empty()) return SharedLock;
    if (verb == EndLoad && levels.back() == 'K') return EndLock;
    if (verb == EndLock && levels.back() == 'L') return EndLoad;
    return verb;
  }

  Random random_;
  Random trees_;  // Of its own: seeds without a tree are what they were before there were any.
  Random faces_;  // Likewise.
  GeneratedSchedule out_;
  std::vector<std::pair<ScheduleVerb, int>> weights_;
  int updateLocksOneIn_ = 1;
  int sessionOneIn_ = 1;
  int advanceOneIn_ = 1;
  int leaseOneIn_ = 0;    // 0: never.
  int subtreeOneIn_ = 0;  // 0: no tree.
  int faceOneIn_ = 0;     // 0: no face.
  bool families_ = false;
  bool resources_ = false;
  bool victims_ = false;
  bool limits_ = false;
  bool priorities_ = false;
  std::vector<std::string> processes_;
  std::vector<std::string> objects_;
  std::vector<std::string> lockable_;  // Resources, too.
};

}  // namespace

GeneratedSchedule generateSchedule(std::uint64_t seed) { return Generator(seed).generate(); }

std::uint64_t fromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace nephrite

#include "node/schedule/deadlock_schedule.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "objects/text.h"

namespace nephrite {
namespace {

/// On one line, and harmless on a terminal.
std::string printable(std::string text) {
  while (const auto bad = findInvalidUtf8(text)) text[*bad] = '?';
  for (char& c : text) {
    if ((c >= 0 && c < ' ') || c == 0x7f) c = '?';
  }
  return text;
}

LockTarget goalOf(const DeadlockWait& wait) {
  return wait.goal.value == 0 ? wait.target : wait.goal;
}

/// What a schedule calls things: each by another word.
class Renaming {
 public:
  explicit Renaming(std::set<std::string> taken = {}) : taken_(std::move(taken)) {}

  const std::string& make(std::uint64_t id, const std::string& given) {
    std::string word = printable(given);
    for (char& c : word) {
      if (c == ' ' || c == '#' || c == '?') c = '_';
    }
    if (word.empty()) word = "_";
    if (word.front() == '/') word.front() = '_';  // It is no path.
    std::string unique = word;
    for (int n = 2; !taken_.insert(unique).second; ++n) unique = word + "~" + std::to_string(n);
    return words_[id] = unique;
  }

  const std::string& of(std::uint64_t id) const { return words_.at(id); }
  bool has(std::uint64_t id) const { return words_.contains(id); }

 private:
  std::set<std::string> taken_;
  std::map<std::uint64_t, std::string> words_;
};

/// A process of the schedule, and the one request it waits with: several waits for a commit only.
struct Part {
  LockerId locker;
  std::vector<const DeadlockWait*> waits;
  bool waitsElsewhere = false;  ///< Has other waits, which no schedule can show beside these.

  bool isWaiting() const { return !waits.empty(); }
  bool isCommitting() const { return isWaiting() && waits.front()->commit; }
  bool commitsOn(LockTarget target) const {
    return isCommitting() && std::any_of(waits.begin(), waits.end(), [&](const DeadlockWait* wait) {
             return goalOf(*wait) == target;
           });
  }
};

class DeadlockWriter {
  static constexpr std::size_t kMostOfSegment = 200;  // Leaves room for a number.

 public:
  DeadlockWriter(const DeadlockRecord& record, const DeadlockNames& names)
      // The words that begin a line of their own name no process.
      : record_(record),
        names_(names),
        processes_({"process", "object", "resource", "setting", "advance"}) {}

  std::string write() {
    gather();
    writeHead();
    writePopulation();
    writeHolds();
    writeWaits();
    return std::move(text_);
  }

 private:
  template <typename... Args>
  void line(fmt::format_string<Args...> form, Args&&... args) {
    text_ += fmt::format(form, std::forward<Args>(args)...) + '\n';
  }
  const std::string& wordOf(LockerId locker) const { return processes_.of(locker.value); }
  const std::string& wordOf(LockTarget target) const { return objects_.of(target.value); }
  static auto milliseconds(Duration duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  }

  // --- Lockers and targets -----------------------------------------------------------------------

  void gather() {
    for (const WaitEdge& edge : record_.cycle) nameBoth(edge.locker, edge.target);
    for (const DeadlockHold& hold : record_.holds) nameBoth(hold.locker, hold.target);
    for (const DeadlockWait& wait : record_.waits) {
      nameBoth(wait.locker, wait.target);
      name(goalOf(wait));
    }
    for (const DeadlockWait& wait : record_.waits) add(wait);
    gatherPlaces();
  }

  // Each has its place after the one that it is below. One root is the schedule's; several stand
  // right below that.
  void gatherPlaces() {
    std::set<std::uint64_t> placed;
    for (const DeadlockPlace& place : record_.places) placed.insert(place.target.value);
    std::vector<LockTarget> roots;
    for (const auto& [target, parent] : record_.places) {
      if (placed.insert(parent.value).second) roots.push_back(parent);
    }
    for (const LockTarget root : roots) {
      name(root);
      paths_[root.value] = roots.size() == 1 ? "" : "/" + segmentOf(root);
    }
    for (const auto& [target, parent] : record_.places) {
      name(target);
      paths_[target.value] = paths_[parent.value] + "/" + segmentOf(target);
    }
    // First what others are below.
    std::vector<LockTarget> inOrder = roots;
    for (const DeadlockPlace& place : record_.places) inOrder.push_back(place.target);
    std::erase_if(targets_, [&](LockTarget target) { return paths_.contains(target.value); });
    targets_.insert(targets_.begin(), inOrder.begin(), inOrder.end());
  }

  // A part of a path: at most 255 bytes, and no slash.
  std::string segmentOf(LockTarget target) {
    std::string given = wordOf(target).substr(0, kMostOfSegment);
    std::replace(given.begin(), given.end(), '/', '_');
    if (given == "." || given == "..") given = "_";
    return segments_.make(target.value, given);
  }

  const std::string& pathOf(LockTarget target) const {
    static const std::string kNone;
    const auto found = paths_.find(target.value);
    return found == paths_.end() ? kNone : found->second;
  }

  void nameBoth(LockerId locker, LockTarget target) {
    if (!processes_.has(locker.value)) {
      processes_.make(locker.value, names_.process(locker));
      partAt_[locker.value] = parts_.size();
      parts_.push_back({locker, {}});
    }
    name(target);
  }
  void name(LockTarget target) {
    if (objects_.has(target.value)) return;
    objects_.make(target.value, names_.object(target));
    targets_.push_back(target);
  }

  Part& partOf(LockerId locker) { return parts_[partAt_.at(locker.value)]; }

  void add(const DeadlockWait& wait) {
    Part& part = partOf(wait.locker);
    if (part.isCommitting() && wait.commit) {
      part.waits.push_back(&wait);
      return;
    }
    part.waitsElsewhere |= part.isWaiting();
    if (!part.isWaiting() || matters(wait, *part.waits.front())) part.waits = {&wait};
  }

  // Of two requests of one process: the one that closed the circle, or else is on it.
  bool matters(const DeadlockWait& wait, const DeadlockWait& other) const {
    if (wait.locker == record_.requester) return wait.asked > other.asked;
    return isOnCycle(wait) && !isOnCycle(other);
  }

  bool isOnCycle(const DeadlockWait& wait) const {
    return std::any_of(record_.cycle.begin(), record_.cycle.end(), [&](const WaitEdge& edge) {
      return edge.locker == wait.locker && edge.target == wait.target && edge.wanted == wait.wanted;
    });
  }

  LockTarget goalOfEdge(const WaitEdge& edge) const {
    for (const DeadlockWait& wait : record_.waits) {
      const bool isIt = wait.locker == edge.locker && wait.target == edge.target;
      if (isIt && wait.wanted == edge.wanted) return goalOf(wait);
    }
    return edge.target;
  }

  // --- The lines ---------------------------------------------------------------------------------

  void writeHead() {
    const auto sinceEpoch = record_.at.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(sinceEpoch);
    line("# Deadlock {}, {:%Y-%m-%dT%H:%M:%S}.{:03}Z, to be played by: nephrite replay FILE",
         record_.number, fmt::gmtime(static_cast<std::time_t>(seconds.count())),
         milliseconds(sinceEpoch - seconds));
    std::string victims;
    for (const LockerId victim : record_.victims) {
      victims += (victims.empty() ? "" : ", ") + printable(names_.process(victim));
    }
    line("# The last line closes the circle. Refused with 1081: {}", victims);
    line("#");
    line("# Each waited for the next, the last for the first:");
    for (const WaitEdge& edge : record_.cycle) {
      const LockTarget goal = goalOfEdge(edge);
      line("#   {} wanted {} {}{}", printable(names_.process(edge.locker)),
           printable(names_.object(goal)), nameOf(edge.wanted),
           goal == edge.target ? "" : ", and waited at " + printable(names_.object(edge.target)));
    }
    if (record_.truncated) {
      line("#");
      line("# Truncated: more processes or objects were involved than are kept. Whoever was");
      line("# refused after the first may not be refused here.");
    }
    for (const Part& part : parts_) {
      if (!part.waitsElsewhere) continue;
      line("#");
      line("# {} waited for other locks at the same time, which a schedule cannot show: this one",
           printable(names_.process(part.locker)));
      line("# may end otherwise.");
    }
    text_ += '\n';
  }

  void writePopulation() {
    if (record_.doubled) line("setting DoubleDeadlockException=true");
    for (const Part& part : parts_) {
      std::string options;
      if (part.isWaiting()) {
        const DeadlockWait& wait = *part.waits.front();
        if (wait.background) options += " background";
        if (wait.priority != 0) options += fmt::format(" priority={}", wait.priority);
        if (wait.commit && !wait.timeout.isServerDefined()) {
          options += fmt::format(" timeout={}", wait.timeout.number());
        }
      }
      line("process {}{}{}", wordOf(part.locker), options,
           asGiven(wordOf(part.locker), names_.process(part.locker)));
    }
    for (const LockTarget target : targets_) {
      if (isRoot(target)) {
        const std::string given = printable(names_.object(target));
        if (given != "/") line("# The root / is {}", given);
        continue;
      }
      const std::string& path = pathOf(target);
      line("object {}{}{}", wordOf(target), path.empty() ? "" : " at " + path,
           asGiven(wordOf(target), names_.object(target)));
    }
    text_ += '\n';
    for (const Part& part : parts_) line("{} begin", wordOf(part.locker));
  }

  bool isRoot(LockTarget target) const {
    const auto found = paths_.find(target.value);
    return found != paths_.end() && found->second.empty();
  }
  /// What a step calls it.
  const std::string& stepWordOf(LockTarget target) const {
    static const std::string kRoot = "/";
    return isRoot(target) ? kRoot : wordOf(target);
  }

  static std::string asGiven(const std::string& word, const std::string& given) {
    return word == given ? "" : "  # " + printable(given);
  }

  void writeHolds() {
    for (const DeadlockHold* const hold : holdsInOrder()) writeHold(*hold);
  }

  // What is known is in which order each process, and each object's holders, came; between these,
  // the longest held first, then as the processes are named.
  std::vector<const DeadlockHold*> holdsInOrder() const {
    std::vector<const DeadlockHold*> rises;
    for (const DeadlockHold& hold : record_.holds) rises.push_back(&hold);
    std::stable_sort(rises.begin(), rises.end(), [](const DeadlockHold* a, const DeadlockHold* b) {
      return a->acquired < b->acquired;
    });

    struct Place {
      const DeadlockHold* hold;
      std::size_t after = 0;              // How many must be written first.
      std::vector<std::size_t> before{};  // Of `places`.
    };
    std::vector<Place> places;
    std::map<LockerId, std::size_t> lastOfLocker;
    std::map<LockTarget, std::size_t> lastOnTarget;
    for (const DeadlockHold* const hold : rises) {
      const std::size_t at = places.size();
      places.push_back({hold});
      const auto comesAfter = [&](auto& last, const auto& key) {
        const auto [it, first] = last.try_emplace(key, at);
        if (!first) {
          places[std::exchange(it->second, at)].before.push_back(at);
          ++places[at].after;
        }
      };
      comesAfter(lastOfLocker, hold->locker);
      comesAfter(lastOnTarget, hold->target);
    }

    const auto urgency = [&](std::size_t at) {
      const DeadlockHold& hold = *places[at].hold;
      return std::tuple(-hold.age, partAt_.at(hold.locker.value), at);
    };
    std::set<decltype(urgency(0))> ready;
    for (std::size_t at = 0; at < places.size(); ++at) {
      if (places[at].after == 0) ready.insert(urgency(at));
    }
    std::vector<const DeadlockHold*> holds;
    while (!ready.empty()) {
      const Place& next = places[std::get<2>(*ready.begin())];
      ready.erase(ready.begin());
      holds.push_back(next.hold);
      for (const std::size_t at : next.before) {
        if (--places[at].after == 0) ready.insert(urgency(at));
      }
    }
    return holds;
  }

  // What a commit upgrades was changed under Update before; it is Exclusive again when it commits.
  void writeHold(const DeadlockHold& hold) {
    const Part& part = partOf(hold.locker);
    const bool upgraded = part.isCommitting() && hold.upgradedByCommit;
    const LockType type = upgraded ? LockType::Update : hold.type;
    const std::string& process = wordOf(hold.locker);
    const std::string& object = stepWordOf(hold.target);
    std::string age = fmt::format("  # held for {} ms", milliseconds(hold.age));
    const auto lock = [&](LockType asked, bool isSession, std::string_view scope) {
      if (isSession) {
        line("{} lock {} {} session 0{}{}", process, object, nameOf(asked), scope, age);
      } else {
        line("{} {} {}{}{}", process, verbFor(asked), object, scope, age);
      }
      age.clear();
    };

    // First what is held of all that is below, then what is held of the object beside.
    LockType held = LockType::Get;
    for (const bool isSession : {true, false}) {
      const LockType below = isSession ? hold.belowSession : hold.below;
      if (below == LockType::Get || (!isSession && below == hold.belowSession)) continue;
      lock(below, isSession, " subtree");
      held = below;
    }
    const bool isSession = hold.session != LockType::Get;
    if (isSession && hold.session != hold.belowSession) {
      lock(hold.session, true, "");
      if (!covers(held, hold.session)) held = hold.session;
    }
    // A Share of Transaction duration would go, with what it holds below, before Update is asked
    // for.
    const bool goesFirst = held == LockType::Share && type == LockType::Update && !isSession;
    if (goesFirst) lock(LockType::Reserve, false, "");
    if (held != type) lock(type, false, "");
    if (upgraded || part.commitsOn(hold.target)) line("{} update {}", process, object);
  }

  static std::string_view verbFor(LockType type) {
    switch (type) {
      case LockType::Get:
      case LockType::Share: return "sharedLock";
      case LockType::Reserve: return "reserveLock";
      case LockType::Update: return "updateLock";
      case LockType::Exclusive: return "exclusiveLock";
    }
    return "";
  }

  void writeWaits() {
    for (const std::size_t at : inOrder()) writeWait(parts_[at]);
    writeWait(partOf(record_.requester));
  }

  void writeWait(const Part& part) {
    if (!part.isWaiting()) return;
    const DeadlockWait& wait = *part.waits.front();
    const std::string age = part.locker == record_.requester
                                ? "closes the circle"
                                : fmt::format("waited for {} ms", milliseconds(wait.age));
    if (wait.commit) return line("{} commit  # {}", wordOf(part.locker), age);
    line("{} lock {} {} {} {}{}  # {}", wordOf(part.locker), stepWordOf(goalOf(wait)),
         nameOf(wait.wanted), nameOf(wait.duration), wait.timeout.number(),
         wait.scope == LockScope::Subtree ? " subtree" : "", age);
  }

  // The waiters, the requester apart, in an order in which each queues at once and stands where it
  // stood. Not always that of asking: an upgrade that came later may be all that keeps a
  // newcomer behind it waiting. So each queue is filled from its head; and what a commit has
  // upgraded is Exclusive before others ask for it. These demands never contradict each other: a
  // commit is the only one that stands in several queues, and each queue has one at most.
  std::vector<std::size_t> inOrder() const {
    std::map<std::size_t, std::vector<std::size_t>> after;
    std::vector<std::size_t> demands(parts_.size());
    const auto demand = [&](std::size_t first, std::size_t second) {
      if (first == second) return;
      after[first].push_back(second);
      ++demands[second];
    };

    std::map<std::uint64_t, std::size_t> lastOn;  // By target: the step before the next.
    for (const DeadlockHold& hold : record_.holds) {
      const std::size_t at = partAt_.at(hold.locker.value);
      if (hold.locker == record_.requester) continue;
      if (hold.upgradedByCommit && parts_[at].isCommitting()) lastOn[hold.target.value] = at;
    }
    for (const DeadlockWait& wait : record_.waits) {
      const std::size_t at = partAt_.at(wait.locker.value);
      const auto& kept = parts_[at].waits;
      if (wait.locker == record_.requester) continue;
      if (std::find(kept.begin(), kept.end(), &wait) == kept.end()) continue;
      const auto before = lastOn.find(wait.target.value);
      if (before != lastOn.end()) demand(before->second, at);
      lastOn[wait.target.value] = at;
    }

    std::set<std::pair<std::uint64_t, std::size_t>> ready;  // The one asked first goes first.
    const auto offer = [&](std::size_t at) {
      const Part& part = parts_[at];
      if (!part.isWaiting() || part.locker == record_.requester || demands[at] != 0) return;
      ready.emplace(part.waits.front()->asked, at);
    };
    for (std::size_t at = 0; at < parts_.size(); ++at) offer(at);
    std::vector<std::size_t> order;
    while (!ready.empty()) {
      const std::size_t at = ready.begin()->second;
      ready.erase(ready.begin());
      order.push_back(at);
      for (const std::size_t next : after[at]) {
        --demands[next];
        offer(next);
      }
    }
    return order;
  }

  const DeadlockRecord& record_;
  const DeadlockNames& names_;
  Renaming processes_;
  Renaming objects_;
  Renaming segments_;                           // Of paths.
  std::map<std::uint64_t, std::string> paths_;  // By target; "": the root.
  std::vector<Part> parts_;
  std::map<std::uint64_t, std::size_t> partAt_;
  std::vector<LockTarget> targets_;
  std::string text_;
};

}  // namespace

std::string scheduleOf(const DeadlockRecord& record, const DeadlockNames& names) {
  return DeadlockWriter(record, names).write();
}

}  // namespace nephrite

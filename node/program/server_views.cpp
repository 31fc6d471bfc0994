#include "node/program/server_views.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <charconv>
#include <set>

#include "base/answer_wait.h"
#include "base/plain_text.h"
#include "node/schedule/deadlock_schedule.h"

namespace nephrite {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

constexpr std::size_t kAll = 100'000;  // More is not sent in one reply.

std::int64_t wholeMilliseconds(Duration span) {
  return std::chrono::duration_cast<milliseconds>(span).count();
}

std::string numberText(LockerId locker) { return std::to_string(locker.value); }
std::string orDash(const std::string& text) { return text.empty() ? "-" : text; }

/// "12 billing", as people name a process.
std::string whoText(const ProcessInfo& process) {
  if (process.locker.isNull()) return "one that has gone";
  return numberText(process.locker) + " " + orDash(plainText(process.name));
}

json::object processJson(const ProcessInfo& process) {
  return {{"process", process.locker.value},
          {"name", process.name},
          {"user", process.user},
          {"node", process.node},
          {"address", process.address},
          {"background", process.background}};
}

bool isProcess(const ProcessInfo& process, const std::string& wanted) {
  if (wanted.empty()) return true;
  const std::string oid = process.oid.toString();
  return process.name == wanted || numberText(process.locker) == wanted || oid == wanted ||
         "Process/" + oid == wanted;
}

bool isWanted(const ProcessInfo& process, const Selection& selection) {
  return isProcess(process, selection.process) &&
         (selection.user.empty() || process.user == selection.user);
}

std::string objectText(const RemoteDatabase& database, LockTarget target) {
  return database.show(Oid::fromBits(target.value));
}

std::string durationText(const LockInfo& lock) { return std::string(nameOf(lock.duration)); }

/// How long it will wait yet, where that is known.
std::string leftText(const LockInfo& lock) {
  if (!lock.timeout.isWait()) return "-";
  return spanText(std::max(Duration(0), Duration(lock.timeout.wait()) - lock.elapsed));
}

bool hasReach(const LockInfo& lock) { return lock.scope == LockScope::Subtree || lock.isMark; }

/// What of it is below its object: "subtree", "subtree share" when less is held there, "mark" of a
/// request that waits there on its way down.
std::string reachText(const LockInfo& lock) {
  if (lock.isMark) return "mark";
  if (lock.scope == LockScope::Node) return "-";
  const bool isLess = !lock.waiting && lock.below != lock.type;
  return isLess ? "subtree " + std::string(nameOf(lock.below)) : "subtree";
}

json::object lockJson(const RemoteDatabase& database, const LockInfo& lock) {
  json::object made{{"object", objectText(database, lock.target)},
                    {"waiting", lock.waiting},
                    {"type", nameOf(lock.wanted)},
                    {"duration", nameOf(lock.duration)},
                    {"since", isoText(lock.requestTime)},
                    {"ms", wholeMilliseconds(lock.elapsed)},
                    {"by", processJson(database.describe(lock.requestedBy))}};
  if (lock.waiting) {
    made["waitsFor"] = processJson(database.describe(lock.lockedBy));
    if (lock.timeout.isWait()) {
      made["timeoutMs"] = wholeMilliseconds(Duration(lock.timeout.wait()));
    }
  } else {
    made["token"] = lock.token.value;
  }
  if (!lock.lease.isNone()) {
    made["leaseMs"] = lock.lease.length.count();
    if (!lock.waiting) made["leaseLeftMs"] = wholeMilliseconds(lock.leaseLeft);
  }
  if (lock.scope == LockScope::Subtree) {
    made["scope"] = "subtree";
    if (!lock.waiting) made["below"] = nameOf(lock.below);
  }
  if (lock.isMark) made["mark"] = true;
  if (!lock.parent.isNull()) made["parent"] = processJson(database.describe(lock.parent));
  return made;
}

std::string moreText(std::size_t all, std::size_t most) {
  return all > most ? fmt::format("... and {}{} more (--max)", all - most, all >= kAll ? "+" : "")
                    : "";
}

/// By a waiting locker: the locker that it waits for.
using Waits = std::map<std::uint64_t, LockerId>;

// How many requests stand between this one and a locker that does not wait.
int depthOf(const LockInfo& lock, const Waits& waits) {
  std::set<std::uint64_t> seen;
  int depth = 1;
  for (LockerId next = lock.lockedBy; seen.insert(next.value).second; ++depth) {
    const auto further = waits.find(next.value);
    if (further == waits.end()) break;
    next = further->second;
  }
  return depth;
}

}  // namespace

// --- Naming things -------------------------------------------------------------------------------

namespace {

constexpr std::string_view kResource = "resource ";

/// The name in what showResource() made of it; a name that needs no quotes is itself.
std::string nameOfResource(std::string_view shown) {
  if (shown.size() < 2 || shown.front() != '"' || shown.back() != '"') return std::string(shown);
  shown = shown.substr(1, shown.size() - 2);
  std::string name;
  for (std::size_t at = 0; at < shown.size(); ++at) {
    if (shown[at] != '\\' || at + 1 == shown.size()) {
      name += shown[at];
      continue;
    }
    unsigned byte = 0;
    const char* const digits = shown.data() + at + 2;
    const bool isByte = shown[at + 1] == 'x' && at + 3 < shown.size() &&
                        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2;
    name += isByte ? static_cast<char>(byte) : shown[at + 1];
    at += isByte ? 3 : 1;
  }
  return name;
}

NamedTarget resourceNamed(RemoteDatabase& database, const std::string& name) {
  const auto wait = std::make_shared<AnswerWait<ResourceReply>>();
  AnswerFetch fetch(database.answers());
  database.resource(name, [wait](const ResourceReply& reply) { wait->complete(reply); });
  fetch.await(*wait);
  const ResourceReply reply = wait->get();
  if (reply.failure) throw std::runtime_error(reply.failure->what);
  return {reply.resource->oid, reply.resource};
}

}  // namespace

NamedTarget objectNamed(RemoteDatabase& database, const std::string& text) {
  if (text.starts_with(kResource)) {
    return resourceNamed(database, nameOfResource(std::string_view(text).substr(kResource.size())));
  }
  const auto slash = text.find('/');
  const auto oid = Oid::parse(slash == std::string::npos ? text : text.substr(slash + 1));
  const bool isObject = oid && !oid->isNull() && oid->lifetime() != Lifetime::Resource;
  if (isObject) return {*oid, nullptr};
  throw WrongUse("'" + text +
                 "' names no object; write it as Order/2048.7 or 2048.7, and a resource as "
                 "'resource NAME'");
}

std::string whoText(const RemoteDatabase& database, LockerId locker) {
  return whoText(database.describe(locker));
}

LockerId lockerNamed(RemoteDatabase& database, const std::string& text, Oid held) {
  std::map<LockerId, std::string> found;
  for (const ProcessInfo& process : database.processes()) {
    if (isProcess(process, text)) {
      found[process.locker] = whoText(process) + " on node " + plainText(process.node);
    }
  }
  for (const NodeInfo& node : database.nodes()) {
    const std::string oid = node.oid.toString();
    const bool isNamed = node.name == text || oid == text || "Node/" + oid == text ||
                         numberText(node.locker) == text;
    if (isNamed) found[node.locker] = "Node/" + oid + " " + plainText(node.name);
  }
  if (found.size() > 1 && !held.isNull()) {
    std::set<LockerId> holders;
    for (const LockInfo& lock : database.locksOn(held)) {
      if (!lock.waiting && found.contains(lock.requestedBy)) holders.insert(lock.requestedBy);
    }
    if (holders.size() == 1) return *holders.begin();
  }
  if (found.size() == 1) return found.begin()->first;
  if (found.empty()) {
    throw std::runtime_error("nobody called '" + text +
                             "' is signed on; see nephrite processes and nephrite nodes");
  }
  std::string names;
  for (const auto& [locker, name] : found) names += (names.empty() ? "" : ", ") + name;
  throw std::runtime_error("'" + text + "' may be any of: " + names + "; give the number or Oid");
}

// --- Locks ---------------------------------------------------------------------------------------

namespace {

struct Found {
  std::vector<LockInfo> locks;
  std::uint64_t inAll = 0;  // When more are held than were asked for: so many.
};

// What is held, then the requests that wait for it where one object or process is looked at.
Found findLocks(RemoteDatabase& database, const Selection& selection) {
  if (!selection.object.empty())
    return {database.locksOn(objectNamed(database, selection.object).oid), 0};
  if (selection.process.empty() && selection.user.empty()) {
    Found found{database.locksHeld(Lifetime::Persistent, selection.most), 0};
    if (found.locks.size() == selection.most) found.inAll = database.serverStatus().locksHeld;
    return found;
  }
  Found found{database.locksHeld(Lifetime::Persistent, kAll), 0};
  const auto queued = database.queuedRequests(Lifetime::Persistent, kAll);
  found.locks.insert(found.locks.end(), queued.begin(), queued.end());
  return found;
}

}  // namespace

View locksView(RemoteDatabase& database, const Selection& selection) {
  const Found found = findLocks(database, selection);
  const auto has = [&](auto isIt) {
    return std::any_of(found.locks.begin(), found.locks.end(), isIt);
  };
  const bool withLeases = has([](const LockInfo& lock) { return !lock.lease.isNone(); });
  const bool withFamilies = has([](const LockInfo& lock) { return !lock.parent.isNull(); });
  const bool withReach = has(hasReach);
  const bool withWaiters =
      !selection.object.empty() || !selection.process.empty() || !selection.user.empty();
  std::vector<std::string> headings{"OBJECT", "",     "TYPE",    "DURATION",    "PROCESS",
                                    "USER",   "NODE", "ADDRESS", "SINCE (UTC)", "FOR"};
  if (withReach) headings.emplace_back("SCOPE");
  if (withLeases) headings.emplace_back("LAPSES IN");
  if (withFamilies) headings.emplace_back("CHILD OF");
  if (withWaiters) headings.emplace_back("WAITS FOR");
  View view{{},
            Table(headings),
            selection.object.empty() ? "no locks are held" : "nobody holds or wants it"};
  json::array list;
  std::size_t wanted = 0;
  std::size_t place = 0;
  const WallTime now = database.clock().wallNow();
  for (const LockInfo& lock : found.locks) {
    const ProcessInfo by = database.describe(lock.requestedBy);
    if (lock.waiting) ++place;
    if (!isWanted(by, selection) || ++wanted > selection.most) continue;
    list.push_back(lockJson(database, lock));
    const std::string waits = selection.object.empty() ? "waits" : fmt::format("waits {}.", place);
    std::vector<std::string> row{objectText(database, lock.target),
                                 lock.waiting ? waits : "holds",
                                 std::string(nameOf(lock.wanted)),
                                 durationText(lock),
                                 whoText(by),
                                 orDash(by.user),
                                 orDash(by.node),
                                 orDash(by.address),
                                 timeText(lock.requestTime, now),
                                 spanText(lock.elapsed)};
    if (withReach) row.push_back(reachText(lock));
    if (withLeases) {
      const bool lapses = !lock.waiting && !lock.lease.isNone();
      row.push_back(lapses ? spanText(lock.leaseLeft) : "-");
    }
    if (withFamilies) row.push_back(lock.parent.isNull() ? "-" : whoText(database, lock.parent));
    if (withWaiters) row.push_back(lock.waiting ? whoText(database, lock.lockedBy) : "-");
    view.table.add(std::move(row));
  }
  view.json["locks"] = std::move(list);
  const std::size_t all = std::max<std::size_t>(wanted, found.inAll);
  view.json["more"] = all > selection.most;
  view.below = moreText(all, selection.most);
  return view;
}

View queueView(RemoteDatabase& database, const Selection& selection) {
  std::vector<LockInfo> all = database.queuedRequests(Lifetime::Persistent, kAll);
  const bool withReach = std::any_of(all.begin(), all.end(), hasReach);
  std::vector<std::string> headings{"OBJECT", "WANTS", "PROCESS",   "USER",   "NODE", "ADDRESS",
                                    "WAITED", "LEFT",  "WAITS FOR", "WHO IS", "DEPTH"};
  if (withReach) headings.emplace_back("SCOPE");
  View view{{}, Table(headings), "nobody waits"};
  Waits waits;
  for (const LockInfo& lock : all) waits[lock.requestedBy.value] = lock.lockedBy;
  std::stable_sort(all.begin(), all.end(),
                   [](const LockInfo& a, const LockInfo& b) { return a.elapsed > b.elapsed; });
  const Oid object = selection.object.empty() ? Oid() : objectNamed(database, selection.object).oid;
  json::array list;
  std::size_t wanted = 0;
  for (const LockInfo& lock : all) {
    const ProcessInfo by = database.describe(lock.requestedBy);
    if (!isWanted(by, selection)) continue;
    if (!object.isNull() && lock.target.value != object.bits()) continue;
    if (++wanted > selection.most) continue;
    const ProcessInfo blocker = database.describe(lock.lockedBy);
    const int depth = depthOf(lock, waits);
    json::object one = lockJson(database, lock);
    one["depth"] = depth;
    list.push_back(std::move(one));
    std::vector<std::string> row{
        objectText(database, lock.target),
        std::string(nameOf(lock.wanted)),
        whoText(by),
        orDash(by.user),
        by.node,
        orDash(by.address),
        spanText(lock.elapsed),
        leftText(lock),
        whoText(blocker),
        orDash(blocker.user) + " at " + blocker.node + " (" + orDash(blocker.address) + ")",
        std::to_string(depth)};
    if (withReach) row.push_back(reachText(lock));
    view.table.add(std::move(row));
  }
  view.json["queue"] = std::move(list);
  view.json["waiting"] = wanted;
  view.below = moreText(wanted, selection.most);
  return view;
}

// --- Processes, nodes ----------------------------------------------------------------------------

View processesView(RemoteDatabase& database, const Selection& selection) {
  View view{
      {},
      Table({"PROCESS", "NAME", "USER", "NODE", "ADDRESS", "SINCE (UTC)", "LOCKS", "WAITS FOR"}),
      "no such process is signed on"};
  std::map<std::uint64_t, std::size_t> held;
  for (const LockInfo& lock : database.locksHeld(Lifetime::Persistent, kAll)) {
    ++held[lock.requestedBy.value];
  }
  std::map<std::uint64_t, LockTarget> waits;
  for (const LockInfo& lock : database.queuedRequests(Lifetime::Persistent, kAll)) {
    waits[lock.requestedBy.value] = lock.target;
  }
  json::array list;
  std::size_t wanted = 0;
  const WallTime now = database.clock().wallNow();
  for (const ProcessInfo& process : database.processes()) {
    if (!isWanted(process, selection) || ++wanted > selection.most) continue;
    const auto waitsFor = waits.find(process.locker.value);
    const std::string object =
        waitsFor == waits.end() ? "" : objectText(database, waitsFor->second);
    json::object one = processJson(process);
    one["since"] = isoText(process.signedOn);
    one["locks"] = held[process.locker.value];
    one["waitsFor"] = object;
    list.push_back(std::move(one));
    view.table.add({numberText(process.locker),
                    process.name + (process.background ? " (background)" : ""),
                    orDash(process.user), process.node, orDash(process.address),
                    timeText(process.signedOn, now), std::to_string(held[process.locker.value]),
                    orDash(object)});
  }
  view.json["processes"] = std::move(list);
  view.below = moreText(wanted, selection.most);
  return view;
}

View nodesView(RemoteDatabase& database, const Selection& selection) {
  View view{
      {},
      Table({"NODE", "NAME", "ADDRESS", "PROGRAM", "PID", "HOST", "PROCESSES", "SINCE (UTC)"}),
      "no node is signed on"};
  std::map<std::string, std::size_t> processes;
  for (const ProcessInfo& process : database.processes()) ++processes[process.node];
  json::array list;
  std::size_t count = 0;
  const WallTime now = database.clock().wallNow();
  for (const NodeInfo& node : database.nodes()) {
    if (++count > selection.most) continue;
    const std::string oid = "Node/" + node.oid.toString();
    list.push_back({{"node", oid},
                    {"name", node.name},
                    {"address", node.origin.address},
                    {"program", node.origin.program},
                    {"pid", node.origin.pid},
                    {"host", node.origin.host},
                    {"processes", processes[node.name]},
                    {"since", isoText(node.signedOn)}});
    view.table.add({oid, node.name, orDash(node.origin.address), orDash(node.origin.program),
                    node.origin.pid == 0 ? "-" : std::to_string(node.origin.pid),
                    orDash(node.origin.host), std::to_string(processes[node.name]),
                    timeText(node.signedOn, now)});
  }
  view.json["nodes"] = std::move(list);
  view.below = moreText(count, selection.most);
  return view;
}

// --- Deadlocks -----------------------------------------------------------------------------------

namespace {

// Was the object waited for, and was such a process, on the circle?
bool isWanted(RemoteDatabase& database, const DeadlockRecord& record, const Selection& selection) {
  const Oid object = selection.object.empty() ? Oid() : objectNamed(database, selection.object).oid;
  bool wantedObject = object.isNull();
  bool wantedProcess = selection.process.empty() && selection.user.empty();
  for (const WaitEdge& edge : record.cycle) {
    wantedObject = wantedObject || edge.target.value == object.bits();
    wantedProcess = wantedProcess || isWanted(database.describe(edge.locker), selection);
  }
  return wantedObject && wantedProcess;
}

}  // namespace

View deadlocksView(RemoteDatabase& database, const Selection& selection) {
  View view{{},
            Table({"NUMBER", "WHEN (UTC)", "REFUSED", "WAITED IN A CIRCLE"}),
            "no such deadlock since the server was started"};
  json::array list;
  const WallTime now = database.clock().wallNow();
  std::size_t wanted = 0;
  for (const DeadlockRecord& record : database.deadlocks(Lifetime::Persistent, kAll)) {
    if (!isWanted(database, record, selection) || ++wanted > selection.most) continue;
    std::string victims;
    json::array victimList;
    for (const LockerId victim : record.victims) {
      victims += (victims.empty() ? "" : ", ") + whoText(database.describe(victim));
      victimList.push_back(processJson(database.describe(victim)));
    }
    std::string circle;
    json::array cycle;
    for (const WaitEdge& edge : record.cycle) {
      circle += fmt::format("{} -{}-> {} -> ", whoText(database, edge.locker), nameOf(edge.wanted),
                            objectText(database, edge.target));
      json::object step = processJson(database.describe(edge.locker));
      step["wants"] = nameOf(edge.wanted);
      step["object"] = objectText(database, edge.target);
      cycle.push_back(std::move(step));
    }
    if (!record.cycle.empty()) circle += whoText(database, record.cycle.front().locker);
    list.push_back({{"number", record.number},
                    {"when", isoText(record.at)},
                    {"victims", std::move(victimList)},
                    {"cycle", std::move(cycle)},
                    {"truncated", record.truncated}});
    view.table.add({std::to_string(record.number), timeText(record.at, now), victims, circle});
  }
  view.json["deadlocks"] = std::move(list);
  view.below = moreText(wanted, selection.most);
  return view;
}

std::string deadlockSchedule(RemoteDatabase& database, std::uint64_t number) {
  for (const DeadlockRecord& record : database.deadlocks(Lifetime::Persistent, kAll)) {
    if (record.number != number) continue;
    return scheduleOf(record, {[&](LockerId locker) {
                                 const ProcessInfo process = database.describe(locker);
                                 return process.name.empty() ? "process" + numberText(locker)
                                                             : process.name;
                               },
                               [&](LockTarget target) { return objectText(database, target); }});
  }
  throw std::runtime_error("deadlock " + std::to_string(number) +
                           " is not kept; see nephrite deadlocks");
}

// --- Counters ------------------------------------------------------------------------------------

View contentionView(RemoteDatabase& database, const Selection& selection) {
  View view{{}, Table({"OBJECT", "CONTENTIONS", "WAITED IN ALL", "MEAN", "LONGEST"}), ""};
  const LockContentionState state = database.contentionState();
  view.json["active"] = state.active;
  view.whenEmpty = state.active ? "nobody had to wait since the counting began"
                                : "nothing is counted; begin with: nephrite contention on";
  json::array list;
  std::vector<LockContentionInfo> entries;
  if (!selection.object.empty()) {
    entries.push_back(database.contentionOf(objectNamed(database, selection.object).oid));
    if (entries.front().totalContentions == 0) entries.clear();
  } else {
    entries = database.contentionStats(kAll, 1);
  }
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return a.totalContentions > b.totalContentions;
  });
  view.json["more"] = entries.size() > selection.most;
  const std::string more = moreText(entries.size(), selection.most);
  if (entries.size() > selection.most) entries.resize(selection.most);
  for (const LockContentionInfo& info : entries) {
    const bool others = info.target.value == 0;
    const std::string object = others ? "others" : objectText(database, info.target);
    const Duration mean = info.totalWait / static_cast<std::int64_t>(
                                               std::max<std::uint64_t>(info.totalContentions, 1));
    list.push_back({{"object", object},
                    {"contentions", info.totalContentions},
                    {"totalWaitMs", wholeMilliseconds(info.totalWait)},
                    {"maxWaitMs", wholeMilliseconds(info.maxWait)}});
    view.table.add({object, std::to_string(info.totalContentions), spanText(info.totalWait),
                    spanText(mean), spanText(info.maxWait)});
  }
  view.json["contention"] = std::move(list);
  if (state.active) {
    view.json["since"] = isoText(state.startTime);
    view.json["startedBy"] = processJson(database.describe(state.startedBy));
    view.below = more + (more.empty() ? "" : "\n") + "counted since " +
                 timeText(state.startTime, database.clock().wallNow()) + " UTC, begun by " +
                 whoText(database.describe(state.startedBy));
  }
  return view;
}

View statsView(RemoteDatabase& database, const Selection&) {
  View view{{}, Table({"", ""}), ""};
  const wire::Status status = database.serverStatus();
  const LockStatistics locks = database.lockStatistics(Lifetime::Persistent);
  const WallTime now = database.clock().wallNow();
  const auto add = [&](const char* key, const char* label, std::uint64_t value) {
    view.json[key] = value;
    view.table.add({label, std::to_string(value)});
  };
  view.json["version"] = status.version;
  view.json["draining"] = status.draining;
  view.json["started"] = isoText(status.started);
  view.table.add({"server", "nephrite " + status.version + ", pid " + std::to_string(status.pid) +
                                (status.draining ? ", shutting down" : "")});
  view.table.add({"running since",
                  timeText(status.started, now) + " UTC (" + spanText(now - status.started) + ")"});
  add("pid", "process of the system", status.pid);
  add("epoch", "start number", status.epoch);
  add("sessions", "sessions", status.sessions);
  add("lostSessions", "sessions lost", status.lostSessions);
  add("nodes", "nodes", status.nodes);
  add("processes", "processes", status.processes);
  add("locksHeld", "locks held", status.locksHeld);
  add("requestsWaiting", "requests waiting", status.requestsWaiting);
  add("commits", "commits", status.committed);
  add("lockRequests", "lock requests", locks.lockRequests);
  add("unlockRequests", "unlock requests", locks.unlockRequests);
  add("queuedLocks", "requests that had to wait", locks.queuedLocks);
  add("refusals", "refused at once", locks.refusals);
  add("timeouts", "timed out", locks.timeouts);
  add("deadlocks", "refused for a deadlock", locks.deadlocks);
  add("cancellations", "cancelled", locks.cancellations);
  add("lapses", "leases that ended", locks.lapses);
  view.json["totalQueueWaitMs"] = wholeMilliseconds(locks.totalQueueWait);
  view.table.add({"waited in all", spanText(locks.totalQueueWait)});
  add("bytesQueued", "bytes that clients have not read", status.bytesQueued);
  add("framesIn", "messages received", status.framesIn);
  add("framesOut", "messages sent", status.framesOut);
  add("logLinesDropped", "log lines dropped", status.logLinesDropped);
  view.json["trouble"] = status.trouble;
  if (!status.trouble.empty()) view.below = "TROUBLE: " + status.trouble;
  return view;
}

}  // namespace nephrite

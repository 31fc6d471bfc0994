#include "node/program/server_views.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <functional>
#include <map>
#include <set>

#include "node/program/view_parts.h"
#include "node/schedule/deadlock_schedule.h"

namespace nephrite {
namespace {

namespace json = boost::json;

std::string numberText(LockerId locker) { return std::to_string(locker.value); }
}  // namespace

// --- Processes, nodes ----------------------------------------------------------------------------

View processesView(RemoteDatabase& database, const Selection& selection) {
  const std::vector<ProcessInfo> all = database.processes();
  const bool withFaces = std::any_of(all.begin(), all.end(), [](const ProcessInfo& process) {
    return !process.through().empty();
  });
  std::vector<std::string> headings{"PROCESS", "NAME",        "USER",  "NODE",
                                    "ADDRESS", "SINCE (UTC)", "LOCKS", "WAITS FOR"};
  if (withFaces) headings.emplace_back("FACE");
  View view{{}, Table(headings), "no such process is signed on"};
  std::map<std::uint64_t, std::size_t> held;
  for (const LockInfo& lock : database.locksHeld(Lifetime::Persistent, kMostListed)) {
    ++held[lock.requestedBy.value];
  }
  std::map<std::uint64_t, LockTarget> waits;
  for (const LockInfo& lock : database.queuedRequests(Lifetime::Persistent, kMostListed)) {
    waits[lock.requestedBy.value] = lock.target;
  }
  json::array list;
  std::size_t wanted = 0;
  const WallTime now = database.clock().wallNow();
  for (const ProcessInfo& process : all) {
    if (!isWanted(process, selection) || ++wanted > selection.most) continue;
    const auto waitsFor = waits.find(process.locker.value);
    const std::string object =
        waitsFor == waits.end() ? "" : objectText(database, waitsFor->second);
    json::object one = processJson(process);
    one["since"] = isoText(process.signedOn);
    one["locks"] = held[process.locker.value];
    one["waitsFor"] = object;
    list.push_back(std::move(one));
    std::vector<std::string> row{numberText(process.locker),
                                 process.name + (process.background ? " (background)" : ""),
                                 orDash(process.user),
                                 process.node,
                                 orDash(process.address),
                                 timeText(process.signedOn, now),
                                 std::to_string(held[process.locker.value]),
                                 orDash(object)};
    if (withFaces) row.push_back(orDash(process.through()));
    view.table.add(std::move(row));
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
  for (const DeadlockRecord& record : database.deadlocks(Lifetime::Persistent, kMostListed)) {
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
  for (const DeadlockRecord& record : database.deadlocks(Lifetime::Persistent, kMostListed)) {
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
    entries = database.contentionStats(kMostListed, 1);
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

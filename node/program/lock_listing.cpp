#include "node/program/lock_listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <functional>
#include <optional>
#include <ostream>
#include <set>
#include <unordered_map>
#include <utility>

#include "node/program/table.h"
#include "node/program/view_parts.h"

namespace nephrite {
namespace {

namespace json = boost::json;

constexpr std::size_t kPage = 1'000;  // Whose people the client remembers all.

std::string durationText(const LockInfo& lock) { return std::string(nameOf(lock.duration)); }

/// How long it will wait yet, where that is known.
std::string leftText(const LockInfo& lock) {
  if (!lock.timeout.isWait()) return "-";
  return spanText(std::max(Duration(0), Duration(lock.timeout.wait()) - lock.elapsed));
}

/// What of it is below its object: "subtree", "subtree share" when less is held there, "mark" of a
/// request that waits there on its way down.
std::string reachText(const LockInfo& lock) {
  if (lock.isMark) return "mark";
  if (lock.scope == LockScope::Node) return {};
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
  if (lock.isFromAbove()) made["heldOn"] = objectText(database, lock.lockedAt);
  if (lock.isMomentary) made["momentary"] = true;
  if (!lock.parent.isNull()) made["parent"] = processJson(database.describe(lock.parent));
  return made;
}

std::string lapseText(const LockInfo& lock) {
  const bool lapses = !lock.waiting && !lock.lease.isNone();
  return lapses ? spanText(lock.leaseLeft) : std::string();
}

/// A line: `cells`, then columns that are there when there is something in them, then `last`.
struct Row {
  LockInfo lock;
  std::vector<std::string> cells;
  std::vector<std::string> last;
  json::object json;
};

/// A column that is there when there is something in it.
struct Column {
  const char* heading;
  std::function<std::string(const LockInfo&)> text;
};

// Those that have something of `rows` in them.
std::vector<Column> columnsFor(const RemoteDatabase& database, const std::vector<Row>& rows) {
  std::vector<Column> columns{
      {"HELD ON",
       [&](const LockInfo& lock) {
         return lock.isFromAbove() ? objectText(database, lock.lockedAt) : std::string();
       }},
      {"SCOPE", reachText},
      {"LASTS", [](const LockInfo& lock) { return lock.isMomentary ? "a write" : std::string(); }},
      {"FACE", [&](const LockInfo& lock) { return database.describe(lock.requestedBy).through(); }},
      {"LAPSES IN", lapseText},
      {"CHILD OF", [&](const LockInfo& lock) {
         return lock.parent.isNull() ? std::string() : whoText(database.describe(lock.parent));
       }}};
  std::erase_if(columns, [&](const Column& column) {
    return std::all_of(rows.begin(), rows.end(),
                       [&](const Row& row) { return column.text(row.lock).empty(); });
  });
  return columns;
}

/// Prints a list as its rows come: a table, or one JSON object.
class ListPrinter {
 public:
  ListPrinter(const RemoteDatabase& database, const ListingOutput& to, const char* name,
              std::vector<std::string> headings, std::vector<std::string> lastHeadings)
      : database_(database),
        to_(to),
        headings_(std::move(headings)),
        lastHeadings_(std::move(lastHeadings)) {
    if (to_.json) to_.out << "{" << json::serialize(json::value(name)) << ":[";
  }

  /// False when nobody reads it any more.
  bool print(std::vector<Row> rows) {
    if (to_.json) {
      for (const Row& row : rows) {
        to_.out << (std::exchange(isEmpty_, false) ? "" : ",") << json::serialize(row.json);
      }
    } else if (!rows.empty()) {
      printTable(rows);
      isEmpty_ = false;
    }
    return static_cast<bool>(to_.out << std::flush);
  }

  /// `further`: what the JSON object has beside the list; `below`: a line below the table.
  void end(const json::object& further, const char* whenEmpty, const std::string& below) {
    if (to_.json) {
      to_.out << "]," << json::serialize(further).substr(1) << '\n';
    } else if (isEmpty_) {
      to_.out << whenEmpty << '\n';
    } else if (!below.empty()) {
      to_.out << below << '\n';
    }
    to_.out << std::flush;
  }

 private:
  // New headings when there is something in other columns than before.
  void printTable(std::vector<Row>& rows) {
    const std::vector<Column> columns = columnsFor(database_, rows);
    std::vector<std::string> headings = headings_;
    for (const Column& column : columns) headings.emplace_back(column.heading);
    headings.insert(headings.end(), lastHeadings_.begin(), lastHeadings_.end());
    if (!table_ || table_->headings() != headings) table_.emplace(std::move(headings));
    for (Row& row : rows) {
      for (const Column& column : columns) row.cells.push_back(orDash(column.text(row.lock)));
      row.cells.insert(row.cells.end(), row.last.begin(), row.last.end());
      table_->add(std::move(row.cells));
    }
    table_->printPart(to_.out, to_.width);
  }

  const RemoteDatabase& database_;
  const ListingOutput& to_;
  const std::vector<std::string> headings_, lastHeadings_;
  std::optional<Table> table_;
  bool isEmpty_ = true;
};

/// Calls `visit` with a page after the other until it returns false. `most` are wanted of it. The
/// only page is put into the order of the objects: others come in that of the lock table.
template <typename Visit>
void forEachPage(RemoteDatabase& database, const LockQuery& query, std::size_t most,
                 const Visit& visit) {
  LockCursor after;
  for (;;) {
    LockPage page = database.listLocks(Lifetime::Persistent, query, after, std::min(kPage, most));
    if (after == LockCursor() && !page.next) {
      std::stable_sort(page.locks.begin(), page.locks.end(),
                       [](const LockInfo& a, const LockInfo& b) { return a.target < b.target; });
    }
    if (!visit(page) || !page.next || *page.next == after) return;
    after = *page.next;
  }
}

/// By a waiting locker: the locker that it waits for.
using Waits = std::unordered_map<std::uint64_t, LockerId>;

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

/// Of more than twice as many requests as are wanted those go that wait shortest.
class LongestWaits {
 public:
  explicit LongestWaits(std::size_t most) : most_(most) {}

  void add(const LockInfo& lock) {
    waits_.push_back(lock);
    if (waits_.size() > 2 * most_ + kPage) cut();
  }
  const std::vector<LockInfo>& take() {
    cut();
    return waits_;
  }

 private:
  void cut() {
    std::stable_sort(waits_.begin(), waits_.end(),
                     [](const LockInfo& a, const LockInfo& b) { return a.since < b.since; });
    if (waits_.size() > most_) waits_.resize(most_);
  }

  const std::size_t most_;
  std::vector<LockInfo> waits_;
};

}  // namespace

// --- Locks ---------------------------------------------------------------------------------------

void printLocks(RemoteDatabase& database, const Selection& selection, const ListingOutput& to) {
  const bool isOfObject = !selection.object.empty();
  const bool isOfSome = !selection.process.empty() || !selection.user.empty();
  LockQuery query;
  if (isOfObject) {
    query.subject = LockQuery::Subject::On;
    query.target = {objectNamed(database, selection.object).oid.bits()};
  }
  const bool withWaiters = isOfObject || isOfSome;
  std::vector<std::string> last;
  if (withWaiters) last.emplace_back("WAITS FOR");
  ListPrinter printer(database, to, "locks",
                      {"OBJECT", "", "TYPE", "DURATION", "PROCESS", "USER", "NODE", "ADDRESS",
                       "SINCE (UTC)", "FOR"},
                      std::move(last));
  std::size_t all = 0;
  std::size_t place = 0;  // In the queue of the object.
  const WallTime now = database.clock().wallNow();
  const auto rowOf = [&](const LockInfo& lock, const ProcessInfo& by) {
    const std::string waits = isOfObject ? fmt::format("waits {}.", place) : "waits";
    Row row{lock,
            {objectText(database, lock.target), lock.waiting ? waits : "holds",
             std::string(nameOf(lock.wanted)), durationText(lock), whoText(by), orDash(by.user),
             orDash(by.node), orDash(by.address), timeText(lock.requestTime, now),
             spanText(lock.elapsed)},
            {},
            to.json ? lockJson(database, lock) : json::object()};
    if (withWaiters) row.last.push_back(lock.waiting ? whoText(database, lock.lockedBy) : "-");
    return row;
  };
  const auto show = [&](const LockPage& page) {
    std::vector<Row> rows;
    for (const LockInfo& lock : page.locks) {
      const ProcessInfo by = database.describe(lock.requestedBy);
      if (lock.waiting) ++place;
      if (isWanted(by, selection) && ++all <= selection.most) rows.push_back(rowOf(lock, by));
    }
    if (!printer.print(std::move(rows))) return false;
    if (isOfSome) return true;
    // All that is held need not be looked at to be counted.
    const bool isFull = all >= selection.most;
    return !isFull || (isOfObject && all < kMostListed);
  };
  if (withWaiters) {
    forEachPage(database, query, kPage, show);
  } else {
    bool hasMore = false;
    forEachPage(database, query, selection.most, [&](const LockPage& page) {
      hasMore = page.next.has_value();
      return show(page);
    });
    if (hasMore) all = std::max(all, std::size_t{database.serverStatus().locksHeld});
  }
  if (isOfSome && !isOfObject) {
    query.subject = LockQuery::Subject::Queued;
    forEachPage(database, query, kPage, show);
  }
  printer.end({{"more", all > selection.most}},
              isOfObject ? "nobody holds or wants it" : "no locks are held",
              moreText(all, selection.most));
}

// --- Waiting requests ----------------------------------------------------------------------------

// The longest wait first, where no more are wanted than are kept here; else as they come.
void printQueue(RemoteDatabase& database, const Selection& selection, const ListingOutput& to) {
  const Oid object = selection.object.empty() ? Oid() : objectNamed(database, selection.object).oid;
  const bool isSorted = selection.most <= kMostListed;
  std::vector<std::string> headings{"OBJECT",  "WANTS",  "PROCESS", "USER",      "NODE",
                                    "ADDRESS", "WAITED", "LEFT",    "WAITS FOR", "WHO IS"};
  if (isSorted) headings.emplace_back("DEPTH");
  ListPrinter printer(database, to, "queue", std::move(headings), {});
  Waits waits;
  LongestWaits longest(selection.most);
  std::size_t wanted = 0;
  const auto rowOf = [&](const LockInfo& lock) {
    const ProcessInfo by = database.describe(lock.requestedBy);
    const ProcessInfo blocker = database.describe(lock.lockedBy);
    Row row{lock,
            {objectText(database, lock.target), std::string(nameOf(lock.wanted)), whoText(by),
             orDash(by.user), by.node, orDash(by.address), spanText(lock.elapsed), leftText(lock),
             whoText(blocker), whereText(blocker)},
            {},
            to.json ? lockJson(database, lock) : json::object()};
    if (!isSorted) return row;
    const int depth = depthOf(lock, waits);
    row.json["depth"] = depth;
    row.cells.push_back(std::to_string(depth));
    return row;
  };
  LockQuery query;
  query.subject = LockQuery::Subject::Queued;
  forEachPage(database, query, kPage, [&](const LockPage& page) {
    std::vector<Row> rows;
    for (const LockInfo& lock : page.locks) {
      if (isSorted && waits.size() < kMostListed) {
        waits[lock.requestedBy.value] = lock.lockedBy;
      }
      if (!isWanted(database.describe(lock.requestedBy), selection)) continue;
      if (!object.isNull() && lock.target.value != object.bits()) continue;
      ++wanted;
      if (isSorted) {
        longest.add(lock);
      } else if (wanted <= selection.most) {
        rows.push_back(rowOf(lock));
      }
    }
    return printer.print(std::move(rows));
  });
  std::vector<Row> rows;
  for (const LockInfo& lock : longest.take()) {
    rows.push_back(rowOf(lock));
    if (rows.size() == kPage && !printer.print(std::exchange(rows, {}))) break;
  }
  printer.print(std::move(rows));
  printer.end({{"waiting", wanted}}, "nobody waits", moreText(wanted, selection.most));
}

}  // namespace nephrite

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "node/schedule/schedule.h"

/// What the slow model (lock_model.h) keeps of objects and processes. Both are numbered from 0.
namespace nephrite::model {

/// The order is the strength (section 1): S < R < U < X.
enum Type { S, R, U, X };

inline constexpr const char* kTypeWords[] = {"share", "reserve", "update", "exclusive"};

inline bool contains(const std::vector<int>& values, int value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

struct Lease {
  std::int64_t length = 0;
  std::int64_t due = 0;   ///< When it lapses.
  int line = 0;           ///< Of the request that made or last renewed it.
  std::int64_t made = 0;  ///< Rises with each lease in the system.
};

struct Hold {
  int process = 0;
  Type type = S;
  std::optional<Type> session;  ///< `s` of section 2.1; set means session duration.
  /// The same of what is below the object (section 9); set means scope Subtree.
  std::optional<Type> below, belowSession;
  std::size_t level = 0;      ///< Load and lock states open when it was acquired.
  std::int64_t acquired = 0;  ///< Rises with each acquisition in the system.
  std::int64_t edition = 1;   ///< Of the object when the lock was last granted.
  std::optional<Lease> lease;
};

/// What a lock was that is there no more while a stronger one is waited for in its place.
struct Former {
  bool session = false;
  std::optional<Lease> lease;
};

struct Waiter {
  int process = 0;
  int target = 0;  ///< What it asks for; it may stand at an ancestor of it.
  Type type = S;
  bool session = false;
  bool subtree = false;
  bool upgrade = false;
  bool commit = false;
  bool mayLower = false;  ///< Asked outside of every state, and nothing was inherited since.
  std::optional<std::int64_t> lease;
  int line = 0;
  std::optional<Former> former;
};

/// That a process has, or is getting, a lock below an object.
struct Mark {
  int process = 0;
  std::int64_t since = 0;  ///< Rises with each acquisition in the system.
};

enum class Being { New, There, Gone };

struct Object {
  std::string name;
  int parent = -1;  ///< -1: the root, or it has no place.
  bool isResource = false;
  Being being = Being::There;
  std::int64_t edition = 1;
  std::vector<Hold> holds;      ///< In the order of their acquisition.
  std::vector<Waiter> waiters;  ///< From the head: upgrades, then newcomers.
  std::vector<Mark> marks;
};

/// What came of a line: at once, or later than others' events.
struct Event {
  int line = 0;
  std::int64_t time = 0;
  std::string process;
  ScheduleVerb verb{};
  std::string object = {};  ///< Of a verb that has one.
  std::string outcome = {};
  int code = 0;
  std::string more = {};
  std::optional<int> locks = {};  ///< Of lockAll(): so many were granted before that.
  std::string word = {};          ///< In place of the verb: "lease" lapsed, "process" refused.
};

/// The step that a process waits in.
struct Pending {
  int line = 0;
  ScheduleVerb verb{};
  int object = -1;  ///< -1 for commit.
  Type type = S;    ///< What it asks for there.
  bool session = false;
  bool subtree = false;
  std::int64_t timeout = -2;
  std::optional<std::int64_t> lease;
  bool isNew = false;  ///< The process has created it in its open transaction.
  /// Of lockAll(): what is asked for then, is it new, and how many have been granted.
  std::vector<std::pair<int, bool>> rest;
  std::optional<int> locks;
  std::int64_t due = 0;
  std::int64_t began = 0;
  std::int64_t editionWhenShareWasReleased = 0;  ///< 0: nothing was released for it.
  std::vector<int> upgrades;                     ///< Of a commit: every object it upgrades.
  std::vector<int> inherited;  ///< Of these: Exclusive also when the commit fails.

  bool isCommit() const { return object < 0; }
  bool isAbout(int which) const { return isCommit() && contains(upgrades, which); }
};

struct Process {
  std::string name;
  int parent = -1;
  bool background = false;
  std::int64_t priority = 0;
  std::optional<std::int64_t> defaultTimeout;
  bool updateLocks = false;
  bool signedOff = false;
  std::int64_t signedOn = 0;  ///< Rises with each sign-on and begin in the system.
  std::int64_t begun = 0;     ///< The same, of the open transaction.
  bool inTransaction = false;
  std::string levels;
  std::vector<int> changed;               ///< Deleted objects, too.
  std::map<int, std::int64_t> changedAt;  ///< The edition that each change is based on.
  std::vector<int> created;
  std::vector<int> deleted;
  std::vector<int> lapsed;  ///< Changed ones whose lock has lapsed since.
  std::optional<Pending> pending;
};

/// Of one operation on the locks: either a wait that ended badly, or a granted one.
struct Decision {
  Event event;
  int granted = -1;  ///< The process; -1 when `event` is all there is to tell.
  Pending pending;   ///< Of `granted`.
};

}  // namespace nephrite::model

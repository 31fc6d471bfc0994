#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "node/schedule/schedule.h"

namespace nephrite {

/// The lock rules of docs/locking.md a second time: slow, obvious, and written from the text alone.
///
/// Shape:   run() takes a schedule line by line; events() is what `nephrite replay` must print for
///          them, one JSON text each. Shares nothing with the lock manager, not even an enum.
/// Time:    virtual; moved by `advance` only. Milliseconds.
/// Errors:  ScheduleError for a line that stops a schedule.
/// Threads: one.
/// Source:  docs/locking.md and docs/schedule.md. Where they are silent: README.md in this folder.
class LockModel {
 public:
  void run(const ScheduleLine& line);

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
  };
  const std::vector<Event>& told() const { return told_; }
  /// The same, as `nephrite replay` prints them.
  std::vector<std::string> events() const;

  // What no schedule has a verb for, and a wire or an operator can do. `line` is for the events.
  /// The process withdraws the request that it waits for, if it waits (64005).
  void cancel(const std::string& process, int line);
  /// As signOff, also of one that waits: its wait is cancelled first.
  void leave(const std::string& process, int line);
  /// What it holds on `object` is let go, whatever state it is in.
  void letGo(const std::string& process, const std::string& object, int line);

  /// As `advance`; but what is due meanwhile is noticed then, by somebody who comes late.
  void passTime(std::int64_t milliseconds, int line);
  struct Target {
    std::string object;
    bool isNew = false;  ///< The process has created it in its open transaction.
  };
  void lock(const StepLine& lock, const Target& target, int line);
  /// Locks on several objects, each asked for when the one before is held, as one step: it ends
  /// with the last of them, or with the first that is refused.
  void lockAll(const StepLine& lock, const std::vector<Target>& targets, int line);
  /// An object that is there when the transaction is committed that creates it.
  void addNew(const std::string& object);
  /// What the next commit of the process does. It has locked what it changes and deletes.
  struct Changes {
    std::vector<std::string> changed, created, deleted;
  };
  void changes(const std::string& process, const Changes& changes);

  /// Who has locked and who waits for an object, each in its order: "c0.1 update share level 1" is
  /// an Update that returns to Share, "c0.2 waits for reserve".
  std::vector<std::string> table(const std::string& object) const;

  /// Of commits that wait: the process, and an object that it changes and need not wait for.
  std::vector<std::pair<std::string, std::string>> heldBesideWaits() const;

  /// What the generator has to know to write legal lines.
  bool isWaiting(const std::string& process) const {
    return processNamed(process).pending.has_value();
  }
  bool hasSignedOff(const std::string& process) const { return processNamed(process).signedOff; }
  bool isInTransaction(const std::string& process) const {
    return processNamed(process).inTransaction;
  }
  std::int64_t edition(const std::string& object) const {
    return objects_[static_cast<std::size_t>(objectIndex_.at(object))].edition;
  }
  /// 'L' for load, 'K' for lock state, outermost first.
  const std::string& levels(const std::string& process) const {
    return processNamed(process).levels;
  }

 private:
  // The order is the strength (section 1): S < R < U < X.
  enum Type { S, R, U, X };

  struct Hold {
    int process = 0;
    Type type = S;
    std::optional<Type> session;  // `s` of section 2.1; set means session duration.
    std::size_t level = 0;        // Load and lock states open when it was acquired.
    std::int64_t acquired = 0;    // Rises with each acquisition in the system.
  };

  struct Waiter {
    int process = 0;
    Type type = S;
    bool session = false;
    bool upgrade = false;
  };

  static constexpr const char* kTypeWords[] = {"share", "reserve", "update", "exclusive"};
  static bool contains(const std::vector<int>& values, int value) {
    return std::find(values.begin(), values.end(), value) != values.end();
  }

  enum class Being { New, There, Gone };

  struct Object {
    std::string name;
    Being being = Being::There;
    std::int64_t edition = 1;
    std::vector<Hold> holds;      // In the order of their acquisition.
    std::vector<Waiter> waiters;  // From the head: upgrades, then newcomers.
  };

  // The step that a process waits in.
  struct Pending {
    int line = 0;
    ScheduleVerb verb{};
    int object = -1;  // -1 for commit.
    Type type = S;    // What it asks for there.
    bool session = false;
    std::int64_t timeout = -2;
    bool isNew = false;                      // The process has created it in its open transaction.
    std::vector<std::pair<int, bool>> rest;  // Of lockAll(): what is asked for then, is it new,
    std::optional<int> locks;                // and how many have been granted.
    std::int64_t due = 0;
    std::int64_t began = 0;
    std::int64_t editionWhenShareWasReleased = 0;  // 0: nothing was released for it.
    std::vector<int> upgrades;                     // Of a commit: every object it upgrades.

    bool isAbout(int which) const { return object < 0 && contains(upgrades, which); }
  };

  // Of one operation on the locks: either a wait that ended badly, or a granted one.
  struct Decision {
    Event event;
    int granted = -1;  // The process; -1 when `event` is all there is to tell.
    Pending pending;   // Of `granted`.
  };

  struct Process {
    std::string name;
    bool background = false;
    std::int64_t priority = 0;
    std::optional<std::int64_t> defaultTimeout;
    bool updateLocks = false;
    bool signedOff = false;
    bool inTransaction = false;
    std::string levels;
    std::vector<int> changed;  // Deleted objects, too.
    std::vector<int> created;
    std::vector<int> deleted;
    std::optional<Pending> pending;
  };

  const Process& processNamed(const std::string& name) const;
  int objectNamed(const std::string& name, int line) const;
  Hold* holdOf(int process, int object);
  static bool compatible(Type one, Type other);

  // The lines.
  void addProcess(const ProcessLine& line, int number);
  void addObject(const ObjectLine& line, int number);
  void set(const SettingLine& line);
  void advance(std::int64_t milliseconds, bool late = false);
  void step(const StepLine& line);

  // The steps.
  // Those with `isOwn` tell it as the first event of the step being run.
  void askFor(Type type, bool session, std::int64_t timeout);
  Pending pendingOf(const StepLine& lock, int line) const;
  void ask(Pending pending, int process, bool isOwn);
  bool grantedByHold(Hold& hold, const Pending& pending, int process, bool isOwn);
  void update();
  void read();
  void unlock();
  void list();
  void begin();
  void commit();
  void abort();
  void endLevel(char kind);
  void signOff();
  void force(const std::string& process, ScheduleVerb verb, int object, int line);
  void endForced();

  // Waiting.
  std::optional<std::int64_t> dueTime(const Process& process, std::int64_t timeout) const;
  void enqueue(int object, const Waiter& waiter);
  void startWaiting(const Pending& pending, int process, bool isOwn);
  void resolveDeadlocks(int requester, bool told);
  bool becomesNewcomer(int process, int object);
  std::vector<int> blockersOf(int process) const;
  bool reaches(int from, int target) const;
  void endWait(int process, const std::string& outcome, int code, bool isOwnEvent);

  // Granting and letting go.
  bool canGrant(int object, const Waiter& waiter) const;
  void take(int object, const Waiter& waiter);
  void serve(int object);
  void serveAll(const std::vector<int>& objects);
  void granted(int process);
  void deliver();
  void succeed(const Pending& pending, int process, bool isOwn);
  bool holdsAllChanged(int process);
  std::vector<int> endTransaction(int process);
  std::vector<int> objectsInOrderOfAcquisition(int process) const;
  void checkThatNothingIsLeftToGrant() const;

  // Events.
  Event eventOf(const Pending& pending, int process, const std::string& outcome, int code,
                const std::string& more = "") const;
  void tell(const Event& event, bool isOwn);
  void own(const std::string& outcome, int code = 0, const std::string& more = "");
  std::string editionOf(int object) const;

  std::vector<Process> processes_;
  std::vector<Object> objects_;
  std::map<std::string, int> processIndex_;
  std::map<std::string, int> objectIndex_;
  std::int64_t now_ = 0;
  std::int64_t serverTimeout_ = 10'000;
  std::int64_t backgroundTimeout_ = 30'000;
  bool doubleDeadlock_ = false;
  std::int64_t sequence_ = 0;
  std::vector<Decision> decided_;

  // The step being run. Its own event stands before all that it causes.
  int line_ = 0;
  int self_ = -1;
  int object_ = -1;
  ScheduleVerb verb_{};
  std::size_t ownEventAt_ = 0;

  std::vector<Event> told_;
};

}  // namespace nephrite

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "node/schedule/schedule.h"
#include "tests/simulation/model_parts.h"

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
  LockModel();
  void run(const ScheduleLine& line);

  using Event = model::Event;
  const std::vector<Event>& told() const { return told_; }
  /// The same, as `nephrite replay` prints them.
  std::vector<std::string> events() const;

  // What no schedule has a verb for, and a wire or an operator can do. `line` is for the events.
  /// The process withdraws the request that it waits for (64005).
  void cancel(const std::string& process, int line);
  /// As signOff, also of one that waits.
  void leave(const std::string& process, bool inherit, int line);
  /// As renew, also of one that waits.
  void renew(const std::string& process, const std::string& object, int line);
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
  bool isWaiting(const std::string& process) const { return !!processNamed(process).pending; }
  bool hasSignedOff(const std::string& process) const { return processNamed(process).signedOff; }
  /// False also for one whose sign-on was refused.
  bool hasSignedOn(const std::string& process) const { return processIndex_.count(process) != 0; }
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
  using Type = model::Type;
  using enum model::Type;
  using Being = model::Being;
  using Hold = model::Hold;
  using Lease = model::Lease;
  using Mark = model::Mark;
  using Waiter = model::Waiter;
  using Object = model::Object;
  using Pending = model::Pending;
  using Process = model::Process;
  using Decision = model::Decision;

  const Process& processNamed(const std::string& name) const;
  int objectNamed(const std::string& name, int line) const;
  Hold* holdOf(int process, int object);
  const Hold* holdOf(int process, int object) const;
  static bool compatible(Type one, Type other);
  void drop(int object, int process);

  // The lines.
  void addProcess(const ProcessLine& line);
  void addObject(const ObjectLine& line, bool isResource);
  void set(const SettingLine& line);
  void setLimit(int& limit, int value);
  void advance(std::int64_t milliseconds, bool late = false);
  void step(const StepLine& line);

  // The steps. Those with `isOwn` tell it as the first event of the step being run.
  void askFor(Type type, bool session, std::int64_t timeout,
              std::optional<std::int64_t> lease = std::nullopt, bool subtree = false);
  Pending pendingOf(const StepLine& lock, int line) const;
  Waiter waiterOf(const Pending& pending, int process) const;
  void ask(Pending pending, int process, bool isOwn);
  bool grantedByHold(Hold& hold, const Pending& pending, int process, bool isOwn);
  void update();
  void read();
  void write();
  void gatedRead();
  void unlock();
  void list();
  void begin();
  void commit();
  void abort();
  void endLevel(char kind);
  void renew();
  void signOff(bool inherit);
  void force(const std::string& process, ScheduleVerb verb, int object, int line);
  void endForced();

  // Places.
  std::vector<int> upwardFrom(int object) const;
  std::vector<int> above(int object) const;
  std::vector<int> wayTo(int object) const;
  std::optional<Type> markOf(int process, int place, bool ofLocksAlone) const;
  void refreshMarks();
  bool hasMark(int process, int place) const;
  bool isMarked(int process, int place) const;
  bool isUnderOwnLock(const Waiter& waiter) const;
  void renewAbove(const Waiter& waiter);
  std::vector<int> inTheWay(int place, const Waiter& waiter) const;
  std::vector<int> holdersInTheWay(int place, const Waiter& waiter) const;
  bool isInTheWay(int place, const Waiter& ahead, const Waiter& waiter) const;
  bool canGrant(int place, const Waiter& waiter) const;
  std::optional<std::size_t> standsAt(int place, const Waiter& waiter) const;
  std::size_t wouldStandAt(int place, const Waiter& waiter) const;
  void enqueue(int place, Waiter waiter);
  bool meetsNothing(const Waiter& waiter) const;
  bool goOn(Waiter waiter, int from = -1);

  // Families.
  int depthOf(int process) const;
  bool isAncestor(int ancestor, int process) const;
  bool areRelated(int one, int other) const;
  bool isCovered(int process, int object) const;
  bool relativeChanged(int process, int object) const;
  std::vector<int> familyOf(int process) const;
  void inherit(int object, int from, int heir);
  void becomesUpgrade(int process, int object);
  void becomeNewcomers(int process, int object);

  // Leases.
  std::optional<std::pair<int, int>> nextLapse(std::int64_t until) const;
  void lapse(int process, int object);
  void setLease(Hold& hold, const std::optional<model::Former>& before, const Waiter& waiter);
  void renew(Hold& hold, int line) const;
  static std::optional<Lease> merged(const Hold& heir, const Hold& child);

  // Waiting.
  int nextTimeout(std::int64_t until) const;
  std::optional<std::int64_t> dueTime(const Process& process, std::int64_t timeout) const;
  void startWaiting(const Pending& pending, int process, bool isOwn);
  void resolveDeadlocks(int requester, bool told);
  int victimAmong(int requester);
  int victimByPolicy(int requester);
  std::int64_t measureOf(int process) const;
  std::vector<int> blockersOf(int process) const;
  std::vector<int> reachableFrom(int process) const;
  bool reaches(int from, int target) const;
  void endWait(int process, const std::string& outcome, int code, bool isOwnEvent);
  std::vector<int> dropWait(int process, const std::string& outcome, int code, bool isOwnEvent);
  std::vector<int> placesOf(int process) const;

  // Granting and letting go.
  int limitPassed(int process, int object) const;
  void take(int object, const Waiter& waiter);
  static void setTypes(Hold& hold, const Waiter& waiter);
  static bool returns(Hold& hold);
  void serve(int object);
  void serveAll(const std::vector<int>& objects);
  void servePlaces(const std::vector<int>& places);
  void lookAgain(int process, int place);
  void resolveAll(int requester, bool told);
  void lookLater();
  void letGone(int process, const std::vector<int>& objects);
  void serveAndLookAgain(int process, const std::vector<int>& objects);
  void granted(int process);
  void deliver();
  void succeed(const Pending& pending, int process, bool isOwn);
  int endOfUpdate(int process, int object);
  bool holdsAllChanged(int process);
  std::vector<int> endTransaction(int process);
  std::vector<int> objectsInOrderOfAcquisition(int process) const;
  void checkThatNothingIsLeftToGrant() const;

  // Events.
  Event eventOf(const Pending& pending, int process, const std::string& outcome, int code,
                const std::string& more = "") const;
  void tell(const Event& event, bool isOwn);
  void own(const std::string& outcome, int code = 0, const std::string& more = "");
  /// What `process` reads: its own change, based on an edition, or the latest.
  std::string editionOf(int process, int object) const;

  std::vector<Process> processes_;
  std::vector<Object> objects_;
  std::map<std::string, int> processIndex_;
  std::map<std::string, int> objectIndex_;  // By name, and by path.
  std::set<std::string> paths_{std::string(kScheduleRoot)};
  std::int64_t now_ = 0;
  std::int64_t serverTimeout_ = 10'000, backgroundTimeout_ = 30'000;
  bool doubleDeadlock_ = false;
  ScheduleVictim victim_ = ScheduleVictim::Requester;
  std::mt19937_64 engine_{0};
  bool anySignOn_ = false;
  int maxLockers_ = 0, maxLocks_ = 0, maxLockedObjects_ = 0;
  std::int64_t sequence_ = 0, leasesMade_ = 0;
  std::vector<Decision> decided_;
  std::vector<int> gained_;   // Processes that wait on and were granted a part of it.
  std::vector<int> toServe_;  // Places where a family may have less in its way.
  int resolving_ = 0;
  std::vector<std::pair<int, int>> later_;     // As lookAgain(), when no deadlock is looked for.
  std::vector<std::pair<int, int>> nowThere_;  // A process, and where it has a lock or mark now.

  // The step being run. Its own event stands before all that it causes.
  int line_ = 0, self_ = -1, object_ = -1;
  ScheduleVerb verb_{};
  std::size_t ownEventAt_ = 0;

  std::vector<Event> told_;
};

}  // namespace nephrite

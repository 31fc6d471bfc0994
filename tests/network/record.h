#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runtime/database/locker_port.h"
#include "runtime/process/step_result.h"
#include "tests/network/agenda.h"
#include "tests/simulation/lock_model.h"
#include "tests/simulation/schedule_generator.h"

namespace nephrite {

/// How the names of processes of the server's own node begin; others' begin with their client's.
constexpr char kResident = 'r';

/// What one seed has come to: who met what how often, the trace when it is wanted, and the first
/// thing that was wrong.
class Report {
 public:
  explicit Report(bool traces) : traces_(traces) {}
  bool traces() const { return traces_; }
  /// `words` one after the other; put together only when they are wanted.
  template <class... Words>
  void trace(const Agenda& agenda, const Words&... words) {
    if (traces_) addLine(agenda, (std::string() + ... + words));
  }
  void count(const std::string& what) { ++counts_[what]; }
  void fail(const std::string& what) {
    if (failure_.empty()) failure_ = what;
  }

  const std::string& failure() const { return failure_; }
  const std::map<std::string, int>& counts() const { return counts_; }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  void addLine(const Agenda& agenda, const std::string& what);

  const bool traces_;
  std::string failure_;
  std::map<std::string, int> counts_;
  std::vector<std::string> lines_;
};

/// The truth: what the server's database was asked, in that order, held against the lock model, and
/// what it answered.
///
/// Shape:   each call of the seam becomes lines of a schedule (docs/schedule.md), which the model
///          runs; what it prints is what the database must answer. States that only clients know
///          (transaction, load) are given to the model when a request shows them.
/// Time:    passes for the model when somebody asks, and after expired waits.
class Record {
 public:
  Record(const Agenda& agenda, Report& report) : agenda_(agenda), report_(report) {}

  /// One call that is answered, once.
  struct Step {
    int line = 0;
    std::string process;
    std::uint64_t locker = 0;
    std::uint64_t request = 0;
    std::vector<Oid> all = {};  ///< Of lockAll(): what it asks for.
    bool compared = true;       ///< Else `expected` is all that is known.
    std::string expected;
  };
  using StepPtr = std::shared_ptr<Step>;

  void setTimeouts(std::chrono::milliseconds server, std::chrono::milliseconds background);
  /// `path`: as of an object of a schedule; empty: it has no place.
  void addObject(Oid oid, const std::string& path = {});
  /// One that a transaction creates which is still open. It is there when that is committed.
  void addNew(Oid oid);
  bool isThere(Oid oid) const { return editions_.at(oid) != 0; }
  /// Its name ends in "/" and its deadlock priority.
  void addProcess(const ProcessInfo& process);
  bool isSignedOn(LockerId locker) const { return signedOn_.contains(locker.value); }
  /// Is it a process of the server's own node?
  bool isResident(LockerId locker) const { return nameOf(locker).front() == kResident; }
  std::string nameOf(LockerId locker) const;
  std::string nameOf(Oid object) const;
  const std::vector<Oid>& objects() const { return objects_; }
  /// Of those that are signed on.
  std::vector<LockerId> lockersOf(int client) const;
  const std::set<std::uint64_t>& signedOn() const { return signedOn_; }

  // A lock that an operator took: its process hears of it a moment later, and until then its node
  // believes what it did.
  /// Locks that commits rely on which wait for others.
  std::vector<std::pair<LockerId, Oid>> heldBesideWaits() const;
  void broke(LockerId locker, Oid object) { broken_.emplace(locker.value, object); }
  void robs(LockerId locker, Oid object);
  /// Has an operator ever taken a lock of it, or tried to?
  bool isRobbed(LockerId locker) const { return robbed_.contains(locker.value); }
  bool isBroken(LockerId locker, Oid object) const {
    return broken_.contains({locker.value, object});
  }
  /// Is it signed off by force? Its node is told a moment later.
  void forcedOff(LockerId locker) { forcedOff_.insert(locker.value); }
  bool isForcedOff(LockerId locker) const { return forcedOff_.contains(locker.value); }
  void toldBroken(LockerId locker, Oid object) { broken_.erase({locker.value, object}); }

  // Leases and families.
  /// A lease has ended, as the database tells it.
  void lapsed(const LockAnswer& answer);
  struct Lapse {
    int count = 0;       ///< So often.
    FencingToken token;  ///< Of the last.
    Duration at{};       ///< The same: for so long had the server been running.
  };
  /// Of this process and object.
  const Lapse& lapseOf(LockerId locker, Oid object) const;
  bool hasLapsed(LockerId locker) const { return lapsedEver_.contains(locker.value); }
  /// A client's process has changed it, for the first time in its transaction.
  void changed(LockerId locker, Oid object);
  void transactionEnded(LockerId locker) { changedAfter_.erase(locker.value); }
  /// Of those that are signed on, with `locker` itself.
  std::vector<LockerId> familyOf(LockerId locker) const;

  // Around each call: began..., the call itself, ended(). `passTime` ends what is due.
  StepPtr beganLock(const ObjectLockRequest& order);
  StepPtr beganLockAll(const ObjectLockBatch& orders);
  StepPtr beganCommit(const CommitRequest& request, const LockerPort& real);
  StepPtr beganUnlock(LockerId locker, Oid object);
  StepPtr beganRelease(LockerId locker);
  StepPtr beganLevel(LockerId locker, std::uint16_t level);
  StepPtr beganCancel(LockerId locker, std::uint64_t request);
  /// With `heirLevel` its locks are its parent's, which has so many load and lock states.
  StepPtr beganSignOff(LockerId locker, std::optional<std::uint16_t> heirLevel = std::nullopt);
  /// `expected`: is a lease renewed by it?
  StepPtr beganRenew(LockerId locker, Oid object, bool& expected);
  void renewed(LockerId locker, Oid object, bool renewed, bool expected);
  StepPtr beganTime();
  void answered(const StepPtr& step, const LockReply& reply);
  void answered(const StepPtr& step, const LockAllReply& reply);
  void answered(const StepPtr& step, const CommitRequest& request, const CommitReply& reply);
  void ended(const StepPtr& step);

  /// So many calls have been begun, without those that only let time pass.
  std::uint64_t calls() const { return calls_; }

  /// Who has locked and who waits for what is as the model says.
  void checkTable(const Database& real);

  // What clients may be held against.
  /// What the database answered to a request.
  struct Decided {
    std::string words;
    std::size_t granted = 0;                 ///< So many locks.
    std::set<std::uint64_t> targets;         ///< Of which that was said.
    std::map<Oid, std::uint32_t> ages = {};  ///< Of all objects when the last lock was granted.
  };
  /// Null when it has not.
  const Decided* decided(LockerId locker, std::uint64_t request) const;
  bool hasCommitted(const CommitId& commit) const {
    return committed_.contains({commit.process, commit.number});
  }
  /// Somebody was told that `commit` did not take place.
  void toldNotCommitted(const CommitId& commit) {
    notCommitted_.emplace(commit.process, commit.number);
  }
  /// 0: it is not there, not yet or not any more.
  std::uint32_t editionOf(Oid oid) const { return editions_.at(oid); }
  /// How often `oid` had been created, changed and deleted when it was seen as `seen`, which is
  /// null when it was not there.
  std::uint32_t ageOf(Oid oid, const RecordPtr& seen) const;
  std::int64_t modelEditionOf(Oid oid) const { return model_.edition(nameOf(oid)); }

 private:
  using Content = decltype(ScheduleLine::content);
  /// What came of a line, as the model and the database tell it.
  struct Told {
    int line = 0;
    std::string process;
    std::string words;
    bool operator==(const Told&) const = default;
  };
  static void sortMissing(std::vector<Told>& told);
  int run(Content content);
  void prepare(const Content& content);
  StepLine lineOf(const std::string& process, ScheduleVerb verb) const;
  StepPtr begin(LockerId locker, std::uint64_t request);
  StepPtr beginLock(const LockRequest& request, Oid first, Existence existence);
  StepLine lineOf(const std::string& process, const LockRequest& request) const;
  LockModel::Target targetOf(Oid oid, Existence existence) const {
    return {nameOf(oid), existence == Existence::CreatedByLocker};
  }
  void decide(const StepPtr& step, const std::string& words, std::size_t granted,
              const std::vector<Oid>& targets);
  void noteAnswer(const StepPtr& step, const std::string& words, bool queued);
  void passTime();
  void ensureTransaction(const std::string& process);
  void ensureLevels(const std::string& process, std::size_t levels);

  const Agenda& agenda_;
  Report& report_;
  LockModel model_;
  Instant modelTime_{};
  int line_ = 0;
  std::size_t seen_ = 0;  // Of the model's events.
  std::uint64_t calls_ = 0;
  StepPtr running_;
  std::optional<Told> first_;
  std::vector<Told> caused_;
  std::map<std::uint64_t, std::string> names_;
  std::set<std::uint64_t> signedOn_;
  std::map<int, std::set<std::uint64_t>> signedOnOf_;  // The same, by client.
  std::vector<Oid> objects_;
  std::map<Oid, std::uint32_t> editions_;
  std::map<Oid, std::uint32_t> ages_;
  std::map<std::uint64_t, std::uint64_t> lastToken_;     // By object.
  std::map<std::uint64_t, std::int32_t> commitTimeout_;  // As the model knows it.
  std::map<std::string, std::uint64_t> waitsIn_;         // The request, by process.
  std::map<std::pair<std::uint64_t, std::uint64_t>, Decided> decided_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> committed_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> notCommitted_;
  std::set<std::pair<std::uint64_t, Oid>> broken_;
  std::set<std::uint64_t> robbed_;
  std::set<std::uint64_t> forcedOff_;
  std::map<std::uint64_t, LockerId> parents_;
  std::map<std::pair<std::uint64_t, Oid>, Lapse> lapses_;
  std::set<std::uint64_t> lapsedEver_;
  // By process: what it has changed, and how often its lock had lapsed before that.
  std::map<std::uint64_t, std::map<Oid, int>> changedAfter_;
};

std::string wordsOf(const StepResult& result);
/// As answers are compared: "granted", "timeout 1027", "error 1146".
std::string wordsOf(const LockReply& reply);
std::string wordsOf(const CommitReply& reply);

}  // namespace nephrite

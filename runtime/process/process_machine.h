#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "locking/lock_rules.h"
#include "runtime/database/database.h"
#include "runtime/database/family_changes.h"
#include "runtime/database/locker_port.h"
#include "runtime/errors/error_code.h"
#include "runtime/process/open_transaction.h"
#include "runtime/process/step_result.h"

namespace nephrite {

/// One process as a state machine: transaction, load and lock states, the changes of its
/// transactions, and the locks that the rules take by themselves. Never blocks, never throws for
/// a refusal: Process waits and throws on its behalf, `nephrite replay` drives it step by step.
///
/// Shape:   a Database below; two transactions that know nothing of each other, one of
///          persistent objects, one of shared transients; one stack of load and lock states.
/// Errors:  StepResult or an ErrorCode; from what returns neither StoreException when the store
///          fails, and LockLostException or StaleObjectException when an object is changed here and
///          its lock was broken.
/// Threads: one at a time. A StepDone may run on a thread of the database; until it has, only
///          cancel() and further lock() may be called.
/// Source:  docs/locking.md, sections 2 to 5.
class ProcessMachine {
 public:
  ProcessMachine(Database& database, ProcessInfo process);
  ProcessMachine(const ProcessMachine&) = delete;
  ProcessMachine& operator=(const ProcessMachine&) = delete;

  const ProcessInfo& process() const { return process_; }
  Database& database() const { return database_; }
  LockerPort& port() const { return *port_; }

  // --- Defaults --------------------------------------------------------------------------------

  /// Returns the previous one. Process-defined means server-defined.
  LockTimeout setDefaultLockTimeout(LockTimeout timeout);
  /// First changes take Update instead of Exclusive.
  void useUpdateLocks(bool on) { useUpdateLocks_ = on; }
  void setDeadlockPriority(Lifetime lifetime, std::int32_t priority);
  std::int32_t deadlockPriority(Lifetime lifetime) const;

  /// To be called before a child of this process signs on; without effect after the first time.
  void joinFamily();

  // --- States ------------------------------------------------------------------------------------

  /// Empty when it worked; else AlreadyInTransaction.
  std::optional<ErrorCode> begin(Lifetime lifetime);
  /// Fails with NotInTransaction outside; with 1027 or 1081 the transaction stays open and commit
  /// may be called again.
  void commit(Lifetime lifetime, StepDone done);
  /// Outside a transaction too: drops its Transaction locks.
  void abort(Lifetime lifetime);
  /// Returns its number, for endScope().
  std::uint64_t beginState(StateKind kind);
  /// Ends the innermost state. Empty when it worked; else StateMismatch.
  std::optional<ErrorCode> endState(StateKind kind);
  /// Ends the state of that number. When others are open inside it, it is over at once for
  /// isInState(), and its locks go with the last of those. Does nothing when it has ended.
  void endScope(std::uint64_t state);

  bool isInTransaction(Lifetime lifetime) const { return transactionOf(lifetime).inTransaction; }
  bool isInState(StateKind kind) const;
  /// In transaction, load or lock state?
  bool isInAnyState(Lifetime lifetime) const;

  // --- Locks -------------------------------------------------------------------------------------

  struct Wish {
    Oid target;
    LockType type = LockType::Share;
    LockDuration duration = LockDuration::Transaction;
    LockTimeout timeout = LockTimeout::processDefined();
    std::uint64_t id = 0;  ///< From nextRequestId(), to be able to cancel it; 0: not wanted.
    LeaseTerms lease = {};
    LockScope scope = LockScope::Node;
    LockAccess access = LockAccess::Lock;
  };
  void lock(const Wish& wish, StepDone done);
  /// True when it was granted, at once and without more ado; else nothing was done or said, and
  /// lock() decides. Any thread.
  bool lockAtOnce(Oid target, LockType type, LockDuration duration, LockTimeout timeout);
  /// True when `target` is not locked any more; else unlock() decides. Any thread.
  bool unlockAtOnce(Oid target);
  /// Why lock() would refuse `wish` without asking: an error of use; empty when it would ask.
  std::optional<ErrorCode> misuse(const Wish& wish) const;
  /// What lock() would ask for, for a caller that asks the database directly.
  LockRequest requestFor(const Wish& wish) const;
  Existence existenceOf(Oid oid) const;
  /// False when ignored: nothing was held, or the process is in some state.
  bool unlock(Oid target);
  /// The lease of the lock counts anew. False: it is not held, or has none.
  bool renew(Oid target) { return port_->renew(target, Renewal::Request); }
  std::uint64_t nextRequestId() { return ++lastRequest_; }
  /// Cancels the request that a step made by itself (an implicit lock, a commit's upgrades);
  /// harmless when it does not wait. Any thread.
  void cancelWaits();
  void cancel(std::uint64_t requestId);  ///< Any thread.

  // --- What a face asks for: docs/locking.md, section 12 -----------------------------------------

  /// `edit` changes the object in a transaction of its own, under a momentary lock: what others
  /// hold refuses it at once (1027), and nothing is changed. Outside of transactions and states.
  void write(Oid oid, std::function<void(ObjectRecord&)> edit, StepDone done);
  /// The last committed edition, unless what others hold would refuse a Share (1027).
  void gatedRead(Oid oid, StepDone done);

  // --- Objects -----------------------------------------------------------------------------------

  /// The object as this process sees it: with its own changes, else the last committed edition.
  /// In lock state takes Share. `record` is never null when Done.
  void read(Oid oid, StepDone done);
  /// The same without any lock; null when there is no such object.
  RecordPtr peek(Oid oid) const;
  /// Makes `oid` changeable: takes the write lock unless Update or Exclusive is held. When Done,
  /// changeable(oid) may be written to, and commit raises the edition.
  void change(Oid oid, StepDone done);
  /// A prefetch hint: change() will be called soon. Does not wait.
  void expectChange(Oid oid) const { port_->prefetch(oid); }
  /// The same as change() and changeable() when nothing has to be waited for: the object is changed
  /// already, its write lock held, or free (lockAtOnce()). Null otherwise, also when change() would
  /// fail; a lock taken by then stays.
  ObjectRecord* changeAtOnce(Oid oid);
  /// The same for a caller that replaces the value at `index`, and looks at no other: of an object
  /// that is not changed yet the others need not be known before the process reads it, or commits.
  /// `size` is how many its class has.
  Value* replaceAtOnce(Oid oid, std::size_t index, std::size_t size);
  /// Only after change() or create() in the open transaction; else null.
  ObjectRecord* changeable(Oid oid);
  /// Deletes at commit. Takes the write lock.
  void remove(Oid oid, StepDone done);
  /// A new object, with room for so many values; `error` is NotInTransaction when its lifetime
  /// needs a transaction.
  Oid create(Lifetime lifetime, Oid::ClassNumber classNumber, std::optional<ErrorCode>& error,
             std::size_t values = 0);
  /// An implicit lock of Transaction duration with the process default timeout, unless one is
  /// held that covers it.
  void lockImplicitly(Oid oid, LockType type, StepDone done);
  /// The lock that a change of the object needs, when it may not be changed yet.
  void lockForChange(Oid oid, StepDone done);
  /// Is a lock held that permits a change?
  bool mayChange(Oid oid) const;
  bool holds(Oid oid, LockType atLeast) const;
  /// As LockerPort::mayHold().
  std::vector<bool> mayHold(std::span<const Oid> oids) const { return port_->mayHold(oids); }
  /// Created, changed or deleted in the open transaction?
  bool isChanged(Oid oid) const;

  /// Releases everything. The session is over.
  void signOff();
  /// The same, but its locks are its parent's from now on, which has so many states open.
  void signOffToParent(std::uint16_t level);
  /// How many load and lock states are open.
  std::uint16_t level() const { return level_; }

 private:
  using Change = ChangeTable::Change;

  OpenTransaction& transactionOf(Lifetime lifetime);
  const OpenTransaction& transactionOf(Lifetime lifetime) const;
  /// Of a request that may be granted at once; empty: ask lock().
  std::optional<LockTerms> quickTerms(Oid target, LockType type, LockDuration duration,
                                      LockTimeout timeout) const;
  const Change* changeOf(Oid oid) const;
  struct State {
    StateKind kind;
    std::uint64_t number;
    bool over = false;  ///< Waits for those inside it. Never the innermost.
  };
  void endInnermostState();
  /// Gives `change` all that its record has. LockLostException or StaleObjectException when the
  /// lock was broken, and another process has changed or deleted the object since.
  void complete(const Change& change) const;
  void startChange(Oid oid, StepResult& result);
  void addChange(ChangeTable::Change change);
  /// A parent or child has changed it and not committed: why it cannot be changed here.
  std::optional<RequestFailure> changedByRelative(Oid oid) const;
  /// May a lock of this process lapse?
  bool mayLapse() const { return asksLeases_ || inFamily_; }
  void renewByChange(Oid oid) const {
    if (mayLapse()) [[unlikely]]
      port_->renew(oid, Renewal::Change);
  }
  std::optional<RequestFailure> lapsedChange(Lifetime lifetime) const;
  std::optional<RequestFailure> completeAll() const;
  void dropTransactions();
  /// Number 0: it is not at once that `oid` can be changed for the first time.
  LatestEdition lockForChangeAtOnce(Oid oid);
  LockType held(Oid oid) const { return port_->held(oid); }
  void writeLocked(Oid oid, const std::function<void(ObjectRecord&)>& edit,
                   const StepResult& locked, const StepDone& done);
  void askImplicitly(Oid oid, LockType type, StepDone done);
  void startRemoval(Oid oid);
  void endAllStates();
  void keepLevel() { level_ = levelKept(states_.size()); }
  void leaveTransaction(Lifetime lifetime);
  void unlockUnmade(std::span<const Oid> oids);

  Database& database_;
  const ProcessInfo process_;
  const std::shared_ptr<LockerPort> port_;
  FamilyChanges* const families_;  // May be null.
  std::atomic<bool> inFamily_ = false;
  std::atomic<bool> asksLeases_ = false;
  std::atomic<LockTimeout> defaultTimeout_ = LockTimeout::serverDefined();
  bool useUpdateLocks_ = false;
  std::int32_t persistentPriority_ = 0;
  std::int32_t transientPriority_ = 0;
  std::vector<State> states_;
  std::uint64_t lastState_ = 0;
  std::atomic<std::uint16_t> level_ = 0;  // How many of them.
  OpenTransaction persistent_;
  OpenTransaction shared_;
  OpenTransaction
      own_;  // Non-shared transients: no transaction, no locks; `changes` is their home.
  std::uint64_t lastOwnInstance_ = 0;
  std::uint64_t lastCommit_ = 0;
  std::atomic<std::uint64_t> lastRequest_{0};
  std::atomic<std::uint64_t> implicitRequest_{0};
};

}  // namespace nephrite

#include "runtime/process/at_once.h"  // IWYU pragma: export

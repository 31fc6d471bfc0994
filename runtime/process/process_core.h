#pragma once

// Private to runtime.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/function_ref.h"
#include "base/mutex.h"
#include "runtime/lock_call.h"
#include "runtime/process/handler_stack.h"
#include "runtime/process/node_core.h"
#include "runtime/process/process_machine.h"

namespace nephrite {

/// One process behind the handles that applications hold: a ProcessMachine whose steps are waited
/// for, whose refusals are thrown, and whose handlers are asked first.
///
/// Threads: one at a time, checked by Use; signOff() and stop tokens: any.
class ProcessCore : public std::enable_shared_from_this<ProcessCore> {
 public:
  using Executor = std::function<void(std::function<void()>)>;

  ProcessCore(std::shared_ptr<NodeCore> node, const ProcessInfo& info, Executor executor,
              std::shared_ptr<ProcessCore> parent = nullptr);
  ~ProcessCore();
  ProcessCore(const ProcessCore&) = delete;
  ProcessCore& operator=(const ProcessCore&) = delete;

  /// What Continue means for the call that failed.
  enum class ContinuePolicy {
    None,           ///< It cannot be continued.
    LockCall,       ///< It is done when the lock is held (else 1225).
    RetryImplicit,  ///< An implicit lock: tried again when the lock is held (else 1224).
  };
  struct Continuation {
    ContinuePolicy policy = ContinuePolicy::None;
    Oid target;  ///< Of exceptions that do not name one themselves.
    LockType type = LockType::Share;
  };

  /// The frame of every call of an application: one thread at a time, signed on, and what
  /// `operation` throws is offered to the handlers before it goes up.
  void call(const Continuation& continuation, FunctionRef<void()> operation);
  /// The same for calls that cannot be continued.
  void call(FunctionRef<void()> operation) { call({}, operation); }
  /// The frame of a destructor, which no handler is asked about: what `operation` throws, or a call
  /// on another thread, is logged. Nothing is done after sign-off.
  void finish(std::string_view what, FunctionRef<void()> operation) noexcept;

  // --- Inside a call -----------------------------------------------------------------------------

  /// Waits for the step that `start` begins; `cancel` withdraws it. Throws what a refusal stands
  /// for; otherwise returns the result.
  StepResult await(Oid target, LockTimeout asked, const std::stop_token& stop,
                   const std::function<void(StepDone)>& start, const std::function<void()>& cancel);
  StepResult awaitLock(const ProcessMachine::Wish& wish, const std::stop_token& stop);
  /// Whatever has become of it.
  StepResult awaitResult(const std::stop_token& stop, const std::function<void(StepDone)>& start,
                         const std::function<void()>& cancel);
  /// The same for a step that asks by itself.
  StepResult await(Oid target, const std::function<void(StepDone)>& start,
                   const std::stop_token& stop = {});
  /// A call of its own.
  void lock(const ProcessMachine::Wish& wish, const std::stop_token& stop);
  /// True when it was granted at once, without an error of use. May be called outside a call too.
  bool lockAtOnce(Oid target, LockType type, LockDuration duration, LockTimeout timeout) {
    if (isInUse()) [[unlikely]]
      return lockAtOnceInside(target, type, duration, timeout);
    return machine_.lockAtOnce(target, type, duration, timeout);
  }
  bool unlockAtOnce(Oid target) {
    if (isInUse()) [[unlikely]]
      return unlockAtOnceInside(target);
    return machine_.unlockAtOnce(target);
  }
  /// A refusal is an answer; other failures throw.
  LockOutcome requestLock(const ProcessMachine::Wish& wish, const std::stop_token& stop);
  RecordPtr read(Oid oid);
  /// Takes the write lock without changing anything yet.
  void lockForWrite(Oid oid);
  /// The record to write to.
  ObjectRecord& change(Oid oid);
  void check(const std::optional<ErrorCode>& error, Oid target = Oid()) const;
  /// abort(), inside a call.
  void abandon(Lifetime lifetime);
  /// By name or number; null when there is none.
  template <class Key>
  std::shared_ptr<const ClassDef> findClass(const Key& key) const {
    auto known = database().schema()->find(key);
    return known ? known : database().latestSchema()->find(key);
  }
  std::shared_ptr<const ClassDef> classOf(Oid oid) const;
  /// Never null: UsageException (64008).
  std::shared_ptr<const ClassDef> classNamed(std::string_view name) const;
  /// Where a property stands and what it may hold. Inside a call.
  struct Property {
    std::size_t index = 0;
    ValueType type = ValueType::Null;
    std::size_t ofSoMany = 0;
  };
  Property propertyOf(Oid oid, std::string_view name);
  /// Its value, to be replaced at once: may be null by then.
  Value& changeValue(Oid oid, const Property& property);
  std::string show(Oid oid) const;
  std::shared_ptr<const NamedResource> resourceNamed(const std::string& name);

  // --- Calls -------------------------------------------------------------------------------------

  /// Between two attempts. CancelledException when `stop`, or the process, is stopped first.
  void pause(std::chrono::milliseconds pause, const std::stop_token& stop);
  void lockAll(std::vector<Oid> oids, const ProcessMachine::Wish& wish,
               const std::stop_token& stop);
  /// `abandoned` withdraws it as the call's own stop token does.
  void lockAsync(Oid oid, LockCall asked, LockCallback done, std::stop_token abandoned = {});
  void begin(Lifetime lifetime);
  void commit(Lifetime lifetime, const std::stop_token& stop);
  void abort(Lifetime lifetime);
  bool protect(ExceptionHandler handler, const std::function<void()>& body);
  bool run(const std::function<void()>& action);
  ArmedHandler arm(ExceptionHandler handler, bool global);
  void useUpdateLocks(bool on);

  void signOff();
  void signOffToParent();
  bool isSignedOn() const { return signedOn_; }
  /// `told` is called, where callbacks run, for each lock that lapses.
  void watchLapses(std::function<void(const LapsedLock&)> told);
  /// Cancels every wait of this process, now and later, when `stop` is requested.
  /// Before a child signs on, and after.
  void beParent();
  void adopt(const std::shared_ptr<ProcessCore>& child) NEPHRITE_EXCLUDES(childrenMutex_);
  void stopWith(std::stop_token stop) { stop_ = std::move(stop); }

  ProcessMachine& machine() { return machine_; }
  const ProcessMachine& machine() const { return machine_; }
  Database& database() const { return node_->database(); }
  NodeCore& node() const { return *node_; }
  const ProcessInfo& info() const { return machine_.process(); }

 private:
  class Use;

  bool isInUse() const { return user_.load(std::memory_order_relaxed) != std::thread::id(); }
  bool isMine() const {
    return user_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }
  // Inside a call of this thread; false when it is another's.
  bool lockAtOnceInside(Oid target, LockType type, LockDuration duration, LockTimeout timeout);
  bool unlockAtOnceInside(Oid target);
  struct AsyncLock;

  /// Locks `oids` from `next` on in one request; `next` becomes the first that is not held.
  void lockFrom(const std::vector<Oid>& oids, std::size_t& next, ProcessMachine::Wish wish,
                const std::stop_token& stop);
  /// Is the connection gone, and with it everything of this process at the server? Then it has
  /// signed off.
  void lookForLoss(const SystemException& why);
  /// Throws unless signed on; what `operation` throws is ours.
  void perform(FunctionRef<void()> operation);
  /// True: go on as `continuation` says.
  bool ask(const SystemException& exception, const Continuation& continuation);
  bool mayContinue(const SystemException& exception, const Continuation& continuation) const;
  void post(std::function<void()> callback);

  void signOffInDatabase(std::optional<std::uint16_t> heirLevel);
  /// Its parent has signed off, and with it the process.
  void leftWithParent();
  void leaveChildren() NEPHRITE_EXCLUDES(childrenMutex_);

  const std::shared_ptr<NodeCore> node_;
  const std::shared_ptr<ProcessCore> parent_;  // May be null.
  ProcessMachine machine_;
  const Executor executor_;
  HandlerStack handlers_;
  unsigned nesting_ = 0;  // Exceptions whose handlers run now.
  unsigned running_ = 0;  // run() frames.
  // Of the object before: mostly of the next one too. May have grown since, by more properties.
  std::shared_ptr<const ClassDef> recentClass_;
  std::stop_token stop_;
  std::atomic<bool> signedOn_{true};
  std::string whySignedOff_;  // When its end was not its own doing; of the thread inside a call.
  std::atomic<std::thread::id> user_{};
  Mutex childrenMutex_;  // A leaf.
  std::vector<std::weak_ptr<ProcessCore>> children_ NEPHRITE_GUARDED_BY(childrenMutex_);
};

}  // namespace nephrite

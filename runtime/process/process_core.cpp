#include "runtime/process/process_core.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <memory>
#include <stdexcept>
#include <utility>

#include "base/answer_wait.h"
#include "base/log.h"
#include "base/plain_text.h"
#include "objects/object_store.h"
#include "runtime/database/system_class.h"
#include "runtime/process/pauses.h"
#include "runtime/process/refusals.h"

namespace nephrite {

/// A thread inside a call. The same thread may enter again: handlers and loop bodies do.
class ProcessCore::Use {
 public:
  explicit Use(ProcessCore& core) : core_(core) {
    const std::thread::id me = std::this_thread::get_id();
    if (core_.user_.load(std::memory_order_relaxed) == me) return;
    std::thread::id nobody;
    if (!core_.user_.compare_exchange_strong(nobody, me, std::memory_order_acquire)) {
      throw UsageException(ErrorCode::UsedByTwoThreads,
                           "process \"" + core_.info().name +
                               "\" is in a call on another thread; give each thread a process "
                               "of its own");
    }
    first_ = true;
  }
  ~Use() {
    if (first_) core_.user_.store({}, std::memory_order_release);
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  ProcessCore& core_;
  bool first_ = false;
};

ProcessCore::ProcessCore(std::shared_ptr<NodeCore> node, const ProcessInfo& info, Executor executor,
                         std::shared_ptr<ProcessCore> parent)
    : node_(std::move(node)),
      parent_(std::move(parent)),
      machine_(node_->database(), info),
      executor_(std::move(executor)) {}

ProcessCore::~ProcessCore() {
  logFailure("process.failed", info().name, [this] { signOff(); });
}

// --- The frame of a call -------------------------------------------------------------------------

void ProcessCore::call(const Continuation& continuation, FunctionRef<void()> operation) {
  const Use use(*this);
  if (handlers_.empty() && continuation.policy != ContinuePolicy::None) {
    // No handler is armed, and such a call runs no application code that might arm one. So a
    // refusal is not caught here to be thrown once more, which takes as long as throwing it.
    try {
      return perform(operation);
    } catch (const ConnectionException& exception) {
      lookForLoss(exception);
      throw;
    } catch (const CommitUnknownException& exception) {
      lookForLoss(exception);
      throw;
    }
  }
  for (;;) {
    try {
      return perform(operation);
    } catch (const SystemException& exception) {
      lookForLoss(exception);
      if (!ask(exception, continuation)) throw;
      if (continuation.policy == ContinuePolicy::LockCall) return;
    }
  }
}

void ProcessCore::perform(FunctionRef<void()> operation) {
  if (!signedOn_) {
    throw UsageException(ErrorCode::NotSignedOn,
                         "process \"" + plainText(info().name) + "\" has signed off" +
                             (whySignedOff_.empty() ? "" : " (" + whySignedOff_ + ")") +
                             "; sign on again");
  }
  try {
    operation();
  } catch (const StoreException& failure) {
    throwError(database(), codeOf(failure.reason()), failure.object(), failure.what());
  } catch (const std::invalid_argument& misuse) {
    throw UsageException(ErrorCode::WrongValueType, misuse.what());
  } catch (const std::overflow_error& full) {
    throw StoreFailure(full.what());  // Numbers or editions have run out.
  }
}

void ProcessCore::finish(std::string_view what, FunctionRef<void()> operation) noexcept {
  if (!signedOn_) return;
  logFailure("scope.failed", what, [&] {
    const Use use(*this);
    try {
      perform(operation);
    } catch (const SystemException& exception) {
      lookForLoss(exception);
      throw;
    }
  });
}

void ProcessCore::lookForLoss(const SystemException& why) {
  const ErrorCode code = why.code();
  if (code != ErrorCode::ConnectionLost && code != ErrorCode::CommitUnknown) return;
  if (!signedOn_.exchange(false)) return;
  whySignedOff_ = why.what();
  machine_.signOff();
}

// Runs inside the catch block: the frames of the call that failed are still there.
bool ProcessCore::ask(const SystemException& exception, const Continuation& continuation) {
  if (handlers_.empty() || nesting_ >= HandlerStack::kMaxNesting) return false;
  struct Nesting {
    explicit Nesting(unsigned& depth) : depth_(depth) { ++depth_; }
    ~Nesting() { --depth_; }
    unsigned& depth_;
  } nesting(nesting_);

  for (const HandlerStack::Entry& entry : handlers_.inOrder()) {
    const HandlerAction action = (*entry.handler)(exception);
    switch (action) {
      case HandlerAction::PassBack: continue;
      case HandlerAction::Continue:
        if (mayContinue(exception, continuation)) return true;
        if (continuation.policy == ContinuePolicy::None) break;
        throw UsageException(continuation.policy == ContinuePolicy::LockCall
                                 ? ErrorCode::LockNotContinuable
                                 : ErrorCode::AutomaticLockIgnored,
                             std::string("a handler answered Continue without holding the lock, "
                                         "after: ") +
                                 exception.what());
      case HandlerAction::ResumeNext:
        if (entry.resumable) throw ResumeAt{entry.id};
        if (!entry.global) break;
        [[fallthrough]];
      case HandlerAction::AbortAction:
        if (running_ > 0) throw ActionAborted();
        return false;
    }
    throw UsageException(
        ErrorCode::InvalidHandlerAction,
        "a handler answered " + std::to_string(static_cast<int>(action)) +
            ", which is no action, or not one that is possible here, after: " + exception.what());
  }
  return false;
}

bool ProcessCore::mayContinue(const SystemException& exception,
                              const Continuation& continuation) const {
  if (continuation.policy == ContinuePolicy::None || !signedOn_) return false;
  Oid target = continuation.target;
  LockType type = continuation.type;
  if (const auto* const refusal = dynamic_cast<const LockRefusal*>(&exception)) {
    if (refusal->lockTarget() != target) type = refusal->lockType();
    target = refusal->lockTarget();
  }
  return !target.isNull() && target.lifetime() != Lifetime::Transient &&
         machine_.holds(target, type);
}

ArmedHandler ProcessCore::arm(ExceptionHandler handler, bool global) {
  std::uint64_t id = 0;
  call([&] { id = handlers_.arm(std::move(handler), global, false); });
  return ArmedHandler([core = weak_from_this(), id] {
    if (const auto alive = core.lock()) alive->handlers_.disarm(id);
  });
}

bool ProcessCore::protect(ExceptionHandler handler, const std::function<void()>& body) {
  struct Level {
    explicit Level(HandlerStack& stack) : stack_(stack) { stack_.openLevel(); }
    ~Level() {
      if (id_ != 0) stack_.disarm(id_);
      stack_.closeLevel();
    }
    HandlerStack& stack_;
    std::uint64_t id_ = 0;
  } level(handlers_);
  level.id_ = handlers_.arm(std::move(handler), false, true);
  try {
    body();
    return true;
  } catch (const ResumeAt& resume) {
    if (resume.protection != level.id_) throw;
    return false;
  }
}

bool ProcessCore::run(const std::function<void()>& action) {
  struct Running {
    explicit Running(ProcessCore& core) : core_(core) {
      ++core_.running_;
      core_.handlers_.openLevel();
    }
    ~Running() {
      core_.handlers_.closeLevel();
      --core_.running_;
    }
    ProcessCore& core_;
  } running(*this);
  try {
    action();
    return true;
  } catch (const ActionAborted&) {
    return false;
  }
}

// --- Waiting -------------------------------------------------------------------------------------

StepResult ProcessCore::awaitResult(const std::stop_token& stop,
                                    const std::function<void(StepDone)>& start,
                                    const std::function<void()>& cancel) {
  const auto wait = std::make_shared<AnswerWait<StepResult>>();
  {
    AnswerFetch fetch(database().answers());
    start([wait](const StepResult& result) { wait->complete(result); });
    if (!wait->isComplete()) {
      // Only now: what is not queued yet could not be cancelled. A token that was stopped before
      // calls at once.
      const std::stop_callback onStop(stop, cancel);
      const std::stop_callback onProcessStop(stop_, cancel);
      fetch.await(*wait);
      wait->wait();
    }
  }
  return wait->get();
}

StepResult ProcessCore::await(Oid target, LockTimeout asked, const std::stop_token& stop,
                              const std::function<void(StepDone)>& start,
                              const std::function<void()>& cancel) {
  StepResult result = awaitResult(stop, start, cancel);
  if (!result.isDone()) throwRefusal(database(), result, target, asked);
  return result;
}

StepResult ProcessCore::await(Oid target, const std::function<void(StepDone)>& start,
                              const std::stop_token& stop) {
  return await(target, LockTimeout::processDefined(), stop, start,
               [this] { machine_.cancelWaits(); });
}

StepResult ProcessCore::awaitLock(const ProcessMachine::Wish& wish, const std::stop_token& stop) {
  ProcessMachine::Wish named = wish;
  named.id = machine_.nextRequestId();
  return awaitResult(
      stop, [&](StepDone done) { machine_.lock(named, std::move(done)); },
      [this, id = named.id] { machine_.cancel(id); });
}

// What no handler is asked about is thrown here, from behind the call: the fewer frames there are
// to the application's, the sooner it knows of a deadlock.
void ProcessCore::lock(const ProcessMachine::Wish& wish, const std::stop_token& stop) {
  StepResult refused;
  call({ContinuePolicy::LockCall, wish.target, wish.type}, [&] {
    StepResult result = awaitLock(wish, stop);
    if (result.isDone()) return;
    if (!result.isRefusal() || !handlers_.empty()) {
      throwRefusal(database(), result, wish.target, wish.timeout);
    }
    refused = std::move(result);
  });
  if (!refused.isDone()) throwRefusal(database(), refused, wish.target, wish.timeout);
}

bool ProcessCore::lockAtOnceInside(Oid target, LockType type, LockDuration duration,
                                   LockTimeout timeout) {
  return isMine() && machine_.lockAtOnce(target, type, duration, timeout);
}

bool ProcessCore::unlockAtOnceInside(Oid target) {
  return isMine() && machine_.unlockAtOnce(target);
}

LockOutcome ProcessCore::requestLock(const ProcessMachine::Wish& wish,
                                     const std::stop_token& stop) {
  const StepResult result = awaitLock(wish, stop);
  using Outcome = StepResult::Outcome;
  switch (result.outcome) {
    case Outcome::Done: return LockOutcome::Granted;
    case Outcome::Refused: return LockOutcome::Refused;
    case Outcome::TimedOut: return LockOutcome::TimedOut;
    case Outcome::Deadlock: return LockOutcome::Deadlock;
    case Outcome::Cancelled:
      if (signedOn_) return LockOutcome::Cancelled;
      break;
    case Outcome::Failed: break;
  }
  throwRefusal(database(), result, wish.target, wish.timeout);
}

// --- Objects -------------------------------------------------------------------------------------

RecordPtr ProcessCore::read(Oid oid) {
  return await(oid, [&](StepDone done) { machine_.read(oid, std::move(done)); }).record;
}

void ProcessCore::lockForWrite(Oid oid) {
  if (oid.isNull()) throwError(database(), ErrorCode::NullReference, oid);
  if (oid.lifetime() == Lifetime::Transient || machine_.isChanged(oid)) return;
  if (!machine_.isInTransaction(oid.lifetime())) {
    throwError(database(), ErrorCode::NotInTransaction, oid);
  }
  if (isSystemObject(oid)) throwError(database(), ErrorCode::SystemObject, oid);
  if (machine_.mayChange(oid)) return;
  await(oid, [&](StepDone done) { machine_.lockForChange(oid, std::move(done)); });
}

ObjectRecord& ProcessCore::change(Oid oid) {
  if (ObjectRecord* const record = machine_.changeAtOnce(oid)) return *record;
  await(oid, [&](StepDone done) { machine_.change(oid, std::move(done)); });
  ObjectRecord* const record = machine_.changeable(oid);
  if (record == nullptr) throwError(database(), ErrorCode::ObjectDeleted, oid);
  return *record;
}

Value& ProcessCore::changeValue(Oid oid, const Property& property) {
  const std::size_t index = property.index;
  if (Value* const value = machine_.replaceAtOnce(oid, index, property.ofSoMany)) return *value;
  ObjectRecord& record = change(oid);
  if (record.values.size() <= index) record.values.resize(index + 1);
  return record.values[index];
}

void ProcessCore::check(const std::optional<ErrorCode>& error, Oid target) const {
  if (error) throwError(database(), *error, target);
}

std::shared_ptr<const ClassDef> ProcessCore::classOf(Oid oid) const {
  if (oid.isNull()) throwError(database(), ErrorCode::NullReference, oid);
  auto definition = findClass(oid.classNumber());
  if (definition == nullptr) {
    throw UsageException(ErrorCode::NoSuchClass,
                         "no class has the number " + std::to_string(oid.classNumber()));
  }
  return definition;
}

std::shared_ptr<const ClassDef> ProcessCore::classNamed(std::string_view name) const {
  auto definition = findClass(name);
  if (definition == nullptr) {
    throw UsageException(ErrorCode::NoSuchClass, "there is no class \"" + std::string(name) +
                                                     "\"; define it with defineClass()");
  }
  return definition;
}

ProcessCore::Property ProcessCore::propertyOf(Oid oid, std::string_view name) {
  std::optional<std::size_t> index;
  if (recentClass_ && recentClass_->number == oid.classNumber())
    index = recentClass_->indexOf(name);
  if (!index) {
    recentClass_ = classOf(oid);
    index = recentClass_->indexOf(name);
  }
  if (index) {
    const auto& properties = recentClass_->properties;
    return {*index, properties[*index].type, properties.size()};
  }
  throw UsageException(ErrorCode::NoSuchProperty, show(oid) + ": class " + recentClass_->name +
                                                      " has no property \"" + std::string(name) +
                                                      "\"");
}

std::string ProcessCore::show(Oid oid) const { return database().show(oid); }

void ProcessCore::useUpdateLocks(bool on) {
  call([&] { machine_.useUpdateLocks(on); });
}

// --- Transactions --------------------------------------------------------------------------------

void ProcessCore::begin(Lifetime lifetime) {
  call([&] { check(machine_.begin(lifetime)); });
}

void ProcessCore::commit(Lifetime lifetime, const std::stop_token& stop) {
  call({ContinuePolicy::RetryImplicit, Oid(), LockType::Exclusive}, [&] {
    await(
        Oid(), [&](StepDone done) { machine_.commit(lifetime, std::move(done)); }, stop);
    node_->committed.fetch_add(1, std::memory_order_relaxed);
  });
}

void ProcessCore::abort(Lifetime lifetime) {
  if (!signedOn_) return;  // Signing off has aborted it.
  call([&] { abandon(lifetime); });
}

void ProcessCore::abandon(Lifetime lifetime) {
  if (machine_.isInTransaction(lifetime)) {
    node_->aborted.fetch_add(1, std::memory_order_relaxed);
  }
  machine_.abort(lifetime);
}

void ProcessCore::pause(std::chrono::milliseconds pause, const std::stop_token& stop) {
  call([&] {
    if (!sleepUnlessStopped(pause, stop, stop_)) {
      throwError(database(), ErrorCode::WaitCancelled, Oid());
    }
  });
}

// --- Several locks -------------------------------------------------------------------------------

void ProcessCore::lockAll(std::vector<Oid> oids, const ProcessMachine::Wish& wish,
                          const std::stop_token& stop) {
  if (!std::is_sorted(oids.begin(), oids.end())) std::sort(oids.begin(), oids.end());
  oids.erase(std::unique(oids.begin(), oids.end()), oids.end());
  const std::vector<bool> before = machine_.mayHold(oids);
  std::size_t next = 0;
  try {
    while (next < oids.size()) {
      call({ContinuePolicy::LockCall, oids[next], wish.type},
           [&] { lockFrom(oids, next, wish, stop); });
      // A handler that answered Continue holds what was refused.
      if (next < oids.size()) ++next;
    }
  } catch (...) {
    for (std::size_t i = std::min(next, oids.size()); signedOn_ && i-- > 0;) {
      if (!before[i]) machine_.unlock(oids[i]);
    }
    throw;
  }
}

void ProcessCore::lockFrom(const std::vector<Oid>& oids, std::size_t& next,
                           ProcessMachine::Wish wish, const std::stop_token& stop) {
  wish.id = machine_.nextRequestId();
  ObjectLockBatch orders;
  std::optional<ErrorCode> error;
  for (std::size_t asked = next; asked < oids.size(); ++asked) {
    const Oid oid = wish.target = oids[asked];
    error = machine_.misuse(wish);
    if (oid.lifetime() == Lifetime::Transient && orders.targets.empty() && !error) {
      next = asked + 1;  // No other process sees it.
      continue;
    }
    if (orders.targets.empty() && !error) {
      orders.request = machine_.requestFor(wish);
      orders.targets.reserve(oids.size() - asked);
    }
    // What comes before it is locked first.
    if (error || oid.lifetime() != oids[next].lifetime()) break;
    orders.targets.push_back({oid, machine_.existenceOf(oid)});
  }
  if (orders.targets.empty()) {
    if (error) throwError(database(), *error, oids[next]);
    return;
  }

  const std::size_t first = next;
  await(
      oids[first], wish.timeout, stop,
      [&](StepDone done) {
        machine_.port().lockAll(std::move(orders),
                                [&next, done = std::move(done)](const LockAllReply& reply) {
                                  next += reply.granted;
                                  done(reply.refused ? resultOf(*reply.refused) : StepResult());
                                });
      },
      [this, id = wish.id] { machine_.cancel(id); });
  if (next < oids.size()) lockFrom(oids, next, wish, stop);
}

// --- Asynchronous locks --------------------------------------------------------------------------

// Between asking and telling. Two things must have happened before `done` is called: the answer,
// and the asking call's being through with the stop callback; whichever comes last posts it.
struct ProcessCore::AsyncLock {
  std::shared_ptr<ProcessCore> core;
  LockTimeout asked = LockTimeout::processDefined();
  LockCallback done;
  LockReply reply;
  using OnStop = std::optional<std::stop_callback<std::function<void()>>>;
  std::array<OnStop, 3> onStop;  // Of the call, the process, the waiting thread.
  std::atomic<int> missing{2};

  static void arrived(const std::shared_ptr<AsyncLock>& pending) {
    if (pending->missing.fetch_sub(1) > 1) return;
    pending->core->post([pending] {
      for (OnStop& one : pending->onStop) one.reset();
      pending->done(pending->result());
      pending->done = nullptr;
    });
  }

  LockResult result() const {
    const Oid target = Oid::fromBits(reply.lock.request.target.value);
    Database& database = core->database();
    const StepResult step = resultOf(reply);
    if (step.isDone()) return LockResult::success();
    try {
      throwRefusal(database, step, target, asked);
    } catch (...) {
      const bool held = reply.lock.outcome == LockOutcome::Granted && !reply.missing;
      return held ? LockResult::heldWith(std::current_exception())
                  : LockResult(std::current_exception());
    }
  }
};

void ProcessCore::lockAsync(Oid oid, LockCall asked, LockCallback done, std::stop_token abandoned) {
  call([&] {
    const std::uint64_t id = machine_.nextRequestId();
    const ProcessMachine::Wish wish{oid,           asked.type, asked.duration,
                                    asked.timeout, id,         asked.lease.value_or(LeaseTerms{}),
                                    asked.scope};
    check(machine_.misuse(wish), oid);
    if (oid.lifetime() == Lifetime::Transient) {
      post([done] { done(LockResult::success()); });
      return;
    }

    const auto pending = std::make_shared<AsyncLock>();
    pending->core = shared_from_this();
    pending->asked = asked.timeout;
    pending->done = std::move(done);
    const ObjectLockRequest order{machine_.requestFor(wish), machine_.existenceOf(wish.target)};
    machine_.port().lock(order, [pending](const LockReply& reply) {
      pending->reply = reply;
      AsyncLock::arrived(pending);
    });
    const auto cancel = [core = weak_from_this(), id] {
      if (const auto alive = core.lock()) alive->machine_.cancel(id);
    };
    pending->onStop[0].emplace(asked.stop, cancel);
    pending->onStop[1].emplace(stop_, cancel);
    pending->onStop[2].emplace(std::move(abandoned), cancel);
    AsyncLock::arrived(pending);
  });
}

void ProcessCore::signOffInDatabase(std::optional<std::uint16_t> heirLevel) {
  if (!signedOn_.exchange(false)) return;
  try {
    const Use use(*this);
    heirLevel ? machine_.signOffToParent(*heirLevel) : machine_.signOff();
  } catch (const UsageException&) {
    // Another thread is inside a call: its wait is cancelled, and the machine is not ours to touch.
    if (heirLevel) {
      machine_.port().signOffToParent({*heirLevel});
    } else {
      machine_.port().signOff();
    }
  }
  leaveChildren();
}

// Often called by the thread that lets a lock go, for others wait for it too: an executor that
// throws, because it has ended, say, must not take that thread along, nor lose the callback.
void ProcessCore::post(std::function<void()> callback) {
  if (!executor_) return node_->callbacks().post(std::move(callback));
  const auto once = [called = std::make_shared<std::atomic<bool>>(false),
                     callback = std::move(callback)] {
    if (!called->exchange(true)) callback();
  };
  std::string why = "an exception that is no std::exception";
  try {
    return executor_(once);
  } catch (const std::exception& thrown) {
    why = thrown.what();
  } catch (...) {
  }
  log(LogLevel::Error, "callback.executor_threw", {{"name", info().name}, {"reason", why}});
  node_->callbacks().post(once);
}

}  // namespace nephrite

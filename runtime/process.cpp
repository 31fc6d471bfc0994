#include "runtime/process.h"

#include <utility>

#include "runtime/database/system_class.h"
#include "runtime/process/process_core.h"
#include "runtime/process/refusals.h"

namespace nephrite {

Process::Process(std::shared_ptr<ProcessCore> core) : core_(std::move(core)) {}

Process::~Process() {
  logFailure("process.failed", "the end of a process", [this] { signOff(); });
}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    logFailure("process.failed", "the end of a process", [this] { signOff(); });
    core_ = std::move(other.core_);
  }
  return *this;
}

ProcessCore& Process::core() const { return *shared(); }

const std::shared_ptr<ProcessCore>& Process::shared() const {
  if (core_ == nullptr) {
    throw UsageException(ErrorCode::NotSignedOn,
                         "there is no process here: it was moved from, or never signed on");
  }
  return core_;
}

const ProcessInfo& Process::info() const { return core().info(); }
bool Process::isSignedOn() const { return core_ != nullptr && core_->isSignedOn(); }

void Process::signOff() {
  if (core_ != nullptr) core_->signOff();
}

void Process::signOffToParent() {
  if (core_ != nullptr) core_->signOffToParent();
}

System Process::system() const {
  core();
  return System(core_);
}

// --- Transactions --------------------------------------------------------------------------------

void Process::beginTransaction() { core().begin(Lifetime::Persistent); }
void Process::commitTransaction(std::stop_token stop) { core().commit(Lifetime::Persistent, stop); }
void Process::abortTransaction() { core().abort(Lifetime::Persistent); }
bool Process::isInTransactionState() const {
  return core().machine().isInTransaction(Lifetime::Persistent);
}

void Process::beginTransientTransaction() { core().begin(Lifetime::SharedTransient); }
void Process::commitTransientTransaction(std::stop_token stop) {
  core().commit(Lifetime::SharedTransient, stop);
}
void Process::abortTransientTransaction() { core().abort(Lifetime::SharedTransient); }
bool Process::isInTransientTransactionState() const {
  return core().machine().isInTransaction(Lifetime::SharedTransient);
}

void Process::beginLoad() {
  core().call([&] { core().machine().beginState(StateKind::Load); });
}
void Process::endLoad() {
  core().call([&] { core().check(core().machine().endState(StateKind::Load)); });
}
bool Process::isInLoadState() const { return core().machine().isInState(StateKind::Load); }
void Process::beginLock() {
  core().call([&] { core().machine().beginState(StateKind::Lock); });
}
void Process::endLock() {
  core().call([&] { core().check(core().machine().endState(StateKind::Lock)); });
}
bool Process::isInLockState() const { return core().machine().isInState(StateKind::Lock); }

// --- Objects -------------------------------------------------------------------------------------

std::shared_ptr<const ClassDef> Process::defineClass(const ClassDef& wanted) {
  std::shared_ptr<const ClassDef> made;
  core().call([&] { made = core().database().defineClass(wanted); });
  return made;
}

Object Process::create(std::string_view className, Lifetime lifetime) {
  Oid oid;
  core().call([&] {
    const auto definition = core().classNamed(className);
    const Oid sample(lifetime, definition->number, 1);
    if (isSystemObject(sample)) {
      throw UsageException(ErrorCode::SystemObject,
                           "objects of class " + definition->name + " are made by the system");
    }
    std::optional<ErrorCode> error;
    oid =
        core().machine().create(lifetime, definition->number, error, definition->properties.size());
    if (error == ErrorCode::NotInTransaction) {
      throw UsageException(
          *error,
          "an object of class " + definition->name + " can only be created in " +
              (lifetime == Lifetime::Persistent ? "transaction state: call beginTransaction() first"
                                                : "transient transaction state: call "
                                                  "beginTransientTransaction() first"));
    }
  });
  return Object(core_, oid);
}

Object Process::object(Oid oid) const {
  core();
  return oid.isNull() ? Object() : Object(core_, oid);
}

std::vector<Object> Process::instances(std::string_view className, std::size_t maxEntries,
                                       const Object& after) const {
  std::vector<Object> found;
  core().call([&] {
    const auto definition = core().classNamed(className);
    for (const Oid oid : core().database().instances(definition->number, after.oid(), maxEntries)) {
      found.emplace_back(core_, oid);
    }
  });
  return found;
}

ObjectRange Process::eachInstance(std::string_view className) const {
  constexpr std::size_t kPage = 256;
  return ObjectRange([core = shared(), className = std::string(className), last = Oid()]() mutable {
    std::vector<Object> page;
    core->call([&] {
      const auto definition = core->classNamed(className);
      for (const Oid oid : core->database().instances(definition->number, last, kPage)) {
        page.emplace_back(core, oid);
        last = oid;
      }
    });
    return page;
  });
}

Resource Process::resource(std::string_view name) const {
  std::shared_ptr<const NamedResource> found;
  core().call([&] { found = core().resourceNamed(std::string(name)); });
  return Resource(core_, std::move(found));
}

// --- Locks ---------------------------------------------------------------------------------------

LockTimeout Process::setDefaultLockTimeout(LockTimeout timeout) {
  LockTimeout previous = timeout;
  core().call([&] { previous = core().machine().setDefaultLockTimeout(timeout); });
  return previous;
}

void Process::useUpdateLocks(bool on) { core().useUpdateLocks(on); }

void Process::setPersistentDeadlockPriority(std::int32_t priority) {
  core().call([&] { core().machine().setDeadlockPriority(Lifetime::Persistent, priority); });
}
void Process::setTransientDeadlockPriority(std::int32_t priority) {
  core().call([&] { core().machine().setDeadlockPriority(Lifetime::SharedTransient, priority); });
}
std::int32_t Process::persistentDeadlockPriority() const {
  return core().machine().deadlockPriority(Lifetime::Persistent);
}
std::int32_t Process::transientDeadlockPriority() const {
  return core().machine().deadlockPriority(Lifetime::SharedTransient);
}

void Process::lockAll(std::span<const Object> objects, LockType type, LockDuration duration,
                      LockTimeout wait, std::stop_token stop) {
  std::vector<Oid> oids;
  for (const Object& object : objects) oids.push_back(object.oid());
  core().lockAll(std::move(oids), {Oid(), type, duration, wait}, stop);
}

void Process::lockAsync(const Lockable& target, LockCall call, LockCallback done) {
  core().lockAsync(target.oid(), std::move(call), std::move(done));
}

LockAwaitable Process::locked(const Lockable& target, LockCall call) {
  core();
  return LockAwaitable([core = core_, oid = target.oid(), call = std::move(call)](
                           LockCallback done, std::stop_token abandoned) {
    core->lockAsync(oid, call, std::move(done), std::move(abandoned));
  });
}

// --- Exceptions ----------------------------------------------------------------------------------

ArmedHandler Process::armExceptionHandler(ExceptionHandler handler) {
  return core().arm(std::move(handler), false);
}
ArmedHandler Process::armGlobalExceptionHandler(ExceptionHandler handler) {
  return core().arm(std::move(handler), true);
}
bool Process::protect(ExceptionHandler handler, const std::function<void()>& body) {
  return core().protect(std::move(handler), body);
}
bool Process::run(const std::function<void()>& action) { return core().run(action); }

}  // namespace nephrite

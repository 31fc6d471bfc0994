#include "tests/network/residents.h"

#include <algorithm>
#include <array>
#include <utility>

#include "runtime/errors/exceptions.h"

namespace nephrite {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongestPause{120};
// Beyond its time: a wait is ended by an event of the server's, which has no time to lose.
constexpr milliseconds kSlack{1};

/// A commit that is refused because an operator took a lock.
bool isLost(const StepResult& result) {
  return result.outcome == StepResult::Outcome::Failed &&
         (result.code == ErrorCode::LockLost || result.code == ErrorCode::StaleObject);
}

}  // namespace

Residents::Residents(SimNetwork& network, Record& record, RecordedDatabase& database,
                     const std::string& name, int processes, std::function<void()> acted)
    : network_(network),
      record_(record),
      database_(database),
      name_(name),
      processes_(processes),
      acted_(std::move(acted)) {}

Residents::~Residents() {
  for (const ActorPtr& actor : actors_) actor->machine.reset();
}

bool Residents::isAsking() const {
  return std::any_of(actors_.begin(), actors_.end(),
                     [](const ActorPtr& actor) { return !actor->asks.empty(); });
}

void Residents::trace(const Actor& actor, const std::string& what) {
  network_.report.trace(network_.agenda, actor.name, " ", what);
}

// The server may have ended by then, and they with it.
void Residents::soon(milliseconds time, std::function<void()> work) {
  network_.agenda.in(time, kServer, [weak = weak_from_this(), work = std::move(work)] {
    const auto alive = weak.lock();
    if (!alive) return;
    work();
    alive->acted_();
  });
}

void Residents::later(const ActorPtr& actor) {
  const int most = static_cast<int>(kLongestPause.count());
  soon(milliseconds(1 + network_.random.below(most)), [this, actor] { step(actor); });
}

// --- Coming and going ----------------------------------------------------------------------------

void Residents::start() {
  database_.signOnNode({.name = "residents"}, [this](const NodeReply& reply) {
    if (!reply.node) return;
    node_ = reply.node->oid;
    soon(milliseconds(1), [this] {
      for (int i = 0; i < processes_; ++i) signOnProcess();
    });
  });
}

void Residents::signOnProcess() {
  if (stopping_) return;
  const int priority = network_.random.below(3) - 1;
  const std::string name = name_ + "." + std::to_string(++lastActor_);
  database_.signOnProcess(
      {node_, name + "/" + std::to_string(priority), "", network_.random.oneIn(6)},
      [this, name, priority](const ProcessReply& reply) {
        if (!reply.process) return;
        const auto actor = std::make_shared<Actor>();
        actor->name = name;
        actor->machine = std::make_unique<ProcessMachine>(database_, *reply.process);
        actor->machine->setDeadlockPriority(Lifetime::Persistent, priority);
        actor->updatesFirst = network_.random.oneIn(3);
        actor->machine->useUpdateLocks(actor->updatesFirst);
        actors_.push_back(actor);
        later(actor);
      });
}

void Residents::close() {
  stopping_ = true;
  if (!node_.isNull()) database_.signOffNode(std::exchange(node_, Oid()));
}

// --- Answers -------------------------------------------------------------------------------------

// What has to be done then is done soon: the call that answers has not ended.
StepDone Residents::told(const ActorPtr& actor, const std::string& what, LockTimeout timeout,
                         std::uint64_t request, std::function<void(const StepResult&)> then) {
  ++actor->asked;
  actor->asks = what;
  actor->request = request;
  actor->since = network_.agenda.runningTime(kServer);
  actor->bound = timeout.isWait()        ? std::chrono::ceil<milliseconds>(timeout.wait())
                 : timeout.isImmediate() ? milliseconds(0)
                                         : milliseconds(900);
  trace(*actor, what);
  return [this, actor, then = std::move(then)](const StepResult& result) {
    trace(*actor, actor->asks + ": " + wordsOf(result));
    if (actor->asks.empty()) return fail(actor->name + " was answered twice");
    compare(*actor, result);
    if (then) then(result);
    actor->asks.clear();
    if (isLost(result)) soon(milliseconds(0), [this, actor] { abort(actor); });
    later(actor);
  };
}

void Residents::compare(const Actor& actor, const StepResult& result) {
  const std::string words = wordsOf(result);
  network_.report.count("resident told " + words);
  const Duration took = network_.agenda.runningTime(kServer) - actor.since;
  if (took > actor.bound + kSlack) fail(actor.name + " " + actor.asks + " was answered late");
  if (isLost(result) && !record_.isRobbed(actor.locker()))
    fail(actor.name + " has lost a lock that nobody took");
  const Record::Decided* const decided = record_.decided(actor.locker(), actor.request);
  if (decided == nullptr || isLost(result) || decided->words == words) return;
  if (decided->words == "committed" && words == "granted") return;
  fail(actor.name + " " + actor.asks + " was told '" + words + "', decided '" + decided->words +
       "'");
}

void Residents::checkLatest(const Actor& actor, Oid object, const RecordPtr& record) {
  const std::uint32_t latest = record_.editionOf(object);
  if (record != nullptr && record->edition == latest) return;
  fail(actor.name + " has locked " + record_.nameOf(object) + " and does not see edition " +
       std::to_string(latest));
}

// --- Steps ---------------------------------------------------------------------------------------

void Residents::step(const ActorPtr& actor) {
  if (stopping_ || actor->over) return;
  database_.passTime();
  if (!record_.isSignedOn(actor->locker())) {
    actor->over = true;  // By force.
    return;
  }
  const auto& objects = record_.objects();
  const std::uint64_t before = actor->asked;
  const int chosen = network_.random.below(100);
  const int which = network_.random.below(static_cast<int>(objects.size()));
  try {
    act(actor, chosen, objects.at(static_cast<std::size_t>(which)));
  } catch (const SystemException&) {
    // It has changed what an operator took the lock of, and another process has changed that since.
    actor->asks.clear();
    abort(actor);
    return later(actor);
  }
  if (actor->asked == before && !actor->over) later(actor);
}

void Residents::act(const ActorPtr& actor, int chosen, Oid object) {
  ProcessMachine& machine = *actor->machine;
  const bool inTransaction = machine.isInTransaction(Lifetime::Persistent);
  if (chosen < 40) return lockStep(actor, object);
  if (chosen < 60) {
    if (!inTransaction) machine.begin(Lifetime::Persistent);
    return changeStep(actor, object);
  }
  if (chosen < 66) {
    return machine.read(object,
                        told(actor, "read " + record_.nameOf(object), LockTimeout::serverDefined(),
                             machine.nextRequestId() + 1, nullptr));
  }
  if (chosen < 80) return inTransaction ? commitStep(actor) : void();
  if (chosen < 84) return abort(actor);
  if (chosen < 92) {
    trace(*actor, "unlock " + record_.nameOf(object));
    if (machine.unlockAtOnce(object)) {
      network_.report.count("unlocked at once");
      if (machine.isInAnyState(Lifetime::Persistent)) fail(actor->name + " unlocks in some state");
      return database_.unlockedAtOnce(actor->locker(), object);
    }
    machine.unlock(object);
  } else if (chosen < 98) {
    stateStep(actor);
  } else if (chosen == 98) {
    trace(*actor, "signs off");
    actor->over = true;
    machine.signOff();
    soon(milliseconds(1), [this] { signOnProcess(); });
  }
}

void Residents::lockStep(const ActorPtr& actor, Oid object) {
  Random& random = network_.random;
  constexpr std::array kTypes{LockType::Share, LockType::Reserve, LockType::Update,
                              LockType::Exclusive};
  constexpr std::array kTimeouts{-1, 0, -2, 30, 200, 800};
  ProcessMachine& machine = *actor->machine;
  ProcessMachine::Wish wish;
  wish.target = object;
  wish.type = kTypes.at(static_cast<std::size_t>(random.below(4)));
  if (random.oneIn(3)) wish.duration = LockDuration::Session;
  wish.timeout =
      LockTimeout::ofMilliseconds(kTimeouts.at(static_cast<std::size_t>(random.below(6))));
  wish.id = machine.nextRequestId();
  if (machine.lockAtOnce(object, wish.type, wish.duration, wish.timeout)) {
    trace(*actor, "locks " + record_.nameOf(object) + " at once");
    network_.report.count("locked at once");
    database_.lockedAtOnce({machine.requestFor(wish), machine.existenceOf(object)});
    return checkLatest(*actor, object, database_.fetch(object));
  }
  machine.lock(wish, told(actor, "lock " + record_.nameOf(object), wish.timeout, wish.id,
                          [this, actor, object](const StepResult& result) {
                            if (!result.isDone() || actor->machine->isChanged(object)) return;
                            checkLatest(*actor, object, result.record);
                          }));
}

// As Object::set(), or as a collection that is added to.
void Residents::changeStep(const ActorPtr& actor, Oid object) {
  ProcessMachine& machine = *actor->machine;
  const auto typeHeld = [&] { return machine.port().held(object); };
  const bool wasChanged = machine.isChanged(object);
  const LockType before = typeHeld();
  ProcessMachine::Wish implied;
  implied.target = object;
  implied.type = actor->updatesFirst ? LockType::Update : LockType::Exclusive;
  implied.id = machine.nextRequestId();
  const ObjectLockRequest order{machine.requestFor(implied), Existence::Required};

  actor->setsValues = !actor->setsValues;
  Value* value = nullptr;
  if (actor->setsValues) {
    value = machine.replaceAtOnce(object, 0, 1);
  } else if (ObjectRecord* const record = machine.changeAtOnce(object)) {
    value = &record->values.front();
  }
  if (typeHeld() != before) database_.lockedAtOnce(order);
  const std::int64_t number = record_.editionOf(object);
  if (value != nullptr) {
    trace(*actor, "changes " + record_.nameOf(object) + " at once");
    network_.report.count("changed at once");
    if (!wasChanged) *value = number;
    return;
  }
  machine.change(object,
                 told(actor, "update " + record_.nameOf(object), LockTimeout::serverDefined(),
                      machine.nextRequestId() + 1, [actor, object](const StepResult& result) {
                        if (!result.isDone()) return;
                        ObjectRecord* const mine = actor->machine->changeable(object);
                        if (mine != nullptr) mine->values = {std::int64_t{mine->edition}};
                      }));
}

void Residents::stateStep(const ActorPtr& actor) {
  ProcessMachine& machine = *actor->machine;
  const StateKind kind = network_.random.oneIn(2) ? StateKind::Load : StateKind::Lock;
  if (network_.random.oneIn(2)) {
    machine.beginState(kind);
    return trace(*actor, "beginState");
  }
  trace(*actor, "endState");
  machine.endState(kind);  // Of the other kind, or there is none: nothing happens.
}

void Residents::commitStep(const ActorPtr& actor) {
  ProcessMachine& machine = *actor->machine;
  machine.commit(Lifetime::Persistent, told(actor, "commit", LockTimeout::serverDefined(),
                                            machine.nextRequestId() + 1, nullptr));
}

void Residents::abort(const ActorPtr& actor) {
  if (actor->over || !actor->asks.empty()) return;
  trace(*actor, "abort");
  actor->machine->abort(Lifetime::Persistent);
}

}  // namespace nephrite

// What a client's processes do.

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "tests/network/sim_client.h"

namespace nephrite {

using std::chrono::milliseconds;

void SimClient::later(const ActorPtr& actor) {
  network_.agenda.in(milliseconds(1 + network_.random.below(temper_.pause)), number_,
                     [this, actor] { step(actor); });
}

// Mostly one that is there, or that its process has just made; rarely one that is not.
Oid SimClient::anyObject(const Actor& actor) {
  const auto& objects = record_.objects();
  Oid object;
  for (int tries = 0; tries < 4; ++tries) {
    const int which = network_.random.below(static_cast<int>(objects.size()));
    object = objects.at(static_cast<std::size_t>(which));
    if (record_.isThere(object) || actor.hasMade(object)) break;
  }
  return object;
}

void SimClient::step(const ActorPtr& actor) {
  if (stopping_ || actor->over || !database_) return;
  Random& random = network_.random;
  const Oid object = anyObject(*actor);
  ProcessMachine& machine = *actor->machine;
  const bool inTransaction = machine.isInTransaction(Lifetime::Persistent);
  if (temper_.operatorOneIn != 0 && random.oneIn(temper_.operatorOneIn)) {
    return operatorStep(actor, object);
  }
  if (temper_.lockAllOneIn != 0 && random.oneIn(temper_.lockAllOneIn)) return lockAllStep(actor);
  if (temper_.createOneIn != 0 && random.oneIn(temper_.createOneIn)) {
    if (!inTransaction) machine.begin(Lifetime::Persistent);
    return random.oneIn(2) ? createStep(actor) : removeStep(actor, object);
  }
  if (temper_.childOneIn != 0 && random.oneIn(temper_.childOneIn)) return signOnChild(actor);
  if (temper_.leaseOneIn != 0 && random.oneIn(12)) return renewStep(actor, object);
  const int chosen = random.below(100);
  if (chosen < 35) return lockStep(actor, object);
  if (chosen < 60) {
    if (!inTransaction) machine.begin(Lifetime::Persistent);
    return changeStep(actor, object);
  }
  if (chosen < 66) return readStep(actor, object);
  if (chosen < 84 && inTransaction) return commitStep(actor);
  if (chosen < 88) {
    abort(*actor);
    network_.report.trace(network_.agenda, actor->name, " abort");
  } else if (chosen < 92) {
    if (!temper_.atOnce || !machine.unlockAtOnce(object)) machine.unlock(object);
    network_.report.trace(network_.agenda, actor->name, " unlock");
  } else if (chosen < 98) {
    stateStep(actor);
  } else if (chosen == 98) {
    const auto& parent = actor->parent;
    const bool hasHeir = parent && !parent->over && !parent->busy && random.oneIn(2);
    network_.report.trace(network_.agenda, actor->name,
                          hasHeir ? " signs off, to its parent" : " signs off");
    return leave(actor, hasHeir);
  } else if (!inTransaction) {
    machine.begin(Lifetime::Persistent);
  }
  later(actor);
}

void SimClient::takeByForce(LockerId victim, Oid object) {
  if (network_.waiting || !database_) return;
  network_.report.trace(network_.agenda, "an operator takes ", record_.nameOf(object), " from ",
                        record_.nameOf(victim));
  bool taken = false;
  wait([&] { taken = database_->breakLock(victim, object, {"operator", "simulated"}); });
  if (taken) network_.report.count("lock taken by force");
}

void SimClient::operatorStep(const ActorPtr& actor, Oid object) {
  const auto& all = record_.signedOn();
  if (network_.waiting || all.empty()) return later(actor);
  auto which = all.begin();
  std::advance(which, network_.random.below(static_cast<int>(all.size())));
  const LockerId victim{*which};
  const std::string whom = record_.nameOf(victim);
  const Operator by{"operator", "simulated"};
  if (network_.random.oneIn(6)) {
    network_.report.trace(network_.agenda, actor->name, " signs ", whom, " off by force");
    network_.report.count("signed off by force");
    wait([&] { database_->forceSignOff(victim, by); });
  } else {
    takeByForce(victim, object);
  }
  later(actor);
}

void SimClient::stateStep(const ActorPtr& actor) {
  ProcessMachine& machine = *actor->machine;
  if (actor->states.empty() || network_.random.oneIn(3)) {
    actor->states.push_back(network_.random.oneIn(2) ? StateKind::Load : StateKind::Lock);
    machine.beginState(actor->states.back());
    network_.report.trace(network_.agenda, actor->name, " beginState");
    return;
  }
  machine.endState(actor->states.back());
  actor->states.pop_back();
  network_.report.trace(network_.agenda, actor->name, " endState");
}

ProcessMachine::Wish SimClient::anyWish(const ActorPtr& actor) {
  Random& random = network_.random;
  constexpr std::array kTypes{LockType::Share, LockType::Reserve, LockType::Update,
                              LockType::Exclusive};
  constexpr std::array kTimeouts{-1, 0, -2, 30, 200, 800};
  ProcessMachine::Wish wish;
  wish.type = kTypes.at(static_cast<std::size_t>(random.below(4)));
  if (random.oneIn(temper_.sessionOneIn)) wish.duration = LockDuration::Session;
  wish.timeout =
      LockTimeout::ofMilliseconds(kTimeouts.at(static_cast<std::size_t>(random.below(6))));
  wish.id = actor->machine->nextRequestId();
  if (temper_.leaseOneIn != 0 && random.oneIn(temper_.leaseOneIn)) {
    wish.lease = LeaseTerms(milliseconds(1 + random.below(random.oneIn(2) ? 100 : 800)));
  }
  if (temper_.subtreeOneIn != 0 && random.oneIn(temper_.subtreeOneIn)) {
    wish.scope = LockScope::Subtree;
    network_.report.count("asked for all below");
  }
  if (random.oneIn(temper_.cancelOneIn)) {
    network_.agenda.in(milliseconds(1 + random.below(200)), number_, [this, actor, id = wish.id] {
      if (actor->over || !actor->busy || actor->request != id || !database_) return;
      network_.report.trace(network_.agenda, actor->name, " cancels");
      actor->machine->cancel(id);
    });
  }
  return wish;
}

void SimClient::lockStep(const ActorPtr& actor, Oid object) {
  ProcessMachine& machine = *actor->machine;
  ProcessMachine::Wish wish = anyWish(actor);
  wish.target = object;
  const LockType type = wish.type;
  // Who is granted it without a message believes that, as of any other lock.
  if (temper_.atOnce && wish.lease.isNone() && wish.scope == LockScope::Node &&
      machine.lockAtOnce(object, type, wish.duration, wish.timeout)) {
    checkHeld(*actor, object, type);
    return later(actor);
  }
  const bool wasThere = record_.isThere(object) && !machine.isChanged(object);
  machine.lock(wish, told(actor, "lock " + record_.nameOf(object), boundOf(wish.timeout), wish.id,
                          [this, actor, object, type, wasThere](const StepResult& result) {
                            checkMissing(*actor, object, wasThere, result);
                            if (result.isDone()) checkHeld(*actor, object, type);
                            if (!result.isDone() || actor->machine->isChanged(object)) return;
                            checkRecord(actor->name + " lock", result.record);
                            // Else an operator has taken it, and its node knows that already.
                            if (!database_->lockKnown(actor->locker(), object)) return;
                            checkLatest(*actor, "lock", object, result.record);
                            network_.agenda.in(Duration(0), number_,
                                               [this, actor, object] { readHeld(actor, object); });
                          }));
}

// As Process::lockAll() does it, which waits for its answers.
void SimClient::lockAllStep(const ActorPtr& actor) {
  ProcessMachine& machine = *actor->machine;
  std::vector<Oid> oids = record_.objects();
  while (oids.size() > 2 && network_.random.oneIn(2)) {
    oids.erase(oids.begin() + network_.random.below(static_cast<int>(oids.size())));
  }
  std::sort(oids.begin(), oids.end());
  const std::vector<bool> before = machine.mayHold(oids);
  ProcessMachine::Wish wish = anyWish(actor);
  wish.target = oids.front();
  wish.lease = {};  // Not to be had for several.
  if (machine.misuse(wish)) return later(actor);
  ObjectLockBatch orders{machine.requestFor(wish), {}};
  std::string names;
  for (const Oid oid : oids) {
    orders.targets.push_back({oid, machine.existenceOf(oid)});
    names += record_.nameOf(oid);
  }
  const auto count = static_cast<int>(oids.size());
  const milliseconds bound = (boundOf(wish.timeout) - kSlack) * count + kSlack;
  const auto granted = std::make_shared<std::size_t>(0);
  const StepDone done = told(actor, "lock all of " + names, bound, wish.id,
                             [this, actor, oids, before, granted, wish](const StepResult& result) {
                               lockedAll(actor, oids, before, *granted, wish, result);
                             });
  database_->lockAll(std::move(orders), [granted, done](const LockAllReply& reply) {
    *granted = reply.granted;
    done(reply.refused ? resultOf(*reply.refused) : StepResult());
  });
}

void SimClient::lockedAll(const ActorPtr& actor, const std::vector<Oid>& oids,
                          const std::vector<bool>& before, std::size_t granted,
                          const ProcessMachine::Wish& wish, const StepResult& result) {
  if (!result.isDone()) {
    network_.report.count(granted > 0 ? "lockAll given back" : "lockAll refused at the first");
    for (std::size_t i = granted; i-- > 0;) {
      if (!before[i]) actor->machine->unlock(oids[i]);
    }
  }
  const Record::Decided* const decided = record_.decided(actor->locker(), wish.id);
  if (decided != nullptr && !isFailure(result) && decided->granted != granted) {
    fail(actor->name + " was told of " + std::to_string(granted) + " locks, and " +
         std::to_string(decided->granted) + " were granted");
  }
  if (!result.isDone()) return;
  network_.report.count("lockAll granted");
  for (const Oid oid : oids) checkHeld(*actor, oid, wish.type);
  network_.agenda.in(Duration(0), number_, [this, actor, oids] {
    for (const Oid oid : oids) {
      if (!actor->machine->isChanged(oid)) readHeld(actor, oid);
    }
  });
}

// As Object::set(), or as a collection that is added to.
bool SimClient::isChangedAtOnce(Actor& actor, Oid object) {
  ProcessMachine& machine = *actor.machine;
  actor.setsValues = !actor.setsValues;
  const bool done = actor.setsValues ? machine.replaceAtOnce(object, 0, 1) != nullptr
                                     : machine.changeAtOnce(object) != nullptr;
  if (!done) return false;
  network_.report.count("changed at once by a client");
  write(actor, object);
  return true;
}

void SimClient::write(const Actor& actor, Oid object) {
  ObjectRecord* const mine = actor.machine->changeable(object);
  if (mine == nullptr || actor.hasMade(object)) return;
  mine->values = {std::int64_t{mine->edition}};
  record_.changed(actor.locker(), object);
  const bool isSure = record_.isSignedOn(actor.locker()) && !record_.isRobbed(actor.locker());
  if (!isSure || mine->edition == record_.editionOf(object)) return;
  fail(actor.name + " changes edition " + std::to_string(mine->edition) + " of " +
       record_.nameOf(object) + ", not " + std::to_string(record_.editionOf(object)));
}

void SimClient::changeStep(const ActorPtr& actor, Oid object) {
  if (network_.waiting) return later(actor);
  if (temper_.mixesLocks) actor->machine->useUpdateLocks(network_.random.oneIn(2));
  if (temper_.atOnce) {
    bool done = false;
    actor->busy = true;
    const bool worked = wait([&] { done = isChangedAtOnce(*actor, object); });
    actor->busy = false;
    if (!worked) return leave(actor);
    if (done || actor->over) return later(actor);
  }
  const auto then = [this, actor, object](const StepResult& result) {
    if (result.isDone()) write(*actor, object);
  };
  waitingStep(actor, object, "update ", boundOf(LockTimeout::serverDefined()), then,
              [&](StepDone done) { actor->machine->change(object, std::move(done)); });
}

void SimClient::renewStep(const ActorPtr& actor, Oid object) {
  if (network_.waiting) return later(actor);
  actor->busy = true;
  bool renewed = false;
  wait([&] { renewed = actor->machine->renew(object); });
  actor->busy = false;
  network_.report.trace(network_.agenda, actor->name, renewed ? " renews " : " does not renew ",
                        record_.nameOf(object));
  if (!actor->over) later(actor);
}

void SimClient::readStep(const ActorPtr& actor, Oid object) {
  if (network_.waiting) return later(actor);
  const auto then = [this, actor, object](const StepResult& result) {
    if (!result.isDone() || actor->machine->isChanged(object)) return;
    checkRecord(actor->name + " read", result.record);
    if (!database_->lockKnown(actor->locker(), object)) return;
    checkLatest(*actor, "read", object, result.record);
  };
  waitingStep(actor, object, "read ", milliseconds(21'000) + kSlack, then,
              [&](StepDone done) { actor->machine->read(object, std::move(done)); });
}

// Some are left, and not too many are made.
void SimClient::createStep(const ActorPtr& actor) {
  constexpr std::size_t kMostObjects = 14;
  const auto& objects = record_.objects();
  if (network_.waiting || objects.size() >= kMostObjects) return later(actor);
  ProcessMachine& machine = *actor->machine;
  Oid made;
  std::optional<ErrorCode> error;
  actor->busy = true;
  const bool worked = wait([&] {
    made = machine.create(Lifetime::Persistent, objects.front().classNumber(), error, 1);
  });
  actor->busy = false;
  if (!worked) return leave(actor);
  if (actor->over || error) return later(actor);
  machine.changeable(made)->values = {std::int64_t{0}};
  record_.addNew(made);
  actor->made.push_back(made);
  network_.report.count("object created");
  network_.report.trace(network_.agenda, actor->name, " creates ", record_.nameOf(made));
  later(actor);
}

void SimClient::removeStep(const ActorPtr& actor, Oid object) {
  const auto& objects = record_.objects();
  const auto left = std::count_if(objects.begin(), objects.end(),
                                  [this](Oid each) { return record_.isThere(each); });
  if (network_.waiting || (left < 3 && !actor->hasMade(object))) return later(actor);
  const auto then = [this](const StepResult& result) {
    if (result.isDone()) network_.report.count("object deleted");
  };
  waitingStep(actor, object, "delete ", boundOf(LockTimeout::serverDefined()), then,
              [&](StepDone done) { actor->machine->remove(object, std::move(done)); });
}

// A step that may have to wait for the server before it asks for something.
void SimClient::waitingStep(const ActorPtr& actor, Oid object, const std::string& what,
                            milliseconds bound, const StepDone& then,
                            FunctionRef<void(StepDone)> start) {
  const std::uint64_t request = actor->machine->nextRequestId() + 1;
  const bool wasThere = record_.isThere(object) && !actor->machine->isChanged(object);
  const StepDone done = told(actor, what + record_.nameOf(object), bound, request,
                             [this, actor, object, wasThere, then](const StepResult& result) {
                               checkMissing(*actor, object, wasThere, result);
                               then(result);
                             });
  const auto asked = asked_.back();
  const bool worked = wait([&] { start(done); });
  if (worked || asked->answered) return;
  asked_.remove(asked);
  actor->busy = false;
  leave(actor);
}

// --- Commits -------------------------------------------------------------------------------------

void SimClient::commitStep(const ActorPtr& actor) {
  ProcessMachine& machine = *actor->machine;
  const std::uint64_t request = machine.nextRequestId() + 1;
  const CommitId id{actor->locker().value, ++actor->commits};
  bool empty = true;
  for (const Oid oid : record_.objects()) empty = empty && !machine.isChanged(oid);
  // However long the server writes.
  const milliseconds bound =
      boundOf(LockTimeout::serverDefined()) + milliseconds(temper_.slowestCommit);
  machine.commit(Lifetime::Persistent, told(actor, "commit", bound, request,
                                            [this, actor, id, empty](const StepResult& result) {
                                              committed(actor, id, empty, result);
                                            }));
}

void SimClient::committed(const ActorPtr& actor, const CommitId& id, bool empty,
                          const StepResult& result) {
  if (result.isDone()) {
    actor->states.clear();
    actor->made.clear();
    record_.transactionEnded(actor->locker());
    if (!record_.hasCommitted(id)) fail(actor->name + " was told of a commit that did not happen");
    return;
  }
  if (result.outcome == StepResult::Outcome::Failed && result.code == ErrorCode::CommitUnknown) {
    network_.report.count("commit unknown");
    if (result.commit != id) fail(actor->name + ": the unknown commit is another one");
    if (temper_.goesOnAfterUnknown) {
      return abort(*actor);
    }
    leave(actor);
    SimClient* const asks = others.empty() || !network_.random.oneIn(4) ? this : others.front();
    network_.agenda.in(milliseconds(1 + network_.random.below(400)), asks->number_,
                       [asks, id] { asks->askOutcome(id); });
    return;
  }
  // The client has refused it itself, and given it no number.
  const bool isOwn =
      result.code == ErrorCode::LockLapsed && !record_.decided(actor->locker(), actor->request);
  if (isOwn) --actor->commits;
  if (!empty && !isOwn && record_.hasCommitted(id)) {
    fail(actor->name + " was told that its commit did not happen: it did");
  }
  if (result.outcome != StepResult::Outcome::Failed) return;
  abort(*actor);
}

void SimClient::abort(Actor& actor) {
  actor.machine->abort(Lifetime::Persistent);
  record_.transactionEnded(actor.locker());
  actor.states.clear();
  actor.made.clear();
}

void SimClient::askOutcome(const CommitId& commit) {
  if (stopping_ || !database_) return;
  const auto again = [&] {
    network_.agenda.in(milliseconds(50), number_, [this, commit] { askOutcome(commit); });
  };
  if (network_.waiting) return again();
  std::optional<CommitOutcome> outcome;
  wait([&] { outcome = database_->commitOutcome(commit); });
  if (!outcome) return again();
  const bool yes = *outcome == CommitOutcome::Committed;
  network_.report.count(yes ? "unknown: committed" : "unknown: not committed");
  if (!yes) record_.toldNotCommitted(commit);
  if (yes != record_.hasCommitted(commit)) fail("the outcome of a commit is told wrongly");
}

}  // namespace nephrite

#include "tests/network/sim_client.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "runtime/exceptions.h"

namespace nephrite {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSlack{2'000};  // The client's own, and one second more.

/// A commit that the server refused: the process goes on.
bool isAnswered(ErrorCode code) {
  return code == ErrorCode::StoreFailed || code == ErrorCode::StaleObject ||
         code == ErrorCode::LockLost;
}

bool isFailure(ErrorCode code) {
  switch (code) {
    case ErrorCode::ConnectionLost:
    case ErrorCode::CommitUnknown:
    case ErrorCode::NoAnswer:
    case ErrorCode::ServerRefused: return true;
    default: return isAnswered(code);
  }
}

std::string wordsOf(const StepResult& result) {
  const std::string code = " " + std::to_string(numberOf(result.code));
  switch (result.outcome) {
    case StepResult::Outcome::Done: return "granted";
    case StepResult::Outcome::Refused: return "refused" + code;
    case StepResult::Outcome::TimedOut: return "timeout" + code;
    case StepResult::Outcome::Deadlock: return "deadlock" + code;
    case StepResult::Outcome::Cancelled:
    case StepResult::Outcome::Failed: return "error" + code;
  }
  return "?";
}

int strengthOf(LockType type) {
  switch (type) {
    case LockType::Share: return 1;
    case LockType::Reserve: return 2;
    case LockType::Update: return 3;
    case LockType::Exclusive: return 4;
    case LockType::Get: break;
  }
  return 0;
}

}  // namespace

SimClient::SimClient(SimNetwork& network, Record& record, int number, const ClientTemper& temper)
    : network_(network),
      record_(record),
      number_(number),
      temper_(temper),
      carrier_(network, number) {
  carrier_.received = [this](const std::vector<LockInfo>& held) { received(held); };
}

void SimClient::start() {
  database_ = std::make_unique<RemoteDatabase>(carrier_, network_.agenda.clock(), temper_.database);
  signOnNode();
}

void SimClient::fail(const std::string& what) {
  network_.report.fail("client " + std::to_string(number_) + ": " + what);
}

// --- Asking --------------------------------------------------------------------------------------

std::shared_ptr<SimClient::Asked> SimClient::ask(const std::string& what, milliseconds bound) {
  const auto asked = std::make_shared<Asked>();
  asked->what = what;
  asked->since = network_.agenda.runningTime(number_);
  asked->bound = bound;
  asked_.push_back(asked);
  network_.report.trace(network_.agenda, what);
  return asked;
}

void SimClient::answered(const std::shared_ptr<Asked>& asked) {
  if (asked->answered) return fail(asked->what + " was answered twice");
  asked->answered = true;
  asked_.remove(asked);
  const Duration took = network_.agenda.runningTime(number_) - asked->since;
  if (took > asked->bound) {
    fail(asked->what + " was answered after " +
         std::to_string(std::chrono::duration_cast<milliseconds>(took).count()) + " ms, not " +
         std::to_string(asked->bound.count()));
  }
}

bool SimClient::isAsking() const { return !asked_.empty(); }

milliseconds SimClient::boundOf(LockTimeout timeout) const {
  if (timeout.isWait()) return timeout.wait() + kSlack;
  if (timeout.isImmediate()) return kSlack;
  return milliseconds(10'000) + kSlack;
}

// Only one in the whole world waits at a time: who waits runs the world meanwhile.
template <typename Call>
bool SimClient::wait(Call call) {
  network_.waiting = true;
  bool worked = true;
  try {
    call();
  } catch (const SystemException& failure) {
    network_.report.trace(network_.agenda, std::string("  waited in vain: "), failure.what());
    worked = false;
  }
  network_.waiting = false;
  return worked;
}

// --- Signing on ----------------------------------------------------------------------------------

void SimClient::signOnNode() {
  if (stopping_ || !database_) return;
  signingOn_ = true;
  const auto& options = temper_.database;
  const auto asked = ask("c" + std::to_string(number_) + " signs its node on",
                         options.session.connectTimeout + options.backgroundTimeout + kSlack);
  database_->signOnNode(
      {.name = "c" + std::to_string(number_)}, [this, asked](const NodeReply& reply) {
        answered(asked);
        if (!reply.node) {
          network_.agenda.in(milliseconds(100), number_, [this] { signOnNode(); });
          return;
        }
        node_ = reply.node->oid;
        network_.agenda.in(milliseconds(1), number_, [this, node = node_] {
          signingOn_ = false;
          for (int i = 0; i < temper_.processes; ++i) signOnProcess(node);
        });
      });
}

void SimClient::signOnProcess(Oid node) {
  if (stopping_) return;
  const auto actor = std::make_shared<Actor>();
  actor->name = "c" + std::to_string(number_) + "." + std::to_string(++lastActor_);
  actors_.push_back(actor);
  const int priority = network_.random.below(3) - 1;
  ProcessSignOn who{node, actor->name + "/" + std::to_string(priority), "",
                    network_.random.oneIn(6)};
  const auto& options = temper_.database;
  const auto asked = ask(actor->name + " signs on",
                         options.session.connectTimeout + options.backgroundTimeout + kSlack);
  database_->signOnProcess(who, [this, actor, asked, priority](const ProcessReply& reply) {
    answered(asked);
    if (!reply.process) {
      actor->over = true;
      return replaceLost();
    }
    actor->session = std::make_unique<Session>(*database_, *reply.process);
    actor->session->setDeadlockPriority(Lifetime::Persistent, priority);
    actor->session->useUpdateLocks(network_.random.oneIn(temper_.updateLocksOneIn));
    later(actor);
  });
}

// When all are gone, the client begins anew.
void SimClient::replaceLost() {
  const auto isOver = [](const ActorPtr& actor) { return actor->over; };
  if (signingOn_ || !std::all_of(actors_.begin(), actors_.end(), isOver)) return;
  gone_.insert(gone_.end(), actors_.begin(), actors_.end());
  actors_.clear();
  signingOn_ = true;
  network_.agenda.in(milliseconds(20), number_, [this] {
    if (!database_) return;
    if (network_.random.oneIn(2)) database_->signOffNode(node_);
    signOnNode();
  });
}

void SimClient::leave(const ActorPtr& actor) {
  actor->over = true;
  if (database_ && actor->session) actor->session->signOff();
  replaceLost();
}

// --- Steps ---------------------------------------------------------------------------------------

void SimClient::later(const ActorPtr& actor) {
  network_.agenda.in(milliseconds(1 + network_.random.below(temper_.pause)), number_,
                     [this, actor] { step(actor); });
}

StepDone SimClient::told(const ActorPtr& actor, const std::string& what, milliseconds bound,
                         std::uint64_t request, std::function<void(const StepResult&)> then) {
  const auto asked = ask(actor->name + " " + what, bound);
  actor->busy = true;
  actor->request = request;
  return [this, actor, what, asked, request, then = std::move(then)](const StepResult& result) {
    answered(asked);
    actor->busy = false;
    network_.report.trace(network_.agenda, actor->name, " ", what, ": ", wordsOf(result));
    compare(*actor, what, request, result);
    if (then) then(result);
    if (actor->over) return;
    if (result.outcome == StepResult::Outcome::Failed && isFailure(result.code)) {
      network_.report.count("failure " + std::to_string(numberOf(result.code)));
      if (result.code == ErrorCode::NoAnswer) {
        // It may still wait there: withdraw it, and go on.
        actor->session->cancel(request);
        if (network_.random.oneIn(2)) return leave(actor);
      } else if (!isAnswered(result.code)) {
        return leave(actor);
      }
    }
    later(actor);
  };
}

void SimClient::compare(const Actor& actor, const std::string& what, std::uint64_t request,
                        const StepResult& result) {
  if (result.outcome == StepResult::Outcome::Failed && isFailure(result.code)) return;
  const auto decided = record_.decided(actor.locker(), request);
  const std::string words = wordsOf(result);
  network_.report.count("told " + words);
  if (decided) {
    const bool same = *decided == words || (*decided == "committed" && words == "granted");
    if (!same)
      fail(actor.name + " " + what + " was told '" + words + "', decided '" + *decided + "'");
  } else if (result.outcome != StepResult::Outcome::Done &&
             result.outcome != StepResult::Outcome::Failed && record_.isSignedOn(actor.locker())) {
    fail(actor.name + " " + what + " was told '" + words + "', and nobody decided it");
  }
}

void SimClient::checkRecord(const std::string& what, const RecordPtr& record) {
  if (record == nullptr || record->values.empty()) return fail(what + ": no object");
  const auto value = std::get<std::int64_t>(record->values.front());
  if (value != record->edition - 1) {
    fail(what + ": edition " + std::to_string(record->edition) + " has the value " +
         std::to_string(value));
  }
}

// Who holds a lock reads what was committed last, also by another process of its node.
void SimClient::checkLatest(const Actor& actor, const std::string& what, Oid object,
                            const RecordPtr& record) {
  const auto latest = record_.editionOf(object);
  if (isUntold(actor.locker(), object)) return;
  if (!record || !record_.isSignedOn(actor.locker()) || record->edition == latest) return;
  fail(actor.name + " " + what + " " + record_.nameOf(object) + ": saw edition " +
       std::to_string(record->edition) + ", not " + std::to_string(latest));
}

// Who was told of a grant holds the lock, as far as it knows; unless an operator has taken it
// since.
void SimClient::checkHeld(const Actor& actor, Oid object, LockType asked) {
  if (record_.isBroken(actor.locker(), object) || record_.isForcedOff(actor.locker())) return;
  const auto held = database_->lockKnown(actor.locker(), object);
  if (!held || strengthOf(held->type) < strengthOf(asked)) {
    fail(actor.name + " was granted " + record_.nameOf(object) + " and does not hold it");
  }
}

void SimClient::step(const ActorPtr& actor) {
  if (stopping_ || actor->over || !database_) return;
  Random& random = network_.random;
  const auto& objects = record_.objects();
  const Oid object =
      objects.at(static_cast<std::size_t>(random.below(static_cast<int>(objects.size()))));
  Session& session = *actor->session;
  const bool inTransaction = session.isInTransaction(Lifetime::Persistent);
  if (temper_.operatorOneIn != 0 && random.oneIn(temper_.operatorOneIn)) {
    return operatorStep(actor, object);
  }
  const int chosen = random.below(100);
  if (chosen < 35) return lockStep(actor, object);
  if (chosen < 60) {
    if (!inTransaction) session.begin(Lifetime::Persistent);
    return changeStep(actor, object);
  }
  if (chosen < 66) return readStep(actor, object);
  if (chosen < 84 && inTransaction) return commitStep(actor);
  if (chosen < 88) {
    session.abort(Lifetime::Persistent);
    actor->states.clear();
    network_.report.trace(network_.agenda, actor->name, " abort");
  } else if (chosen < 92) {
    session.unlock(object);
    network_.report.trace(network_.agenda, actor->name, " unlock");
  } else if (chosen < 98) {
    stateStep(actor);
  } else if (chosen == 98) {
    network_.report.trace(network_.agenda, actor->name, " signs off");
    return leave(actor);
  } else if (!inTransaction) {
    session.begin(Lifetime::Persistent);
  }
  later(actor);
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
    network_.report.trace(network_.agenda, actor->name, " takes ", record_.nameOf(object), " from ",
                          whom);
    bool taken = false;
    wait([&] { taken = database_->breakLock(victim, object, by); });
    if (taken) network_.report.count("lock taken by force");
  }
  later(actor);
}

bool SimClient::isUntold(LockerId locker, Oid object) const {
  if (record_.isForcedOff(locker)) return true;
  if (!record_.isBroken(locker, object)) return false;
  if (database_ && database_->lockKnown(locker, object)) return true;
  record_.toldBroken(locker, object);
  return false;
}

void SimClient::stateStep(const ActorPtr& actor) {
  Session& session = *actor->session;
  if (actor->states.empty() || network_.random.oneIn(3)) {
    actor->states.push_back(network_.random.oneIn(2) ? StateKind::Load : StateKind::Lock);
    session.beginState(actor->states.back());
    network_.report.trace(network_.agenda, actor->name, " beginState");
    return;
  }
  session.endState(actor->states.back());
  actor->states.pop_back();
  network_.report.trace(network_.agenda, actor->name, " endState");
}

void SimClient::lockStep(const ActorPtr& actor, Oid object) {
  Random& random = network_.random;
  constexpr std::array kTypes{LockType::Share, LockType::Reserve, LockType::Update,
                              LockType::Exclusive};
  constexpr std::array kTimeouts{-1, 0, -2, 30, 200, 800};
  Session& session = *actor->session;
  Session::Wish wish;
  wish.target = object;
  wish.type = kTypes.at(static_cast<std::size_t>(random.below(4)));
  if (random.oneIn(temper_.sessionOneIn)) wish.duration = LockDuration::Session;
  wish.timeout =
      LockTimeout::ofMilliseconds(kTimeouts.at(static_cast<std::size_t>(random.below(6))));
  wish.id = session.nextRequestId();
  const LockType type = wish.type;
  if (random.oneIn(temper_.cancelOneIn)) {
    network_.agenda.in(milliseconds(1 + random.below(200)), number_, [this, actor, id = wish.id] {
      if (actor->over || !actor->busy || actor->request != id || !database_) return;
      network_.report.trace(network_.agenda, actor->name, " cancels");
      actor->session->cancel(id);
    });
  }
  session.lock(wish, told(actor, "lock " + record_.nameOf(object), boundOf(wish.timeout), wish.id,
                          [this, actor, object, type](const StepResult& result) {
                            if (result.isDone()) checkHeld(*actor, object, type);
                            if (!result.isDone() || actor->session->isChanged(object)) return;
                            checkRecord(actor->name + " lock", result.record);
                            checkLatest(*actor, "lock", object, result.record);
                            network_.agenda.in(Duration(0), number_,
                                               [this, actor, object] { readHeld(actor, object); });
                          }));
}

void SimClient::readHeld(const ActorPtr& actor, Oid object) {
  if (!database_ || actor->over || network_.waiting) return;
  RecordPtr record;
  const bool worked = wait([&] { record = database_->fetch(object); });
  if (!worked || !database_->lockKnown(actor->locker(), object)) return;
  checkLatest(*actor, "read", object, record);
}

void SimClient::changeStep(const ActorPtr& actor, Oid object) {
  if (network_.waiting) return later(actor);
  Session& session = *actor->session;
  const std::uint64_t request = session.nextRequestId() + 1;
  const StepDone done =
      told(actor, "update " + record_.nameOf(object), boundOf(LockTimeout::serverDefined()),
           request, [actor, object](const StepResult& result) {
             if (!result.isDone()) return;
             ObjectRecord* const mine = actor->session->changeable(object);
             if (mine != nullptr) mine->values = {std::int64_t{mine->edition}};
           });
  const auto asked = asked_.back();
  const bool worked = wait([&] { session.change(object, done); });
  if (worked || asked->answered) return;
  asked_.remove(asked);
  actor->busy = false;
  leave(actor);
}

void SimClient::readStep(const ActorPtr& actor, Oid object) {
  if (network_.waiting) return later(actor);
  Session& session = *actor->session;
  const std::uint64_t request = session.nextRequestId() + 1;
  const StepDone done = told(actor, "read " + record_.nameOf(object), milliseconds(21'000) + kSlack,
                             request, [this, actor, object](const StepResult& result) {
                               if (!result.isDone() || actor->session->isChanged(object)) return;
                               checkRecord(actor->name + " read", result.record);
                             });
  const auto asked = asked_.back();
  const bool worked = wait([&] { session.read(object, done); });
  if (worked || asked->answered) return;
  asked_.remove(asked);
  actor->busy = false;
  leave(actor);
}

// --- Commits -------------------------------------------------------------------------------------

void SimClient::commitStep(const ActorPtr& actor) {
  Session& session = *actor->session;
  const std::uint64_t request = session.nextRequestId() + 1;
  const CommitId id{actor->locker().value, ++actor->commits};
  bool empty = true;
  for (const Oid oid : record_.objects()) empty = empty && !session.isChanged(oid);
  // However long the server writes.
  const milliseconds bound =
      boundOf(LockTimeout::serverDefined()) + milliseconds(temper_.slowestCommit);
  session.commit(Lifetime::Persistent, told(actor, "commit", bound, request,
                                            [this, actor, id, empty](const StepResult& result) {
                                              committed(actor, id, empty, result);
                                            }));
}

void SimClient::committed(const ActorPtr& actor, const CommitId& id, bool empty,
                          const StepResult& result) {
  if (result.isDone()) {
    actor->states.clear();
    if (!record_.hasCommitted(id)) fail(actor->name + " was told of a commit that did not happen");
    return;
  }
  if (result.outcome == StepResult::Outcome::Failed && result.code == ErrorCode::CommitUnknown) {
    network_.report.count("commit unknown");
    if (result.commit != id) fail(actor->name + ": the unknown commit is another one");
    if (temper_.goesOnAfterUnknown) {
      actor->session->abort(Lifetime::Persistent);
      actor->states.clear();
      return;
    }
    leave(actor);
    SimClient* const asks = others.empty() || !network_.random.oneIn(4) ? this : others.front();
    network_.agenda.in(milliseconds(1 + network_.random.below(400)), asks->number_,
                       [asks, id] { asks->askOutcome(id); });
    return;
  }
  if (!empty && record_.hasCommitted(id)) {
    fail(actor->name + " was told that its commit did not happen: it did");
  }
  if (result.outcome != StepResult::Outcome::Failed) return;
  actor->session->abort(Lifetime::Persistent);
  actor->states.clear();
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

// --- Views ---------------------------------------------------------------------------------------

std::vector<SimClient::Belief> SimClient::beliefs() const {
  std::vector<Belief> all;
  if (!isConnected()) return all;
  for (const ActorPtr& actor : actors_) {
    if (actor->over || actor->busy || !actor->session) continue;
    for (const Oid oid : record_.objects()) {
      const auto held = database_->lockKnown(actor->locker(), oid);
      if (held) all.push_back({actor->locker(), oid, held->type});
    }
  }
  return all;
}

void SimClient::received(const std::vector<LockInfo>& held) {
  for (const Belief& belief : beliefs()) {
    if (isUntold(belief.locker, belief.object)) continue;
    const bool agreed = std::any_of(held.begin(), held.end(), [&](const LockInfo& lock) {
      return lock.requestedBy == belief.locker && lock.target.value == belief.object.bits() &&
             strengthOf(lock.type) >= strengthOf(belief.type);
    });
    if (!agreed) {
      fail(record_.nameOf(belief.locker) + " believes it holds " + record_.nameOf(belief.object) +
           " as " + std::string(nameOf(belief.type)) + "; the server does not");
    }
  }
}

void SimClient::checkViews(const Database& server) {
  if (!isConnected()) return;
  for (const ActorPtr& actor : actors_) {
    if (actor->over || !actor->session) continue;
    if (actor->busy) return fail(actor->name + " is still not answered");
    for (const Oid oid : record_.objects()) {
      const auto mine = database_->lockKnown(actor->locker(), oid);
      const auto theirs = server.lockStatus(actor->locker(), oid);
      const bool same = mine.has_value() == theirs.has_value() &&
                        (!mine || (mine->type == theirs->type && mine->session == theirs->session &&
                                   mine->level == theirs->level && mine->token <= theirs->token));
      if (!same) {
        const auto words = [](const std::optional<LockInfo>& lock) {
          if (!lock) return std::string("nothing");
          return std::string(nameOf(lock->type)) + " session " +
                 std::string(nameOf(lock->session)) + " level " + std::to_string(lock->level);
        };
        fail(actor->name + " on " + record_.nameOf(oid) + ": the client has " + words(mine) +
             ", the server " + words(theirs));
      }
    }
  }
  for (const Oid oid : record_.objects()) {
    RecordPtr seen;
    if (!wait([&] { seen = database_->fetch(oid); })) return fail("cannot read at rest");
    checkRecord("at rest", seen);
    if (seen && seen->edition != record_.editionOf(oid)) {
      fail("at rest " + record_.nameOf(oid) + " has edition " + std::to_string(seen->edition) +
           " here, and " + std::to_string(record_.editionOf(oid)) + " in truth");
    }
  }
}

}  // namespace nephrite

#include "tests/network/sim_client.h"

#include <algorithm>
#include <utility>

#include "runtime/errors/exceptions.h"

namespace nephrite {
namespace {

using std::chrono::milliseconds;

/// A commit that the server refused: the process goes on.
bool isAnswered(ErrorCode code) {
  return code == ErrorCode::StoreFailed || code == ErrorCode::StaleObject ||
         code == ErrorCode::LockLost || code == ErrorCode::LockLapsed;
}

}  // namespace

SimClient::SimClient(SimNetwork& network, Record& record, int number, const ClientTemper& temper)
    : network_(network),
      record_(record),
      number_(number),
      temper_(temper),
      carrier_(network, number) {
  carrier_.received = [this](const HeardOf& heard) { received(heard); };
}

void SimClient::start() {
  database_ = std::make_unique<RemoteDatabase>(carrier_, network_.agenda.clock(), temper_.database);
  signOnNode();
}

void SimClient::close() {
  if (!database_) return;
  database_->close();  // What is still asked for is answered, which the machines wait for.
  for (const auto* const all : {&gone_, &actors_}) {
    for (const ActorPtr& actor : *all) actor->machine.reset();
  }
  database_.reset();
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

bool SimClient::isFailure(const StepResult& result) {
  if (result.outcome != StepResult::Outcome::Failed) return false;
  switch (result.code) {
    case ErrorCode::ConnectionLost:
    case ErrorCode::CommitUnknown:
    case ErrorCode::NoAnswer:
    case ErrorCode::ServerRefused: return true;
    default: return isAnswered(result.code);
  }
}

bool SimClient::isAsking() const { return !asked_.empty(); }

milliseconds SimClient::boundOf(LockTimeout timeout) const {
  if (timeout.isWait()) return timeout.wait() + kSlack;
  if (timeout.isImmediate()) return kSlack;
  return milliseconds(10'000) + kSlack;
}

// Only one in the whole world waits at a time: who waits runs the world meanwhile.
bool SimClient::wait(FunctionRef<void()> call) {
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
    if (temper_.readsOthers && result.isDone()) {
      network_.agenda.in(Duration(0), number_,
                         [this, actor, request] { readOther(actor, request); });
    }
    if (isFailure(result)) {
      network_.report.count("failure " + std::to_string(numberOf(result.code)));
      if (result.code == ErrorCode::NoAnswer) {
        // It may still wait there: withdraw it, and go on.
        actor->machine->cancel(request);
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
  const bool isLost = isFailure(result) &&
                      (result.code == ErrorCode::LockLost || result.code == ErrorCode::StaleObject);
  if (isLost && !record_.isRobbed(actor.locker())) {
    fail(actor.name + " " + what + " has lost a lock that nobody took");
  }
  if (result.code == ErrorCode::LockLapsed && !record_.hasLapsed(actor.locker())) {
    fail(actor.name + " " + what + " was told of a lapse that nobody noted");
  }
  if (isFailure(result)) return;
  const Record::Decided* const decided = record_.decided(actor.locker(), request);
  // The lock is held, and the change is refused for what a relative has done.
  const bool isForRelative =
      result.code == ErrorCode::ChangedByRelative || result.code == ErrorCode::UpdatedBeforeUpgrade;
  if (actor.isInFamily && isForRelative && decided && decided->words == "granted") return;
  const std::string words = wordsOf(result);
  network_.report.count("told " + words);
  if (decided) {
    const bool same =
        decided->words == words || (decided->words == "committed" && words == "granted");
    if (!same)
      fail(actor.name + " " + what + " was told '" + words + "', decided '" + decided->words + "'");
  } else if (result.outcome != StepResult::Outcome::Done &&
             result.outcome != StepResult::Outcome::Failed && record_.isSignedOn(actor.locker())) {
    fail(actor.name + " " + what + " was told '" + words + "', and nobody decided it");
  }
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

void SimClient::signOnProcess(Oid node, const ActorPtr& parent) {
  if (stopping_) return;
  const auto actor = std::make_shared<Actor>();
  actor->name = "c" + std::to_string(number_) + "." + std::to_string(++lastActor_);
  actors_.push_back(actor);
  const int priority = network_.random.below(3) - 1;
  ProcessSignOn who{node, actor->name + "/" + std::to_string(priority), "",
                    network_.random.oneIn(6)};
  if (parent) who.parent = parent->locker();
  actor->parent = parent;
  const auto& options = temper_.database;
  const auto asked = ask(actor->name + " signs on",
                         options.session.connectTimeout + options.backgroundTimeout + kSlack);
  database_->signOnProcess(who, [this, actor, asked, priority](const ProcessReply& reply) {
    answered(asked);
    if (!reply.process) {
      actor->over = true;
      return replaceLost();
    }
    actor->machine = std::make_unique<ProcessMachine>(*database_, *reply.process);
    actor->machine->setDeadlockPriority(Lifetime::Persistent, priority);
    actor->machine->useUpdateLocks(network_.random.oneIn(temper_.updateLocksOneIn));
    if (actor->parent) {
      actor->isInFamily = actor->parent->isInFamily = true;
      actor->machine->joinFamily();
      if (actor->parent->machine) actor->parent->machine->joinFamily();
    }
    if (!actor->over) later(actor);
  });
}

void SimClient::signOnChild(const ActorPtr& actor) {
  constexpr int kMostActors = 6;
  const auto there = std::count_if(actors_.begin(), actors_.end(),
                                   [](const ActorPtr& each) { return !each->over; });
  if (there < kMostActors) signOnProcess(node_, actor);
  later(actor);
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

void SimClient::leave(const ActorPtr& actor, bool toParent) {
  for (const ActorPtr& each : actors_) {
    for (Actor* above = each.get(); above != nullptr; above = above->parent.get()) {
      if (above == actor.get()) each->over = true;
    }
  }
  actor->over = true;
  if (database_ && actor->machine) {
    record_.transactionEnded(actor->locker());
    if (toParent) {
      actor->machine->signOffToParent(actor->parent->machine->level());
    } else {
      actor->machine->signOff();
    }
  }
  replaceLost();
}

bool SimClient::hasBusyRelative(const Actor& actor) const {
  return actor.isInFamily && std::any_of(actors_.begin(), actors_.end(), [&](const ActorPtr& each) {
           return each.get() != &actor && each->isInFamily && each->busy;
         });
}

}  // namespace nephrite

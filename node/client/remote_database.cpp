#include "node/client/remote_database.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/answer_wait.h"
#include "base/check.h"
#include "base/log.h"
#include "objects/object_store.h"
#include "runtime/database/sign_on_names.h"
#include "runtime/database/system_class.h"
#include "runtime/errors/exceptions.h"

namespace nephrite {
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t kOidsAtOnce = 64;

[[noreturn]] void throwFailure(const RequestFailure& failure) {
  if (const auto refused = storeExceptionOf(failure)) throw StoreException(*refused);
  if (failure.code == ErrorCode::WrongValueType) throw std::invalid_argument(failure.what);
  if (failure.code == ErrorCode::TooLarge) throw UsageException(failure.code, failure.what);
  throw ConnectionException(failure.code, failure.what);
}

}  // namespace

RemoteDatabase::RemoteDatabase(Carrier& carrier, const Clock& clock, const Options& options)
    : carrier_(carrier),
      clock_(clock),
      options_(options),
      backgroundTimeout_(options.backgroundTimeout.count()),
      cache_(options.cacheBytes),
      names_([this](Oid oid, std::uint64_t times) {
        session_->tell(wire::DropResource{oid, times});
      }) {
  takeClasses({}, true);
  LockedStore::Options sharedOptions;
  sharedOptions.locks.backgroundTimeout = options.backgroundTimeout;
  sharedOptions.locks.waitBegan = [this](Instant deadline) {
    if (timer_) timer_->deadlineAdded(deadline);
  };
  sharedOptions.lapsed = [this](const LockAnswer& answer) { lapseWatch_.tell(answer); };
  shared_ = std::make_unique<LockedStore>(
      makeTransientStore(
          {.schema = [this] { return schema(); },
           .defineClass = [this](const ClassDef& wanted) { return defineClass(wanted); }}),
      clock, sharedOptions);
  if (options.threads) {
    timer_ = std::make_unique<LockTimer>(clock, [this] {
      while (shared_->expireNext(clock_.now())) {
      }
      return shared_->nextDeadline();
    });
  }
  session_ = std::make_unique<ClientSession>(
      carrier_, clock, options.session,
      ClientSession::Events{[this](const wire::Welcome& welcome) { began(welcome); },
                            [this](const RequestFailure& why) {
                              lost(why);
                              if (options_.noticed) options_.noticed();
                            },
                            [this](wire::FromServer& message, const Arrived& arrived) {
                              pushed(message, arrived);
                              if (options_.noticed) options_.noticed();
                            }});
}

RemoteDatabase::~RemoteDatabase() {
  session_->close();
  names_.forgetResources();
  session_.reset();
}

// --- Events of the session -----------------------------------------------------------------------

void RemoteDatabase::began(const wire::Welcome& welcome) {
  coherent_ = options_.coherent && welcome.coherent;
  mostObjectBytes_ = welcome.maxFrame - std::min(welcome.maxFrame, wire::kRoomBesideObject);
  takeClasses(welcome.classes, true);
  shared_->locks().setTimeouts(welcome.serverTimeout, backgroundTimeout());
  MutexLock hold(mutex_);
  system_ = welcome.system;
  systemNodes_ = welcome.systemNodes;
}

void RemoteDatabase::lost(const RequestFailure& why) {
  std::vector<LockerId> lockers;
  {
    MutexLock hold(mutex_);
    for (auto& [locker, known] : lockers_) {
      if (known.lost) continue;
      known.lost = why;
      ++lostLockers_;
      lockers.push_back({locker});
    }
  }
  held_.clear();
  names_.forgetResources();
  cache_.clear();
  forgetLateGrants([](LockerId) { return true; });
  for (const LockerId locker : lockers) shared_->signOff(locker);
}

void RemoteDatabase::checkReach(LockerId locker) const {
  if (lostLockers_ == 0) return;
  RequestFailure why;
  {
    MutexLock hold(mutex_);
    const auto known = lockers_.find(locker.value);
    if (known == lockers_.end() || !known->second.lost) return;
    why = *known->second.lost;
  }
  throwFailure(why);
}

void RemoteDatabase::pushed(wire::FromServer& message, const Arrived& arrived) {
  if (const auto* const stale = std::get_if<wire::Invalidate>(&message)) {
    if (stale->all) cache_.clear();
    for (const wire::Stale& one : stale->objects) cache_.drop(one.oid);
  } else if (const auto* const classes = std::get_if<wire::ClassesChanged>(&message)) {
    takeClasses(classes->classes, false);
  } else if (const auto* const broken = std::get_if<wire::LockBroken>(&message)) {
    held_.taken(broken->locker, broken->target);
    log(LogLevel::Warning, "lock.broken",
        {{"object", show(broken->target)}, {"process", std::to_string(broken->locker.value)}});
  } else if (const auto* const off = std::get_if<wire::SignedOff>(&message)) {
    log(LogLevel::Warning, "process.forced_off",
        {{"process", std::to_string(off->locker.value)}, {"reason", off->reason}});
    loses(off->locker, {ErrorCode::ConnectionLost,
                        "an operator has signed the process off (" + off->reason +
                            "); its locks are free and its changes dropped: sign on again"});
  } else if (const auto* const one = std::get_if<wire::LockLapsed>(&message)) {
    lapsed(*one);
  } else if (const auto* const left = std::get_if<wire::LocksInherited>(&message)) {
    inherited(*left, arrived);
  } else if (const auto* const notice = std::get_if<wire::Notice>(&message)) {
    if (notice->serverTimeout) {
      shared_->locks().setTimeouts(*notice->serverTimeout, backgroundTimeout());
    }
    log(LogLevel::Warning, "server.notice",
        {{"server", carrier_.server()}, {"what", notice->what}});
  }
}

// A class once known never changes but by growing.
void RemoteDatabase::takeClasses(const std::vector<ClassDef>& classes, bool all) {
  MutexLock hold(mutex_);
  auto taken = all ? std::make_shared<const Schema>(std::vector<Schema::ClassPtr>{}) : schema_;
  for (const ClassDef& one : classes) {
    const auto sameName = taken->find(one.name);
    if (sameName != nullptr && sameName->number != one.number) continue;  // A server's mistake.
    taken = taken->with(std::make_shared<const ClassDef>(one));
  }
  schema_ = std::move(taken);
}

// --- Asking and waiting --------------------------------------------------------------------------

void RemoteDatabase::awaitConnection() {
  if (isConnected()) return;
  call<wire::StatusReply>([](wire::RequestId id) {
    return wire::Look{id, wire::Subject::Status, Oid(), LockerId(), 0};
  });
}

ClientAnswer RemoteDatabase::await(ClientSession::Request request) const {
  NEPHRITE_CHECK(!carrier_.isOwnThread() && "a callback must not wait for the server");
  const auto wait = std::make_shared<AnswerWait<ClientAnswer>>();
  const auto before = std::move(request.answer);
  request.answer = [wait, before](ClientAnswer answer, const Arrived& arrived) {
    if (before) before(answer, arrived);
    wait->complete(std::move(answer));
  };
  AnswerFetch fetch(carrier_.answers());
  session_->ask(std::move(request));
  while (!wait->isComplete() && carrier_.pump()) {
  }
  fetch.await(*wait);
  return wait->get();
}

wire::FromServer RemoteDatabase::ask(
    std::function<wire::FromClient(wire::RequestId)> message) const {
  ClientSession::Request request;
  request.message = std::move(message);
  request.waitsForSession = true;
  ClientAnswer answer = await(std::move(request));
  if (const auto* const failure = std::get_if<RequestFailure>(&answer)) throwFailure(*failure);
  return std::get<wire::FromServer>(std::move(answer));
}

RequestFailure RemoteDatabase::nonsense() {
  return {ErrorCode::ServerRefused, "the server answered something else than was asked for"};
}

void RemoteDatabase::throwNonsense() { throwFailure(nonsense()); }

wire::Status RemoteDatabase::serverStatus() const {
  return call<wire::StatusReply>([](wire::RequestId id) {
           return wire::Look{id, wire::Subject::Status, Oid(), LockerId(), 0};
         })
      .status;
}

milliseconds RemoteDatabase::backgroundTimeout() const {
  return milliseconds(backgroundTimeout_.load());
}

void RemoteDatabase::setBackgroundTimeout(milliseconds timeout) {
  backgroundTimeout_ = timeout.count();
  shared_->locks().setTimeouts(session_->serverTimeout(), timeout);
}

// --- Nodes and processes -------------------------------------------------------------------------

void RemoteDatabase::signOnNode(const NodeSignOn& who, std::function<void(const NodeReply&)> done) {
  if (auto fault = faultOfNames(who)) {
    NodeReply refused;
    refused.lock.outcome = LockOutcome::Cancelled;
    refused.failure = std::move(fault);
    return done(refused);
  }
  ClientSession::Request request;
  request.waitsForSession = true;
  request.bound = backgroundTimeout() + kSlack;
  const milliseconds background = who.backgroundTimeout.value_or(backgroundTimeout());
  request.message = [name = who.name, background, face = who.face,
                     owner = who.faceOwner](wire::RequestId id) {
    return wire::SignOnNode{id, name, background, face, owner};
  };
  request.answer = [this, done = std::move(done)](ClientAnswer answer, const Arrived&) {
    NodeReply reply;
    reply.lock.outcome = LockOutcome::Cancelled;
    if (auto* const failure = std::get_if<RequestFailure>(&answer)) {
      reply.failure = std::move(*failure);
      return done(reply);
    }
    auto* const message = std::get_if<wire::NodeReply>(&std::get<wire::FromServer>(answer));
    if (message == nullptr) {
      reply.failure = nonsense();
      return done(reply);
    }
    names_.remember(message->people);
    done(message->reply);
  };
  request.late = [this](ClientAnswer answer, const Arrived&) {
    auto* const message = std::get_if<wire::FromServer>(&answer);
    auto* const reply = message == nullptr ? nullptr : std::get_if<wire::NodeReply>(message);
    if (reply != nullptr && reply->reply.node)
      session_->tell(wire::SignOffNode{reply->reply.node->oid});
  };
  session_->ask(std::move(request));
}

void RemoteDatabase::signOnProcess(const ProcessSignOn& who,
                                   std::function<void(const ProcessReply&)> done) {
  if (auto fault = faultOfNames(who)) {
    ProcessReply refused;
    refused.lock.outcome = LockOutcome::Cancelled;
    refused.failure = std::move(fault);
    return done(refused);
  }
  ClientSession::Request request;
  request.waitsForSession = true;
  request.bound = backgroundTimeout() + kSlack;
  request.message = [who](wire::RequestId id) { return wire::SignOnProcess{id, who}; };
  request.answer = [this, node = who.node, parent = who.parent, done = std::move(done)](
                       ClientAnswer answer, const Arrived&) {
    ProcessReply reply;
    reply.lock.outcome = LockOutcome::Cancelled;
    if (auto* const failure = std::get_if<RequestFailure>(&answer)) {
      reply.failure = std::move(*failure);
      return done(reply);
    }
    auto* const message = std::get_if<wire::ProcessReply>(&std::get<wire::FromServer>(answer));
    if (message == nullptr) {
      reply.failure = nonsense();
      return done(reply);
    }
    names_.remember(message->people);
    if (message->reply.process && !takeIn(message->reply.process->locker, node, parent)) {
      message->reply.process.reset();
      message->reply.lock.outcome = LockOutcome::Cancelled;
      message->reply.failure = {ErrorCode::NotLockable,
                                "the parent has signed off while the process signed on; sign it on "
                                "without, or with one that is signed on"};
    }
    done(message->reply);
  };
  request.late = [this](ClientAnswer answer, const Arrived&) {
    auto* const message = std::get_if<wire::FromServer>(&answer);
    auto* const reply = message == nullptr ? nullptr : std::get_if<wire::ProcessReply>(message);
    if (reply != nullptr && reply->reply.process) {
      session_->tell(wire::SignOffProcess{reply->reply.process->locker});
    }
  };
  session_->ask(std::move(request));
}

ProcessInfo RemoteDatabase::describe(LockerId locker) const {
  if (locker.isNull()) return {};
  if (auto known = names_.find(locker)) return *std::move(known);
  if (carrier_.isOwnThread()) return {};
  const auto reply = call<wire::ProcessesReply>([&](wire::RequestId id) {
    return wire::Look{id, wire::Subject::Describe, Oid(), locker, 0};
  });
  names_.remember(reply.processes);
  return reply.processes.empty() ? ProcessInfo{} : reply.processes.front();
}

std::vector<NodeInfo> RemoteDatabase::nodes() const {
  return call<wire::NodesReply>([](wire::RequestId id) {
           return wire::Look{id, wire::Subject::Nodes, Oid(), LockerId(), 0};
         })
      .nodes;
}

std::vector<ProcessInfo> RemoteDatabase::processes() const {
  return call<wire::ProcessesReply>([](wire::RequestId id) {
           return wire::Look{id, wire::Subject::Processes, Oid(), LockerId(), 0};
         })
      .processes;
}

Oid RemoteDatabase::system() const {
  MutexLock hold(mutex_);
  return system_;
}

Oid RemoteDatabase::systemNodes() const {
  MutexLock hold(mutex_);
  return systemNodes_;
}

// --- Objects -------------------------------------------------------------------------------------

std::shared_ptr<const Schema> RemoteDatabase::schema() const {
  MutexLock hold(mutex_);
  return schema_;
}

// The server tells of classes by itself, in order with its answers: after any of them, all are
// known that were defined before it was asked.
std::shared_ptr<const Schema> RemoteDatabase::latestSchema() const {
  serverStatus();
  return schema();
}

std::shared_ptr<const ClassDef> RemoteDatabase::defineClass(const ClassDef& wanted) {
  const auto reply = call<wire::ClassReply>([&](wire::RequestId id) {
    return wire::DefineClass{id, wanted};
  });
  takeClasses({reply.definition}, false);
  return schema()->find(reply.definition.number);
}

Oid RemoteDatabase::newOid(Lifetime lifetime, Oid::ClassNumber classNumber) {
  if (lifetime == Lifetime::SharedTransient) return shared_->store().newOid(classNumber);
  for (;;) {
    {
      MutexLock hold(mutex_);
      std::deque<Oid>& ready = oids_[classNumber];
      if (!ready.empty()) {
        const Oid oid = ready.front();
        ready.pop_front();
        return oid;
      }
    }
    const auto reply = call<wire::OidsReply>([&](wire::RequestId id) {
      return wire::NewOids{id, classNumber, kOidsAtOnce};
    });
    if (reply.oids.empty()) throwFailure(nonsense());
    MutexLock hold(mutex_);
    std::deque<Oid>& ready = oids_[classNumber];
    ready.insert(ready.end(), reply.oids.begin(), reply.oids.end());
  }
}

RecordPtr RemoteDatabase::fetch(Oid oid) const {
  if (oid.lifetime() == Lifetime::SharedTransient) return shared_->fetch(oid);
  const bool kept = !isSystemObject(oid);
  if (kept && coherent_ && session_->isSure()) {
    if (RecordPtr known = cache_.find(oid).record) return known;
  }
  ClientSession::Request request;
  request.waitsForSession = true;
  request.message = [oid](wire::RequestId id) { return wire::Fetch{id, oid}; };
  // Kept where the carrier tells, in the order in which changes are told.
  request.answer = [this, kept](const ClientAnswer& answer, const Arrived&) {
    const auto* const message = std::get_if<wire::FromServer>(&answer);
    const auto* const reply = message ? std::get_if<wire::ObjectReply>(message) : nullptr;
    if (kept && coherent_ && reply && reply->record) cache_.refresh(reply->record);
  };
  ClientAnswer answer = await(std::move(request));
  if (const auto* const failure = std::get_if<RequestFailure>(&answer)) throwFailure(*failure);
  const auto* const reply = std::get_if<wire::ObjectReply>(&std::get<wire::FromServer>(answer));
  if (reply == nullptr) throwFailure(nonsense());
  return reply->record;
}

std::vector<Oid> RemoteDatabase::instances(Oid::ClassNumber classNumber, Oid after,
                                           std::size_t maxEntries) const {
  std::vector<Oid> all;
  while (all.size() < maxEntries) {
    const auto reply = call<wire::OidsReply>([&](wire::RequestId id) {
      return wire::Instances{id, classNumber, after, maxEntries - all.size()};
    });
    if (reply.oids.empty()) break;
    all.insert(all.end(), reply.oids.begin(), reply.oids.end());
    after = all.back();
  }
  return all;
}

}  // namespace nephrite

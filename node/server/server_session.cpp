#include "node/server/server_session.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "runtime/database/locker_port.h"
#include "runtime/database/sign_on_names.h"
#include "runtime/database/system_class.h"
#include "runtime/errors/exceptions.h"

namespace nephrite {
namespace {

constexpr std::uint32_t kMostOidsAtOnce = 4096;
constexpr std::uint64_t kMostInOneReply = 100'000;
constexpr std::uint64_t kMostInPage = 10'000;

std::vector<LockInfo> firstOf(std::vector<LockInfo> locks, std::size_t most) {
  if (locks.size() > most) locks.resize(most);
  return locks;
}

std::optional<LockQuery::Subject> pagedSubject(wire::Subject subject) {
  switch (subject) {
    case wire::Subject::LocksHeld: return LockQuery::Subject::Held;
    case wire::Subject::QueuedRequests: return LockQuery::Subject::Queued;
    case wire::Subject::LocksOn: return LockQuery::Subject::On;
    case wire::Subject::LocksOf: return LockQuery::Subject::Of;
    default: return std::nullopt;
  }
}

}  // namespace

ServerSession::ServerSession(ServerSessions& all, std::uint64_t number, const wire::SessionKey& key,
                             const wire::Hello& hello)
    : all_(all),
      number_(number),
      key_(key),
      origin_{"", hello.host, hello.program, hello.pid},
      takesGrants_(hello.takesGrants),
      takesShort_(hello.takesShort),
      takesParts_(hello.takesParts),
      version_(versionFor(hello)),
      stream_(all.options().limits.grace.count() > 0 ? all.options().limits.slowReaderLimit : 0) {}

std::uint16_t ServerSession::versionFor(const wire::Hello& hello) {
  return std::min(hello.versionHigh, wire::kVersion);
}

bool ServerSession::handle(wire::FromClient& message, std::size_t bytes) {
  if (isAside_ && !std::holds_alternative<wire::Ping>(message)) {
    waitInTurn(std::move(message), bytes);
    return true;
  }
  heardUpTo_ = stream_.acknowledged();
  return doIt(message);
}

bool ServerSession::doIt(wire::FromClient& message) {
  if (version_ < wire::kVersion && version_ < wire::versionOf(message)) return false;
  return std::visit([this](auto& content) { return handle(content); }, message);
}

bool ServerSession::handle(const wire::Ping&) {
  if (connection_) {
    const Instant now = all_.clock().now();
    connection_->sendFramed(stream_.unnumbered(),
                            wire::encodeInPlace(wire::FromServer(wire::Ping{}), now));
  }
  return true;
}

void ServerSession::end() {
  over_ = true;
  for (const auto& [locker, process] : processes_) all_.disown({locker});
  processes_.clear();
  resources_.clear();
  for (const Oid node : std::exchange(nodes_, {})) all_.database().signOffNode(node);
}

void ServerSession::onBlockingPool(wire::RequestId id, std::function<wire::FromServer()> work) {
  asideMany(id, [work = std::move(work)] { return std::vector<wire::FromServer>{work()}; });
}

void ServerSession::asideMany(wire::RequestId id,
                              std::function<std::vector<wire::FromServer>()> work) {
  const auto done =
      onStrand([](ServerSession& session, const std::vector<wire::FromServer>& replies) {
        --session.unanswered_;
        for (const wire::FromServer& reply : replies) session.send(reply);
      });
  const auto failed = [id, done](RequestFailure why) {
    done(std::vector<wire::FromServer>{wire::FailureReply{id, std::move(why)}});
  };
  ++unanswered_;
  all_.hooks().block([work = std::move(work), done, failed] {
    try {
      done(work());
    } catch (const std::exception& failure) {
      failed(failureOf(failure));
    }
  });
}

bool ServerSession::mayAsk(wire::RequestId id) {
  const std::size_t most = all_.options().limits.maxRequestsPerSession;
  if (unanswered_ < most) return true;
  fail(id, ErrorCode::ServerRefused,
       "this client node has " + std::to_string(most) + " requests that are not answered yet");
  return false;
}

void ServerSession::fail(wire::RequestId id, ErrorCode code, const std::string& what) {
  send(wire::FailureReply{id, {code, what}});
}

wire::ProcessInfos ServerSession::peopleOf(const LockAnswer& answer) const {
  wire::ProcessInfos people;
  if (!answer.lockedBy.isNull()) people.push_back(all_.database().describe(answer.lockedBy));
  for (const WaitEdge& edge : answer.cycle) people.push_back(all_.database().describe(edge.locker));
  return people;
}

wire::ProcessInfos ServerSession::peopleOf(const std::vector<LockInfo>& locks) const {
  std::set<LockerId> lockers;
  for (const LockInfo& lock : locks) {
    lockers.insert(lock.requestedBy);
    if (!lock.lockedBy.isNull()) lockers.insert(lock.lockedBy);
    if (!lock.parent.isNull()) lockers.insert(lock.parent);
  }
  wire::ProcessInfos people;
  for (const LockerId locker : lockers) people.push_back(all_.database().describe(locker));
  return people;
}

// --- Objects -------------------------------------------------------------------------------------

bool ServerSession::handle(const wire::Fetch& message) {
  if (!isPersistent(message.oid)) return false;
  isInterestedIn(message.oid);  // First: a commit that comes in between is told after the answer.
  if (const auto record = all_.database().fetchAtOnce(message.oid)) {
    answerFetch(message.id, *record);
  } else if (mayAsk(message.id)) {
    fetchAside(message.id, message.oid);
  }
  return true;
}

void ServerSession::answerFetch(wire::RequestId id, const RecordPtr& record) {
  if (const auto fault = all_.faultOf(record)) {
    fail(id, fault->code, fault->what);
  } else {
    send(wire::ObjectReply{id, record});
  }
}

bool ServerSession::handle(const wire::Instances& message) {
  if (!mayAsk(message.id)) return true;
  onBlockingPool(message.id, [&database = all_.database(), message]() -> wire::FromServer {
    return wire::OidsReply{message.id,
                           database.instances(message.classNumber, message.after,
                                              std::min(message.maxEntries, kMostInOneReply))};
  });
  return true;
}

bool ServerSession::handle(const wire::NewOids& message) {
  if (message.count == 0 || message.count > kMostOidsAtOnce) return false;
  if (!mayAsk(message.id)) return true;
  onBlockingPool(message.id, [&database = all_.database(), message]() -> wire::FromServer {
    wire::OidsReply reply{message.id, {}};
    for (std::uint32_t i = 0; i < message.count; ++i) {
      reply.oids.push_back(database.newOid(Lifetime::Persistent, message.classNumber));
    }
    return reply;
  });
  return true;
}

bool ServerSession::handle(const wire::DefineClass& message) {
  if (!mayAsk(message.id)) return true;
  onBlockingPool(message.id, [&all = all_, message]() -> wire::FromServer {
    const auto made = all.database().defineClass(message.definition);
    return wire::ClassReply{message.id, *made};
  });
  return true;
}

// What no client of ours sends, and the database may not be asked to do.
bool ServerSession::mayCommit(const wire::Commit& message) {
  const CommitRequest& request = message.request;
  const auto refuse = [&](ErrorCode code, Oid oid, const std::string& how) {
    fail(message.id, code,
         "commit " + std::to_string(request.changes.id.number) + " of process " +
             std::to_string(request.upgrade.locker.value) +
             " is refused: " + all_.database().schema()->show(oid) + how);
    return false;
  };
  std::vector<Oid> changed;
  changed.reserve(request.changes.changes.size());
  for (const ObjectChange& change : request.changes.changes) {
    const Oid oid = change.record->oid;
    if (isSystemObject(oid)) {
      return refuse(ErrorCode::SystemObject, oid, " is kept by the system and cannot be changed");
    }
    changed.push_back(oid);
  }
  std::sort(changed.begin(), changed.end());
  const auto twice = std::adjacent_find(changed.begin(), changed.end());
  if (twice != changed.end()) {
    return refuse(ErrorCode::ServerRefused, *twice, " is changed twice in it; change it once");
  }
  std::vector<Oid> upgraded = request.updateLocked;
  std::sort(upgraded.begin(), upgraded.end());
  const auto again = std::adjacent_find(upgraded.begin(), upgraded.end());
  if (again != upgraded.end()) {
    return refuse(ErrorCode::ServerRefused, *again,
                  " stands twice in its update_locked; name each object once");
  }
  for (const Oid oid : upgraded) {
    if (std::binary_search(changed.begin(), changed.end(), oid)) continue;
    return refuse(ErrorCode::ServerRefused, oid,
                  " stands in its update_locked and is not changed by it; name changed objects "
                  "alone");
  }
  return true;
}

bool ServerSession::handle(wire::Commit& message) {
  message.request.changes.handedOver = true;  // No other code has what was just decoded.
  CommitRequest& request = message.request;
  request.changes.id.process = request.upgrade.locker.value;
  for (const ObjectChange& change : request.changes.changes) {
    if (!isPersistent(change.record->oid)) return false;
  }
  for (const Oid oid : request.updateLocked) {
    if (!isPersistent(oid)) return false;
  }
  if (!owns(request.upgrade.locker)) {
    wire::CommitReply gone;
    gone.id = message.id;
    gone.reply.outcome = CommitReply::Outcome::LockRefused;
    gone.reply.lock.outcome = LockOutcome::Cancelled;
    send(gone);
    return true;
  }
  if (!mayAsk(message.id) || !mayCommit(message)) return true;
  // The client keeps what it commits; from now on it is told when others change that.
  for (const ObjectChange& change : request.changes.changes) isInterestedIn(change.record->oid);
  ++unanswered_;
  const LockerId locker = request.upgrade.locker;
  const std::uint64_t upgrade = request.upgrade.id;
  const auto cancelled = std::make_shared<std::atomic<bool>>(false);
  commits_[{locker.value, upgrade}] = cancelled;
  ++processes_.at(locker.value).commitsUnderWay;
  auto answer = onStrand([id = message.id, locker, upgrade, commit = request.changes.id](
                             ServerSession& session, const CommitReply& reply) {
    --session.unanswered_;
    session.commits_.erase({locker.value, upgrade});
    std::erase_if(session.ownCommits_, [&](const ChangeSet& own) { return own.id == commit; });
    const bool waits = session.defers();
    session.send(
        wire::CommitReply{id, reply, session.peopleOf(reply.lock), session.namesOf(reply.lock)});
    const auto process = session.processes_.find(locker.value);
    if (process == session.processes_.end()) return;
    --process->second.commitsUnderWay;
    // A reply that waits has no number yet: as if it never arrived.
    process->second.lastCommitReply = waits ? UINT64_MAX : session.stream_.lastSent();
  });
  all_.hooks().block([port = ownedBy(locker)->port, request = std::move(request), upgrade,
                      cancelled, answer = std::move(answer)]() mutable {
    port->commit(std::move(request), std::move(answer));
    // Cancelled before it could wait: no other message comes to end its wait.
    if (*cancelled) port->cancel(upgrade);
  });
  return true;
}

bool ServerSession::handle(const wire::AskOutcome& message) {
  if (!mayAsk(message.id)) return true;
  onBlockingPool(message.id, [&database = all_.database(), message]() -> wire::FromServer {
    return wire::YesNo{message.id,
                       database.commitOutcome(message.commit) == CommitOutcome::Committed};
  });
  return true;
}

// --- Looking -------------------------------------------------------------------------------------

bool ServerSession::handle(const wire::Look& message) {
  if (message.subject == wire::Subject::LocksOn && !isLockable(message.oid)) return false;
  if (message.subject == wire::Subject::Status) {
    send(wire::StatusReply{message.id, all_.status()});
    return true;
  }
  if (!mayAsk(message.id)) return true;
  asideMany(message.id, [self = shared_from_this(), message] {
    wire::FromServer list = self->look(message);
    return self->takesParts_ ? inParts(std::move(list))
                             : std::vector<wire::FromServer>{std::move(list)};
  });
  return true;
}

// Not on the strand: reads only the database.
wire::FromServer ServerSession::look(const wire::Look& message) const {
  const Database& database = all_.database();
  const std::size_t most = std::min(message.maxEntries, kMostInOneReply);
  const auto locks = [&](std::vector<LockInfo> found) {
    wire::LocksReply reply{message.id, std::move(found), {}};
    reply.people = peopleOf(reply.locks);
    std::vector<std::uint64_t> targets;
    for (const LockInfo& lock : reply.locks) targets.push_back(lock.target.value);
    reply.names = namesOf(std::move(targets));
    return reply;
  };
  if (message.page > 0) {
    const auto subject = pagedSubject(message.subject);
    if (!subject) {
      return wire::FailureReply{message.id,
                                {ErrorCode::ServerRefused, "such a list does not come in pages"}};
    }
    LockPage page =
        database.listLocks(Lifetime::Persistent, {*subject, {message.oid.bits()}, message.locker},
                           message.after, std::min(message.page, kMostInPage));
    wire::LocksReply reply = locks(std::move(page.locks));
    reply.next = page.next;
    return reply;
  }
  switch (message.subject) {
    case wire::Subject::LocksHeld: return locks(database.locksHeld(Lifetime::Persistent, most));
    case wire::Subject::QueuedRequests:
      return locks(database.queuedRequests(Lifetime::Persistent, most));
    case wire::Subject::LocksOn: return locks(firstOf(database.locksOn(message.oid), most));
    case wire::Subject::LocksOf:
      return locks(firstOf(database.locksOf(message.locker, Lifetime::Persistent), most));
    case wire::Subject::Nodes: return wire::NodesReply{message.id, database.nodes()};
    case wire::Subject::Processes: return wire::ProcessesReply{message.id, database.processes()};
    case wire::Subject::Describe:
      return wire::ProcessesReply{message.id, {database.describe(message.locker)}};
    case wire::Subject::Statistics:
      return wire::StatisticsReply{message.id, database.lockStatistics(Lifetime::Persistent)};
    case wire::Subject::Deadlocks: {
      wire::DeadlocksReply reply{message.id, database.deadlocks(Lifetime::Persistent, most), {}};
      std::set<LockerId> lockers;
      std::vector<std::uint64_t> targets;
      const auto named = [&](const auto& part) {
        lockers.insert(part.locker);
        targets.push_back(part.target.value);
      };
      for (const DeadlockRecord& record : reply.records) {
        for (const DeadlockHold& hold : record.holds) named(hold);
        for (const DeadlockWait& wait : record.waits) named(wait);
        for (const WaitEdge& edge : record.cycle) named(edge);
      }
      reply.names = namesOf(std::move(targets));
      for (const LockerId locker : lockers) reply.people.push_back(database.describe(locker));
      return reply;
    }
    case wire::Subject::Status: break;
  }
  return wire::FailureReply{message.id, {ErrorCode::ServerRefused, "there is no such list"}};
}

bool ServerSession::handle(const wire::AskContention& message) {
  if (message.verb == wire::ContentionVerb::Of && !isPersistent(message.oid)) return false;
  if (!message.locker.isNull() && !owns(message.locker)) return false;
  send(contention(message));
  return true;
}

wire::ContentionReply ServerSession::contention(const wire::AskContention& message) const {
  Database& database = all_.database();
  const LockerId locker = message.locker.isNull() ? all_.options().operatorLocker : message.locker;
  wire::ContentionReply reply;
  reply.id = message.id;
  reply.accepted = true;
  switch (message.verb) {
    case wire::ContentionVerb::Begin:
      reply.accepted =
          database.beginContentionStats(locker, std::min(message.size, kMostInOneReply));
      break;
    case wire::ContentionVerb::Clear: reply.accepted = database.clearContentionStats(locker); break;
    case wire::ContentionVerb::End: reply.accepted = database.endContentionStats(locker); break;
    case wire::ContentionVerb::State: break;
    case wire::ContentionVerb::List:
      reply.entries =
          database.contentionStats(std::min(message.size, kMostInOneReply), message.least);
      break;
    case wire::ContentionVerb::Of: reply.entries = {database.contentionOf(message.oid)}; break;
  }
  reply.state = database.contentionState();
  if (reply.state.active) reply.people = {database.describe(reply.state.startedBy)};
  std::vector<std::uint64_t> targets;
  for (const LockContentionInfo& entry : reply.entries) targets.push_back(entry.target.value);
  reply.names = namesOf(std::move(targets));
  return reply;
}

bool ServerSession::handle(const wire::Force& message) {
  if (!message.target.isNull() && !isLockable(message.target)) return false;
  if (const auto fault = faultOfNames(message.by)) {
    fail(message.id, fault->code, fault->what);
    return true;
  }
  const auto& auditTrouble = all_.hooks().auditTrouble;
  if (const std::string why = auditTrouble ? auditTrouble() : std::string(); !why.empty()) {
    fail(message.id, ErrorCode::ServerRefused, "nothing was done: " + why);
    return true;
  }
  AuditEntry entry;
  entry.process = all_.database().describe(message.locker);
  entry.by = message.by;
  if (connection_) entry.address = connection_->address();
  if (message.target.isNull()) {
    forceOff(message, entry);
  } else {
    entry.verb = "unlock";
    entry.object = all_.database().show(message.target);
    entry.done = all_.database().breakLock(message.locker, message.target, message.by);
    ServerSession* const owner = all_.ownerOf(message.locker);
    if (entry.done && owner != nullptr) {
      owner->send(wire::LockBroken{message.locker, message.target});
    }
  }
  all_.hooks().audit(entry);
  send(wire::YesNo{message.id, entry.done});
  return true;
}

// A node's housekeeping process goes with the whole node.
void ServerSession::forceOff(const wire::Force& message, AuditEntry& entry) {
  entry.verb = "sign-off";
  Database& database = all_.database();
  const auto nodes = database.nodes();
  const auto node = std::find_if(nodes.begin(), nodes.end(), [&](const NodeInfo& known) {
    return known.locker == message.locker;
  });
  if (node == nodes.end()) {
    entry.done = database.forceSignOff(message.locker, message.by);
    ServerSession* const owner = all_.ownerOf(message.locker);
    if (owner == nullptr) return;
    for (const LockerId gone : owner->familyOf(message.locker)) {
      owner->forget(gone);
      owner->send(wire::SignedOff{gone, message.by.reason});
    }
    return;
  }
  entry.object = database.schema()->show(node->oid);
  entry.done = true;
  database.signOffNode(node->oid);
  if (ServerSession* const owner = all_.ownerOf(node->oid)) {
    const auto before = owner->processes_;
    owner->forget(node->oid);
    for (const auto& [locker, process] : before) {
      if (!owner->owns({locker})) owner->send(wire::SignedOff{{locker}, message.by.reason});
    }
  }
}

}  // namespace nephrite

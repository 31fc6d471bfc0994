// How nodes and processes of a client sign on, elsewhere, and off; and what is forgotten of their
// commits then.

#include <algorithm>
#include <utility>

#include "node/server/server_session.h"
#include "runtime/database/locker_port.h"

namespace nephrite {
namespace {

/// A node that was signed on, for a session that may be over, at a server that may have stopped: it
/// signs off unless the session takes it.
class NewNode {
 public:
  NewNode(std::weak_ptr<Database*> database, const NodeReply& reply)
      : database_(std::move(database)), reply_(reply) {}
  ~NewNode() {
    const auto database = database_.lock();
    if (database && reply_.node) (*database)->signOffNode(reply_.node->oid);
  }
  NewNode(const NewNode&) = delete;
  NewNode& operator=(const NewNode&) = delete;
  NodeReply take() { return std::exchange(reply_, {}); }

 private:
  const std::weak_ptr<Database*> database_;
  NodeReply reply_;
};

}  // namespace

// `here` of them are signed on, or about to be.
bool ServerSession::maySignOn(wire::RequestId id, std::size_t here, const char* what) {
  if (all_.isDraining()) {
    fail(id, ErrorCode::ServerRefused, "the server is shutting down");
    return false;
  }
  if (here >= all_.options().limits.maxProcessesPerSession) {
    fail(id, ErrorCode::ServerRefused,
         "this client node has " + std::to_string(here) + " " + what +
             ", as many as [NephriteServer] MaxProcessesPerSession allows");
    return false;
  }
  return mayAsk(id);
}

bool ServerSession::handle(const wire::Goodbye&) {
  std::vector<LockerId> forgotten = knowAllTheirCommits(Oid());
  all_.end(*this, "");
  forgetCommits(std::move(forgotten));
  return true;
}

bool ServerSession::handle(const wire::SignOnNode& message) {
  if (!maySignOn(message.id, nodes_.size() + nodesComing_, "nodes")) return true;
  NodeSignOn who;
  who.name = message.name;
  who.origin = origin_;
  if (connection_) who.origin.address = connection_->address();
  who.backgroundTimeout = message.backgroundTimeout;
  who.face = message.face;
  who.faceOwner = message.faceOwner;
  ++unanswered_;
  ++nodesComing_;
  // Not onStrand(): a node that is signed on when its session is over must sign off.
  auto done = [weak = weak_from_this(), run = all_.hooks().run, mine = all_.databaseWhileHere(),
               &database = all_.database(), id = message.id](const NodeReply& reply) {
    if (mine.expired() && reply.node) return database.signOffNode(reply.node->oid);
    const auto node = std::make_shared<NewNode>(mine, reply);
    run([weak, node, id] {
      const auto session = weak.lock();
      if (session == nullptr || session->over_) return;
      --session->unanswered_;
      --session->nodesComing_;
      const NodeReply taken = node->take();
      if (taken.node) session->nodes_.insert(taken.node->oid);
      session->send(wire::NodeReply{id, taken, session->peopleOf(taken.lock)});
    });
  };
  // Aside: its Oid may have to be reserved in the store.
  all_.hooks().block([&database = all_.database(), who, done = std::move(done),
                      failed = signOnFailed(message.id, &ServerSession::nodesComing_)] {
    try {
      database.signOnNode(who, done);
    } catch (const std::exception& failure) {
      failed(failureOf(failure));
    }
  });
  return true;
}

std::function<void(const RequestFailure&)> ServerSession::signOnFailed(
    wire::RequestId id, std::size_t ServerSession::*coming) {
  return onStrand([id, coming](ServerSession& session, const RequestFailure& why) {
    --session.unanswered_;
    --(session.*coming);
    session.send(wire::FailureReply{id, why});
  });
}

bool ServerSession::handle(const wire::SignOffNode& message) {
  if (!nodes_.contains(message.node)) return true;
  std::vector<LockerId> forgotten = knowAllTheirCommits(message.node);
  forget(message.node);
  all_.database().signOffNode(message.node);
  forgetCommits(std::move(forgotten));
  return true;
}

void ServerSession::forget(Oid node) {
  nodes_.erase(node);
  std::vector<LockerId> gone;
  for (const auto& [locker, process] : processes_) {
    if (process.node != node) continue;
    for (const LockerId each : familyOf({locker})) gone.push_back(each);
  }
  for (const LockerId locker : gone) forget(locker);
}

std::vector<LockerId> ServerSession::familyOf(LockerId locker) const {
  std::vector<LockerId> family{locker};
  for (std::size_t next = 0; next < family.size(); ++next) {
    for (const auto& [child, process] : processes_)
      if (process.parent == family[next]) family.push_back({child});
  }
  std::reverse(family.begin(), family.end());
  return family;
}

void ServerSession::forget(LockerId locker) {
  if (processes_.erase(locker.value) > 0) all_.disown(locker);
}

bool ServerSession::handle(const wire::SignOnProcess& message) {
  if (!maySignOn(message.id, processes_.size() + processesComing_, "processes")) return true;
  if (!nodes_.contains(message.who.node)) {
    wire::ProcessReply refused;
    refused.id = message.id;
    refused.reply.lock.outcome = LockOutcome::Cancelled;
    send(refused);
    return true;
  }
  const LockerId parent = message.who.parent;
  if (!parent.isNull() && !owns(parent)) {
    wire::ProcessReply refused;
    refused.id = message.id;
    refused.reply.lock.outcome = LockOutcome::Cancelled;
    refused.reply.failure = {ErrorCode::NotLockable,
                             "process " + std::to_string(parent.value) +
                                 ", named as the parent, is not signed on by this client node (any "
                                 "more); name one that is, or none"};
    send(refused);
    return true;
  }
  ++unanswered_;
  ++processesComing_;
  auto done = onStrand([id = message.id, node = message.who.node, parent](
                           ServerSession& session, const ProcessReply& reply) {
    --session.unanswered_;
    --session.processesComing_;
    // When the node or the parent has gone meanwhile, the process has gone with it.
    if (reply.process && session.nodes_.contains(node)) {
      const LockerId locker = reply.process->locker;
      const bool isOrphan = !parent.isNull() && !session.owns(parent);
      auto port = session.all_.database().port(locker);
      if (isOrphan || !port->isSignedOn()) {  // An operator has signed it off meanwhile.
        wire::ProcessReply refused;
        refused.id = id;
        refused.reply.lock.outcome = LockOutcome::Cancelled;
        return session.send(refused);
      }
      session.processes_[locker.value] = {node, std::move(port), parent};
      session.all_.own(locker, session.number_);
    }
    session.send(wire::ProcessReply{id, reply, session.peopleOf(reply.lock)});
  });
  all_.hooks().block([&database = all_.database(), who = message.who, done = std::move(done),
                      failed = signOnFailed(message.id, &ServerSession::processesComing_)] {
    try {
      database.signOnProcess(who, done);
    } catch (const std::exception& failure) {
      failed(failureOf(failure));
    }
  });
  return true;
}

// A process that signs off by itself, and has been told what became of its commits, never asks for
// them again: what is recorded of them can go. A process that has given up on an answer says so by
// signing off before that answer comes.
std::vector<LockerId> ServerSession::knowAllTheirCommits(Oid node) const {
  std::vector<LockerId> all;
  for (const auto& [locker, process] : processes_) {
    if (process.node != node && !node.isNull()) continue;
    if (knowsItsCommits(process)) all.push_back({locker});
  }
  return all;
}

bool ServerSession::knowsItsCommits(const OwnedProcess& process) const {
  return process.commitsUnderWay == 0 && process.lastCommitReply > 0 &&
         process.lastCommitReply <= heardUpTo_;
}

void ServerSession::forgetCommits(std::vector<LockerId> lockers) {
  if (lockers.empty()) return;
  all_.hooks().block([&database = all_.database(), lockers = std::move(lockers)] {
    for (const LockerId locker : lockers) database.forgetCommits(locker);
  });
}

bool ServerSession::handle(const wire::SignOffProcess& message) {
  if (!owns(message.locker)) return true;
  const OwnedProcess& process = processes_.at(message.locker.value);
  const std::shared_ptr<LockerPort> port = process.port;
  const auto heir = processes_.find(message.inherit ? process.parent.value : 0);
  const bool inherits = heir != processes_.end();
  if (inherits) {
    heir->second.needsReplies |= process.needsReplies;
    heir->second.port->inheritLeases(*port);
  }
  std::vector<LockerId> forgotten;
  for (const LockerId gone : familyOf(message.locker)) {
    const OwnedProcess& each = processes_.at(gone.value);
    if (knowsItsCommits(each)) forgotten.push_back(gone);
    forget(gone);
  }
  if (inherits) {
    auto told = onStrand(
        [of = LockerId{heir->first}](ServerSession& session, const std::vector<Oid>& left) {
          if (session.owns(of)) session.tellInherited(of, left);
        });
    port->signOffToParent({message.level, std::move(told)});
  } else {
    port->signOff();
  }
  forgetCommits(std::move(forgotten));
  return true;
}

void ServerSession::tellInherited(LockerId heir, const std::vector<Oid>& left) {
  constexpr std::size_t kMostLocksOfPart = 4'000;
  wire::LocksInherited part{heir, {}};
  const auto sendPart = [&] {
    if (!part.locks.empty()) send(part);
    part.locks.clear();
  };
  for (const Oid target : left) {
    auto held = ownedBy(heir)->port->lockStatus(target);
    if (!held) {
      held.emplace();
      held->type = LockType::Get;
      held->target = {target.bits()};
    }
    part.locks.push_back(*std::move(held));
    if (part.locks.size() == kMostLocksOfPart) sendPart();
  }
  sendPart();
}

}  // namespace nephrite

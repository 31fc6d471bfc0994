// What a client node asks of locks: at once where no process has to wait, else through the
// database, which calls back.

#include <utility>

#include "node/server/server_session.h"
#include "objects/object_store.h"
#include "runtime/database/locker_port.h"
#include "runtime/database/object_size.h"
#include "runtime/database/system_class.h"

namespace nephrite {
namespace {

constexpr std::size_t kMostLocksAtOnce = 250'000;

LockReply goneFor(const LockRequest& request) {
  LockReply gone;
  gone.lock.request = request;
  gone.lock.outcome = LockOutcome::Cancelled;
  return gone;
}

/// For a client that knows no outcome of it.
RequestFailure failureOfLimit(LockLimit limit) {
  const bool isOfObjects = limit == LockLimit::LockedObjects;
  return {isOfObjects ? ErrorCode::TooManyLockedObjects : ErrorCode::TooManyLocks,
          "as many locks are held and waited for as [NephriteLocks] " + std::string(nameOf(limit)) +
              " of the server allows; let one go"};
}

LockInfo infoOf(const HeldLock& held) {
  LockInfo info;
  info.type = held.type;
  info.session = held.session;
  info.level = held.level;
  info.token = held.token;
  info.since = held.since;
  return info;
}

}  // namespace

// The object is locked, or no other process is about to change it: what is read now is the latest.
void ServerSession::isInterestedIn(Oid oid) {
  if (!all_.options().coherent || isSystemObject(oid)) return;
  if (!all_.interest().add(number_, oid)) send(wire::Invalidate{{}, true});
}

bool ServerSession::tellCommitted() {
  const bool told = all_.tellCommitted();
  if (ownCommits_.empty()) return told;
  std::vector<wire::Stale> stale;
  for (const ChangeSet& own : std::exchange(ownCommits_, {}))
    for (const ObjectChange& change : own.changes) stale.push_back(staleBy(change));
  tellStale(stale);
  return true;
}

ServerSession::OwnedProcess* ServerSession::ownedBy(LockerId locker) {
  const auto process = processes_.find(locker.value);
  return process == processes_.end() ? nullptr : &process->second;
}

std::size_t ServerSession::lockAtOnce(LockerPort& port, const LockRequest& request,
                                      std::span<const wire::KnownTarget> targets) {
  answered_.grants.clear();
  answered_.replies.clear();
  LockRequest one = request;
  std::uint32_t place = 0;
  std::size_t bytes = 0;
  for (const wire::KnownTarget& known : targets) {
    if (known.existence != Existence::Required) break;
    one.target = {known.oid.bits()};
    const auto [held, isLatest] = port.grant(one, known.knownEdition);
    if (held.type == LockType::Get) break;
    // A client that knows the latest edition has been interested since it was told that, and is
    // again when it was only just told.
    if (tellCommitted() && isLatest) isInterestedIn(known.oid);
    RecordPtr record;
    if (!isLatest) {
      record = all_.database().fetchAtOnce(known.oid).value_or(nullptr);
      if (record == nullptr) break;  // Asked again, where it may wait, it says why.
      if (targets.size() == 1 && all_.faultOf(record)) break;  // The same.
      isInterestedIn(known.oid);
    }
    const bool hasLatest =
        isLatest || (known.knownEdition != 0 && record->edition == known.knownEdition);
    const bool leftOut = !hasLatest && targets.size() > 1 && !fits(*record, bytes);
    if (leftOut) leaveOut(known);
    if (hasLatest || leftOut) {
      answered_.grants.push_back(
          {held.token, held.since, place, held.level, held.type, held.session});
    } else {
      wire::LockReply& reply = answered_.replies.emplace_back();
      reply.reply.lock.request = one;
      reply.reply.lock.token = held.token;
      reply.reply.record = std::move(record);
      reply.held = infoOf(held);
    }
    ++place;
  }
  return place;
}

bool ServerSession::fits(const ObjectRecord& record, std::size_t& bytes) const {
  const std::size_t more = sizeOf(record);
  if (bytes + more > kMostOfAnswer) return false;
  bytes += more;
  return true;
}

void ServerSession::leaveOut(const wire::KnownTarget& known) {
  if (known.knownEdition != 0) send(wire::Invalidate{{{known.oid, 0}}, false});
}

void ServerSession::sendAnswered(wire::RequestId id) {
  answered_.id = id;
  const Instant now = all_.receivedAt();
  if (defers()) {
    defer(answered_);
  } else {
    const auto shortly = takesShort_ ? wire::encodeShort(answered_, now) : std::nullopt;
    sendNow(shortly ? *shortly : wire::encodeInPlace(answered_, now), tookEffect());
  }
  constexpr std::size_t kKept = 1024;
  if (answered_.count() > kKept) answered_ = {};
}

wire::LockReply ServerSession::replyFrom(const LockReply& told, std::uint32_t knownEdition) {
  tellCommitted();
  wire::LockReply one{told, false, std::nullopt};
  const LockRequest& request = one.reply.lock.request;
  const Oid oid = Oid::fromBits(request.target.value);
  if (one.reply.record) {
    isInterestedIn(oid);
    // It was read on another thread, a moment ago; and the lock may be gone since.
    const auto latest = all_.database().fetchAtOnce(oid);
    if (latest && *latest) one.reply.record = *latest;
    one.unchanged = knownEdition != 0 && one.reply.record->edition == knownEdition;
    if (one.unchanged) one.reply.record = nullptr;
    if (auto fault = all_.faultOf(one.reply.record)) {
      one.reply.record = nullptr;
      one.reply.failure = std::move(fault);  // The lock is held.
    }
  }
  if (const OwnedProcess* const process = ownedBy(request.locker)) {
    one.held = process->port->lockStatus(oid);
  }
  if (version_ < 2 && one.reply.lock.outcome == LockOutcome::OverLimit) {
    one.reply.failure = failureOfLimit(one.reply.lock.limit);
    one.reply.lock.outcome = LockOutcome::Cancelled;
    one.reply.lock.limit = {};
  }
  return one;
}

void ServerSession::answerLock(wire::RequestId id, const wire::LockReply& reply) {
  wire::LockAnswered answered;
  answered.id = id;
  const LockAnswer& lock = reply.reply.lock;
  if (lock.outcome != LockOutcome::Granted) answered.people = peopleOf(lock);
  answered.names = namesOf(lock);
  answered.replies.push_back(reply);
  send(answered);
}

void ServerSession::answerLocks(const wire::LockAll& message, const LockAllReply& told) {
  wire::LockAnswered answered;
  answered.id = message.id;
  std::size_t bytes = 0;
  for (std::size_t place = 0; place < told.granted; ++place) {
    const wire::KnownRequest order = message.at(place);
    LockReply granted;
    granted.lock.request = order.order.request;
    if (order.order.existence == Existence::Required) {
      granted.record = recordOf(message.targets[place].oid);
    }
    const RecordPtr record = granted.record;
    wire::LockReply one = replyFrom(granted, order.knownEdition);
    if (one.held) one.reply.lock.token = one.held->token;
    const bool isWanted = order.order.existence == Existence::Required && !one.unchanged;
    if (isWanted && (record == nullptr || !fits(*record, bytes))) {
      leaveOut(message.targets[place]);
      one.reply.record = nullptr;
      one.reply.failure.reset();
      const bool isPlain =
          one.held && one.held->lease.isNone() && one.held->scope == LockScope::Node;
      if (takesGrants_ && isPlain) {
        const LockInfo& held = *one.held;
        answered.grants.push_back({held.token, held.since, static_cast<std::uint32_t>(place),
                                   held.level, held.type, held.session});
        continue;
      }
    }
    answered.replies.push_back(std::move(one));
  }
  if (told.refused) {
    const LockAnswer& lock = told.refused->lock;
    if (lock.outcome != LockOutcome::Granted) answered.people = peopleOf(lock);
    answered.names = namesOf(lock);
    answered.replies.push_back(
        replyFrom(*told.refused, message.targets[told.granted].knownEdition));
  }
  send(answered);
}

bool ServerSession::mayLock(wire::RequestId id, const LockRequest& request, Oid target) {
  const std::int64_t lease = request.lease.length.count();
  if (lease < 0 || request.lease.length > LeaseTerms::kLongest) {
    fail(id, ErrorCode::NotLockable,
         "a lease of " + std::to_string(lease) + " ms is asked for: it has 1 to " +
             std::to_string(LeaseTerms::kLongest.count()) + " ms");
    return false;
  }
  const bool ofSubtree = request.scope == LockScope::Subtree;
  if (isResource(target) && ofSubtree) {
    fail(id, ErrorCode::NotLockable,
         "resource " + target.toString() +
             " is asked for with all that is below it, and nothing is below a resource; lock it "
             "without a scope");
    return false;
  }
  if (isResource(target) && !resources_.contains(target)) {
    fail(id, ErrorCode::NotLockable,
         "resource " + target.toString() +
             " is not one that this client node has asked for by its name, or it has dropped it; "
             "ask for the name first");
    return false;
  }
  OwnedProcess* const process = ownedBy(request.locker);
  if (process != nullptr && (lease > 0 || ofSubtree)) process->needsReplies = true;
  return true;
}

bool ServerSession::handle(const wire::Lock& message) {
  const Oid oid = Oid::fromBits(message.order.order.request.target.value);
  if (!isLockable(oid)) return false;
  if (!mayAsk(message.id)) return true;
  ObjectLockRequest order = message.order.order;
  const LockRequest& request = order.request;
  if (!mayLock(message.id, request, oid)) return true;
  if (isResource(oid)) order.existence = Existence::CreatedByLocker;  // There is none to read.
  const std::uint32_t known = message.order.knownEdition;
  const OwnedProcess* const process = ownedBy(request.locker);
  if (process == nullptr) {
    answerLock(message.id, {goneFor(request), false, std::nullopt});
    return true;
  }
  const wire::KnownTarget target{oid, known, order.existence};
  // Of a lock that may lapse, or is on all that is below, a LockGrant does not say all; and what a
  // commit that is under way relies on stays: see LockedStore.
  const bool mayGrant = takesGrants_ && process->takesGrants();
  if (mayGrant && lockAtOnce(*process->port, request, {&target, 1}) == 1) {
    sendAnswered(message.id);
    return true;
  }
  ++unanswered_;
  auto answer = onStrand([id = message.id, known](ServerSession& session, const LockReply& reply) {
    --session.unanswered_;
    session.answerLock(id, session.replyFrom(reply, known));
  });
  if (isInMemory({&target, 1})) {
    process->port->lock(order, std::move(answer));
  } else {
    inTurnAside(
        [port = process->port, order, answer = std::move(answer)] { port->lock(order, answer); });
  }
  return true;
}

bool ServerSession::handle(wire::LockAll& message) {
  if (message.targets.empty()) return false;
  const bool ofResources = isResource(message.targets.front().oid);
  bool isMixed = false;
  for (const wire::KnownTarget& target : message.targets) {
    if (!isLockable(target.oid)) return false;
    isMixed |= isResource(target.oid) != ofResources;
  }
  if (!mayAsk(message.id)) return true;
  if (isMixed) {
    fail(message.id, ErrorCode::NotLockable,
         "resources and objects are asked for in one request; ask for each kind by itself");
    return true;
  }
  if (message.targets.size() > kMostLocksAtOnce) {
    fail(message.id, ErrorCode::TooLarge,
         "locks on " + std::to_string(message.targets.size()) +
             " objects are asked for in one request, and at most " +
             std::to_string(kMostLocksAtOnce) + " are answered; ask for them in several");
    return true;
  }
  for (wire::KnownTarget& target : message.targets) {
    if (!mayLock(message.id, message.request, target.oid)) return true;
    if (!ofResources) break;
    target.existence = Existence::CreatedByLocker;
  }
  const OwnedProcess* const process = ownedBy(message.request.locker);
  if (process == nullptr) {
    answerLock(message.id, {goneFor(message.at(0).order.request), false, std::nullopt});
    return true;
  }
  const std::size_t granted = takesGrants_ && process->takesGrants()
                                  ? lockAtOnce(*process->port, message.request, message.targets)
                                  : 0;
  if (granted == message.targets.size()) {
    sendAnswered(message.id);
    return true;
  }
  ObjectLockBatch rest{message.request, {}};
  rest.targets.reserve(message.targets.size() - granted);
  for (const wire::KnownTarget& target : std::span(message.targets).subspan(granted))
    rest.targets.push_back({target.oid, target.existence});
  const bool inMemory = isInMemory(std::span(message.targets).subspan(granted));
  ++unanswered_;
  auto answer = onStrand([asked = std::make_shared<const wire::LockAll>(std::move(message)),
                          granted](ServerSession& session, const LockAllReply& reply) {
    LockAllReply all = reply;
    all.granted += granted;
    session.readAndAnswer(asked, all);
  });
  if (inMemory) {
    process->port->lockAll(std::move(rest), std::move(answer));
  } else {
    inTurnAside([port = process->port, rest = std::move(rest), answer = std::move(answer)] {
      port->lockAll(rest, answer);
    });
  }
  return true;
}

bool ServerSession::handle(const wire::Cancel& message) {
  const OwnedProcess* const process = ownedBy(message.locker);
  if (process == nullptr) return true;
  const auto commit = commits_.find({message.locker.value, message.request});
  if (commit != commits_.end()) *commit->second = true;
  process->port->cancel(message.request);
  return true;
}

bool ServerSession::handle(const wire::Unlock& message) {
  if (!isLockable(message.target)) return false;
  const OwnedProcess* const process = ownedBy(message.locker);
  if (process == nullptr) return true;
  // What its commit relies on stays: see LockedStore.
  if (process->commitsUnderWay == 0 && process->port->tryUnlock(message.target)) return true;
  process->port->unlock(message.target);
  return true;
}

bool ServerSession::handle(const wire::ReleaseTransaction& message) {
  if (const OwnedProcess* const process = ownedBy(message.locker)) {
    process->port->releaseTransactionLocks(Lifetime::Persistent);
  }
  return true;
}

bool ServerSession::handle(const wire::ReleaseLevel& message) {
  if (const OwnedProcess* const process = ownedBy(message.locker)) {
    process->port->releaseLevel(Lifetime::Persistent, message.level);
  }
  return true;
}

}  // namespace nephrite

// The part of RemoteDatabase that asks for locks and lets them go.

#include <algorithm>
#include <utility>

#include "locking/lock_rules.h"
#include "node/client/remote_database.h"
#include "runtime/database/system_class.h"

namespace nephrite {
namespace {

using std::chrono::milliseconds;

Oid targetOf(const LockRequest& request) { return Oid::fromBits(request.target.value); }

bool isShared(Oid oid) { return oid.lifetime() == Lifetime::SharedTransient; }

/// Gives each answer, in the order of their places, to one of the two.
template <class TakeGrant, class TakeReply>
void eachAnswer(const wire::LockAnswered& all, TakeGrant takeGrant, TakeReply takeReply) {
  auto grant = all.grants.begin();
  auto reply = all.replies.begin();
  for (std::size_t place = 0; place < all.count(); ++place) {
    if (grant != all.grants.end() && grant->place == place) {
      takeGrant(place, *grant++);
    } else {
      takeReply(place, *reply++);
    }
  }
}

/// The answers in `answer`, if it has one and at most `most`.
const wire::LockAnswered* answersIn(const ClientAnswer& answer, std::size_t most) {
  const auto* const message = std::get_if<wire::FromServer>(&answer);
  const auto* const all = message ? std::get_if<wire::LockAnswered>(message) : nullptr;
  return all != nullptr && all->count() > 0 && all->count() <= most ? all : nullptr;
}

bool isResource(const LockRequest& request) {
  return targetOf(request).lifetime() == Lifetime::Resource;
}

/// What asks for leases, resources and scopes is for servers that know of them.
std::uint16_t versionOf(const LockRequest& request, bool ofResource) {
  if (request.scope != LockScope::Node) return wire::kScopeVersion;
  return !request.lease.isNone() || ofResource ? 2 : 1;
}

/// A short message says neither a lease nor a scope.
bool canBeShort(const LockRequest& request) {
  return request.lease.isNone() && request.scope == LockScope::Node;
}

ClientLock heldIn(const wire::LockGrant& grant) {
  return ClientLock({grant.token, grant.since, grant.level, grant.type, grant.session});
}

/// What `answer`, which is no reply, came to.
LockReply unanswered(const LockRequest& request, const ClientAnswer& answer) {
  LockReply failed;
  failed.lock.request = request;
  failed.lock.outcome = LockOutcome::Cancelled;
  const auto* const failure = std::get_if<RequestFailure>(&answer);
  if (failure == nullptr) {
    failed.failure = {ErrorCode::ServerRefused, "the server's answer makes no sense"};
  } else if (failure->code != ErrorCode::WaitCancelled) {
    failed.failure = *failure;
  }
  return failed;
}

}  // namespace

// --- Requests on their way -----------------------------------------------------------------------

/// What was known here of a lock when it was asked for.
struct RemoteDatabase::Known {
  RecordPtr record;  // In the cache; null when only its edition was asked for.
  ClientLock held;
};

/// One of the locks that a request asks for.
struct RemoteDatabase::LockOfCall {
  wire::KnownRequest order;
  Known known;
};

class RemoteDatabase::PendingLock final : public PendingCall {
 public:
  PendingLock(RemoteDatabase& database, const ObjectLockRequest& order, LockReplyDone done)
      : database_(database), done_(std::move(done)) {
    message_.order.order = order;
  }

  /// Whether there is anything to ask.
  bool isAnsweredFromCache() {
    known_ = database_.lookUp(message_.order);
    const LockRequest& request = message_.order.order.request;
    if (const auto gone = database_.refusal(request)) {
      done_(*gone);
      return true;
    }
    const auto here = database_.answerFromCache(message_.order.order, known_);
    if (here) done_(*here);
    return here.has_value();
  }
  ClientSession::Terms terms() const {
    const LockRequest& request = message_.order.order.request;
    return {database_.waitOf(request) + kSlack, false, request.locker.value};
  }

  std::uint16_t leastVersion() const override {
    const LockRequest& request = message_.order.order.request;
    return versionOf(request, isResource(request));
  }
  std::string_view message(wire::RequestId id, bool shortly, Instant now) override {
    message_.id = id;
    shortly = shortly && canBeShort(message_.order.order.request);
    return shortly ? wire::encodeShort(message_) : wire::encodeInPlace(message_, now);
  }
  void sent(std::uint64_t number) override {
    const LockRequest& request = message_.order.order.request;
    const Oid target = targetOf(request);
    database_.held_.asked(request.locker, {&target, 1}, number);
  }
  void onReply(ClientAnswer answer, const Arrived& arrived) override {
    const wire::LockAnswered* const all = answersIn(answer, 1);
    const LockRequest& request = message_.order.order.request;
    const LockReply result = all != nullptr
                                 ? database_.onReply(message_.order, known_, *all, arrived)
                                 : unanswered(request, answer);
    database_.callEnded(request, result.lock.outcome == LockOutcome::Granted);
    done_(result);
  }
  bool wantsLateReply() const override { return true; }
  void onLateReply(ClientAnswer answer, const Arrived& arrived) override {
    const wire::LockAnswered* const all = answersIn(answer, 1);
    if (all == nullptr) return;
    database_.onLateReply(*all, arrived, [&](std::size_t) -> LockOfCall {
      return {message_.order, known_};
    });
  }
  bool asksFor(LockerId locker, Oid target) const override {
    const LockRequest& request = message_.order.order.request;
    return request.locker == locker && targetOf(request) == target;
  }

 private:
  RemoteDatabase& database_;
  wire::Lock message_;
  Known known_;
  const LockReplyDone done_;
};

class RemoteDatabase::PendingLocks final : public PendingCall {
 public:
  PendingLocks(RemoteDatabase& database, const ObjectLockBatch& orders, LockAllDone done)
      : database_(database), done_(std::move(done)) {
    message_.request = orders.request;
    message_.targets.reserve(orders.targets.size());
    targets_.reserve(orders.targets.size());
    for (const ObjectLockBatch::Target& target : orders.targets) {
      message_.targets.push_back({target.oid, 0, target.existence});
      targets_.push_back(target.oid);
    }
  }

  /// Whether there is anything to ask.
  bool isAnsweredFromCache() {
    database_.lookUp(message_);
    const auto gone = database_.refusal(first());
    if (gone) done_({0, *gone});
    return gone.has_value();
  }
  ClientSession::Terms terms() const {
    const milliseconds each = database_.waitOf(message_.request);
    const milliseconds all = std::min<milliseconds>(each * targets_.size(), kLongestWait);
    return {all + kSlack, false, message_.request.locker.value};
  }

  std::size_t leastBytes() const override { return targets_.size() * sizeof(std::uint64_t); }
  std::uint16_t leastVersion() const override {
    return versionOf(message_.request, targets_.front().lifetime() == Lifetime::Resource);
  }
  std::string_view message(wire::RequestId id, bool shortly, Instant now) override {
    message_.id = id;
    shortly = shortly && canBeShort(message_.request);
    const auto small = shortly ? wire::encodeShort(message_) : std::nullopt;
    return small ? *small : wire::encodeInPlace(message_, now);
  }
  void sent(std::uint64_t number) override {
    number_ = number;
    database_.held_.asked(message_.request.locker, targets_, number);
  }
  void onReply(ClientAnswer answer, const Arrived& arrived) override {
    LockAllReply result;
    if (const wire::LockAnswered* const all = answersIn(answer, targets_.size())) {
      result = database_.onReply(message_, targets_, *all, arrived);
      notReached(all->count());
    } else {
      result.refused = unanswered(first(), answer);
    }
    if (database_.heardLate()) {
      // A lock that is refused may be held (1146).
      const bool next = result.refused && result.refused->lock.outcome == LockOutcome::Granted;
      const std::size_t granted = result.granted + (next ? 1 : 0);
      for (std::size_t place = 0; place < targets_.size(); ++place)
        database_.callEnded(message_.at(place).order.request, place < granted);
    }
    done_(result);
  }
  bool wantsLateReply() const override { return true; }
  void onLateReply(ClientAnswer answer, const Arrived& arrived) override {
    const wire::LockAnswered* const all = answersIn(answer, targets_.size());
    if (all == nullptr) return;
    database_.onLateReply(*all, arrived, [&](std::size_t place) -> LockOfCall {
      return {message_.at(place), {}};
    });
    notReached(all->count());
  }
  bool asksFor(LockerId locker, Oid target) const override {
    return message_.request.locker == locker &&
           std::find(targets_.begin(), targets_.end(), target) != targets_.end();
  }

 private:
  static constexpr std::chrono::hours kLongestWait{24 * 365 * 100};

  LockRequest first() const { return message_.at(0).order.request; }
  /// Those from the place `first` on.
  void notReached(std::size_t first) {
    if (first == targets_.size()) return;
    database_.held_.notReached(message_.request.locker, std::span(targets_).subspan(first),
                               number_);
  }

  RemoteDatabase& database_;
  wire::LockAll message_;
  std::vector<Oid> targets_;  // As in message_.
  std::uint64_t number_ = 0;  // Of the message.
  const LockAllDone done_;
};

// --- Before asking -------------------------------------------------------------------------------

void RemoteDatabase::fillIn(LockRequest& request) const {
  if (request.background && request.timeout == LockTimeout::serverDefined()) {
    request.timeout = LockTimeout::of(backgroundTimeout());
  }
}

RemoteDatabase::Known RemoteDatabase::lookUp(wire::KnownRequest& order) const {
  LockRequest& request = order.order.request;
  fillIn(request);
  const Oid oid = targetOf(request);
  Known known;
  if (!isSystemObject(oid)) known.record = cache_.find(oid).record;
  order.knownEdition = known.record ? known.record->edition : 0;
  known.held = held_.find(request.locker, oid);
  return known;
}

void RemoteDatabase::lookUp(wire::LockAll& message) const {
  fillIn(message.request);
  for (wire::KnownTarget& target : message.targets) {
    if (!isSystemObject(target.oid)) target.knownEdition = cache_.edition(target.oid);
  }
}

// What is held is the latest edition while it is held, and asking again for it changes nothing, but
// for a lease, its own or that of a lock above it: the server need not know.
std::optional<LockReply> RemoteDatabase::answerFromCache(const ObjectLockRequest& order,
                                                         const Known& known) const {
  const LockRequest& asked = order.request;
  const ClientLock& held = known.held;
  if (held.hasLease || held.renewsAbove || !asked.lease.isNone()) return std::nullopt;
  if (!changesNothing(held.types(), held.below, asked.terms(), asked.scope)) return std::nullopt;
  const bool needsRecord = order.existence == Existence::Required;
  if (needsRecord && known.record == nullptr) return std::nullopt;
  if (!session_->isSure()) return std::nullopt;
  LockReply reply;
  reply.lock.request = order.request;
  reply.lock.token = known.held.token;
  if (needsRecord) reply.record = known.record;
  return reply;
}

// The same for the fast path: so that the process need not ask.
bool RemoteDatabase::isHeldAsAsked(LockerId locker, Oid target, LockTerms terms) const {
  const ClientLock held = held_.find(locker, target);
  if (held.type == LockType::Get || held.hasLease || held.renewsAbove) return false;
  if (!changesNothing(held.types(), held.below, terms, LockScope::Node)) return false;
  // What it has created itself is in no cache: lock() knows it.
  const bool isThere = target.lifetime() == Lifetime::Resource || cache_.edition(target) != 0;
  return isThere && session_->isSure();
}

// --- Answers -------------------------------------------------------------------------------------

LockReply RemoteDatabase::onReply(const wire::KnownRequest& order, const Known& known,
                                  const wire::LockReply& reply, const Arrived& arrived) {
  const LockRequest& request = order.order.request;
  const Oid target = targetOf(request);
  LockReply result = reply.reply;
  result.lock.request = request;
  if (reply.unchanged) result.record = known.record;
  if (result.record && !reply.unchanged && !isSystemObject(target)) cache_.refresh(result.record);
  held_.told(request.locker, target, reply.held ? ClientLock(*reply.held) : ClientLock(),
             arrived.acknowledged);
  return result;
}

LockReply RemoteDatabase::onReply(const wire::KnownRequest& order, const Known& known,
                                  const wire::LockAnswered& all, const Arrived& arrived) {
  names_.remember(all.people);
  names_.remember(all.names);
  if (all.grants.empty()) return onReply(order, known, all.replies.front(), arrived);
  const wire::LockGrant& grant = all.grants.front();
  const LockRequest& request = order.order.request;
  held_.told(request.locker, targetOf(request), heldIn(grant), arrived.acknowledged);
  LockReply result;
  result.lock.request = request;
  result.lock.token = grant.token;
  if (order.order.existence == Existence::Required) result.record = known.record;
  return result;
}

LockAllReply RemoteDatabase::onReply(const wire::LockAll& asked, std::span<const Oid> targets,
                                     const wire::LockAnswered& all, const Arrived& arrived) {
  names_.remember(all.people);
  names_.remember(all.names);
  LockAllReply result;
  std::vector<ClientLock> held;  // Of grants in a row that are not yet noted.
  held.reserve(all.grants.size());
  const auto noteGrants = [&](std::size_t end) {
    if (held.empty()) return;
    held_.told(asked.request.locker, targets.subspan(end - held.size(), held.size()), held,
               arrived.acknowledged);
    result.granted += held.size();
    held.clear();
  };
  eachAnswer(
      all, [&](std::size_t, const wire::LockGrant& grant) { held.push_back(heldIn(grant)); },
      [&](std::size_t place, const wire::LockReply& reply) {
        noteGrants(place);
        LockReply one = onReply(asked.at(place), {}, reply, arrived);
        if (one.isGranted()) {
          ++result.granted;
        } else {
          result.refused = std::move(one);
        }
      });
  noteGrants(all.count());
  return result;
}

// An earlier request for the same lock may have been granted when its asker had given up, and the
// lock kept for the requests that still asked: when the last of them does not get it, it goes.
void RemoteDatabase::callEnded(const LockRequest& request, bool granted) {
  if (!heardLate()) return;
  MutexLock hold(lateMutex_);
  const auto late = lateGrants_.find({request.locker.value, request.target.value});
  if (late == lateGrants_.end()) return;
  if (!granted && !unlockUnlessAsked(request)) return;
  lateGrants_.erase(late);
  --lateGrantCount_;
}

bool RemoteDatabase::unlockUnlessAsked(const LockRequest& request) {
  const Oid target = targetOf(request);
  return session_->tellUnlessAsked({request.locker, target}, [&](std::uint64_t number) {
    held_.unlocked(request.locker, target, number);
  });
}

// Granted when its asker had given up: what it does not hold, or has released since, it shall not
// hold now, unless it has asked again meanwhile.
void RemoteDatabase::onLateReply(const wire::LockAnswered& all, const Arrived& arrived,
                                 FunctionRef<LockOfCall(std::size_t)> askedAt) {
  const auto late = [&](const LockOfCall& asked, bool granted, FunctionRef<void()> note) {
    const LockRequest& request = asked.order.order.request;
    MutexLock hold(lateMutex_);
    const bool goes = granted && !held_.mayHold(request.locker, targetOf(request));
    if (goes && unlockUnlessAsked(request)) return;
    note();
    if (!goes) return;
    if (lateGrants_.insert({request.locker.value, request.target.value}).second) ++lateGrantCount_;
  };
  eachAnswer(
      all,
      [&](std::size_t place, const wire::LockGrant& grant) {
        const LockOfCall asked = askedAt(place);
        const LockRequest& request = asked.order.order.request;
        late(asked, true, [&] {
          held_.told(request.locker, targetOf(request), heldIn(grant), arrived.acknowledged);
        });
      },
      [&](std::size_t place, const wire::LockReply& reply) {
        const LockOfCall asked = askedAt(place);
        const bool granted =
            reply.reply.lock.outcome == LockOutcome::Granted && !reply.reply.missing;
        late(asked, granted, [&] { onReply(asked.order, asked.known, reply, arrived); });
      });
}

void RemoteDatabase::forgetLateGrants(FunctionRef<bool(LockerId)> isOf) {
  if (!heardLate()) return;
  MutexLock hold(lateMutex_);
  boost::unordered::erase_if(lateGrants_, [&](const auto& late) { return isOf({late.first}); });
  lateGrantCount_ = lateGrants_.size();
}

milliseconds RemoteDatabase::waitOf(const LockRequest& request) const {
  if (request.timeout.isImmediate()) return milliseconds(0);
  if (request.timeout.isWait()) {
    return std::chrono::ceil<milliseconds>(request.timeout.wait());
  }
  if (request.background) return backgroundTimeout();
  return session_->serverTimeout();
}

// The answer to a process that can ask for nothing any more: it has signed off, or has lost the
// server.
std::optional<LockReply> RemoteDatabase::refusal(const LockRequest& request) const {
  LockReply reply;
  {
    MutexLock hold(mutex_);
    const auto known = lockers_.find(request.locker.value);
    if (known != lockers_.end() && !known->second.lost) return std::nullopt;
    if (known != lockers_.end()) reply.failure = known->second.lost;
  }
  reply.lock.request = request;
  reply.lock.outcome = LockOutcome::Cancelled;
  return reply;
}

std::optional<LockReply> RemoteDatabase::refusalNow(const LockRequest& request) const {
  auto gone = refusal(request);
  if (gone || session_->isUp()) return gone;
  gone.emplace();
  gone->lock.request = request;
  gone->lock.outcome = LockOutcome::Cancelled;
  gone->failure = session_->whyDown();
  return gone;
}

// A process that has lost the server has lost its shared transients, too, and is told so.
LockReply RemoteDatabase::withLoss(LockReply reply) const {
  if (reply.lock.outcome != LockOutcome::Cancelled) return reply;
  if (const auto gone = refusalNow(reply.lock.request)) reply.failure = gone->failure;
  return reply;
}

// --- Asking and letting go -----------------------------------------------------------------------

namespace {

// A lock in its place would be held, and a gated read holds nothing.
LockReply accessRefused(const LockRequest& request, const std::string& shown) {
  LockReply refused;
  refused.lock.request = request;
  refused.lock.outcome = LockOutcome::Cancelled;
  refused.failure = {ErrorCode::NotLockable,
                     shown +
                         ": a client node cannot write or read it as a face does; ask for a "
                         "lock, or ask in the program that has the database"};
  return refused;
}

}  // namespace

void RemoteDatabase::lock(const ObjectLockRequest& order, LockReplyDone done) {
  if (isShared(targetOf(order.request))) {
    return shared_->lock(
        order, [this, done = std::move(done)](const LockReply& reply) { done(withLoss(reply)); });
  }
  if (order.request.access != LockAccess::Lock) {
    return done(accessRefused(order.request, show(targetOf(order.request))));
  }
  auto asked = std::make_shared<PendingLock>(*this, order, std::move(done));
  if (asked->isAnsweredFromCache()) return;
  const ClientSession::Terms terms = asked->terms();
  session_->ask(std::move(asked), terms);
}

void RemoteDatabase::lockAll(ObjectLockBatch orders, LockAllDone done) {
  if (orders.targets.empty()) return done({});
  if (isShared(orders.targets.front().oid)) {
    return shared_->lockAll(std::move(orders), [this, done = std::move(done)](LockAllReply reply) {
      if (reply.refused) reply.refused = withLoss(*reply.refused);
      done(reply);
    });
  }
  const auto asked = std::make_shared<PendingLocks>(*this, orders, std::move(done));
  if (!asked->isAnsweredFromCache()) session_->ask(asked, asked->terms());
}

void RemoteDatabase::cancel(LockerId locker, std::uint64_t requestId) {
  shared_->cancel(locker, requestId);
  session_->tell(wire::Cancel{locker, requestId});
}

bool RemoteDatabase::unlock(LockerId locker, Oid target) {
  if (isShared(target)) return shared_->unlock(locker, target);
  bool held = false;
  session_->tell(wire::Unlock{locker, target},
                 [&](std::uint64_t number) { held = held_.unlocked(locker, target, number); });
  return held;
}

void RemoteDatabase::releaseTransactionLocks(LockerId locker, Lifetime lifetime) {
  if (lifetime == Lifetime::SharedTransient) return shared_->releaseTransactionLocks(locker);
  session_->tell(wire::ReleaseTransaction{locker},
                 [&](std::uint64_t number) { held_.transactionEnded(locker, number); });
}

void RemoteDatabase::releaseLevel(LockerId locker, Lifetime lifetime, std::uint16_t level) {
  if (lifetime == Lifetime::SharedTransient) return shared_->releaseLevel(locker, level);
  session_->tell(wire::ReleaseLevel{locker, level},
                 [&](std::uint64_t number) { held_.levelEnded(locker, level, number); });
}

LockType RemoteDatabase::typeHeld(LockerId locker, Oid target) const {
  return isShared(target) ? shared_->typeHeld(locker, target) : held_.find(locker, target).type;
}

std::vector<bool> RemoteDatabase::mayHold(LockerId locker, std::span<const Oid> targets) const {
  std::vector<bool> held = held_.mayHold(locker, targets);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (isShared(targets[i])) held[i] = shared_->typeHeld(locker, targets[i]) != LockType::Get;
  }
  return held;
}

std::optional<LockInfo> RemoteDatabase::lockStatus(LockerId locker, Oid target) const {
  if (isShared(target)) return shared_->lockStatus(locker, target);
  auto known = lockKnown(locker, target);
  if (known ? !held_.find(locker, target).hasLease : !held_.mayHold(locker, target)) return known;
  known.reset();
  for (LockInfo& lock : locksOn(target)) {
    if (lock.requestedBy != locker || lock.waiting || lock.isFromAbove()) continue;
    known = std::move(lock);
  }
  return known;
}

std::optional<LockInfo> RemoteDatabase::lockKnown(LockerId locker, Oid target) const {
  if (isShared(target)) return shared_->lockStatus(locker, target);
  const ClientLock held = held_.find(locker, target);
  if (held.type == LockType::Get) return std::nullopt;
  LockInfo info;
  info.target = {target.bits()};
  info.requestedBy = locker;
  info.type = held.type;
  info.wanted = held.type;
  info.session = held.session;
  info.duration = held.session == LockType::Get ? LockDuration::Transaction : LockDuration::Session;
  info.level = held.level;
  info.since = held.since;
  info.token = held.token;
  info.below = held.below.type;
  info.belowSession = held.below.session;
  info.scope = info.below == LockType::Get ? LockScope::Node : LockScope::Subtree;
  info.elapsed = clock_.now() - held.since;
  info.requestTime =
      clock_.wallNow() - std::chrono::duration_cast<WallTime::duration>(info.elapsed);
  return info;
}

}  // namespace nephrite

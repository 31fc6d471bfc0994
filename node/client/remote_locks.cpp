// The part of RemoteDatabase that asks for locks and lets them go.

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <utility>

#include "node/client/remote_database.h"
#include "runtime/system_class.h"

namespace nephrite {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSlack{1'000};

Oid targetOf(const LockRequest& request) { return Oid::fromBits(request.target.value); }

bool isShared(const LockRequest& request) {
  return targetOf(request).lifetime() == Lifetime::SharedTransient;
}

/// Would the server's table stay as it is? Docs/locking.md, section 2.1.
bool changesNothing(const HeldLock& held, const LockRequest& request) {
  if (!covers(held.type, request.type)) return false;
  const bool typeStays = held.type == request.type || request.inState;
  if (request.duration == LockDuration::Session) return held.session == request.type && typeStays;
  return held.session != LockType::Get || typeStays;
}

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

HeldLock heldIn(const wire::LockGrant& grant) {
  return {grant.token, grant.since, grant.level, grant.type, grant.session};
}
HeldLock heldIn(const LockInfo& held) {
  return {held.token, held.since, held.level, held.type, held.session};
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
  RecordPtr record;  // In the cache.
  HeldLock held;
};

class RemoteDatabase::AskedLock final : public Asked {
 public:
  AskedLock(RemoteDatabase& database, const LockOrder& order, LockReplySettle settle)
      : database_(database), settle_(std::move(settle)) {
    message_.order.order = order;
  }

  /// Whether there is anything to ask.
  bool isAnsweredHere() {
    database_.lookUp({&message_.order, 1}, {&known_, 1});
    const LockRequest& request = message_.order.order.request;
    if (const auto gone = database_.refusal(request)) {
      settle_(*gone);
      return true;
    }
    const auto here = database_.answeredHere(message_.order.order, known_);
    if (here) settle_(*here);
    return here.has_value();
  }
  ClientSession::Terms terms() const {
    const LockRequest& request = message_.order.order.request;
    return {database_.waitOf(request) + kSlack, false, request.locker.value};
  }

  std::string_view message(wire::RequestId id, bool shortly, Instant now) override {
    message_.id = id;
    database_.mayLoseShare(message_.order.order.request, known_, true);
    return shortly ? wire::encodeShort(message_) : wire::encodeInPlace(message_, now);
  }
  void answered(ClientAnswer answer, const Arrived& arrived) override {
    const wire::LockAnswered* const all = answersIn(answer, 1);
    const LockRequest& request = message_.order.order.request;
    LockReply result;
    if (all != nullptr) {
      database_.answered({&message_.order, 1}, {&known_, 1}, *all, arrived, {&result, 1});
    } else {
      result = unanswered(request, answer);
    }
    database_.hasAsked(request, result.lock.outcome == LockOutcome::Granted);
    settle_(result);
  }
  bool hearsLate() const override { return true; }
  void answeredLate(ClientAnswer answer, const Arrived& arrived) override {
    const wire::LockAnswered* const all = answersIn(answer, 1);
    if (all != nullptr) database_.answeredLate({&message_.order, 1}, {&known_, 1}, *all, arrived);
  }
  bool asksFor(LockerId locker, Oid target) const override {
    const LockRequest& request = message_.order.order.request;
    return request.locker == locker && targetOf(request) == target;
  }

 private:
  RemoteDatabase& database_;
  wire::Lock message_;
  Known known_;
  const LockReplySettle settle_;
};

class RemoteDatabase::AskedLocks final : public Asked {
 public:
  AskedLocks(RemoteDatabase& database, const std::vector<LockOrder>& orders,
             LockRepliesSettle settle)
      : database_(database), known_(orders.size()), settle_(std::move(settle)) {
    message_.orders.reserve(orders.size());
    for (const LockOrder& order : orders) message_.orders.push_back({order, 0});
  }

  /// Whether there is anything to ask.
  bool isAnsweredHere() {
    database_.lookUp(message_.orders, known_);
    const auto gone = database_.refusal(first());
    if (gone) settle_({*gone});
    return gone.has_value();
  }
  ClientSession::Terms terms() const {
    milliseconds bound = kSlack;
    LockTimeout last = first().timeout;
    milliseconds wait = database_.waitOf(first());
    for (const wire::KnownOrder& one : message_.orders) {
      const LockRequest& request = one.order.request;
      if (request.timeout != last) wait = database_.waitOf(request);
      last = request.timeout;
      bound += std::min(wait, milliseconds(INT32_MAX));
    }
    return {bound, false, first().locker.value};
  }

  std::string_view message(wire::RequestId id, bool shortly, Instant now) override {
    message_.id = id;
    for (std::size_t i = 0; i < known_.size(); ++i) {
      database_.mayLoseShare(message_.orders[i].order.request, known_[i], true);
    }
    const auto small = shortly ? wire::encodeShort(message_) : std::nullopt;
    return small ? *small : wire::encodeInPlace(message_, now);
  }
  void answered(ClientAnswer answer, const Arrived& arrived) override {
    std::vector<LockReply> results;
    if (const wire::LockAnswered* const all = answersIn(answer, known_.size())) {
      results.resize(all->count());
      database_.answered(message_.orders, known_, *all, arrived, results);
      for (std::size_t i = results.size(); i < known_.size(); ++i) {
        database_.mayLoseShare(message_.orders[i].order.request, known_[i], false);
      }
    } else {
      results = {unanswered(first(), answer)};
    }
    for (std::size_t i = 0; i < known_.size(); ++i) {
      const bool granted = i < results.size() && results[i].lock.outcome == LockOutcome::Granted;
      database_.hasAsked(message_.orders[i].order.request, granted);
    }
    settle_(results);
  }
  bool hearsLate() const override { return true; }
  void answeredLate(ClientAnswer answer, const Arrived& arrived) override {
    const wire::LockAnswered* const all = answersIn(answer, known_.size());
    if (all != nullptr) database_.answeredLate(message_.orders, known_, *all, arrived);
  }
  bool asksFor(LockerId locker, Oid target) const override {
    return first().locker == locker &&
           std::any_of(message_.orders.begin(), message_.orders.end(),
                       [&](const auto& one) { return targetOf(one.order.request) == target; });
  }

 private:
  const LockRequest& first() const { return message_.orders.front().order.request; }

  RemoteDatabase& database_;
  wire::LockAll message_;
  std::vector<Known> known_;
  const LockRepliesSettle settle_;
};

// --- Before asking -------------------------------------------------------------------------------

void RemoteDatabase::lookUp(std::span<wire::KnownOrder> orders, std::span<Known> known) const {
  boost::container::small_vector<Oid, 4> targets;
  targets.reserve(orders.size());
  for (std::size_t i = 0; i < orders.size(); ++i) {
    LockRequest& request = orders[i].order.request;
    if (request.background && request.timeout == LockTimeout::serverDefined()) {
      request.timeout = LockTimeout::of(backgroundTimeout());
    }
    const Oid oid = targets.emplace_back(targetOf(request));
    if (!isSystemObject(oid)) known[i].record = cache_.find(oid).record;
    orders[i].knownEdition = known[i].record ? known[i].record->edition : 0;
  }
  boost::container::small_vector<HeldLock, 4> held(targets.size());
  held_.find(orders.front().order.request.locker, targets, held);
  for (std::size_t i = 0; i < held.size(); ++i) known[i].held = held[i];
}

// What is held is the latest edition while it is held, and asking again for it changes nothing: the
// server need not know.
std::optional<LockReply> RemoteDatabase::answeredHere(const LockOrder& order,
                                                      const Known& known) const {
  if (known.held.type == LockType::Get || !changesNothing(known.held, order.request)) return {};
  const bool needsRecord = order.existence == Existence::Required;
  if (needsRecord && known.record == nullptr) return std::nullopt;
  if (!session_->isSure()) return std::nullopt;
  LockReply reply;
  reply.lock.request = order.request;
  reply.lock.token = known.held.token;
  if (needsRecord) reply.record = known.record;
  return reply;
}

// Share is let go before Update is asked for (docs/locking.md, section 2.2): at the server, which
// will say what has become of it.
void RemoteDatabase::mayLoseShare(const LockRequest& request, const Known& known, bool is) {
  if (request.type != LockType::Update || known.held.type != LockType::Share) return;
  if (known.held.session != LockType::Get) return;
  held_.mayBeGone(request.locker, targetOf(request), is);
}

// --- Answers -------------------------------------------------------------------------------------

void RemoteDatabase::answered(const wire::KnownOrder& order, const Known& known,
                              const wire::LockReply& reply, const Arrived& arrived,
                              LockReply& result) {
  const LockRequest& request = order.order.request;
  const Oid target = targetOf(request);
  result = reply.reply;
  result.lock.request = request;
  if (reply.unchanged) result.record = known.record;
  if (result.record && !reply.unchanged && !isSystemObject(target)) cache_.refresh(result.record);
  if (reply.held) {
    held_.granted(request.locker, target, heldIn(*reply.held), arrived.acknowledged);
  } else {
    held_.taken(request.locker, target);
  }
}

void RemoteDatabase::answered(std::span<const wire::KnownOrder> orders,
                              std::span<const Known> known, const wire::LockAnswered& all,
                              const Arrived& arrived, std::span<LockReply> results) {
  meet(all.people);
  const LockerId locker = orders.front().order.request.locker;
  boost::container::small_vector<Oid, 4> targets;
  boost::container::small_vector<HeldLock, 4> held;
  targets.reserve(all.grants.size());
  held.reserve(all.grants.size());
  const auto noteGrants = [&] {
    if (targets.empty()) return;
    held_.granted(locker, targets, held, arrived.acknowledged);
    targets.clear();
    held.clear();
  };
  eachAnswer(
      all,
      [&](std::size_t place, const wire::LockGrant& grant) {
        const LockOrder& order = orders[place].order;
        results[place].lock.request = order.request;
        results[place].lock.token = grant.token;
        if (order.existence == Existence::Required) results[place].record = known[place].record;
        targets.push_back(targetOf(order.request));
        held.push_back(heldIn(grant));
      },
      [&](std::size_t place, const wire::LockReply& reply) {
        noteGrants();  // It may speak of the same object.
        answered(orders[place], known[place], reply, arrived, results[place]);
      });
  noteGrants();
}

// An earlier request for the same lock may have been granted when its asker had given up, and the
// lock kept for those who still asked: when the last of them does not get it, it goes.
void RemoteDatabase::hasAsked(const LockRequest& request, bool granted) {
  if (lateGrantCount_.load(std::memory_order_relaxed) == 0) return;
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

// Granted when its asker had given up: what it did not hold before, it shall not hold now, unless
// it has asked again meanwhile.
void RemoteDatabase::answeredLate(std::span<const wire::KnownOrder> orders,
                                  std::span<const Known> known, const wire::LockAnswered& all,
                                  const Arrived& arrived) {
  const auto late = [&](std::size_t place, const auto& one, bool granted, const auto& note) {
    const LockRequest& request = orders[place].order.request;
    MutexLock hold(lateMutex_);
    const bool keeps = known[place].held.type != LockType::Get ||
                       held_.find(request.locker, targetOf(request)).type != LockType::Get;
    const bool goes = granted && !keeps;
    if (goes && unlockUnlessAsked(request)) return;
    note(one);
    if (!goes) return;
    if (lateGrants_.insert({request.locker.value, request.target.value}).second) ++lateGrantCount_;
  };
  eachAnswer(
      all,
      [&](std::size_t place, const wire::LockGrant& grant) {
        late(place, grant, true, [&](const wire::LockGrant& one) {
          const LockRequest& request = orders[place].order.request;
          held_.granted(request.locker, targetOf(request), heldIn(one), arrived.acknowledged);
        });
      },
      [&](std::size_t place, const wire::LockReply& reply) {
        const bool granted =
            reply.reply.lock.outcome == LockOutcome::Granted && !reply.reply.missing;
        late(place, reply, granted, [&](const wire::LockReply& one) {
          LockReply unheard;
          answered(orders[place], known[place], one, arrived, unheard);
        });
      });
}

void RemoteDatabase::forgetLateGrants(FunctionRef<bool(LockerId)> isOf) {
  if (lateGrantCount_.load(std::memory_order_relaxed) == 0) return;
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

// The answer to who can ask for nothing any more: it has signed off, or has lost the server.
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

void RemoteDatabase::lock(const LockOrder& order, LockReplySettle settle) {
  if (isShared(order.request)) {
    return shared_->lock(order, [this, settle = std::move(settle)](const LockReply& reply) {
      settle(withLoss(reply));
    });
  }
  auto asked = std::make_shared<AskedLock>(*this, order, std::move(settle));
  if (asked->isAnsweredHere()) return;
  const ClientSession::Terms terms = asked->terms();
  session_->ask(std::move(asked), terms);
}

void RemoteDatabase::lockAll(std::vector<LockOrder> orders, LockRepliesSettle settle) {
  if (orders.empty()) return settle({});
  const bool shared = isShared(orders.front().request);
  const auto other = std::find_if(orders.begin(), orders.end(), [&](const LockOrder& order) {
    return isShared(order.request) != shared;
  });
  if (other != orders.end()) {
    // Those of one lifetime stand together: first these, then the others.
    std::vector<LockOrder> rest(other, orders.end());
    orders.erase(other, orders.end());
    return lockAll(std::move(orders), [this, rest = std::move(rest), settle = std::move(settle)](
                                          const std::vector<LockReply>& replies) {
      if (!replies.back().isGranted()) return settle(replies);
      lockAll(rest, [replies, settle](const std::vector<LockReply>& more) {
        std::vector<LockReply> all = replies;
        all.insert(all.end(), more.begin(), more.end());
        settle(all);
      });
    });
  }
  if (shared) {
    return shared_->lockAll(std::move(orders), [this, settle = std::move(settle)](
                                                   const std::vector<LockReply>& replies) {
      std::vector<LockReply> told = replies;
      told.back() = withLoss(replies.back());
      settle(told);
    });
  }
  auto asked = std::make_shared<AskedLocks>(*this, orders, std::move(settle));
  if (asked->isAnsweredHere()) return;
  const ClientSession::Terms terms = asked->terms();
  session_->ask(std::move(asked), terms);
}

void RemoteDatabase::cancel(LockerId locker, std::uint64_t requestId) {
  shared_->cancel(locker, requestId);
  session_->tell(wire::Cancel{locker, requestId});
}

bool RemoteDatabase::unlock(LockerId locker, Oid target) {
  if (target.lifetime() == Lifetime::SharedTransient) return shared_->unlock(locker, target);
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

std::optional<LockInfo> RemoteDatabase::lockStatus(LockerId locker, Oid target) const {
  if (target.lifetime() == Lifetime::SharedTransient) return shared_->lockStatus(locker, target);
  const HeldLock held = held_.find(locker, target);
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
  info.elapsed = clock_.now() - held.since;
  info.requestTime =
      clock_.wallNow() - std::chrono::duration_cast<WallTime::duration>(info.elapsed);
  return info;
}

}  // namespace nephrite

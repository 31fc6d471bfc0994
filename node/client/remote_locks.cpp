// The part of RemoteDatabase that asks for locks and lets them go.

#include <algorithm>
#include <set>
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
bool changesNothing(const LockInfo& held, const LockRequest& request) {
  if (!covers(held.type, request.type)) return false;
  const bool typeStays = held.type == request.type || request.inState;
  if (request.duration == LockDuration::Session) return held.session == request.type && typeStays;
  return held.session != LockType::Get || typeStays;
}

/// Gives `take` each answer, a LockGrant or a LockReply, with the place of what it answers.
template <class Take>
void eachAnswer(const wire::LockAnswered& all, Take take) {
  auto grant = all.grants.begin();
  auto reply = all.replies.begin();
  for (std::size_t place = 0; place < all.count(); ++place) {
    if (grant != all.grants.end() && grant->place == place) {
      take(place, *grant++);
    } else {
      take(place, *reply++);
    }
  }
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

/// A request on its way, and what was known here when it was made.
struct RemoteDatabase::AskedLock {
  LockOrder order;                 // With a background process's timeout filled in.
  RecordPtr known;                 // In the cache.
  std::optional<LockInfo> before;  // Held.

  wire::KnownOrder message() const { return {order, known ? known->edition : 0}; }
};

RemoteDatabase::AskedLock RemoteDatabase::askedLock(const LockOrder& order) const {
  AskedLock asked;
  asked.order = order;
  LockRequest& request = asked.order.request;
  if (request.background && request.timeout == LockTimeout::serverDefined()) {
    request.timeout = LockTimeout::of(backgroundTimeout());
  }
  const Oid oid = targetOf(request);
  if (!isSystemObject(oid)) asked.known = cache_.find(oid).record;
  asked.before = held_.find(request.locker, oid);
  return asked;
}

// What is held is the latest edition while it is held, and asking again for it changes nothing: the
// server need not know.
std::optional<LockReply> RemoteDatabase::answeredHere(const AskedLock& asked) const {
  const LockRequest& request = asked.order.request;
  if (!asked.before || !changesNothing(*asked.before, request)) return std::nullopt;
  if (asked.order.existence == Existence::Required && asked.known == nullptr) return std::nullopt;
  LockReply reply;
  reply.lock.request = request;
  reply.lock.token = asked.before->token;
  if (asked.order.existence == Existence::Required) reply.record = asked.known;
  return reply;
}

// Share is let go before Update is asked for (docs/locking.md, section 2.2): at the server, which
// will say what has become of it.
void RemoteDatabase::mayLoseShare(const AskedLock& asked, bool is) {
  const LockRequest& request = asked.order.request;
  if (request.type != LockType::Update || !asked.before) return;
  if (asked.before->type != LockType::Share || asked.before->session != LockType::Get) return;
  held_.mayBeGone(request.locker, targetOf(request), is);
}

LockReply RemoteDatabase::answered(const AskedLock& asked, wire::LockReply reply,
                                   const Arrived& arrived) {
  const LockRequest& request = asked.order.request;
  const Oid target = targetOf(request);
  LockReply result = std::move(reply.reply);
  result.lock.request = request;
  if (reply.unchanged) result.record = asked.known;
  if (result.record && !reply.unchanged && !isSystemObject(target)) cache_.refresh(result.record);
  if (reply.held) {
    const LockInfo& held = *reply.held;
    held_.granted(request.locker, target,
                  {held.token, held.since, held.level, held.type, held.session},
                  arrived.acknowledged);
  } else {
    held_.taken(request.locker, target);
  }
  return result;
}

LockReply RemoteDatabase::answered(const AskedLock& asked, const wire::LockGrant& grant,
                                   const Arrived& arrived) {
  const LockRequest& request = asked.order.request;
  LockReply result;
  result.lock.request = request;
  result.lock.token = grant.token;
  if (asked.order.existence == Existence::Required) result.record = asked.known;
  held_.granted(request.locker, targetOf(request),
                {grant.token, grant.since, grant.level, grant.type, grant.session},
                arrived.acknowledged);
  return result;
}

void RemoteDatabase::asks(std::span<const AskedLock> asked) {
  for (const AskedLock& one : asked) mayLoseShare(one, true);
  MutexLock hold(wantedMutex_);
  for (const AskedLock& one : asked) {
    const LockRequest& request = one.order.request;
    ++wanted_[{request.locker.value, request.target.value}].requests;
  }
}

void RemoteDatabase::hasAsked(std::span<const AskedLock> asked, std::size_t granted) {
  MutexLock hold(wantedMutex_);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const LockRequest& request = asked[i].order.request;
    const auto it = wanted_.find({request.locker.value, request.target.value});
    Wanted& wanted = it->second;
    if (i < granted) wanted.givenBack = false;
    if (--wanted.requests > 0) continue;
    if (wanted.givenBack) unlock(request.locker, targetOf(request));
    wanted_.erase(it);
  }
}

// Granted when its asker had given up: what it did not hold before, it shall not hold now, unless
// it has asked again meanwhile.
void RemoteDatabase::grantedLate(const AskedLock& asked, const LateAnswer& late,
                                 const Arrived& arrived) {
  const LockRequest& request = asked.order.request;
  const Oid target = targetOf(request);
  const auto* const reply = std::get_if<const wire::LockReply*>(&late);
  const bool granted = reply == nullptr || ((*reply)->reply.lock.outcome == LockOutcome::Granted &&
                                            !(*reply)->reply.missing);
  MutexLock hold(wantedMutex_);
  const bool keeps = asked.before || held_.find(request.locker, target);
  const auto wanted = wanted_.find({request.locker.value, request.target.value});
  if (granted && !keeps && wanted == wanted_.end()) {
    unlock(request.locker, target);
    return;
  }
  std::visit([&](const auto* one) { answered(asked, *one, arrived); }, late);
  if (granted && !keeps) wanted->second.givenBack = true;
}

milliseconds RemoteDatabase::waitOf(const LockRequest& request) const {
  if (request.timeout.isImmediate()) return milliseconds(0);
  if (request.timeout.isWait()) {
    return std::chrono::ceil<milliseconds>(request.timeout.wait());
  }
  if (request.background) return backgroundTimeout();
  return session_->serverTimeout();
}

// The answer to who can ask for nothing now: it has signed off, or has lost the server.
std::optional<LockReply> RemoteDatabase::refusal(const LockRequest& request) const {
  LockReply reply;
  reply.lock.request = request;
  reply.lock.outcome = LockOutcome::Cancelled;
  {
    MutexLock hold(mutex_);
    const auto known = lockers_.find(request.locker.value);
    if (known == lockers_.end()) return reply;
    reply.failure = known->second.lost;
  }
  if (!reply.failure && !session_->isUp()) reply.failure = session_->whyDown();
  return reply.failure ? std::optional(std::move(reply)) : std::nullopt;
}

// A process that has lost the server has lost its shared transients, too, and is told so.
LockReply RemoteDatabase::withLoss(LockReply reply) const {
  if (reply.lock.outcome != LockOutcome::Cancelled) return reply;
  if (const auto gone = refusal(reply.lock.request)) reply.failure = gone->failure;
  return reply;
}

void RemoteDatabase::lock(const LockOrder& order, LockReplySettle settle) {
  if (isShared(order.request)) {
    return shared_->lock(order, [this, settle = std::move(settle)](const LockReply& reply) {
      settle(withLoss(reply));
    });
  }
  const auto asked = std::make_shared<const AskedLock>(askedLock(order));
  const LockRequest& request = asked->order.request;
  if (const auto gone = refusal(request)) return settle(*gone);
  if (session_->isSure()) {
    if (const auto here = answeredHere(*asked)) return settle(*here);
  }

  const auto replyIn = [](const ClientAnswer& answer) -> const wire::LockAnswered* {
    const auto* const message = std::get_if<wire::FromServer>(&answer);
    const auto* const reply = message ? std::get_if<wire::LockAnswered>(message) : nullptr;
    return reply && reply->count() == 1 ? reply : nullptr;
  };
  ClientSession::Request sent;
  sent.bound = waitOf(request) + kSlack;
  sent.owner = request.locker.value;
  sent.message = [asked](wire::RequestId id) { return wire::Lock{id, asked->message()}; };
  sent.answer = [this, asked, replyIn, settle = std::move(settle)](const ClientAnswer& answer,
                                                                   const Arrived& arrived) {
    if (const wire::LockAnswered* const reply = replyIn(answer)) {
      meet(reply->people);
      LockReply result;
      eachAnswer(*reply,
                 [&](std::size_t, const auto& one) { result = answered(*asked, one, arrived); });
      hasAsked({asked.get(), 1}, result.lock.outcome == LockOutcome::Granted ? 1 : 0);
      return settle(result);
    }
    hasAsked({asked.get(), 1}, 0);
    settle(unanswered(asked->order.request, answer));
  };
  sent.late = [this, asked, replyIn](const ClientAnswer& answer, const Arrived& arrived) {
    if (const wire::LockAnswered* const reply = replyIn(answer)) {
      eachAnswer(*reply, [&](std::size_t, const auto& one) { grantedLate(*asked, &one, arrived); });
    }
  };
  asks({asked.get(), 1});
  session_->ask(std::move(sent));
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

  const auto asked = std::make_shared<std::vector<AskedLock>>();
  asked->reserve(orders.size());
  milliseconds bound = kSlack;
  for (const LockOrder& order : orders) {
    asked->push_back(askedLock(order));
    bound += std::min(waitOf(asked->back().order.request), milliseconds(INT32_MAX));
  }
  const LockRequest& first = asked->front().order.request;
  if (const auto gone = refusal(first)) return settle({*gone});

  ClientSession::Request sent;
  sent.bound = bound;
  sent.owner = first.locker.value;
  sent.message = [asked](wire::RequestId id) {
    wire::LockAll message{id, {}};
    message.orders.reserve(asked->size());
    for (const AskedLock& one : *asked) message.orders.push_back(one.message());
    return message;
  };
  const auto repliesIn = [asked](const ClientAnswer& answer) -> const wire::LockAnswered* {
    const auto* const message = std::get_if<wire::FromServer>(&answer);
    const auto* const reply = message ? std::get_if<wire::LockAnswered>(message) : nullptr;
    const bool fits = reply && reply->count() > 0 && reply->count() <= asked->size();
    return fits ? reply : nullptr;
  };
  sent.answer = [this, asked, settle, repliesIn](const ClientAnswer& answer,
                                                 const Arrived& arrived) {
    if (const wire::LockAnswered* const reply = repliesIn(answer)) {
      meet(reply->people);
      std::vector<LockReply> results;
      results.reserve(reply->count());
      eachAnswer(*reply, [&](std::size_t place, const auto& one) {
        results.push_back(answered((*asked)[place], one, arrived));
      });
      for (std::size_t i = results.size(); i < asked->size(); ++i) {
        mayLoseShare((*asked)[i], false);
      }
      const bool all = results.back().lock.outcome == LockOutcome::Granted;
      hasAsked(*asked, results.size() - (all ? 0 : 1));
      return settle(results);
    }
    hasAsked(*asked, 0);
    settle({unanswered(asked->front().order.request, answer)});
  };
  sent.late = [this, asked, repliesIn](const ClientAnswer& answer, const Arrived& arrived) {
    if (const wire::LockAnswered* const reply = repliesIn(answer)) {
      eachAnswer(*reply, [&](std::size_t place, const auto& one) {
        grantedLate((*asked)[place], &one, arrived);
      });
    }
  };
  asks(*asked);
  session_->ask(std::move(sent));
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
  auto held = held_.find(locker, target);
  if (!held) return held;
  held->elapsed = clock_.now() - held->since;
  held->requestTime =
      clock_.wallNow() - std::chrono::duration_cast<WallTime::duration>(held->elapsed);
  return held;
}

}  // namespace nephrite

// What a client node asks of locks: at once where nobody has to wait, else through the database,
// which calls back.

#include <utility>

#include "node/server/server_session.h"
#include "objects/object_store.h"
#include "runtime/local/quick_locks.h"
#include "runtime/system_class.h"

namespace nephrite {
namespace {

bool isPersistent(const wire::KnownOrder& known) {
  return isPersistent(Oid::fromBits(known.order.request.target.value));
}

/// Null, too, when the store cannot say.
RecordPtr recordOf(const Database& database, Oid oid) {
  try {
    return database.fetch(oid);
  } catch (const StoreException&) {
    return nullptr;
  }
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

// The object is locked, or about to be changed by nobody else: what is read now is the latest.
void ServerSession::isInterestedIn(Oid oid) {
  if (!all_.options().coherent || isSystemObject(oid)) return;
  if (!all_.interest().add(number_, oid)) send(wire::Invalidate{{}, true});
}

QuickLocks* ServerSession::quickOf(LockerId locker) const {
  const auto process = processes_.find(locker.value);
  return process == processes_.end() ? nullptr : process->second.quick.get();
}

std::size_t ServerSession::lockAtOnce(QuickLocks& quick, std::span<const wire::KnownOrder> orders) {
  answered_.grants.clear();
  answered_.replies.clear();
  std::uint32_t place = 0;
  for (const wire::KnownOrder& known : orders) {
    const LockRequest& request = known.order.request;
    const Oid oid = Oid::fromBits(request.target.value);
    if (known.order.existence != Existence::Required) break;
    const auto [held, isLatest] = quick.grant(request, known.knownEdition);
    if (held.type == LockType::Get) break;
    RecordPtr record = isLatest ? nullptr : recordOf(all_.database(), oid);
    if (!isLatest && record == nullptr) break;  // Whoever asks again, who may wait, tells why.
    isInterestedIn(oid);
    if (isLatest || (known.knownEdition != 0 && record->edition == known.knownEdition)) {
      answered_.grants.push_back(
          {held.token, held.since, place, held.level, held.type, held.session});
    } else {
      wire::LockReply& reply = answered_.replies.emplace_back();
      reply.reply.lock.request = request;
      reply.reply.lock.token = held.token;
      reply.reply.record = std::move(record);
      reply.held = infoOf(held);
    }
    ++place;
  }
  return place;
}

void ServerSession::sendAnswered(wire::RequestId id) {
  answered_.id = id;
  const Instant now = all_.receivedAt();
  const auto shortly = takesShort_ ? wire::encodeShort(answered_, now) : std::nullopt;
  sendEncoded(shortly ? *shortly : wire::encodeInPlace(answered_, now));
  constexpr std::size_t kKept = 1024;
  if (answered_.count() > kKept) answered_ = {};
}

std::vector<LockReply> ServerSession::repliesAtOnce(
    std::span<const wire::KnownOrder> orders) const {
  std::vector<LockReply> replies(orders.size());
  auto grant = answered_.grants.begin();
  auto told = answered_.replies.begin();
  for (std::size_t i = 0; i < replies.size(); ++i) {
    const LockRequest& request = orders[i].order.request;
    replies[i].lock.request = request;
    const bool isGrant = grant != answered_.grants.end() && grant->place == i;
    replies[i].lock.token = isGrant ? (grant++)->token : (told++)->reply.lock.token;
    replies[i].record = recordOf(all_.database(), Oid::fromBits(request.target.value));
  }
  return replies;
}

void ServerSession::answerLocks(wire::RequestId id, const std::vector<LockReply>& replies,
                                const std::vector<std::uint32_t>& known) {
  wire::LockAnswered answered;
  answered.id = id;
  for (std::size_t i = 0; i < replies.size(); ++i) {
    wire::LockReply one{replies[i], false, std::nullopt};
    const LockRequest& request = one.reply.lock.request;
    const Oid oid = Oid::fromBits(request.target.value);
    if (one.reply.record) {
      isInterestedIn(oid);
      one.unchanged = known[i] != 0 && one.reply.record->edition == known[i];
      if (one.unchanged) one.reply.record = nullptr;
    }
    if (owns(request.locker)) one.held = all_.database().lockStatus(request.locker, oid);
    if (one.reply.lock.outcome != LockOutcome::Granted) {
      for (const ProcessInfo& person : peopleOf(one.reply.lock)) answered.people.push_back(person);
    }
    answered.replies.push_back(std::move(one));
  }
  send(answered);
}

bool ServerSession::handle(const wire::Lock& message) {
  if (!isPersistent(message.order)) return false;
  if (!mayAsk(message.id)) return true;
  const LockRequest& request = message.order.order.request;
  QuickLocks* const quick = takesGrants_ ? quickOf(request.locker) : nullptr;
  if (quick != nullptr && lockAtOnce(*quick, {&message.order, 1}) == 1) {
    sendAnswered(message.id);
    return true;
  }
  if (!owns(request.locker)) {
    LockReply gone;
    gone.lock.request = request;
    gone.lock.outcome = LockOutcome::Cancelled;
    answerLocks(message.id, {gone}, {0});
    return true;
  }
  ++unanswered_;
  all_.database().lock(message.order.order,
                       later([id = message.id, known = message.order.knownEdition](
                                 ServerSession& session, const LockReply& reply) {
                         --session.unanswered_;
                         session.answerLocks(id, {reply}, {known});
                       }));
  return true;
}

bool ServerSession::handle(const wire::LockAll& message) {
  if (message.orders.empty()) return false;
  const LockRequest& first = message.orders.front().order.request;
  for (const wire::KnownOrder& one : message.orders) {
    const LockRequest& request = one.order.request;
    if (!isPersistent(one) || request.locker != first.locker || request.id != first.id)
      return false;
  }
  if (!mayAsk(message.id)) return true;
  QuickLocks* const quick = takesGrants_ ? quickOf(first.locker) : nullptr;
  const std::size_t granted = quick != nullptr ? lockAtOnce(*quick, message.orders) : 0;
  if (granted == message.orders.size()) {
    sendAnswered(message.id);
    return true;
  }

  std::vector<LockReply> before = repliesAtOnce(std::span(message.orders).first(granted));
  std::vector<LockOrder> orders;
  std::vector<std::uint32_t> known;
  for (const wire::KnownOrder& one : message.orders) {
    if (known.size() >= granted) orders.push_back(one.order);
    known.push_back(one.knownEdition);
  }
  if (!owns(first.locker)) {
    LockReply gone;
    gone.lock.request = first;
    gone.lock.outcome = LockOutcome::Cancelled;
    answerLocks(message.id, {gone}, known);
    return true;
  }
  ++unanswered_;
  all_.database().lockAll(
      std::move(orders),
      later([id = message.id, known = std::move(known), before = std::move(before)](
                ServerSession& session, const std::vector<LockReply>& rest) {
        --session.unanswered_;
        std::vector<LockReply> replies = before;
        replies.insert(replies.end(), rest.begin(), rest.end());
        session.answerLocks(id, replies, known);
      }));
  return true;
}

bool ServerSession::handle(const wire::Cancel& message) {
  if (!owns(message.locker)) return true;
  const auto commit = commits_.find({message.locker.value, message.request});
  if (commit != commits_.end()) *commit->second = true;
  all_.database().cancel(message.locker, message.request);
  return true;
}

bool ServerSession::handle(const wire::Unlock& message) {
  if (!isPersistent(message.target)) return false;
  if (!owns(message.locker)) return true;
  QuickLocks* const quick = quickOf(message.locker);
  if (quick != nullptr && quick->unlock(message.target)) return true;
  all_.database().unlock(message.locker, message.target);
  return true;
}

bool ServerSession::handle(const wire::ReleaseTransaction& message) {
  if (owns(message.locker)) {
    all_.database().releaseTransactionLocks(message.locker, Lifetime::Persistent);
  }
  return true;
}

bool ServerSession::handle(const wire::ReleaseLevel& message) {
  if (owns(message.locker)) {
    all_.database().releaseLevel(message.locker, Lifetime::Persistent, message.level);
  }
  return true;
}

}  // namespace nephrite

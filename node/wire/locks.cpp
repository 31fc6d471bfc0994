// What is said of locks as bytes, and back.

#include "node/wire/reader.h"
#include "node/wire/writer.h"

namespace nephrite::wire {
namespace {

fb::LockType packType(LockType type) { return as<fb::LockType>(type); }

/// A lock that is held or asked for, which Get is not.
LockType lockTypeOf(fb::LockType type) {
  if (type == fb::LockType::Get) throw WireError("Get is not a lock");
  return inRange<LockType>(type, "lock type");
}

LockType lockTypeOrGet(fb::LockType type) { return inRange<LockType>(type, "lock type"); }

LockDuration lockDurationOf(fb::LockDuration duration) {
  return inRange<LockDuration>(duration, "lock duration");
}

const LockInfo kNothingHeld{};

/// Of a lock that is held.
LockScope heldScopeOf(const LockInfo& held) {
  return held.below == LockType::Get ? LockScope::Node : LockScope::Subtree;
}

}  // namespace

LockInfo unpack(Reader& in, const fb::Held& held) {
  LockInfo info;
  info.type = lockTypeOrGet(held.type());
  info.wanted = info.type;
  info.session = lockTypeOrGet(held.session());
  info.duration = info.session == LockType::Get ? LockDuration::Transaction : LockDuration::Session;
  info.level = held.level();
  info.token = {held.token()};
  info.since = in.instant(held.age());
  return info;
}

fb::Held packHeld(Writer& w, const LockInfo& held) {
  return {packType(held.type), packType(held.session), held.level, held.token.value,
          ageOf(held.since, w.now)};
}

ListAt<const fb::LockReach*> packReaches(Writer& w, const std::vector<LockInfo>& locks) {
  std::vector<fb::LockReach> reaches;
  for (std::size_t place = 0; place < locks.size(); ++place) {
    const LockInfo& lock = locks[place];
    if (lock.scope == LockScope::Node && !lock.isMark && !lock.isMomentary) continue;
    reaches.emplace_back(static_cast<std::uint32_t>(place), as<fb::LockScope>(lock.scope),
                         packType(lock.below), packType(lock.belowSession), lock.isMark,
                         lock.isMomentary);
  }
  if (reaches.empty()) return 0;
  return w.builder.CreateVectorOfStructs(reaches);
}

void unpackReaches(const flatbuffers::Vector<const fb::LockReach*>* reaches,
                   std::vector<LockInfo>& locks) {
  if (reaches == nullptr) return;
  needAligned<fb::LockReach>(reaches->Data());
  for (const fb::LockReach* const reach : *reaches) {
    if (reach->place() >= locks.size()) throw WireError("the scope of a lock is out of place");
    LockInfo& lock = locks[reach->place()];
    lock.scope = inRange<LockScope>(reach->scope(), "lock scope");
    lock.below = lockTypeOrGet(reach->below());
    lock.belowSession = lockTypeOrGet(reach->below_session());
    lock.isMark = reach->is_mark();
    lock.isMomentary = reach->is_momentary();
  }
}

At<fb::ResourceName> pack(Writer& w, const ResourceName& name) {
  const auto shown = packText(w, name.shown);
  return fb::CreateResourceName(w.builder, name.oid.bits(), shown);
}

ResourceName unpack(Reader& in, const fb::ResourceName& name) {
  return {Oid::fromBits(name.oid()), in.prose(name.shown())};
}

// --- Requests and answers ------------------------------------------------------------------------

fb::ObjectLockRequest pack(Writer&, const KnownRequest& order) {
  const LockRequest& request = order.order.request;
  return {request.locker.value,
          request.target.value,
          request.id,
          order.knownEdition,
          request.priority,
          numberOf(request.timeout),
          request.level,
          packType(request.type),
          as<fb::LockDuration>(request.duration),
          request.inState,
          request.background,
          order.order.existence == Existence::CreatedByLocker};
}

fb::Edge pack(Writer&, const WaitEdge& edge) {
  return {edge.locker.value, edge.target.value, packType(edge.wanted)};
}

At<fb::Answer> pack(Writer& w, const LockAnswer& answer) {
  const auto cycle = packAll(w, answer.cycle);
  const std::int64_t lockedAge = answer.lockedBy.isNull() ? 0 : ageOf(answer.lockedSince, w.now);
  return fb::CreateAnswer(
      w.builder, as<fb::LockOutcome>(answer.outcome), answer.request.target.value,
      packType(answer.request.type), answer.token.value, answer.queued, answer.waited.count(),
      answer.shareReleased, answer.lockedBy.value, lockedAge, packType(answer.lockedType),
      answer.obtained.value, cycle, as<fb::LockLimit>(answer.limit), answer.lockedAt.value,
      answer.lockedBelow);
}

fb::LockCursor pack(Writer&, const LockCursor& cursor) {
  return {cursor.target.value, cursor.order, cursor.locker.value,
          as<fb::LockCursorKind>(cursor.kind)};
}

At<fb::LockReply> pack(Writer& w, const LockReply& reply) {
  const auto answer = pack(w, reply.reply.lock);
  const auto record = reply.reply.record ? pack(w, *reply.reply.record) : At<fb::Record>();
  const auto failure = packSome(w, reply.reply.failure);
  const LockInfo& kept = reply.held ? *reply.held : kNothingHeld;
  const fb::Held held = packHeld(w, kept);
  return fb::CreateLockReply(w.builder, answer, record, reply.unchanged, reply.reply.missing,
                             reply.reply.updatedMeanwhile, failure, reply.held ? &held : nullptr,
                             kept.lease.length.count(), as<fb::Renewal>(kept.lease.renewedBy),
                             packType(kept.below), packType(kept.belowSession));
}

fb::LockGrant pack(Writer& w, const LockGrant& grant) {
  return {grant.token.value, ageOf(grant.since, w.now), grant.place,
          grant.level,       packType(grant.type),      packType(grant.session)};
}

KnownRequest unpack(Reader&, const fb::ObjectLockRequest& order) {
  KnownRequest known;
  LockRequest& request = known.order.request;
  request.locker = {order.locker()};
  request.target = {order.target()};
  request.type = lockTypeOf(order.type());
  request.duration = lockDurationOf(order.duration());
  request.timeout = timeoutOf(order.timeout());
  request.inState = order.in_state();
  request.level = order.level();
  request.priority = order.priority();
  request.background = order.background();
  request.id = order.request();
  known.order.existence = order.created() ? Existence::CreatedByLocker : Existence::Required;
  known.knownEdition = order.known_edition();
  return known;
}

WaitEdge unpack(Reader&, const fb::Edge& edge) {
  return {{edge.locker()}, {edge.target()}, lockTypeOf(edge.wanted())};
}

LockAnswer unpack(Reader& in, const fb::Answer& answer) {
  LockAnswer told;
  told.outcome = inRange<LockOutcome>(answer.outcome(), "outcome of a request");
  told.request.target = {answer.target()};
  told.request.type = lockTypeOf(answer.type());
  told.token = {answer.token()};
  told.queued = answer.queued();
  told.waited = durationOf(answer.waited());
  told.shareReleased = answer.share_released();
  told.lockedBy = {answer.locked_by()};
  if (!told.lockedBy.isNull()) told.lockedSince = in.instant(answer.locked_age());
  told.lockedType = lockTypeOrGet(answer.locked_type());
  told.obtained = {answer.obtained()};
  told.cycle = unpackAll<WaitEdge>(in, answer.cycle());
  told.limit = inRange<LockLimit>(answer.limit(), "limit");
  told.lockedAt = {answer.locked_at()};
  told.lockedBelow = answer.locked_below();
  return told;
}

LockCursor unpack(Reader&, const fb::LockCursor& cursor) {
  return {{cursor.target()},
          cursor.order(),
          {cursor.locker()},
          inRange<LockCursor::Kind>(cursor.kind(), "kind of place in a list")};
}

LockReply unpack(Reader& in, const fb::LockReply& reply) {
  LockReply told;
  told.reply.lock = unpack(in, need(reply.answer(), "answer in a lock's reply"));
  if (reply.record() != nullptr) told.reply.record = unpack(in, *reply.record());
  told.reply.missing = reply.missing();
  told.reply.updatedMeanwhile = reply.updated_meanwhile();
  told.reply.failure = unpackSome(in, reply.failure());
  told.unchanged = reply.unchanged();
  if (reply.held() != nullptr) {
    told.held = unpack(in, *reply.held());
    if (told.held->type == LockType::Get) throw WireError("Get is not a lock");
    told.held->target = told.reply.lock.request.target;
    told.held->lease = leaseOf(reply.lease(), reply.renewed_by());
    told.held->below = lockTypeOrGet(reply.below());
    told.held->belowSession = lockTypeOrGet(reply.below_session());
    told.held->scope = heldScopeOf(*told.held);
  }
  return told;
}

LockGrant unpack(Reader& in, const fb::LockGrant& grant) {
  return {{grant.token()}, in.instant(grant.age()),  grant.place(),
          grant.level(),   lockTypeOf(grant.type()), lockTypeOrGet(grant.session())};
}

// --- Views ---------------------------------------------------------------------------------------

fb::LockInfo pack(Writer&, const LockInfo& lock) {
  return {lock.target.value,
          lock.requestedBy.value,
          lock.lockedBy.value,
          lock.token.value,
          lock.elapsed.count(),
          microsecondsOf(lock.requestTime),
          numberOf(lock.timeout),
          lock.level,
          packType(lock.type),
          packType(lock.wanted),
          packType(lock.session),
          as<fb::LockDuration>(lock.duration),
          lock.waiting};
}

At<fb::Statistics> pack(Writer& w, const LockStatistics& statistics) {
  return fb::CreateStatistics(w.builder, statistics.lockRequests, statistics.unlockRequests,
                              statistics.queuedLocks, statistics.refusals, statistics.timeouts,
                              statistics.deadlocks, statistics.cancellations,
                              statistics.totalQueueWait.count(), statistics.locksHeld,
                              statistics.requestsWaiting, statistics.lapses);
}

fb::Contention pack(Writer&, const LockContentionInfo& contention) {
  return {contention.target.value, contention.totalContentions, contention.totalWait.count(),
          contention.maxWait.count()};
}

fb::HeldThen pack(Writer&, const DeadlockHold& hold) {
  return {hold.target.value,   hold.locker.value,      hold.acquired,        hold.age.count(),
          packType(hold.type), packType(hold.session), hold.upgradedByCommit};
}

fb::WaitThen pack(Writer&, const DeadlockWait& wait) {
  return {wait.target.value,
          wait.locker.value,
          wait.asked,
          wait.age.count(),
          wait.priority,
          numberOf(wait.timeout),
          packType(wait.wanted),
          as<fb::LockDuration>(wait.duration),
          wait.upgrade,
          wait.commit,
          wait.background};
}

namespace {

bool isPlain(const DeadlockHold& hold) {
  return hold.below == LockType::Get && hold.belowSession == LockType::Get;
}
bool isPlain(const DeadlockWait& wait) {
  return wait.scope == LockScope::Node && wait.goal.value == 0;
}
fb::HeldBelowThen packFurther(std::uint32_t place, const DeadlockHold& hold) {
  return {place, packType(hold.below), packType(hold.belowSession)};
}
fb::WayThen packFurther(std::uint32_t place, const DeadlockWait& wait) {
  return {place, as<fb::LockScope>(wait.scope), wait.goal.value};
}

// Of those that are not plain.
template <typename Further, typename Item>
ListAt<const Further*> packFurther(Writer& w, const std::vector<Item>& items) {
  std::vector<Further> further;
  for (std::size_t place = 0; place < items.size(); ++place) {
    if (isPlain(items[place])) continue;
    further.push_back(packFurther(static_cast<std::uint32_t>(place), items[place]));
  }
  if (further.empty()) return 0;
  return w.builder.CreateVectorOfStructs(further);
}

void unpackFurther(const fb::HeldBelowThen& told, DeadlockHold& hold) {
  hold.below = lockTypeOrGet(told.below());
  hold.belowSession = lockTypeOrGet(told.below_session());
}
void unpackFurther(const fb::WayThen& told, DeadlockWait& wait) {
  wait.scope = inRange<LockScope>(told.scope(), "scope of a lock");
  wait.goal = {told.goal()};
}

template <typename Further, typename Item>
void unpackFurther(const flatbuffers::Vector<const Further*>* list, std::vector<Item>& items) {
  if (list == nullptr) return;
  needAligned<Further>(list->Data());
  for (const Further* const told : *list) {
    if (told->place() >= items.size()) throw WireError("a detail of a deadlock is out of place");
    unpackFurther(*told, items[told->place()]);
  }
}

}  // namespace

fb::PlaceThen pack(Writer&, const DeadlockPlace& place) {
  return {place.target.value, place.parent.value};
}

DeadlockPlace unpack(Reader&, const fb::PlaceThen& place) {
  return {{place.target()}, {place.parent()}};
}

At<fb::DeadlockRecord> pack(Writer& w, const DeadlockRecord& record) {
  const auto victims = packNumbers(w, record.victims, [](LockerId locker) { return locker.value; });
  const auto cycle = packAll(w, record.cycle);
  const auto holds = packAll(w, record.holds);
  const auto waits = packAll(w, record.waits);
  const auto belows = packFurther<fb::HeldBelowThen>(w, record.holds);
  const auto ways = packFurther<fb::WayThen>(w, record.waits);
  const auto places = packAll(w, record.places);
  return fb::CreateDeadlockRecord(w.builder, record.number, microsecondsOf(record.at),
                                  record.doubled, record.truncated, record.requester.value, victims,
                                  cycle, holds, waits, belows, ways, places);
}

LockInfo unpack(Reader& in, const fb::LockInfo& lock) {
  LockInfo info;
  info.target = {lock.target()};
  info.requestedBy = {lock.requested_by()};
  info.type = lockTypeOrGet(lock.type());
  info.wanted = lockTypeOf(lock.wanted());
  info.duration = lockDurationOf(lock.duration());
  info.session = lockTypeOrGet(lock.session());
  info.level = lock.level();
  info.waiting = lock.waiting();
  info.lockedBy = {lock.locked_by()};
  info.since = in.instant(lock.age());
  info.requestTime = wallTimeOf(lock.request_time());
  info.elapsed = durationOf(lock.age());
  info.timeout = timeoutOf(lock.timeout());
  info.token = {lock.token()};
  return info;
}

LockStatistics unpack(Reader&, const fb::Statistics& statistics) {
  LockStatistics counters;
  counters.lockRequests = statistics.lock_requests();
  counters.unlockRequests = statistics.unlock_requests();
  counters.queuedLocks = statistics.queued_locks();
  counters.refusals = statistics.refusals();
  counters.timeouts = statistics.timeouts();
  counters.deadlocks = statistics.deadlocks();
  counters.cancellations = statistics.cancellations();
  counters.totalQueueWait = durationOf(statistics.total_queue_wait());
  counters.locksHeld = statistics.locks_held();
  counters.requestsWaiting = statistics.requests_waiting();
  counters.lapses = statistics.lapses();
  return counters;
}

LockContentionInfo unpack(Reader&, const fb::Contention& contention) {
  return {{contention.target()},
          contention.total_contentions(),
          durationOf(contention.total_wait()),
          durationOf(contention.max_wait())};
}

DeadlockHold unpack(Reader&, const fb::HeldThen& hold) {
  DeadlockHold then;
  then.target = {hold.target()};
  then.locker = {hold.locker()};
  then.type = lockTypeOf(hold.type());
  then.session = lockTypeOrGet(hold.session());
  then.acquired = hold.acquired();
  then.age = durationOf(hold.age());
  then.upgradedByCommit = hold.commit();
  return then;
}

DeadlockWait unpack(Reader&, const fb::WaitThen& wait) {
  DeadlockWait then;
  then.target = {wait.target()};
  then.locker = {wait.locker()};
  then.wanted = lockTypeOf(wait.type());
  then.duration = lockDurationOf(wait.duration());
  then.upgrade = wait.upgrade();
  then.commit = wait.commit();
  then.asked = wait.asked();
  then.age = durationOf(wait.age());
  then.priority = wait.priority();
  then.timeout = timeoutOf(wait.timeout());
  then.background = wait.background();
  return then;
}

DeadlockRecord unpack(Reader& in, const fb::DeadlockRecord& record) {
  DeadlockRecord then;
  then.number = record.number();
  then.at = wallTimeOf(record.at());
  then.doubled = record.doubled();
  then.requester = {record.requester()};
  then.victims = unpackNumbers<LockerId>(in, record.victims(),
                                         [](std::uint64_t number) { return LockerId{number}; });
  then.cycle = unpackAll<WaitEdge>(in, record.cycle());
  then.holds = unpackAll<DeadlockHold>(in, record.holds());
  then.waits = unpackAll<DeadlockWait>(in, record.waits());
  then.truncated = record.truncated();
  unpackFurther(record.belows(), then.holds);
  unpackFurther(record.ways(), then.waits);
  then.places = unpackAll<DeadlockPlace>(in, record.places());
  return then;
}

}  // namespace nephrite::wire

// The part of RemoteDatabase that looks, and what operators do.

#include "node/client/remote_database.h"

namespace nephrite {

// --- Looking -------------------------------------------------------------------------------------

LockPage RemoteDatabase::listed(wire::Look look) const {
  auto reply = call<wire::LocksReply>([&](wire::RequestId id) {
    look.id = id;
    return look;
  });
  names_.remember(reply.people);
  names_.remember(reply.names);
  return {std::move(reply.locks), reply.next};
}

std::vector<LockInfo> RemoteDatabase::locksHeld(Lifetime lifetime, std::size_t maxEntries) const {
  if (lifetime == Lifetime::SharedTransient) return shared_->locks().locksHeld(maxEntries);
  return listed({0, wire::Subject::LocksHeld, Oid(), LockerId(), maxEntries}).locks;
}

std::vector<LockInfo> RemoteDatabase::queuedRequests(Lifetime lifetime,
                                                     std::size_t maxEntries) const {
  if (lifetime == Lifetime::SharedTransient) return shared_->locks().queuedRequests(maxEntries);
  return listed({0, wire::Subject::QueuedRequests, Oid(), LockerId(), maxEntries}).locks;
}

std::vector<LockInfo> RemoteDatabase::locksOn(Oid target) const {
  if (target.lifetime() == Lifetime::SharedTransient) {
    return shared_->locks().locksOn({target.bits()});
  }
  return listed({0, wire::Subject::LocksOn, target, LockerId(), SIZE_MAX}).locks;
}

std::vector<LockInfo> RemoteDatabase::locksOf(LockerId locker, Lifetime lifetime) const {
  if (lifetime == Lifetime::SharedTransient) return shared_->locks().locksOf(locker);
  return listed({0, wire::Subject::LocksOf, Oid(), locker, SIZE_MAX}).locks;
}

namespace {

wire::Subject subjectOf(const LockQuery& query) {
  switch (query.subject) {
    case LockQuery::Subject::Held: return wire::Subject::LocksHeld;
    case LockQuery::Subject::Queued: return wire::Subject::QueuedRequests;
    case LockQuery::Subject::On: return wire::Subject::LocksOn;
    case LockQuery::Subject::Of: break;
  }
  return wire::Subject::LocksOf;
}

}  // namespace

// A server that knows no pages sees that all is asked for, and says no `next`.
LockPage RemoteDatabase::listLocks(Lifetime lifetime, const LockQuery& query,
                                   const LockCursor& after, std::size_t most) const {
  if (lifetime == Lifetime::SharedTransient) {
    return nephrite::listLocks(shared_->locks(), query, after, most);
  }
  if (most == 0) return {{}, after};
  return listed({0, subjectOf(query), Oid::fromBits(query.target.value), query.locker, SIZE_MAX,
                 most, after});
}

LockStatistics RemoteDatabase::lockStatistics(Lifetime lifetime) const {
  if (lifetime == Lifetime::SharedTransient) return shared_->locks().statistics();
  return call<wire::StatisticsReply>([](wire::RequestId id) {
           return wire::Look{id, wire::Subject::Statistics, Oid(), LockerId(), 0};
         })
      .statistics;
}

std::vector<DeadlockRecord> RemoteDatabase::deadlocks(Lifetime lifetime,
                                                      std::size_t maxEntries) const {
  if (lifetime == Lifetime::SharedTransient) return shared_->locks().deadlocks(maxEntries);
  auto reply = call<wire::DeadlocksReply>([&](wire::RequestId id) {
    return wire::Look{id, wire::Subject::Deadlocks, Oid(), LockerId(), maxEntries};
  });
  names_.remember(reply.people);
  names_.remember(reply.names);
  return std::move(reply.records);
}

wire::ContentionReply RemoteDatabase::contention(wire::ContentionVerb verb, LockerId locker,
                                                 std::size_t size, std::uint64_t least,
                                                 Oid oid) const {
  auto reply = call<wire::ContentionReply>(
      [&](wire::RequestId id) { return wire::AskContention{id, verb, locker, size, least, oid}; });
  names_.remember(reply.people);
  names_.remember(reply.names);
  return reply;
}

bool RemoteDatabase::beginContentionStats(LockerId starter, std::size_t tableSize) {
  return contention(wire::ContentionVerb::Begin, starter, tableSize, 0, Oid()).accepted;
}
bool RemoteDatabase::clearContentionStats(LockerId locker) {
  return contention(wire::ContentionVerb::Clear, locker, 0, 0, Oid()).accepted;
}
bool RemoteDatabase::endContentionStats(LockerId locker) {
  return contention(wire::ContentionVerb::End, locker, 0, 0, Oid()).accepted;
}
LockContentionState RemoteDatabase::contentionState() const {
  return contention(wire::ContentionVerb::State, LockerId(), 0, 0, Oid()).state;
}
std::vector<LockContentionInfo> RemoteDatabase::contentionStats(
    std::size_t maxEntries, std::uint64_t minContentions) const {
  return contention(wire::ContentionVerb::List, LockerId(), maxEntries, minContentions, Oid())
      .entries;
}
LockContentionInfo RemoteDatabase::contentionOf(Oid target) const {
  if (target.lifetime() != Lifetime::Persistent) return {};
  const auto reply = contention(wire::ContentionVerb::Of, LockerId(), 0, 0, target);
  return reply.entries.empty() ? LockContentionInfo{} : reply.entries.front();
}

// --- Operating -----------------------------------------------------------------------------------

bool RemoteDatabase::breakLock(LockerId locker, Oid target, const Operator& by) {
  return call<wire::YesNo>([&](wire::RequestId id) {
           return wire::Force{id, locker, target, by};
         })
      .yes;
}

bool RemoteDatabase::forceSignOff(LockerId locker, const Operator& by) {
  return call<wire::YesNo>([&](wire::RequestId id) {
           return wire::Force{id, locker, Oid(), by};
         })
      .yes;
}

}  // namespace nephrite

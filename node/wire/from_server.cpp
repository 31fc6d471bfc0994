// The messages of a server node as bytes, and back.

#include <algorithm>

#include "base/check.h"
#include "node/wire/reader.h"
#include "node/wire/writer.h"

namespace nephrite::wire {
namespace {

using Outcome = nephrite::CommitReply::Outcome;

// --- Connection ----------------------------------------------------------------------------------

At<fb::Welcome> pack(Writer& w, const Welcome& welcome) {
  const auto server = packText(w, welcome.server);
  const auto session = w.builder.CreateVector(welcome.session.data(), welcome.session.size());
  const auto classes = packAll(w, welcome.classes);
  return fb::CreateWelcome(w.builder, welcome.version, server, session, welcome.epoch,
                           welcome.resumed, millisecondsOf(welcome.keepAlive),
                           millisecondsOf(welcome.grace), millisecondsOf(welcome.serverTimeout),
                           welcome.maxFrame, welcome.coherent, welcome.system.bits(),
                           welcome.systemNodes.bits(), classes, welcome.takesShort);
}

At<fb::Refusal> pack(Writer& w, const Refusal& refusal) {
  const auto what = packText(w, refusal.failure.what);
  return fb::CreateRefusal(w.builder, nephrite::numberOf(refusal.failure.code), what,
                           refusal.sessionGone);
}

At<fb::Ping> pack(Writer& w, const Ping&) { return fb::CreatePing(w.builder); }

Welcome unpack(Reader& in, const fb::Welcome& welcome) {
  const auto& key = need(welcome.session(), "session in a Welcome");
  Welcome said;
  if (key.size() != said.session.size()) throw WireError("a session's key has 16 bytes");
  said.version = welcome.version();
  said.server = in.prose(welcome.server());
  std::copy(key.begin(), key.end(), said.session.begin());
  said.epoch = welcome.epoch();
  said.resumed = welcome.resumed();
  said.keepAlive = waitOf(welcome.keep_alive(), "the time to keep alive");
  said.grace = waitOf(welcome.grace(), "the time of grace");
  said.serverTimeout = waitOf(welcome.server_timeout(), "the server's timeout");
  said.maxFrame = welcome.max_frame();
  said.coherent = welcome.coherent();
  said.system = Oid::fromBits(welcome.system());
  said.systemNodes = Oid::fromBits(welcome.system_nodes());
  said.classes = unpackAll<ClassDef>(in, welcome.classes());
  said.takesShort = welcome.takes_short();
  return said;
}

Refusal unpack(Reader& in, const fb::Refusal& refusal) {
  return {failureFrom(refusal.code(), in.prose(refusal.what())), refusal.session_gone()};
}

Ping unpack(Reader&, const fb::Ping&) { return {}; }

// --- Answers to what may wait --------------------------------------------------------------------

At<fb::NodeReply> pack(Writer& w, const NodeReply& reply) {
  const auto node = packSome(w, reply.reply.node);
  const auto answer = pack(w, reply.reply.lock);
  const auto failure = packSome(w, reply.reply.failure);
  const auto people = packAll(w, reply.people);
  return fb::CreateNodeReply(w.builder, reply.id, node, answer, failure, people);
}

At<fb::ProcessReply> pack(Writer& w, const ProcessReply& reply) {
  const auto process = packSome(w, reply.reply.process);
  const auto answer = pack(w, reply.reply.lock);
  const auto failure = packSome(w, reply.reply.failure);
  const auto people = packAll(w, reply.people);
  return fb::CreateProcessReply(w.builder, reply.id, process, answer, failure, people);
}

At<fb::LockAnswered> pack(Writer& w, const LockAnswered& reply) {
  const auto replies = packAll(w, reply.replies);
  const auto people = packAll(w, reply.people);
  const auto grants = packAll(w, reply.grants);
  const auto names = packAll(w, reply.names);
  return fb::CreateLockAnswered(w.builder, reply.id, replies, people, grants, names);
}

At<fb::CommitReply> pack(Writer& w, const CommitReply& reply) {
  NEPHRITE_CHECK(reply.reply.outcome != Outcome::Unknown);  // The server knows.
  const auto answer = pack(w, reply.reply.lock);
  const auto failure = packSome(w, reply.reply.failure);
  const auto people = packAll(w, reply.people);
  const auto names = packAll(w, reply.names);
  return fb::CreateCommitReply(w.builder, reply.id, as<fb::CommitResult>(reply.reply.outcome),
                               answer, failure, people, names);
}

NodeReply unpack(Reader& in, const fb::NodeReply& reply) {
  NodeReply said;
  said.id = reply.id();
  said.reply.node = unpackSome(in, reply.node());
  said.reply.lock = unpack(in, need(reply.answer(), "answer in a NodeReply"));
  said.reply.failure = unpackSome(in, reply.failure());
  said.people = unpackAll<ProcessInfo>(in, reply.people());
  return said;
}

ProcessReply unpack(Reader& in, const fb::ProcessReply& reply) {
  ProcessReply said;
  said.id = reply.id();
  said.reply.process = unpackSome(in, reply.process());
  said.reply.lock = unpack(in, need(reply.answer(), "answer in a ProcessReply"));
  said.reply.failure = unpackSome(in, reply.failure());
  said.people = unpackAll<ProcessInfo>(in, reply.people());
  return said;
}

LockAnswered unpack(Reader& in, const fb::LockAnswered& reply) {
  LockAnswered said;
  said.id = reply.id();
  said.replies = unpackAll<LockReply>(in, reply.replies());
  said.people = unpackAll<ProcessInfo>(in, reply.people());
  said.grants = unpackAll<LockGrant, decltype(said.grants)>(in, reply.grants());
  std::uint32_t next = 0;
  for (const LockGrant& grant : said.grants) {
    if (grant.place < next || grant.place >= said.count()) {
      throw WireError("a grant is out of place");
    }
    next = grant.place + 1;
  }
  said.names = unpackAll<ResourceName>(in, reply.names());
  return said;
}

CommitReply unpack(Reader& in, const fb::CommitReply& reply) {
  CommitReply said;
  said.id = reply.id();
  said.reply.outcome = inRange<Outcome>(reply.result(), "result of a commit");
  said.reply.lock = unpack(in, need(reply.answer(), "answer in a CommitReply"));
  said.reply.failure = unpackSome(in, reply.failure());
  said.people = unpackAll<ProcessInfo>(in, reply.people());
  said.names = unpackAll<ResourceName>(in, reply.names());
  return said;
}

// --- Other answers -------------------------------------------------------------------------------

At<fb::ObjectReply> pack(Writer& w, const ObjectReply& reply) {
  const auto record = reply.record ? pack(w, *reply.record) : At<fb::Record>();
  return fb::CreateObjectReply(w.builder, reply.id, record);
}

At<fb::OidsReply> pack(Writer& w, const OidsReply& reply) {
  const auto oids = packNumbers(w, reply.oids, [](Oid oid) { return oid.bits(); });
  return fb::CreateOidsReply(w.builder, reply.id, oids);
}

At<fb::ClassReply> pack(Writer& w, const ClassReply& reply) {
  const auto definition = pack(w, reply.definition);
  return fb::CreateClassReply(w.builder, reply.id, definition);
}

At<fb::YesNo> pack(Writer& w, const YesNo& reply) {
  return fb::CreateYesNo(w.builder, reply.id, reply.yes);
}

/// Of the few that have any.
ListAt<const fb::LockDetail*> packDetails(Writer& w, const std::vector<LockInfo>& locks) {
  std::vector<fb::LockDetail> details;
  for (std::size_t place = 0; place < locks.size(); ++place) {
    const LockInfo& lock = locks[place];
    if (lock.lease == LeaseTerms{} && lock.parent.isNull()) continue;
    details.emplace_back(static_cast<std::uint32_t>(place), as<fb::Renewal>(lock.lease.renewedBy),
                         lock.lease.length.count(), lock.leaseLeft.count(), lock.parent.value);
  }
  if (details.empty()) return 0;
  return w.builder.CreateVectorOfStructs(details);
}

void unpackDetails(const flatbuffers::Vector<const fb::LockDetail*>* details,
                   std::vector<LockInfo>& locks) {
  if (details == nullptr) return;
  needAligned<fb::LockDetail>(details->Data());
  for (const fb::LockDetail* const detail : *details) {
    if (detail->place() >= locks.size()) throw WireError("a detail of a lock is out of place");
    LockInfo& lock = locks[detail->place()];
    lock.lease = leaseOf(detail->lease(), detail->renewed_by());
    lock.leaseLeft = durationOf(detail->lease_left());
    lock.parent = {detail->parent()};
  }
}

ListAt<const fb::LockCover*> packCovers(Writer& w, const std::vector<LockInfo>& locks) {
  std::vector<fb::LockCover> covers;
  for (std::size_t place = 0; place < locks.size(); ++place) {
    const LockTarget at = locks[place].lockedAt;
    if (at.value != 0) covers.emplace_back(static_cast<std::uint32_t>(place), at.value);
  }
  if (covers.empty()) return 0;
  return w.builder.CreateVectorOfStructs(covers);
}

void unpackCovers(const flatbuffers::Vector<const fb::LockCover*>* covers,
                  std::vector<LockInfo>& locks) {
  if (covers == nullptr) return;
  needAligned<fb::LockCover>(covers->Data());
  for (const fb::LockCover* const cover : *covers) {
    if (cover->place() >= locks.size()) throw WireError("a lock from above is out of place");
    locks[cover->place()].lockedAt = {cover->locked_at()};
  }
}

At<fb::LocksReply> pack(Writer& w, const LocksReply& reply) {
  const auto locks = packAll(w, reply.locks);
  const auto people = packAll(w, reply.people);
  const auto details = packDetails(w, reply.locks);
  const auto names = packAll(w, reply.names);
  const auto reaches = packReaches(w, reply.locks);
  const auto covers = packCovers(w, reply.locks);
  const fb::LockCursor next = pack(w, reply.next.value_or(LockCursor()));
  return fb::CreateLocksReply(w.builder, reply.id, locks, people, reply.more, details, names,
                              reaches, covers, reply.next ? &next : nullptr);
}

At<fb::NodesReply> pack(Writer& w, const NodesReply& reply) {
  const auto nodes = packAll(w, reply.nodes);
  return fb::CreateNodesReply(w.builder, reply.id, nodes, reply.more);
}

At<fb::ProcessesReply> pack(Writer& w, const ProcessesReply& reply) {
  const auto processes = packAll(w, reply.processes);
  return fb::CreateProcessesReply(w.builder, reply.id, processes, reply.more);
}

At<fb::StatisticsReply> pack(Writer& w, const StatisticsReply& reply) {
  const auto statistics = pack(w, reply.statistics);
  return fb::CreateStatisticsReply(w.builder, reply.id, statistics);
}

At<fb::ContentionReply> pack(Writer& w, const ContentionReply& reply) {
  const auto entries = packAll(w, reply.entries);
  const auto people = packAll(w, reply.people);
  const auto names = packAll(w, reply.names);
  const LockContentionState& state = reply.state;
  return fb::CreateContentionReply(w.builder, reply.id, reply.accepted, state.active,
                                   state.startedBy.value, state.tableSize,
                                   microsecondsOf(state.startTime), entries, people, names);
}

At<fb::DeadlocksReply> pack(Writer& w, const DeadlocksReply& reply) {
  const auto records = packAll(w, reply.records);
  const auto people = packAll(w, reply.people);
  const auto names = packAll(w, reply.names);
  return fb::CreateDeadlocksReply(w.builder, reply.id, records, people, reply.more, names);
}

At<fb::StatusReply> pack(Writer& w, const StatusReply& reply) {
  const Status& status = reply.status;
  const auto version = packText(w, status.version);
  const auto trouble = packText(w, status.trouble);
  return fb::CreateStatusReply(
      w.builder, reply.id, version, status.pid, microsecondsOf(status.started), status.sessions,
      status.nodes, status.processes, status.locksHeld, status.requestsWaiting, status.draining,
      status.committed, status.epoch, status.lostSessions, status.bytesQueued, status.framesIn,
      status.framesOut, status.logLinesDropped, trouble);
}

At<fb::FailureReply> pack(Writer& w, const FailureReply& reply) {
  const auto failure = pack(w, reply.failure);
  return fb::CreateFailureReply(w.builder, reply.id, failure);
}

ObjectReply unpack(Reader& in, const fb::ObjectReply& reply) {
  return {reply.id(), reply.record() != nullptr ? unpack(in, *reply.record()) : nullptr};
}

OidsReply unpack(Reader& in, const fb::OidsReply& reply) {
  return {reply.id(), unpackNumbers<Oid>(in, reply.oids(), Oid::fromBits)};
}

ClassReply unpack(Reader& in, const fb::ClassReply& reply) {
  return {reply.id(), unpack(in, need(reply.definition(), "class in a ClassReply"))};
}

YesNo unpack(Reader&, const fb::YesNo& reply) { return {reply.id(), reply.yes()}; }

LocksReply unpack(Reader& in, const fb::LocksReply& reply) {
  LocksReply said{reply.id(),
                  unpackAll<LockInfo>(in, reply.locks()),
                  unpackAll<ProcessInfo>(in, reply.people()),
                  reply.more(),
                  unpackAll<ResourceName>(in, reply.names()),
                  unpackSome(in, reply.next())};
  unpackDetails(reply.details(), said.locks);
  unpackReaches(reply.reaches(), said.locks);
  unpackCovers(reply.covers(), said.locks);
  return said;
}

NodesReply unpack(Reader& in, const fb::NodesReply& reply) {
  return {reply.id(), unpackAll<NodeInfo>(in, reply.nodes()), reply.more()};
}

ProcessesReply unpack(Reader& in, const fb::ProcessesReply& reply) {
  return {reply.id(), unpackAll<ProcessInfo>(in, reply.processes()), reply.more()};
}

StatisticsReply unpack(Reader& in, const fb::StatisticsReply& reply) {
  return {reply.id(), unpack(in, need(reply.statistics(), "counters in a StatisticsReply"))};
}

ContentionReply unpack(Reader& in, const fb::ContentionReply& reply) {
  ContentionReply said;
  said.id = reply.id();
  said.accepted = reply.accepted();
  said.state.active = reply.active();
  said.state.startedBy = {reply.started_by()};
  said.state.tableSize = reply.table_size();
  said.state.startTime = wallTimeOf(reply.start_time());
  said.entries = unpackAll<LockContentionInfo>(in, reply.entries());
  said.people = unpackAll<ProcessInfo>(in, reply.people());
  said.names = unpackAll<ResourceName>(in, reply.names());
  return said;
}

DeadlocksReply unpack(Reader& in, const fb::DeadlocksReply& reply) {
  return {reply.id(), unpackAll<DeadlockRecord>(in, reply.records()),
          unpackAll<ProcessInfo>(in, reply.people()), reply.more(),
          unpackAll<ResourceName>(in, reply.names())};
}

StatusReply unpack(Reader& in, const fb::StatusReply& reply) {
  Status status;
  status.version = in.prose(reply.version());
  status.pid = reply.pid();
  status.started = wallTimeOf(reply.started());
  status.sessions = reply.sessions();
  status.nodes = reply.nodes();
  status.processes = reply.processes();
  status.locksHeld = reply.locks_held();
  status.requestsWaiting = reply.requests_waiting();
  status.draining = reply.draining();
  status.committed = reply.committed();
  status.epoch = reply.epoch();
  status.lostSessions = reply.lost_sessions();
  status.bytesQueued = reply.bytes_queued();
  status.framesIn = reply.frames_in();
  status.framesOut = reply.frames_out();
  status.logLinesDropped = reply.log_dropped();
  status.trouble = in.prose(reply.trouble());
  return {reply.id(), status};
}

FailureReply unpack(Reader& in, const fb::FailureReply& reply) {
  return {reply.id(), unpack(in, need(reply.failure(), "failure in a FailureReply"))};
}

// --- Unasked for ---------------------------------------------------------------------------------

At<fb::Invalidate> pack(Writer& w, const Invalidate& push) {
  const auto objects = packAll(w, push.objects);
  return fb::CreateInvalidate(w.builder, objects, push.all);
}

At<fb::ClassesChanged> pack(Writer& w, const ClassesChanged& push) {
  const auto classes = packAll(w, push.classes);
  return fb::CreateClassesChanged(w.builder, classes);
}

At<fb::LockBroken> pack(Writer& w, const LockBroken& push) {
  return fb::CreateLockBroken(w.builder, push.locker.value, push.target.bits());
}

At<fb::SignedOff> pack(Writer& w, const SignedOff& push) {
  const auto reason = packText(w, push.reason);
  return fb::CreateSignedOff(w.builder, push.locker.value, reason);
}

At<fb::Notice> pack(Writer& w, const Notice& push) {
  const auto what = packText(w, push.what);
  return fb::CreateNotice(w.builder, what, millisecondsOf(push.serverTimeout));
}

At<fb::ResourceReply> pack(Writer& w, const ResourceReply& reply) {
  return fb::CreateResourceReply(w.builder, reply.id, reply.oid.bits());
}

At<fb::LockLapsed> pack(Writer& w, const LockLapsed& push) {
  const LockRequest& held = push.lock;
  const auto name = push.name.empty() ? At<fb::ResourceName>() : pack(w, push.name.front());
  return fb::CreateLockLapsed(w.builder, held.locker.value, held.target.value, push.token.value,
                              as<fb::LockType>(held.type), as<fb::LockDuration>(held.duration),
                              held.lease.length.count(), as<fb::Renewal>(held.lease.renewedBy),
                              name);
}

At<fb::LocksInherited> pack(Writer& w, const LocksInherited& push) {
  const auto targets =
      packNumbers(w, push.locks, [](const LockInfo& lock) { return lock.target.value; });
  std::vector<fb::Held> held;
  std::vector<fb::HeldLease> leases;
  for (std::size_t place = 0; place < push.locks.size(); ++place) {
    const LockInfo& lock = push.locks[place];
    held.push_back(packHeld(w, lock));
    if (lock.lease == LeaseTerms{}) continue;
    leases.emplace_back(static_cast<std::uint32_t>(place), as<fb::Renewal>(lock.lease.renewedBy),
                        lock.lease.length.count());
  }
  const auto allHeld =
      held.empty() ? ListAt<const fb::Held*>() : w.builder.CreateVectorOfStructs(held);
  const auto allLeases =
      leases.empty() ? ListAt<const fb::HeldLease*>() : w.builder.CreateVectorOfStructs(leases);
  const auto reaches = packReaches(w, push.locks);
  return fb::CreateLocksInherited(w.builder, push.locker.value, targets, allHeld, allLeases,
                                  reaches);
}

ResourceReply unpack(Reader&, const fb::ResourceReply& reply) {
  return {reply.id(), Oid::fromBits(reply.oid())};
}

LockLapsed unpack(Reader& in, const fb::LockLapsed& push) {
  LockLapsed said;
  LockRequest& held = said.lock;
  held.locker = {push.locker()};
  held.target = {push.target()};
  held.type = inRange<LockType>(push.type(), "lock type");
  held.duration = inRange<LockDuration>(push.duration(), "lock duration");
  held.lease = leaseOf(push.lease(), push.renewed_by());
  said.token = {push.token()};
  if (push.name() != nullptr) said.name.push_back(unpack(in, *push.name()));
  return said;
}

LocksInherited unpack(Reader& in, const fb::LocksInherited& push) {
  LocksInherited said;
  said.locker = {push.locker()};
  said.locks = unpackAll<LockInfo>(in, push.held());
  const auto targets = unpackNumbers<Oid>(in, push.targets(), Oid::fromBits);
  if (targets.size() != said.locks.size()) throw WireError("inherited locks have no targets");
  for (std::size_t place = 0; place < targets.size(); ++place)
    said.locks[place].target = {targets[place].bits()};
  unpackReaches(push.reaches(), said.locks);
  if (push.leases() == nullptr) return said;
  needAligned<fb::HeldLease>(push.leases()->Data());
  for (const fb::HeldLease* const lease : *push.leases()) {
    if (lease->place() >= said.locks.size()) throw WireError("a lease is out of place");
    said.locks[lease->place()].lease = leaseOf(lease->lease(), lease->renewed_by());
  }
  return said;
}

Invalidate unpack(Reader& in, const fb::Invalidate& push) {
  return {unpackAll<Stale>(in, push.objects()), push.all()};
}

ClassesChanged unpack(Reader& in, const fb::ClassesChanged& push) {
  return {unpackAll<ClassDef>(in, push.classes())};
}

LockBroken unpack(Reader&, const fb::LockBroken& push) {
  return {{push.locker()}, Oid::fromBits(push.target())};
}

SignedOff unpack(Reader& in, const fb::SignedOff& push) {
  return {{push.locker()}, in.prose(push.reason())};
}

Notice unpack(Reader& in, const fb::Notice& push) {
  return {in.prose(push.what()), optionalWaitOf(push.server_timeout(), "a server timeout")};
}

template <class Table>
At<fb::ServerMessage> around(Writer& w, At<Table> body) {
  return fb::CreateServerMessage(w.builder, fb::FromServerTraits<Table>::enum_value, body.Union());
}

// When a LockAnswered moves, gcc 12 at -O1 believes that its second grant would be read behind the
// first, which it holds in itself; but where there is a second grant, all of them are elsewhere.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstringop-overread"
#endif
template <class Table>
FromServer unpackAs(Reader& in, const fb::ServerMessage& message) {
  return unpack(in, need(static_cast<const Table*>(message.body()), "body in a message"));
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

FromServer unpackBody(Reader& in, const fb::ServerMessage& message) {
  using Body = fb::FromServer;
  switch (message.body_type()) {
    case Body::LockAnswered: return unpackAs<fb::LockAnswered>(in, message);
    case Body::Welcome: return unpackAs<fb::Welcome>(in, message);
    case Body::Refusal: return unpackAs<fb::Refusal>(in, message);
    case Body::Ping: return unpackAs<fb::Ping>(in, message);
    case Body::NodeReply: return unpackAs<fb::NodeReply>(in, message);
    case Body::ProcessReply: return unpackAs<fb::ProcessReply>(in, message);
    case Body::CommitReply: return unpackAs<fb::CommitReply>(in, message);
    case Body::ObjectReply: return unpackAs<fb::ObjectReply>(in, message);
    case Body::OidsReply: return unpackAs<fb::OidsReply>(in, message);
    case Body::ClassReply: return unpackAs<fb::ClassReply>(in, message);
    case Body::YesNo: return unpackAs<fb::YesNo>(in, message);
    case Body::LocksReply: return unpackAs<fb::LocksReply>(in, message);
    case Body::NodesReply: return unpackAs<fb::NodesReply>(in, message);
    case Body::ProcessesReply: return unpackAs<fb::ProcessesReply>(in, message);
    case Body::StatisticsReply: return unpackAs<fb::StatisticsReply>(in, message);
    case Body::ContentionReply: return unpackAs<fb::ContentionReply>(in, message);
    case Body::DeadlocksReply: return unpackAs<fb::DeadlocksReply>(in, message);
    case Body::StatusReply: return unpackAs<fb::StatusReply>(in, message);
    case Body::FailureReply: return unpackAs<fb::FailureReply>(in, message);
    case Body::Invalidate: return unpackAs<fb::Invalidate>(in, message);
    case Body::ClassesChanged: return unpackAs<fb::ClassesChanged>(in, message);
    case Body::LockBroken: return unpackAs<fb::LockBroken>(in, message);
    case Body::SignedOff: return unpackAs<fb::SignedOff>(in, message);
    case Body::Notice: return unpackAs<fb::Notice>(in, message);
    case Body::ResourceReply: return unpackAs<fb::ResourceReply>(in, message);
    case Body::LockLapsed: return unpackAs<fb::LockLapsed>(in, message);
    case Body::LocksInherited: return unpackAs<fb::LocksInherited>(in, message);
    case Body::NONE: break;
  }
  throw WireError("a server says nothing of kind " +
                  std::to_string(static_cast<unsigned>(message.body_type())));
}

}  // namespace

fb::Stale pack(Writer&, const Stale& stale) { return {stale.oid.bits(), stale.edition}; }

Stale unpack(Reader&, const fb::Stale& stale) {
  return {Oid::fromBits(stale.oid()), stale.edition()};
}

std::string_view encodeInPlace(const FromServer& message, Instant now) {
  Writer& w = writer(now);
  return finish(w,
                std::visit([&w](const auto& body) { return around(w, pack(w, body)); }, message));
}

std::string_view encodeInPlace(const LockAnswered& message, Instant now) {
  Writer& w = writer(now);
  return finish(w, around(w, pack(w, message)));
}

std::string encode(const FromServer& message, Instant now) {
  return std::string(encodeInPlace(message, now));
}

FromServer decodeFromServer(std::span<const std::uint8_t> bytes, Instant now) {
  if (const auto kind = shortKindOf(bytes)) return unpackShortFromServer(*kind, bytes, now);
  std::vector<std::uint64_t> keep;
  bytes = aligned(bytes, keep);
  Reader in(bytes.size(), now);
  return unpackBody(in, verifiedRoot<fb::ServerMessage>(bytes));
}

}  // namespace nephrite::wire

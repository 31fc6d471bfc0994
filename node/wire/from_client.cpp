// The messages of a client node as bytes, and back.

#include <algorithm>

#include "node/wire/reader.h"
#include "node/wire/writer.h"

namespace nephrite::wire {
namespace {

ListAt<std::uint8_t> packKey(Writer& w, const std::optional<SessionKey>& key) {
  return key ? w.builder.CreateVector(key->data(), key->size()) : ListAt<std::uint8_t>();
}

std::optional<SessionKey> unpackKey(const flatbuffers::Vector<std::uint8_t>* bytes) {
  if (bytes == nullptr) return std::nullopt;
  SessionKey key{};
  if (bytes->size() != key.size()) throw WireError("a session's key has 16 bytes");
  std::copy(bytes->begin(), bytes->end(), key.begin());
  return key;
}

constexpr const char* kFaceOwner = "what a face calls its owner";

// --- Connection, nodes and processes -------------------------------------------------------------

At<fb::Hello> pack(Writer& w, const Hello& hello) {
  const auto host = packText(w, hello.host);
  const auto program = packText(w, hello.program);
  const auto session = packKey(w, hello.session);
  const auto replaces = packKey(w, hello.replaces);
  return fb::CreateHello(w.builder, hello.versionLow, hello.versionHigh, host, program, hello.pid,
                         session, hello.epoch, replaces, hello.takesGrants, hello.takesShort,
                         hello.takesParts);
}

At<fb::Ping> pack(Writer& w, const Ping&) { return fb::CreatePing(w.builder); }

At<fb::Goodbye> pack(Writer& w, const Goodbye&) { return fb::CreateGoodbye(w.builder); }

At<fb::SignOnNode> pack(Writer& w, const SignOnNode& wish) {
  const auto name = packName(w, wish.name, "the name of a node");
  const auto faceOwner = packName(w, wish.faceOwner, kFaceOwner);
  return fb::CreateSignOnNode(w.builder, wish.id, name, millisecondsOf(wish.backgroundTimeout),
                              as<fb::Face>(wish.face), faceOwner);
}

At<fb::SignOffNode> pack(Writer& w, const SignOffNode& wish) {
  return fb::CreateSignOffNode(w.builder, wish.node.bits());
}

At<fb::SignOnProcess> pack(Writer& w, const SignOnProcess& wish) {
  const auto name = packName(w, wish.who.name, "the name of a process");
  const auto user = packName(w, wish.who.user, "the name of a user");
  const auto faceOwner = packName(w, wish.who.faceOwner, kFaceOwner);
  return fb::CreateSignOnProcess(w.builder, wish.id, wish.who.node.bits(), name, user,
                                 wish.who.background, wish.who.parent.value,
                                 as<fb::Face>(wish.who.face), faceOwner);
}

At<fb::SignOffProcess> pack(Writer& w, const SignOffProcess& wish) {
  return fb::CreateSignOffProcess(w.builder, wish.locker.value, wish.inherit, wish.level);
}

Hello unpack(Reader& in, const fb::Hello& hello) {
  Hello said;
  said.versionLow = hello.version_low();
  said.versionHigh = hello.version_high();
  said.host = in.prose(hello.host());
  said.program = in.prose(hello.program());
  said.pid = hello.pid();
  said.session = unpackKey(hello.session());
  said.epoch = hello.epoch();
  said.replaces = unpackKey(hello.replaces());
  said.takesGrants = hello.takes_grants();
  said.takesShort = hello.takes_short();
  said.takesParts = hello.takes_parts();
  return said;
}

Ping unpack(Reader&, const fb::Ping&) { return {}; }

Goodbye unpack(Reader&, const fb::Goodbye&) { return {}; }

SignOnNode unpack(Reader& in, const fb::SignOnNode& wish) {
  return {wish.id(), in.text(wish.name(), "the name of a node"),
          optionalWaitOf(wish.background_timeout(), "a background timeout"),
          inRange<Face>(wish.face(), "face"), in.text(wish.face_owner(), kFaceOwner)};
}

SignOffNode unpack(Reader&, const fb::SignOffNode& wish) { return {Oid::fromBits(wish.node())}; }

SignOnProcess unpack(Reader& in, const fb::SignOnProcess& wish) {
  return {wish.id(),
          {Oid::fromBits(wish.node()),
           in.text(wish.name(), "the name of a process"),
           in.text(wish.user(), "the name of a user"),
           wish.background(),
           {wish.parent()},
           inRange<Face>(wish.face(), "face"),
           in.text(wish.face_owner(), kFaceOwner)}};
}

SignOffProcess unpack(Reader&, const fb::SignOffProcess& wish) {
  return {{wish.locker()}, wish.inherit(), wish.level()};
}

// --- Locks ---------------------------------------------------------------------------------------

At<fb::Lock> pack(Writer& w, const Lock& wish) {
  const fb::ObjectLockRequest order = pack(w, wish.order);
  const LockRequest& request = wish.order.order.request;
  return fb::CreateLock(w.builder, wish.id, &order, request.lease.length.count(),
                        as<fb::Renewal>(request.lease.renewedBy), as<fb::LockScope>(request.scope));
}

At<fb::LockAll> pack(Writer& w, const LockAll& wish) {
  if (wish.targets.empty()) return fb::CreateLockAll(w.builder, wish.id);
  fb::ObjectLockRequest* order = nullptr;
  const auto orders = w.builder.CreateUninitializedVectorOfStructs(wish.targets.size(), &order);
  for (std::size_t place = 0; place < wish.targets.size(); ++place, ++order)
    *order = pack(w, wish.at(place));
  const LeaseTerms& lease = wish.request.lease;
  return fb::CreateLockAll(w.builder, wish.id, orders, lease.length.count(),
                           as<fb::Renewal>(lease.renewedBy), as<fb::LockScope>(wish.request.scope));
}

At<fb::Cancel> pack(Writer& w, const Cancel& wish) {
  return fb::CreateCancel(w.builder, wish.locker.value, wish.request);
}

At<fb::Unlock> pack(Writer& w, const Unlock& wish) {
  return fb::CreateUnlock(w.builder, wish.locker.value, wish.target.bits());
}

At<fb::ReleaseTransaction> pack(Writer& w, const ReleaseTransaction& wish) {
  return fb::CreateReleaseTransaction(w.builder, wish.locker.value);
}

At<fb::ReleaseLevel> pack(Writer& w, const ReleaseLevel& wish) {
  return fb::CreateReleaseLevel(w.builder, wish.locker.value, wish.level);
}

LockScope lockScopeOf(fb::LockScope scope) { return inRange<LockScope>(scope, "lock scope"); }

Lock unpack(Reader& in, const fb::Lock& wish) {
  Lock one{wish.id(), unpack(in, need(wish.order(), "order in a Lock"))};
  one.order.order.request.lease = leaseOf(wish.lease(), wish.renewed_by());
  one.order.order.request.scope = lockScopeOf(wish.scope());
  return one;
}

LockAll unpack(Reader& in, const fb::LockAll& wish) {
  const std::vector<KnownRequest> orders = unpackAll<KnownRequest>(in, wish.orders());
  LockAll all{wish.id(), {}, {}};
  if (!orders.empty()) all.request = orders.front().order.request;
  all.request.target = {};
  all.targets.reserve(orders.size());
  for (const KnownRequest& one : orders) {
    LockRequest request = one.order.request;
    all.targets.push_back(
        {Oid::fromBits(request.target.value), one.knownEdition, one.order.existence});
    request.target = {};
    if (request != all.request)
      throw WireError("the locks of one request are asked for in different ways");
  }
  all.request.lease = leaseOf(wish.lease(), wish.renewed_by());
  all.request.scope = lockScopeOf(wish.scope());
  return all;
}

Cancel unpack(Reader&, const fb::Cancel& wish) { return {{wish.locker()}, wish.request()}; }

Unlock unpack(Reader&, const fb::Unlock& wish) {
  return {{wish.locker()}, Oid::fromBits(wish.target())};
}

ReleaseTransaction unpack(Reader&, const fb::ReleaseTransaction& wish) { return {{wish.locker()}}; }

ReleaseLevel unpack(Reader&, const fb::ReleaseLevel& wish) {
  return {{wish.locker()}, wish.level()};
}

// --- Objects -------------------------------------------------------------------------------------

At<fb::Fetch> pack(Writer& w, const Fetch& wish) {
  return fb::CreateFetch(w.builder, wish.id, wish.oid.bits());
}

At<fb::Instances> pack(Writer& w, const Instances& wish) {
  return fb::CreateInstances(w.builder, wish.id, wish.classNumber, wish.after.bits(),
                             wish.maxEntries);
}

At<fb::NewOids> pack(Writer& w, const NewOids& wish) {
  return fb::CreateNewOids(w.builder, wish.id, wish.classNumber, wish.count);
}

At<fb::DefineClass> pack(Writer& w, const DefineClass& wish) {
  const auto definition = pack(w, wish.definition);
  return fb::CreateDefineClass(w.builder, wish.id, definition);
}

At<fb::Commit> pack(Writer& w, const Commit& wish) {
  const CommitRequest& request = wish.request;
  const auto updateLocked =
      packNumbers(w, request.updateLocked, [](Oid oid) { return oid.bits(); });
  const auto changes = packAll(w, request.changes.changes);
  const fb::ObjectLockRequest upgrade = pack(w, KnownRequest{{request.upgrade}});
  return fb::CreateCommit(w.builder, wish.id, request.changes.id.number, &upgrade, updateLocked,
                          changes);
}

At<fb::AskOutcome> pack(Writer& w, const AskOutcome& wish) {
  return fb::CreateAskOutcome(w.builder, wish.id, wish.commit.process, wish.commit.number);
}

Fetch unpack(Reader&, const fb::Fetch& wish) { return {wish.id(), Oid::fromBits(wish.oid())}; }

Instances unpack(Reader&, const fb::Instances& wish) {
  return {wish.id(), wish.class_number(), Oid::fromBits(wish.after()), wish.max_entries()};
}

NewOids unpack(Reader&, const fb::NewOids& wish) {
  return {wish.id(), wish.class_number(), wish.count()};
}

DefineClass unpack(Reader& in, const fb::DefineClass& wish) {
  return {wish.id(), unpack(in, need(wish.definition(), "class in a DefineClass"))};
}

Commit unpack(Reader& in, const fb::Commit& wish) {
  Commit said;
  said.id = wish.id();
  said.request.upgrade = unpack(in, need(wish.upgrade(), "upgrade in a Commit")).order.request;
  said.request.updateLocked = unpackNumbers<Oid>(in, wish.update_locked(), Oid::fromBits);
  said.request.changes.id = {said.request.upgrade.locker.value, wish.number()};
  said.request.changes.changes = unpackAll<ObjectChange>(in, wish.changes());
  return said;
}

AskOutcome unpack(Reader&, const fb::AskOutcome& wish) {
  return {wish.id(), {wish.process(), wish.number()}};
}

// --- Looking and operating -----------------------------------------------------------------------

At<fb::Look> pack(Writer& w, const Look& wish) {
  const fb::LockCursor after = pack(w, wish.after);
  const bool isAtBeginning = wish.after == LockCursor();
  return fb::CreateLook(w.builder, wish.id, as<fb::Subject>(wish.subject), wish.oid.bits(),
                        wish.locker.value, wish.maxEntries, wish.page,
                        isAtBeginning ? nullptr : &after);
}

At<fb::AskContention> pack(Writer& w, const AskContention& wish) {
  return fb::CreateAskContention(w.builder, wish.id, as<fb::ContentionVerb>(wish.verb),
                                 wish.locker.value, wish.size, wish.least, wish.oid.bits());
}

At<fb::Force> pack(Writer& w, const Force& wish) {
  const auto user = packName(w, wish.by.user, "the name of a user");
  const auto reason = packText(w, wish.by.reason);
  return fb::CreateForce(w.builder, wish.id, wish.locker.value, wish.target.bits(), user, reason);
}

Look unpack(Reader& in, const fb::Look& wish) {
  return {wish.id(),
          inRange<Subject>(wish.subject(), "subject to look at"),
          Oid::fromBits(wish.oid()),
          {wish.locker()},
          wish.max_entries(),
          wish.page(),
          unpackSome(in, wish.after()).value_or(LockCursor())};
}

AskContention unpack(Reader&, const fb::AskContention& wish) {
  return {wish.id(),       inRange<ContentionVerb>(wish.verb(), "verb of contention"),
          {wish.locker()}, wish.size(),
          wish.least(),    Oid::fromBits(wish.oid())};
}

Force unpack(Reader& in, const fb::Force& wish) {
  return {wish.id(),
          {wish.locker()},
          Oid::fromBits(wish.target()),
          {in.text(wish.user(), "the name of a user"), in.prose(wish.reason())}};
}

// --- Leases and resources ------------------------------------------------------------------------

At<fb::Renew> pack(Writer& w, const Renew& wish) {
  return fb::CreateRenew(w.builder, wish.id, wish.locker.value, wish.target.bits(),
                         as<fb::Renewal>(wish.by));
}

At<fb::AskResource> pack(Writer& w, const AskResource& wish) {
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(wish.name.data());
  const auto name =
      wish.name.empty() ? ListAt<std::uint8_t>() : w.builder.CreateVector(bytes, wish.name.size());
  return fb::CreateAskResource(w.builder, wish.id, name);
}

At<fb::DropResource> pack(Writer& w, const DropResource& wish) {
  return fb::CreateDropResource(w.builder, wish.oid.bits(), wish.times);
}

Renew unpack(Reader&, const fb::Renew& wish) {
  return {wish.id(),
          {wish.locker()},
          Oid::fromBits(wish.target()),
          inRange<Renewal>(wish.by(), "way to renew a lease")};
}

AskResource unpack(Reader& in, const fb::AskResource& wish) {
  AskResource said{wish.id(), {}};
  if (wish.name() == nullptr) return said;
  in.charge(wish.name()->size());
  said.name.assign(wish.name()->begin(), wish.name()->end());
  return said;
}

DropResource unpack(Reader&, const fb::DropResource& wish) {
  return {Oid::fromBits(wish.oid()), wish.times()};
}

template <class Table>
At<fb::ClientMessage> around(Writer& w, At<Table> body) {
  return fb::CreateClientMessage(w.builder, fb::FromClientTraits<Table>::enum_value, body.Union());
}

template <class Table>
FromClient unpackAs(Reader& in, const fb::ClientMessage& message) {
  return unpack(in, need(static_cast<const Table*>(message.body()), "body in a message"));
}

FromClient unpackBody(Reader& in, const fb::ClientMessage& message) {
  using Body = fb::FromClient;
  switch (message.body_type()) {
    case Body::Lock: return unpackAs<fb::Lock>(in, message);
    case Body::Unlock: return unpackAs<fb::Unlock>(in, message);
    case Body::ReleaseTransaction: return unpackAs<fb::ReleaseTransaction>(in, message);
    case Body::Hello: return unpackAs<fb::Hello>(in, message);
    case Body::Ping: return unpackAs<fb::Ping>(in, message);
    case Body::Goodbye: return unpackAs<fb::Goodbye>(in, message);
    case Body::SignOnNode: return unpackAs<fb::SignOnNode>(in, message);
    case Body::SignOffNode: return unpackAs<fb::SignOffNode>(in, message);
    case Body::SignOnProcess: return unpackAs<fb::SignOnProcess>(in, message);
    case Body::SignOffProcess: return unpackAs<fb::SignOffProcess>(in, message);
    case Body::LockAll: return unpackAs<fb::LockAll>(in, message);
    case Body::Cancel: return unpackAs<fb::Cancel>(in, message);
    case Body::ReleaseLevel: return unpackAs<fb::ReleaseLevel>(in, message);
    case Body::Fetch: return unpackAs<fb::Fetch>(in, message);
    case Body::Instances: return unpackAs<fb::Instances>(in, message);
    case Body::NewOids: return unpackAs<fb::NewOids>(in, message);
    case Body::DefineClass: return unpackAs<fb::DefineClass>(in, message);
    case Body::Commit: return unpackAs<fb::Commit>(in, message);
    case Body::AskOutcome: return unpackAs<fb::AskOutcome>(in, message);
    case Body::Look: return unpackAs<fb::Look>(in, message);
    case Body::AskContention: return unpackAs<fb::AskContention>(in, message);
    case Body::Force: return unpackAs<fb::Force>(in, message);
    case Body::Renew: return unpackAs<fb::Renew>(in, message);
    case Body::AskResource: return unpackAs<fb::AskResource>(in, message);
    case Body::DropResource: return unpackAs<fb::DropResource>(in, message);
    case Body::NONE: break;
  }
  throw WireError("a client says nothing of kind " +
                  std::to_string(static_cast<unsigned>(message.body_type())));
}

struct VersionOf {
  std::uint16_t operator()(const SignOnProcess& it) const { return of(!it.who.parent.isNull()); }
  std::uint16_t operator()(const SignOffProcess& it) const { return of(it.inherit); }
  std::uint16_t operator()(const Lock& it) const { return ofRequest(it.order.order.request); }
  std::uint16_t operator()(const LockAll& it) const {
    LockRequest request = it.request;
    if (!it.targets.empty()) request.target = {it.targets.front().oid.bits()};
    return ofRequest(request);
  }
  std::uint16_t operator()(const Unlock& it) const { return of(isResource(it.target)); }
  std::uint16_t operator()(const Look& it) const { return of(isResource(it.oid)); }
  std::uint16_t operator()(const Force& it) const { return of(isResource(it.target)); }
  std::uint16_t operator()(const Renew&) const { return 2; }
  std::uint16_t operator()(const AskResource&) const { return 2; }
  std::uint16_t operator()(const DropResource&) const { return 2; }
  template <class Other>
  std::uint16_t operator()(const Other&) const {
    return 1;
  }

 private:
  static std::uint16_t of(bool isNew) { return isNew ? 2 : 1; }
  static bool isResource(Oid oid) { return oid.lifetime() == Lifetime::Resource; }
  static std::uint16_t ofRequest(const LockRequest& request) {
    if (request.scope != LockScope::Node) return kScopeVersion;
    return of(!request.lease.isNone() || isResource(Oid::fromBits(request.target.value)));
  }
};

}  // namespace

std::uint16_t versionOf(const FromClient& message) { return std::visit(VersionOf{}, message); }

std::string_view encodeInPlace(const FromClient& message, Instant now) {
  Writer& w = writer(now);
  return finish(w,
                std::visit([&w](const auto& body) { return around(w, pack(w, body)); }, message));
}

std::string_view encodeInPlace(const Lock& message, Instant now) {
  Writer& w = writer(now);
  return finish(w, around(w, pack(w, message)));
}

std::string_view encodeInPlace(const LockAll& message, Instant now) {
  Writer& w = writer(now);
  return finish(w, around(w, pack(w, message)));
}

std::string encode(const FromClient& message, Instant now) {
  return std::string(encodeInPlace(message, now));
}

FromClient decodeFromClient(std::span<const std::uint8_t> bytes, Instant now) {
  if (const auto kind = shortKindOf(bytes)) return unpackShortFromClient(*kind, bytes);
  std::vector<std::uint64_t> keep;
  bytes = aligned(bytes, keep);
  Reader in(bytes.size(), now);
  return unpackBody(in, verifiedRoot<fb::ClientMessage>(bytes));
}

}  // namespace nephrite::wire

#include "tests/wire/full_messages.h"

namespace nephrite::wire {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

// Large enough that a number in a field that is too narrow for it would show.
constexpr std::uint64_t kBig = 0x8877'6655'4433'2200;

constexpr LockerId lockerOf(std::uint64_t number) { return {kBig + number}; }
constexpr LockTarget targetOf(std::uint64_t number) { return {kBig + 0x100 + number}; }
constexpr Oid oidOf(std::uint64_t number) { return Oid::fromBits(kBig + 0x200 + number); }
Instant ago(Duration age) { return kNow + -age; }
constexpr WallTime wallOf(int second) {
  return WallTime(std::chrono::seconds(1'800'000'000 + second) + 123'456us);
}

constexpr SessionKey keyOf(std::uint8_t first) {
  SessionKey key{};
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(first + i);
  return key;
}

LockRequest fullRequest() {
  LockRequest request;
  request.locker = lockerOf(1);
  request.target = targetOf(1);
  request.type = LockType::Update;
  request.duration = LockDuration::Session;
  request.timeout = LockTimeout::ofMilliseconds(12'345);
  request.inState = true;
  request.level = 0xABCD;
  request.priority = -7;
  request.background = true;
  request.id = kBig + 3;
  request.lease = {2'000'000'001ms, Renewal::Activity};
  request.scope = LockScope::Subtree;
  return request;
}

KnownRequest fullOrder() { return {{fullRequest(), Existence::CreatedByLocker}, 0x9000'0001}; }

LockAll fullLocks() {
  LockAll many{7, fullRequest(), {}};
  many.request.target = {};
  many.targets = {{oidOf(37), 0x9000'0003, Existence::CreatedByLocker}, {oidOf(38), 0x9000'0004}};
  return many;
}

ObjectRecord fullRecord() {
  return {oidOf(1),
          0x9000'0002,
          someValues(),
          {{Value(std::string("key")), oidOf(2)}, {Value(std::int64_t{-3}), oidOf(3)}}};
}

ClassDef fullClass() {
  return {4711,
          "Kunde",
          ClassKind::Dictionary,
          ValueType::String,
          {{"größe", ValueType::Decimal}, {"since", ValueType::Date}}};
}

ProcessInfo fullProcess() {
  return {lockerOf(4), oidOf(4),  "anna",       "user",      "node",           "127.0.0.1:1",
          true,        wallOf(1), lockerOf(27), Face::Robot, "mia at 10.0.0.7"};
}
ProcessInfos somePeople() {
  ProcessInfo other = fullProcess();
  other.locker = lockerOf(5);
  other.name = "ben";
  return {fullProcess(), other};
}

NodeInfo fullNode() {
  NodeInfo node;
  node.oid = oidOf(5);
  node.name = "warehouse";
  node.processes = oidOf(6);
  node.locker = lockerOf(6);
  node.origin = {"10.0.0.1:2", "host", "program", 0x9000'0003};
  node.backgroundTimeout = 2s;
  node.signedOn = wallOf(2);
  return node;
}

RequestFailure fullFailure() {
  return {ErrorCode::NoAnswer, "the disk is full; make room", oidOf(3)};
}

LockAnswer fullAnswer() {
  LockAnswer answer;
  answer.outcome = LockOutcome::Deadlock;
  answer.request.target = targetOf(2);
  answer.request.type = LockType::Exclusive;
  answer.token = {kBig + 4};
  answer.queued = true;
  answer.waited = 1'234'567'891'011ns;
  answer.shareReleased = true;
  answer.lockedBy = lockerOf(7);
  answer.lockedSince = ago(17s);
  answer.lockedType = LockType::Reserve;
  answer.obtained = targetOf(3);
  answer.cycle = {{lockerOf(8), targetOf(4), LockType::Reserve},
                  {lockerOf(9), targetOf(5), LockType::Exclusive}};
  answer.limit = LockLimit::LockedObjects;
  answer.lockedAt = targetOf(13);
  answer.lockedBelow = true;
  return answer;
}

LockGrant fullGrant(std::uint32_t place) {
  return {{kBig + 36 + place}, ago(25s), place, 0xABCF, LockType::Update, LockType::Share};
}

LockReply fullLockReply() {
  LockReply reply;
  reply.reply.lock = fullAnswer();
  reply.reply.record = std::make_shared<const ObjectRecord>(fullRecord());
  reply.reply.missing = true;
  reply.reply.updatedMeanwhile = true;
  reply.reply.failure = fullFailure();
  reply.unchanged = true;
  LockInfo held;
  held.target = reply.reply.lock.request.target;
  held.type = LockType::Exclusive;
  held.wanted = held.type;
  held.session = LockType::Reserve;
  held.duration = LockDuration::Session;
  held.level = 0xABCE;
  held.token = {kBig + 5};
  held.since = ago(18s);
  held.lease = {2'000'000'002ms, Renewal::Request};
  held.scope = LockScope::Subtree;
  held.below = LockType::Update;
  held.belowSession = LockType::Share;
  reply.held = held;
  return reply;
}

LockInfo fullLock() {
  LockInfo lock;
  lock.target = targetOf(6);
  lock.requestedBy = lockerOf(10);
  lock.type = LockType::Get;
  lock.wanted = LockType::Update;
  lock.duration = LockDuration::Session;
  lock.session = LockType::Exclusive;
  lock.level = 0xABCF;
  lock.waiting = true;
  lock.lockedBy = lockerOf(11);
  lock.since = ago(19s);
  lock.requestTime = wallOf(3);
  lock.elapsed = 19s;
  lock.timeout = LockTimeout::infinite();
  lock.token = {kBig + 6};
  lock.lease = {2'000'000'003ms, Renewal::Activity};
  lock.leaseLeft = 26s;
  lock.parent = lockerOf(28);
  lock.scope = LockScope::Subtree;
  lock.below = LockType::Reserve;
  lock.belowSession = LockType::Share;
  lock.isMark = true;
  lock.isMomentary = true;
  lock.lockedAt = targetOf(14);
  return lock;
}

Names someNames() {
  return {{oidOf(39), "resource nightly run"}, {oidOf(40), "resource \"\\xff\""}};
}

LockLapsed fullLapse() {
  LockLapsed lapsed;
  lapsed.lock.locker = lockerOf(29);
  lapsed.lock.target = targetOf(11);
  lapsed.lock.type = LockType::Update;
  lapsed.lock.duration = LockDuration::Session;
  lapsed.lock.lease = {2'000'000'004ms, Renewal::Request};
  lapsed.token = {kBig + 41};
  lapsed.name = {{oidOf(41), "resource nightly run"}};
  return lapsed;
}

LockInfo fullInherited() {
  LockInfo held = *fullLockReply().held;
  held.target = targetOf(12);
  return held;
}

DeadlockRecord fullDeadlock() {
  DeadlockRecord record;
  record.number = kBig + 7;
  record.at = wallOf(4);
  record.doubled = true;
  record.requester = lockerOf(12);
  record.victims = {lockerOf(12), lockerOf(13)};
  record.cycle = {{lockerOf(12), targetOf(7), LockType::Update}};
  DeadlockHold hold;
  hold.target = targetOf(8);
  hold.locker = lockerOf(14);
  hold.type = LockType::Exclusive;
  hold.session = LockType::Update;
  hold.acquired = kBig + 8;
  hold.age = 20s;
  hold.upgradedByCommit = true;
  hold.below = LockType::Update;
  hold.belowSession = LockType::Reserve;
  record.holds = {hold};
  DeadlockWait wait;
  wait.target = targetOf(9);
  wait.locker = lockerOf(15);
  wait.wanted = LockType::Reserve;
  wait.duration = LockDuration::Session;
  wait.upgrade = true;
  wait.commit = true;
  wait.asked = kBig + 9;
  wait.age = 21s;
  wait.priority = -8;
  wait.timeout = LockTimeout::immediate();
  wait.background = true;
  wait.scope = LockScope::Subtree;
  wait.goal = targetOf(15);
  record.waits = {wait};
  record.places = {{targetOf(15), targetOf(9)}, {targetOf(9), targetOf(16)}};
  record.truncated = true;
  return record;
}

Status fullStatus() {
  Status status;
  status.version = "0.1.0";
  status.pid = 0x9000'0004;
  status.started = wallOf(5);
  status.sessions = 0x9000'0005;
  status.nodes = 0x9000'0006;
  status.processes = 0x9000'0007;
  status.locksHeld = kBig + 10;
  status.requestsWaiting = kBig + 11;
  status.draining = true;
  status.committed = kBig + 12;
  status.epoch = kBig + 13;
  status.lostSessions = kBig + 14;
  status.bytesQueued = kBig + 15;
  status.framesIn = kBig + 16;
  status.framesOut = kBig + 17;
  status.logLinesDropped = kBig + 18;
  status.trouble = "nothing can be committed";
  return status;
}

Commit fullCommit() {
  Commit commit;
  commit.id = 19;
  commit.request.upgrade = fullRequest();
  commit.request.upgrade.lease = {};
  commit.request.upgrade.scope = {};
  commit.request.updateLocked = {oidOf(20), oidOf(21)};
  commit.request.changes.id = {commit.request.upgrade.locker.value, kBig + 18};
  commit.request.changes.changes = {{ChangeKind::Create, fullRecord()},
                                    {ChangeKind::Delete, {oidOf(22), 0x9000'0008}}};
  return commit;
}

Welcome fullWelcome() {
  Welcome welcome;
  welcome.version = 0xABC0;
  welcome.server = "0.1.0";
  welcome.session = keyOf(0x60);
  welcome.epoch = kBig + 19;
  welcome.resumed = true;
  welcome.keepAlive = 5s;
  welcome.grace = 60s;
  welcome.serverTimeout = 10s;
  welcome.maxFrame = 0x9000'0009;
  welcome.coherent = false;
  welcome.system = oidOf(23);
  welcome.systemNodes = oidOf(24);
  welcome.classes = {fullClass(), {2048, "Leer"}};
  welcome.takesShort = true;
  return welcome;
}

}  // namespace

std::vector<Value> someValues() {
  using namespace std::chrono;
  return {std::monostate(),
          true,
          std::int32_t{-2'147'483'647 - 1},
          std::int64_t{-9'000'000'000},
          -0.0,
          *Decimal::parse("-9999999999999999999999.9999999999999999"),
          std::string("Grüße, 世界"),
          Binary{std::byte{0}, std::byte{0xFF}},
          Date(year(-44) / March / 15),
          TimeOfDay{86'399'999ms},
          TimeStamp(-1ms),
          oidOf(25)};
}

Hello exampleHello() {
  Hello hello;
  hello.host = "till1";
  hello.program = "shop";
  hello.pid = 4711;
  return hello;
}

Lock exampleLock() {
  LockRequest request;
  request.locker = {187};
  request.target = {Oid(Lifetime::Persistent, 2048, 5).bits()};
  request.type = LockType::Exclusive;
  request.timeout = LockTimeout::ofMilliseconds(5000);
  request.inState = true;
  request.id = 3;
  return {7, {{request}, 2}};
}

LockAnswered exampleGrant() {
  return {7,
          {},
          {},
          {{{kBig + 36}, kNow + -Duration(25s), 0, 0xABC4, LockType::Exclusive, LockType::Share}}};
}

LockAll exampleLocks() {
  const KnownRequest first = exampleLock().order;
  LockAll many{8, first.order.request, {}};
  many.request.target = {};
  many.targets = {{Oid::fromBits(first.order.request.target.value), first.knownEdition},
                  {Oid(Lifetime::Persistent, 2048, 6), 0}};
  return many;
}

LockAnswered exampleGrants() {
  LockAnswered granted = exampleGrant();
  LockGrant second = granted.grants.front();
  second.place = 1;
  second.token = {kBig + 37};
  second.since = kNow + -Duration(24s);
  granted.grants.push_back(second);
  return granted;
}

std::string errorOfClient(std::string_view bytes) {
  try {
    decodeFromClient(bytesOf(bytes), kNow);
  } catch (const WireError& error) {
    return error.what();
  }
  return "no error";
}
std::string errorOfServer(std::string_view bytes) {
  try {
    decodeFromServer(bytesOf(bytes), kNow);
  } catch (const WireError& error) {
    return error.what();
  }
  return "no error";
}

std::vector<FromClient> fullMessagesOfClient() {
  const Operator by{"operator", "the owner is on holiday"};
  return {
      Hello{2, 4, "host", "program", 0x9000'0000, keyOf(0x10), kBig, keyOf(0x40), true, true, true},
      Ping{},
      Goodbye{},
      SignOnNode{4, "warehouse", 3s, Face::Clasp, "till 4"},
      SignOffNode{oidOf(7)},
      SignOnProcess{5, {oidOf(8), "anna", "user", true, lockerOf(30), Face::Rest, "anna's phone"}},
      SignOffProcess{lockerOf(16), true, 0xABC5},
      Lock{6, fullOrder()},
      fullLocks(),
      Cancel{lockerOf(17), 8},
      Unlock{lockerOf(18), oidOf(9)},
      ReleaseTransaction{lockerOf(19)},
      ReleaseLevel{lockerOf(20), 0xABC1},
      Fetch{9, oidOf(10)},
      Instances{10, 0xABC2, oidOf(11), kBig},
      NewOids{11, 0xABC3, 0x9000'000A},
      DefineClass{12, fullClass()},
      fullCommit(),
      AskOutcome{13, {kBig + 20, kBig + 21}},
      Look{14,
           Subject::Status,
           oidOf(12),
           lockerOf(21),
           kBig + 22,
           kBig + 46,
           {targetOf(17), kBig + 47, lockerOf(33), LockCursor::Kind::Upgrade}},
      AskContention{15, ContentionVerb::Of, lockerOf(22), kBig + 23, kBig + 24, oidOf(13)},
      Force{16, lockerOf(23), oidOf(14), by},
      Renew{17, lockerOf(31), oidOf(42), Renewal::Activity},
      AskResource{18, std::string("nightly\0\xff", 9)},
      DropResource{oidOf(43), kBig + 44}};
}

std::vector<FromServer> fullMessagesOfServer() {
  using Outcome = nephrite::CommitReply::Outcome;
  const LockContentionState state{true, lockerOf(24), kBig + 25, wallOf(6)};
  const LockContentionInfo contention{targetOf(10), kBig + 26, 22s, 23s};
  const LockStatistics statistics{kBig + 27, kBig + 28, kBig + 29, kBig + 30, kBig + 31, kBig + 32,
                                  kBig + 33, kBig + 45, 24s,       kBig + 34, kBig + 35};
  return {fullWelcome(),
          Refusal{{fullFailure().code, fullFailure().what}, true},
          Ping{},
          NodeReply{1, {fullNode(), fullAnswer(), fullFailure()}, somePeople()},
          ProcessReply{2, {fullProcess(), fullAnswer(), fullFailure()}, somePeople()},
          LockAnswered{3,
                       {fullLockReply(), fullLockReply()},
                       somePeople(),
                       {fullGrant(1), fullGrant(3)},
                       someNames()},
          CommitReply{4, {Outcome::Failed, fullAnswer(), fullFailure()}, somePeople(), someNames()},
          ObjectReply{5, std::make_shared<const ObjectRecord>(fullRecord())},
          OidsReply{6, {oidOf(15), oidOf(16)}},
          ClassReply{7, fullClass()},
          YesNo{8, true},
          LocksReply{9,
                     {fullLock(), fullLock()},
                     somePeople(),
                     true,
                     someNames(),
                     LockCursor{targetOf(18), kBig + 48, lockerOf(34), LockCursor::Kind::Newcomer}},
          NodesReply{10, {fullNode(), fullNode()}, true},
          ProcessesReply{11, somePeople(), true},
          StatisticsReply{12, statistics},
          ContentionReply{13, true, state, {contention, contention}, somePeople(), someNames()},
          DeadlocksReply{14, {fullDeadlock(), fullDeadlock()}, somePeople(), true, someNames()},
          StatusReply{15, fullStatus()},
          FailureReply{16, fullFailure()},
          Invalidate{{{oidOf(17), 0x9000'000B}, {oidOf(18), 0x9000'000C}}, true},
          ClassesChanged{{fullClass()}},
          LockBroken{lockerOf(25), oidOf(19)},
          SignedOff{lockerOf(26), "by an operator"},
          Notice{"the server drains", 12'000ms},
          ResourceReply{17, oidOf(44)},
          fullLapse(),
          LocksInherited{lockerOf(32), {fullInherited(), fullInherited()}}};
}

template <>
Refusal withUnsentFields(Refusal refusal) {
  refusal.failure.object = fullFailure().object;
  return refusal;
}

template <>
LockAnswer withUnsentFields(LockAnswer answer) {
  LockRequest request = fullRequest();
  request.target = answer.request.target;
  request.type = answer.request.type;
  answer.request = request;
  return answer;
}

template <>
LockRequest withUnsentFields(LockRequest request) {
  request.access = LockAccess::Write;
  return request;
}

template <>
LockAll withUnsentFields(LockAll many) {
  many.request.target = fullRequest().target;
  return many;
}

template <>
LockReply withUnsentFields(LockReply reply) {
  LockInfo held = fullLock();
  held.type = reply.held->type;
  held.session = reply.held->session;
  held.level = reply.held->level;
  held.token = reply.held->token;
  held.since = reply.held->since;
  held.lease = reply.held->lease;
  held.scope = reply.held->scope;
  held.below = reply.held->below;
  held.belowSession = reply.held->belowSession;
  reply.held = held;
  return reply;
}

template <>
LockLapsed withUnsentFields(LockLapsed lapsed) {
  LockRequest full = fullRequest();
  full.locker = lapsed.lock.locker;
  full.target = lapsed.lock.target;
  full.type = lapsed.lock.type;
  full.duration = lapsed.lock.duration;
  full.lease = lapsed.lock.lease;
  lapsed.lock = full;
  return lapsed;
}

template <>
LocksInherited withUnsentFields(LocksInherited left) {
  for (LockInfo& lock : left.locks) {
    LockReply reply;
    reply.held = lock;
    const LockTarget target = lock.target;
    lock = *withUnsentFields(reply).held;
    lock.target = target;
  }
  return left;
}

template <>
CommitRequest withUnsentFields(CommitRequest request) {
  request.lifetime = Lifetime::SharedTransient;
  request.changes.handedOver = true;
  request.upgrade.lease = fullRequest().lease;
  request.upgrade.scope = fullRequest().scope;
  return request;
}

}  // namespace nephrite::wire

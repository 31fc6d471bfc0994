// Does one thing so many times that its instructions can be told from those of the set-up:
//     guard_program CASE COUNT
// A case ends by proving that it did what it is named after. `--list` names the cases.

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "locking/lock_manager.h"
#include "node/wire/messages.h"
#include "runtime/database/local_database.h"
#include "runtime/nephrite.h"

namespace {

using namespace nephrite;

void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

// --- Object: as an application asks ------------------------------------------------------------

/// A database in this program, in memory, with as many objects.
struct Embedded {
  explicit Embedded(int count);
  std::vector<Object> objectsOf(const Process& process) const;

  std::shared_ptr<LocalDatabase> database;
  Node node;
  std::vector<Oid> oids;
};

std::shared_ptr<LocalDatabase> inMemory() {
  ObjectStore::Options options;
  options.inMemory = true;
  return std::make_shared<LocalDatabase>(ObjectStore::open(options), SystemClock::instance(),
                                         LocalDatabase::Options{});
}

Embedded::Embedded(int count) : database(inMemory()), node(Node::signOn(database, "guard")) {
  Process maker = node.signOn({.name = "maker"});
  maker.defineClass({.name = "Thing", .properties = {{"text", ValueType::String}}});
  maker.beginTransaction();
  for (int i = 0; i < count; ++i) oids.push_back(maker.create("Thing").oid());
  maker.commitTransaction();
}

std::vector<Object> Embedded::objectsOf(const Process& process) const {
  std::vector<Object> objects;
  for (const Oid oid : oids) {
    objects.push_back(process.object(oid));
    require(objects.back().exists(), "an object is not there");
  }
  return objects;
}

void acquireAndReleaseObjects(std::uint64_t count) {
  Embedded embedded(1'000);
  Process process = embedded.node.signOn({.name = "counted"});
  std::vector<Object> objects = embedded.objectsOf(process);
  const std::uint64_t before = process.system().getRequestStats().unlockObjects;

  for (std::uint64_t i = 0; i < count; ++i) {
    Object& object = objects[i % objects.size()];
    object.exclusiveLock();
    object.unlock();
  }

  const std::uint64_t unlocked = process.system().getRequestStats().unlockObjects - before;
  require(unlocked == count, "not every unlock was counted");
  require(embedded.database->locksHeld(Lifetime::Persistent, 1).empty(), "a lock was left behind");
}

void askAgainForObject(std::uint64_t count) {
  Embedded embedded(1);
  Process process = embedded.node.signOn({.name = "counted"});
  Process other = embedded.node.signOn({.name = "other"});
  Object object = process.object(embedded.oids.front());
  Object theirs = other.object(embedded.oids.front());
  object.exclusiveLock();

  for (std::uint64_t i = 0; i < count; ++i) object.exclusiveLock();

  require(!theirs.tryLock(LockType::Share), "it was not held");
  object.unlock();
  require(theirs.tryLock(LockType::Share), "one unlock did not free it");
}

// --- LockManager: as a server is asked ---------------------------------------------------------

constexpr LockerId kFirst{1}, kSecond{2};

/// A lock manager with two lockers, and how often they were granted a lock.
struct Table {
  Table() {
    locks.signOn(kFirst);
    locks.signOn(kSecond);
  }

  void ask(LockerId locker, LockTarget target) {
    LockRequest request;
    request.locker = locker;
    request.target = target;
    request.type = LockType::Exclusive;
    locks
        .request(request,
                 [this](const LockAnswer& answer) {
                   granted += answer.outcome == LockOutcome::Granted;
                   queued += answer.queued;
                 })
        .deliver();
  }
  void letGo(LockerId locker, LockTarget target) { locks.unlock(locker, target).deliver(); }

  LockManager locks{SystemClock::instance(), {}};
  std::uint64_t granted = 0, queued = 0;
};

void acquireAndReleaseInManager(std::uint64_t count) {
  Table table;
  for (std::uint64_t i = 0; i < count; ++i) {
    const LockTarget target{1 + i % 1'000};
    table.ask(kFirst, target);
    table.letGo(kFirst, target);
  }
  require(table.granted == count && table.queued == 0, "not every request was granted at once");
  require(table.locks.locksHeld(1).empty(), "a lock was left behind");
}

void askAgainInManager(std::uint64_t count) {
  Table table;
  table.ask(kFirst, {1});
  for (std::uint64_t i = 0; i < count; ++i) table.ask(kFirst, {1});
  require(table.granted == 1 + count, "not every request was granted");
  require(table.locks.locksHeld().size() == 1, "more than one lock is held");
}

// A holds, B waits, A lets go, B is granted and is the next A.
void grantToWaiter(std::uint64_t count) {
  Table table;
  LockerId holder = kFirst, waiter = kSecond;
  table.ask(holder, {1});
  for (std::uint64_t i = 0; i < count; ++i) {
    table.ask(waiter, {1});
    table.letGo(holder, {1});
    std::swap(holder, waiter);
  }
  require(table.granted == 1 + count && table.queued == count, "not every waiter was granted");
}

// --- LockManager: many, of which each must cost what one of few does -----------------------------

/// A lock manager with as many lockers, {1} and so on.
struct Many {
  explicit Many(std::uint64_t count) : lockers(count) {
    for (std::uint64_t i = 1; i <= count; ++i) locks.signOn({i});
  }

  void ask(LockerId locker, LockTarget target, LockType type) {
    LockRequest request;
    request.locker = locker;
    request.target = target;
    request.type = type;
    locks.request(request, [this](const LockAnswer&) { ++answered; }).deliver();
  }
  void signAllOff() {
    for (std::uint64_t i = 1; i <= lockers; ++i) locks.signOff({i}).deliver();
  }

  const std::uint64_t lockers;
  LockManager locks{SystemClock::instance(), {}};
  std::uint64_t answered = 0;
};

void signManyOn(std::uint64_t count) {
  Many many(count);
  many.signAllOff();
  require(many.locks.find({count}).isNull(), "one is still signed on");
}

// All let go what one waits for, in no order that would help.
void letManyShare(std::uint64_t count) {
  Many many(count + 1);
  const LockerId waiter{count + 1};
  for (std::uint64_t i = 1; i <= count; ++i) many.ask({i}, {1}, LockType::Share);
  require(many.answered == count, "not all share it");
  many.ask(waiter, {1}, LockType::Exclusive);
  for (std::uint64_t i = 0; i < count; ++i) {
    many.locks.unlock({1 + i * 7'919 % count}, {1}).deliver();  // A prime: each has its turn.
  }
  require(many.answered == count + 1, "the one who waited was not granted it");
}

// The holder of what all the others wait for waits too: does one of them wait for it?
void searchManyForADeadlock(std::uint64_t count) {
  Many many(count + 2);
  const LockerId holder{count + 1}, other{count + 2};
  many.ask(holder, {1}, LockType::Exclusive);
  many.ask(other, {2}, LockType::Exclusive);
  for (std::uint64_t i = 1; i <= count; ++i) many.ask({i}, {1}, LockType::Exclusive);
  many.ask(holder, {2}, LockType::Exclusive);
  require(many.answered == 2, "not all wait");
  many.ask(other, {1}, LockType::Exclusive);  // Behind them all: the cycle is told, too.
  require(many.answered == 3 && many.locks.statistics().deadlocks == 1, "no deadlock was seen");
  many.signAllOff();
}

// One locker waits for all that another holds and lets go at once, in the other order.
void grantManyToOne(std::uint64_t count) {
  Many many(2);
  for (std::uint64_t i = 1; i <= count; ++i) many.ask({2}, {i}, LockType::Exclusive);
  for (std::uint64_t i = count; i >= 1; --i) many.ask({1}, {i}, LockType::Exclusive);
  require(many.answered == count, "not all wait");
  many.locks.signOff({2}).deliver();
  require(many.answered == 2 * count, "not all are granted");
  many.signAllOff();
}

// A commit of many waits for one who shares them all.
void upgradeMany(std::uint64_t count) {
  Many many(2);
  std::vector<LockTarget> targets;
  for (std::uint64_t i = 1; i <= count; ++i) {
    many.ask({1}, {i}, LockType::Update);
    many.ask({2}, {i}, LockType::Share);
    targets.push_back({i});
  }
  LockRequest commit;
  commit.locker = {1};
  bool committed = false;
  many.locks
      .upgradeForCommit(
          commit, targets,
          [&](const LockAnswer& answer) { committed = answer.outcome == LockOutcome::Granted; })
      .deliver();
  require(!committed, "it does not wait");
  many.locks.signOff({2}).deliver();
  require(committed, "it waits for ever");
  many.signAllOff();
}

void listMany(std::uint64_t count) {
  Many many(1);
  for (std::uint64_t i = 1; i <= count; ++i) many.ask({1}, {i}, LockType::Exclusive);
  require(many.locks.locksHeld(100'000).size() == count, "not all are listed");
}

// Every lock and release of them takes the slow path, and is an event.
void watchMany(std::uint64_t count) {
  Many many(1);
  std::vector<LockWatch> watches;
  for (std::uint64_t i = 1; i <= count; ++i) watches.push_back(many.locks.watch({i}));
  for (std::uint64_t i = 1; i <= count; ++i) many.ask({1}, {i}, LockType::Exclusive);
  for (std::uint64_t i = 1; i <= count; ++i) many.locks.unlock({1}, {i}).deliver();
  require(many.locks.lastEvent() == 2 * count, "not all was told");
}

// Of many faces each waits for the write of the one before.
void writeMany(std::uint64_t count) {
  Many many(count);
  std::uint64_t granted = 0;
  LockRequest write;
  write.target = {1};
  write.type = LockType::Exclusive;
  write.timeout = LockTimeout::immediate();
  write.access = LockAccess::Write;
  for (std::uint64_t i = 1; i <= count; ++i) {
    write.locker = {i};
    many.locks
        .request(write,
                 [&](const LockAnswer& answer) {
                   granted += answer.outcome == LockOutcome::Granted ? 1 : 0;
                 })
        .deliver();
  }
  require(granted == 1, "they do not wait for each other");
  for (std::uint64_t i = 1; i <= count; ++i) many.locks.releaseTransactionLocks({i}).deliver();
  require(granted == count, "not all have written");
  many.signAllOff();
}

// Whatever the owner of many leases does renews them all.
void keepManyAlive(std::uint64_t count) {
  using namespace std::chrono_literals;
  Many many(1);
  LockRequest request;
  request.locker = {1};
  request.type = LockType::Exclusive;
  request.lease = {1h, Renewal::Activity};
  for (std::uint64_t i = 1; i <= count; ++i) {
    request.target = {i};
    many.locks.request(request, [&](const LockAnswer&) { ++many.answered; }).deliver();
  }
  require(many.answered == count, "not all are locked");
  const LockerRef owner = many.locks.find({1});
  for (std::uint64_t i = 1; i <= count; ++i) many.locks.keepAlive(owner);
  require(many.locks.nextDeadline() > SystemClock::instance().now() + 59min, "one ends soon");
  many.signAllOff();
}

// --- The wire ------------------------------------------------------------------------------------

/// Takes what `encode` makes across as bytes, `count` times.
template <class Message, class Encode, class Decode>
Message carry(Encode encode, Decode decode, std::uint64_t count) {
  const Instant now = SystemClock::instance().now();
  Message arrived;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string_view bytes = encode(now);
    arrived = decode({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, now);
  }
  return arrived;
}

wire::KnownRequest someOrder() {
  LockRequest request;
  request.locker = {187};
  request.target = {Oid(Lifetime::Persistent, 2048, 5).bits()};
  request.type = LockType::Exclusive;
  request.inState = true;
  return {{request}, 2};
}

void carryLockRequest(std::uint64_t count) {
  const wire::Lock asked{7, someOrder()};
  const auto arrived = carry<wire::FromClient>([&](Instant) { return wire::encodeShort(asked); },
                                               wire::decodeFromClient, count);
  const auto* lock = std::get_if<wire::Lock>(&arrived);
  require(lock != nullptr && lock->order.order.request.locker == LockerId{187},
          "the request did not arrive");
}

// The client's copy is the latest, so that no record goes with it.
void carryLockReply(std::uint64_t count) {
  const wire::LockGrant grant{{99}, SystemClock::instance().now(), 0,
                              0,    LockType::Exclusive,           LockType::Get};
  const wire::LockAnswered answer{7, {}, {}, {grant}};
  const auto arrived = carry<wire::FromServer>(
      [&](Instant now) { return *wire::encodeShort(answer, now); }, wire::decodeFromServer, count);
  const auto* answered = std::get_if<wire::LockAnswered>(&arrived);
  require(answered != nullptr && answered->grants.at(0).token == FencingToken{99},
          "the reply did not arrive");
}

void carryTenLocks(std::uint64_t count) {
  const wire::KnownRequest order = someOrder();
  const Oid oid = Oid::fromBits(order.order.request.target.value);
  const wire::LockAll asked{7, order.order.request,
                            std::vector<wire::KnownTarget>(10, {oid, order.knownEdition})};
  const auto arrived = carry<wire::FromClient>([&](Instant) { return *wire::encodeShort(asked); },
                                               wire::decodeFromClient, count);
  const auto* all = std::get_if<wire::LockAll>(&arrived);
  require(all != nullptr && all->targets.size() == 10, "the requests did not arrive");
}

struct Case {
  std::string_view name;
  void (*run)(std::uint64_t count);
};
constexpr Case kCases[] = {
    {"object_acquire_release", acquireAndReleaseObjects},
    {"object_ask_again", askAgainForObject},
    {"manager_acquire_release", acquireAndReleaseInManager},
    {"manager_ask_again", askAgainInManager},
    {"manager_grant_waiter", grantToWaiter},
    {"many_sign_on", signManyOn},
    {"many_share", letManyShare},
    {"many_search", searchManyForADeadlock},
    {"many_waits", grantManyToOne},
    {"many_upgrades", upgradeMany},
    {"many_list", listMany},
    {"many_watch", watchMany},
    {"many_write", writeMany},
    {"many_alive", keepManyAlive},
    {"wire_lock_request", carryLockRequest},
    {"wire_lock_reply", carryLockReply},
    {"wire_lock_ten", carryTenLocks},
};

int usage() {
  std::fputs("usage: guard_program --list | CASE COUNT\n", stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  if (arguments.size() == 1 && arguments[0] == "--list") {
    for (const Case& one : kCases) std::puts(one.name.data());
    return 0;
  }
  if (arguments.size() != 2) return usage();
  std::uint64_t count = 0;
  const char* end = arguments[1].data() + arguments[1].size();
  if (std::from_chars(arguments[1].data(), end, count).ptr != end || count == 0) return usage();
  for (const Case& one : kCases) {
    if (one.name != arguments[0]) continue;
    try {
      one.run(count);
      return 0;
    } catch (const std::exception& failure) {
      std::fprintf(stderr, "%s: %s\n", argv[1], failure.what());
      return 1;
    }
  }
  return usage();
}

// Places, leases and resources: what the rules beside the plain ones cost.

#include <algorithm>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>

#include "bench/nephrite/cases.h"
#include "bench/nephrite/embedded.h"
#include "locking/lock_manager.h"
#include "runtime/database/locker_port.h"

namespace bench::cases {
namespace {

constexpr std::size_t kPairs = 1'000'000;

void pairsOn(const char* name, const char* variant, Object& object) {
  const auto pair = [&](std::size_t) {
    object.exclusiveLock();
    object.unlock();
  };
  for (std::size_t i = 0; i < 100'000; ++i) pair(i);
  print(measure({.system = kSystem, .name = name, .variant = variant}, kPairs, pair));
}

LockRequest leased(std::uint64_t target, std::chrono::milliseconds length) {
  LockRequest request;
  request.locker = {1};
  request.target = {target};
  request.type = LockType::Exclusive;
  request.duration = LockDuration::Session;
  request.timeout = LockTimeout::immediate();
  request.lease.length = length;
  return request;
}

}  // namespace

void depth3() {
  Embedded embedded(5);
  const std::vector<Oid>& oids = embedded.oids();
  proveLocks(embedded, oids[0]);
  Process process = embedded.process("bench"), other = embedded.process("other");
  Object bare = process.object(oids[4]), deep = process.object(oids[3]);
  pairsOn("depth_3", "no place", bare);
  for (std::size_t above = 0; above < 3; ++above) {
    const auto placing = embedded.database().setPlace(oids[above + 1], oids[above]);
    require(placing == LockManager::Placing::Done, "an object got no place");
  }
  deep.exclusiveLock();
  bool isRefused = false;
  try {
    other.object(oids[0]).lock({.type = LockType::Share,
                                .timeout = LockTimeout::immediate(),
                                .scope = LockScope::Subtree});
  } catch (const LockException&) {
    isRefused = true;
  }
  require(isRefused, "what is below was locked past its holder");
  deep.unlock();
  pairsOn("depth_3", "at depth 3", deep);
}

void resourceByName() {
  Embedded embedded(1);
  Process process = embedded.process("bench"), other = embedded.process("other");
  const std::string name(40, 'r');
  process.resource(name).exclusiveLock();
  require(!other.resource(name).tryLock(LockType::Share), "a resource was given to two processes");
  process.resource(name).unlock();
  const auto objects = [&](std::size_t) {
    Object object = process.object(embedded.oids()[0]);
    object.exclusiveLock();
    object.unlock();
  };
  const auto resources = [&](std::size_t) {
    auto resource = process.resource(name);
    resource.exclusiveLock();
    resource.unlock();
  };
  for (std::size_t i = 0; i < 100'000; ++i) objects(i);
  print(measure({.system = kSystem, .name = "resource_by_name", .variant = "object"}, kPairs,
                objects));
  for (std::size_t i = 0; i < 100'000; ++i) resources(i);
  print(measure({.system = kSystem, .name = "resource_by_name", .variant = "name of 40 bytes"},
                kPairs, resources));
}

void leases1m() {
  LockManager locks(SystemClock::instance(), {});
  locks.signOn({1});
  std::size_t granted = 0;
  for (std::uint64_t target = 1; target <= kPairs; ++target) {
    locks
        .request(leased(target, std::chrono::hours(1)),
                 [&](const LockAnswer& answer) {
                   granted += answer.outcome == LockOutcome::Granted ? 1 : 0;
                 })
        .deliver();
  }
  require(granted == kPairs, "not all were granted");
  const LockerRef locker = locks.find({1});
  std::size_t renewed = 0;
  const auto renew = [&](std::size_t i) {
    renewed += locks.renew(locker, {1 + i * 7 % kPairs}, Renewal::Request) ? 1 : 0;
  };
  const Figure figure =
      measure({.system = kSystem, .name = "leases_1m", .variant = "renewed"}, kPairs, renew);
  require(renewed == figure.ops, "not all were renewed");
  print(figure);
  locks.signOff({1}).deliver();
}

// Ended by the database's own thread, whose work this is.
void lapses() {
  constexpr std::uint64_t kLeases = 20'000;
  std::mutex mutex;
  std::vector<double> late;
  std::vector<double> due(kLeases);
  Embedded embedded(kLeases);
  Process process = embedded.process("bench");
  embedded.database().port(process.info().locker)->whenLapsed([&](const LockAnswer& answer) {
    const double now = nowNs();
    const std::lock_guard hold(mutex);
    const auto at = std::lower_bound(embedded.oids().begin(), embedded.oids().end(),
                                     Oid::fromBits(answer.request.target.value));
    late.push_back(now - due[static_cast<std::size_t>(at - embedded.oids().begin())]);
  });
  for (std::size_t i = 0; i < kLeases; ++i) {
    const auto length = std::chrono::milliseconds(200 + i % 2'000);
    Object object = process.object(embedded.oids()[i]);
    object.lock({.duration = LockDuration::Session, .lease = length});
    const std::lock_guard hold(mutex);
    due[i] = nowNs() + static_cast<double>(std::chrono::nanoseconds(length).count());
  }
  const double give = nowNs() + 10e9;
  for (std::size_t seen = 0; seen < kLeases && nowNs() < give;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const std::lock_guard hold(mutex);
    seen = late.size();
  }
  const std::lock_guard hold(mutex);
  require(late.size() == kLeases, "not all lapsed");
  double sum = 0;
  for (const double each : late) sum += each;
  const double p50 = percentile(late, 0.5), p99 = percentile(late, 0.99);
  print({.system = kSystem,
         .name = "lapses_20k",
         .ops = kLeases,
         .wallNs = sum / kLeases,
         .p50Ns = p50,
         .p99Ns = p99});
}

}  // namespace bench::cases

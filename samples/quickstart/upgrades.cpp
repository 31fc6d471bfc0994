#include "upgrades.h"

#include <algorithm>
#include <thread>

using namespace nephrite;
using namespace std::chrono_literals;

namespace {

std::vector<Object> handles(Process& process, const std::vector<Oid>& oids) {
  std::vector<Object> objects;
  for (const Oid oid : oids) objects.push_back(process.object(oid));
  return objects;
}

}  // namespace

Upgrader::Upgrader(Process& process, Oid ledger, const Work& work, Journal& journal, Tally& tally,
                   std::uint64_t seed)
    : process_(process),
      ledger_(ledger),
      work_(work),
      journal_(journal),
      tally_(tally),
      random_(seed) {}

bool Upgrader::isDone(const Object& package) const {
  return package.get<std::int32_t>("upgrades") >= work_.target;
}

void Upgrader::upgradeAnything(const std::stop_token& stop) {
  std::vector<Object> left = handles(process_, work_.packages);
  while (!left.empty() && !stop.stop_requested()) {
    // Everybody works from the front of one list, so that they meet.
    std::uniform_int_distribution<std::size_t> near(0, std::min<std::size_t>(left.size(), 6) - 1);
    const auto next = left.begin() + static_cast<std::ptrdiff_t>(near(random_));
    if (isDone(*next) || !upgrade(*next, stop)) left.erase(next);
  }
}

void Upgrader::upgradeBySection(const std::stop_token& stop) {
  std::vector<Object> sections = handles(process_, work_.sections);
  const std::vector<Object> packages = handles(process_, work_.packages);
  std::shuffle(sections.begin(), sections.end(), random_);
  for (Object& section : sections) {
    // The claim: whoever finds the section locked leaves it to the other worker.
    Object claim = section.reference("claim");
    if (!claim.tryLock(LockType::Exclusive, LockDuration::Session, LockTimeout::immediate())) {
      continue;
    }
    for (const Object& package : packages) {
      if (!(package.reference("section") == section)) continue;
      while (!stop.stop_requested() && !isDone(package) && upgrade(package, stop)) {
      }
      if (stop.stop_requested()) break;
    }
    claim.unlock();
    if (stop.stop_requested()) return;
  }
}

void Upgrader::audit(const std::stop_token& stop) {
  const std::vector<Object> packages = handles(process_, work_.packages);
  std::uniform_int_distribution<std::size_t> any(0, packages.size() - 1);
  while (!stop.stop_requested()) {
    try {
      const LockState everythingReadIsShared(process_);
      for (int i = 0; i < 4; ++i) {
        const Object section = packages[any(random_)].reference("section");
        section.get<std::int32_t>("upgrades");
        std::this_thread::sleep_for(10ms);
      }
    } catch (const LockException&) {
      ++tally_.timeouts;
    } catch (const DeadlockException&) {
      ++tally_.deadlocks;
    }
    std::this_thread::sleep_for(60ms);
  }
}

bool Upgrader::upgrade(Object package, const std::stop_token& stop) {
  for (unsigned failures = 0; !stop.stop_requested(); ++failures) {
    try {
      return tryUpgrade(package, stop);
    } catch (const LockException&) {
      ++tally_.timeouts;
    } catch (const DeadlockException&) {
      ++tally_.deadlocks;
    } catch (const CancelledException&) {
      return true;  // Asked to stop.
    } catch (const UpgradeException&) {
      // Somebody else has updated it since it was read: look again.
    }
    ++tally_.retries;
    pauseBeforeRetry(failures, stop);  // The transaction is gone, and with it all its locks.
  }
  return true;
}

// Two victims that wait equally long meet again: the pause is random and grows.
void Upgrader::pauseBeforeRetry(unsigned failures, const std::stop_token& stop) {
  if (stop.stop_requested()) return;
  std::uniform_int_distribution<int> pause(0, 2000 << std::min(failures, 4u));
  std::this_thread::sleep_for(std::chrono::microseconds(pause(random_)));
}

bool Upgrader::tryUpgrade(Object& package, const std::stop_token& stop) {
  Transaction transaction(process_);
  package.reserveLock(LockTimeout::processDefined(), stop);
  if (isDone(package)) return false;

  std::vector<Object> depends = Collection(package.reference("depends")).clone();
  std::shuffle(depends.begin(), depends.end(), random_);  // As careless programs do.
  for (Object& needed : depends) needed.sharedLock(LockTimeout::processDefined(), stop);
  package.updateLock(LockTimeout::processDefined(), stop);
  std::this_thread::sleep_for(work_.unpacking);

  const std::int32_t number = package.get<std::int32_t>("upgrades") + 1;
  const std::string before = package.get<std::string>("version");
  const std::string version = before.substr(0, before.find("+u")) + "+u" + std::to_string(number);
  package.set("upgrades", number);
  package.set("version", version);
  Object done = process_.create("Upgrade");
  done.set("package", package);
  done.set("number", number);
  done.set("by", process_.info().name);
  done.set("version", version);
  Object section = package.reference("section");
  section.updateLock(LockTimeout::processDefined(), stop);  // Late: it is wanted by many.
  section.set("upgrades", section.get<std::int32_t>("upgrades") + 1);
  Object ledger = process_.object(ledger_);
  ledger.set("commits", ledger.get<std::int64_t>("commits") + 1);
  transaction.commit(stop);

  journal_.acknowledged({package.get<std::string>("name"), number, process_.info().name});
  ++tally_.commits;
  return true;
}

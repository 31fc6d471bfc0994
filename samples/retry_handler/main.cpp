// An exception handler that retries: armed once, it serves every lock request of the process.
//
// When a lock is not granted in time the handler says who holds it and asks again, a few times;
// when it gets the lock, execution goes on after the call that failed, as if nothing had been.
// A deadlock is not asked for again: only giving up what one holds helps.

#include <algorithm>
#include <iostream>
#include <thread>

#include "node/configured_node.h"

using namespace nephrite;
using namespace std::chrono_literals;

namespace {

constexpr int kTries = 50;

HandlerAction retryLock(Process& process, const SystemException& failure) {
  const auto* refused = dynamic_cast<const LockException*>(&failure);
  if (refused == nullptr) return HandlerAction::PassBack;

  std::cout << refused->what() << "\n";
  Object wanted = process.object(refused->lockTarget());
  for (int i = 0; i < kTries; ++i) {
    if (wanted.tryLock(refused->lockType(), refused->lockDuration(), 100ms)) {
      std::cout << "got it after all\n";
      return HandlerAction::Continue;  // Valid only because the lock is held now.
    }
  }
  return HandlerAction::PassBack;  // Nobody else knows better: the exception is thrown.
}

}  // namespace

int main(int argc, char** argv) {
  ConfiguredNode database({.iniFile = argc > 1 ? argv[1] : "samples/retry_handler/jade.ini",
                         .iniOverrides = {argv + std::min(argc, 2), argv + argc}});
  Process anna = database.node().signOn({.user = "anna", .name = "anna"});
  ClassDef account;
  account.name = "Account";
  account.properties = {{"balance", ValueType::Integer64}};
  anna.defineClass(account);
  Object shared;
  {
    Transaction transaction(anna);
    shared = anna.create("Account");
    shared.set("balance", std::int64_t{100});
    transaction.commit();
  }
  shared.exclusiveLock();  // Outside a transaction: hers until she unlocks.

  std::jthread ben([&] {
    Process process = database.node().signOn({.user = "ben", .name = "ben"});
    const ArmedHandler armed = process.armExceptionHandler(
        [&](const SystemException& failure) { return retryLock(process, failure); });
    Object mine = process.object(shared.oid());
    Transaction transaction(process);
    mine.exclusiveLock(50ms);
    mine.set("balance", mine.get<std::int64_t>("balance") + 1);
    transaction.commit();
  });

  // She lets go when he has been refused once.
  while (anna.system().getRequestStats().lockTimeouts == 0) std::this_thread::sleep_for(1ms);
  shared.unlock();
  ben.join();
  std::cout << "balance " << shared.get<std::int64_t>("balance") << "\n";
  return shared.get<std::int64_t>("balance") == 101 ? 0 : 1;
}

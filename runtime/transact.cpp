#include "runtime/transact.h"

#include "runtime/errors/exceptions.h"
#include "runtime/guards.h"
#include "runtime/process/pauses.h"
#include "runtime/process/process_core.h"

namespace nephrite {
namespace {

/// Inside a catch block: may another try end otherwise?
bool mayTryAgain(const Retry& retry) {
  try {
    throw;
  } catch (const DeadlockException&) {
    return retry.afterDeadlock;
  } catch (const LockException&) {
    return retry.afterLockTimeout;
  } catch (const UpgradeException&) {
    return retry.afterStaleObject;
  } catch (const StaleObjectException&) {
    return retry.afterStaleObject;
  } catch (...) {
    return false;
  }
}

}  // namespace

void runTransaction(Process& process, const std::function<void()>& body, const Retry& retry) {
  Pauses pauses(retry.firstPause, retry.longestPause);
  for (unsigned attempt = 1;; ++attempt) {
    try {
      Transaction transaction(process);
      body();
      return transaction.commit(retry.stop);
    } catch (...) {
      // The transaction's scope is over: it is aborted, and what it had locked is free.
      if (attempt >= retry.mostAttempts || !mayTryAgain(retry)) throw;
    }
    process.core().pause(pauses.after(attempt), retry.stop);
  }
}

}  // namespace nephrite

#pragma once

// Private to locking.

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <vector>

#include "base/mutex.h"
#include "locking/lock_domain.h"

namespace nephrite {

class LockAnswers;
class LockEventLog;
class LockManager;

namespace lock_table {
class LockTable;
struct Locker;

/// What the lock tables of a domain share. Guarded by its mutex.
struct SharedWaits {
  std::vector<LockTable*> tables;
  bool isShared = false;  // By several of them: all are there before the first locker.
  boost::unordered_flat_map<std::uint64_t, Locker*> processes;  // By id, the first of each ring.
  std::uint64_t lastWait = 0;
  std::uint64_t lastSearch = 0;
  // Lockers whose deadlocks are looked for when all queues have been served: these ...
  std::vector<Locker*> toCheck;
  std::vector<Locker*> moved;  // ... then these.

  /// From now on `locker` and those of its id that are in already are one process.
  void join(Locker& locker);
  void leave(Locker& locker);
  /// That in which a wait or a lease ends first; null: none can.
  LockTable* tableToExpire() const;
};
}  // namespace lock_table

class LockDomain {
 public:
  LockDomain() = default;
  LockDomain(const LockDomain&) = delete;
  LockDomain& operator=(const LockDomain&) = delete;

 private:
  friend class LockAnswers;
  friend class LockManager;

  /// Is there an event that nobody is about to tell? Then the caller has to tellNews().
  bool takeNews() { return isNew_.load(std::memory_order_relaxed) && isNew_.exchange(false); }
  void tellNews();

  Mutex waiting_;
  lock_table::SharedWaits waits_;    // Guarded by it, as the tables are that have it.
  std::vector<LockEventLog*> logs_;  // Of its lock managers.
  std::atomic<bool> isNew_{false};   // In one of them.
};

}  // namespace nephrite

#pragma once

// Private to locking. Guarded by the mutex of LockManager.

#include <deque>
#include <memory>
#include <vector>

#include "locking/deadlock_record.h"
#include "locking/domain/places.h"
#include "locking/domain/wait_graph.h"
#include "locking/table/locker.h"

namespace nephrite::lock_table {

/// The last deadlocks, oldest first. Costs nothing while there is none.
class DeadlockHistory {
 public:
  explicit DeadlockHistory(std::size_t kept) : kept_(kept) {}

  /// Takes down what stands in the way of `requester` before anybody leaves. `graph` has just been
  /// asked for its blockers; `victim` is the locker that breaks the first cycle.
  void begin(const Locker& requester, const WaitGraph& graph, const Locker* victim, bool doubled,
             const Clock& clock);
  /// Of the deadlock begun last.
  void addVictim(LockerId victim);

  /// Newest first. What they point to does not change any more once the mutex is free.
  std::vector<std::shared_ptr<const DeadlockRecord>> list(std::size_t maxEntries) const;

 private:
  const std::size_t kept_;
  std::uint64_t count_ = 0;
  std::deque<std::shared_ptr<DeadlockRecord>> records_;
};

}  // namespace nephrite::lock_table

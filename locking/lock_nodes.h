#pragma once

// Private to this folder: what the lock table is made of. Everything here is guarded by the
// mutex of LockManager.

#include <boost/container/pmr/unsynchronized_pool_resource.hpp>
#include <boost/container/small_vector.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <utility>

#include "locking/lock_request.h"

namespace nephrite::lock_table {

namespace intrusive = boost::intrusive;

struct Entry;
struct Locker;
struct Wait;

struct OfEntry;
struct OfLocker;
using EntryHook = intrusive::list_base_hook<intrusive::tag<OfEntry>>;
using LockerHook = intrusive::list_base_hook<intrusive::tag<OfLocker>>;
template <typename T>
using EntryList = intrusive::list<T, intrusive::base_hook<EntryHook>>;
template <typename T>
using LockerList = intrusive::list<T, intrusive::base_hook<LockerHook>>;

/// A granted lock. In its entry's list in the order of grants, in its locker's list in the
/// order of acquisition; an upgrade keeps both places.
struct Hold : EntryHook, LockerHook {
  Locker* locker = nullptr;
  Entry* entry = nullptr;
  LockType type = LockType::Share;
  LockType session = LockType::Get;  ///< Latest type asked for with Session duration; Get: none.
  std::uint16_t level = 0;           ///< Load and lock states open when it was acquired.
  std::uint64_t acquired = 0;        ///< Rises with each acquisition.
  FencingToken token;
  Instant since{};
  LockTimeout timeout = LockTimeout::serverDefined();

  bool isSession() const { return session != LockType::Get; }
};

/// The upgrades of one commit: they are granted one by one, but fail together.
struct CommitUpgrade {
  LockRequest request;
  LockSettle settle;
  boost::container::small_vector<Hold*, 8> upgraded;  ///< Exclusive already.
  boost::container::small_vector<Wait*, 8> pending;   ///< Still queued.
};

/// A request that stands in a queue.
struct Wait : EntryHook, LockerHook, intrusive::set_base_hook<> {
  LockRequest request;
  LockSettle settle;  ///< Empty in a commit's upgrade: the CommitUpgrade has it.
  Locker* locker = nullptr;
  Entry* entry = nullptr;
  CommitUpgrade* commit = nullptr;
  bool upgrade = false;        ///< The locker holds something on the entry.
  bool shareReleased = false;  ///< See LockAnswer.
  Instant since{};
  Instant deadline{};
  std::uint64_t sequence = 0;  ///< Rises with each wait: breaks ties between deadlines.
};

struct EarlierDeadline {
  bool operator()(const Wait& a, const Wait& b) const {
    return std::pair(a.deadline, a.sequence) < std::pair(b.deadline, b.sequence);
  }
};
using Deadlines = intrusive::set<Wait, intrusive::compare<EarlierDeadline>>;

/// One locked target: made by its first lock, gone with its last.
struct Entry {
  LockTarget target;
  EntryList<Hold> holders;
  EntryList<Wait> queue;  ///< Upgrades first, then newcomers; each in the order of asking.
};

struct Locker {
  LockerId id;
  LockerList<Hold> held;
  LockerList<Wait> waits;
  boost::unordered_flat_map<std::uint64_t, Hold*> holdOn;  ///< By target.
  std::uint64_t mark = 0;  ///< The search that has seen it (see WaitGraph).

  Hold* find(LockTarget target) const {
    const auto it = holdOn.find(target.value);
    return it == holdOn.end() ? nullptr : it->second;
  }
};

/// Does somebody else hold what excludes `type` for `locker`?
inline const Hold* conflictingHolder(const Entry& entry, const Locker& locker, LockType type) {
  for (const Hold& hold : entry.holders) {
    if (hold.locker != &locker && !compatible(hold.type, type)) return &hold;
  }
  return nullptr;
}

/// Calls `visit(locker, hold or null, wait or null)` for each locker that `wait` waits for: the
/// holders in its way in the order of their grants, then those ahead in the queue. Stops when
/// `visit` returns true.
template <typename Visit>
void forEachBlocker(const Wait& wait, Visit&& visit) {
  for (const Hold& hold : wait.entry->holders) {
    if (hold.locker == wait.locker || compatible(hold.type, wait.request.type)) continue;
    if (visit(*hold.locker, &hold, static_cast<const Wait*>(nullptr))) return;
  }
  for (const Wait& ahead : wait.entry->queue) {
    if (&ahead == &wait) return;
    if (ahead.locker == wait.locker) continue;
    if (visit(*ahead.locker, static_cast<const Hold*>(nullptr), &ahead)) return;
  }
}

/// Nodes of one kind, taken from a pool that grows and is never given back.
class Pool {
 public:
  template <typename T, typename... Args>
  T* make(Args&&... args) {
    return new (memory_.allocate(sizeof(T), alignof(T))) T{std::forward<Args>(args)...};
  }
  template <typename T>
  void destroy(T* node) {
    node->~T();
    memory_.deallocate(node, sizeof(T), alignof(T));
  }

 private:
  boost::container::pmr::unsynchronized_pool_resource memory_;
};

}  // namespace nephrite::lock_table

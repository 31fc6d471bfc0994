#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/function_ref.h"
#include "base/mutex.h"
#include "locking/lock_request.h"
#include "objects/oid.h"

namespace nephrite {

/// What the transactions of parents and children know of each other. Their locks let both change
/// one object, so two things that locks keep from strangers are looked at here: that both change it
/// at a time, and that one of them changes what it locked before the other's commit.
///
/// Costs:   nothing for a process that has neither parent nor children.
/// Threads: any; what concerns one process: one at a time.
/// Source:  docs/locking.md, section 8.
class FamilyChanges {
 public:
  void join(LockerId child, LockerId parent) NEPHRITE_EXCLUDES(mutex_);
  /// kStale is set in `flags` while a lock of the process is older than the latest edition of its
  /// object: then granted() is to be called when it is asked for again. Until leave().
  void attach(LockerId locker, std::atomic<std::uint8_t>& flags) NEPHRITE_EXCLUDES(mutex_);
  static constexpr std::uint8_t kStale = 2;
  void leave(LockerId locker) NEPHRITE_EXCLUDES(mutex_);
  bool hasRelatives(LockerId locker) const NEPHRITE_EXCLUDES(mutex_);

  /// A relative of `locker` that has changed `object` and not committed; null: none has.
  LockerId changedBy(LockerId locker, Oid object) const NEPHRITE_EXCLUDES(mutex_);
  void changed(LockerId locker, Oid object) NEPHRITE_EXCLUDES(mutex_);
  /// Its transaction on objects of this lifetime is over.
  void ended(LockerId locker, Lifetime lifetime) NEPHRITE_EXCLUDES(mutex_);

  /// `locker` has committed a change of `object`, which `holders` hold, too: their locks are older
  /// than its latest edition.
  void committed(LockerId locker, Oid object, std::span<const LockerId> holders)
      NEPHRITE_EXCLUDES(mutex_);
  /// Was the lock granted before the object's latest edition? Said once.
  bool takeStale(LockerId locker, Oid object) NEPHRITE_EXCLUDES(mutex_);
  void granted(LockerId locker, Oid object) NEPHRITE_EXCLUDES(mutex_);
  /// None at all, ever?
  bool isEmpty() const { return isEmpty_.load(std::memory_order_relaxed); }

 private:
  struct Member {
    LockerId parent;
    std::size_t children = 0;
    std::atomic<std::uint8_t>* flags = nullptr;
    std::set<Oid> stale;
  };
  bool areRelated(LockerId a, LockerId b) const NEPHRITE_REQUIRES(mutex_);
  bool isAncestor(LockerId locker, LockerId of) const NEPHRITE_REQUIRES(mutex_);
  static void update(const Member& member);
  void drop(LockerId locker, FunctionRef<bool(Oid)> isOver) NEPHRITE_REQUIRES(mutex_);

  mutable Mutex mutex_;  // A leaf.
  std::atomic<bool> isEmpty_{true};
  std::unordered_map<std::uint64_t, Member> members_ NEPHRITE_GUARDED_BY(mutex_);
  std::map<Oid, std::vector<LockerId>> changing_ NEPHRITE_GUARDED_BY(mutex_);
  std::set<std::pair<std::uint64_t, Oid>> changes_ NEPHRITE_GUARDED_BY(mutex_);
};

}  // namespace nephrite

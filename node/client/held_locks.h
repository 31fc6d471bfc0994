#pragma once

// Private to node.

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <vector>

#include "base/mutex.h"
#include "locking/lock_request.h"
#include "objects/oid.h"

namespace nephrite {

/// What the processes of a client node hold at the server, so that they need not ask.
///
/// Shape:   by process and object: what the server said when it granted, and since then what the
///          rules take away (docs/locking.md, section 3) with what was sent to it.
/// Order:   a grant may have been decided before the server saw a release that we have sent: each
///          release is remembered with the number of its message, and done again to a grant that
///          was sent before the server had come to it.
/// Threads: any; one mutex, a leaf, which is not taken to find nothing where there is nothing.
class HeldLocks {
 public:
  /// Of type Get when nothing is held.
  HeldLock find(LockerId locker, Oid target) const NEPHRITE_EXCLUDES(mutex_);
  /// The same of many targets, one for each; empty when nothing is held of any.
  std::vector<HeldLock> find(LockerId locker, std::span<const Oid> targets) const
      NEPHRITE_EXCLUDES(mutex_);

  /// The server granted: `lock` is what it said then, having seen our messages up to
  /// `acknowledged`.
  void granted(LockerId locker, Oid target, const HeldLock& lock, std::uint64_t acknowledged)
      NEPHRITE_EXCLUDES(mutex_);
  void granted(LockerId locker, std::span<const Oid> targets, std::span<const HeldLock> locks,
               std::uint64_t acknowledged) NEPHRITE_EXCLUDES(mutex_);

  /// What was sent with the number `message` and takes locks away. False when nothing was held
  /// (of unlocked).
  bool unlocked(LockerId locker, Oid target, std::uint64_t message) NEPHRITE_EXCLUDES(mutex_);
  void transactionEnded(LockerId locker, std::uint64_t message) NEPHRITE_EXCLUDES(mutex_);
  void levelEnded(LockerId locker, std::uint16_t level, std::uint64_t message)
      NEPHRITE_EXCLUDES(mutex_);
  /// The same by a commit, which the server has told.
  void committed(LockerId locker) NEPHRITE_EXCLUDES(mutex_);
  /// The server took it, and said so.
  void taken(LockerId locker, Oid target) NEPHRITE_EXCLUDES(mutex_);

  /// What is asked for now makes the server let the lock go first, or so it may be: until it has
  /// answered, find() does not find it. With `is` false: it was not asked for after all.
  void mayBeGone(LockerId locker, Oid target, bool is) NEPHRITE_EXCLUDES(mutex_);

  void forget(LockerId locker) NEPHRITE_EXCLUDES(mutex_);
  void clear() NEPHRITE_EXCLUDES(mutex_);

 private:
  struct Release {
    enum class Kind { Unlock, Transaction, Level };
    Kind kind = Kind::Transaction;
    Oid target;
    std::uint16_t level = 0;
    std::uint64_t message = 0;
  };
  struct Held {
    HeldLock lock;
    bool mayBeGone = false;
  };
  using Locks = boost::unordered_flat_map<std::uint64_t, Held>;  // By the bits of the Oid.
  struct OfLocker {
    Locks locks;
    std::deque<Release> releases;
  };
  /// False when `lock` is gone by it.
  static bool survives(HeldLock& lock, Oid target, const Release& release);
  static void apply(const Release& release, Locks& locks);
  static HeldLock heldIn(const OfLocker& of, Oid target);
  /// Keeps count_ right while a locker's locks change in its scope.
  class Counted;
  void release(LockerId locker, const Release& release) NEPHRITE_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::atomic<std::size_t> count_{0};  // Of all locks.
  boost::unordered_flat_map<std::uint64_t, OfLocker> lockers_ NEPHRITE_GUARDED_BY(mutex_);
};

}  // namespace nephrite

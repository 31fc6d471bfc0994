#pragma once

// Private to node.

#include <algorithm>
#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "locking/lock_request.h"
#include "locking/lock_rules.h"
#include "objects/oid.h"

namespace nephrite {

/// A lock as a client node knows it.
struct ClientLock : HeldLock {
  ClientLock() = default;
  explicit ClientLock(const HeldLock& lock, bool lapses = false)
      : HeldLock(lock), hasLease(lapses) {}
  /// What the server says is held.
  explicit ClientLock(const LockInfo& held)
      : HeldLock{held.token, held.since, held.level, held.type, held.session},
        hasLease(!held.lease.isNone()),
        below{held.below, held.belowSession} {}

  HeldTypes types() const { return {type, session}; }
  bool hasLease = false;  ///< It may lapse, and each request that it covers renews it.
  HeldTypes below = {};   ///< Of all that is below the object.
  /// A request that it covers may renew the lease of a lock above it.
  bool renewsAbove = false;
};

/// What the processes of a client node hold at the server, so that they need not ask.
///
/// Shape:   by process and object: what the server said last, and since then what the rules take
///          away (docs/locking.md, section 3) with what was sent to it.
/// Sure:    a request for a lock may lower or release what is held as soon as the server has it.
///          From its sending until the server has said what is held of its object, find() does not
///          find that object: also when the request is never answered, and a later one is.
/// Order:   what the server says may have been decided before it saw a message that we have sent.
///          Each message that asks or releases is remembered with its number, and done again to
///          what was said before the server had come to it.
/// Threads: any; one mutex, a leaf, which is not taken to find nothing where there is nothing.
class HeldLocks {
 public:
  /// What is surely held; of type Get when nothing is, or when that is not sure.
  ClientLock find(LockerId locker, Oid target) const NEPHRITE_EXCLUDES(mutex_);
  /// Is it held, as far as is known? Also when that is not sure.
  bool mayHold(LockerId locker, Oid target) const NEPHRITE_EXCLUDES(mutex_) {
    return mayHold(locker, {&target, 1}).front();
  }
  /// The same of each of many.
  std::vector<bool> mayHold(LockerId locker, std::span<const Oid> targets) const
      NEPHRITE_EXCLUDES(mutex_);
  /// Those of `targets` that may be held, of which it is not sure how.
  std::vector<Oid> unsure(LockerId locker, std::span<const Oid> targets) const
      NEPHRITE_EXCLUDES(mutex_);

  /// The message with the number `message`, which is being sent, asks for locks of `targets`.
  void asked(LockerId locker, std::span<const Oid> targets, std::uint64_t message)
      NEPHRITE_EXCLUDES(mutex_);
  /// The server, having seen our messages up to `acknowledged`, said what is held of each of
  /// `targets`; Get: nothing.
  void told(LockerId locker, std::span<const Oid> targets, std::span<const ClientLock> locks,
            std::uint64_t acknowledged) NEPHRITE_EXCLUDES(mutex_);
  void told(LockerId locker, Oid target, const ClientLock& lock, std::uint64_t acknowledged)
      NEPHRITE_EXCLUDES(mutex_) {
    told(locker, {&target, 1}, {&lock, 1}, acknowledged);
  }
  /// The request of asked() was answered before the server came to these: it has not changed them.
  void notReached(LockerId locker, std::span<const Oid> targets, std::uint64_t message)
      NEPHRITE_EXCLUDES(mutex_);

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
  /// The same of one that lapsed, unless it was granted anew since.
  void lapsed(LockerId locker, Oid target, FencingToken token) NEPHRITE_EXCLUDES(mutex_);
  /// The message with the number `message`, which is being sent, signs `child` off and leaves what
  /// it holds to `heir`: how that holds it then is not sure until the server has said.
  void inherited(LockerId child, LockerId heir, std::uint64_t message) NEPHRITE_EXCLUDES(mutex_);
  /// All that may be held.
  std::vector<Oid> allOf(LockerId locker) const NEPHRITE_EXCLUDES(mutex_);

  void forget(LockerId locker) NEPHRITE_EXCLUDES(mutex_);
  void clear() NEPHRITE_EXCLUDES(mutex_);

 private:
  struct Sent {
    enum class Kind { Asked, Inherited, Unlock, Transaction, Level };
    Kind kind = Kind::Transaction;
    Oid target;  // Of Asked, Inherited and Unlock; of Asked and Inherited the first.
    std::uint16_t level = 0;
    std::uint64_t message = 0;
    // Of Asked and Inherited, all in order; null: one.
    std::shared_ptr<const std::vector<Oid>> many = {};
    bool isAbout(Oid one) const {
      if (many) return std::binary_search(many->begin(), many->end(), one);
      return (kind == Kind::Asked || kind == Kind::Inherited) && target == one;
    }
  };
  struct Held {
    ClientLock lock;
    // The messages that may have changed it since, if any: apart, for nearly always there is none.
    std::unique_ptr<std::vector<std::uint64_t>> changers = {};
    bool isSure() const { return changers == nullptr || changers->empty(); }
  };
  using Locks = boost::unordered_flat_map<std::uint64_t, Held>;  // By the bits of the Oid.
  struct OfLocker {
    OfLocker() = default;
    OfLocker(OfLocker&&) = default;
    OfLocker& operator=(OfLocker&&) = default;

    Locks locks;
    std::deque<Sent> sent;        // In order of their numbers; seen ones go.
    std::uint64_t forgotten = 0;  // The number of the last that went without being seen.
    bool renewsAbove = false;     // It has had a lease on all that is below an object.
  };
  /// False when `lock` is gone by it.
  static bool survives(ClientLock& lock, Oid target, const Sent& release);
  static void apply(const Sent& release, Locks& locks);
  static ClientLock heldIn(const OfLocker& of, Oid target);
  static Sent sentAbout(Sent::Kind kind, std::span<const Oid> targets, std::uint64_t message);
  static void remember(OfLocker& of, const Sent& sent);
  static void mayBeChanged(Held& held, std::uint64_t message);
  static void tell(OfLocker& of, Oid target, const ClientLock& lock, std::uint64_t acknowledged);
  /// Keeps count_ right while a locker's locks change in its scope.
  class Counted;
  void release(LockerId locker, const Sent& release) NEPHRITE_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::atomic<std::size_t> count_{0};  // Of all locks.
  boost::unordered_flat_map<std::uint64_t, OfLocker> lockers_ NEPHRITE_GUARDED_BY(mutex_);
};

/// The locks of a client node's processes that lapsed at the server, as far as it has told.
///
/// Shape:   counts all of them; remembers the last of each process and object, until the process
///          forgets them.
/// Threads: any; the mutex is a leaf.
class LapsedLocks {
 public:
  struct Lapse {
    std::uint64_t number = 0;  ///< Of all; 0: so many have lapsed that it is not known any more.
    WallTime when{};
    std::chrono::milliseconds lease{0};
  };

  std::uint64_t count() const { return count_; }
  void note(const LockRequest& lapsed, WallTime when) NEPHRITE_EXCLUDES(mutex_);
  /// If it lapsed after the first `lapses` of all.
  std::optional<Lapse> since(LockerId locker, Oid target, std::uint64_t lapses) const
      NEPHRITE_EXCLUDES(mutex_);
  void forget(LockerId locker) NEPHRITE_EXCLUDES(mutex_);

 private:
  static constexpr std::size_t kMost = 65'536;

  mutable Mutex mutex_;
  std::atomic<std::uint64_t> count_{0};                      // Changes under the mutex.
  std::uint64_t forgotten_ NEPHRITE_GUARDED_BY(mutex_) = 0;  // Those up to this one.
  // By process and target.
  std::map<std::pair<std::uint64_t, std::uint64_t>, Lapse> last_ NEPHRITE_GUARDED_BY(mutex_);
};

}  // namespace nephrite

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "locking/lock_timeout.h"
#include "locking/lock_type.h"

namespace nephrite {

/// When a lock goes away by itself. Numbers are JADE's; Persistent is reserved there and
/// refused here, with UsageException (64003).
enum class LockDuration : std::uint8_t { Transaction = 0, Session = 1, Persistent = 2 };

/// "transaction", "session", "persistent".
std::string_view nameOf(LockDuration duration);

/// What asks for locks. Opaque to the lock manager; the runtime gives one to each process
/// and never gives it again.
struct LockerId {
  std::uint64_t value = 0;
  bool isNull() const { return value == 0; }
  friend auto operator<=>(const LockerId&, const LockerId&) = default;
};

/// What is locked. Opaque to the lock manager; the runtime makes it from an Oid.
struct LockTarget {
  std::uint64_t value = 0;
  friend auto operator<=>(const LockTarget&, const LockTarget&) = default;
};

/// Proof of a grant that only rises for a target, also across restarts: a store or device
/// behind the lock refuses a client that shows a smaller token than it has seen.
struct FencingToken {
  std::uint64_t value = 0;
  friend auto operator<=>(const FencingToken&, const FencingToken&) = default;
};

/// What renews a lease beside renew() and a request of the owner that it covers. Each includes
/// those before it.
enum class Renewal : std::uint8_t {
  Request,   ///< Nothing else.
  Change,    ///< Any change of the object by the owner.
  Activity,  ///< Anything that the owner does.
};

/// A lock that lapses: it is let go when its owner has not renewed it for so long.
/// Source: docs/locking.md, section 10.
struct LeaseTerms {
  static constexpr std::chrono::milliseconds kLongest{LockTimeout::kInfinite};

  constexpr LeaseTerms() = default;
  template <class Rep, class Period>
  constexpr LeaseTerms(std::chrono::duration<Rep, Period> lasts, Renewal by = Renewal::Change)
      : length(std::chrono::ceil<std::chrono::milliseconds>(lasts)), renewedBy(by) {}

  std::chrono::milliseconds length{0};  ///< 0: none; the lock lasts. At most kLongest.
  Renewal renewedBy = Renewal::Change;

  constexpr bool isNone() const { return length.count() == 0; }
  friend bool operator==(const LeaseTerms&, const LeaseTerms&) = default;
};

/// What a lock is about. Source: docs/locking.md, section 9.
enum class LockScope : std::uint8_t {
  Node,     ///< The object alone.
  Subtree,  ///< The object and all that is, or comes to be, below it.
};

/// What is asked for, and by whom. Source: docs/locking.md, section 12.
enum class LockAccess : std::uint8_t {
  Lock,  ///< A lock.
  /// The same, by a face. Like the others below it waits for the end of writes that are under way
  /// even with an immediate timeout, when nothing else is in its way.
  FaceLock,
  Write,      ///< A momentary lock: it ends with the write, and says so.
  GatedRead,  ///< Would the lock be granted? It holds nothing.
};

/// How a lock is asked for, in one word: it travels in a register, and 16 bits of it are what is
/// kept of it as long as it is held.
class LockTerms {
 public:
  static constexpr std::uint16_t kMostLevel = (1u << 10) - 1;  ///< Higher ones count as this.

  /// `duration` is Transaction or Session.
  constexpr LockTerms(LockTimeout timeout, std::uint16_t level, LockType type,
                      LockDuration duration, bool inState)
      : bits_(std::uint64_t{static_cast<std::uint32_t>(timeout.number())} << 32 |
              std::uint64_t{inState} << 16 |
              tagOf(type, duration == LockDuration::Session ? type : LockType::Get, level)) {}

  constexpr LockTimeout timeout() const {
    return LockTimeout::ofMilliseconds(static_cast<std::int32_t>(bits_ >> 32));
  }
  constexpr LockType type() const { return typeIn(tag()); }
  /// The type with Session duration, else Get.
  constexpr LockType sessionType() const { return sessionIn(tag()); }
  constexpr bool isSession() const { return sessionType() != LockType::Get; }
  constexpr bool inState() const { return (bits_ >> 16 & 1) != 0; }

  /// Type, session type and level: what a lock that is held is described by.
  constexpr std::uint16_t tag() const { return static_cast<std::uint16_t>(bits_); }
  static constexpr std::uint16_t tagOf(LockType type, LockType session, std::uint16_t level) {
    const unsigned kept = level < kMostLevel ? level : kMostLevel;
    return static_cast<std::uint16_t>(static_cast<unsigned>(type) |
                                      static_cast<unsigned>(session) << 3 | kept << 6);
  }
  static constexpr LockType typeIn(std::uint16_t tag) { return static_cast<LockType>(tag & 7); }
  static constexpr LockType sessionIn(std::uint16_t tag) {
    return static_cast<LockType>(tag >> 3 & 7);
  }
  static constexpr std::uint16_t levelIn(std::uint16_t tag) {
    return static_cast<std::uint16_t>(tag >> 6);
  }

 private:
  std::uint64_t bits_;
};

/// What a locker holds on one target, in few words.
struct HeldLock {
  FencingToken token;
  Instant since{};
  std::uint16_t level = 0;
  LockType type = LockType::Get;  ///< Get: nothing.
  LockType session = LockType::Get;
};

/// One wish for one lock, as it travels from the application to the lock table.
struct LockRequest {
  LockerId locker;
  LockTarget target;
  LockType type = LockType::Share;  ///< Never Get.
  LockDuration duration = LockDuration::Transaction;
  LockTimeout timeout = LockTimeout::serverDefined();  ///< Process-defined: already filled in.

  /// Is the process in transaction, load or lock state?
  bool inState = false;
  /// How many load and lock states are open: the lock is released when this level ends.
  std::uint16_t level = 0;
  /// Deadlock priority: the lowest loses.
  std::int32_t priority = 0;
  /// Server-defined means the background default.
  bool background = false;
  /// Names the request for cancel(); chosen by the locker.
  std::uint64_t id = 0;
  LeaseTerms lease = {};
  LockScope scope = LockScope::Node;
  LockAccess access = LockAccess::Lock;

  LockTerms terms() const { return {timeout, level, type, duration, inState}; }
  friend bool operator==(const LockRequest&, const LockRequest&) = default;
};

enum class LockOutcome : std::uint8_t {
  Granted,    ///< The lock is held.
  Refused,    ///< Could not be granted at once, and the timeout was immediate (1027).
  TimedOut,   ///< Waited in vain (1027).
  Deadlock,   ///< Chosen to give way; what was held is still held (1081).
  Cancelled,  ///< Withdrawn: cancel(), sign-off, shutdown, or a locker that is not signed on.
  OverLimit,  ///< One more than LockAnswer::limit allows; nothing was changed.
  Lapsed,     ///< Not of a request: a lock that was held and whose lease has ended.
};

std::string_view nameOf(LockOutcome outcome);

/// What an operator may limit. Source: docs/locking.md, section 13.
enum class LockLimit : std::uint8_t { Lockers, Locks, LockedObjects };

/// The parameter of that limit: "MaxLockers", "MaxLocks", "MaxLockedObjects".
std::string_view nameOf(LockLimit limit);

/// One step round a deadlock: `locker` waits for `target`.
struct WaitEdge {
  LockerId locker;
  LockTarget target;
  LockType wanted = LockType::Share;
  friend bool operator==(const WaitEdge&, const WaitEdge&) = default;
};

/// What became of a request. Told exactly once.
struct LockAnswer {
  LockOutcome outcome = LockOutcome::Granted;
  LockRequest request;  ///< As asked; for a commit's upgrades, the one that failed.

  FencingToken token;          ///< When granted.
  bool queued = false;         ///< It stood in the queue before it was answered.
  Duration waited{0};          ///< In the queue.
  bool shareReleased = false;  ///< Share was let go first (Transaction Share to Update).

  LockerId lockedBy;      ///< When not granted: a locker in the way; may be gone by now.
  Instant lockedSince{};  ///< When that locker was granted or queued.
  LockType lockedType = LockType::Get;  ///< What it holds; Get when it waits ahead in the queue.
  /// It holds, or waits for, something below the target: in the way of a lock with scope Subtree.
  bool lockedBelow = false;
  /// Where, when that is an ancestor of the target, or, with `lockedBelow`, a target below it that
  /// is known; else null (0).
  LockTarget lockedAt;

  /// Deadlock only: a target this locker holds that the cycle wants, and the whole cycle,
  /// this locker first. `obtained` is null (0) when it is in the way only as a waiter.
  LockTarget obtained;
  std::vector<WaitEdge> cycle;

  LockLimit limit = LockLimit::Locks;  ///< When over a limit: which.
};

/// Called once with the answer, from the thread that decided it, with no mutex held.
using LockDone = std::function<void(const LockAnswer&)>;

/// One lock or one waiting request, for listings (JADE's class Lock).
struct LockInfo {
  LockTarget target;
  LockerId requestedBy;               ///< Holder, or waiter.
  LockType type = LockType::Share;    ///< Held or wanted; the first waiter shows as Get.
  LockType wanted = LockType::Share;  ///< What a waiter wants; equal to `type` when held.
  LockDuration duration = LockDuration::Transaction;
  LockType session = LockType::Get;  ///< Held locks: latest type asked for with Session duration.
  std::uint16_t level = 0;           ///< Held locks: as in the request that acquired it.
  bool waiting = false;
  LockerId lockedBy;  ///< A waiter's first obstacle; null for held locks.
  Instant since{};    ///< Granted, or queued.
  WallTime requestTime{};
  Duration elapsed{0};                                 ///< Held, or waited, so far.
  LockTimeout timeout = LockTimeout::serverDefined();  ///< As asked.
  FencingToken token;                                  ///< Held locks only.
  LeaseTerms lease = {};                  ///< None: it does not lapse. Of a waiter: as asked.
  Duration leaseLeft{0};                  ///< Held locks with a lease.
  LockerId parent;                        ///< Of `requestedBy`; null: it has none.
  LockScope scope = LockScope::Node;      ///< Held, or as asked.
  LockType below = LockType::Get;         ///< Held with scope Subtree: of all that is below.
  LockType belowSession = LockType::Get;  ///< The same with Session duration: see `session`.
  /// A request for something below `target`: it waits for locks on `target` with scope Subtree.
  bool isMark = false;
  bool isMomentary = false;  ///< Held locks: of a write that is under way, with which it ends.
  /// Held on this ancestor of `target`, with scope Subtree: type and session type are those of all
  /// that is below. Null (0): it is on `target` itself.
  LockTarget lockedAt;

  bool isFromAbove() const { return lockedAt.value != 0; }
};

}  // namespace nephrite

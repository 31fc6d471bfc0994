#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "locking/lock_request.h"

namespace nephrite {

class LockManager;

/// What happened to a lock, or to a request for one. Source: docs/locking.md, section 16.
enum class LockEventKind : std::uint8_t {
  Granted,     ///< Held as it says from now on, by a grant; before, perhaps as something less.
  Changed,     ///< Held as it says from now on, without a grant: as something less, or for longer.
  Released,    ///< Held no more.
  Lapsed,      ///< Held no more: its lease has ended.
  Broken,      ///< Held no more: it was taken away by force.
  Waiting,     ///< A request has begun to wait.
  Refused,     ///< A request that would not wait was refused, or one that a limit forbids.
  TimedOut,    ///< A request waits no more ...
  Deadlock,    ///< ... because it had to give way;
  Cancelled,   ///< ... because it was withdrawn, or its locker has left;
  LetThrough,  ///< ... because nothing keeps it out any more: a gated read, which holds nothing.
};

/// Why.
enum class LockEventCause : std::uint8_t {
  Request,           ///< It was asked for. Of a release: it was let go to ask for Update.
  Commit,            ///< Of an Update lock: a commit needs it Exclusive, or needs that no more.
  Unlock,            ///< By its holder.
  EndOfTransaction,  ///< Or of the object.
  EndOfLevel,        ///< Of a load or lock state.
  SignOff,           ///< The holder has left.
  Inheritance,       ///< The holder has left, and its parent has it.
  Lease,             ///< It has ended.
  Force,             ///< By an operator.
  Limit,             ///< Of a refusal: there are too many locks.
};

/// "granted", "changed", ...
std::string_view nameOf(LockEventKind kind);
/// "request", "commit", "unlock", "end of transaction", ...
std::string_view nameOf(LockEventCause cause);

/// One thing that happened on the slow path of a lock manager.
struct LockEvent {
  std::uint64_t sequence = 0;  ///< Rises by one from event to event; the first has 1.
  LockTarget target;
  LockTarget at;  ///< Of a request that waits, or did, on its way down: where; else null (0).
  LockerId locker;
  FencingToken token;         ///< Of what is or was held.
  std::uint64_t request = 0;  ///< LockRequest::id; 0: it is about no request.
  Instant when{};             ///< Roughly: see Clock::roughNow().
  LockEventKind kind = LockEventKind::Granted;
  LockEventCause cause = LockEventCause::Request;
  /// As it is held, or was when it was let go; of a request, what it wants.
  LockType type = LockType::Share;
  LockType session = LockType::Get;  ///< With Session duration; Get: with Transaction duration.
  LockType below = LockType::Get;    ///< Of all that is below; Get: the scope is Node.

  /// Held from now on.
  bool isHeld() const { return kind == LockEventKind::Granted || kind == LockEventKind::Changed; }
  /// Held no more from now on.
  bool isLetGo() const {
    return kind == LockEventKind::Released || kind == LockEventKind::Lapsed ||
           kind == LockEventKind::Broken;
  }
  LockDuration duration() const {
    return session == LockType::Get ? LockDuration::Transaction : LockDuration::Session;
  }
  LockScope scope() const { return below == LockType::Get ? LockScope::Node : LockScope::Subtree; }
};
static_assert(sizeof(LockEvent) == 64, "one cache line: they are written under a mutex");

struct LockEvents {
  std::vector<LockEvent> events;  ///< In their order.
  std::uint64_t next = 0;         ///< To ask for those that come after these.
  std::uint64_t lost = 0;         ///< So many before these are kept no more.
};

/// As long as it lives, everything about a target goes the slow path, and is an event.
/// Threads: one at a time. Must not outlive the LockManager.
class [[nodiscard]] LockWatch {
 public:
  LockWatch() = default;
  LockWatch(LockWatch&& other) noexcept
      : locks_(std::exchange(other.locks_, nullptr)),
        target_(other.target_),
        since_(other.since_) {}
  LockWatch& operator=(LockWatch other) noexcept {
    std::swap(locks_, other.locks_);
    std::swap(target_, other.target_);
    std::swap(since_, other.since_);
    return *this;
  }
  ~LockWatch();

  LockTarget target() const { return target_; }
  /// The last event before it began: what came after it is complete.
  std::uint64_t since() const { return since_; }

 private:
  friend class LockManager;
  LockWatch(LockManager& locks, LockTarget target, std::uint64_t since)
      : locks_(&locks), target_(target), since_(since) {}

  LockManager* locks_ = nullptr;
  LockTarget target_;
  std::uint64_t since_ = 0;
};

class LockEventLog;

/// As long as it lives, a function is told of new events. A call that has begun on another thread
/// when it ends goes on.
/// Threads: one at a time. Must not outlive the LockManager.
class [[nodiscard]] LockSubscription {
 public:
  LockSubscription() = default;
  LockSubscription(LockSubscription&& other) noexcept
      : log_(std::exchange(other.log_, nullptr)), number_(other.number_) {}
  LockSubscription& operator=(LockSubscription other) noexcept {
    std::swap(log_, other.log_);
    std::swap(number_, other.number_);
    return *this;
  }
  ~LockSubscription();

 private:
  friend class LockEventLog;
  LockSubscription(LockEventLog& log, std::uint64_t number) : log_(&log), number_(number) {}

  LockEventLog* log_ = nullptr;
  std::uint64_t number_ = 0;
};

/// The last events, and who is told that there are new ones. Part of LockManager.
///
/// Costs:   an event is 64 bytes written; memory comes as events come.
/// Threads: the events are guarded by the mutex of LockManager. Of the rest any method, from any
///          thread.
class LockEventLog {
 public:
  LockEventLog(std::size_t most, std::atomic<bool>& isAnyNew) : most_(most), isAnyNew_(isAnyNew) {}

  /// Somebody wants to know: from now on there are events. Before that they cost one look.
  void begin() { isOn_.store(true, std::memory_order_relaxed); }
  bool isOn() const { return isOn_.load(std::memory_order_relaxed); }

  // --- Under the mutex of LockManager ----------------------------------------------------------

  /// A new event, numbered, to be filled in; when there are too many, in the place of the oldest.
  LockEvent& add();
  std::uint64_t last() const { return last_; }
  /// Adds the next events after `found.next`, at most `most`, without an allocation when there is
  /// room for them. False when there are no more, or some were lost and others found before.
  bool find(LockEvents& found, std::size_t most) const;

  // --- Subscribers -----------------------------------------------------------------------------

  LockSubscription subscribe(std::function<void()> told) NEPHRITE_EXCLUDES(mutex_);
  void unsubscribe(std::uint64_t number) NEPHRITE_EXCLUDES(mutex_);
  /// Is there something new that nobody has told? Then the caller has to tell().
  bool takeNews() { return isNew_.exchange(false); }
  /// Calls all subscribers, with no mutex held.
  void tell() NEPHRITE_EXCLUDES(mutex_);

 private:
  struct Subscriber {
    std::uint64_t number = 0;
    std::function<void()> told;
  };

  const std::size_t most_;
  std::vector<LockEvent> events_;  // A ring once it has `most_`: sequence s stands at s - 1.
  std::size_t next_ = 0;           // Where the next one comes.
  LockEvent none_;                 // For those that are not kept.
  std::uint64_t last_ = 0;

  std::atomic<bool> isOn_{false};
  std::atomic<bool> hasSubscribers_{false};
  std::atomic<bool> isNew_{false};
  std::atomic<bool>& isAnyNew_;  // In this log or another of its domain.
  Mutex mutex_;                  // A leaf.
  std::vector<std::shared_ptr<const Subscriber>> subscribers_ NEPHRITE_GUARDED_BY(mutex_);
  std::uint64_t lastSubscriber_ NEPHRITE_GUARDED_BY(mutex_) = 0;
};

}  // namespace nephrite

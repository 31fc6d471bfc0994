#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "locking/lock_request.h"

namespace nephrite {

class LockDomain;

namespace lock_table {
class LockTable;
}  // namespace lock_table

/// What a change to the lock table decided: answers owed to lockers, in the order in which
/// they came about. Deliver them once, holding no mutex; an undelivered batch that dies
/// stops the process, for a locker would wait for ever.
class [[nodiscard]] LockAnswers {
 public:
  LockAnswers() = default;
  LockAnswers(LockAnswers&& other) noexcept;
  LockAnswers& operator=(LockAnswers&&) = delete;
  ~LockAnswers();

  /// Nobody is owed anything.
  bool empty() const { return !first_ && !then_ && news_ == nullptr; }
  std::size_t size() const { return first_ ? 1 + rest_.size() : 0; }

  /// Calls each callback in order, then those who want to know of new events. They may call the
  /// lock manager. A function that throws is logged (lock.receiver_threw); the others are called
  /// all the same.
  void deliver();

 private:
  friend class lock_table::LockTable;
  friend class LockManager;
  struct Delivery {
    Delivery(LockDone&& to, LockAnswer&& what) : done(std::move(to)), answer(std::move(what)) {}
    LockDone done;
    LockAnswer answer;
  };
  static void tell(const Delivery& delivery) noexcept;
  void add(LockDone&& done, LockAnswer&& answer);
  void addFirst(LockDone&& done, LockAnswer&& answer);

  std::optional<Delivery> first_;  // Apart, so that the common batch of one allocates nothing.
  std::vector<Delivery> rest_;
  LockDomain* news_ = nullptr;  ///< There are new events, and subscribers.
  /// Runs when all have been told: the rest of a request that had to let others go first.
  std::function<LockAnswers()> then_;
  std::optional<Instant> waitsUntil_;  ///< The request just made waits, until then.
};

}  // namespace nephrite

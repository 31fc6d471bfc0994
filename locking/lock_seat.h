#pragma once

#include <cstdint>
#include <utility>

#include "locking/lock_request.h"

namespace nephrite {

namespace lock_table {
struct Locker;
void keep(Locker& locker);
void letGo(Locker& locker);
}  // namespace lock_table

/// A grant the short way.
struct GrantedAtOnce {
  FencingToken token;  ///< Null: none.
  /// The locker holds it already, or has had it since another locker last had it Exclusive.
  bool again = false;
};

/// What became of a release the short way. Not: a request waits for something of it.
enum class ReleasedAtOnce : std::uint8_t { Done, Nothing, Not };

/// A locker, found once for many calls: see LockManager::seatOf(). May outlive its sign-off, not
/// the LockManager.
/// Threads: each its own copy; what it refers to: any.
class LockSeat {
 public:
  LockSeat() = default;
  explicit LockSeat(lock_table::Locker* locker) : locker_(locker) {
    if (locker_ != nullptr) lock_table::keep(*locker_);
  }
  LockSeat(const LockSeat& other) : LockSeat(other.locker_) {}
  LockSeat(LockSeat&& other) noexcept : locker_(std::exchange(other.locker_, nullptr)) {}
  LockSeat& operator=(LockSeat other) noexcept {
    std::swap(locker_, other.locker_);
    return *this;
  }
  ~LockSeat() {
    if (locker_ != nullptr) lock_table::letGo(*locker_);
  }

  bool isNull() const { return locker_ == nullptr; }
  lock_table::Locker& operator*() const { return *locker_; }
  lock_table::Locker* operator->() const { return locker_; }
  friend bool operator==(const LockSeat& seat, std::nullptr_t) { return seat.isNull(); }

 private:
  lock_table::Locker* locker_ = nullptr;
};

}  // namespace nephrite

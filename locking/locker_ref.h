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

/// A grant on the fast path.
struct FastGrant {
  FencingToken token;  ///< Null: none.
  /// No other locker has held it Exclusive since this one last held it: so its object is still
  /// there.
  bool isKnown = false;
};

/// What became of a release on the fast path. NeedsSlowPath: a request waits for something of it.
enum class FastRelease : std::uint8_t { Released, NotHeld, NeedsSlowPath };

/// A locker, found once for many calls: see LockManager::find(). May outlive its sign-off, not
/// the LockManager.
/// Threads: each its own copy; what it refers to: any.
class LockerRef {
 public:
  LockerRef() = default;
  explicit LockerRef(lock_table::Locker* locker) : locker_(locker) {
    if (locker_ != nullptr) lock_table::keep(*locker_);
  }
  LockerRef(const LockerRef& other) : LockerRef(other.locker_) {}
  LockerRef(LockerRef&& other) noexcept : locker_(std::exchange(other.locker_, nullptr)) {}
  LockerRef& operator=(LockerRef other) noexcept {
    std::swap(locker_, other.locker_);
    return *this;
  }
  ~LockerRef() {
    if (locker_ != nullptr) lock_table::letGo(*locker_);
  }

  lock_table::Locker* get() const { return locker_; }
  bool isNull() const { return locker_ == nullptr; }
  lock_table::Locker& operator*() const { return *locker_; }
  lock_table::Locker* operator->() const { return locker_; }
  friend bool operator==(const LockerRef& ref, std::nullptr_t) { return ref.isNull(); }

 private:
  lock_table::Locker* locker_ = nullptr;
};

}  // namespace nephrite

#pragma once

#include <array>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/mutex.h"
#include "objects/oid.h"

namespace nephrite {

/// Private to objects. Lets commits that touch different objects run at the same time, and
/// those that touch a common object one after the other.
///
/// Shape:   the Oids of all commits under way. enter() waits until none of its Oids is among
///          them and then adds all of them in one step; so no two commits wait for each other.
///          Each has a place by its hash, and stands in a set when another one has that.
/// Threads: any. The mutex is a leaf and is never held during disk work.
class CommitGate {
 public:
  void enter(const std::vector<Oid>& oids) NEPHRITE_EXCLUDES(mutex_) {
    MutexLock hold(mutex_);
    while (anyUnderWay(oids)) {
      ++waiting_;
      left_.wait(mutex_);
      --waiting_;
    }
    for (const Oid oid : oids) {
      std::uint64_t& place = placeOf(oid);
      if (place == 0) {
        place = oid.bits();
      } else {
        displaced_.insert(oid);
      }
    }
  }

  void leave(const std::vector<Oid>& oids) NEPHRITE_EXCLUDES(mutex_) {
    bool awaited = false;
    {
      MutexLock hold(mutex_);
      for (const Oid oid : oids) {
        std::uint64_t& place = placeOf(oid);
        if (place == oid.bits()) {
          place = 0;
        } else {
          displaced_.erase(oid);
        }
      }
      awaited = waiting_ > 0;
    }
    if (awaited) left_.notifyAll();
  }

 private:
  static constexpr unsigned kPlaceBits = 10;

  std::uint64_t& placeOf(Oid oid) NEPHRITE_REQUIRES(mutex_) {
    return places_[oid.bits() * 0x9E3779B97F4A7C15ull >> (64 - kPlaceBits)];
  }
  bool anyUnderWay(const std::vector<Oid>& oids) NEPHRITE_REQUIRES(mutex_) {
    for (const Oid oid : oids) {
      if (placeOf(oid) == oid.bits()) return true;
      if (!displaced_.empty() && displaced_.contains(oid)) return true;
    }
    return false;
  }

  Mutex mutex_;
  CondVar left_;
  std::size_t waiting_ NEPHRITE_GUARDED_BY(mutex_) = 0;
  std::array<std::uint64_t, 1u << kPlaceBits> places_ NEPHRITE_GUARDED_BY(mutex_){};  // 0: free.
  boost::unordered_flat_set<Oid, std::hash<Oid>> displaced_ NEPHRITE_GUARDED_BY(mutex_);
};

}  // namespace nephrite

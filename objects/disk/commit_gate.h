#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <vector>

#include "base/mutex.h"
#include "objects/oid.h"

namespace nephrite {

/// Private to objects. Lets commits that touch different objects run at the same time, and
/// those that touch a common object one after the other.
///
/// Shape:   the Oids of all commits under way. enter() waits until none of its Oids is among
///          them and then adds all of them in one step; so no two commits wait for each other.
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
    underWay_.insert(oids.begin(), oids.end());
  }

  void leave(const std::vector<Oid>& oids) NEPHRITE_EXCLUDES(mutex_) {
    bool awaited = false;
    {
      MutexLock hold(mutex_);
      for (const Oid oid : oids) underWay_.erase(oid);
      awaited = waiting_ > 0;
    }
    if (awaited) left_.notifyAll();
  }

 private:
  bool anyUnderWay(const std::vector<Oid>& oids) const NEPHRITE_REQUIRES(mutex_) {
    for (const Oid oid : oids)
      if (underWay_.contains(oid)) return true;
    return false;
  }

  Mutex mutex_;
  CondVar left_;
  std::size_t waiting_ NEPHRITE_GUARDED_BY(mutex_) = 0;
  boost::unordered_flat_set<Oid, std::hash<Oid>> underWay_ NEPHRITE_GUARDED_BY(mutex_);
};

}  // namespace nephrite

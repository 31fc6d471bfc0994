#pragma once

#include <unordered_set>
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
    while (anyUnderWay(oids)) left_.wait(mutex_);
    underWay_.insert(oids.begin(), oids.end());
  }

  void leave(const std::vector<Oid>& oids) NEPHRITE_EXCLUDES(mutex_) {
    {
      MutexLock hold(mutex_);
      for (const Oid oid : oids) underWay_.erase(oid);
    }
    left_.notifyAll();
  }

 private:
  bool anyUnderWay(const std::vector<Oid>& oids) const NEPHRITE_REQUIRES(mutex_) {
    for (const Oid oid : oids)
      if (underWay_.contains(oid)) return true;
    return false;
  }

  Mutex mutex_;
  CondVar left_;
  std::unordered_set<Oid> underWay_ NEPHRITE_GUARDED_BY(mutex_);
};

}  // namespace nephrite

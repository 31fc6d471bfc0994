#include "runtime/database/family_changes.h"

#include <algorithm>

namespace nephrite {

void FamilyChanges::join(LockerId child, LockerId parent) {
  MutexLock hold(mutex_);
  isEmpty_.store(false, std::memory_order_relaxed);
  members_[child.value].parent = parent;
  ++members_[parent.value].children;
}

void FamilyChanges::attach(LockerId locker, std::atomic<std::uint8_t>& flags) {
  MutexLock hold(mutex_);
  members_[locker.value].flags = &flags;
}

void FamilyChanges::leave(LockerId locker) {
  MutexLock hold(mutex_);
  const auto gone = members_.find(locker.value);
  if (gone == members_.end()) return;
  const LockerId parent = gone->second.parent;
  drop(locker, [](Oid) { return true; });
  members_.erase(gone);
  if (parent.isNull()) return;
  const auto left = members_.find(parent.value);
  if (left != members_.end()) --left->second.children;
}

bool FamilyChanges::hasRelatives(LockerId locker) const {
  MutexLock hold(mutex_);
  const auto member = members_.find(locker.value);
  return member != members_.end() &&
         (!member->second.parent.isNull() || member->second.children > 0);
}

bool FamilyChanges::isAncestor(LockerId locker, LockerId of) const {
  for (auto member = members_.find(of.value); member != members_.end();
       member = members_.find(member->second.parent.value)) {
    if (member->second.parent.isNull()) return false;
    if (member->second.parent == locker) return true;
  }
  return false;
}

bool FamilyChanges::areRelated(LockerId a, LockerId b) const {
  return isAncestor(a, b) || isAncestor(b, a);
}

LockerId FamilyChanges::changedBy(LockerId locker, Oid object) const {
  MutexLock hold(mutex_);
  const auto changing = changing_.find(object);
  if (changing == changing_.end()) return {};
  for (const LockerId other : changing->second) {
    if (areRelated(locker, other)) return other;
  }
  return {};
}

void FamilyChanges::changed(LockerId locker, Oid object) {
  MutexLock hold(mutex_);
  if (changes_.insert({locker.value, object}).second) changing_[object].push_back(locker);
}

void FamilyChanges::ended(LockerId locker, Lifetime lifetime) {
  MutexLock hold(mutex_);
  drop(locker, [lifetime](Oid oid) { return oid.lifetime() == lifetime; });
}

void FamilyChanges::drop(LockerId locker, FunctionRef<bool(Oid)> isOver) {
  for (auto at = changes_.lower_bound({locker.value, Oid()});
       at != changes_.end() && at->first == locker.value;) {
    if (!isOver(at->second)) {
      ++at;
      continue;
    }
    const auto changing = changing_.find(at->second);
    std::erase(changing->second, locker);
    if (changing->second.empty()) changing_.erase(changing);
    at = changes_.erase(at);
  }
}

void FamilyChanges::committed(LockerId locker, Oid object, std::span<const LockerId> holders) {
  takeStale(locker, object);
  MutexLock hold(mutex_);
  for (const LockerId holder : holders) {
    const auto member = members_.find(holder.value);
    if (holder == locker || member == members_.end()) continue;
    member->second.stale.insert(object);
    update(member->second);
  }
}

void FamilyChanges::update(const Member& member) {
  if (member.flags == nullptr) return;
  if (member.stale.empty()) {
    member.flags->fetch_and(static_cast<std::uint8_t>(~kStale));
  } else {
    member.flags->fetch_or(kStale);
  }
}

bool FamilyChanges::takeStale(LockerId locker, Oid object) {
  MutexLock hold(mutex_);
  const auto member = members_.find(locker.value);
  if (member == members_.end() || member->second.stale.erase(object) == 0) return false;
  update(member->second);
  return true;
}

void FamilyChanges::granted(LockerId locker, Oid object) { takeStale(locker, object); }

}  // namespace nephrite

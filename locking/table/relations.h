#pragma once

// Private to locking: what lockers have to do with entries and with each other.

#include "locking/table/locker.h"

namespace nephrite::lock_table {

/// What `locker` holds on the entry's target; null when nothing.
inline Hold* holdOn(const Entry& entry, const Locker& locker) {
  if (entry.hasFew()) {
    for (Hold& hold : entry.holders) {
      if (&hold.locker() == &locker) return &hold;
    }
    return nullptr;
  }
  const auto place = locker.contended.find(&entry);
  return place == locker.contended.end() ? nullptr : place->second.hold;
}

/// Calls `visit` for the lockers of a process, one in each table, until it returns true; then true.
template <typename Visit>
bool anyOfProcess(const Locker& locker, const Visit& visit) {
  Locker* each = locker.process;
  do {
    if (visit(*each)) return true;
  } while ((each = each->nextOfProcess) != locker.process);
  return false;
}

inline bool isAncestor(const Locker& locker, const Locker& of) {
  for (const Locker* up = of.parent.get(); up != nullptr; up = up->parent.get()) {
    if (up == &locker) return true;
  }
  return false;
}

/// Is one of them an ancestor of the other, or are they the same?
inline bool areRelated(const Locker& a, const Locker& b) {
  return &a == &b || isAncestor(a, b) || isAncestor(b, a);
}

inline bool hasRelatives(const Locker& locker) {
  return locker.parent != nullptr || locker.firstChild != nullptr;
}

/// The hold of the nearest ancestor of `locker` that holds something on `entry` (in another mode
/// than the common one); null: none does.
inline Hold* holdOfAncestor(const Entry& entry, const Locker& locker, bool aboveCommon = false) {
  for (const Locker* up = locker.parent.get(); up != nullptr; up = up->parent.get()) {
    Hold* const hold = holdOn(entry, *up);
    if (hold != nullptr && (!aboveCommon || hold->type() != entry.modes->common())) return hold;
  }
  return nullptr;
}

/// Does `locker`, or an ancestor of it, hold something there? Then no newcomer is in its way.
inline bool isFavoured(const Entry& entry, const Locker& locker) {
  if (entry.holders.empty()) return false;
  if (holdOn(entry, locker) != nullptr) return true;
  return locker.parent != nullptr && holdOfAncestor(entry, locker) != nullptr;
}

inline bool Entry::isSharedInFamily() const {
  if (aboveCommon == nullptr || holderCount < 2) return false;
  return aboveCommon->type() == LockType::Exclusive ||
         holdOfAncestor(*this, aboveCommon->locker(), /*aboveCommon=*/true) != nullptr;
}

}  // namespace nephrite::lock_table

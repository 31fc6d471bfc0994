#pragma once

// Private to locking. Guarded by the mutex of LockManager.

#include <array>
#include <boost/container/small_vector.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <map>
#include <memory>

#include "base/clock.h"
#include "base/function_ref.h"
#include "locking/table/hold_table.h"
#include "locking/table/slab.h"

namespace nephrite::lock_table {

/// How many there are of each LockType.
class TypeCounts {
 public:
  std::uint32_t& operator[](LockType type) { return counts_.at(static_cast<std::size_t>(type)); }
  std::uint32_t operator[](LockType type) const {
    return counts_.at(static_cast<std::size_t>(type));
  }
  /// Get: there are none.
  LockType strongest() const;
  /// Of all of `types`.
  std::uint32_t of(ModeTable::Set types) const;
  friend bool operator==(const TypeCounts&, const TypeCounts&) = default;

 private:
  std::array<std::uint32_t, 5> counts_{};
};

/// That `locker` has, or is getting, locks below `place`. Source: docs/locking.md, section 9.
struct Mark : boost::intrusive::list_base_hook<> {
  Locker* locker = nullptr;
  Place* place = nullptr;
  std::uint64_t order = 0;  ///< Among the holds of the place: as Hold::acquired().
  Instant since{};
  TypeCounts held;       ///< Its locks below.
  TypeCounts waiting;    ///< Its requests that have been let in here and wait further down.
  Mark* next = nullptr;  ///< Of its locker.
  Mark* previous = nullptr;

  LockType type() const {
    const LockType waits = waiting.strongest();
    return stronger(waits, held.strongest()) ? waits : held.strongest();
  }
  /// What a descendant only waits for is not in the way of its ancestors.
  LockType typeFor(const Locker& asker) const {
    return isAncestor(asker, *locker) ? held.strongest() : type();
  }
};

/// A target that is below another or has others below it, or is locked with scope Subtree. It has
/// an Entry for as long as it is one: the fast path knows no marks.
struct Place {
  Entry* entry = nullptr;
  Place* parent = nullptr;     ///< Null: it is a root.
  std::uint32_t children = 0;  ///< Places right below it.
  unsigned height = 0;         ///< Places on the longest way down that there has ever been.

  using MarkList = boost::intrusive::list<Mark, boost::intrusive::constant_time_size<false>>;
  MarkList inOrder;  ///< Of the grants.
  boost::unordered_flat_map<const Locker*, Mark*> marks;
  TypeCounts markCounts;
  struct Reach {
    const Hold* hold = nullptr;
    HeldTypes types;
  };
  /// What the holds of the entry that have scope Subtree hold of all that is below, in the order of
  /// their grants: by Hold::acquired().
  std::map<std::uint64_t, Reach> below;
  TypeCounts belowCounts;

  bool isFreed = false;    ///< Something was let go since.
  bool isLowered = false;  ///< A mark is lower than when the queue was served last, or new.

  const Mark* markOf(const Locker& locker) const {
    const auto found = marks.find(&locker);
    return found == marks.end() ? nullptr : found->second;
  }
  /// Has it, or an ancestor of it, a mark here?
  bool hasMark(const Locker& locker) const;
  /// Is it below `other`?
  bool isBelow(const Place& other) const;
  HeldTypes belowOf(const Hold& hold) const {
    const auto found = below.find(hold.acquired());
    return found == below.end() ? HeldTypes{} : found->second.types;
  }
};

/// Is something in the way of a request of `locker` for a target that has a place: a lock, a
/// Subtree lock that excludes a mark, or a mark that excludes a Subtree lock? Of others than the
/// locker and its ancestors.
bool hasConflictInTree(const Entry& entry, const Locker& locker, Wanted wanted);

/// What is in the way of a request: something held, a mark, or a request ahead in the queue.
struct Obstacle {
  Locker* locker = nullptr;
  const Hold* hold = nullptr;
  const Mark* mark = nullptr;
  const Wait* wait = nullptr;

  LockType type() const;  ///< Get: it waits.
  Instant since() const;
};

/// Calls `visit` with all that is held and in the way, in the order of the grants, until it returns
/// true; then true.
bool forEachConflictInTree(const Entry& entry, const Locker& locker, Wanted wanted,
                           FunctionRef<bool(const Obstacle&)> visit);

/// How far a request comes at once on its way down.
struct Way {
  Entry* at;                ///< Where it has to wait: its goal, or above it.
  Wanted wanted;            ///< There.
  bool isFree = false;      ///< It need not wait.
  bool isCovered = false;   ///< By an own Subtree lock above: only descendants are in the way.
  bool isFavoured = false;  ///< Where it has to wait it stands before newcomers.
};

/// What `hold` holds of all that is below.
inline HeldTypes belowOf(const Hold& hold, const Entry& entry) {
  return entry.place == nullptr ? HeldTypes{} : entry.place->belowOf(hold);
}

/// Where a request of `locker` stands in the queue: in a tree perhaps ahead of its `usual` place.
Queue::iterator placeInTree(Entry& entry, const Locker& locker, Queue::iterator usual);
inline Queue::iterator placeInQueue(Entry& entry, const Locker& locker, bool upgrade) {
  const Queue::iterator usual = upgrade ? entry.afterUpgrades() : entry.queue.end();
  if (entry.place == nullptr || entry.subtreeWaits == 0) return usual;
  return placeInTree(entry, locker, usual);
}

/// The same of one that its way has brought there. What an own lock above covers stands where it
/// would without that, and no newcomer is in its way.
inline Queue::iterator placeFor(Wait& wait, const Way& way) {
  wait.upgrade = way.isFavoured;
  wait.favoured = way.isCovered && !way.isFavoured;
  return placeInQueue(*way.at, *wait.locker(), way.isFavoured);
}

/// The places of all targets that have one, and the marks in them.
///
/// Costs: a lock that comes, goes or changes its type takes a step for each place above it.
class Places {
 public:
  Places(HoldTable& holds, const Clock& clock) : holds_(holds), clock_(clock) {}
  ~Places();
  Places(const Places&) = delete;
  Places& operator=(const Places&) = delete;

  bool empty() const { return places_.empty(); }
  /// That of the entry; made, as a root, when it has none.
  Place& of(Entry& entry);
  /// From now on `child`, which had no parent, is right below `parent`.
  void link(Place& child, Place& parent);
  /// False while it is needed: it has a parent, something below, or a lock with scope Subtree.
  bool dropIfIdle(Entry& entry);

  /// Those above `place`, from the root down.
  using Above = boost::container::small_vector<Place*, 8>;
  static Above above(const Place& place);

  /// A lock of `locker` below `from` needed marks of type `before` (Get: none) there and above; it
  /// needs `after` from now on.
  void shiftHeld(Locker& locker, Place* from, LockType before, LockType after);
  /// The same of a request that waits below `from`, but for `end` and what is above that.
  void shiftWaiting(Locker& locker, Place* from, const Place* end, LockType before, LockType after);
  /// What `hold` holds of all that is below from now on.
  static void setBelow(Place& place, const Hold& hold, HeldTypes types);

  /// Of a wait that is a mark: where it is going.
  void setGoal(const Wait& wait, Place& goal) { goals_[&wait] = &goal; }
  Place& goalOf(const Wait& wait) const { return *goals_.at(&wait); }
  void forgetGoal(const Wait& wait) {
    if (!goals_.empty()) goals_.erase(&wait);
  }

  template <typename Visit>
  void forEach(const Visit& visit) const {
    for (const auto& [target, place] : places_) visit(*place);
  }

 private:
  void shiftAt(Locker& locker, Place& place, TypeCounts Mark::*needs, LockType before,
               LockType after);
  Mark& markFor(Locker& locker, Place& place);
  void remove(Mark& mark);

  HoldTable& holds_;
  const Clock& clock_;
  Slab<Mark> marks_;
  boost::unordered_flat_map<std::uint64_t, std::unique_ptr<Place>> places_;  // By target.
  boost::unordered_flat_map<const Wait*, Place*> goals_;
};

}  // namespace nephrite::lock_table

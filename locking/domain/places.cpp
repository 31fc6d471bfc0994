#include "locking/domain/places.h"

#include <algorithm>

#include "base/check.h"
#include "locking/domain/wait_graph.h"

namespace nephrite::lock_table {
namespace {

constexpr std::array kByStrength{LockType::Exclusive, LockType::Update, LockType::Reserve,
                                 LockType::Share};

bool mayBeInTheWay(const Locker& holder, const Locker& asker) {
  return &holder != &asker && !isAncestor(holder, asker);
}

// Of all marks or Subtree locks that conflict with `type`, are there others than those of `locker`
// and its ancestors? `typeOf` has theirs.
template <typename TypeOf>
bool isExcludedByOthers(const ModeTable& modes, const TypeCounts& all, const Locker& locker,
                        LockType type, const TypeOf& typeOf) {
  std::uint32_t others = all.of(modes.excludedBy(type));
  for (const Locker* up = &locker; up != nullptr && others > 0; up = up->parent.get()) {
    const LockType own = typeOf(*up);
    if (modes.excludes(own, type)) --others;
  }
  return others > 0;
}

bool holdsEnough(const Entry& entry, const Locker& locker, Wanted wanted) {
  if (!wanted.isSubtree) return false;
  const Hold* const own = holdOn(entry, locker);
  return own != nullptr && covers(own->type(), wanted.type);
}

}  // namespace

LockType TypeCounts::strongest() const {
  for (const LockType type : kByStrength) {
    if ((*this)[type] > 0) return type;
  }
  return LockType::Get;
}

std::uint32_t TypeCounts::of(ModeTable::Set types) const {
  std::uint32_t count = 0;
  for (const LockType type : kByStrength) {
    if ((types & ModeTable::bitOf(type)) != 0) count += (*this)[type];
  }
  return count;
}

bool Place::hasMark(const Locker& locker) const {
  if (marks.empty()) return false;
  for (const Locker* up = &locker; up != nullptr; up = up->parent.get()) {
    if (marks.contains(up)) return true;
  }
  return false;
}

bool Place::isBelow(const Place& other) const {
  const Place* up = parent;
  while (up != nullptr && up != &other) up = up->parent;
  return up != nullptr;
}

bool hasConflictInTree(const Entry& entry, const Locker& locker, Wanted wanted) {
  const Place& place = *entry.place;
  const ModeTable& modes = *entry.modes;
  if (wanted.isMark) {
    return isExcludedByOthers(modes, place.belowCounts, locker, wanted.type,
                              [&](const Locker& own) {
                                if (place.below.empty()) return LockType::Get;
                                const Hold* const hold = holdOn(entry, own);
                                return hold == nullptr ? LockType::Get : place.belowOf(*hold).type;
                              });
  }
  bool isExcluded = false;
  if (holdsEnough(entry, locker, wanted)) {
    // Of the object itself it has what it wants.
  } else if (modes.excludes(modes.common(), wanted.type) || entry.aboveCommon != nullptr) {
    for (const Hold& hold : entry.holders) {
      isExcluded = modes.excludes(hold.type(), wanted.type) && mayBeInTheWay(hold.locker(), locker);
      if (isExcluded) return true;
    }
  }
  if (wanted.isSubtree && locker.firstChild != nullptr) {
    if (place.markCounts.of(modes.excludedBy(wanted.type)) == 0) return false;
    return std::any_of(place.inOrder.begin(), place.inOrder.end(), [&](const Mark& mark) {
      return modes.excludes(mark.typeFor(locker), wanted.type) &&
             mayBeInTheWay(*mark.locker, locker);
    });
  }
  return wanted.isSubtree &&
         isExcludedByOthers(modes, place.markCounts, locker, wanted.type, [&](const Locker& own) {
           const Mark* const mark = place.markOf(own);
           return mark == nullptr ? LockType::Get : mark->type();
         });
}

LockType Obstacle::type() const {
  if (hold != nullptr) return hold->type();
  return mark != nullptr ? mark->type() : LockType::Get;
}

Instant Obstacle::since() const {
  if (hold != nullptr) return hold->since();
  return mark != nullptr ? mark->since : wait->since();
}

bool forEachConflictInTree(const Entry& entry, const Locker& locker, Wanted wanted,
                           FunctionRef<bool(const Obstacle&)> visit) {
  const Place& place = *entry.place;
  const ModeTable& modes = *entry.modes;
  boost::container::small_vector<std::pair<std::uint64_t, Obstacle>, 8> found;
  const auto add = [&](LockType type, Locker& holder, std::uint64_t order, const Obstacle& what) {
    if (modes.excludes(type, wanted.type) && mayBeInTheWay(holder, locker)) {
      found.emplace_back(order, what);
    }
  };
  if (wanted.isMark) {
    if (place.belowCounts.of(modes.excludedBy(wanted.type)) == 0) return false;
    for (const auto& [order, reach] : place.below) {
      add(reach.types.type, reach.hold->locker(), order, {&reach.hold->locker(), reach.hold});
    }
  } else {
    const bool isHeld = holdsEnough(entry, locker, wanted);
    for (const Hold& hold : entry.holders) {
      if (isHeld) break;
      add(hold.type(), hold.locker(), hold.acquired(), {&hold.locker(), &hold});
    }
    if (wanted.isSubtree && place.markCounts.of(modes.excludedBy(wanted.type)) > 0) {
      for (const Mark& mark : place.inOrder) {
        add(mark.typeFor(locker), *mark.locker, mark.order, {mark.locker, nullptr, &mark});
      }
    }
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [order, obstacle] : found) {
    if (visit(obstacle)) return true;
  }
  return false;
}

// --- Places --------------------------------------------------------------------------------------

Places::~Places() = default;

Place& Places::of(Entry& entry) {
  if (entry.place != nullptr) return *entry.place;
  auto& place = places_[entry.target.value];
  place = std::make_unique<Place>();
  place->entry = &entry;
  entry.place = place.get();
  return *place;
}

void Places::link(Place& child, Place& parent) {
  NEPHRITE_CHECK(child.parent == nullptr);
  child.parent = &parent;
  ++parent.children;
  unsigned height = child.height + 1;
  for (Place* up = &parent; up != nullptr && up->height < height; up = up->parent) {
    up->height = height++;
  }
  // What is held, or on its way, at the child and below it.
  for (const Hold& hold : child.entry->holders) {
    shiftHeld(hold.locker(), &parent, LockType::Get, hold.type());
  }
  for (const Wait& wait : child.entry->queue) {
    shiftWaiting(*wait.locker(), &parent, nullptr, LockType::Get, wait.type());
  }
  for (const Mark& mark : child.inOrder) {
    for (const LockType type : kByStrength) {
      for (std::uint32_t i = 0; i < mark.held[type]; ++i) {
        shiftHeld(*mark.locker, &parent, LockType::Get, type);
      }
      for (std::uint32_t i = 0; i < mark.waiting[type]; ++i) {
        shiftWaiting(*mark.locker, &parent, nullptr, LockType::Get, type);
      }
    }
  }
}

bool Places::dropIfIdle(Entry& entry) {
  const Place* const place = entry.place;
  if (place == nullptr || place->parent != nullptr || place->children > 0) return false;
  if (!place->below.empty() || entry.subtreeWaits > 0) return false;
  entry.place = nullptr;
  places_.erase(entry.target.value);
  return true;
}

Places::Above Places::above(const Place& place) {
  Above all;
  for (Place* up = place.parent; up != nullptr; up = up->parent) all.push_back(up);
  std::reverse(all.begin(), all.end());
  return all;
}

void Places::shiftHeld(Locker& locker, Place* from, LockType before, LockType after) {
  for (Place* up = from; up != nullptr; up = up->parent) {
    shiftAt(locker, *up, &Mark::held, before, after);
  }
}

void Places::shiftWaiting(Locker& locker, Place* from, const Place* end, LockType before,
                          LockType after) {
  for (Place* up = from; up != end; up = up->parent) {
    shiftAt(locker, *up, &Mark::waiting, before, after);
  }
}

void Places::shiftAt(Locker& locker, Place& place, TypeCounts Mark::*needs, LockType before,
                     LockType after) {
  Mark& mark = markFor(locker, place);
  const LockType was = mark.type();
  const LockType wasHeld = mark.held.strongest();
  if (before != LockType::Get) --(mark.*needs)[before];
  if (after != LockType::Get) ++(mark.*needs)[after];
  const LockType is = mark.type();
  if (stronger(wasHeld, mark.held.strongest())) place.isLowered = true;
  if (was == is) return;
  if (was != LockType::Get) --place.markCounts[was];
  if (is != LockType::Get) ++place.markCounts[is];
  if (stronger(was, is)) place.isLowered = true;
  if (is == LockType::Get) remove(mark);
}

Mark& Places::markFor(Locker& locker, Place& place) {
  Mark*& mark = place.marks[&locker];
  if (mark != nullptr) return *mark;
  mark = marks_.make();
  mark->locker = &locker;
  mark->place = &place;
  mark->order = holds_.orderOfNext(*place.entry, locker);
  mark->since = clock_.now();
  place.inOrder.push_back(*mark);
  // It and its descendants do not wait here any more for those who want all that is below.
  if (locker.firstChild != nullptr || !waitsOn(locker, *place.entry).empty()) {
    place.isLowered = true;
  }
  mark->next = std::exchange(locker.marks, mark);
  if (mark->next != nullptr) mark->next->previous = mark;
  return *mark;
}

void Places::remove(Mark& mark) {
  Place& place = *mark.place;
  place.inOrder.erase(place.inOrder.iterator_to(mark));
  place.marks.erase(mark.locker);
  if (mark.next != nullptr) mark.next->previous = mark.previous;
  (mark.previous != nullptr ? mark.previous->next : mark.locker->marks) = mark.next;
  marks_.destroy(&mark);
}

void Places::setBelow(Place& place, const Hold& hold, HeldTypes types) {
  const HeldTypes before = place.belowOf(hold);
  if (before == types) return;
  if (before.type != LockType::Get) --place.belowCounts[before.type];
  if (types.type != LockType::Get) ++place.belowCounts[types.type];
  if (types.type == LockType::Get) {
    place.below.erase(hold.acquired());
  } else {
    place.below[hold.acquired()] = {&hold, types};
  }
}

}  // namespace nephrite::lock_table

#include "locking/table/hold_table.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <utility>

#include "base/check.h"

namespace nephrite::lock_table {
namespace {

LockType sessionOf(const LockRequest& asked) {
  return asked.duration == LockDuration::Session ? asked.type : LockType::Get;
}

void show(const Hold& hold, const std::function<void(const Hold&)>& look) {
  if (!hold.isRetained()) look(hold);
}

}  // namespace

void HolderList::remove(Hold& hold) {
  Hold* before = last_;
  while (after(*before) != &hold) before = after(*before);
  before->chain.set(after(hold));
  if (last_ == &hold) last_ = before == &hold ? nullptr : before;
}

void HolderList::sort() {
  boost::container::small_vector<Hold*, 8> all;
  for (Hold& hold : *this) all.push_back(&hold);
  const auto earlier = [](const Hold* a, const Hold* b) { return a->acquired() < b->acquired(); };
  if (std::is_sorted(all.begin(), all.end(), earlier)) return;
  std::sort(all.begin(), all.end(), earlier);
  release();
  for (Hold* const hold : all) append(*hold);
}

HoldTable::HoldTable(std::uint64_t tokensAbove, const Clock& clock)
    : segments_(new Segment[kSegments]),
      counter_(tokensAbove),
      grants_(clock.isManual() ? GrantClock(counter_) : GrantClock(tokensAbove)) {
  for (std::size_t i = 0; i < kSegments; ++i) {
    SpinHold spin(segments_[i].lock);
    segments_[i].clock = tokensAbove;
  }
}

HoldTable::~HoldTable() {
  for (std::size_t i = 0; i < kSegments; ++i) {
    Segment& segment = segments_[i];
    SpinHold spin(segment.lock);
    if (segment.heads != segment.few.data()) delete[] segment.heads;
  }
}

// --- Segments ------------------------------------------------------------------------------------

// The holds of a target stay together and in their order: whole chains are dealt out, or joined.
void HoldTable::rehash(Segment& segment, std::size_t heads) {
  Link* const old = segment.heads;
  const std::size_t oldHeads = std::size_t{segment.mask} + 1;
  segment.heads = heads == kFewHeads ? segment.few.data() : new Link[heads]();
  segment.mask = static_cast<std::uint32_t>(heads - 1);
  for (std::size_t i = 0; i < oldHeads; ++i) {
    // Where the last node of this chain went, and the one that went elsewhere.
    std::array<Link*, 2> ends{};
    for (Node* node = old[i].get(); node != nullptr;) {
      Node* const next = node->chain.get();
      Link* const head = headOf(segment, hashOf(node->target));
      Link*& end = ends[heads > oldHeads && head != &segment.heads[i]];
      if (end == nullptr) {
        end = head;
        while (end->get() != nullptr) end = &end->get()->chain;
      }
      end->set(node);
      end = &node->chain;
      node->chain.set(nullptr);
      node = next;
    }
  }
  if (old != segment.few.data()) {
    delete[] old;
  } else {
    for (Link& link : segment.few) link.set(nullptr);
  }
}

// --- The slow path -------------------------------------------------------------------------------

Entry* HoldTable::entryOf(LockTarget target) const {
  const std::uint64_t hash = hashOf(target);
  Segment& segment = segmentOf(hash);
  SpinHold spin(segment.lock);
  Node* const node = find(segment, hash, target)->get();
  return node != nullptr && node->isEntry() ? static_cast<Entry*>(node) : nullptr;
}

void HoldTable::contend(Entry& entry) {
  const std::uint64_t hash = hashOf(entry.target);
  {
    Segment& segment = segmentOf(hash);
    SpinHold spin(segment.lock);
    Link* const link = find(segment, hash, entry.target);
    std::uint32_t moved = 0;
    Node* node = link->get();
    NEPHRITE_CHECK(node == nullptr || !node->isEntry());
    while (node != nullptr && node->target == entry.target) {
      Node* const next = node->chain.get();
      entry.holders.append(*static_cast<Hold*>(node));
      node = next;
      ++moved;
    }
    entry.holderCount = moved;
    entry.chain.set(node);
    link->set(&entry);
    count(segment, 1, moved);
  }
  revokeRetained(entry);
  for (Hold& hold : entry.holders) {
    hold.locker().contended.emplace(&entry, HolderPlace{&hold});
    if (hold.type() != entry.modes->common())
      entry.aboveCommon = &hold;  // In a chain there is one.
  }
  if (!entry.hasFew()) keepPlaces(entry);
}

void HoldTable::keepPlaces(Entry& entry) {
  Hold* before = entry.holders.last();
  for (Hold& hold : entry.holders) placeOf(hold, entry).before = std::exchange(before, &hold);
}

// The holder above the common mode may have changed. It excludes all but its descendants: of
// several, each is an ancestor of the next.
void HoldTable::note(Entry& entry, Hold& hold) {
  if (hold.type() == entry.modes->common()) {
    if (entry.aboveCommon == &hold) noteAncestor(entry, hold.locker());
  } else if (entry.aboveCommon == nullptr ||
             isAncestor(entry.aboveCommon->locker(), hold.locker())) {
    entry.aboveCommon = &hold;
  }
}

void HoldTable::noteAncestor(Entry& entry, const Locker& locker) {
  entry.aboveCommon = holdOfAncestor(entry, locker, /*aboveCommon=*/true);
}

void HoldTable::noteChanged(Segment& segment, Hold& hold) {
  Node* const node = find(segment, hashOf(hold.target), hold.target)->get();
  if (node->isEntry()) note(*static_cast<Entry*>(node), hold);
}

void HoldTable::revokeRetained(Entry& entry) {
  boost::container::small_vector<Hold*, 8> retainable;  // Not while they leave the list.
  for (Hold& hold : entry.holders) {
    if (hold.type() == LockType::Exclusive || hold.isRetainable()) retainable.push_back(&hold);
  }
  Segment& segment = segmentOf(hashOf(entry.target));
  for (Hold* const hold : retainable) {
    Locker& locker = hold->locker();
    OwnerHold own(locker.mutex);
    forget(locker, *hold);
    hold->setAcquired(hold->acquired(), false);
    const bool retained = hold->isRetained();
    {
      SpinHold spin(segment.lock);
      advanceClock(segment, locker);
      if (retained) {
        entry.holders.remove(*hold);
        --entry.holderCount;
      }
    }
    if (!retained) continue;
    locker.freeRetained(*hold);
    locker.backOffRetention();
  }
  if (entry.holders.isOneOrNone()) return;
  SpinHold spin(segment.lock);
  entry.holders.sort();
}

void HoldTable::uncontend(Entry& entry) {
  for (Hold& hold : entry.holders) hold.locker().contended.erase(&entry);
  const std::uint64_t hash = hashOf(entry.target);
  Segment& segment = segmentOf(hash);
  SpinHold spin(segment.lock);
  Link* const link = find(segment, hash, entry.target);
  NEPHRITE_CHECK(link->get() == &entry);
  Node* const after = entry.chain.get();
  std::uint32_t moved = 0;
  for ([[maybe_unused]] const Hold& hold : entry.holders) ++moved;
  if (Hold* const last = entry.holders.last()) {
    link->set(entry.holders.release());
    last->chain.set(after);
  } else {
    link->set(after);
  }
  count(segment, moved, 1);
}

Hold* HoldTable::find(const Locker& locker, LockTarget target) const {
  const std::uint64_t hash = hashOf(target);
  Segment& segment = segmentOf(hash);
  SpinHold spin(segment.lock);
  Node* const node = find(segment, hash, target)->get();
  if (node != nullptr && node->isEntry()) return holdOn(*static_cast<Entry*>(node), locker);
  return findInChain(node, locker, target);
}

Hold* HoldTable::findInChain(Node* node, const Locker& locker, LockTarget target) {
  for (; node != nullptr && node->target == target; node = node->chain.get()) {
    auto* const hold = static_cast<Hold*>(node);
    if (&hold->locker() == &locker) return hold->isRetained() ? nullptr : hold;
  }
  return nullptr;
}

bool HoldTable::look(const Locker& locker, LockTarget target,
                     const std::function<void(const Hold&)>& look, bool* isContended) const {
  const std::uint64_t hash = hashOf(target);
  Segment& segment = segmentOf(hash);
  SpinHold spin(segment.lock);
  Node* const node = find(segment, hash, target)->get();
  const Hold* found = nullptr;
  if (node != nullptr && node->isEntry()) {
    const auto& entry = *static_cast<const Entry*>(node);
    if (isContended != nullptr) *isContended = true;
    if (!entry.hasFew()) return false;
    for (const Hold& hold : entry.holders) {
      if (&hold.locker() == &locker) found = &hold;
    }
  } else {
    found = findInChain(node, locker, target);
  }
  if (found != nullptr) look(*found);
  return true;
}

bool HoldTable::isLocked(LockTarget target) const {
  const std::uint64_t hash = hashOf(target);
  Segment& segment = segmentOf(hash);
  SpinHold spin(segment.lock);
  for (Node* node = find(segment, hash, target)->get(); node != nullptr && node->target == target;
       node = node->chain.get()) {
    if (node->isEntry() || !static_cast<Hold*>(node)->isRetained()) return true;
  }
  return false;
}

Hold& HoldTable::add(Locker& locker, Entry& entry, const LockRequest& asked, Instant now) {
  OwnerHold own(locker.mutex);
  Hold& hold = *locker.take();
  hold.target = entry.target;
  hold.set(asked.type, sessionOf(asked), asked.level);
  hold.setSince(now);
  {
    Segment& segment = segmentOf(hashOf(entry.target));
    SpinHold spin(segment.lock);
    const FencingToken token = nextToken(segment, locker);
    hold.setAcquired(token.value, false);
    hold.setToken(token);
    Hold* const before = entry.holders.last();
    entry.holders.append(hold);
    locker.contended.emplace(&entry, HolderPlace{&hold, before});
    note(entry, hold);
    if (++entry.holderCount == Entry::kFew + 1) {
      keepPlaces(entry);
    } else if (!entry.hasFew()) {
      placeOf(HolderList::next(hold), entry).before = &hold;
    }
  }
  locker.link(hold, asked.timeout);
  return hold;
}

void HoldTable::remove(Hold& hold, Entry& entry) {
  Locker& locker = hold.locker();
  OwnerHold own(locker.mutex);
  {
    Segment& segment = segmentOf(hashOf(entry.target));
    SpinHold spin(segment.lock);
    advanceClock(segment, locker);
    if (entry.hasFew()) {
      entry.holders.remove(hold);
    } else {
      Hold& before = *placeOf(hold, entry).before;
      placeOf(HolderList::next(hold), entry).before = &before;
      entry.holders.remove(hold, before);
    }
    --entry.holderCount;
    if (entry.aboveCommon == &hold) noteAncestor(entry, locker);
  }
  locker.contended.erase(&entry);
  drop(locker, hold);
}

FencingToken HoldTable::upgrade(Hold& hold, const LockRequest& asked) {
  Locker& locker = hold.locker();
  OwnerHold own(locker.mutex);
  Segment& segment = segmentOf(hashOf(hold.target));
  SpinHold spin(segment.lock);
  hold.set(afterGrant(hold.types(), asked.terms()));
  hold.setTimeout(asked.timeout);
  noteChanged(segment, hold);
  const FencingToken token = nextToken(segment, locker);
  hold.setToken(token);
  forget(locker, hold);
  return token;
}

std::uint64_t HoldTable::orderOfNext(const Entry& entry, Locker& locker) {
  OwnerHold own(locker.mutex);
  Segment& segment = segmentOf(hashOf(entry.target));
  SpinHold spin(segment.lock);
  return nextToken(segment, locker).value;
}

void HoldTable::change(Hold& hold, HeldTypes types) {
  Locker& locker = hold.locker();
  OwnerHold own(locker.mutex);
  Segment& segment = segmentOf(hashOf(hold.target));
  SpinHold spin(segment.lock);
  advanceClock(segment, locker);
  hold.set(types);
  noteChanged(segment, hold);
  forget(locker, hold);
}

// --- Looking -------------------------------------------------------------------------------------

const Node* HoldTable::nextInChain(const Node* chain, const Walk& walk, bool& isLast) {
  isLast = true;
  const Node* next = nullptr;
  std::uint64_t first = 0;
  for (const Node* node = chain; node != nullptr; node = node->chain.get()) {
    const std::uint64_t at = Walk::orderOf(node->target);
    if (walk.hasPassed(at)) continue;
    if (next != nullptr) {
      if (at == first) continue;
      isLast = false;
      if (Walk::isBefore(first, at)) continue;
    }
    next = node;
    first = at;
  }
  return next;
}

namespace {

/// The head after `head`: counts with the bits reversed, so that what a smaller or larger table
/// makes of those behind us are heads behind us, too. 0: that was the last.
std::uint32_t headAfter(std::uint32_t head, std::uint32_t mask) {
  std::uint32_t bit = (mask + 1) / 2;
  for (head &= mask; (head & bit) != 0; bit /= 2) head &= ~bit;
  return head | bit;
}

}  // namespace

template <typename Visit>
void HoldTable::visitOn(Walk& walk, const Visit& visit) const {
  Segment& segment = segments_[walk.segment_];
  SpinHold spin(segment.lock);
  std::size_t steps = 0;
  for (std::size_t heads = 0; heads < kPage; ++heads) {
    const Node* const chain = segment.heads[walk.at_ & segment.mask].get();
    for (bool isLast = chain == nullptr; !isLast;) {
      const Node* const node = nextInChain(chain, walk, isLast);
      if (node == nullptr) break;
      if (steps >= kPage) return;
      const std::uint64_t at = Walk::orderOf(node->target);
      if (at != walk.at_) walk.acquired_ = 0;
      walk.at_ = at;
      walk.isPast_ = visit(*node, steps);
      if (!walk.isPast_) return;
      walk.acquired_ = 0;
    }
    walk.at_ = headAfter(static_cast<std::uint32_t>(walk.at_), segment.mask);
    walk.isPast_ = false;
    walk.acquired_ = 0;
    if (walk.at_ != 0) continue;
    ++walk.segment_;
    return;
  }
}

void HoldTable::lookOn(Walk& walk, Look look) const {
  const auto show = [&](const Hold& hold, const Entry* entry, std::size_t& seen) {
    ++seen;
    if (!hold.isRetained() && hold.acquired() > walk.acquired_) look(hold, entry);
  };
  visitOn(walk, [&](const Node& first, std::size_t& seen) {
    if (!first.isEntry()) {
      for (const Node* node = &first; node != nullptr && node->target == first.target;
           node = node->chain.get()) {
        show(*static_cast<const Hold*>(node), nullptr, seen);
      }
      return true;
    }
    const auto& entry = static_cast<const Entry&>(first);
    for (const Hold& hold : entry.holders) {
      if (hold.acquired() <= walk.acquired_) continue;
      if (seen >= kPage) return false;
      show(hold, &entry, seen);
      walk.acquired_ = hold.acquired();
    }
    return true;
  });
}

void HoldTable::lookAtEntries(Walk& walk, FunctionRef<void(const Entry&)> look) const {
  visitOn(walk, [&](const Node& first, std::size_t& steps) {
    ++steps;
    if (first.isEntry()) look(static_cast<const Entry&>(first));
    return true;
  });
}

void HoldTable::forEach(const std::function<void(const Hold&)>& look) const {
  for (std::size_t i = 0; i < kSegments; ++i) {
    Segment& segment = segments_[i];
    if (segment.nodes.get() == 0) continue;
    SpinHold spin(segment.lock);
    for (std::size_t head = 0; head <= segment.mask; ++head) {
      for (const Node* node = segment.heads[head].get(); node != nullptr;
           node = node->chain.get()) {
        if (!node->isEntry()) {
          show(*static_cast<const Hold*>(node), look);
          continue;
        }
        for (const Hold& hold : static_cast<const Entry*>(node)->holders) show(hold, look);
      }
    }
  }
}

void HoldTable::forEachOn(LockTarget target, const std::function<void(const Hold&)>& look) const {
  const std::uint64_t hash = hashOf(target);
  Segment& segment = segmentOf(hash);
  SpinHold spin(segment.lock);
  const Node* node = find(segment, hash, target)->get();
  if (node != nullptr && node->isEntry()) {
    for (const Hold& hold : static_cast<const Entry*>(node)->holders) show(hold, look);
    return;
  }
  for (; node != nullptr && node->target == target; node = node->chain.get()) {
    show(*static_cast<const Hold*>(node), look);
  }
}

std::uint64_t HoldTable::lastToken() const {
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < kSegments; ++i) {
    SpinHold spin(segments_[i].lock);
    last = std::max(last, segments_[i].clock);
  }
  return last;
}

void HoldTable::checkHolders(const Entry& entry) {
  const Hold* before = entry.holders.last();
  const Hold* aboveCommon = nullptr;
  std::uint32_t count = 0;
  for (const Hold& hold : entry.holders) {
    NEPHRITE_CHECK(!hold.isRetainable() && !hold.isRetained());
    const auto place = hold.locker().contended.find(&entry);
    NEPHRITE_CHECK(place != hold.locker().contended.end());
    NEPHRITE_CHECK(place->second.hold == &hold);
    NEPHRITE_CHECK(entry.hasFew() || place->second.before == before);
    before = &hold;
    ++count;
    if (hold.type() == entry.modes->common()) continue;
    if (aboveCommon == nullptr || isAncestor(aboveCommon->locker(), hold.locker())) {
      aboveCommon = &hold;
    }
  }
  NEPHRITE_CHECK(entry.holderCount == count && entry.aboveCommon == aboveCommon);
}

void HoldTable::checkInvariants() const {
  for (std::size_t i = 0; i < kSegments; ++i) {
    Segment& segment = segments_[i];
    if (segment.nodes.get() == 0) continue;
    SpinHold spin(segment.lock);
    std::uint32_t nodes = 0;
    for (std::size_t head = 0; head <= segment.mask; ++head) {
      if (segment.heads[head].get() == nullptr) continue;
      boost::unordered_flat_set<std::uint64_t> past;  // The targets before this one in the chain.
      for (const Node* node = segment.heads[head].get(); node != nullptr;
           node = node->chain.get()) {
        ++nodes;
        const std::uint64_t hash = hashOf(node->target);
        NEPHRITE_CHECK(&segmentOf(hash) == &segment);
        NEPHRITE_CHECK(headOf(segment, hash) == &segment.heads[head]);
        const Node* const next = node->chain.get();
        if (node->isEntry()) {
          checkHolders(*static_cast<const Entry*>(node));
        } else if (const Hold& hold = *static_cast<const Hold*>(node); hold.isRetained()) {
          const bool shared = hold.type() == LockType::Share && hold.isRetainable();
          NEPHRITE_CHECK(shared || hold.type() == LockType::Exclusive);
          NEPHRITE_CHECK(shared || next == nullptr || next->target != node->target);
        }
        // Together: what comes after the next target is not this one again.
        const bool goesOn = next != nullptr && next->target == node->target;
        NEPHRITE_CHECK(!node->isEntry() || !goesOn);
        NEPHRITE_CHECK(goesOn || past.insert(node->target.value).second);
      }
    }
    NEPHRITE_CHECK(nodes == segment.nodes.get());
  }
}

void HoldTable::checkInvariantsOf(Locker& locker) const {
  OwnerHold own(locker.mutex);
  std::uint32_t retained = 0;
  for (const Hold* const hold : locker.index.all()) {
    if (hold == nullptr) continue;
    const std::uint64_t hash = hashOf(hold->target);
    NEPHRITE_CHECK(&hold->locker() == &locker && locker.index.at(hash) == hold);
    if (hold->type() != LockType::Exclusive && !hold->isRetainable()) continue;
    retained += hold->isRetained() ? 1 : 0;
    Segment& segment = segmentOf(hash);
    SpinHold spin(segment.lock);
    const Node* node = find(segment, hash, hold->target)->get();
    while (node != nullptr && node != hold && node->target == hold->target) {
      node = node->chain.get();
    }
    NEPHRITE_CHECK(node == hold);
  }
  NEPHRITE_CHECK(retained == locker.retained());
}

}  // namespace nephrite::lock_table

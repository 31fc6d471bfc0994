#pragma once

// Private to locking.

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "base/function_ref.h"
#include "base/spin_lock.h"
#include "locking/lock_rules.h"
#include "locking/table/locker.h"
#include "locking/table/relations.h"
#include "locking/table/table_walk.h"

namespace nephrite::lock_table {

inline ReleaseFate fateOf(const Hold& hold, ReleaseScope scope) {
  return fateOf(hold.sessionType(), hold.level(), scope);
}

/// The holds of all lockers. The fast path grants and releases here what needs no queue. A target
/// that a request waits for, or is about to, has an Entry here instead of its holds, and the fast
/// path leaves it to LockTable: the slow path.
///
/// Shape:    segments by the hash of the target, each with a spin lock, chains of nodes, and a
///           clock for tokens. All holds of a target stand one after the other in a chain, or its
///           Entry stands there and has them. The order of their grants is that of acquired(): an
///           Entry keeps it, the reader of a chain sorts.
/// Retained: an Exclusive hold, or a retainable Share, may stay in its chain when it is released:
///           with the null token, out of its locker's list. It is no lock any more. Its locker
///           reactivates it without the segment, as long as its index shows it. A request of
///           another locker that the hold would exclude takes the slow path, which revokes it first
///           (contend()). No hold of an Entry is retainable, nor is an Exclusive one in an index.
/// Tokens:   T1: a token is larger than every earlier token of its target, and of its locker
///           (Lamport clocks). T2: what a locker was given without the segment reaches the
///           segment's clock (advanceClock()) before another locker is granted what that excluded.
///           T3: a grant beside a retainable Share takes its token from the GrantClock, and so does
///           the Share when it is reactivated; no Lamport clock is ever ahead of that clock.
/// Threads:  any, with the mutexes that the methods name. A Hold is changed under its locker's
///           mutex and that of its place: the segment's, or the slow path's when an Entry has it.
///           One of the two is enough to read it. But its locker alone, under its own mutex,
///           decides whether it is retained.
class HoldTable {
 public:
  HoldTable(std::uint64_t tokensAbove, const Clock& clock);
  ~HoldTable();
  HoldTable(const HoldTable&) = delete;
  HoldTable& operator=(const HoldTable&) = delete;

  const GrantClock& grants() const { return grants_; }

  // --- The fast path ---------------------------------------------------------------------------

  /// Grants what conflicts with no other hold and what is held already, where no request waits.
  /// Null when the request has to take the slow path; then nothing was done. For what
  /// acquireAgain() and releaseForNow() have left.
  FencingToken acquire(Locker& locker, LockTarget target, LockTerms asked, const Clock& clock)
      NEPHRITE_REQUIRES(locker.mutex);
  FastRelease release(Locker& locker, LockTarget target) NEPHRITE_REQUIRES(locker.mutex);

  /// The part of it that needs the locker alone, as leaf functions: a target that is held, or
  /// retained, in the very way that is asked for; a lock that may be retained. Null, and
  /// NeedsSlowPath: nothing was done.
  /// `shared`: Share is asked for.
  static FencingToken acquireAgain(Locker& locker, LockTarget target, LockTerms asked,
                                   const Clock& clock, bool shared) NEPHRITE_REQUIRES(locker.mutex);
  static FastRelease releaseForNow(Locker& locker, LockTarget target)
      NEPHRITE_REQUIRES(locker.mutex);

  /// True when something is left that has to take the slow path.
  bool releaseAll(Locker& locker, const ReleaseScope& scope) NEPHRITE_REQUIRES(locker.mutex);

  /// Calls `look` with what it holds, if it does, under a lock of its own: nothing may be called
  /// from it. False when a crowd holds the target: find() knows. `isContended` becomes true when
  /// the target has an Entry.
  bool look(const Locker& locker, LockTarget target, const std::function<void(const Hold&)>& look,
            bool* isContended = nullptr) const;
  /// Does a locker hold it, or has it an Entry?
  bool isLocked(LockTarget target) const;
  /// Fills in what `locker` holds. False when a crowd holds the target: find() knows.
  bool held(Locker& locker, LockTarget target, HeldLock& held) NEPHRITE_REQUIRES(locker.mutex);

  // --- The slow path: under LockManager's mutex --------------------------------------------------

  /// Null when it has none.
  Entry* entryOf(LockTarget target) const;
  /// From now on `entry` has the holds of its target.
  void contend(Entry& entry);
  /// The chain has them again. Its queue is empty.
  void uncontend(Entry& entry);

  Hold* find(const Locker& locker, LockTarget target) const;
  /// A new hold, the last of the entry's.
  Hold& add(Locker& locker, Entry& entry, const LockRequest& asked, Instant now)
      NEPHRITE_EXCLUDES(locker.mutex);
  /// Out of its entry, and gone.
  void remove(Hold& hold, Entry& entry);
  /// One more grant: the hold is of the type asked for from now on.
  FencingToken upgrade(Hold& hold, const LockRequest& asked);
  /// A number above those of all that was granted on the target, for a mark.
  std::uint64_t orderOfNext(const Entry& entry, Locker& locker) NEPHRITE_EXCLUDES(locker.mutex);
  /// No grant.
  void change(Hold& hold, HeldTypes types);

  // --- Looking ---------------------------------------------------------------------------------

  using Walk = TableWalk;
  /// At most so many holds are seen while a segment is locked; a crowd comes in parts.
  static constexpr std::size_t kPage = 256;
  static constexpr std::size_t kMostInPage = kPage + Entry::kCrowd;
  /// Of a hold, and of the Entry that has it; null: none. Those of a target come one after the
  /// other; in the order of their grants when it has an Entry.
  using Look = FunctionRef<void(const Hold&, const Entry*)>;
  /// Calls `look` with the holds of the next page, under a lock of the table: it calls nothing and
  /// allocates nothing.
  void lookOn(Walk& walk, Look look) const;
  /// The same with the entries of the next page, under LockManager's mutex.
  void lookAtEntries(Walk& walk, FunctionRef<void(const Entry&)> look) const;
  /// The same with every hold at once, for checks.
  void forEach(const std::function<void(const Hold&)>& look) const;
  void forEachOn(LockTarget target, const std::function<void(const Hold&)>& look) const;
  std::uint64_t lastToken() const;
  /// Stop the process when a chain, or what a locker knows of it, is not as it should be. Under the
  /// LockManager's mutex.
  void checkInvariants() const;
  void checkInvariantsOf(Locker& locker) const;

 private:
  using Link = TaggedPointer<Node>;
  static constexpr std::size_t kSegments = Walk::kSegments;
  static constexpr std::size_t kFewHeads = 4;
  static constexpr std::uint32_t kNodesPerHead = 4;
  static constexpr unsigned kMostBesideRetainable = 7;  // A writer revokes each of them.

  struct alignas(64) Segment {
    SpinLock lock;
    std::uint32_t mask NEPHRITE_GUARDED_BY(lock) = kFewHeads - 1;
    Count nodes;  // Changed under `lock`.
    std::uint64_t clock NEPHRITE_GUARDED_BY(lock) = 0;
    std::array<Link, kFewHeads> few NEPHRITE_GUARDED_BY(lock){};
    Link* heads NEPHRITE_GUARDED_BY(lock) = few.data();
  };
  static_assert(sizeof(Segment) == 64);

  Segment& segmentOf(std::uint64_t hash) const { return segments_[hash >> 56]; }
  static void advanceClock(Segment& segment, const Locker& locker)
      NEPHRITE_REQUIRES(segment.lock, locker.mutex) {
    segment.clock = std::max(segment.clock, locker.clock);
  }
  static Link* headOf(Segment& segment, std::uint64_t hash) NEPHRITE_REQUIRES(segment.lock) {
    return &segment.heads[(hash >> 28) & segment.mask];
  }
  /// The link to the first node of `target`, or the null link where it would be.
  static Link* find(Segment& segment, std::uint64_t hash, LockTarget target)
      NEPHRITE_REQUIRES(segment.lock);
  /// Above all that was granted on the target, also without the segment (T3).
  static FencingToken nextToken(Segment& segment, Locker& locker, bool besideRetainable = false)
      NEPHRITE_REQUIRES(segment.lock, locker.mutex);
  static void count(Segment& segment, std::uint32_t more, std::uint32_t fewer)
      NEPHRITE_REQUIRES(segment.lock);
  static void rehash(Segment& segment, std::size_t heads) NEPHRITE_REQUIRES(segment.lock);
  /// Out of its locker's list, and free.
  void drop(Locker& locker, Hold& hold) NEPHRITE_REQUIRES(locker.mutex);
  static void forget(Locker& locker, const Hold& hold) NEPHRITE_REQUIRES(locker.mutex);
  /// False: it may not be retained, and has to be released.
  static bool retain(Locker& locker, Hold& hold) NEPHRITE_REQUIRES(locker.mutex);
  /// Frees a retained hold; what an Entry has by now is left to contend().
  void evict(Locker& locker, Hold& hold) NEPHRITE_REQUIRES(locker.mutex);
  void evictAll(Locker& locker) NEPHRITE_REQUIRES(locker.mutex);
  /// The first node of the next target in a chain; null: there is none. `isLast`: of the chain.
  static const Node* nextInChain(const Node* chain, const Walk& walk, bool& isLast);
  /// Calls `visit(node, steps)` with the targets of the next page; false: it has more of this one.
  template <typename Visit>
  void visitOn(Walk& walk, const Visit& visit) const;
  static Hold* findInChain(Node* node, const Locker& locker, LockTarget target);
  static HolderPlace& placeOf(const Hold& hold, const Entry& entry) {
    return hold.locker().contended.find(&entry)->second;
  }
  static void keepPlaces(Entry& entry);
  static void note(Entry& entry, Hold& hold);
  static void noteAncestor(Entry& entry, const Locker& locker);
  static void noteChanged(Segment& segment, Hold& hold) NEPHRITE_REQUIRES(segment.lock);
  static void checkHolders(const Entry& entry);
  /// Of an entry that has just got the holds of its target: from now on none of them is retained,
  /// nor can be.
  void revokeRetained(Entry& entry);

  const std::unique_ptr<Segment[]> segments_;
  std::atomic<std::uint64_t> counter_;  // For a manual clock.
  const GrantClock grants_;
};

inline HoldTable::Link* HoldTable::find(Segment& segment, std::uint64_t hash, LockTarget target) {
  Link* link = headOf(segment, hash);
  for (Node* node = link->get(); node != nullptr && node->target != target; node = link->get()) {
    link = &node->chain;
  }
  return link;
}

inline FencingToken HoldTable::nextToken(Segment& segment, Locker& locker, bool besideRetainable) {
  const std::uint64_t seen = std::max(segment.clock, locker.clock);
  const std::uint64_t token = besideRetainable ? locker.grants.readAbove(seen) : seen + 1;
  segment.clock = token;
  locker.clock = token;
  return {token};
}

inline void HoldTable::count(Segment& segment, std::uint32_t more, std::uint32_t fewer) {
  const auto nodes = segment.nodes.get() + more - fewer;
  segment.nodes.set(nodes);
  const std::uint32_t heads = segment.mask + 1;
  if (nodes > heads * kNodesPerHead) [[unlikely]] {
    rehash(segment, std::size_t{heads} * 2);
  } else if (heads > kFewHeads && nodes * 2 < heads) [[unlikely]] {
    rehash(segment, heads / 2);
  }
}

inline void HoldTable::forget(Locker& locker, const Hold& hold) {
  Hold*& place = locker.index.at(hashOf(hold.target));
  if (place == &hold) place = nullptr;
}

inline void HoldTable::drop(Locker& locker, Hold& hold) {
  forget(locker, hold);
  locker.unlink(hold);
  locker.dropped();
  locker.give(&hold);
  if (locker.retainsTooMuch()) [[unlikely]]
    evictAll(locker);
}

}  // namespace nephrite::lock_table

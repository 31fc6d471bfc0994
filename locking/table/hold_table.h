#pragma once

// Private to this folder.

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

namespace nephrite::lock_table {

inline ReleaseFate fateOf(const Hold& hold, ReleaseScope scope) {
  return fateOf(hold.session(), hold.level(), scope);
}

/// Who holds what. Takes and lets go by itself what no queue is needed for: the short way. A target
/// that somebody waits for, or is about to, has an Entry here instead of its holds, and the short
/// way leaves it to LockTable: the long way.
///
/// Shape:   segments by the hash of the target, each with a spin lock, chains of nodes, and a clock
///          for tokens. All holds of a target stand one after the other in a chain, or its Entry
///          stands there and has them. The order of their grants is that of acquired(): an Entry
///          has it, of a chain who looks sorts.
/// Idle:    an Exclusive hold, or a near Share, may stay where it is when it is let go: idle, with
///          the null token, out of its locker's list. It is no lock any more. Its locker takes it
///          again without looking at the segment, as long as its index shows it; whoever wants what
///          it would exclude meets something in the way, goes the long way, and takes it away first
///          (contend()). Of an Entry no hold is near, and no Exclusive one in an index.
/// Tokens:  Lamport's clock: a grant is later than what its segment and its locker have seen, so
///          tokens rise for a target, and for a locker in the order in which it acquires. What a
///          locker was given while it needed no segment is told to the segment (hear()) before
///          anybody else can be granted what that excluded. Who is granted something beside a near
///          Share cannot have been told: its token is read from the GrantClock, as is that of a
///          Share that is taken again. Lamport's clock counts slower than that one, so it is never
///          ahead of it.
/// Threads: any, with the mutexes that the methods name. Of a Hold, whatever changes is changed
///          under its locker's mutex and that of its place: the segment's, or the long way's when
///          an Entry has it. So one of the two is enough to read it; but that it becomes idle, or
///          is taken again, its locker's alone decides.
class HoldTable {
 public:
  HoldTable(std::uint64_t tokensAbove, const Clock& clock);
  ~HoldTable();
  HoldTable(const HoldTable&) = delete;
  HoldTable& operator=(const HoldTable&) = delete;

  const GrantClock& grants() const { return grants_; }

  // --- The short way ---------------------------------------------------------------------------

  /// Decides what needs nobody's turn: a grant without conflict, something held already. The
  /// token; null when the request has to go the long way, and nothing was done. For what
  /// acquireAgain() and releaseForNow() have left.
  FencingToken acquire(Locker& locker, LockTarget target, LockTerms asked, const Clock& clock)
      NEPHRITE_REQUIRES(locker.mutex);
  ReleasedAtOnce release(Locker& locker, LockTarget target) NEPHRITE_REQUIRES(locker.mutex);

  /// What of it takes nothing but the locker, and calls nobody: a target locked, or locked last, in
  /// the very way that is asked for; a lock that may become idle. Null, and Not: nothing was done.
  /// `shared`: Share is asked for.
  static FencingToken acquireAgain(Locker& locker, LockTarget target, LockTerms asked,
                                   const Clock& clock, bool shared) NEPHRITE_REQUIRES(locker.mutex);
  static ReleasedAtOnce releaseForNow(Locker& locker, LockTarget target)
      NEPHRITE_REQUIRES(locker.mutex);

  /// True when something is left that has to go the long way.
  bool releaseAll(Locker& locker, const ReleaseScope& scope) NEPHRITE_REQUIRES(locker.mutex);

  /// Calls `look` with what it holds, if it does, under a lock of its own: nothing may be called
  /// from it. False when a crowd holds the target: find() knows.
  bool look(const Locker& locker, LockTarget target,
            const std::function<void(const Hold&)>& look) const;
  /// Fills in what `locker` holds. False when a crowd holds the target: find() knows.
  bool held(Locker& locker, LockTarget target, HeldLock& held) NEPHRITE_REQUIRES(locker.mutex);

  // --- The long way: under the mutex of those who wait -----------------------------------------

  /// Null when it has none.
  Entry* entryOf(LockTarget target) const;
  /// From now on `entry` has the holds of its target.
  void contend(Entry& entry);
  /// The chain has them again. Nobody may wait for it.
  void settle(Entry& entry);

  Hold* find(const Locker& locker, LockTarget target) const;
  /// A new hold, the last of the entry's.
  Hold& add(Locker& locker, Entry& entry, const LockRequest& asked, Instant now)
      NEPHRITE_EXCLUDES(locker.mutex);
  /// Out of its entry, and gone.
  void remove(Hold& hold, Entry& entry);
  /// One more grant: the hold is of the type asked for from now on.
  FencingToken upgrade(Hold& hold, const LockRequest& asked);
  /// No grant.
  void change(Hold& hold, HeldTypes types);

  // --- Looking ---------------------------------------------------------------------------------

  /// Where a walk over all holds has come to. Targets are let go and locked between two pages of
  /// it: a hold that is there all the while is seen. When a segment shrinks meanwhile a target may
  /// be visited again, and the later visit counts.
  class Walk {
   public:
    bool isOver() const { return segment_ == kSegments; }

   private:
    friend HoldTable;
    std::size_t segment_ = 0;
    std::uint32_t head_ = 0;  // Counts with its bits reversed: right whatever the mask becomes.
    std::uint32_t mask_ = 0;  // Of the segment when the visit of this head began.
    std::uint64_t visit_ = 0;
    std::optional<LockTarget> target_;  // Of the last hold seen in the chain of the head.
    std::uint64_t acquired_ = 0;        // Of that hold, when more of its target are to come.
  };
  /// At most so many holds are seen while a segment is locked; a crowd comes in parts.
  static constexpr std::size_t kPage = 256;
  static constexpr std::size_t kMostInPage = kPage + Entry::kCrowd;
  /// Of a hold, of the Entry that has it (null: none), and of its visit: all holds of a target have
  /// the same number, and come in no order.
  using Look = FunctionRef<void(const Hold&, const Entry*, std::uint64_t visit)>;
  /// Calls `look` with the holds of the next page, under a lock of the table: it calls nothing and
  /// allocates nothing.
  void lookOn(Walk& walk, Look look) const;
  /// The same with every hold at once, for checks.
  void forEach(const std::function<void(const Hold&)>& look) const;
  void forEachOn(LockTarget target, const std::function<void(const Hold&)>& look) const;
  std::uint64_t lastToken() const;
  /// Stop the process when a chain, or what a locker knows of it, is not as it should be. Under the
  /// mutex of those who wait.
  void checkInvariants() const;
  void checkInvariantsOf(Locker& locker) const;

 private:
  using Link = TaggedPointer<Node>;
  static constexpr std::size_t kSegments = 256;
  static constexpr std::size_t kFewHeads = 4;
  static constexpr std::uint32_t kNodesPerHead = 4;
  static constexpr unsigned kMostBesideNear = 7;  // Each one near costs whoever excludes it.

  struct alignas(64) Segment {
    SpinLock lock;
    std::uint32_t mask NEPHRITE_GUARDED_BY(lock) = kFewHeads - 1;
    std::uint32_t nodes NEPHRITE_GUARDED_BY(lock) = 0;
    std::uint64_t clock NEPHRITE_GUARDED_BY(lock) = 0;
    std::array<Link, kFewHeads> few NEPHRITE_GUARDED_BY(lock){};
    Link* heads NEPHRITE_GUARDED_BY(lock) = few.data();
  };

  Segment& segmentOf(std::uint64_t hash) const { return segments_[hash >> 56]; }
  static void hear(Segment& segment, const Locker& locker)
      NEPHRITE_REQUIRES(segment.lock, locker.mutex) {
    segment.clock = std::max(segment.clock, locker.clock);
  }
  static Link* headOf(Segment& segment, std::uint64_t hash) NEPHRITE_REQUIRES(segment.lock) {
    return &segment.heads[(hash >> 28) & segment.mask];
  }
  /// The link to the first node of `target`, or the null link where it would be.
  static Link* find(Segment& segment, std::uint64_t hash, LockTarget target)
      NEPHRITE_REQUIRES(segment.lock);
  /// Above all that was granted on the target, out of sight too when others have it near.
  static FencingToken nextToken(Segment& segment, Locker& locker, bool amongNear = false)
      NEPHRITE_REQUIRES(segment.lock, locker.mutex);
  static void count(Segment& segment, std::uint32_t more, std::uint32_t fewer)
      NEPHRITE_REQUIRES(segment.lock);
  static void rehash(Segment& segment, std::size_t heads) NEPHRITE_REQUIRES(segment.lock);
  /// Out of its locker's list, and free.
  void drop(Locker& locker, Hold& hold) NEPHRITE_REQUIRES(locker.mutex);
  static void forget(Locker& locker, const Hold& hold) NEPHRITE_REQUIRES(locker.mutex);
  /// Idle from now on, or it has to be let go otherwise.
  static bool becomesIdle(Locker& locker, Hold& hold) NEPHRITE_REQUIRES(locker.mutex);
  /// An idle hold has to go; what an Entry has already is left to whoever made that.
  void evict(Locker& locker, Hold& hold) NEPHRITE_REQUIRES(locker.mutex);
  void evictAll(Locker& locker) NEPHRITE_REQUIRES(locker.mutex);
  /// The holds or the Entry of the smallest target above `above` in a chain; null: there is none.
  static const Node* nextTarget(const Node* chain, std::optional<LockTarget> above);
  static Hold* findInChain(Node* node, const Locker& locker, LockTarget target);
  static HolderPlace& placeOf(const Hold& hold, const Entry& entry) {
    return hold.locker().contended.find(&entry)->second;
  }
  static void keepPlaces(Entry& entry);
  static void note(Entry& entry, Hold& hold);
  static void noteChanged(Segment& segment, Hold& hold) NEPHRITE_REQUIRES(segment.lock);
  static void checkHolders(const Entry& entry);
  /// The entry has the holds of its target since a moment ago: some may be idle. From now on none
  /// of them changes out of sight.
  void settleNear(Entry& entry);

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

inline FencingToken HoldTable::nextToken(Segment& segment, Locker& locker, bool amongNear) {
  const std::uint64_t seen = std::max(segment.clock, locker.clock);
  const std::uint64_t token = amongNear ? locker.grants.readAbove(seen) : seen + 1;
  segment.clock = token;
  locker.clock = token;
  return {token};
}

inline void HoldTable::count(Segment& segment, std::uint32_t more, std::uint32_t fewer) {
  segment.nodes += more - fewer;
  const std::uint32_t heads = segment.mask + 1;
  if (segment.nodes > heads * kNodesPerHead) [[unlikely]] {
    rehash(segment, std::size_t{heads} * 2);
  } else if (heads > kFewHeads && segment.nodes * 2 < heads) [[unlikely]] {
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
  if (locker.hoards()) [[unlikely]]
    evictAll(locker);
}

}  // namespace nephrite::lock_table

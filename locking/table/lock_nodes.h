#pragma once

// Private to locking: what the lock table is made of. Which lock guards what: README.md.

#include <algorithm>
#include <atomic>
#include <boost/container/small_vector.hpp>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/threads.h"
#include "locking/lock_request.h"
#include "locking/lock_rules.h"
#include "locking/table/tagged_pointer.h"
#include "locking/table/wanted.h"

namespace nephrite::lock_table {

namespace intrusive = boost::intrusive;

/// Where a target has its place: neighbours go far apart, by the golden ratio.
inline std::uint64_t hashOf(LockTarget target) { return target.value * 0x9E3779B97F4A7C15u; }

struct Entry;
struct Hold;
struct Locker;
struct Mark;
struct Place;
struct Wait;

/// What a chain of the hold table links: the holds of a target that no request waits for, one
/// after the other, or its Entry.
struct Node {
  LockTarget target;
  TaggedPointer<Node> chain;  ///< Carries type, session type and level of a Hold.

  bool isEntry() const { return (chain.tag() & 7) == 0; }
};

/// A granted lock, in as few bytes as it takes: there may be millions. In its locker's list in the
/// order of acquisition, which an upgrade keeps. Or a retained one: no lock, see HoldTable.
struct Hold : Node {
  TaggedPointer<Hold> before;  ///< Of its locker's list. Carry the halves of the timeout.
  TaggedPointer<Hold> after;

  Locker& locker() const;  // Defined in locker.h.

  FencingToken token() const { return {token_.load(std::memory_order_acquire)}; }
  void setToken(FencingToken token) { token_.store(token.value, std::memory_order_release); }
  bool isRetained() const { return token().value == 0; }
  void setRetained() { setToken({}); }
  /// Rises with each acquisition of its locker, and of its target.
  std::uint64_t acquired() const { return acquired_.load(std::memory_order_relaxed) & ~kMark; }
  /// A Share that may be retained, and reactivated, without its segment.
  bool isRetainable() const { return (acquired_.load(std::memory_order_relaxed) & kMark) != 0; }
  void setAcquired(std::uint64_t acquired, bool retainable) {
    acquired_.store((acquired & ~kMark) | (retainable ? kMark : 0), std::memory_order_relaxed);
  }
  Instant since() const { return Instant{Duration(since_.load(std::memory_order_relaxed))}; }
  void setSince(Instant at) { since_.store(at.sinceStart.count(), std::memory_order_relaxed); }

  LockType type() const { return LockTerms::typeIn(chain.tag()); }
  /// The latest type asked for with Session duration; Get: none.
  LockType sessionType() const { return LockTerms::sessionIn(chain.tag()); }
  HeldTypes types() const { return {type(), sessionType()}; }
  bool isSession() const { return sessionType() != LockType::Get; }
  /// Load and lock states open when it was acquired.
  std::uint16_t level() const { return LockTerms::levelIn(chain.tag()); }
  LockTimeout timeout() const {
    const auto bits = (std::uint32_t{before.tag()} << 16) | after.tag();
    return LockTimeout::ofMilliseconds(static_cast<std::int32_t>(bits));
  }

  void set(LockType type, LockType session, std::uint16_t level) {
    chain.setTag(LockTerms::tagOf(type, session, level));
  }
  void set(HeldTypes types) { set(types.type, types.session, level()); }
  void setTimeout(LockTimeout timeout) {
    const auto bits = static_cast<std::uint32_t>(timeout.number());
    before.setTag(static_cast<std::uint16_t>(bits >> 16));
    after.setTag(static_cast<std::uint16_t>(bits));
  }

 private:
  static constexpr std::uint64_t kMark = std::uint64_t{1} << 63;  // Retainable; of acquired_.

  Atomic<std::uint64_t> acquired_{0};
  Atomic<std::uint64_t> token_{0};  // Last of all written, when it is taken anew.
  std::atomic<std::int64_t> since_{0};
};
static_assert(sizeof(Hold) == 56);

/// The holders of an Entry, in the order of their grants: a ring, known by its last.
class HolderList {
 public:
  class Iterator {
   public:
    Iterator(Hold* at, const Hold* last) : at_(at), last_(last) {}
    Hold& operator*() const { return *at_; }
    Iterator& operator++() {
      at_ = at_ == last_ ? nullptr : after(*at_);
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }

   private:
    Hold* at_;
    const Hold* last_;
  };
  Iterator begin() const { return {empty() ? nullptr : after(*last_), last_}; }
  Iterator end() const { return {nullptr, last_}; }
  bool empty() const { return last_ == nullptr; }
  Hold* last() const { return last_; }
  bool isOneOrNone() const { return empty() || after(*last_) == last_; }

  /// `before` stands before `hold`.
  void remove(Hold& hold, Hold& before) {
    before.chain.set(after(hold));
    if (last_ == &hold) last_ = &before == &hold ? nullptr : &before;
  }
  /// Only of one that is not the only one.
  static Hold& next(const Hold& hold) { return *after(hold); }
  void append(Hold& hold) {
    hold.chain.set(empty() ? &hold : after(*last_));
    if (!empty()) last_->chain.set(&hold);
    last_ = &hold;
  }
  /// `hold` is one of them: looks for it.
  void remove(Hold& hold);
  /// Into the order of acquisition, which retained Shares may have left.
  void sort();
  /// Forgets them all; the first, each linked to the next.
  Hold* release() { return empty() ? nullptr : after(*std::exchange(last_, nullptr)); }

 private:
  static Hold* after(const Hold& hold) { return static_cast<Hold*>(hold.chain.get()); }

  Hold* last_ = nullptr;
};

template <typename List>
using WaitList = intrusive::list<Wait, intrusive::value_traits<TaggedLinks<Wait, List>>,
                                 intrusive::constant_time_size<false>>;
using Queue = WaitList<struct OfEntry>;
using WaitsOfLocker = WaitList<struct OfLocker>;

/// The upgrades of one commit: they are granted one by one, but fail together. While they wait
/// their locker asks for nothing that the commit changes (Cancelled), so that no answer stops being
/// true when they fail; and when it loses a lock of these, there is nothing left to wait for.
struct CommitUpgrade {
  LockRequest request;
  LockDone done;
  std::vector<LockTarget> targets;                    ///< Of all that it changes, sorted.
  boost::container::small_vector<Hold*, 8> upgraded;  ///< Exclusive already.
  std::size_t pending = 0;                            ///< So many are still queued.

  bool isAbout(LockTarget target) const {
    return std::binary_search(targets.begin(), targets.end(), target);
  }
};

/// A request that stands in a queue. Small too: a hot object may have a million of them.
struct Wait : TaggedLink<OfEntry>, TaggedLink<OfLocker> {
  LockDone done;  ///< Empty in a commit's upgrade: the CommitUpgrade has it.
  Instant deadline{};
  std::uint64_t sequence : 41 = 0;  ///< Rises with each wait: breaks ties between deadlines.
  std::uint64_t isMark : 1 = 0;     ///< See Wanted. What it is on its way to: Places::goalOf().
  std::uint64_t isSubtree : 1 = 0;
  std::uint64_t upgrade : 1 = 0;        ///< Stands before the newcomers: see isFavoured().
  std::uint64_t favoured : 1 = 0;       ///< Stands among the newcomers all the same.
  std::uint64_t shareReleased : 1 = 0;  ///< See LockAnswer.

  /// The locker, or an ancestor of it, holds something on the entry: no newcomer is in its way.
  bool isFavoured() const { return upgrade != 0 || favoured != 0; }

  std::int32_t priority() const {
    return static_cast<std::int32_t>(TaggedLink<OfLocker>::beside());
  }
  /// In Deadlines.
  std::uint32_t place() const { return TaggedLink<OfEntry>::beside(); }
  void setPlace(std::uint32_t place) { TaggedLink<OfEntry>::setBeside(place); }

  void ask(const LockRequest& request);
  /// `milliseconds` from its beginning to its deadline.
  void waitFor(Locker& locker, Entry& entry, std::int32_t milliseconds) {
    const auto bits = static_cast<std::uint32_t>(milliseconds);
    locker_.set(&locker, static_cast<std::uint16_t>(bits >> 16));
    entry_.set(&entry, static_cast<std::uint16_t>(bits));
  }
  /// It stands in another queue now.
  void moveTo(Entry& entry) { entry_.set(&entry); }
  Wanted wanted() const { return {type(), isSubtree != 0 && isMark == 0, isMark != 0}; }
  Locker* locker() const { return locker_.get(); }
  Entry* entry() const { return entry_.get(); }
  LockRequest request() const;  ///< As asked; the target is that of the entry.
  LockTimeout timeout() const {
    return hasServerTimeout_ != 0 ? LockTimeout::serverDefined()
                                  : LockTimeout::ofMilliseconds(waitsFor());
  }
  LockType type() const { return static_cast<LockType>(type_); }
  LockDuration duration() const {
    return isSession_ != 0 ? LockDuration::Session : LockDuration::Transaction;
  }
  bool isBackground() const { return background_ != 0; }
  std::uint64_t id() const;  ///< Of the request.
  Instant since() const { return deadline + std::chrono::milliseconds(-std::int64_t{waitsFor()}); }

  /// Null unless it is one of a commit's upgrades.
  CommitUpgrade* commit() const {
    return isOfCommit_ != 0 ? reinterpret_cast<CommitUpgrade*>(idOrCommit_) : nullptr;
  }
  void setCommit(CommitUpgrade& commit) {
    isOfCommit_ = 1;
    idOrCommit_ = reinterpret_cast<std::uint64_t>(&commit);
  }

 private:
  std::int32_t waitsFor() const {
    return static_cast<std::int32_t>((std::uint32_t{locker_.tag()} << 16) | entry_.tag());
  }

  std::uint64_t type_ : 3 = 0;
  std::uint64_t isSession_ : 1 = 0;
  std::uint64_t hasServerTimeout_ : 1 = 0;
  std::uint64_t inState_ : 1 = 0;
  std::uint64_t background_ : 1 = 0;
  std::uint64_t isOfCommit_ : 1 = 0;
  std::uint64_t level_ : 10 = 0;  // As in a Hold.
  std::uint64_t idOrCommit_ = 0;
  TaggedPointer<Locker> locker_;  // Carry the halves of the time that it waits.
  TaggedPointer<Entry> entry_;
};
static_assert(sizeof(Wait) == 104);

}  // namespace nephrite::lock_table

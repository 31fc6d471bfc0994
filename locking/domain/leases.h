#pragma once

// Private to locking. Guarded by the mutex of LockManager.

#include <boost/intrusive/set.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "locking/table/lock_nodes.h"
#include "locking/table/slab.h"

namespace nephrite::lock_table {

/// What a Share had that was let go for Update, which goes on with the Update.
struct ReleasedShare {
  LeaseTerms lease;
  LockScope scope = LockScope::Node;
};

/// The leases of all holds that have one, the one that ends first in front, and those that waiting
/// requests have asked for.
///
/// Costs: to renew changes one number, also when that is of all that activity renews of a locker.
///        Where a lease stands among the others it is told only when
///        it comes to the front, and then once for all renewals since.
class Leases {
 public:
  bool empty() const { return leases_.empty(); }

  /// The terms of the lease of `hold`; none: it has none.
  LeaseTerms termsOf(const Hold& hold) const;
  /// When it ends; empty: it has none.
  std::optional<Instant> endOf(const Hold& hold) const;

  /// From `now` on `hold`, which `entry` has, has a lease of these terms; none: it has none. A
  /// lease that it had already keeps its place among those that end at one moment.
  void set(Hold& hold, Entry& entry, LeaseTerms terms, Instant now);
  /// A lease that was `left` by a descendant; that of the heir, if it has one, ends no earlier.
  struct Left {
    LeaseTerms terms;
    Instant end;
    std::uint64_t made;
  };
  std::optional<Left> leftBy(const Hold& hold) const;
  void inherit(Hold& hold, Entry& entry, const Left& left);
  void remove(const Hold& hold, Entry& entry);
  /// False when it has none, or one that `by` does not renew.
  bool renew(const Hold& hold, Renewal by, Instant now);
  /// Renews all of `locker` that activity renews.
  void renewAll(const Locker& locker, Instant now);

  /// The moment when the first one ends that may; empty: none does.
  std::optional<Instant> nextEnd();
  /// The hold whose lease has ended at or before `now`; null: none has. Its locker keeps what it
  /// has (Locker::keepsLeases): put off, until resume().
  Hold* nextEnded(Instant now);
  /// `locker` may lose its leases again.
  void resume(const Locker& locker);

  bool isAnyWanted() const { return !wanted_.empty(); }
  /// What a waiting request asks for.
  LeaseTerms wantedBy(const Wait& wait) const;
  void want(const Wait& wait, LeaseTerms terms) {
    if (!terms.isNone()) wanted_[&wait].terms = terms;
  }
  /// While it waited, a lock of its locker there lapsed that was held as `types`, with `terms`.
  void noteLapse(const Wait& wait, HeldTypes types, LeaseTerms terms);
  /// The lease of the lock when the request is granted and nothing is held any more.
  LeaseTerms grantedTo(const Wait& wait) const;
  void forget(const Wait& wait) {
    if (!wanted_.empty()) wanted_.erase(&wait);
  }

 private:
  struct Lease : boost::intrusive::set_base_hook<> {
    Hold* hold = nullptr;
    Instant end{};               ///< Without the activity since.
    Instant filed{};             ///< At or before its end: by this it stands among the others.
    std::uint64_t activity = 0;  ///< Of its locker, when `end` was set.
    std::uint64_t made = 0;
    LeaseTerms terms;
    bool isPutOff = false;

    friend bool operator<(const Lease& a, const Lease& b) {
      return a.filed != b.filed ? a.filed < b.filed : a.made < b.made;
    }
  };

  /// What a locker has that activity renews.
  struct Active {
    std::uint64_t count = 0;  ///< How often it was renewed.
    Instant last{};           ///< When.
    std::size_t leases = 0;
  };

  Lease& leaseOf(Hold& hold, Entry& entry);
  Instant endOf(const Lease& lease) const;
  /// From now on it has these terms, and ends then if no more comes.
  void set(Lease& lease, LeaseTerms terms, Instant end);
  void file(Lease& lease);
  void unfile(Lease& lease);
  /// The first, filed by its very end; null: there is none.
  Lease* first();

  Slab<Lease> slab_;
  boost::unordered_flat_map<const Hold*, Lease*> leases_;
  boost::intrusive::set<Lease, boost::intrusive::constant_time_size<false>> byEnd_;
  boost::unordered_flat_map<const Locker*, boost::unordered_flat_set<Lease*>> putOff_;
  boost::unordered_flat_map<const Locker*, Active> active_;
  struct Wanted {
    LeaseTerms terms;
    HeldTypes lapsedTypes;  // Get: nothing lapsed.
    LeaseTerms lapsedTerms;
  };
  boost::unordered_flat_map<const Wait*, Wanted> wanted_;
  std::uint64_t lastMade_ = 0;
};

/// What faces write: the holds that are momentary, of writes that are under way; and the requests
/// of faces that wait for the end of these. Source: docs/locking.md, section 12.
class MomentaryHolds {
 public:
  bool empty() const { return byLocker_.empty(); }
  bool contains(const Hold& hold) const;
  void add(const Hold& hold, Entry& entry);
  /// From now on it is a lock like any other, or gone; harmless when it is none of these.
  void remove(const Hold& hold, Entry& entry);
  /// Those of `locker`; null: it has none.
  using Holds = boost::unordered_flat_set<const Hold*>;
  const Holds* of(const Locker& locker) const;

  void want(const Wait& wait, LockAccess access) {
    if (access != LockAccess::Lock) wanted_.emplace(&wait, access);
  }
  /// Lock: no face asks.
  LockAccess accessOf(const Wait& wait) const {
    if (wanted_.empty()) return LockAccess::Lock;
    const auto found = wanted_.find(&wait);
    return found == wanted_.end() ? LockAccess::Lock : found->second;
  }
  void forget(const Wait& wait) {
    if (!wanted_.empty()) wanted_.erase(&wait);
  }

 private:
  boost::unordered_flat_map<const Locker*, Holds> byLocker_;
  boost::unordered_flat_map<const Wait*, LockAccess> wanted_;
};

}  // namespace nephrite::lock_table

#include "locking/domain/leases.h"

#include <algorithm>

#include "locking/table/locker.h"

namespace nephrite::lock_table {

LeaseTerms Leases::termsOf(const Hold& hold) const {
  const auto found = leases_.find(&hold);
  return found == leases_.end() ? LeaseTerms{} : found->second->terms;
}

std::optional<Instant> Leases::endOf(const Hold& hold) const {
  const auto found = leases_.find(&hold);
  if (found == leases_.end()) return std::nullopt;
  return endOf(*found->second);
}

Instant Leases::endOf(const Lease& lease) const {
  if (lease.terms.renewedBy != Renewal::Activity) return lease.end;
  const Active& active = active_.at(&lease.hold->locker());
  if (active.count == lease.activity) return lease.end;
  return std::max(lease.end, active.last + lease.terms.length);
}

void Leases::set(Lease& lease, LeaseTerms terms, Instant end) {
  const bool was = lease.terms.renewedBy == Renewal::Activity;
  const bool is = terms.renewedBy == Renewal::Activity;
  lease.terms = terms;
  lease.end = end;
  if (!was && !is) return;
  const auto active = active_.try_emplace(&lease.hold->locker()).first;
  lease.activity = active->second.count;
  active->second.leases += (is ? 1u : 0u) - (was ? 1u : 0u);
  if (active->second.leases == 0) active_.erase(active);
}

Leases::Lease& Leases::leaseOf(Hold& hold, Entry& entry) {
  Lease*& lease = leases_[&hold];
  if (lease == nullptr) {
    lease = slab_.make();
    lease->hold = &hold;
    lease->made = ++lastMade_;
    ++entry.leases;
  }
  return *lease;
}

void Leases::file(Lease& lease) {
  lease.filed = endOf(lease);
  byEnd_.insert(lease);
}

void Leases::unfile(Lease& lease) {
  if (lease.is_linked()) byEnd_.erase(byEnd_.iterator_to(lease));
  if (!lease.isPutOff) return;
  lease.isPutOff = false;
  const auto all = putOff_.find(&lease.hold->locker());
  all->second.erase(&lease);
  if (all->second.empty()) putOff_.erase(all);
}

void Leases::set(Hold& hold, Entry& entry, LeaseTerms terms, Instant now) {
  if (terms.isNone()) return remove(hold, entry);
  Lease& lease = leaseOf(hold, entry);
  unfile(lease);
  set(lease, terms, now + terms.length);
  file(lease);
}

std::optional<Leases::Left> Leases::leftBy(const Hold& hold) const {
  const auto found = leases_.find(&hold);
  if (found == leases_.end()) return std::nullopt;
  const Lease& lease = *found->second;
  return Left{lease.terms, endOf(lease), lease.made};
}

void Leases::inherit(Hold& hold, Entry& entry, const Left& left) {
  const bool isNew = !leases_.contains(&hold);
  Lease& lease = leaseOf(hold, entry);
  unfile(lease);
  if (isNew) lease.made = left.made;
  const LeaseTerms terms{
      std::max(lease.terms.length, left.terms.length),
      std::max(isNew ? Renewal::Request : lease.terms.renewedBy, left.terms.renewedBy)};
  set(lease, terms, std::max(endOf(lease), left.end));
  file(lease);
}

void Leases::remove(const Hold& hold, Entry& entry) {
  const auto found = leases_.find(&hold);
  if (found == leases_.end()) return;
  Lease* const lease = found->second;
  unfile(*lease);
  set(*lease, {}, lease->end);
  leases_.erase(found);
  slab_.destroy(lease);
  --entry.leases;
}

bool Leases::renew(const Hold& hold, Renewal by, Instant now) {
  const auto found = leases_.find(&hold);
  if (found == leases_.end()) return false;
  Lease& lease = *found->second;
  if (by > lease.terms.renewedBy) return false;
  set(lease, lease.terms, std::max(endOf(lease), now + lease.terms.length));
  if (!lease.isPutOff) return true;
  unfile(lease);
  file(lease);
  return true;
}

void Leases::renewAll(const Locker& locker, Instant now) {
  const auto active = active_.find(&locker);
  if (active == active_.end()) return;
  ++active->second.count;
  active->second.last = now;
}

Leases::Lease* Leases::first() {
  while (!byEnd_.empty()) {
    Lease& lease = *byEnd_.begin();
    if (lease.filed == endOf(lease)) return &lease;
    byEnd_.erase(byEnd_.begin());
    file(lease);
  }
  return nullptr;
}

std::optional<Instant> Leases::nextEnd() {
  const Lease* const lease = first();
  if (lease == nullptr) return std::nullopt;
  return lease->filed;
}

Hold* Leases::nextEnded(Instant now) {
  for (Lease* lease = first(); lease != nullptr && lease->filed <= now; lease = first()) {
    const Locker& locker = lease->hold->locker();
    if (!locker.keepsLeases) return lease->hold;
    byEnd_.erase(byEnd_.iterator_to(*lease));
    lease->isPutOff = true;
    putOff_[&locker].insert(lease);
  }
  return nullptr;
}

void Leases::resume(const Locker& locker) {
  const auto all = putOff_.find(&locker);
  if (all == putOff_.end()) return;
  for (Lease* const lease : all->second) {
    lease->isPutOff = false;
    file(*lease);
  }
  putOff_.erase(all);
}

LeaseTerms Leases::wantedBy(const Wait& wait) const {
  if (wanted_.empty()) return {};
  const auto found = wanted_.find(&wait);
  return found == wanted_.end() ? LeaseTerms{} : found->second.terms;
}

void Leases::noteLapse(const Wait& wait, HeldTypes types, LeaseTerms terms) {
  Wanted& wanted = wanted_[&wait];
  wanted.lapsedTypes = types;
  wanted.lapsedTerms = terms;
}

LeaseTerms Leases::grantedTo(const Wait& wait) const {
  if (wanted_.empty()) return {};
  const auto found = wanted_.find(&wait);
  if (found == wanted_.end()) return {};
  const Wanted& wanted = found->second;
  return leaseAfterGrant(wanted.lapsedTypes, wanted.lapsedTerms, wait.request().terms(),
                         wanted.terms);
}

// --- Writes that are under way -------------------------------------------------------------------

bool MomentaryHolds::contains(const Hold& hold) const {
  const Holds* const all = of(hold.locker());
  return all != nullptr && all->contains(&hold);
}

void MomentaryHolds::add(const Hold& hold, Entry& entry) {
  byLocker_[&hold.locker()].insert(&hold);
  ++entry.momentary;
}

void MomentaryHolds::remove(const Hold& hold, Entry& entry) {
  if (entry.momentary == 0) return;
  const auto all = byLocker_.find(&hold.locker());
  if (all == byLocker_.end() || all->second.erase(&hold) == 0) return;
  --entry.momentary;
  if (all->second.empty()) byLocker_.erase(all);
}

const MomentaryHolds::Holds* MomentaryHolds::of(const Locker& locker) const {
  const auto all = byLocker_.find(&locker);
  return all == byLocker_.end() ? nullptr : &all->second;
}

}  // namespace nephrite::lock_table

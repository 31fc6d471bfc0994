#pragma once

#include <array>

#include "runtime/database/locked_store.h"
#include "runtime/database/quick_locks.h"

namespace nephrite {

/// A process's lockers in the two lock tables of a LocalDatabase. All of it is here, for a
/// ProcessMachine to make one function of its calls and these.
class LocalQuickLocks final : public QuickLocks {
 public:
  LocalQuickLocks(LockedStore& persistent, LockedStore& shared, LockerId locker)
      : tables_{Table{persistent, persistent.locks().find(locker)},
                Table{shared, shared.locks().find(locker)}} {}

  bool isSignedOn() const { return !(tables_[0].ref == nullptr || tables_[1].ref == nullptr); }

  bool lock(Oid target, LockTerms terms) override {
    const Table& table = tableOf(target);
    return table.objects.lockAtOnce(table.ref, target, terms);
  }
  /// It will be locked and fetched: see ObjectStore.
  void prefetch(Oid target) const { tableOf(target).objects.store().prefetch(target); }
  /// As LockedStore says.
  LatestEdition lockForChange(Oid target, LockTerms terms) const {
    const Table& table = tableOf(target);
    return table.objects.lockForChange(table.ref, target, terms);
  }
  LatestEdition latestEdition(Oid target) const {
    return tableOf(target).objects.latestEdition(target);
  }
  Grant grant(const LockRequest& request, std::uint32_t edition) override {
    const Oid oid = Oid::fromBits(request.target.value);
    const Table& table = tableOf(oid);
    if (!table.objects.lockInMemory(table.ref, oid, request.terms())) return {};
    return {table.objects.locks().held(table.ref, request.target),
            table.objects.isLatest(oid, edition)};
  }
  void noteBegin(Lifetime lifetime) const {
    const Table& table = tableOf(lifetime);
    table.objects.locks().noteBegin(table.ref);
  }
  void noteEnd(Lifetime lifetime) const {
    const Table& table = tableOf(lifetime);
    table.objects.locks().noteEnd(table.ref);
  }
  bool unlock(Oid target) override {
    const Table& table = tableOf(target);
    return table.objects.locks().releaseAtOnce(table.ref, {target.bits()}) !=
           FastRelease::NeedsSlowPath;
  }
  LockType held(Oid target) const override {
    const Table& table = tableOf(target);
    return table.objects.locks().typeHeld(table.ref, {target.bits()});
  }

 private:
  struct Table {
    LockedStore& objects;
    LockerRef ref;
  };
  const Table& tableOf(Oid oid) const { return tableOf(oid.lifetime()); }
  const Table& tableOf(Lifetime lifetime) const {
    return tables_[lifetime == Lifetime::SharedTransient ? 1 : 0];
  }

  const std::array<Table, 2> tables_;
};

}  // namespace nephrite

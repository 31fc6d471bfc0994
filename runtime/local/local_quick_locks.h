#pragma once

#include <array>

#include "runtime/local/object_space.h"
#include "runtime/local/quick_locks.h"

namespace nephrite {

/// A process's seats at the two lock tables of a LocalDatabase. All of it is here, for a Session to
/// make one function of its calls and these.
class LocalQuickLocks final : public QuickLocks {
 public:
  LocalQuickLocks(ObjectSpace& persistent, ObjectSpace& shared, LockerId locker)
      : tables_{Table{persistent, persistent.locks().seatOf(locker)},
                Table{shared, shared.locks().seatOf(locker)}} {}

  bool isSignedOn() const { return !(tables_[0].seat == nullptr || tables_[1].seat == nullptr); }

  bool lock(Oid target, LockTerms terms) override {
    const Table& table = tableOf(target);
    return table.space.lockAtOnce(table.seat, target, terms);
  }
  /// It will be locked and fetched: see ObjectStore.
  void expectFetch(Oid target) const { tableOf(target).space.store().expectFetch(target); }
  /// As ObjectSpace says.
  LatestEdition lockForChange(Oid target, LockTerms terms) const {
    const Table& table = tableOf(target);
    return table.space.lockForChange(table.seat, target, terms);
  }
  LatestEdition latestEdition(Oid target) const {
    return tableOf(target).space.latestEdition(target);
  }
  Grant grant(const LockRequest& request, std::uint32_t edition) override {
    const Oid oid = Oid::fromBits(request.target.value);
    const Table& table = tableOf(oid);
    if (!table.space.lockInMemory(table.seat, oid, request.terms())) return {};
    return {table.space.locks().held(table.seat, request.target),
            table.space.isLatest(oid, edition)};
  }
  bool unlock(Oid target) override {
    const Table& table = tableOf(target);
    return table.space.locks().releaseAtOnce(table.seat, {target.bits()}) != ReleasedAtOnce::Not;
  }
  LockType held(Oid target) const override {
    const Table& table = tableOf(target);
    return table.space.locks().typeHeld(table.seat, {target.bits()});
  }

 private:
  struct Table {
    ObjectSpace& space;
    LockSeat seat;
  };
  const Table& tableOf(Oid oid) const {
    return tables_[oid.lifetime() == Lifetime::Persistent ? 0 : 1];
  }

  const std::array<Table, 2> tables_;
};

}  // namespace nephrite

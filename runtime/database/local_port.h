#pragma once

#include "runtime/database/local_database.h"
#include "runtime/database/lock_timer.h"
#include "runtime/database/locker_port.h"

namespace nephrite {

/// The port of one process to the database in this very program: both lock tables are here.
class LocalPort final : public LockerPort {
 public:
  /// The parts of the database that a port uses.
  struct Parts {
    LocalDatabase& database;
    LockedStore& persistent;
    LockedStore& shared;
    FamilyChanges& families;
    LapseWatch& lapseWatch;
  };
  LocalPort(LockerId locker, const Parts& parts)
      : LockerPort(locker, tableIn(parts.persistent, locker), tableIn(parts.shared, locker)),
        parts_(parts) {}

  void lock(const ObjectLockRequest& order, LockReplyDone done) override;
  void lockAll(ObjectLockBatch orders, LockAllDone done) override;
  void cancel(std::uint64_t requestId) override;
  bool unlock(Oid target) override;
  void releaseTransactionLocks(Lifetime lifetime) override;
  void releaseLevel(Lifetime lifetime, std::uint16_t level) override;
  std::optional<LockInfo> lockStatus(Oid target) const override;
  std::optional<RequestFailure> lostLock(Oid target) const override;
  bool renew(Oid target, Renewal by) override;
  std::uint64_t lapses(Lifetime lifetime) const override;
  std::optional<RequestFailure> lapsedSince(Oid target, std::uint64_t lapses) const override;
  void forgetLapses() override;
  void whenLapsed(std::function<void(const LockAnswer&)> told) override;
  RecordPtr fetch(Oid oid) override;
  void commit(CommitRequest request, CommitDone done) override;
  FamilyChanges* families() override { return &parts_.families; }
  void signOff() override;
  void signOffToParent(Heritage heritage) override;

 private:
  LockedStore& objectsOf(Lifetime lifetime) const {
    return lifetime == Lifetime::SharedTransient ? parts_.shared : parts_.persistent;
  }
  LockedStore& objectsOf(Oid oid) const { return objectsOf(oid.lifetime()); }

  const Parts parts_;
};

}  // namespace nephrite

#pragma once

#include "runtime/database/local_database.h"
#include "runtime/database/locker_port.h"
#include "tests/network/record.h"

namespace nephrite {

/// The server's database, with each call that changes locks or objects told to the Record, and each
/// answer.
class RecordedDatabase final : public Database {
 public:
  /// Both must outlive this.
  RecordedDatabase(LocalDatabase& real, Record& record) : real_(real), record_(record) {}

  /// Ends the waits that are due.
  void passTime();
  /// What was done by other ways than these calls, a moment ago.
  void lockedAtOnce(const ObjectLockRequest& order);
  void unlockedAtOnce(LockerId locker, Oid target);

  void signOnNode(const NodeSignOn& who, std::function<void(const NodeReply&)> done) override {
    real_.signOnNode(who, std::move(done));
  }
  void signOffNode(Oid node) override;
  void signOnProcess(const ProcessSignOn& who,
                     std::function<void(const ProcessReply&)> done) override;
  void signOffProcess(LockerId locker) override;
  std::shared_ptr<LockerPort> port(LockerId locker) override;
  /// Not played here.
  void resource(const std::string& name, std::function<void(const ResourceReply&)> done) override {
    real_.resource(name, std::move(done));
  }
  ProcessInfo describe(LockerId locker) const override { return real_.describe(locker); }
  std::vector<NodeInfo> nodes() const override { return real_.nodes(); }
  std::vector<ProcessInfo> processes() const override { return real_.processes(); }
  Oid system() const override { return real_.system(); }
  Oid systemNodes() const override { return real_.systemNodes(); }

  std::shared_ptr<const Schema> latestSchema() const override { return real_.latestSchema(); }
  std::shared_ptr<const Schema> schema() const override { return real_.schema(); }
  std::shared_ptr<const ClassDef> defineClass(const ClassDef& wanted) override {
    return real_.defineClass(wanted);
  }
  Oid newOid(Lifetime lifetime, Oid::ClassNumber number) override {
    return real_.newOid(lifetime, number);
  }
  RecordPtr fetch(Oid oid) const override { return real_.fetch(oid); }
  std::vector<Oid> instances(Oid::ClassNumber number, Oid after, std::size_t most) const override {
    return real_.instances(number, after, most);
  }
  CommitOutcome commitOutcome(const CommitId& commit) override;

  std::vector<LockInfo> locksHeld(Lifetime lifetime, std::size_t most) const override {
    return real_.locksHeld(lifetime, most);
  }
  std::vector<LockInfo> queuedRequests(Lifetime lifetime, std::size_t most) const override {
    return real_.queuedRequests(lifetime, most);
  }
  std::vector<LockInfo> locksOn(Oid target) const override { return real_.locksOn(target); }
  LockPage listLocks(Lifetime lifetime, const LockQuery& query, const LockCursor& after,
                     std::size_t most) const override {
    return real_.listLocks(lifetime, query, after, most);
  }
  std::vector<LockInfo> locksOf(LockerId locker, Lifetime lifetime) const override {
    return real_.locksOf(locker, lifetime);
  }
  LockStatistics lockStatistics(Lifetime lifetime) const override {
    return real_.lockStatistics(lifetime);
  }
  std::vector<DeadlockRecord> deadlocks(Lifetime lifetime, std::size_t most) const override {
    return real_.deadlocks(lifetime, most);
  }

  bool beginContentionStats(LockerId starter, std::size_t size) override {
    return real_.beginContentionStats(starter, size);
  }
  bool clearContentionStats(LockerId locker) override { return real_.clearContentionStats(locker); }
  bool endContentionStats(LockerId locker) override { return real_.endContentionStats(locker); }
  LockContentionState contentionState() const override { return real_.contentionState(); }
  std::vector<LockContentionInfo> contentionStats(std::size_t most,
                                                  std::uint64_t least) const override {
    return real_.contentionStats(most, least);
  }
  LockContentionInfo contentionOf(Oid target) const override { return real_.contentionOf(target); }

  bool breakLock(LockerId locker, Oid target, const Operator& by) override;
  bool forceSignOff(LockerId locker, const Operator& by) override;

  const Clock& clock() const override { return real_.clock(); }

 private:
  class Port;

  LocalDatabase& real_;
  Record& record_;
};

}  // namespace nephrite

#include "tests/network/recorded_database.h"

#include <algorithm>
#include <utility>

namespace nephrite {

/// What a process asks, told to the Record. What a resident does at once it tells by itself, and
/// its port has the tables for that.
class RecordedDatabase::Port final : public LockerPort {
 public:
  Port(std::shared_ptr<LockerPort> real, RecordedDatabase& database, bool isResident)
      : LockerPort(*real, isResident), real_(std::move(real)), database_(database) {}

  void lock(const ObjectLockRequest& order, LockReplyDone done) override;
  void lockAll(ObjectLockBatch orders, LockAllDone done) override;
  void cancel(std::uint64_t requestId) override;
  bool unlock(Oid target) override;
  void releaseTransactionLocks(Lifetime lifetime) override;
  void releaseLevel(Lifetime lifetime, std::uint16_t level) override;
  std::optional<LockInfo> lockStatus(Oid target) const override {
    return real_->lockStatus(target);
  }
  bool renew(Oid target, Renewal by) override;
  std::uint64_t lapses(Lifetime lifetime) const override { return real_->lapses(lifetime); }
  std::optional<RequestFailure> lapsedSince(Oid target, std::uint64_t before) const override {
    return real_->lapsedSince(target, before);
  }
  void forgetLapses() override { real_->forgetLapses(); }
  void whenLapsed(std::function<void(const LockAnswer&)> told) override {
    real_->whenLapsed(std::move(told));
  }
  RecordPtr fetch(Oid oid) override { return real_->fetch(oid); }
  void commit(CommitRequest request, CommitDone done) override;
  void signOff() override { database_.signOffProcess(locker()); }
  void signOffToParent(Heritage heritage) override;

 private:
  Grant grantRemotely(const LockRequest& request, std::uint32_t edition) override {
    database_.passTime();
    const Grant granted = real_->grant(request, edition);
    if (granted.held.type == LockType::Get) return granted;
    database_.lockedAtOnce({request});
    return granted;
  }
  bool tryUnlockRemotely(Oid target) override {
    database_.passTime();
    if (!real_->tryUnlock(target)) return false;
    database_.unlockedAtOnce(locker(), target);
    return true;
  }
  LockType heldRemotely(Oid target) const override { return real_->held(target); }
  Record& record() const { return database_.record_; }

  const std::shared_ptr<LockerPort> real_;
  RecordedDatabase& database_;
};

std::shared_ptr<LockerPort> RecordedDatabase::port(LockerId locker) {
  auto real = real_.port(locker);
  const bool isResident = real->isSignedOn() && record_.isResident(locker);
  return std::make_shared<Port>(std::move(real), *this, isResident);
}

void RecordedDatabase::lockedAtOnce(const ObjectLockRequest& order) {
  const Oid target = Oid::fromBits(order.request.target.value);
  const auto step = record_.beganLock(order);
  LockReply reply;
  reply.lock.request = order.request;
  const auto held = real_.port(order.request.locker)->lockStatus(target);
  if (held) reply.lock.token = held->token;
  reply.record = real_.fetch(target);
  record_.answered(step, reply);
  record_.ended(step);
}

void RecordedDatabase::unlockedAtOnce(LockerId locker, Oid target) {
  record_.ended(record_.beganUnlock(locker, target));
}

void RecordedDatabase::passTime() {
  const auto step = record_.beganTime();
  while (real_.expireNext(real_.clock().now())) {
  }
  record_.ended(step);
}

void RecordedDatabase::signOnProcess(const ProcessSignOn& who,
                                     std::function<void(const ProcessReply&)> done) {
  real_.signOnProcess(who, [this, done = std::move(done)](const ProcessReply& reply) {
    if (reply.process) {
      passTime();
      record_.addProcess(*reply.process);
    }
    done(reply);
  });
}

void RecordedDatabase::signOffNode(Oid node) {
  passTime();
  // One after the other, so that each has a line of its own.
  const std::vector<ProcessInfo> all = real_.processes();
  const std::vector<NodeInfo> nodes = real_.nodes();
  for (const NodeInfo& known : nodes) {
    if (known.oid != node) continue;
    const RecordPtr dictionary = real_.fetch(known.processes);
    for (const ProcessInfo& process : all) {
      const auto& members = dictionary->members;
      const bool isOfIt = std::any_of(members.begin(), members.end(), [&](const auto& member) {
        return member.member == process.oid;
      });
      if (isOfIt) signOffProcess(process.locker);
    }
  }
  real_.signOffNode(node);
}

void RecordedDatabase::signOffProcess(LockerId locker) {
  passTime();
  const auto step = record_.beganSignOff(locker);
  real_.signOffProcess(locker);
  record_.ended(step);
}

void RecordedDatabase::Port::signOffToParent(Heritage heritage) {
  database_.passTime();
  const auto step = record().beganSignOff(locker(), heritage.level);
  real_->signOffToParent(std::move(heritage));
  record().ended(step);
}

bool RecordedDatabase::Port::renew(Oid target, Renewal by) {
  database_.passTime();
  bool expected = false;
  const auto step = record().beganRenew(locker(), target, expected);
  const bool renewed = real_->renew(target, by);
  record().ended(step);
  record().renewed(locker(), target, renewed, expected);
  return renewed;
}

void RecordedDatabase::Port::lock(const ObjectLockRequest& order, LockReplyDone done) {
  database_.passTime();
  const auto step = record().beganLock(order);
  real_->lock(order, [&record = record(), step, done = std::move(done)](const LockReply& reply) {
    record.answered(step, reply);
    done(reply);
  });
  record().ended(step);
}

void RecordedDatabase::Port::lockAll(ObjectLockBatch orders, LockAllDone done) {
  database_.passTime();
  const auto step = record().beganLockAll(orders);
  real_->lockAll(std::move(orders),
                 [&record = record(), step, done = std::move(done)](const LockAllReply& reply) {
                   record.answered(step, reply);
                   done(reply);
                 });
  record().ended(step);
}

void RecordedDatabase::Port::cancel(std::uint64_t requestId) {
  database_.passTime();
  const auto step = record().beganCancel(locker(), requestId);
  real_->cancel(requestId);
  record().ended(step);
}

bool RecordedDatabase::Port::unlock(Oid target) {
  database_.passTime();
  const auto step = record().beganUnlock(locker(), target);
  const bool released = real_->unlock(target);
  record().ended(step);
  return released;
}

void RecordedDatabase::Port::releaseTransactionLocks(Lifetime lifetime) {
  if (lifetime != Lifetime::Persistent) return real_->releaseTransactionLocks(lifetime);
  database_.passTime();
  const auto step = record().beganRelease(locker());
  real_->releaseTransactionLocks(lifetime);
  record().ended(step);
}

void RecordedDatabase::Port::releaseLevel(Lifetime lifetime, std::uint16_t level) {
  if (lifetime != Lifetime::Persistent) return real_->releaseLevel(lifetime, level);
  database_.passTime();
  const auto step = record().beganLevel(locker(), level);
  real_->releaseLevel(lifetime, level);
  record().ended(step);
}

void RecordedDatabase::Port::commit(CommitRequest request, CommitDone done) {
  database_.passTime();
  const auto step = record().beganCommit(request, *real_);
  const CommitRequest asked = request;
  real_->commit(std::move(request), [&record = record(), step, asked,
                                     done = std::move(done)](const CommitReply& reply) {
    record.answered(step, asked, reply);
    done(reply);
  });
  record().ended(step);
}

CommitOutcome RecordedDatabase::commitOutcome(const CommitId& commit) {
  signOffProcess({commit.process});
  const CommitOutcome outcome = real_.commitOutcome(commit);
  if (outcome == CommitOutcome::NotCommitted) record_.toldNotCommitted(commit);
  return outcome;
}

bool RecordedDatabase::breakLock(LockerId locker, Oid target, const Operator& by) {
  passTime();
  record_.robs(locker, target);
  const auto step = record_.beganUnlock(locker, target);
  const bool released = real_.breakLock(locker, target, by);
  if (released) record_.broke(locker, target);
  record_.ended(step);
  return released;
}

bool RecordedDatabase::forceSignOff(LockerId locker, const Operator& by) {
  passTime();
  const std::vector<LockerId> family = record_.familyOf(locker);
  const auto step = record_.beganSignOff(locker);
  const bool done = real_.forceSignOff(locker, by);
  for (const LockerId each : family) {
    if (done) record_.forcedOff(each);
  }
  record_.ended(step);
  return done;
}

}  // namespace nephrite

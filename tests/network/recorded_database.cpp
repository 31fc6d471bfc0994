#include "tests/network/recorded_database.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace nephrite {
namespace {

/// What takes the fast path, told to the Record when it was done.
class RecordedQuickLocks final : public QuickLocks {
 public:
  RecordedQuickLocks(std::shared_ptr<QuickLocks> real, LockerId locker, RecordedDatabase& database)
      : real_(std::move(real)), locker_(locker), database_(database) {}

  bool lock(Oid, LockTerms) override { throw std::logic_error("the server asks for what is held"); }
  Grant grant(const LockRequest& request, std::uint32_t edition) override {
    database_.passTime();
    const Grant granted = real_->grant(request, edition);
    if (granted.held.type == LockType::Get) return granted;
    database_.lockedAtOnce({request});
    return granted;
  }
  bool unlock(Oid target) override {
    database_.passTime();
    if (!real_->unlock(target)) return false;
    database_.unlockedAtOnce(locker_, target);
    return true;
  }
  LockType held(Oid target) const override { return real_->held(target); }

 private:
  const std::shared_ptr<QuickLocks> real_;
  const LockerId locker_;
  RecordedDatabase& database_;
};

}  // namespace

std::shared_ptr<QuickLocks> RecordedDatabase::quickLocks(LockerId locker) {
  auto real = real_.quickLocks(locker);
  if (real == nullptr || record_.isResident(locker)) return real;
  return std::make_shared<RecordedQuickLocks>(std::move(real), locker, *this);
}

void RecordedDatabase::lockedAtOnce(const ObjectLockRequest& order) {
  const Oid target = Oid::fromBits(order.request.target.value);
  const auto step = record_.beganLock(order);
  LockReply reply;
  reply.lock.request = order.request;
  const auto held = real_.lockStatus(order.request.locker, target);
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

void RecordedDatabase::signOffToParent(LockerId locker, Heritage heritage) {
  passTime();
  const auto step = record_.beganSignOff(locker, heritage.level);
  real_.signOffToParent(locker, std::move(heritage));
  record_.ended(step);
}

bool RecordedDatabase::renew(LockerId locker, Oid target, Renewal by) {
  passTime();
  bool expected = false;
  const auto step = record_.beganRenew(locker, target, expected);
  const bool renewed = real_.renew(locker, target, by);
  record_.ended(step);
  record_.renewed(locker, target, renewed, expected);
  return renewed;
}

void RecordedDatabase::lock(const ObjectLockRequest& order, LockReplyDone done) {
  passTime();
  const auto step = record_.beganLock(order);
  real_.lock(order, [this, step, done = std::move(done)](const LockReply& reply) {
    record_.answered(step, reply);
    done(reply);
  });
  record_.ended(step);
}

void RecordedDatabase::lockAll(ObjectLockBatch orders, LockAllDone done) {
  passTime();
  const auto step = record_.beganLockAll(orders);
  real_.lockAll(std::move(orders), [this, step, done = std::move(done)](const LockAllReply& reply) {
    record_.answered(step, reply);
    done(reply);
  });
  record_.ended(step);
}

void RecordedDatabase::cancel(LockerId locker, std::uint64_t requestId) {
  passTime();
  const auto step = record_.beganCancel(locker, requestId);
  real_.cancel(locker, requestId);
  record_.ended(step);
}

bool RecordedDatabase::unlock(LockerId locker, Oid target) {
  passTime();
  const auto step = record_.beganUnlock(locker, target);
  const bool released = real_.unlock(locker, target);
  record_.ended(step);
  return released;
}

void RecordedDatabase::releaseTransactionLocks(LockerId locker, Lifetime lifetime) {
  if (lifetime != Lifetime::Persistent) return real_.releaseTransactionLocks(locker, lifetime);
  passTime();
  const auto step = record_.beganRelease(locker);
  real_.releaseTransactionLocks(locker, lifetime);
  record_.ended(step);
}

void RecordedDatabase::releaseLevel(LockerId locker, Lifetime lifetime, std::uint16_t level) {
  if (lifetime != Lifetime::Persistent) return real_.releaseLevel(locker, lifetime, level);
  passTime();
  const auto step = record_.beganLevel(locker, level);
  real_.releaseLevel(locker, lifetime, level);
  record_.ended(step);
}

void RecordedDatabase::commit(CommitRequest request, CommitDone done) {
  passTime();
  const auto step = record_.beganCommit(request, real_);
  const CommitRequest asked = request;
  real_.commit(std::move(request),
               [this, step, asked, done = std::move(done)](const CommitReply& reply) {
                 record_.answered(step, asked, reply);
                 done(reply);
               });
  record_.ended(step);
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

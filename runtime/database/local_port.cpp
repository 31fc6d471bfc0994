#include "runtime/database/local_port.h"

#include <utility>

namespace nephrite {

// --- Locks ---------------------------------------------------------------------------------------

void LocalPort::lock(const ObjectLockRequest& order, LockReplyDone done) {
  const Oid target = Oid::fromBits(order.request.target.value);
  noteActivity();
  noteLease(order.request.lease, target);
  objectsOf(target).lock(order, std::move(done));
}

void LocalPort::lockAll(ObjectLockBatch orders, LockAllDone done) {
  noteActivity();
  if (orders.targets.empty()) return done({});
  const Oid first = orders.targets.front().oid;
  noteLease(orders.request.lease, first);
  objectsOf(first).lockAll(std::move(orders), std::move(done));
}

void LocalPort::cancel(std::uint64_t requestId) {
  noteActivity();
  parts_.persistent.cancel(locker(), requestId);
  parts_.shared.cancel(locker(), requestId);
}

bool LocalPort::unlock(Oid target) {
  noteActivity();
  return objectsOf(target).unlock(locker(), target);
}

void LocalPort::releaseTransactionLocks(Lifetime lifetime) {
  noteActivity();
  objectsOf(lifetime).releaseTransactionLocks(locker());
}

void LocalPort::releaseLevel(Lifetime lifetime, std::uint16_t level) {
  noteActivity();
  objectsOf(lifetime).releaseLevel(locker(), level);
}

std::optional<LockInfo> LocalPort::lockStatus(Oid target) const {
  return objectsOf(target).lockStatus(locker(), target);
}

std::optional<RequestFailure> LocalPort::lostLock(Oid target) const {
  return objectsOf(target).lostLock(locker(), target);
}

// --- Leases --------------------------------------------------------------------------------------

bool LocalPort::renew(Oid target, Renewal by) {
  noteActivity();
  return objectsOf(target).renew(locker(), target, by);
}

std::uint64_t LocalPort::lapses(Lifetime lifetime) const { return objectsOf(lifetime).lapses(); }

std::optional<RequestFailure> LocalPort::lapsedSince(Oid target, std::uint64_t lapses) const {
  return objectsOf(target).lapsedSince(locker(), target, lapses);
}

void LocalPort::forgetLapses() {
  parts_.persistent.forgetLapses(locker());
  parts_.shared.forgetLapses(locker());
}

void LocalPort::whenLapsed(std::function<void(const LockAnswer&)> told) {
  parts_.lapseWatch.watch(locker(), std::move(told));
}

// --- Objects, and the end ------------------------------------------------------------------------

RecordPtr LocalPort::fetch(Oid oid) {
  noteActivity();
  return objectsOf(oid).fetch(oid);
}

void LocalPort::commit(CommitRequest request, CommitDone done) {
  noteActivity();
  LockedStore& objects = objectsOf(request.lifetime);
  objects.commit(std::move(request), std::move(done));
}

void LocalPort::signOff() { parts_.database.signOffProcess(locker()); }

void LocalPort::signOffToParent(Heritage heritage) {
  parts_.database.signOffToParent(locker(), std::move(heritage));
}

}  // namespace nephrite

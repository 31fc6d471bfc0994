// The part of RemoteDatabase that is a process's: its port, its family, its leases and resources;
// and how it leaves.

#include <utility>

#include "base/log.h"
#include "node/client/remote_database.h"
#include "runtime/database/sign_on_names.h"

namespace nephrite {

// --- Ports ---------------------------------------------------------------------------------------

/// The port of one process of a client node. Its locks on shared transients are in a table here;
/// of the others it answers at once what HeldLocks and the cache know.
class RemoteDatabase::Port final : public LockerPort {
 public:
  Port(RemoteDatabase& database, LockerId locker)
      : LockerPort(locker, {}, tableIn(*database.shared_, locker)), database_(database) {}

  void lock(const ObjectLockRequest& order, LockReplyDone done) override {
    noteActivity();
    noteLease(order.request.lease, Oid::fromBits(order.request.target.value));
    database_.lock(order, std::move(done));
  }
  void lockAll(ObjectLockBatch orders, LockAllDone done) override {
    noteActivity();
    if (!orders.targets.empty()) noteLease(orders.request.lease, orders.targets.front().oid);
    database_.lockAll(std::move(orders), std::move(done));
  }
  void cancel(std::uint64_t requestId) override {
    noteActivity();
    database_.cancel(locker(), requestId);
  }
  bool unlock(Oid target) override {
    noteActivity();
    return database_.unlock(locker(), target);
  }
  void releaseTransactionLocks(Lifetime lifetime) override {
    noteActivity();
    database_.releaseTransactionLocks(locker(), lifetime);
  }
  void releaseLevel(Lifetime lifetime, std::uint16_t level) override {
    noteActivity();
    database_.releaseLevel(locker(), lifetime, level);
  }
  std::optional<LockInfo> lockStatus(Oid target) const override {
    return database_.lockStatus(locker(), target);
  }
  std::vector<bool> mayHold(std::span<const Oid> targets) const override {
    return database_.mayHold(locker(), targets);
  }
  bool renew(Oid target, Renewal by) override {
    noteActivity();
    return database_.renew(locker(), target, by);
  }
  std::uint64_t lapses(Lifetime lifetime) const override { return database_.lapses(lifetime); }
  std::optional<RequestFailure> lapsedSince(Oid target, std::uint64_t lapses) const override {
    return database_.lapsedSince(locker(), target, lapses);
  }
  void forgetLapses() override { database_.forgetLapses(locker()); }
  void whenLapsed(std::function<void(const LockAnswer&)> told) override {
    database_.whenLapsed(locker(), std::move(told));
  }
  RecordPtr fetch(Oid oid) override {
    noteActivity();
    checkReach();
    return database_.fetch(oid);
  }
  void checkReach() const override { database_.checkReach(locker()); }
  void commit(CommitRequest request, CommitDone done) override {
    noteActivity();
    database_.commit(std::move(request), std::move(done));
  }
  FamilyChanges* families() override { return &database_.families_; }
  void signOff() override { database_.signOffProcess(locker()); }
  void signOffToParent(Heritage heritage) override {
    database_.signOffToParent(locker(), std::move(heritage));
  }

 private:
  bool tryLockRemotely(Oid target, LockTerms terms) override {
    if (!database_.isHeldAsAsked(locker(), target, terms)) return false;
    noteActivity();
    return true;
  }
  LockType heldRemotely(Oid target) const override { return database_.typeHeld(locker(), target); }
  // The server does not see what is answered here, nor by whom an object is read.
  void keepAliveRemotely() override {
    if (activityLease().lifetime() == Lifetime::SharedTransient) return;
    const std::int64_t now = database_.clock_.now().sinceStart.count();
    std::int64_t before = lastTold_.load(std::memory_order_relaxed);
    if (now - before < Duration(kBetweenTelling).count()) return;
    if (!lastTold_.compare_exchange_strong(before, now, std::memory_order_relaxed)) return;
    database_.session_->tell(wire::Renew{0, locker(), activityLease(), Renewal::Activity});
  }

  /// A lease is a whole number of these.
  static constexpr std::chrono::milliseconds kBetweenTelling{1};

  RemoteDatabase& database_;
  std::atomic<std::int64_t> lastTold_{-Duration(kBetweenTelling).count()};
};

std::shared_ptr<LockerPort> RemoteDatabase::port(LockerId locker) {
  return std::make_shared<Port>(*this, locker);
}

// --- Families ------------------------------------------------------------------------------------

bool RemoteDatabase::takeIn(LockerId locker, Oid node, LockerId parent) {
  if (shared_->signOn(locker, parent) != LockManager::SignOn::Done) {
    session_->tell(wire::SignOffProcess{locker});
    return false;
  }
  if (!parent.isNull()) families_.join(locker, parent);
  MutexLock hold(mutex_);
  lockers_[locker.value] = {node, std::nullopt};
  return true;
}

void RemoteDatabase::signOffProcess(LockerId locker) { signOff(locker, std::nullopt); }

// What is inherited the server decides, and says (LocksInherited).
void RemoteDatabase::signOffToParent(LockerId locker, Heritage heritage) {
  signOff(locker, heritage.level);
}

void RemoteDatabase::signOff(LockerId locker, std::optional<std::uint16_t> level) {
  const LockerId parent = shared_->locks().parentOf(locker);
  const std::vector<LockerId> descendants = shared_->locks().descendantsOf(locker);
  bool isHere = false;
  {
    MutexLock hold(mutex_);
    const auto leaves = [this](LockerId each) NEPHRITE_REQUIRES(mutex_) {
      const auto known = lockers_.find(each.value);
      if (known == lockers_.end()) return false;
      if (known->second.lost) --lostLockers_;
      lockers_.erase(known);
      return true;
    };
    isHere = leaves(locker);
    if (isHere) {
      for (const LockerId each : descendants) leaves(each);
    }
  }
  if (!isHere) return forget(locker);  // It went with its parent, and may still be answered.
  if (level && !parent.isNull()) {
    // What the heir gets now it did not hold before any commit.
    for (const Oid left : held_.allOf(locker))
      if (!held_.mayHold(parent, left)) families_.granted(parent, left);
    session_->tell(wire::SignOffProcess{locker, true, *level}, [&](std::uint64_t number) {
      if (number != 0) held_.inherited(locker, parent, number);
    });
  } else {
    session_->tell(wire::SignOffProcess{locker});
  }
  shared_->signOff(locker, level ? std::optional(Heritage{*level}) : std::nullopt);
  // What these still ask for the server answers: it knows what became of their commits.
  for (const LockerId each : descendants) forgetLocks(each);
  forget(locker);
}

void RemoteDatabase::signOffNode(Oid node) {
  std::vector<LockerId> gone;
  {
    MutexLock hold(mutex_);
    for (const auto& [locker, known] : lockers_)
      if (known.node == node) gone.push_back({locker});
  }
  session_->tell(wire::SignOffNode{node});
  for (const LockerId locker : gone) signOff(locker, std::nullopt);
}

// It is gone at the server, and has not signed off here: it is told so whatever it asks for.
void RemoteDatabase::loses(LockerId locker, const RequestFailure& why) {
  std::vector<LockerId> family = shared_->locks().descendantsOf(locker);
  family.push_back(locker);
  for (const LockerId each : family) {
    {
      MutexLock hold(mutex_);
      const auto known = lockers_.find(each.value);
      if (known == lockers_.end() || known->second.lost) continue;
      known->second.lost = why;
      ++lostLockers_;
    }
    held_.forget(each);
    shared_->signOff(each);
    session_->giveUp(each.value, why);
    lapsed_.forget(each);
    forgetLateGrants([each](LockerId of) { return of == each; });
  }
}

// Its waits end here and now, not when the server comes to say so: an application whose process has
// signed off may close what its callbacks use.
void RemoteDatabase::forget(LockerId locker) {
  session_->giveUp(locker.value, {ErrorCode::WaitCancelled, "the process has signed off"});
  forgetLocks(locker);
}

void RemoteDatabase::forgetLocks(LockerId locker) {
  held_.forget(locker);
  families_.leave(locker);
  lapsed_.forget(locker);
  lapseWatch_.forget(locker);
  forgetLateGrants([locker](LockerId of) { return of == locker; });
}

void RemoteDatabase::inherited(const wire::LocksInherited& left, const Arrived& arrived) {
  std::vector<Oid> targets;
  std::vector<ClientLock> locks;
  for (const LockInfo& lock : left.locks) {
    targets.push_back(Oid::fromBits(lock.target.value));
    locks.emplace_back(lock);
  }
  {
    MutexLock hold(mutex_);
    if (!lockers_.contains(left.locker.value)) return;
  }
  held_.told(left.locker, targets, locks, arrived.acknowledged);
}

void RemoteDatabase::noteCommit(const CommitRequest& request) {
  const LockerId committer = request.upgrade.locker;
  if (families_.isEmpty() || !families_.hasRelatives(committer)) return;
  std::vector<LockerId> lockers;
  {
    MutexLock hold(mutex_);
    for (const auto& [locker, known] : lockers_) lockers.push_back({locker});
  }
  for (const ObjectChange& change : request.changes.changes) {
    if (change.kind == ChangeKind::Create) continue;
    const Oid oid = change.record->oid;
    std::vector<LockerId> holders;
    for (const LockerId locker : lockers)
      if (held_.mayHold(locker, oid)) holders.push_back(locker);
    if (change.kind == ChangeKind::Delete) {  // Their locks have ended with it.
      for (const LockerId holder : holders) held_.taken(holder, oid);
      continue;
    }
    families_.committed(committer, oid, holders);
  }
}

// --- Leases --------------------------------------------------------------------------------------

bool RemoteDatabase::renew(LockerId locker, Oid target, Renewal by) {
  if (target.lifetime() == Lifetime::SharedTransient) return shared_->renew(locker, target, by);
  if (!held_.mayHold(locker, target)) return false;
  if (by != Renewal::Request) {
    const bool hasLease = held_.find(locker, target).hasLease;
    if (hasLease) session_->tell(wire::Renew{0, locker, target, by});
    return hasLease;
  }
  ClientSession::Request request;
  request.owner = locker.value;
  request.message = [=](wire::RequestId id) { return wire::Renew{id, locker, target, by}; };
  const ClientAnswer answer = await(std::move(request));
  const auto* const message = std::get_if<wire::FromServer>(&answer);
  const auto* const reply = message ? std::get_if<wire::YesNo>(message) : nullptr;
  return reply != nullptr && reply->yes;
}

// Forgotten before it is counted: what is changed under it then asks for a lock anew.
void RemoteDatabase::lapsed(const wire::LockLapsed& told) {
  const LockRequest& lock = told.lock;
  const Oid target = Oid::fromBits(lock.target.value);
  names_.remember(told.name);
  held_.lapsed(lock.locker, target, told.token);
  {
    MutexLock hold(lateMutex_);
    if (lateGrants_.erase({lock.locker.value, lock.target.value}) > 0) --lateGrantCount_;
  }
  {
    MutexLock hold(mutex_);
    if (!lockers_.contains(lock.locker.value)) return;  // It has signed off meanwhile.
  }
  lapsed_.note(lock, clock_.wallNow());
  log(LogLevel::Info, "lock.lapsed",
      {{"object", show(target)},
       {"process", std::to_string(lock.locker.value)},
       {"lease", std::to_string(lock.lease.length.count())}});
  LockAnswer answer;
  answer.outcome = LockOutcome::Lapsed;
  answer.request = lock;
  answer.token = told.token;
  lapseWatch_.tell(answer);
}

std::uint64_t RemoteDatabase::lapses(Lifetime lifetime) const {
  return lifetime == Lifetime::SharedTransient ? shared_->lapses() : lapsed_.count();
}

std::optional<RequestFailure> RemoteDatabase::lapsedSince(LockerId locker, Oid target,
                                                          std::uint64_t lapses) const {
  if (target.lifetime() == Lifetime::SharedTransient) {
    return shared_->lapsedSince(locker, target, lapses);
  }
  const auto lapse = lapsed_.since(locker, target, lapses);
  if (!lapse) return std::nullopt;
  if (lapse->number == 0) return LockedStore::failureOfForgottenLapse(show(target), target);
  return LockedStore::failureOfLapse(show(target), target, lapse->lease, lapse->when);
}

void RemoteDatabase::forgetLapses(LockerId locker) {
  shared_->forgetLapses(locker);
  lapsed_.forget(locker);
  lapseWatch_.forget(locker);
}

void RemoteDatabase::whenLapsed(LockerId locker, LapseWatch::Told told) {
  lapseWatch_.watch(locker, std::move(told));
}

// --- Resources -----------------------------------------------------------------------------------

void RemoteDatabase::resource(const std::string& name,
                              std::function<void(const ResourceReply&)> done) {
  if (auto fault = faultOfResource(name)) return done({nullptr, std::move(fault)});
  if (auto known = names_.used(name)) return done({std::move(known), std::nullopt});
  ClientSession::Request request;
  request.waitsForSession = true;
  request.message = [name](wire::RequestId id) { return wire::AskResource{id, name}; };
  request.answer = [this, name, done = std::move(done)](const ClientAnswer& answer,
                                                        const Arrived&) {
    if (const auto* const failure = std::get_if<RequestFailure>(&answer)) {
      return done({nullptr, *failure});
    }
    const auto* const reply = std::get_if<wire::ResourceReply>(&std::get<wire::FromServer>(answer));
    if (reply == nullptr || reply->oid.lifetime() != Lifetime::Resource) {
      return done({nullptr, nonsense()});
    }
    done({names_.use(name, reply->oid), std::nullopt});
  };
  request.late = [this](const ClientAnswer& answer, const Arrived&) {
    const auto* const message = std::get_if<wire::FromServer>(&answer);
    const auto* const reply = message ? std::get_if<wire::ResourceReply>(message) : nullptr;
    if (reply != nullptr) session_->tell(wire::DropResource{reply->oid, 1});
  };
  session_->ask(std::move(request));
}

std::string RemoteDatabase::show(Oid target) const {
  if (target.lifetime() != Lifetime::Resource) return schema()->show(target);
  const std::string shown = names_.shown(target);
  return shown.empty() ? "resource " + target.toString() : shown;
}

}  // namespace nephrite

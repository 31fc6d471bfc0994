// The part of RemoteDatabase that commits.

#include <algorithm>
#include <utility>

#include "node/client/remote_database.h"
#include "runtime/database/object_size.h"

namespace nephrite {
namespace {

// The server answers when it has written: what is on its way there is waited for as long as the
// session lasts, and the session's keep-alive ends it when the server is gone.
constexpr std::chrono::hours kAsLongAsTheSession{24 * 365};

/// At least so many bytes is `changes` as a message.
std::size_t leastBytesOf(const ChangeSet& changes) {
  std::size_t bytes = 0;
  for (const ObjectChange& change : changes.changes) {
    for (const Value& value : change.record->values) {
      if (const auto* const text = std::get_if<std::string>(&value)) bytes += text->size();
      if (const auto* const binary = std::get_if<Binary>(&value)) bytes += binary->size();
    }
    bytes += change.record->members.size() * sizeof(std::uint64_t);
  }
  return bytes;
}

}  // namespace

class RemoteDatabase::PendingCommit final : public PendingCall {
 public:
  PendingCommit(RemoteDatabase& database, CommitRequest request, CommitDone done)
      : database_(database), done_(std::move(done)) {
    message_.request = std::move(request);
    database_.fillIn(message_.request.upgrade);
    takeUnsure();
    for (const ObjectChange& change : message_.request.changes.changes) {
      database_.cache_.beginCommit(change.record->oid);
    }
  }

  std::size_t leastBytes() const override { return leastBytesOf(message_.request.changes); }
  std::string_view message(wire::RequestId id, bool, Instant now) override {
    message_.id = id;
    return wire::encodeInPlace(message_, now);
  }
  void sent(std::uint64_t) override { sent_ = true; }
  void onReply(ClientAnswer answer, const Arrived& arrived) override {
    database_.finishCommit(message_.request, replyFrom(std::move(answer), arrived), done_);
  }

 private:
  /// What may be held as Update or as Exclusive the server upgrades when it is Update.
  void takeUnsure() {
    CommitRequest& request = message_.request;
    std::vector<Oid> changed;
    changed.reserve(request.changes.changes.size());
    for (const ObjectChange& change : request.changes.changes) {
      if (change.kind != ChangeKind::Create) changed.push_back(change.record->oid);
    }
    const auto unsure = database_.held_.unsure(request.upgrade.locker, changed);
    std::vector<Oid>& all = request.updateLocked;
    all.insert(all.end(), unsure.begin(), unsure.end());
    std::sort(all.begin(), all.end());  // What was not sure may have been sure a moment ago.
    all.erase(std::unique(all.begin(), all.end()), all.end());
  }
  nephrite::CommitReply replyFrom(ClientAnswer answer, const Arrived& arrived);

  RemoteDatabase& database_;
  wire::Commit message_;
  bool sent_ = false;
  const CommitDone done_;
};

nephrite::CommitReply RemoteDatabase::PendingCommit::replyFrom(ClientAnswer answer,
                                                               const Arrived& arrived) {
  const CommitRequest& request = message_.request;
  auto* const message = std::get_if<wire::FromServer>(&answer);
  auto* const answered = message == nullptr ? nullptr : std::get_if<wire::CommitReply>(message);
  if (answered != nullptr) {
    database_.names_.remember(answered->people);
    database_.names_.remember(answered->names);
    answered->reply.lock.request.locker = request.upgrade.locker;
    return std::move(answered->reply);
  }
  nephrite::CommitReply reply;
  reply.outcome = CommitReply::Outcome::Failed;
  reply.failure = message != nullptr ? nonsense() : std::get<RequestFailure>(std::move(answer));
  // It never left, or the server says that it has not carried it out: nothing has happened.
  const bool isOver = !sent_ || (message == nullptr && arrived.isFromServer());
  if (isOver) return reply;

  // What changes nothing cannot have half happened.
  if (!request.changes.empty()) {
    reply.outcome = CommitReply::Outcome::Unknown;
    reply.failure = {ErrorCode::CommitUnknown,
                     "it is not known whether commit " + std::to_string(request.changes.id.number) +
                         " of process " + std::to_string(request.changes.id.process) +
                         " took place: " + reply.failure->what +
                         "; Node::commitOutcome() tells when the server can be reached"};
  }
  // It may still come to be, and would end the process's next transaction: there is none.
  database_.session_->tell(wire::SignOffProcess{request.upgrade.locker});
  database_.loses(request.upgrade.locker,
                  {ErrorCode::ConnectionLost,
                   "a commit of this process was not answered; its locks are free: sign on again"});
  return reply;
}

void RemoteDatabase::commit(CommitRequest request, CommitDone done) {
  if (const auto gone = refusalNow(request.upgrade)) {
    nephrite::CommitReply reply;
    reply.outcome =
        gone->failure ? CommitReply::Outcome::Failed : CommitReply::Outcome::LockRefused;
    reply.lock = gone->lock;
    reply.failure = gone->failure;
    return done(reply);
  }
  if (request.lifetime == Lifetime::SharedTransient) {
    return shared_->commit(std::move(request), std::move(done));
  }
  for (const ObjectChange& change : request.changes.changes) {
    if (change.kind == ChangeKind::Delete || sizeOf(*change.record) <= mostObjectBytes_) continue;
    nephrite::CommitReply reply;
    reply.outcome = CommitReply::Outcome::Failed;
    reply.failure = faultOfSize(*change.record, mostObjectBytes_, *schema());
    return done(reply);
  }
  const LockerId locker = request.upgrade.locker;
  session_->ask(std::make_shared<PendingCommit>(*this, std::move(request), std::move(done)),
                {kAsLongAsTheSession, false, locker.value});
}

void RemoteDatabase::finishCommit(const CommitRequest& request, nephrite::CommitReply reply,
                                  const CommitDone& done) {
  cacheCommit(request, reply);
  if (reply.outcome == CommitReply::Outcome::Committed) {
    noteCommit(request);
    held_.committed(request.upgrade.locker);
    for (const ObjectChange& change : request.changes.changes) {  // With their Session locks.
      if (change.kind == ChangeKind::Delete)
        held_.taken(request.upgrade.locker, change.record->oid);
    }
  }
  done(reply);
}

void RemoteDatabase::cacheCommit(const CommitRequest& request, const nephrite::CommitReply& reply) {
  for (const ObjectChange& change : request.changes.changes) {
    const Oid oid = change.record->oid;
    if (reply.outcome != CommitReply::Outcome::Committed) {
      if (reply.outcome == CommitReply::Outcome::Unknown) cache_.drop(oid);
      cache_.cancelCommit(oid);
      continue;
    }
    if (change.kind == ChangeKind::Delete || !coherent_) {
      cache_.endCommit(oid, nullptr);
      continue;
    }
    auto record = copyOf(*change.record);
    record->edition = change.kind == ChangeKind::Create ? 1 : change.record->edition + 1;
    cache_.endCommit(oid, std::move(record));
  }
}

CommitOutcome RemoteDatabase::commitOutcome(const CommitId& commit) {
  signOffProcess({commit.process});
  const auto reply = call<wire::YesNo>([&](wire::RequestId id) {
    return wire::AskOutcome{id, commit};
  });
  return reply.yes ? CommitOutcome::Committed : CommitOutcome::NotCommitted;
}

}  // namespace nephrite

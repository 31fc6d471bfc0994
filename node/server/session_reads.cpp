// What a client asks for that may have to be read from the disk: elsewhere, so that the strand,
// which serves all others too, waits for none.

#include <algorithm>
#include <utility>

#include "node/server/server_session.h"
#include "runtime/database/object_size.h"
#include "runtime/database/system_class.h"

namespace nephrite {
namespace {

/// Null, too, when the store cannot say.
RecordPtr fetched(const Database& database, Oid oid) {
  try {
    return database.fetch(oid);
  } catch (const std::exception&) {
    return nullptr;
  }
}

}  // namespace

bool ServerSession::isInMemory(std::span<const wire::KnownTarget> targets) const {
  for (const wire::KnownTarget& target : targets) {
    if (target.existence != Existence::Required) continue;
    if (!all_.database().fetchAtOnce(target.oid)) return false;
  }
  return true;
}

RecordPtr ServerSession::recordOf(Oid oid) const {
  if (auto record = all_.database().fetchAtOnce(oid)) return *std::move(record);
  const auto read = readFor_.find(oid);
  return read == readFor_.end() ? nullptr : read->second;
}

// --- One object ----------------------------------------------------------------------------------

void ServerSession::fetchAside(wire::RequestId id, Oid oid) {
  const auto outdated = std::make_shared<bool>(false);
  const auto place = fetches_.emplace(oid, outdated);
  struct Read {
    RecordPtr record;
    std::optional<RequestFailure> failure;
  };
  auto done = onStrand([id, oid, place, outdated](ServerSession& session, const Read& read) {
    --session.unanswered_;
    session.fetches_.erase(place);
    if (read.failure) return session.send(wire::FailureReply{id, *read.failure});
    // What is in memory by now is the latest. Else what was read is, unless the client was told
    // meanwhile that it is outdated: it would keep that, and never be told again.
    const bool isTold = session.all_.options().coherent && !isSystemObject(oid);
    const bool stillTold = !isTold || session.all_.interest().contains(session.number_, oid);
    if (*outdated || !stillTold) session.isInterestedIn(oid);
    const auto latest = session.all_.database().fetchAtOnce(oid);
    if (latest) return session.answerFetch(id, *latest);
    if (*outdated || !stillTold) return session.fetchAside(id, oid);
    session.answerFetch(id, read.record);
  });
  ++unanswered_;
  all_.hooks().block([&database = all_.database(), oid, done = std::move(done)] {
    try {
      done(Read{database.fetch(oid), std::nullopt});
    } catch (const std::exception& failure) {
      done(Read{nullptr, failureOf(failure)});
    }
  });
}

void ServerSession::tellStale(std::span<const wire::Stale> objects) {
  constexpr std::size_t kMostAtOnce = 100'000;
  for (const wire::Stale& one : objects) {
    const auto [first, last] = fetches_.equal_range(one.oid);
    for (auto it = first; it != last; ++it) *it->second = true;
  }
  while (!objects.empty()) {
    const auto next = objects.first(std::min(objects.size(), kMostAtOnce));
    send(wire::Invalidate{{next.begin(), next.end()}, false});
    objects = objects.subspan(next.size());
  }
}

// --- Locks ---------------------------------------------------------------------------------------

void ServerSession::inTurnAside(std::function<void()> work) {
  isAside_ = true;
  auto done = onStrand([](ServerSession& session, bool) { session.goOn(); });
  all_.hooks().block([work = std::move(work), done = std::move(done)] {
    work();
    done(true);
  });
}

void ServerSession::waitInTurn(wire::FromClient message, std::size_t bytes) {
  bytes += sizeof(Waiting);
  waiting_.push_back({stream_.lastReceived(), stream_.acknowledged(), bytes, std::move(message)});
  waitingBytes_ += bytes;
  if (connection_ && isTooFarAhead()) connection_->pauseReading(true);
}

void ServerSession::goOn() {
  isAside_ = false;
  all_.goesOn();
  const auto kept = shared_from_this();
  while (!isAside_ && !over_ && !waiting_.empty()) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    waitingBytes_ -= next.bytes;
    heardUpTo_ = next.heardUpTo;
    if (!doIt(next.message)) return all_.violated(*this);
  }
  if (over_ || isTooFarAhead()) return;
  if (connection_) connection_->pauseReading(false);
}

void ServerSession::readAndAnswer(const std::shared_ptr<const wire::LockAll>& message,
                                  const LockAllReply& told) {
  std::vector<Oid> toRead;
  for (const wire::KnownTarget& target : std::span(message->targets).first(told.granted))
    if (!isInMemory({&target, 1})) toRead.push_back(target.oid);
  if (toRead.empty()) {
    --unanswered_;
    return answerLocks(*message, told);
  }
  using Records = std::map<Oid, RecordPtr>;
  auto done = onStrand([message, told](ServerSession& session, const Records& records) {
    --session.unanswered_;
    session.readFor_ = records;
    session.answerLocks(*message, told);
    session.readFor_.clear();
  });
  all_.hooks().block(
      [&database = all_.database(), toRead = std::move(toRead), done = std::move(done)] {
        Records records;
        std::size_t bytes = 0;
        for (const Oid oid : toRead) {
          RecordPtr& record = records[oid] = fetched(database, oid);
          if (record != nullptr) bytes += sizeOf(*record);
          if (bytes > kMostOfAnswer) break;  // There is no room for the others.
        }
        done(records);
      });
}

}  // namespace nephrite

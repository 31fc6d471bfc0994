// How a session says what it has to say: what its client does not take yet waits here as a value,
// so that neither many answers nor large ones fill the server's memory.

#include <algorithm>
#include <set>
#include <utility>

#include "node/server/server_session.h"
#include "runtime/database/object_size.h"

namespace nephrite {
namespace {

/// Of one message of a list that comes in parts.
constexpr std::size_t kMostOfPart = 4'000;
constexpr std::size_t kMostDeadlocksOfPart = 16;

std::size_t bytesOf(const wire::ProcessInfos& people) { return people.size() * 256; }

std::size_t bytesOf(const RecordPtr& record) { return record == nullptr ? 0 : sizeOf(*record); }

/// About so many when it is encoded.
std::size_t bytesOf(const wire::FromServer& message) {
  constexpr std::size_t kSmall = 128;
  return kSmall + std::visit(
                      [](const auto& content) -> std::size_t {
                        using Content = std::remove_cvref_t<decltype(content)>;
                        if constexpr (std::is_same_v<Content, wire::ObjectReply>) {
                          return bytesOf(content.record);
                        } else if constexpr (std::is_same_v<Content, wire::LockAnswered>) {
                          std::size_t bytes = bytesOf(content.people) + content.grants.size() * 40;
                          for (const wire::LockReply& reply : content.replies)
                            bytes += kSmall + bytesOf(reply.reply.record);
                          return bytes;
                        } else if constexpr (std::is_same_v<Content, wire::LocksReply>) {
                          return content.locks.size() * 96 + bytesOf(content.people);
                        } else if constexpr (std::is_same_v<Content, wire::NodesReply>) {
                          return content.nodes.size() * 256;
                        } else if constexpr (std::is_same_v<Content, wire::ProcessesReply>) {
                          return bytesOf(content.processes);
                        } else if constexpr (std::is_same_v<Content, wire::OidsReply>) {
                          return content.oids.size() * sizeof(Oid);
                        } else if constexpr (std::is_same_v<Content, wire::Invalidate>) {
                          return content.objects.size() * sizeof(wire::Stale);
                        } else {
                          return 0;
                        }
                      },
                      message);
}

/// The next `most` of `all`, which are taken from it.
template <class Items>
Items takeFirst(Items& all, std::size_t& from, std::size_t most) {
  const std::size_t end = std::min(all.size(), from + most);
  const auto at = [&](std::size_t place) {
    return std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(place));
  };
  Items part(at(from), at(end));
  from = end;
  return part;
}

/// Those of `people` (in the order of their lockers) that `lockers` names.
wire::ProcessInfos peopleIn(const wire::ProcessInfos& people, const std::set<LockerId>& lockers) {
  wire::ProcessInfos named;
  for (const LockerId locker : lockers) {
    const auto at = std::lower_bound(
        people.begin(), people.end(), locker,
        [](const ProcessInfo& person, LockerId wanted) { return person.locker < wanted; });
    if (at != people.end() && at->locker == locker) named.push_back(*at);
  }
  return named;
}

}  // namespace

void ServerSession::attach(std::shared_ptr<ServerConnection> connection) {
  connection_ = std::move(connection);
}

// The next connection, should there be one, goes on with what is kept: what has waited so far is
// kept, too, as long as that is of use.
void ServerSession::detach() {
  connection_ = nullptr;
  const bool goesOn = all_.options().limits.grace.count() > 0;
  for (Deferred& waited : std::exchange(deferred_, {})) {
    if (!goesOn || !stream_.keepsAll()) break;
    stream_.number(wire::encodeInPlace(waited.message, all_.clock().now()), waited.acknowledged);
  }
  deferredBytes_ = 0;
}

bool ServerSession::defers() const {
  if (connection_ == nullptr) return false;
  return !deferred_.empty() || connection_->bytesQueued() > all_.options().limits.slowReaderWarning;
}

void ServerSession::defer(const wire::FromServer& message) {
  const std::size_t bytes = bytesOf(message);
  deferred_.push_back({tookEffect(), bytes, message});
  deferredBytes_ += bytes;
}

std::size_t ServerSession::bytesUnsent() const {
  return deferredBytes_ + (connection_ == nullptr ? 0 : connection_->bytesQueued());
}

void ServerSession::send(const wire::FromServer& message) {
  if (over_) return;
  if (defers()) return defer(message);
  sendNow(wire::encodeInPlace(message, all_.clock().now()), tookEffect());
}

void ServerSession::send(const wire::FromServer& message, std::string_view encoded) {
  if (over_) return;
  if (defers()) return defer(message);
  sendNow(encoded, tookEffect());
}

void ServerSession::sendNow(std::string_view encoded, std::uint64_t acknowledged) {
  const wire::FrameHeader header = stream_.number(encoded, acknowledged);
  all_.countSent();
  if (connection_ != nullptr) connection_->sendFramed(header, encoded);  // Else kept.
}

void ServerSession::sendDeferred() {
  while (!deferred_.empty() && connection_ != nullptr &&
         connection_->bytesQueued() <= all_.options().limits.slowReaderWarning) {
    const Deferred waited = std::move(deferred_.front());
    deferred_.pop_front();
    deferredBytes_ -= waited.bytes;
    sendNow(wire::encodeInPlace(waited.message, all_.clock().now()), waited.acknowledged);
  }
}

// --- Lists ---------------------------------------------------------------------------------------

std::vector<wire::FromServer> ServerSession::inParts(wire::FromServer list) {
  std::vector<wire::FromServer> parts;
  const auto cut = [&](auto& content, auto& items, std::size_t most, auto makePart) {
    std::size_t from = 0;
    do {
      auto part = makePart(takeFirst(items, from, most));
      part.id = content.id;
      part.more = from < items.size();
      parts.emplace_back(std::move(part));
    } while (from < items.size());
  };
  if (auto* const locks = std::get_if<wire::LocksReply>(&list)) {
    std::sort(locks->people.begin(), locks->people.end(),
              [](const auto& one, const auto& other) { return one.locker < other.locker; });
    cut(*locks, locks->locks, kMostOfPart, [&](std::vector<LockInfo> items) {
      std::set<LockerId> named;
      for (const LockInfo& lock : items)
        named.insert({lock.requestedBy, lock.lockedBy, lock.parent});
      wire::LocksReply part{0, std::move(items), peopleIn(locks->people, named)};
      part.names = std::exchange(locks->names, {});
      return part;
    });
    std::get<wire::LocksReply>(parts.back()).next = locks->next;
  } else if (auto* const nodes = std::get_if<wire::NodesReply>(&list)) {
    cut(*nodes, nodes->nodes, kMostOfPart, [](std::vector<NodeInfo> items) {
      return wire::NodesReply{0, std::move(items)};
    });
  } else if (auto* const processes = std::get_if<wire::ProcessesReply>(&list)) {
    cut(*processes, processes->processes, kMostOfPart, [](wire::ProcessInfos items) {
      return wire::ProcessesReply{0, std::move(items)};
    });
  } else if (auto* const deadlocks = std::get_if<wire::DeadlocksReply>(&list)) {
    cut(*deadlocks, deadlocks->records, kMostDeadlocksOfPart,
        [&](std::vector<DeadlockRecord> items) {
          return wire::DeadlocksReply{0, std::move(items), std::exchange(deadlocks->people, {}),
                                      false, std::exchange(deadlocks->names, {})};
        });
  } else {
    parts.push_back(std::move(list));
  }
  return parts;
}

}  // namespace nephrite

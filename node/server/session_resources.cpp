// Resources, whose names a session keeps for its client, and leases.

#include <algorithm>
#include <utility>

#include "node/server/server_session.h"
#include "runtime/database/locker_port.h"
#include "runtime/database/sign_on_names.h"

namespace nephrite {

// --- Resources -----------------------------------------------------------------------------------

bool ServerSession::handle(const wire::AskResource& message) {
  if (!mayAsk(message.id)) return true;
  if (const auto fault = faultOfResource(message.name)) {
    fail(message.id, fault->code, fault->what);
    return true;
  }
  ++unanswered_;
  all_.database().resource(
      message.name, onStrand([id = message.id](ServerSession& session, const ResourceReply& reply) {
        --session.unanswered_;
        if (reply.failure) return session.send(wire::FailureReply{id, *reply.failure});
        const Oid oid = reply.resource->oid;
        const bool isNew = !session.resources_.contains(oid);
        constexpr std::size_t kMostResources = 100'000;
        if (isNew && session.resources_.size() >= kMostResources) {
          return session.fail(id, ErrorCode::ServerRefused,
                              "this client node uses " + std::to_string(kMostResources) +
                                  " names of resources, as many as it may; let some of them go");
        }
        auto& [kept, times] = session.resources_[oid];
        kept = reply.resource;
        ++times;
        session.send(wire::ResourceReply{id, oid});
      }));
  return true;
}

bool ServerSession::handle(const wire::DropResource& message) {
  const auto kept = resources_.find(message.oid);
  if (kept == resources_.end()) return true;
  std::uint64_t& times = kept->second.second;
  times -= std::min(times, message.times);
  if (times == 0) resources_.erase(kept);
  return true;
}

wire::Names ServerSession::namesOf(std::vector<std::uint64_t> targets) const {
  wire::Names names;
  if (version_ < 2) return names;
  std::erase_if(targets, [](std::uint64_t bits) { return !isResource(Oid::fromBits(bits)); });
  std::sort(targets.begin(), targets.end());
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  for (const std::uint64_t bits : targets) {
    const Oid oid = Oid::fromBits(bits);
    names.push_back({oid, all_.database().show(oid)});
  }
  return names;
}

wire::Names ServerSession::namesOf(const LockAnswer& answer) const {
  if (answer.cycle.empty()) return {};
  std::vector<std::uint64_t> targets{answer.obtained.value};
  for (const WaitEdge& edge : answer.cycle) targets.push_back(edge.target.value);
  return namesOf(std::move(targets));
}

// --- Leases --------------------------------------------------------------------------------------

bool ServerSession::handle(const wire::Renew& message) {
  if (!isLockable(message.target)) return false;
  const OwnedProcess* const process = ownedBy(message.locker);
  const bool renewed = process != nullptr && process->port->renew(message.target, message.by);
  if (message.id != 0) send(wire::YesNo{message.id, renewed});
  return true;
}

void ServerSession::tellLapsed(const LockAnswer& lapsed) {
  if (version_ < 2) return;  // It asks for no leases.
  send(wire::LockLapsed{lapsed.request, lapsed.token, namesOf({lapsed.request.target.value})});
}

}  // namespace nephrite

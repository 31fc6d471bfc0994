#include "node/schedule/replay_events.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <chrono>

#include "base/check.h"

namespace nephrite {
namespace {

std::string scopeOf(const LockInfo& held) {
  return held.scope == LockScope::Subtree ? ",\"scope\":\"subtree\"" : "";
}

// What is left of it.
std::string leaseOf(const LockInfo& held) {
  if (held.lease.isNone()) return {};
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(held.leaseLeft);
  return ",\"lease\":" + std::to_string(left.count());
}

}  // namespace

LockType lockTypeOf(ScheduleLockType type) {
  switch (type) {
    case ScheduleLockType::Share: return LockType::Share;
    case ScheduleLockType::Reserve: return LockType::Reserve;
    case ScheduleLockType::Update: return LockType::Update;
    case ScheduleLockType::Exclusive: return LockType::Exclusive;
  }
  NEPHRITE_CHECK(false);
}

std::string jsonText(std::string_view text) {
  return boost::json::serialize(boost::json::string(text));
}

std::string listingOf(const std::vector<LockInfo>& locks,
                      const std::function<std::string(LockerId)>& nameOf) {
  std::vector<LockInfo> held;
  std::vector<LockInfo> queued;
  for (const LockInfo& lock : locks) {
    if (!lock.isFromAbove()) (lock.waiting ? queued : held).push_back(lock);
  }
  std::sort(held.begin(), held.end(), [&](const LockInfo& a, const LockInfo& b) {
    return nameOf(a.requestedBy) < nameOf(b.requestedBy);
  });

  std::string text = ",\"held\":[";
  for (std::size_t i = 0; i < held.size(); ++i) {
    text += (i == 0 ? "{\"process\":" : ",{\"process\":") + jsonText(nameOf(held[i].requestedBy)) +
            ",\"type\":\"" + std::string(nephrite::nameOf(held[i].type)) + "\",\"duration\":\"" +
            std::string(nephrite::nameOf(held[i].duration)) + "\"" + scopeOf(held[i]) +
            leaseOf(held[i]) + "}";
  }
  text += "],\"queued\":[";
  for (std::size_t i = 0; i < queued.size(); ++i) {
    text += (i == 0 ? "{\"process\":" : ",{\"process\":") +
            jsonText(nameOf(queued[i].requestedBy)) + ",\"type\":\"" +
            (queued[i].isMark ? "mark" : std::string(nephrite::nameOf(queued[i].wanted))) + "\"}";
  }
  return text + "]";
}

}  // namespace nephrite

#include "base/log_limit.h"

#include <algorithm>
#include <utility>

namespace nephrite {

bool LogLimit::admits(std::string_view event, Instant now) {
  MutexLock hold(mutex_);
  const auto known = events_.find(event);
  Event& its = known != events_.end() ? known->second : events_[std::string(event)];
  its.paidUntil = std::max(its.paidUntil, now);
  if (its.paidUntil - now > (kBurst - 1) * kEach) {
    if (its.heldBack++ == 0) its.since = now;
    return false;
  }
  its.paidUntil = its.paidUntil + kEach;
  return true;
}

std::optional<LogLimit::HeldBack> LogLimit::takeHeldBack(Instant now) {
  MutexLock hold(mutex_);
  for (auto& [name, event] : events_) {
    if (event.heldBack == 0 || now - event.since < kToldEvery) continue;
    return HeldBack{name, std::exchange(event.heldBack, 0)};
  }
  return std::nullopt;
}

}  // namespace nephrite

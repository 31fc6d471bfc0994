#include "node/server/interest_table.h"

#include <algorithm>

namespace nephrite {

bool InterestTable::add(SessionNumber session, Oid oid) {
  auto& objects = objectsOf_[session];
  if (!objects.insert(oid.bits()).second) return true;
  const bool fits = objects.size() <= mostOfOne_;
  if (!fits) {
    forget(session);
    objectsOf_[session].insert(oid.bits());
  }
  sessionsOf_[oid.bits()].push_back(session);
  return fits;
}

bool InterestTable::contains(SessionNumber session, Oid oid) const {
  const auto its = objectsOf_.find(session);
  return its != objectsOf_.end() && its->second.contains(oid.bits());
}

std::vector<InterestTable::SessionNumber> InterestTable::takeAllBut(SessionNumber except, Oid oid) {
  std::vector<SessionNumber> taken;
  const auto it = sessionsOf_.find(oid.bits());
  if (it == sessionsOf_.end()) return taken;
  bool kept = false;
  for (const SessionNumber session : it->second) {
    if (session == except) {
      kept = true;
      continue;
    }
    taken.push_back(session);
    objectsOf_[session].erase(oid.bits());
  }
  if (kept) {
    it->second.assign(1, except);
  } else {
    sessionsOf_.erase(it);
  }
  return taken;
}

void InterestTable::forget(SessionNumber session) {
  const auto it = objectsOf_.find(session);
  if (it == objectsOf_.end()) return;
  for (const std::uint64_t bits : it->second) removeFrom(Oid::fromBits(bits), session);
  objectsOf_.erase(it);
}

void InterestTable::removeFrom(Oid oid, SessionNumber session) {
  const auto it = sessionsOf_.find(oid.bits());
  if (it == sessionsOf_.end()) return;
  const auto at = std::find(it->second.begin(), it->second.end(), session);
  if (at != it->second.end()) it->second.erase(at);
  if (it->second.empty()) sessionsOf_.erase(it);
}

}  // namespace nephrite

// The part of the Record that knows of leases and families.

#include <algorithm>

#include "tests/network/record.h"

namespace nephrite {

// --- Leases --------------------------------------------------------------------------------------

void Record::lapsed(const LockAnswer& answer) {
  const LockerId locker = answer.request.locker;
  const Oid oid = Oid::fromBits(answer.request.target.value);
  Lapse& lapse = lapses_[{locker.value, oid}];
  ++lapse.count;
  lapse.token = answer.token;
  lapse.at = agenda_.runningTime(kServer);
  lapsedEver_.insert(locker.value);
  broke(locker, oid);
  robbed_.insert(locker.value);
  report_.count("lease lapsed");
  report_.trace(agenda_, "  server: ", nameOf(locker), " lapsed ", nameOf(oid));
  if (!isSignedOn(locker)) report_.fail("a lock lapsed of a process that is not signed on");
  caused_.push_back({0, nameOf(locker), "lapsed " + nameOf(oid)});
}

const Record::Lapse& Record::lapseOf(LockerId locker, Oid object) const {
  static const Lapse none;
  const auto found = lapses_.find({locker.value, object});
  return found == lapses_.end() ? none : found->second;
}

void Record::changed(LockerId locker, Oid object) {
  changedAfter_[locker.value].emplace(object, lapseOf(locker, object).count);
}

std::vector<LockerId> Record::familyOf(LockerId locker) const {
  std::vector<LockerId> family{locker};
  for (const std::uint64_t one : signedOn_) {
    LockerId above{one};
    while (above != locker) {
      const auto parent = parents_.find(above.value);
      if (parent == parents_.end()) break;
      above = parent->second;
    }
    if (above == locker && one != locker.value) family.push_back({one});
  }
  return family;
}

Record::StepPtr Record::beganSignOff(LockerId locker, std::optional<std::uint16_t> heirLevel) {
  const StepPtr step = begin(locker, 0);
  if (!isSignedOn(locker)) return step;
  for (const LockerId one : familyOf(locker)) {
    signedOn_.erase(one.value);
    for (auto& [client, lockers] : signedOnOf_) lockers.erase(one.value);
    if (one != locker) report_.count("signed off with its parent");
  }
  const auto parent = parents_.find(locker.value);
  const bool inherits = heirLevel && parent != parents_.end();
  if (inherits) {
    report_.count("locks inherited");
    ensureLevels(nameOf(parent->second), *heirLevel);
  }
  step->line = ++line_;
  report_.trace(agenda_, "  server: ", step->process, inherits ? " signOff inherit" : " signOff");
  model_.leave(step->process, inherits, line_);
  return step;
}

Record::StepPtr Record::beganRenew(LockerId locker, Oid object, bool& expected) {
  const StepPtr step = begin(locker, 0);
  if (!step->compared) return step;
  step->line = ++line_;
  report_.trace(agenda_, "  server: ", step->process, " renew ", nameOf(object));
  model_.renew(step->process, nameOf(object), line_);
  expected = model_.told().at(seen_).outcome == "renewed";
  return step;
}

void Record::renewed(LockerId locker, Oid object, bool renewed, bool expected) {
  if (renewed) report_.count("lease renewed");
  if (renewed == expected) return;
  report_.fail(nameOf(locker) + (renewed ? " renewed " : " did not renew ") + nameOf(object) +
               ", the model otherwise");
}

}  // namespace nephrite

// The leases of the model (section 10).
#include <algorithm>
#include <tuple>

#include "tests/simulation/lock_model.h"

namespace nephrite {

using model::contains;

// The process and the object whose lease is the first to lapse; of several, the one made first.
std::optional<std::pair<int, int>> LockModel::nextLapse(std::int64_t until) const {
  std::optional<std::pair<int, int>> next;
  std::tuple<std::int64_t, std::int64_t> best;
  for (int o = 0; o < static_cast<int>(objects_.size()); ++o) {
    for (const Hold& hold : objects_[o].holds) {
      if (!hold.lease || hold.lease->due > until) continue;
      const std::tuple due{hold.lease->due, hold.lease->made};
      if (next && best < due) continue;
      next = {hold.process, o};
      best = due;
    }
  }
  return next;
}

// As an unlock that no state ignores, but what waits stays in its place; and a commit cannot be
// carried out any more that changes what was locked.
void LockModel::lapse(int process, int object) {
  Process& who = processes_[process];
  const Hold lapsed = *holdOf(process, object);
  drop(object, process);

  Event event{lapsed.lease->line, now_, who.name};
  event.word = "lease";
  event.object = objects_[object].name;
  event.outcome = "lapsed";
  tell(event, false);

  const bool isChanged = contains(who.changed, object);
  if (isChanged) who.lapsed.push_back(object);
  if (isChanged && who.pending && who.pending->isCommit()) {
    endWait(process, "error", 64021, false);
  }
  for (Object& each : objects_) {
    for (Waiter& waiter : each.waiters) {
      if (waiter.process != process || waiter.target != object) continue;
      waiter.former = model::Former{lapsed.session.has_value(), lapsed.lease};
    }
  }
  serveAndLookAgain(process, {object});
}

// A request of the owner was granted; `before` is what the lock was, nothing for a new one. The
// lease belongs to what was asked for with Session duration; a lock without one gets none; the
// grant renews.
void LockModel::setLease(Hold& hold, const std::optional<model::Former>& before,
                         const Waiter& waiter) {
  std::optional<std::int64_t> old;
  if (before && before->lease) old = before->lease->length;

  std::optional<std::int64_t> length;
  if (!before || (waiter.session && !before->session)) {
    length = waiter.lease;
  } else if (old && waiter.lease && waiter.session == before->session) {
    length = std::max(*old, *waiter.lease);
  } else {
    length = old;
  }
  if (!length) return hold.lease.reset();
  if (!hold.lease) hold.lease = Lease{0, 0, 0, ++leasesMade_};
  hold.lease->length = *length;
  renew(hold, waiter.line);
}

void LockModel::renew(Hold& hold, int line) const {
  if (!hold.lease) return;
  hold.lease->due = now_ + hold.lease->length;
  hold.lease->line = line;
}

// No lease is the longest. Of two, the later moment counts now, and from the next renewal on the
// greater length.
std::optional<LockModel::Lease> LockModel::merged(const Hold& heir, const Hold& child) {
  if (!heir.lease || !child.lease) return std::nullopt;
  Lease lease = *heir.lease;
  if (child.lease->due > lease.due) {
    lease.due = child.lease->due;
    lease.line = child.lease->line;
  }
  lease.length = std::max(heir.lease->length, child.lease->length);
  return lease;
}

}  // namespace nephrite

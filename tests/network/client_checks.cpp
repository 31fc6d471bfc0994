// What a client is told and believes, held against the Record.

#include <algorithm>
#include <iterator>

#include "runtime/database/locker_port.h"
#include "tests/network/sim_client.h"

namespace nephrite {
namespace {

using std::chrono::milliseconds;

int strengthOf(LockType type) {
  switch (type) {
    case LockType::Share: return 1;
    case LockType::Reserve: return 2;
    case LockType::Update: return 3;
    case LockType::Exclusive: return 4;
    case LockType::Get: break;
  }
  return 0;
}

}  // namespace

// --- What is told --------------------------------------------------------------------------------

void SimClient::checkRecord(const std::string& what, const RecordPtr& record) {
  if (record == nullptr || record->values.empty()) return fail(what + ": no object");
  const auto value = std::get<std::int64_t>(record->values.front());
  if (value != record->edition - 1) {
    fail(what + ": edition " + std::to_string(record->edition) + " has the value " +
         std::to_string(value));
  }
  checkAge(what, record->oid, record);
}

// What a client has seen never becomes older for it.
void SimClient::checkAge(const std::string& what, Oid object, const RecordPtr& record) {
  std::uint32_t& seen = seen_[object];
  const std::uint32_t age = record_.ageOf(object, record);
  if (age < seen) {
    fail(what + ": " + record_.nameOf(object) + " is of age " + std::to_string(age) + ", and was " +
         std::to_string(seen) + " before");
  }
  seen = std::max(seen, age);
}

// Who holds a lock reads what was committed last, also by another process of its node.
void SimClient::checkLatest(const Actor& actor, const std::string& what, Oid object,
                            const RecordPtr& record) {
  const auto latest = record_.editionOf(object);
  if (isUntold(actor.locker(), object) || !record_.isSignedOn(actor.locker())) return;
  if (hasBusyRelative(actor)) return;
  const std::uint32_t seen = record ? record->edition : 0;
  checkAge(actor.name + " " + what, object, record);
  if (seen == latest) return;
  fail(actor.name + " " + what + " " + record_.nameOf(object) + ": saw edition " +
       std::to_string(seen) + ", not " + std::to_string(latest));
}

// Who is told that there is no such object is told the truth.
void SimClient::checkMissing(const Actor& actor, Oid object, bool wasThere,
                             const StepResult& result) {
  if (result.code != ErrorCode::ObjectDeleted || !wasThere || !record_.isThere(object)) return;
  fail(actor.name + " was told that there is no " + record_.nameOf(object));
}

// Who was told of a grant holds the lock, as far as it knows; unless an operator has taken it
// since, or its parent has signed off, and it has gone with that.
void SimClient::checkHeld(const Actor& actor, Oid object, LockType asked) {
  if (actor.over) return;
  if (record_.isBroken(actor.locker(), object) || record_.isForcedOff(actor.locker())) return;
  if (actor.isInFamily && !record_.isThere(object)) return;  // A relative has deleted it since.
  const auto held = database_->lockKnown(actor.locker(), object);
  if (!held || strengthOf(held->type) < strengthOf(asked)) {
    fail(actor.name + " was granted " + record_.nameOf(object) + " and does not hold it");
  }
}

void SimClient::readHeld(const ActorPtr& actor, Oid object) {
  if (!database_ || actor->over || network_.waiting) return;
  RecordPtr record;
  const bool worked = wait([&] { record = database_->fetch(object); });
  if (!worked || !database_->lockKnown(actor->locker(), object)) return;
  checkLatest(*actor, "read", object, record);
}

// What was committed before a lock was granted is known to the client when it is told of the grant:
// also of objects that it has not locked.
void SimClient::readOther(const ActorPtr& actor, std::uint64_t request) {
  if (!database_ || actor->over || network_.waiting) return;
  const Record::Decided* const decided = record_.decided(actor->locker(), request);
  if (decided == nullptr || decided->ages.empty()) return;  // Granted from memory.
  // If it can be, one of which this client has seen an older edition only.
  auto which = std::find_if(decided->ages.begin(), decided->ages.end(), [this](const auto& age) {
    const auto seen = seen_.find(age.first);
    return seen != seen_.end() && seen->second < age.second;
  });
  if (which == decided->ages.end()) {
    which = decided->ages.begin();
    std::advance(which, network_.random.below(static_cast<int>(decided->ages.size())));
  }
  const auto [object, least] = *which;
  RecordPtr record;
  if (!wait([&, object = object] { record = database_->fetch(object); })) return;
  const std::uint32_t age = record_.ageOf(object, record);
  network_.report.count("other object read after a grant");
  checkAge(actor->name + " reads another", object, record);
  if (age >= least) return;
  fail(actor->name + " reads " + record_.nameOf(object) + " of age " + std::to_string(age) +
       ", which was " + std::to_string(least) + " when its last lock was granted");
}

bool SimClient::isUntold(LockerId locker, Oid object) const {
  if (record_.isForcedOff(locker)) return true;
  if (!record_.isBroken(locker, object)) return false;
  if (database_ && database_->lockKnown(locker, object)) return true;
  record_.toldBroken(locker, object);
  return false;
}

// --- Views ---------------------------------------------------------------------------------------

std::vector<SimClient::Belief> SimClient::beliefs() const {
  std::vector<Belief> all;
  if (!isConnected()) return all;
  for (const ActorPtr& actor : actors_) {
    if (actor->over || actor->busy || !actor->machine) continue;
    for (const Oid oid : record_.objects()) {
      const auto held = database_->lockKnown(actor->locker(), oid);
      if (!held) continue;
      all.push_back(
          {actor->locker(), oid, held->type, held->below, held->token, hasBusyRelative(*actor)});
    }
  }
  return all;
}

void SimClient::checkLapse(const Belief& belief, const HeardOf& heard) {
  // A lapse is noticed aside from what the server serves, and told soon after.
  constexpr milliseconds kToldWithin{5};
  const Record::Lapse& lapse = record_.lapseOf(belief.locker, belief.object);
  if (lapse.count == 0 || belief.token > lapse.token || !temper_.isToldSoon) return;
  // What was missed on another connection is said at the beginning of the next, in its order.
  if (heard.at <= lapse.at + kToldWithin || lapse.at <= heard.began) return;
  fail(record_.nameOf(belief.locker) + " believes it holds " + record_.nameOf(belief.object) +
       ", which has lapsed");
}

void SimClient::received(const HeardOf& heard) {
  for (const Belief& belief : beliefs()) {
    checkLapse(belief, heard);
    if (isUntold(belief.locker, belief.object) || belief.isUnsure) continue;
    const auto& held = heard.held;
    const bool agreed = std::any_of(held.begin(), held.end(), [&](const LockInfo& lock) {
      return lock.requestedBy == belief.locker && lock.target.value == belief.object.bits() &&
             strengthOf(lock.type) >= strengthOf(belief.type) &&
             strengthOf(lock.below) >= strengthOf(belief.below);
    });
    if (!agreed) {
      fail(record_.nameOf(belief.locker) + " believes it holds " + record_.nameOf(belief.object) +
           " as " + std::string(nameOf(belief.type)) + ", and " +
           std::string(nameOf(belief.below)) + " below it; the server does not");
    }
  }
}

void SimClient::checkViews(Database& server) {
  if (!isConnected()) return;
  for (const ActorPtr& actor : actors_) {
    if (actor->over || !actor->machine) continue;
    if (actor->busy) return fail(actor->name + " is still not answered");
    for (const Oid oid : record_.objects()) {
      const auto mine = database_->lockKnown(actor->locker(), oid);
      const auto theirs = server.port(actor->locker())->lockStatus(oid);
      if (theirs && !record_.isThere(oid) && !actor->hasMade(oid)) {
        fail(actor->name + " holds " + record_.nameOf(oid) + ", which is not there");
      }
      const bool same =
          mine.has_value() == theirs.has_value() &&
          (!mine || (mine->type == theirs->type && mine->session == theirs->session &&
                     mine->below == theirs->below && mine->belowSession == theirs->belowSession &&
                     mine->level == theirs->level && mine->token <= theirs->token));
      if (!same) {
        const auto words = [](const std::optional<LockInfo>& lock) {
          if (!lock) return std::string("nothing");
          return std::string(nameOf(lock->type)) + " session " +
                 std::string(nameOf(lock->session)) + " below " + std::string(nameOf(lock->below)) +
                 " session " + std::string(nameOf(lock->belowSession)) + " level " +
                 std::to_string(lock->level);
        };
        fail(actor->name + " on " + record_.nameOf(oid) + ": the client has " + words(mine) +
             ", the server " + words(theirs));
      }
    }
  }
  for (const Oid oid : record_.objects()) {
    RecordPtr seen;
    if (!wait([&] { seen = database_->fetch(oid); })) return fail("cannot read at rest");
    if (!record_.isThere(oid)) {
      if (seen) fail("at rest " + record_.nameOf(oid) + " is here, and not in truth");
      continue;
    }
    checkRecord("at rest", seen);
    if (seen && seen->edition != record_.editionOf(oid)) {
      fail("at rest " + record_.nameOf(oid) + " has edition " + std::to_string(seen->edition) +
           " here, and " + std::to_string(record_.editionOf(oid)) + " in truth");
    }
  }
}

}  // namespace nephrite

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "node/schedule/replay.h"
#include "tests/lock_events/followed.h"
#include "tests/support/database_form.h"

namespace nephrite {

inline std::shared_ptr<ObjectStore> storeForAllWorlds() {
  static const std::shared_ptr<ObjectStore> store = [] {
    ObjectStore::Options options;
    options.inMemory = true;
    return std::shared_ptr<ObjectStore>(ObjectStore::open(options));
  }();
  return store;
}

/// Plays over a wire: all its work is done on the thread that plays, in one order.
class WireWorld final : public ReplayWorld {
 public:
  ManualClock& clock() override { return clock_; }
  LocalDatabase& local() override { return form_.local(); }
  Database& database() override { return *form_.database(); }
  void setTimeouts(std::chrono::milliseconds server,
                   std::chrono::milliseconds background) override {
    form_.setTimeouts(server, background);
  }
  void settle() override { form_.settle(); }

 private:
  ManualClock clock_;
  DatabaseForm form_{
      Form::Wire,
      storeForAllWorlds(),
      clock_,
      {.local = {.locks = {.countsAge = true}, .threads = false}, .networkThread = false}};
};

/// Plays in this program; somebody watches objects of the schedule, and knows what is held of them
/// from the events alone. He is right whenever he is told that there are new ones.
class WatchedWorld final : public ReplayWorld {
 public:
  /// A bit of `watched` for each of the first objects that are made: is it watched?
  explicit WatchedWorld(std::uint64_t watched) {
    ClassDef wanted;
    wanted.name = "ScheduleObject";
    wanted.properties = {{"line", ValueType::Integer64}};
    const Oid before =
        database_.newOid(Lifetime::Persistent, database_.defineClass(wanted)->number);
    for (std::uint64_t i = 1; watched != 0; ++i, watched >>= 1) {
      if ((watched & 1) == 0) continue;
      const Oid oid(Lifetime::Persistent, before.classNumber(), before.instance() + i);
      followed_.push_back(Followed{database_.watchLocks(oid), database_.locksOn(oid)});
    }
  }

  ManualClock& clock() override { return clock_; }
  LocalDatabase& local() override { return database_; }
  Database& database() override { return database_; }
  void setTimeouts(std::chrono::milliseconds server,
                   std::chrono::milliseconds background) override {
    database_.setTimeouts(server, background);
  }
  void settle() override {}

  std::size_t eventsSeen() const { return seen_; }
  /// Events of a target after which he was wrong about it; empty: he never was.
  const std::string& mistake() const { return mistake_; }

 private:
  void look() {
    const LockEvents found = database_.lockEventsAfter(Lifetime::Persistent, next_, SIZE_MAX);
    next_ = found.next;
    for (Followed& followed : followed_) {
      std::string events;
      for (const LockEvent& event : found.events) {
        if (event.target != followed.target()) continue;
        followed.apply(event);
        events += std::string(nameOf(event.kind)) + " " + std::to_string(event.locker.value) + "; ";
        ++seen_;
      }
      const Oid oid = Oid::fromBits(followed.target().value);
      const bool isRight = Followed::heldIn(database_.locksOn(oid)) == followed.holders();
      if (!isRight && mistake_.empty()) mistake_ = oid.toString() + ": " + events;
    }
  }

  ManualClock clock_;
  LocalDatabase database_{
      storeForAllWorlds(), clock_, {.locks = {.countsAge = true}, .threads = false}};
  std::vector<Followed> followed_;
  std::uint64_t next_ = 0;
  std::size_t seen_ = 0;
  std::string mistake_;
  LockSubscription subscription_ =
      database_.whenLockEvents(Lifetime::Persistent, [this] { look(); });
};

}  // namespace nephrite

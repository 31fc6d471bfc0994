#include "bench/nephrite/embedded.h"

#include <algorithm>

namespace bench {

ObjectStore::Options Embedded::inMemory() {
  ObjectStore::Options options;
  options.inMemory = true;
  options.cacheBytes = 4ull << 30;
  return options;
}

Embedded::Embedded(std::size_t count, ObjectStore::Options options)
    : database_(std::make_shared<LocalDatabase>(ObjectStore::open(options), SystemClock::instance(),
                                                LocalDatabase::Options{})),
      node_(Node::signOn(database_, "bench")) {
  Process maker = process("maker");
  oids_ = makeThings(maker, count);
}

std::vector<Object> Embedded::objects(const Process& process, std::size_t first,
                                      std::size_t count) const {
  std::vector<Object> handles;
  handles.reserve(count);
  for (std::size_t i = first; i < first + count; ++i) handles.push_back(process.object(oids_[i]));
  return handles;
}

std::vector<Oid> makeThings(Process& process, std::size_t count, const std::string& text) {
  constexpr std::size_t kAtOnce = 1'000;
  process.defineClass({.name = "Thing", .properties = {{"text", ValueType::String}}});
  std::vector<Oid> oids;
  oids.reserve(count);
  while (oids.size() < count) {
    process.beginTransaction();
    for (std::size_t i = std::min(kAtOnce, count - oids.size()); i > 0; --i) {
      Object thing = process.create("Thing");
      if (!text.empty()) thing.set("text", text);
      oids.push_back(thing.oid());
    }
    process.commitTransaction();
  }
  return oids;
}

void proveLocks(Embedded& embedded, Oid oid) {
  Process holder = embedded.process("holder"), other = embedded.process("other");
  Object mine = holder.object(oid), theirs = other.object(oid);
  mine.exclusiveLock();
  require(mine.lockStatus().type == LockType::Exclusive, "the holder does not see its own lock");
  const std::vector<Lock> shown = other.system().getLocksOn(theirs);
  require(shown.size() == 1 && shown[0].requestedBy.locker == holder.info().locker &&
              shown[0].type == LockType::Exclusive,
          "the lock is not shown to who looks for it");
  require(!theirs.tryLock(LockType::Share), "an object was given to two processes");
  mine.unlock();
  require(theirs.tryLock(LockType::Exclusive), "an unlocked object was not given");
  theirs.unlock();
  require(embedded.database().locksOn(oid).empty(), "a lock was left behind");
}

}  // namespace bench

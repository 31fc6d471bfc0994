#include <algorithm>
#include <random>

#include "bench/nephrite/cases.h"
#include "bench/nephrite/embedded.h"

namespace bench::cases {
namespace {

void pairs(const char* name, std::size_t count, std::size_t operations) {
  Embedded embedded(count);
  proveLocks(embedded, embedded.oids().front());
  Process process = embedded.process("bench");
  std::vector<Object> objects = embedded.objects(process, 0, count);
  // Cold for the processor: the records themselves are in memory.
  for (const Object& object : objects) require(object.exists(), "an object is not there");
  const auto fetches = [&] {
    const ObjectStore::Statistics statistics = embedded.database().store().statistics();
    return statistics.fetches - statistics.cacheHits;
  };
  const std::uint64_t missed = fetches();
  std::shuffle(objects.begin(), objects.end(), std::mt19937_64(1));
  std::size_t next = 0;
  const auto pair = [&](std::size_t) {
    Object& object = objects[next];
    if (++next == count) next = 0;  // No division, as in the floor, whose count is a constant.
    object.exclusiveLock();
    object.unlock();
  };
  const std::uint64_t before = process.system().getRequestStats().unlockObjects;
  if (count >
      100'000) {  // Cold is what the processor has not; here the lock manager has not either.
    print(measure({.system = kSystem, .name = name, .variant = "first lock of each"}, count, pair));
    std::shuffle(objects.begin(), objects.end(), std::mt19937_64(2));
  }
  for (std::size_t i = 0; i < 100'000; ++i) pair(i);
  const Figure figure = measure({.system = kSystem, .name = name}, operations, pair);
  require(process.system().getRequestStats().unlockObjects - before >= operations,
          "not every unlock was counted");
  require(fetches() == missed, "a record was not in memory");
  print(figure);
}

}  // namespace

void uncontended1k() { pairs("uncontended_1k", 1'000, 1'000'000); }
void uncontended1mCold() { pairs("uncontended_1m_cold", 1'000'000, 1'000'000); }

void reentrant() {
  Embedded embedded(1);
  proveLocks(embedded, embedded.oids()[0]);
  Process process = embedded.process("bench"), other = embedded.process("other");
  Object object = process.object(embedded.oids()[0]);
  object.exclusiveLock();
  const auto again = [&](std::size_t) { object.exclusiveLock(); };
  for (std::size_t i = 0; i < 100'000; ++i) again(i);
  const Figure figure = measure({.system = kSystem, .name = "reentrant"}, 2'000'000, again);
  Object theirs = other.object(object.oid());
  require(!theirs.tryLock(LockType::Share), "it was not held");
  object.unlock();
  require(theirs.tryLock(LockType::Share), "one unlock did not free it");
  print(figure);
}

}  // namespace bench::cases

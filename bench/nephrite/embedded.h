#pragma once

// Private to this folder.

#include <memory>
#include <string>
#include <vector>

#include "bench/driver/driver.h"
#include "runtime/database/local_database.h"
#include "runtime/nephrite.h"

namespace bench {

using namespace nephrite;

/// A database in this program, in memory, its records all in the cache; with `count` objects.
class Embedded {
 public:
  explicit Embedded(std::size_t count, ObjectStore::Options options = inMemory());

  Node& node() { return node_; }
  LocalDatabase& database() { return *database_; }
  Process process(const std::string& name) { return node_.signOn({.name = name}); }
  const std::vector<Oid>& oids() const { return oids_; }
  /// Handles of `count` objects from `first` on, in the hands of `process`.
  std::vector<Object> objects(const Process& process, std::size_t first, std::size_t count) const;

  static ObjectStore::Options inMemory();

 private:
  std::shared_ptr<LocalDatabase> database_;
  Node node_;
  std::vector<Oid> oids_;
};

/// Makes `count` objects of class Thing, whose one property "text" is `text`.
std::vector<Oid> makeThings(Process& process, std::size_t count, const std::string& text = {});

/// Throws unless a lock is recorded, shown to who looks for it, and keeps others out.
void proveLocks(Embedded& embedded, Oid oid);

}  // namespace bench

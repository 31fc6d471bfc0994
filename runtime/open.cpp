#include "runtime/open.h"

#include <memory>

#include "objects/object_store.h"
#include "runtime/database/local_database.h"

namespace nephrite {

Node open(const OpenOptions& options) {
  std::shared_ptr<ObjectStore> store = ObjectStore::open({.directory = options.directory,
                                                          .syncCommits = options.syncCommits,
                                                          .cacheBytes = options.cacheBytes});
  LocalDatabase::Options local;
  local.locks.serverTimeout = options.lockTimeout;
  local.locks.backgroundTimeout = options.backgroundLockTimeout;
  return Node::signOn(
      std::make_shared<LocalDatabase>(std::move(store), SystemClock::instance(), local),
      options.nodeName);
}

}  // namespace nephrite

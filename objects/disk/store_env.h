#pragma once

#include <memory>

#include "objects/object_store.h"

namespace rocksdb {
class Env;
}

namespace nephrite {

/// Private to objects and its tests. ObjectStore::open(), with all file work done through `env`,
/// which must outlive the store: so tests can make a disk full or broken at will.
std::unique_ptr<ObjectStore> openWithEnv(const ObjectStore::Options& options, rocksdb::Env* env);

}  // namespace nephrite

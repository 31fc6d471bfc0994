#include "objects/object_store.h"

#include <rocksdb/env.h>

#include "objects/disk/rocks_store.h"
#include "objects/disk/store_env.h"

namespace nephrite {

std::unique_ptr<ObjectStore> ObjectStore::open(const Options& options) {
  if (!options.inMemory) return openWithEnv(options, rocksdb::Env::Default());
  std::unique_ptr<rocksdb::Env> memory(rocksdb::NewMemEnv(rocksdb::Env::Default()));
  rocksdb::Env* const env = memory.get();
  return std::make_unique<RocksStore>(options, env, std::move(memory));
}

std::unique_ptr<ObjectStore> openWithEnv(const ObjectStore::Options& options, rocksdb::Env* env) {
  return std::make_unique<RocksStore>(options, env, nullptr);
}

}  // namespace nephrite

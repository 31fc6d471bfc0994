#pragma once

#include <rocksdb/status.h>

#include <filesystem>
#include <string>

#include "objects/object_store.h"

// Private to objects: what RocksDB answers, as StoreException.

namespace nephrite {

/// Damaged: `what` names the file and what is wrong with it; what to do is added.
[[noreturn]] void throwDamaged(const std::string& what);

/// `status` came of `tried` ("commit 3 changes") on the store in `path`.
[[noreturn]] void throwStatus(const rocksdb::Status& status, const std::string& tried,
                              const std::filesystem::path& path);

/// `error`, an errno, came of `tried` on the store in `path`, which is being opened.
[[noreturn]] void throwSystemError(int error, const std::string& tried,
                                   const std::filesystem::path& path);

/// As throwStatus() while opening, when a missing file is damage too.
[[noreturn]] void throwOpenStatus(const rocksdb::Status& status, const std::string& tried,
                                  const std::filesystem::path& path);

}  // namespace nephrite

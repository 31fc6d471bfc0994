#pragma once

#include <rocksdb/env.h>

#include <filesystem>

namespace nephrite {

/// Private to objects. Reads a write-ahead log or MANIFEST of RocksDB and throws Damaged when it
/// was changed after it was written.
///
/// RocksDB takes a last record that is cut short for one that a crash interrupted, and drops it
/// silently; rightly, since it was never said to be durable. But a flipped bit in the length
/// of a record looks the same, and would drop it and all that follows. So here a broken end is
/// accepted only if no whole record is found in or behind it: neither under the length it claims
/// nor under any shorter one, nor at any later byte.
void checkLogFile(rocksdb::Env& env, const std::filesystem::path& file);

}  // namespace nephrite

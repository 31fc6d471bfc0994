#pragma once

#include <rocksdb/env.h>

#include <cstdarg>
#include <filesystem>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"

namespace nephrite {

/// Private to objects. What RocksDB has to say, warnings and worse, in the file LOG of the store.
/// RocksDB's own logger stops the program when it cannot write its file, on a full disk say; this
/// one leaves out what cannot be written.
///
/// Shape:   appends to LOG; from kMostBytes on that becomes LOG.old.<microseconds>, of which
/// RocksDB
///          keeps as many as its option says.
/// Threads: any. The mutex is a leaf, held while a line is written.
class RocksLog final : public rocksdb::Logger {
 public:
  static constexpr std::uint64_t kMostBytes = 1u << 20;

  /// `env` and `clock` must outlive this.
  RocksLog(rocksdb::Env& env, const Clock& clock, std::filesystem::path directory);
  ~RocksLog() override;

  /// Nothing more is written.
  void stop() NEPHRITE_EXCLUDES(mutex_);

  using rocksdb::Logger::Logv;
  void Logv(const char* format, std::va_list arguments) override;

 private:
  void open() NEPHRITE_REQUIRES(mutex_);
  void append(std::string_view line) NEPHRITE_EXCLUDES(mutex_);

  rocksdb::Env& env_;
  const Clock& clock_;
  const std::filesystem::path directory_;
  Mutex mutex_;
  std::unique_ptr<rocksdb::WritableFile> file_ NEPHRITE_GUARDED_BY(mutex_);
  bool stopped_ NEPHRITE_GUARDED_BY(mutex_) = false;
  std::uint64_t bytes_ NEPHRITE_GUARDED_BY(mutex_) = 0;
};

}  // namespace nephrite

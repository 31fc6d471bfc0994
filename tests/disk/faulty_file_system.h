#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace nephrite {

/// The real file system, until it fails. Everything that writes counts: appending, syncing,
/// making, renaming, cutting and removing files; with `readsCount`, reading and looking too. A
/// failing append leaves half of its bytes behind, as a full disk does. Threads: any; what is
/// public is set before the store is opened.
class FaultyFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  enum class Fault { DiskFull, IoError };

  FaultyFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FaultyFileSystem"; }

  /// Fails operation `first` (counted from now, from 0) and all after it, or only it.
  void failFrom(int first, Fault fault, bool onlyOnce) {
    fault_ = fault;
    until_ = onlyOnce ? first + 1 : INT32_MAX;
    operations_ = 0;
    first_ = first;
  }
  void heal() { first_ = INT32_MAX; }
  bool hasFailed() const { return hasFailed_; }

  bool readsCount = false;

  /// Called before each sync of a write-ahead log.
  std::function<void()> beforeLogSync = [] {};

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override {
    if (auto failure = nextOperation(); !failure.ok()) return failure;
    const auto status = target()->NewWritableFile(name, options, result, debug);
    if (status.ok()) *result = std::make_unique<File>(*this, name, std::move(*result));
    return status;
  }

  rocksdb::IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* result,
                                       rocksdb::IODebugContext* debug) override {
    if (auto failure = nextOperation(); !failure.ok()) return failure;
    const auto status = target()->ReopenWritableFile(name, options, result, debug);
    if (status.ok()) *result = std::make_unique<File>(*this, name, std::move(*result));
    return status;
  }

  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    if (auto failure = nextOperation(); !failure.ok()) return failure;
    return target()->RenameFile(from, to, options, debug);
  }
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    if (auto failure = nextOperation(); !failure.ok()) return failure;
    return target()->DeleteFile(name, options, debug);
  }
  rocksdb::IOStatus Truncate(const std::string& name, std::size_t size,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
    if (auto failure = nextOperation(); !failure.ok()) return failure;
    return target()->Truncate(name, size, options, debug);
  }
  rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* result,
                                 rocksdb::IODebugContext* debug) override {
    if (auto failure = nextOperation(); !failure.ok()) return failure;
    return target()->NewDirectory(name, options, result, debug);
  }

  rocksdb::IOStatus NewSequentialFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                      rocksdb::IODebugContext* debug) override {
    if (auto failure = nextLook(); !failure.ok()) return failure;
    return target()->NewSequentialFile(name, options, result, debug);
  }
  rocksdb::IOStatus NewRandomAccessFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                        rocksdb::IODebugContext* debug) override {
    if (auto failure = nextLook(); !failure.ok()) return failure;
    return target()->NewRandomAccessFile(name, options, result, debug);
  }
  rocksdb::IOStatus GetChildren(const std::string& name, const rocksdb::IOOptions& options,
                                std::vector<std::string>* result,
                                rocksdb::IODebugContext* debug) override {
    if (auto failure = nextLook(); !failure.ok()) return failure;
    return target()->GetChildren(name, options, result, debug);
  }
  rocksdb::IOStatus GetFileSize(const std::string& name, const rocksdb::IOOptions& options,
                                std::uint64_t* size, rocksdb::IODebugContext* debug) override {
    if (auto failure = nextLook(); !failure.ok()) return failure;
    return target()->GetFileSize(name, options, size, debug);
  }

 private:
  class File final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(FaultyFileSystem& system, const std::string& name,
         std::unique_ptr<rocksdb::FSWritableFile>&& file)
        : FSWritableFileOwnerWrapper(std::move(file)),
          system_(system),
          isLog_(name.ends_with(".log")) {}

    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
      const auto failure = system_.nextOperation();
      if (failure.ok()) return target()->Append(data, options, debug);
      target()
          ->Append(rocksdb::Slice(data.data(), data.size() / 2), options, debug)
          .PermitUncheckedError();
      return failure;
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo& /*verification*/,
                             rocksdb::IODebugContext* debug) override {
      return Append(data, options, debug);
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
      if (isLog_) system_.beforeLogSync();
      if (auto failure = system_.nextOperation(); !failure.ok()) return failure;
      return target()->Sync(options, debug);
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* debug) override {
      return Sync(options, debug);
    }

   private:
    FaultyFileSystem& system_;
    const bool isLog_;
  };

  rocksdb::IOStatus nextOperation() {
    const int number = operations_++;
    if (number < first_ || number >= until_) return rocksdb::IOStatus::OK();
    hasFailed_ = true;
    if (fault_ == Fault::DiskFull) return rocksdb::IOStatus::NoSpace("no space left on device");
    return rocksdb::IOStatus::IOError("input/output error");
  }

  rocksdb::IOStatus nextLook() { return readsCount ? nextOperation() : rocksdb::IOStatus::OK(); }

  std::atomic<int> operations_{0};
  std::atomic<int> first_{INT32_MAX};
  std::atomic<int> until_{INT32_MAX};
  std::atomic<Fault> fault_{Fault::IoError};
  std::atomic<bool> hasFailed_{false};
};

}  // namespace nephrite
